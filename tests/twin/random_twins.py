"""Small random games for laws: twins of two to four owners with everything the rulebook knows, and what is played.

Flows in: a seed. Flows out: a `RandomGame`, the same for the same seed. Twins have hosts, containers, services,
devices, identities, segments, data stores and processes; dependencies k of n and in cycles; links that cross owners;
random consent tables. Steps come from the rules that derive them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numba
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from tocsin.twin.attack.steps import derive_steps
from tocsin.twin.compiled import Compiled, compile_twin
from tocsin.twin.graph import Asset, ConsentRule, Link, Owner, Twin, Weakness
from tocsin.twin.rulebook.campaign import CampaignStage
from tocsin.twin.rulebook.effects import Effect, EffectTable, build_effect_table
from tocsin.twin.rulebook.parameters import AttackerProfile, GameSettings, Parameters, Phone, build_parameters
from tocsin.twin.rulebook.worlds import STREAM_ENVIRONMENT, Worlds
from tocsin.twin.sensing.confusion import shipped_confusion
from tocsin.twin.vocabulary import (
    Access,
    AssetKind,
    ConsentClass,
    ConsentMode,
    LinkKind,
    Mode,
    Proposer,
    SensorClass,
    StepClass,
    TargetType,
)

REMOTE, LOCAL, ESCAPE = "CWE-306", "CWE-269", "CWE-250"
K, L = AssetKind, LinkKind
EXAMPLES = 5 if os.environ.get("NUMBA_DISABLE_JIT") == "1" else 20  # of a law; uncompiled ticks are slow
FEW = settings(deadline=None, max_examples=EXAMPLES)
MACHINES = (K.HOST, K.CONTAINER, K.DEVICE)
PLAYBOOKS = ("isolate", "release", "quarantine", "shut_down", "block", "revoke", "monitor", "restore", "call")
ISOLATE, RELEASE, QUARANTINE, SHUT_DOWN, BLOCK, REVOKE, MONITOR, RESTORE, CALL = range(len(PLAYBOOKS))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Import it into a module of tests on a few worlds: waking threads costs far more there than the worlds do."""
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(before)


@dataclass(frozen=True)
class RandomGame:
    """A compiled twin with playbooks and numbers."""

    seed: int
    compiled: Compiled
    effects: EffectTable
    parameters: Parameters

    def worlds(self, ids: list[int], *, seat_owners: tuple[int, ...] = (-1,), runs: int = 32) -> Worlds:
        """Worlds of the game with their traces."""
        return Worlds.make(
            self.compiled,
            self.effects,
            self.parameters,
            world_ids=ids,
            stream=STREAM_ENVIRONMENT,
            seat_owners=seat_owners,
            runs=runs,
            trace=1024,
        )

    def action(self, playbook: int, target: int) -> int:
        """Number of an action."""
        return 1 + playbook * self.compiled.targets + target


def random_games(*, attackers: int | None = None) -> st.SearchStrategy[RandomGame]:
    """Hypothesis strategy of random games."""
    return st.integers(0, 2**16).map(lambda seed: random_game(seed, attackers=attackers))


def random_game(seed: int, *, attackers: int | None = None) -> RandomGame:
    """The game of a seed; the number of attackers is drawn unless given."""
    rng = np.random.default_rng(seed)
    twin = random_twin(rng)
    compiled = compile_twin(twin, derive_steps(twin))
    return RandomGame(seed, compiled, random_effects(rng), _parameters(rng, compiled, attackers))


def random_twin(rng: np.random.Generator) -> Twin:
    """A twin of two to four owners beside the internet."""
    owners = [f"o{number}" for number in range(rng.integers(2, 5))]
    assets = [Asset("net/external/world", K.EXTERNAL, "net", "world")]
    links: list[Link] = []
    for owner in owners:
        _add_owner(rng, owner, assets, links)
    _add_reach(rng, assets, links)
    _add_dependencies(rng, assets, links)
    machines = [asset for asset in assets if asset.kind in (*MACHINES, K.SERVICE)]
    weaknesses = [
        Weakness(name, asset.id, access=Access(int(rng.integers(1, 3))))
        for asset in machines
        for name in (REMOTE, LOCAL, ESCAPE)
        if rng.random() < 0.5
    ]
    return Twin.build(
        owners=[
            Owner("net", value_per_hour=0.0),
            *(Owner(one, value_per_hour=float(rng.integers(1, 9))) for one in owners),
        ],
        assets=assets,
        links=list({link.key: link for link in links}.values()),
        weaknesses=weaknesses,
        consent=_consent(rng, owners),
    )


def _add_owner(rng: np.random.Generator, owner: str, assets: list[Asset], links: list[Link]) -> None:
    def add(kind: AssetKind, name: str, **more: object) -> str:
        sensors = tuple(one for one in SensorClass if rng.random() < 0.4)
        identity = f"{owner}/{kind.word}/{name}"
        assets.append(Asset(identity, kind, owner, name, sensors=sensors, **more))  # type: ignore[arg-type]
        return identity

    def some() -> float:
        return float(rng.integers(0, 4))

    host = add(K.HOST, "h", criticality=some())
    segment, user = add(K.SEGMENT, "lan"), add(K.IDENTITY, "user")
    runners = [host]
    for number in range(rng.integers(0, 3)):
        runners.append(add(K.CONTAINER, f"c{number}"))
        links.append(Link(L.RUNS_ON, runners[-1], host))
    for number in range(rng.integers(1, 3)):
        service = add(K.SERVICE, f"s{number}", criticality=some())
        links.append(Link(L.RUNS_ON, service, str(rng.choice(runners))))
        if rng.random() < 0.5:
            links.append(Link(L.CAN_LOG_IN, user, service, access=Access(int(rng.integers(1, 3)))))
    links.append(Link(L.HOLDS_CREDENTIAL, str(rng.choice(runners)), user))
    links += [Link(L.REACHES, one, segment) for one in runners if rng.random() < 0.7]
    links += [Link(L.REACHES, one, "net/external/world", 443) for one in (host, segment) if rng.random() < 0.4]
    if rng.random() < 0.6:
        data = add(K.DATA_STORE, "data", criticality=some(), harm_per_hour=some(), crown_jewel=True)
        links += [Link(L.STORES, one, data) for one in runners if rng.random() < 0.6]
    if rng.random() < 0.5:
        device, process = add(K.DEVICE, "d"), add(K.PROCESS, "p", harm_per_hour=some(), crown_jewel=True)
        links += [Link(L.MANAGES, device, process), Link(L.MANAGES, host, device, access=Access.ADMIN)]


def _add_reach(rng: np.random.Generator, assets: list[Asset], links: list[Link]) -> None:
    """Who reaches whom, inside owners and across; sometimes from segments, to data, or from outside into a segment."""
    sources = [one.id for one in assets if one.kind in (*MACHINES, K.SEGMENT)]
    targets = [one.id for one in assets if one.kind in (*MACHINES, K.SERVICE, K.DATA_STORE, K.PROCESS)]
    segments = [one.id for one in assets if one.kind is K.SEGMENT]
    for _ in range(2 * len(assets)):
        source, target = str(rng.choice(sources)), str(rng.choice(targets))
        if source != target:
            links.append(Link(L.REACHES, source, target, port=443))
    for target in rng.choice(targets, 3):
        links.append(Link(L.REACHES, assets[0].id, str(target), port=443))
    if rng.random() < 0.3:
        links.append(Link(L.REACHES, assets[0].id, str(rng.choice(segments))))
    for identity in (one.id for one in assets if one.kind is K.IDENTITY):
        target = str(rng.choice([one.id for one in assets if one.kind in (K.HOST, K.SERVICE)]))
        links.append(Link(L.CAN_LOG_IN, identity, target, access=Access(int(rng.integers(1, 3)))))


def _add_dependencies(rng: np.random.Generator, assets: list[Asset], links: list[Link]) -> None:
    able = [one.id for one in assets if one.kind in (K.SERVICE, K.DATA_STORE, K.PROCESS, K.DEVICE)]
    for source in able:
        others = [one for one in able if one != source]
        chosen = [str(one) for one in rng.choice(others, min(len(others), int(rng.integers(0, 4))), replace=False)]
        group, need = ("pool", int(rng.integers(1, len(chosen) + 1))) if chosen and rng.random() < 0.5 else ("", 0)
        links += [Link(L.DEPENDS_ON, source, one, group=group, need=need) for one in chosen]
        links += [Link(L.REACHES, source, one, port=443) for one in chosen if rng.random() < 0.5]


def _consent(rng: np.random.Generator, owners: list[str]) -> list[ConsentRule]:
    modes = (ConsentMode.AT_ONCE, ConsentMode.AT_ONCE, ConsentMode.ASK, ConsentMode.VETO_WINDOW, ConsentMode.NEVER)
    return [
        ConsentRule(
            owner,
            row,
            proposer,
            modes[rng.integers(len(modes))],
            latency_s=60.0 * float(rng.integers(1, 8)),
            refusal=0.2,
            hours=(int(rng.integers(0, 12)), int(rng.integers(12, 25))),
            quorum=int(rng.integers(1, 3)),
        )
        for owner in owners
        for row in ConsentClass
        for proposer in Proposer
        if rng.random() < 0.9
    ]


def random_effects(rng: np.random.Generator) -> EffectTable:
    """Every verb, in `PLAYBOOKS` order, with drawn times: short, so that ends come within a test."""

    def minutes(most: int) -> float:
        return 60.0 * float(rng.integers(1, most))

    def effect(name: str, kinds: tuple[AssetKind, ...], row: ConsentClass, **more: object) -> Effect:
        held = 0.0 if rng.random() < 0.2 else minutes(40)
        plain: dict[str, object] = {
            "target_type": TargetType.ASSET,
            "work_s": minutes(5),
            "hold_s": held,
            "success": 0.9,
        }
        return Effect(name, kinds=kinds, consent_class=row, labour_h=0.2, **{"undoable": True, **plain, **more})  # type: ignore[arg-type]

    contain = ConsentClass.CONTAIN
    return build_effect_table(
        [
            effect("isolate", MACHINES, contain, mode=Mode.ISOLATED),
            effect("release", MACHINES, contain, clear_mode=Mode.ISOLATED, undoable=False),
            effect("quarantine", (*MACHINES, K.SERVICE), contain, mode=Mode.ISOLATED),
            effect("shut_down", (K.HOST, K.SERVICE), ConsentClass.SAFETY, mode=Mode.DOWN, undoable=False),
            effect("block", (), contain, target_type=TargetType.LINK, cut=True),
            effect("revoke", (K.IDENTITY,), ConsentClass.IDENTITY, mode=Mode.CREDENTIAL_RESET, ceiling=Access.NONE),
            effect("monitor", (K.HOST, K.DATA_STORE), ConsentClass.OBSERVE, coverage=True),
            effect(
                "restore",
                (*MACHINES, K.DATA_STORE),
                ConsentClass.RECOVER,
                mode=Mode.PATCHED,
                mode_during=Mode.RESTORING,
                ceiling=Access.NONE,
                clears_persistence=True,
                lower={StepClass.EXPLOIT: 0.2},
                undoable=False,
            ),
            effect("call", (), ConsentClass.OBSERVE, target_type=TargetType.OWNER, undoable=False),
        ]
    )


def _parameters(rng: np.random.Generator, compiled: Compiled, attackers: int | None) -> Parameters:
    count = int(rng.choice([1, 1, 2, 3])) if attackers is None else attackers
    inside = [asset.id for asset in compiled.twin.assets if asset.kind in (*MACHINES, K.IDENTITY)]
    profiles = [
        AttackerProfile(
            f"a{number}",
            tries_per_hour=60.0,
            persistence=1.0,
            onset_s=(0.0, 600.0),
            impact=2.0,
            breadth=1.0 if number == 0 else 0.5,
            patience_s=600.0 * number,
            entry=tuple(inside[number : number + 1]) if number == 2 else (),  # one of three begins inside
            inside=0.5 if number == 1 and any(one.kind in MACHINES for one in compiled.twin.assets) else 0.0,
        )
        for number in range(count)
    ]
    settings = GameSettings(repair_h=0.5, regain=0.3)
    if attackers is None:
        profiles = [_with_a_part(rng, profile, compiled) for profile in profiles]
        settings = _with_owners_habits(rng, settings, compiled)
    return build_parameters(compiled, profiles, shipped_confusion(), settings)


def _with_a_part(rng: np.random.Generator, profile: AttackerProfile, compiled: Compiled) -> AttackerProfile:
    """One in three follows a campaign of steps of the twin, one in three forges findings."""
    part = rng.integers(3)
    if part == 1:
        return replace(profile, forges_per_hour=30.0, forge_focus=float(rng.integers(3)), forges_at_once=True)
    if part == 2 and compiled.steps:
        return replace(profile, campaign=tuple(_stage(rng, compiled, 120.0 * place) for place in range(8)))
    return profile


def _stage(rng: np.random.Generator, compiled: Compiled, after_s: float) -> CampaignStage:
    """A stage that some step of the twin fits, saying one, two or all of what it may say."""
    step = compiled.steps[rng.integers(len(compiled.steps))]
    kind = compiled.twin.asset_by_id[step.target].kind
    said = [{"technique": step.technique}, {"target": step.target}, {"kind": kind}][: rng.integers(1, 4)]
    words: dict[str, object] = {key: value for one in said for key, value in one.items()}
    return CampaignStage(after_s, grace_s=60.0 * float(rng.integers(1, 9)), **words)  # type: ignore[arg-type]


def _with_owners_habits(rng: np.random.Generator, settings: GameSettings, compiled: Compiled) -> GameSettings:
    """A rhythm of load; in one of three games owners call each other."""
    owners = [owner.id for owner in compiled.twin.owners]
    phone = Phone(0.1, late_s=60.0 * float(rng.integers(0, 9)), part=0.7, desk=str(rng.choice(["", *owners])))
    is_by_phone = rng.random() < 1 / 3
    return replace(settings, load_amplitude=float(rng.random()), phone=phone if is_by_phone else None)


def busy_actions(worlds: Worlds, rng: np.random.Generator, *, pace: float = 0.4) -> np.ndarray:
    """int32[B, S]: legal actions, drawn by playbook, then target; with probability 1 - pace a seat waits."""
    masks, targets = worlds.masks(), worlds.compiled.targets
    seats = worlds.state.seat_owner.shape[1]
    chosen = np.zeros((worlds.count, seats), np.int32)
    for row, mask in enumerate(masks):
        table = mask[1:].reshape(-1, targets)
        for seat in range(seats):
            playbooks = np.flatnonzero(table.any(axis=1))
            if rng.random() < pace and len(playbooks):
                playbook = rng.choice(playbooks)
                chosen[row, seat] = 1 + playbook * targets + rng.choice(np.flatnonzero(table[playbook]))
    return chosen
