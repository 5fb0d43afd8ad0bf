"""Where an attacker from inside may begin: at one machine, nobody knows which, and how silent it is there.

Flows in: a compiled twin, attackers with the share of them that begins inside. Flows out: the arrays from which worlds
draw such a beginning and belief spreads it. Where nobody begins inside they are empty and cost nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..compiled import Compiled, Float32, Int32
from ..vocabulary import Access, AssetKind, LinkKind, StepClass

MACHINES = (AssetKind.HOST, AssetKind.CONTAINER, AssetKind.DEVICE)
AT_A_LOGIN = 1.0  # weight of a machine that holds a credential or that an identity can log in at; the measure of others
ELSEWHERE = 0.25  # weight of any other machine [0, 1]; assumed, settled by where insiders of past cases sat

Floats = npt.NDArray[np.float64]


class Beginnings(NamedTuple):
    """Where one that comes from inside begins, over N assets of which C may be it; all empty where nobody does."""

    begin: Float32  # [N] probability of each asset
    begin_cdf: Floats  # [C] cumulative
    begin_asset: Int32  # [C]
    quiet: float  # P(no finding in a tick | an insider is where it began and no finding has shown it)


NOWHERE = Beginnings(np.zeros(0, np.float32), np.zeros(0), np.zeros(0, np.int32), 1.0)


def beginnings(
    compiled: Compiled, attacker: npt.NDArray[Any], weight: Float32, hit_mask: Float32
) -> tuple[npt.NDArray[Any], Beginnings]:
    """Where the attackers may begin inside; and the attackers, from outside where the chain has no machine.

    Args:
        compiled: the twin.
        attacker: [K] of ATTACKER; `inside` is read.
        weight: float32[K, E] their tastes.
        hit_mask: float32[2, 16, StepClass] of `Parameters`.
    """
    if not (attacker["inside"] > 0).any():
        return attacker, NOWHERE
    begin = places(compiled)
    asset = np.flatnonzero(begin).astype(np.int32)
    if not len(asset):
        attacker = attacker.copy()
        attacker["inside"] = 0.0
        return attacker, NOWHERE
    quiet = _quiet(compiled, attacker, weight, hit_mask[0]) @ begin
    return attacker, Beginnings(begin.astype(np.float32), np.cumsum(begin[asset]), asset, float(quiet))


def places(compiled: Compiled) -> Floats:
    """float64[N]: P(one from inside begins at an asset): machines, those where somebody logs in before others."""
    machine = np.isin(compiled.arrays.asset["kind"], MACHINES)
    logs_in = np.zeros(len(machine), bool)
    for link in compiled.twin.links:
        if link.kind is LinkKind.HOLDS_CREDENTIAL:
            logs_in[compiled.asset_number[link.source]] = True
        elif link.kind is LinkKind.CAN_LOG_IN:
            logs_in[compiled.asset_number[link.target]] = True
    weight = machine * np.where(logs_in, AT_A_LOGIN, ELSEWHERE)
    spread: Floats = weight / max(float(weight.sum()), 1e-9)
    return spread


def _quiet(compiled: Compiled, attacker: npt.NDArray[Any], weight: Float32, hit: Float32) -> Floats:
    """float64[N]: P(no finding in a tick) of somebody who holds an asset and nothing else, in the mean of insiders."""
    asset, step = compiled.arrays.asset, compiled.arrays.step
    share = attacker["inside"] * (1.0 - attacker["absent"])
    share = (share if share.sum() > 0 else attacker["inside"]) / max(float(share.sum()), 1e-9)
    first = (step["need"] == Access.USER) & (step["identity"] < 0)
    taste = np.where(first, share @ weight, 0.0) if len(step) else np.zeros(0)
    seen = taste * hit[asset["sensors"][step["seen_at"]], step["step_class"]]
    liked, shows = (_from_here(compiled, one) for one in (taste, seen))
    tries = float(share @ attacker["try_p"]) * shows / np.maximum(liked, 1e-12)
    there = hit[asset["sensors"], StepClass.PRESENCE]
    silent: Floats = (1.0 - tries) * (1.0 - there)
    return silent


def _from_here(compiled: Compiled, of_step: Floats) -> Floats:
    """float64[N]: sum over the steps that lead from each asset or from a segment that it belongs to."""
    arrays = compiled.arrays
    own = np.bincount(arrays.step["src"], of_step, len(arrays.asset))
    counts = arrays.asset["whole_last"] - arrays.asset["whole_first"]
    member = np.repeat(np.arange(len(counts)), counts)
    offset = np.arange(len(member)) - np.repeat(np.cumsum(counts) - counts, counts)
    whole = arrays.whole[np.repeat(arrays.asset["whole_first"], counts) + offset]
    through = np.where(arrays.asset["kind"][whole] == AssetKind.SEGMENT, own[whole], 0.0)
    return np.asarray(own + np.bincount(member, through, len(counts)), np.float64)
