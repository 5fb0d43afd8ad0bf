"""The world as it may be instead: a draw of all assumed numbers from their ranges, and the game under it.

Flows in: a scenario, a draw. Flows out: a `Game` whose world has the drawn numbers. Who defends does not know them:
belief keeps the table's own numbers of attackers, detectors and load. How likely attack steps succeed and what
playbooks do is one table for world and belief in this rulebook, so there belief knows the draw.

A draw gives each number a quantile. Half of all draws lie below the assumed value, half above, so that attackers of
different kinds stay what they are; within each half values are even, on a logarithmic scale where the range spans a
factor of 4 or more. Where the value is an end of its range, half of the draws keep it. Settings of the game (source
"chosen") are never drawn, nor is whether an attacker begins inside or forges: that is who it is.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..playbooks.actions import Library
from ..twin.attack.steps import derive_steps
from ..twin.attack.techniques import PARAMETERS, Parameter, supposing
from ..twin.compiled import compile_twin
from ..twin.graph import Twin
from ..twin.rulebook.effects import Effect
from ..twin.rulebook.parameters import AttackerProfile, GameSettings, assumable, build_parameters
from ..twin.sensing.confusion import ConfusionTable, shipped_confusion
from ..twin.vocabulary import SensorClass, StepClass
from .campaigns import profiles_of
from .game import Game, game_settings, load_chain, playbooks_of
from .ranges import ranges
from .scenario import Generator, Scenario

LOGARITHMIC = 4.0  # spans of at least this factor
CHOSEN = "chosen"
_TASTE = ("tries_per_hour", "stealth", "goal_drive", "persistence", "impact", "breadth", "patience_s")
_FORGING = ("forges_per_hour", "forge_focus")
_GAME = ("repair_h", "carried_out_h", "regain", "labour_rate", "load_amplitude", "load_peak_hour")
_CALLS = ("call_h", "late_s", "part")
_SHARES = ("exposed", "weak", "local", "escape", "devices", "supplied", "managed", "open", "partial")


@dataclass(frozen=True)
class Assumptions:
    """One draw of all assumed numbers; number 0 and up, of a seed."""

    seed: int
    number: int

    def quantile(self, name: str) -> float:
        """0..1, keyed by the name, so that a number that comes later moves no other."""
        key = [self.seed, self.number, zlib.crc32(name.encode())]
        return float(np.random.default_rng(key).random())

    def value(self, name: str, assumed: float | None = None) -> float:
        """The drawn value of a number of `ranges()`.

        Args:
            name: of the number.
            assumed: what is assumed of it here, if not the table's value.

        Raises:
            KeyError: there is no such number.
        """
        row = ranges()[name]
        middle = row.value if assumed is None else assumed
        if row.source.startswith(CHOSEN):
            return middle
        return drawn(row, middle, self.quantile(name))

    @cached_property
    def steps(self) -> Mapping[str, float]:
        """Of attack steps, by the name of the parameter."""
        return {name: self.value(name) for name in PARAMETERS}


def drawn(row: Parameter, middle: float, quantile: float) -> float:
    """The value at a quantile 0..1: `low` at 0, `middle` at one half, `high` at 1."""
    low, high = min(row.low, middle), max(row.high, middle)
    start, end, share = (low, middle, 2 * quantile) if quantile < 0.5 else (middle, high, 2 * quantile - 1)
    if low > 0 and high / low >= LOGARITHMIC:
        return float(start * (end / start) ** share)
    return float(start + (end - start) * share)


def game_under(
    scenario: Scenario, assumptions: Assumptions, *, arrange: Callable[[Twin], Twin] = lambda twin: twin
) -> Game:
    """The game of a scenario in a world where the drawn numbers hold.

    Args:
        scenario: what is played.
        assumptions: the draw.
        arrange: changes the chain before it is compiled, such as what owners agree on.

    Raises:
        ScenarioError: as `load_game`.
    """
    twin = arrange(_chain(scenario, assumptions))
    library = _library(playbooks_of(scenario), assumptions)
    with supposing(assumptions.steps):
        compiled = compile_twin(twin, derive_steps(twin), tick_s=scenario.tick_s)
    profiles = profiles_of(scenario.attackers, compiled, scenario.folder)
    settings, table = game_settings(scenario), shipped_confusion()
    world = build_parameters(
        compiled,
        [_profile(profile, assumptions) for profile in profiles],
        _confusion(table, assumptions),
        _settings(settings, assumptions),
    )
    believed = assumable(compiled, build_parameters(compiled, profiles, table, settings))
    return Game(scenario, library, compiled, library.effect_table(scenario.tick_s), world, believed)


def _chain(scenario: Scenario, assumptions: Assumptions) -> Twin:
    """The chain; a generated one is made, and its owners answer, as drawn."""
    made = scenario.made
    if made is None:
        return load_chain(scenario)
    generator = Generator.model_validate({**made.model_dump(), **_shares(made, assumptions)})
    twin = load_chain(scenario.model_copy(update={"generate": generator}))
    rules = tuple(
        replace(
            rule,
            latency_s=assumptions.value(f"generate.consent.{rule.proposer.word}.latency_s"),
            refusal=assumptions.value(f"generate.consent.{rule.proposer.word}.refusal"),
        )
        for rule in twin.consent
    )
    return twin if scenario.consent else replace(twin, consent=rules)


def _shares(made: Generator, assumptions: Assumptions) -> dict[str, float]:
    """Drawn shares of a generated chain; those of the same owners come to 1 at most, rounding included."""
    shares = {name: assumptions.value(f"generate.{name}", getattr(made, name)) for name in _SHARES}
    over = max(1.0, shares["open"] + shares["partial"])
    shares["open"] /= over
    shares["partial"] = min(shares["partial"] / over, 1.0 - shares["open"])
    return shares


def _profile(profile: AttackerProfile, assumptions: Assumptions) -> AttackerProfile:
    names = _TASTE + (_FORGING if profile.forges_per_hour else ())
    told: dict[str, Any] = {
        name: assumptions.value(f"attacker.{name}", getattr(profile, name))
        for name in names
        if name != "patience_s" or not profile.campaign
    }
    stages = tuple(
        replace(stage, grace_s=assumptions.value("campaign.grace_s", stage.grace_s)) for stage in profile.campaign
    )
    return replace(profile, **told, campaign=stages)


def _settings(settings: GameSettings, assumptions: Assumptions) -> GameSettings:
    told = {name: assumptions.value(f"game.{name}", getattr(settings, name)) for name in _GAME}
    phone = settings.phone
    if phone is not None:
        calls: dict[str, Any] = {name: assumptions.value(f"phone.{name}", getattr(phone, name)) for name in _CALLS}
        phone = replace(phone, **calls)
    return replace(settings, **told, phone=phone)


def _confusion(table: ConfusionTable, assumptions: Assumptions) -> ConfusionTable:
    hit = tuple(
        tuple(
            assumptions.value(f"detectors.hit.{sensor.word}.{step.word}") if table.hit[sensor][step] else 0.0
            for step in StepClass
        )
        for sensor in SensorClass
    )
    false = tuple(assumptions.value(f"detectors.false_per_hour.{sensor.word}") for sensor in SensorClass)
    gain = assumptions.value("detectors.monitored_gain")
    return replace(table, hit=hit, false_per_hour=false, monitored_gain=gain)


def _library(library: Library, assumptions: Assumptions) -> Library:
    effects = tuple(
        _effect(f"playbook.{name}", effect, assumptions)
        for name, effect in zip(library.names, library.effects, strict=True)
    )
    return replace(library, effects=effects)


def _effect(name: str, effect: Effect, assumptions: Assumptions) -> Effect:
    told: dict[str, Any] = {
        field: assumptions.value(f"{name}.{field}")
        for field in ("work_s", "hold_s", "labour_h", "success")
        if getattr(effect, field)
    }
    lower = {step: assumptions.value(f"{name}.lower.{step.word}") for step in effect.lower}
    return replace(effect, **told, lower=lower)
