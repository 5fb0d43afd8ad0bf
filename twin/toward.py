"""How near an asset is to a crown jewel: the best product of step probabilities along any chain of steps from it.

Flows in: compiled arrays. Flows out: float64[N], 1 at jewels, 0 where no chain leads to one. `chances_to_jewel` starts
from nothing; `mended_chances` starts from those of the version before and gives the same numbers, bit for bit: both
reach the least fixpoint, and products of floats rise with their factors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .vocabulary import AssetKind, Gain, StepClass

if TYPE_CHECKING:
    from .compiled import CompiledTwin

Float64 = npt.NDArray[np.float64]
MOST_MENDED = 2_000  # assets; beyond it starting from nothing is quicker
NO_MOVES = (int(Gain.PERSISTENCE), int(Gain.EXFILTRATION))
_SEGMENT, _DISCOVERY = int(AssetKind.SEGMENT), int(StepClass.DISCOVERY)


def chances_to_jewel(arrays: CompiledTwin) -> Float64:
    """Relaxation over all steps at once (Bellman-Ford on -log p)."""
    asset, step = arrays.asset, arrays.step
    best = np.where(asset["jewel"] > 0, 1.0, 0.0)
    moves = step[~np.isin(step["gain"], NO_MOVES) & (step["src"] != step["dst"])]
    opened = step[step["identity"] >= 0]
    mapped = np.ones(len(asset))
    discovery = step[step["step_class"] == _DISCOVERY]
    mapped[discovery["dst"]] = discovery["probability"]
    wholes = np.repeat(np.arange(len(asset)), asset["part_last"] - asset["part_first"])
    segment = asset["kind"][wholes] == _SEGMENT
    for _ in range(len(best)):
        before = best.copy()
        np.maximum.at(best, moves["src"], moves["probability"] * before[moves["dst"]])
        np.maximum.at(best, arrays.part[segment], (mapped * before)[wholes[segment]])  # a member acts from its segment
        np.maximum.at(best, opened["identity"], opened["probability"] * before[opened["dst"]])
        if np.array_equal(best, before):
            break
    return best


def mended_chances(arrays: CompiledTwin, before: Float64, touched: Iterable[int]) -> Float64:
    """What `chances_to_jewel` gives, from the chances before a change that touched only what leads on from some assets.

    Whatever owed its chance to a touched asset is forgotten, then raised again from what is left.

    Args:
        arrays: after the change.
        before: float64[N] before it.
        touched: assets whose own steps, segment or being a jewel changed.
    """
    arrays = arrays._replace(asset=_plain(arrays.asset), step=_plain(arrays.step))
    best = before.copy()
    lost = _dependents(arrays, before, touched)
    if len(lost) > MOST_MENDED:
        return chances_to_jewel(arrays)
    for a in lost:
        best[a] = 1.0 if arrays.asset[a]["jewel"] else 0.0
    ways = [(a, *way) for a in lost for way in _onward(arrays, a)]
    for asset, factor, onward in (*_opened(arrays, lost), *ways):
        best[asset] = max(best[asset], factor * best[onward])
    waiting = list(lost)
    while waiting:
        a = waiting.pop()
        for factor, source in _sources(arrays, a):
            if factor * best[a] > best[source]:
                best[source] = factor * best[a]
                waiting.append(source)
    return best


def _plain(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same rows without access by attribute, which makes reading single ones three times as slow."""
    return rows.view(np.ndarray).view(np.dtype((np.void, rows.dtype)))


def _dependents(arrays: CompiledTwin, best: Float64, touched: Iterable[int]) -> dict[int, None]:
    """The touched assets and all whose best chain may lead through one, in the order found."""
    found = dict.fromkeys(touched)
    waiting = list(found)
    while waiting and len(found) <= MOST_MENDED:
        a = waiting.pop()
        for factor, source in _sources(arrays, a):
            if source not in found and best[source] > 0.0 and factor * best[a] == best[source]:
                found[source] = None
                waiting.append(source)
    return found


def _sources(arrays: CompiledTwin, a: int) -> Iterator[tuple[float, int]]:
    """What leads straight to asset `a`, with the probability."""
    asset = arrays.asset[a]
    for row in arrays.step[arrays.in_step[asset["in_first"] : asset["in_last"]]]:
        chance = float(row["probability"])
        if _moves(row):
            yield chance, int(row["src"])
        if row["identity"] >= 0:
            yield chance, int(row["identity"])
    if asset["kind"] == _SEGMENT:
        chance = _mapped(arrays, asset)
        yield from ((chance, int(part)) for part in arrays.part[asset["part_first"] : asset["part_last"]])


def _onward(arrays: CompiledTwin, a: int) -> Iterator[tuple[float, int]]:
    """Where asset `a` leads straight to, with the probability; what it opens as an identity is left out."""
    asset = arrays.asset[a]
    rows = arrays.step[arrays.out_step[asset["out_first"] : asset["out_last"]]]
    yield from ((float(row["probability"]), int(row["dst"])) for row in rows if _moves(row))
    for whole in arrays.whole[asset["whole_first"] : asset["whole_last"]]:
        if arrays.asset[whole]["kind"] == _SEGMENT:
            yield _mapped(arrays, arrays.asset[whole]), int(whole)


def _opened(arrays: CompiledTwin, identities: Iterable[int]) -> Iterator[tuple[int, float, int]]:
    """Of some assets those that are identities of steps, with the probability and where the step leads."""
    is_one = np.zeros(len(arrays.asset) + 1, bool)  # the last stands for no identity, -1
    is_one[list(identities)] = True
    for row in arrays.step[is_one[arrays.step["identity"]]]:
        yield int(row["identity"]), float(row["probability"]), int(row["dst"])


def _moves(row: Any) -> bool:
    return row["gain"] not in NO_MOVES and row["src"] != row["dst"]


def _mapped(arrays: CompiledTwin, segment: Any) -> float:
    """Probability of mapping a segment before what it reaches is open; 1 where nothing has to be mapped."""
    rows = arrays.step[arrays.out_step[segment["out_first"] : segment["out_last"]]]
    scans = rows["probability"][rows["step_class"] == _DISCOVERY]
    return float(scans[-1]) if len(scans) else 1.0
