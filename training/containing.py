"""A rule on belief and on who is assumed to come: cut off, evict, open again, look closer. What policies begin as.

Flows in: worlds. Flows out: an action per world, and what each action is worth for lessons. It is the belief's version
of what the best script that sees the truth does ("evict and cut off"): what is likely held is cut off at once, which
needs no answer of a person in most chains; evicted meanwhile; and opened once it is believed clean. It knows what is at
stake in the twin and the assumed attacker (`envs.threat`), never hidden truth. Its numbers come from `rule_search`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..envs.game import Game
from ..envs.scripted import ISOLATE, MONITOR, RELEASE
from ..envs.threat import OCTAVE, threat_features
from ..envs.vector import ResponseWorlds
from ..playbooks.actions import encode
from ..twin.compiled import Int32
from ..twin.rulebook.rules import BLOCKING
from ..twin.rulebook.state import WorldState
from ..twin.sources.safe_yaml import read_yaml
from ..twin.vocabulary import RunState
from .coming import Coming, soon
from .settings import TrainError
from .worth import best_of, evicting, stake_of

Float64 = npt.NDArray[np.float64]
Weight = float | Float64  # of one rule; [B, 1]: of rules that play side by side, one for each world
Bools = npt.NDArray[np.bool_]

USUAL_TEMPO, USUAL_IMPACT = 210, 128  # of `threat_features`: exponents below are of octaves over these
USUAL_ASSETS = 100  # the same, of doublings
PULL = 0.5  # gain of looking closer where belief is e times `watched`, and of opening what is surely clean; for lessons
AFTER = 1.0  # gain by which what is due goes before what comes after it; for lessons


def _number(meaning: str, low: float, high: float) -> Any:
    return field(metadata={"meaning": meaning, "low": low, "high": high})


@dataclass(frozen=True, slots=True)
class RuleNumbers:
    """What the rule weighs. T: odds of the best way to a crown jewel; S: share of owners' value that stands still."""

    toward: Weight = _number("gain of evicting a sure hold, for T", 0.0, 1e3)
    stake: Weight = _number("the same, for S", 0.0, 1e3)
    always: Weight = _number("cost of evicting, for S", 0.0, 1e3)
    wrong: Weight = _number("cost of evicting what is not held, for S", 0.0, 1e3)
    relief: Weight = _number("share of these costs that is left where it is cut off already", 0.0, 1.0)
    level: Weight = _number("gain from which to evict", 1e-3, 1e3)
    level_impact: Weight = _number("halvings of that level per octave of taste for impact", -4.0, 4.0)
    level_tempo: Weight = _number("the same per octave of tempo", -4.0, 4.0)
    cut: Weight = _number("gain of cutting off a sure hold", 0.0, 1e3)
    cut_toward: Weight = _number("the same, for T", 0.0, 1e3)
    cut_stake: Weight = _number("the same, for S", 0.0, 1e3)
    cut_impact: Weight = _number("doublings of both per octave of taste for impact", -4.0, 4.0)
    cut_tempo: Weight = _number("the same per octave of tempo", -4.0, 4.0)
    cut_size: Weight = _number("halvings of both per doubling of the chain's assets over 100", -4.0, 4.0)
    cut_always: Weight = _number("cost of cutting off, for S; from a gain of 1 on it is done", 0.0, 1e3)
    cut_wrong: Weight = _number("cost of cutting off what is not held, for S", 0.0, 1e3)
    cut_ahead: Weight = _number("minutes ahead in which what is gained counts as held, for cutting off", 0.0, 1440.0)
    look_ahead: Weight = _number("the same, for looking closer", 0.0, 1440.0)
    cut_room: Weight = _number("share of a world's places for responses that cutting off leaves free", 0.0, 1.0)
    look_room: Weight = _number("the same of looking closer", 0.0, 1.0)
    clean: Weight = _number("belief below which what is cut off is opened", 0.0, 1.0)
    watched: Weight = _number("belief from which to look closer", 1e-3, 1.0)

    def __post_init__(self) -> None:
        """Refuse what is out of range.

        Raises:
            ValueError: names number and range.
        """
        for one in fields(self):
            value, low, high = getattr(self, one.name), one.metadata["low"], one.metadata["high"]
            if isinstance(value, np.ndarray):
                value = float(value.min() if value.min() < low else value.max())
            if type(value) not in (int, float) or not low <= value <= high:
                raise ValueError(f"{one.name} {value!r}: give a number from {low:g} to {high:g}")

    @classmethod
    def shipped(cls) -> RuleNumbers:
        """Those that `tocsin policy search` found for the package."""
        return read_numbers(Path(str(files("tocsin.training") / "data" / "rule.yaml")))

    @classmethod
    def side_by_side(cls, rules: Sequence[RuleNumbers], worlds: int) -> RuleNumbers:
        """Those of several rules, for a batch in which each plays so many worlds, rule by rule."""
        columns = {}
        for one in fields(cls):
            values = np.array([getattr(rule, one.name) for rule in rules], np.float64)
            columns[one.name] = np.repeat(values, worlds)[:, None]
        return cls(**columns)

    def levelled(self, factor: float) -> RuleNumbers:
        """As these, with so many times the level, or the end of its range."""
        of_level = next(one.metadata for one in fields(self) if one.name == "level")
        return replace(self, level=float(np.clip(self.level * factor, of_level["low"], of_level["high"])))

    def as_dict(self) -> dict[str, float]:
        """By name, of one rule."""
        return {name: float(value) for name, value in asdict(self).items()}


def read_numbers(path: Path) -> RuleNumbers:
    """The numbers of a file that `tocsin policy search` wrote.

    Raises:
        TrainError: the file is missing, or a number is missing, unknown or out of range.
        TwinError: it is no YAML; names line and mend.
    """
    try:
        documents = read_yaml(path.read_bytes(), str(path))
    except OSError as error:
        raise TrainError(f"{path}: {error.strerror or error}; name a file of `tocsin policy search`") from None
    said = documents[0].get("numbers") if len(documents) == 1 and isinstance(documents[0], dict) else None
    names = {one.name for one in fields(RuleNumbers)}
    if not isinstance(said, dict) or set(said) != names:
        wrong = sorted(names ^ set(said)) if isinstance(said, dict) else sorted(names)
        raise TrainError(
            f"{path}: `numbers:` should hold {', '.join(sorted(names))}; mend {', '.join(map(str, wrong))}"
        )
    try:
        return RuleNumbers(**said)
    except ValueError as error:
        raise TrainError(f"{path}: {error}") from None


class _Told(NamedTuple):
    """What the rule knows of a game, of N assets."""

    toward: Float64  # [N]
    stake: Float64  # [N]
    level: Weight
    eager: Weight  # factor of cutting off
    actions: Int32  # [4 * N]: cut off, evict, open, look


@dataclass(frozen=True)
class Containing:
    """Cut off what is worth it, else evict, else open what is clean, else look closer; one action a decision."""

    game: Game
    numbers: RuleNumbers

    @cached_property
    def _told(self) -> _Told:
        game, numbers, asset = self.game, self.numbers, self.game.compiled.arrays.asset
        tempo, _, impact, _ = threat_features(game.compiled, game.assumed).astype(float)
        tempo, impact = (tempo - USUAL_TEMPO) / OCTAVE, (impact - USUAL_IMPACT) / OCTAVE
        level = numbers.level / 2.0 ** (numbers.level_impact * impact + numbers.level_tempo * tempo)
        size = np.log2(len(asset) / USUAL_ASSETS)
        eager = 2.0 ** (numbers.cut_impact * impact + numbers.cut_tempo * tempo - numbers.cut_size * size)
        cut, opening, look = (_on_assets(game, name) for name in (ISOLATE, RELEASE, MONITOR))
        actions = np.concatenate([cut, evicting(game), opening, look])
        return _Told(np.asarray(asset["toward"], np.float64), stake_of(game), level, eager, actions)

    @cached_property
    def _coming(self) -> Coming:
        return Coming(self.game)

    @property
    def level(self) -> Weight:
        """Gain of waiting."""
        return self._told.level

    @property
    def actions(self) -> Int32:
        """int32[4 * N] of each asset: cut off, evict, open, look closer; legal or not."""
        return self._told.actions

    def gains(self, worlds: ResponseWorlds) -> Float64:
        """float64[B, 4 * N] gain of each of `actions`, in no unit; -inf where it is not legal."""
        return self.gains_of(worlds.held(), worlds.legal, worlds.worlds.state)

    def gains_of(self, belief: npt.NDArray[np.floating[Any]], may: Bools, state: WorldState) -> Float64:
        """As `gains`, of belief [B, N], legal actions bool[B, 1 + P * T] and public state."""
        numbers, told = self.numbers, self._told
        held, legal = belief.astype(np.float64), may[:, told.actions] & (told.actions > 0)
        cuts, evicts, opens, looks = np.split(legal, 4, axis=1)
        blocked = (np.asarray(state.asset["modes"]) & BLOCKING) != 0
        coming = self._coming.per_minute(held, blocked)
        cost = (numbers.always + (1.0 - held) * numbers.wrong) * told.stake
        evict = held * (1.0 + numbers.toward * told.toward + numbers.stake * told.stake)
        evict -= cost * np.where(blocked, numbers.relief, 1.0)
        worth = numbers.cut + numbers.cut_toward * told.toward + numbers.cut_stake * told.stake
        cut = soon(held, coming, numbers.cut_ahead) * worth * told.eager
        cut -= (numbers.cut_always + (1.0 - held) * numbers.cut_wrong) * told.stake
        cut = told.level * cut  # from a gain of 1 on it is due, as waiting is from the level on
        opening = told.level + PULL * (1.0 - held / np.maximum(numbers.clean, 1e-9)) + 1e-3 * told.stake
        seen = soon(held, coming, numbers.look_ahead)
        look = told.level + PULL * np.log(np.maximum(seen, 1e-9) / numbers.watched)
        free = (np.asarray(state.run["state"]) == RunState.FREE).mean(axis=1)[:, None]
        tiers = [
            np.where(cuts & ~blocked & (free > numbers.cut_room), cut, -np.inf),
            np.where(evicts, evict, -np.inf),
            np.where(opens & blocked & (held < numbers.clean), opening, -np.inf),
            np.where(looks & (free > numbers.look_room), look, -np.inf),
        ]
        return np.concatenate(_in_turn(tiers, told.level), axis=1)

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        return best_of(self.gains(worlds), self.actions, self.level)


def _on_assets(game: Game, name: str) -> Int32:
    """int32[N] the actions that run a playbook on each asset; 0 where the library does not have it."""
    count = len(game.compiled.arrays.asset)
    if name not in game.library.names:
        return np.zeros(count, np.int32)
    first = encode(game.library.index_of(name), 0, game.compiled.targets)
    return np.arange(first, first + count, dtype=np.int32)


def _in_turn(tiers: list[Float64], level: Weight) -> list[Float64]:
    """Gains float64[B, N] of each tier, lowered so that whatever is due in one goes before all that comes after it."""
    ceiling, found = np.full((len(tiers[0]), 1), np.inf), []
    for tier in tiers:
        found.append(np.minimum(tier, ceiling))
        best = found[-1].max(axis=1, keepdims=True)
        ceiling = np.where(best >= level, np.minimum(ceiling, best - AFTER), ceiling)
    return found
