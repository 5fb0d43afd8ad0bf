"""Scripted campaigns: an ordered list of stages that an attacker follows as far as steps are open.

Flows in: stages in seconds, words and asset ids. Flows out: rows of `STAGE` in ticks and numbers, and the rule whether
a step fits a stage. When a stage is due, waits and is passed over, `attacking` decides; nothing is written here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..attack.techniques import NUMBERS
from ..compiled import Compiled, CompiledTwin
from ..vocabulary import AssetKind
from .jit import inner

GRACE_S = 3600.0  # assumed: how long a campaign waits for one stage unless it says otherwise
ANY = -1


class GameError(ValueError):
    """Numbers of a game that cannot be played; the message names the thing and the mend."""


@dataclass(frozen=True, slots=True)
class CampaignStage:
    """One stage: a step of this technique, into this asset or into one of this kind; at least one of the three."""

    after_s: float = 0.0  # not before so long after the attacker's coming
    technique: str | None = None  # ATT&CK id; left out: any
    target: str | None = None  # asset id; left out: any
    kind: AssetKind | None = None  # of the target; left out: any
    grace_s: float = GRACE_S  # so long after it was due, or after the stage before it ended, the stage is passed over


STAGE = np.dtype(
    [
        ("after", "i4"),  # ticks from the attacker's coming until it is due
        ("grace", "i4"),  # ticks until it is passed over
        ("technique", "i4"),  # number in `techniques.NUMBERS`, or ANY
        ("asset", "i4"),  # or ANY
        ("kind", "i4"),  # AssetKind or ANY
    ]
)


def build_stages(compiled: Compiled, campaigns: Sequence[tuple[str, tuple[CampaignStage, ...]]]) -> npt.NDArray[Any]:
    """All stages as rows, one attacker after the other.

    Args:
        compiled: the twin.
        campaigns: per attacker its name and its stages; no stages: it is not scripted.

    Raises:
        GameError: a stage that no attack step of the twin fits, or a time out of range; names attacker and stage.
    """
    flat = [
        (f"attacker {name!r}: stage {place} of its campaign", stage)
        for name, stages in campaigns
        for place, stage in enumerate(stages, 1)
    ]
    rows = np.zeros(len(flat), STAGE).view(np.recarray)
    for row, (name, stage) in enumerate(flat):
        rows[row] = _row(compiled, name, stage)
        if not _fitting(compiled, rows[row]).any():
            raise GameError(
                f"{name} ({_said(stage)}): no attack step of the chain fits; mend it (`tocsin scenario show` lists "
                "the techniques) or leave it out"
            )
    return rows


def _row(compiled: Compiled, name: str, stage: CampaignStage) -> tuple[int, ...]:
    if not (0 <= stage.after_s < math.inf and 0 <= stage.grace_s < math.inf):
        raise GameError(f"{name}: needs after_s and grace_s of 0 or more seconds")
    if stage.technique is None and stage.target is None and stage.kind is None:
        raise GameError(f"{name}: says neither technique nor target nor kind; give one at least")
    if stage.target is not None and stage.target not in compiled.asset_number:
        raise GameError(f"{name}: target {stage.target!r} is no asset of the chain; mend the id")
    return (
        math.ceil(stage.after_s / compiled.tick_s),
        math.ceil(stage.grace_s / compiled.tick_s),
        ANY if stage.technique is None else NUMBERS.get(stage.technique, len(NUMBERS)),
        ANY if stage.target is None else compiled.asset_number[stage.target],
        ANY if stage.kind is None else int(stage.kind),
    )


def _fitting(compiled: Compiled, row: np.record) -> npt.NDArray[np.bool_]:
    step = compiled.arrays.step
    fits = np.ones(len(step), bool) if row.technique == ANY else step["technique"] == row.technique
    fits = fits if row.asset == ANY else fits & (step["dst"] == row.asset)
    return fits if row.kind == ANY else fits & (compiled.arrays.asset["kind"][step["dst"]] == row.kind)


def _said(stage: CampaignStage) -> str:
    parts = (stage.technique, stage.target, None if stage.kind is None else stage.kind.word)
    return ", ".join(part for part in parts if part)


@inner
def fits_stage(step: int, stage: np.record, t: CompiledTwin) -> bool:
    """Whether a step is one that the stage asks for."""
    dst = t.step[step].dst
    if stage.asset != ANY and dst != stage.asset:
        return False
    if stage.technique != ANY and t.step[step].technique != stage.technique:
        return False
    return stage.kind == ANY or t.asset[dst].kind == stage.kind
