"""What playbooks do to a world: the EffectTable, filled by the playbooks room, read by kernel and mask.

Flows in: one `Effect` per playbook, in seconds and hours as declared in its CACAO extension. Flows out: an
`EffectTable` of arrays in ticks. The set of verbs is closed: a new playbook is a file, a new verb is code here and in
the rules.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..vocabulary import Access, AssetKind, ConsentClass, Mode, StepClass, TargetType

NO_MODE = -1
NO_CEILING = 255
STEP_CLASSES = len(StepClass)


@dataclass(frozen=True, slots=True)
class Effect:
    """What one playbook declares that it does.

    A response works for `work_s` (holding `mode_during`), then takes effect with probability `success` and holds
    `mode`, the lowered steps and the cut for `hold_s`, or until undone where `hold_s` is 0.
    """

    playbook: str  # playbook id
    target_type: TargetType
    kinds: tuple[AssetKind, ...]  # asset kinds it applies to; empty for links and owners
    consent_class: ConsentClass
    work_s: float
    hold_s: float
    labour_h: float  # hours of work, booked to the target's owner at LABOUR_RATE
    success: float  # probability that it takes effect, 0..1
    undoable: bool
    mode: Mode | None = None  # verb set_mode
    mode_during: Mode | None = None  # held while working, e.g. restoring
    clear_mode: Mode | None = None  # verb clear_mode: undoes the running responses that hold this mode on the target
    ceiling: Access | None = None  # verb set_ceiling: access of every attacker is cut down to this
    clears_persistence: bool = False  # with a ceiling: persistence and impact go too
    lower: Mapping[StepClass, float] = field(default_factory=dict)  # verb lower_probability: factor 0..1 per class
    coverage: bool = False  # verb raise_coverage: holds mode monitored
    cut: bool = False  # verb cut_link: the boundary link carries nothing


PLAYBOOK = np.dtype(
    [
        ("applies", "u2"),  # bit k: applies to AssetKind k
        ("target_type", "u1"),  # TargetType
        ("consent_class", "u1"),  # ConsentClass
        ("work", "i4"),  # ticks until it takes effect, >= 1
        ("hold", "i4"),  # ticks it holds; 0: until undone
        ("labour_h", "f4"),  # hours
        ("success", "f4"),
        ("undoable", "u1"),  # 0 or 1
        ("mode", "i1"),  # Mode or -1
        ("mode_during", "i1"),  # Mode or -1
        ("clear_mode", "i1"),  # Mode or -1
        ("ceiling", "u1"),  # Access or 255
        ("clears_persistence", "u1"),  # 0 or 1
        ("cut", "u1"),  # 0 or 1
    ],
    align=True,
)


class EffectTable(NamedTuple):
    """Effects as arrays over P playbooks, in the order of the library lock file."""

    playbook: npt.NDArray[Any]  # [P] of PLAYBOOK
    lower: npt.NDArray[np.float32]  # [P, StepClass] factor on the probability of steps into the target


def build_effect_table(effects: Sequence[Effect], *, tick_s: float = 60.0) -> EffectTable:
    """Turn declared effects into arrays, seconds rounded up to ticks.

    Raises:
        ValueError: a number out of range, or an effect that contradicts itself; names the playbook and the mend.
    """
    rows = np.zeros(len(effects), PLAYBOOK).view(np.recarray)
    for row, effect in enumerate(effects):
        _check(effect)
        rows[row] = (
            sum(1 << kind for kind in effect.kinds),
            effect.target_type,
            effect.consent_class,
            max(1, math.ceil(effect.work_s / tick_s)),
            math.ceil(effect.hold_s / tick_s),
            effect.labour_h,
            effect.success,
            effect.undoable,
            _mode(Mode.MONITORED if effect.coverage else effect.mode),
            _mode(effect.mode_during),
            _mode(effect.clear_mode),
            NO_CEILING if effect.ceiling is None else effect.ceiling,
            effect.clears_persistence,
            effect.cut,
        )
    return EffectTable(rows, _lower(effects))


def _mode(mode: Mode | None) -> int:
    return NO_MODE if mode is None else int(mode)


def _lower(effects: Sequence[Effect]) -> npt.NDArray[np.float32]:
    factors = np.ones((len(effects), STEP_CLASSES), np.float32)
    for row, effect in enumerate(effects):
        for step_class, factor in effect.lower.items():
            factors[row, step_class] = factor
    return factors


def _check(effect: Effect) -> None:
    name = f"playbook {effect.playbook}"
    if not 0.0 <= effect.success <= 1.0:
        raise ValueError(f"{name}: success {effect.success} is not a probability; give 0 to 1")
    for what, value in (("work_s", effect.work_s), ("hold_s", effect.hold_s), ("labour_h", effect.labour_h)):
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name}: {what} {value} must be finite and not negative")
    if any(not 0.0 <= factor <= 1.0 for factor in effect.lower.values()):
        raise ValueError(f"{name}: lower_probability takes factors from 0 to 1")
    if effect.lower and effect.mode is not Mode.PATCHED:
        raise ValueError(f"{name}: lower_probability needs mode patched, which marks the assets it holds for")
    if effect.target_type is TargetType.ASSET and not effect.kinds:
        raise ValueError(f"{name}: names no asset kind that it applies to; list at least one")
    if effect.cut and effect.target_type is not TargetType.LINK:
        raise ValueError(f"{name}: cut_link needs target type link")
