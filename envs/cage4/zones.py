"""The zones of one agent of CAGE Challenge 4 as a Tocsin game: a twin, what playbooks do there, what is believed.

Flows in: a `Layout`. Flows out: a `Game` with one tick a step. A subnet is a segment, a host a host that the segment
and the other zones reach; every host is taken to have a weakness that a network opens and one for its user, since the
game does not say which have. One owner, who agrees to everything at once: the game knows no consent.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from ...playbooks.actions import load_library
from ...twin.attack.steps import derive_steps
from ...twin.compiled import compile_twin
from ...twin.graph import Asset, ConsentRule, Link, Owner, Twin, Weakness
from ...twin.rulebook.parameters import AttackerProfile, GameSettings, build_parameters
from ...twin.sensing.confusion import ConfusionTable, shipped_confusion
from ...twin.vocabulary import (
    Access,
    AssetKind,
    ConsentClass,
    ConsentMode,
    LinkKind,
    Proposer,
    SensorClass,
    StepClass,
)
from ..attackers import Attacker
from ..game import Game
from ..scenario import PLAYED, Scenario
from .layout import Layout

OWNER, OUTSIDE = "zone", "zone/external/others"
TICK_S = 60.0
STEPS_OF = {
    "restore-asset": 5,
    "raise-monitoring": 2,
}  # steps that the game's own action takes, a playbook in its place
WATCHED = (SensorClass.HOST, SensorClass.NETWORK)
ONE_BIN = (0.0, 0.0, 1.0)  # a flag is a flag: all findings have one confidence
# Measured over two episodes of 500 steps of CybORG (commit 8c3c50c, FiniteStateRedAgent, sleeping defenders): of 412
# exploits 109 gave a host; when one was gained 58 % had a process flag, 48 % a connection flag; of 27,860 host-steps
# without red 0.15 % and 0.41 %; of 37,767 with red, gained before, 0.24 % and 0.43 %.
EXPLOIT_SUCCESS = 0.26
TRIES_PER_HOUR = 3.0  # per subnet: 412 exploits in 1,000 steps, 8 subnets
HIT = {SensorClass.HOST: 0.58, SensorClass.NETWORK: 0.48}
FALSE_PER_STEP = {SensorClass.HOST: 0.0015, SensorClass.NETWORK: 0.0041}
PRESENCE = {SensorClass.HOST: 0.0009, SensorClass.NETWORK: 0.0002}
ESCALATION_SUCCESS = 0.6  # assumed


@cache
def zone_game(subnets: tuple[str, ...], hosts: tuple[str, ...]) -> Game:
    """The game of an agent's zones with these hosts."""
    twin, library = _twin(subnets, hosts), load_library().only(PLAYED)
    compiled = compile_twin(twin, derive_steps(twin), tick_s=TICK_S)
    assumed, quiet = (
        build_parameters(compiled, [_attacker(len(subnets), absent)], table, GameSettings())
        for absent, table in ((0.0, _confusion()), (1.0, _silent()))
    )
    effects = library.effect_table(TICK_S)
    rows = effects.playbook.copy()
    for name, steps in STEPS_OF.items():
        rows[library.index_of(name)].work = steps
    rows["success"] = 1.0
    lower = np.ones_like(effects.lower)  # here a restored host is as weak as before
    scenario = Scenario(name="cage4", attackers=(Attacker(),), tick_s=TICK_S, decide_every=1)
    return Game(scenario, library, compiled, effects._replace(playbook=rows, lower=lower), quiet, assumed)


def game_of(layout: Layout) -> Game:
    """The game of a layout; compiled once for all episodes with the same hosts."""
    return zone_game(layout.subnets, layout.present)


def host_id(host: str) -> str:
    """Id in the twin of a host of the game."""
    return f"{OWNER}/host/{host}"


def _twin(subnets: tuple[str, ...], hosts: tuple[str, ...]) -> Twin:
    assets = [Asset(OUTSIDE, AssetKind.EXTERNAL, OWNER, "others")]
    links = []
    for subnet in subnets:
        segment = f"{OWNER}/segment/{subnet}"
        assets.append(Asset(segment, AssetKind.SEGMENT, OWNER, subnet))
        for host in (one for one in hosts if one.startswith(subnet)):
            name = host_id(host)
            assets.append(Asset(name, AssetKind.HOST, OWNER, host, criticality=1.0, sensors=WATCHED))
            links.append(Link(LinkKind.REACHES, name, segment))
            links += [Link(LinkKind.REACHES, source, name, port=22) for source in (segment, OUTSIDE)]
    weaknesses = [
        weakness
        for host in hosts
        for weakness in (
            Weakness("CWE-306", host_id(host), access=Access.USER, success=EXPLOIT_SUCCESS),
            Weakness("CWE-269", host_id(host), access=Access.ADMIN, success=ESCALATION_SUCCESS),
        )
    ]
    agrees = [ConsentRule(OWNER, one, proposer, ConsentMode.AT_ONCE) for one in ConsentClass for proposer in Proposer]
    return Twin.build(owners=[Owner(OWNER)], assets=assets, links=links, weaknesses=weaknesses, consent=agrees)


def _attacker(subnets: int, absent: float) -> AttackerProfile:
    return AttackerProfile("red", tries_per_hour=TRIES_PER_HOUR * subnets, onset_s=(0.0, 0.0), absent=absent)


def _confusion() -> ConfusionTable:
    """Flags given what red did, and given nothing."""
    hit = np.zeros((len(SensorClass), len(StepClass)))
    false_per_hour, share = np.zeros(len(SensorClass)), np.zeros_like(hit)
    share[:, StepClass.EXPLOIT] = 1.0
    for sensor in WATCHED:
        hit[sensor, StepClass.EXPLOIT], hit[sensor, StepClass.PRESENCE] = HIT[sensor], PRESENCE[sensor]
        false_per_hour[sensor] = FALSE_PER_STEP[sensor] * 3600.0 / TICK_S
    return replace(
        shipped_confusion(),
        hit=tuple(map(tuple, hit.tolist())),
        false_per_hour=tuple(false_per_hour.tolist()),
        false_class=tuple(map(tuple, share.tolist())),
        true_bins=ONE_BIN,
        false_bins=ONE_BIN,
    )


def _silent() -> ConfusionTable:
    """Nothing is found in the world that only plays our own responses."""
    return replace(_confusion(), false_per_hour=(0.0,) * len(SensorClass))
