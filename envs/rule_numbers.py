"""What the rule weighs that policies begin as (`rule_layer`): its numbers, their meanings and ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Weight = float | Float32  # of one rule; [B, 1]: of rules that play side by side, one for each world


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
    level_size: Weight = _number("doublings of that level per doubling of the chain's assets over 100", -4.0, 4.0)
    cut: Weight = _number("gain of cutting off a sure hold", 0.0, 1e3)
    cut_toward: Weight = _number("the same, for T", 0.0, 1e3)
    cut_stake: Weight = _number("the same, for S", 0.0, 1e3)
    cut_impact: Weight = _number("doublings of these three per octave of taste for impact", -4.0, 4.0)
    cut_tempo: Weight = _number("the same per octave of tempo", -4.0, 4.0)
    cut_size: Weight = _number("halvings of these three per doubling of the chain's assets over 100", -4.0, 4.0)
    cut_always: Weight = _number("cost of cutting off, for S; from a gain of 1 on it is done", 0.0, 1e3)
    cut_wrong: Weight = _number("cost of cutting off what is not held, for S", 0.0, 1e3)
    cut_ahead: Weight = _number("minutes ahead in which what is gained counts as held, for cutting off", 0.0, 1440.0)
    look_ahead: Weight = _number("the same, for looking closer", 0.0, 1440.0)
    ahead_size: Weight = _number("halvings of both per doubling of the chain's assets over 100", -4.0, 4.0)
    cut_room: Weight = _number("share of 32 places for responses that cutting off leaves free", 0.0, 1.0)
    look_room: Weight = _number("the same of looking closer", 0.0, 1.0)
    room_size: Weight = _number("doublings of both per doubling of the chain's assets over 100", -4.0, 4.0)
    clean: Weight = _number("belief below which what is cut off is opened", 0.0, 1.0)
    watched: Weight = _number("belief from which to look closer", 1e-3, 1.0)
    watched_size: Weight = _number("doublings of that belief per doubling of the chain's assets over 100", -4.0, 4.0)

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
    def side_by_side(cls, rules: Sequence[RuleNumbers], worlds: int) -> RuleNumbers:
        """Those of several rules, for a batch in which each plays so many worlds, rule by rule."""
        columns = {}
        for one in fields(cls):
            values = np.array([getattr(rule, one.name) for rule in rules], np.float32)
            columns[one.name] = np.repeat(values, worlds)[:, None]
        return cls(**columns)

    @classmethod
    def of_array(cls, numbers: Float32) -> RuleNumbers:
        """The rule of float32[NUMBERS].

        Raises:
            ValueError: a number is out of range, which it names.
        """
        return cls(*numbers.tolist())

    def as_array(self) -> Float32:
        """float32[NUMBERS] of one rule, each within its range."""
        low = np.array([one.metadata["low"] for one in fields(self)], np.float32)
        high = np.array([one.metadata["high"] for one in fields(self)], np.float32)
        return np.clip(np.array(list(self.as_dict().values()), np.float32), low, high)

    def as_dict(self) -> dict[str, float]:
        """By name, of one rule."""
        return {name: float(value) for name, value in asdict(self).items()}

    def levelled(self, factor: float) -> RuleNumbers:
        """As these, with so many times the level, or the end of its range."""
        of_level = next(one.metadata for one in fields(self) if one.name == "level")
        return replace(self, level=float(np.clip(self.level * factor, of_level["low"], of_level["high"])))


NUMBERS = len(fields(RuleNumbers))
