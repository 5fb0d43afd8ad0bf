"""What the belief asks of a twin and its assumed attackers, ready to be read in the order in which it asks.

Flows in: a compiled twin, tastes for its steps, odds of findings. Flows out: a row per attack step that anybody would
take, by source; a row per source, with all that leads from it, by target; a row per asset. Nothing here changes in
play. The belief reads these rows for every asset that it believes held, in every tick: they lie one after the other
and carry what would else be looked up in five places.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..compiled import CompiledTwin, Float32, Int32
from ..vocabulary import Access, AssetKind, Gain, StepClass

SILENT = 2.0  # `still` of what is not asked for its presence

AHEAD = np.dtype(
    [
        ("src", "u4"),  # unsigned numbers of assets are looked up without asking whether they count from the end
        ("dst", "u4"),
        ("seen_at", "u4"),
        ("identity", "i4"),  # asset, or -1
        ("link", "i4"),  # boundary link, or -1
        ("taste", "f4"),  # of the assumed attackers together, above 0
        ("odds", "f4"),  # of success per try
        ("silence", "f4"),  # likelihood of no finding given a try, unmonitored
        ("certain", "f4"),  # P(what a try takes for granted of its target): this, and
        ("by_held", "f4"),  # so much times P(it is held), and
        ("by_admin", "f4"),  # so much times P(admin access to it)
        ("step_class", "u1"),  # StepClass
        ("need", "u1"),  # Access at the source; of a segment: user
        ("lacks", "u1"),  # Access that a try takes for granted is not had at its target; NONE: it is not tracked
    ],
    align=True,
)
BEHIND = np.dtype(
    [
        ("src", "i4"),
        ("share", "f4"),  # taste times odds of success, of all steps from it
        ("need", "u1"),  # Access at the source
        ("passes", "u1"),  # 1: news of the target are passed on to it
    ],
    align=True,
)
PLACE = np.dtype(
    [
        ("still", "f4"),  # likelihood of no finding in a tick given that it is held, unmonitored; SILENT: not asked
        ("ahead_first", "i4"),  # its rows of `ahead`: steps from it
        ("ahead_last", "i4"),
        ("behind_first", "i4"),  # its rows of `behind`: sources of steps to it
        ("behind_last", "i4"),
        ("inside_first", "i4"),  # its rows of `inside`: segments that it is a member of
        ("inside_last", "i4"),
        ("kind", "u1"),  # AssetKind
        ("sensors", "u1"),  # bit s: SensorClass s watches it
    ],
    align=True,
)

_ADMIN = int(Access.ADMIN)
_PRESUMED = {  # certain, by_held, by_admin; all else is not tracked, and assumed done half of the time
    Gain.USER: (1.0, -1.0, 0.0),
    Gain.ADMIN: (1.0, 0.0, -1.0),
    Gain.EXFILTRATION: (0.0, 0.5, 0.0),
}


def prospects_of(t: CompiledTwin, attacker: npt.NDArray[Any], weight: Float32, hit_mask: Float32) -> dict[str, Any]:
    """The fields of `Parameters` that the belief alone reads.

    Args:
        t: the twin.
        attacker: rows of ATTACKER, K.
        weight: float32[K, E], their tastes.
        hit_mask: float32[2, sensor sets, StepClass], odds of a finding.
    """
    asset, step = np.asarray(t.asset), np.asarray(t.step)
    taste = _pooled(np.asarray(attacker), weight)
    taken = np.flatnonzero(taste > 0.0)
    in_segment = asset["kind"][step["src"]] == AssetKind.SEGMENT
    need = np.where(in_segment, int(Access.USER), step["need"])
    taken = taken[np.argsort(step["src"][taken].astype(np.int64) * 2 + (need[taken] == _ADMIN), kind="stable")]
    place = np.zeros(len(asset), PLACE)
    place["kind"], place["sensors"] = asset["kind"], asset["sensors"]
    asked = ~np.isin(asset["kind"], (int(AssetKind.EXTERNAL), int(AssetKind.SEGMENT)))
    place["still"] = np.where(asked, 1.0 - hit_mask[0][asset["sensors"], int(StepClass.PRESENCE)], SILENT)
    ahead = _ahead(asset, step[taken], taste[taken], need[taken], hit_mask)
    return {
        "ahead": ahead.view(np.recarray),
        "behind": _behind(asset, ahead, place).view(np.recarray),
        "inside": _inside(t, asset, place),
        "place": place.view(np.recarray),
    }


def _pooled(attacker: npt.NDArray[Any], weight: Float32) -> Float32:
    """float32[E]: how much the assumed attackers like a step, each by its tempo."""
    if len(attacker) == 1:
        return weight[0]
    pace = attacker["try_p"] * (1.0 - attacker["absent"])
    pooled: Float32 = (pace.astype(np.float64) @ weight).astype(np.float32)
    return pooled


def _ahead(
    asset: npt.NDArray[Any], step: npt.NDArray[Any], taste: Float32, need: npt.NDArray[Any], hit_mask: Float32
) -> npt.NDArray[Any]:
    rows = np.zeros(len(step), AHEAD)
    for name in ("src", "dst", "identity", "seen_at", "link", "step_class"):
        rows[name] = step[name]
    rows["taste"], rows["odds"], rows["need"] = taste, step["probability"], need
    rows["silence"] = 1.0 - hit_mask[0][asset["sensors"][step["seen_at"]], step["step_class"]]
    rows["certain"] = 0.5
    maps = asset["kind"][step["dst"]] == AssetKind.SEGMENT  # whether it has been mapped is not tracked either
    for gain, (certain, by_held, by_admin) in _PRESUMED.items():
        which = (step["gain"] == gain) & ~maps
        rows["certain"][which], rows["by_held"][which], rows["by_admin"][which] = certain, by_held, by_admin
    rows["lacks"] = np.where(np.isin(step["gain"], (int(Gain.USER), int(Gain.ADMIN))) & ~maps, step["gain"], 0)
    return rows


def _behind(asset: npt.NDArray[Any], ahead: npt.NDArray[Any], place: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Sources by target, each once for user and once for admin access; rows of `place` say where they lie."""
    _bound(ahead["src"], place, "ahead")
    comes = ahead[ahead["src"] != ahead["dst"]]
    by_admin = comes["need"] == _ADMIN
    key = (comes["dst"].astype(np.int64) * 2 + by_admin) * len(asset) + comes["src"]
    known, which = np.unique(key, return_inverse=True)
    rows = np.zeros(len(known), BEHIND)
    rows["src"] = known % max(1, len(asset))
    half = known // max(1, len(asset))
    rows["need"] = np.where(half % 2 == 1, _ADMIN, int(Access.USER))
    rows["share"] = np.bincount(which, comes["taste"].astype(np.float64) * comes["odds"], len(known))
    rows["passes"] = asset["kind"][rows["src"]] != AssetKind.EXTERNAL
    _bound(half // 2, place, "behind")
    return rows


def _inside(t: CompiledTwin, asset: npt.NDArray[Any], place: npt.NDArray[Any]) -> Int32:
    """Segments by member: the rows of `whole` that are no stores and processes."""
    member = np.repeat(np.arange(len(asset)), asset["whole_last"] - asset["whole_first"])
    is_segment = asset["kind"][t.whole] == AssetKind.SEGMENT
    _bound(member[is_segment], place, "inside")
    return t.whole[is_segment]


def _bound(keys: npt.NDArray[Any], place: npt.NDArray[Any], name: str) -> None:
    """Write where the rows of each asset begin and end, of rows that lie in order of `keys`."""
    last = np.cumsum(np.bincount(keys, minlength=len(place)))
    place[f"{name}_last"] = last
    place[f"{name}_first"][1:] = last[:-1]
