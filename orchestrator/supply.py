"""What a node needs beside its home's keys: the shipped library, who vetted it, the advisor with its policy.

Flows in: a twin, the home, which policy to use, the clock. Flows out: a `Supply`. Signatures and signatories lie in
the home:

    HOME/vetting/signatures/*.json  detached signatures of playbooks
    HOME/vetting/trust/OWNER.json   whose signatures that owner counts, and for what
    HOME/vetting/playbooks/*.json   playbooks that others call, versions side by side

A home without them has no active playbook: the node observes and proposes, and every execution is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..envs.game import Game, make_game
from ..envs.scenario import read_scenario
from ..playbooks.actions import load_library
from ..playbooks.targets import expand_in
from ..playbooks.trust import read_signatures, read_trust, read_versions
from ..twin.compiled import Int32
from ..twin.graph import Twin
from ..twin.rulebook.parameters import assumable
from .actuators.router import usable
from .advise import Policy, Situation, TwinAdvisor
from .assemble import Supply
from .clock import Clock
from .node_policy import node_policy
from .revocable import Fresh
from .rules_policy import ThresholdPolicy
from .script import CacaoScript
from .settings import Home, PolicyChoice, insiders_of
from .shelf import Vetting, active_by_signatures, shelf_of
from .versions import Versions
from .watching import Watcher


def supply(twin: Twin, home: Home, policy: PolicyChoice, clock: Clock) -> Supply:
    """Give shelf, vetting and advisor for a chain.

    Raises:
        ValueError: a class of ours: a broken library, policy file, signature or trust file; names file and mend.
    """
    library = load_library()
    scenario = read_scenario()
    game = make_game(scenario, twin, library)
    game = replace(game, assumed=assumable(game.compiled, game.parameters, inside=insiders_of()))
    read_vetting(home.path / "vetting")  # once, to say what is wrong
    chosen = node_policy(game, home, policy)
    advisor = TwinAdvisor(
        game.compiled,
        library,
        game.effects,
        game.assumed,
        chosen,
        proposed=frozenset(scenario.playbooks),
    )
    called = read_versions(home.path / "vetting" / "playbooks")
    versions = Versions([*called, *library.playbooks])
    carried_out = usable(home.path)
    return Supply(
        shelf=shelf_of(library),
        is_active=active_by_signatures(
            library, live_vetting(home.path / "vetting"), clock, called, carried_out, versions.of
        ),
        script=CacaoScript(versions.resolve, expand_in(twin), carried_out, versions.of),
        versions=versions,
        advisor=advisor,
        may_propose=chosen.may_propose,
        watcher=Watcher(chosen.met, advisor.service_lost),
    )


def live_vetting(folder: Path) -> Callable[[], Vetting]:
    """Give what says, at every call, which signatures count at that moment."""
    return Fresh(lambda: folder.glob("*/*.json"), lambda: read_vetting(folder), Vetting()).now


def read_vetting(folder: Path) -> Vetting:
    """Read signatures and signatories; a folder that is not there holds none.

    Raises:
        PlaybookError: a broken signature or trust file.
    """
    trusted = {path.stem: read_trust(path, owner=path.stem) for path in sorted((folder / "trust").glob("*.json"))}
    return Vetting(read_signatures(folder / "signatures"), trusted)


def policy_of(game: Game, path: Path | None) -> Policy:
    """For simulation: the learned policy of a file, promoted or not, or the tuned threshold rule where none is given.

    Raises:
        PolicyFileError: the file is broken, tampered with, or of another version.
    """
    if path is None:
        return ThresholdPolicy(game.compiled, game.effects, game.library)
    from ..envs.policy_file import load_policy

    learned = load_policy(path)

    def propose(situation: Situation) -> Int32:
        return learned.act(situation.observation, situation.masks, game.graph, game.effects)

    return propose
