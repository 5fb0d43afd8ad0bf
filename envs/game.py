"""A game: everything that worlds of one scenario share, loaded and compiled once.

Flows in: a scenario. Flows out: a `Game`. It holds no state of any world.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..playbooks.actions import Library, load_library
from ..twin.attack.steps import derive_steps
from ..twin.compiled import Compiled, UInt8, compile_twin
from ..twin.facts import merge
from ..twin.graph import ConsentRule, Twin
from ..twin.rulebook.effects import EffectTable
from ..twin.rulebook.mask import static_mask
from ..twin.rulebook.parameters import GameSettings, Parameters, Phone, assumable, build_parameters
from ..twin.rulebook.sharing import sight
from ..twin.sensing.confusion import shipped_confusion
from ..twin.sensing.observe import static_observation
from ..twin.sources import Note, load_example, read_chain, read_paths
from ..twin.vocabulary import ConsentClass, ConsentMode, Proposer
from .campaigns import profiles_of
from .consent import with_consent
from .generate import generate_twin
from .scenario import EXAMPLE, Calls, Scenario, ScenarioError
from .target_graph import TargetGraph, target_graph

NETWORK_OWNER = "defender"  # who has the assets of a network whose file names no owners


@dataclass(frozen=True)
class Game:
    """What all worlds of a scenario share."""

    scenario: Scenario
    library: Library
    compiled: Compiled
    effects: EffectTable
    parameters: Parameters  # what worlds are played by
    assumed: Parameters  # what belief and forecasts assume: attackers without scripts and forgeries, load at its mean

    @cached_property
    def always(self) -> npt.NDArray[np.bool_]:
        """bool[1 + P * T]: actions that are legal when nothing runs."""
        mask: npt.NDArray[np.bool_] = static_mask(self.compiled.arrays, self.effects)
        return mask

    @cached_property
    def static(self) -> npt.NDArray[np.float32]:
        """float32[T, STATIC_FEATURES] of the twin."""
        return static_observation(self.compiled)

    @cached_property
    def graph(self) -> TargetGraph:
        """The twin as active views read it."""
        return target_graph(self.compiled, self.assumed)

    @cached_property
    def sees(self) -> UInt8:
        """uint8[N] how findings on each asset reach the coalition's view: 1 at once, 2 told late and in part."""
        return sight(self.compiled, self.parameters)

    @property
    def actions(self) -> int:
        """1 + P * T."""
        return len(self.always)

    @property
    def decisions(self) -> int:
        """Decisions in an episode."""
        return -(-self.scenario.horizon_ticks // self.scenario.decide_every)


def load_game(scenario: Scenario, library: Library | None = None) -> Game:
    """Load the chain of a scenario and compile it, with the playbooks that it names, or with another library.

    Raises:
        ScenarioError: the chain or a playbook is not there; or an error of the sources, naming file and mend.
    """
    return make_game(scenario, load_chain(scenario), library or playbooks_of(scenario))


def playbooks_of(scenario: Scenario) -> Library:
    """The shipped playbooks that may be proposed in a scenario.

    Raises:
        ScenarioError: the library does not have one; names those that there are.
    """
    try:
        return load_library().only(scenario.playbooks)
    except KeyError as error:
        raise ScenarioError(f"scenario {scenario.name}: playbooks: {error.args[0]}; name those") from None


def make_game(scenario: Scenario, twin: Twin, library: Library) -> Game:
    """Compile a twin and a library into a game."""
    compiled = compile_twin(twin, derive_steps(twin), tick_s=scenario.tick_s)
    profiles = profiles_of(scenario.attackers, compiled, scenario.folder)
    parameters = build_parameters(compiled, profiles, shipped_confusion(), game_settings(scenario))
    effects, assumed = library.effect_table(scenario.tick_s), assumable(compiled, parameters)
    return Game(scenario, library, compiled, effects, parameters, assumed)


def game_settings(scenario: Scenario) -> GameSettings:
    """The scenario's numbers for the rulebook."""
    calls = scenario.phone or Calls()
    phone = Phone(calls.call_h, calls.late_s, calls.part, calls.desk)
    return GameSettings(
        repair_h=scenario.repair_h,
        labour_rate=scenario.labour_rate,
        load_amplitude=scenario.load.amplitude,
        load_peak_hour=scenario.load.peak_hour,
        phone=phone if scenario.between_owners == "phone" else None,
    )


def load_chain(scenario: Scenario) -> Twin:
    """Give the twin that a scenario is played on: the shipped one, a generated one, a chain's, a simulator's network.

    A network of another simulator knows one defender; here it is one owner, which agrees to everything at once.

    Raises:
        ScenarioError: the chain is not there or holds no asset, or the scenario's consent names an owner that it does
            not have; or an error of the sources, naming file and mend.
    """
    return read_game_chain(scenario)[0]


def read_game_chain(scenario: Scenario) -> tuple[Twin, tuple[Note, ...]]:
    """As `load_chain`, with notes on what in its files was not understood or is assumed."""
    twin, notes = _chain(scenario)
    try:
        return with_consent(twin, scenario.consent) if scenario.consent else twin, notes
    except ValueError as error:
        raise ScenarioError(f"scenario {scenario.name}: {error}") from None


def _chain(scenario: Scenario) -> tuple[Twin, tuple[Note, ...]]:
    if scenario.made is not None:
        return generate_twin(scenario.made), ()
    if scenario.chain == EXAMPLE:
        return load_example().twin, ()
    if scenario.folder is None:
        raise ScenarioError(
            f"scenario {scenario.name}: chain {scenario.chain!r} is a path, but no file says from where"
        )
    paths = [scenario.folder / name for name in (scenario.chain, *scenario.beside)]
    for path in paths:
        if not path.exists():
            raise ScenarioError(f"scenario {scenario.name}: {path} is not there; name a chain's folder or a network")
    is_folder = paths[0].is_dir() and len(paths) == 1
    reading = read_chain(paths[0]) if is_folder else read_paths(paths, NETWORK_OWNER)
    twin, notes = merge(reading.facts).twin, reading.not_understood
    if not twin.assets:
        raise ScenarioError(
            f"scenario {scenario.name}: {paths[0]} holds no asset, so it is no chain; name a chain or a network"
        )
    if not twin.consent and NETWORK_OWNER in twin.owner_by_id:
        twin = replace(twin, consent=_agreeing(NETWORK_OWNER))
    return twin, notes


def _agreeing(owner: str) -> tuple[ConsentRule, ...]:
    return tuple(
        ConsentRule(owner, one, proposer, ConsentMode.AT_ONCE) for one in ConsentClass for proposer in Proposer
    )
