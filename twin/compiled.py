"""A twin and its attack steps as arrays: what the rulebook, belief and observation read.

Flows in: a `Twin` and its attack steps. Flows out: `Compiled`, names beside one `CompiledTwin` of arrays that all
worlds share. Nothing here changes after compilation; a change of facts gives a new compiled twin. Loss is in
nano-units per tick (int64), so that sums do not depend on their order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .attack.holding import members
from .attack.step import AttackStep
from .attack.techniques import NO_NUMBER, NUMBERS
from .facts import key_of
from .graph import Asset, Link, Owner, Twin, TwinError
from .numbering import Numbering
from .shelves import Shelves
from .toward import Float64, chances_to_jewel
from .vocabulary import Access, AssetKind, Gain, LinkKind, StepClass

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

NANO = 1_000_000_000
SEEN_AT_SOURCE = (StepClass.CREDENTIAL_ACCESS, StepClass.ESCAPE, StepClass.COLLECTION)
HOLE = AssetKind.OPAQUE  # the kind in place of an asset that is gone: no step leads there, no playbook is for it
HELD_THROUGH = (AssetKind.DATA_STORE, AssetKind.PROCESS)
BOUNDARY_KINDS = (LinkKind.REACHES, LinkKind.MANAGES, LinkKind.SUPPLIES, LinkKind.CAN_LOG_IN)


ASSET = np.dtype(
    [
        ("kind", "u1"),  # AssetKind
        ("jewel", "u1"),  # 1: crown jewel
        ("sensors", "u1"),  # bit s: SensorClass s watches it
        ("owner", "i4"),  # owner number
        ("share", "i8"),  # nano loss per tick while not serving
        ("harm", "i8"),  # nano loss per tick while held or manipulated
        ("toward", "f4"),  # probability of the best chain of steps from here to a crown jewel, 0..1
        ("out_first", "i4"),  # rows of out_step: attack steps from here
        ("out_last", "i4"),
        ("in_first", "i4"),  # rows of in_step: attack steps to here
        ("in_last", "i4"),
        ("part_first", "i4"),  # rows of part: members of a segment; what a data store or process is held through
        ("part_last", "i4"),
        ("whole_first", "i4"),  # rows of whole: the inverse of part
        ("whole_last", "i4"),
        ("member_first", "i4"),  # rows of member_group: dependency groups it is a member of
        ("member_last", "i4"),
        ("end_first", "i4"),  # rows of end: boundary links that begin or end here
        ("end_last", "i4"),
    ],
    align=True,
)
STEP = np.dtype(
    [
        ("src", "i4"),  # asset
        ("dst", "i4"),  # asset
        ("identity", "i4"),  # asset that must be held as well, or -1
        ("link", "i4"),  # boundary link it crosses, or -1
        ("seen_at", "i4"),  # asset where sensors may see a try
        ("need", "u1"),  # Access at the source
        ("gain", "u1"),  # Gain at the target
        ("step_class", "u1"),  # StepClass
        ("technique", "u1"),  # its number in `techniques.NUMBERS`
        ("probability", "f4"),  # of success per try
    ],
    align=True,
)
GROUP = np.dtype([("asset", "i4"), ("tolerance", "i4"), ("first", "i4"), ("last", "i4")])  # who depends, may fail, rows
MEMBER = np.dtype([("asset", "i4"), ("link", "i4")])  # on what, over which boundary link (or -1)
LINK = np.dtype([("carrier_first", "i4"), ("carrier_last", "i4")])  # rows of carrier_group: groups it carries


class CompiledTwin(NamedTuple):
    """Arrays over N assets, E attack steps, L boundary links, O owners, G dependency groups of D members."""

    asset: npt.NDArray[Any]  # [N] of ASSET
    step: npt.NDArray[Any]  # [E] of STEP
    out_step: Int32  # [E] steps by source
    in_step: Int32  # [E] steps by target
    part: Int32
    whole: Int32
    external: Int32  # [X] where attackers come from
    group: npt.NDArray[Any]  # [G] of GROUP
    member: npt.NDArray[Any]  # [D] of MEMBER
    member_group: Int32  # [D]
    link: npt.NDArray[Any]  # [L] of LINK
    carrier_group: Int32
    link_owner: Int32  # [L, 2] owners at source and target
    link_end: Int32  # [L, 2] assets at source and target
    end: Int32  # [2L] ends of boundary links by asset: 2 * link, plus 1 where it is the target
    hourly: Int64  # [O] nano loss per hour when all services of the owner are lost


@dataclass(frozen=True)
class Compiled:
    """A compiled twin with the names behind its numbers."""

    twin: Twin
    steps: Sequence[AttackStep]
    links: tuple[Link, ...]  # boundary links, in number order
    arrays: CompiledTwin
    tick_s: float
    toward: Float64  # [N] the assets' `toward` in full precision, for the next version to start from
    numbering: Numbering  # numbers of assets, kept from version to version

    @property
    def assets(self) -> tuple[Asset, ...]:
        """Assets by number; in a hole stands the asset that is gone, as it was last."""
        return self.numbering.assets

    @property
    def asset_number(self) -> Mapping[str, int]:
        """Number of each asset that is there, by id."""
        return self.numbering.number

    @cached_property
    def owner_number(self) -> dict[str, int]:
        """Number of each owner id."""
        return {owner.id: number for number, owner in enumerate(self.twin.owners)}

    @property
    def sizes(self) -> tuple[int, int, int]:
        """(N assets, holes of those that are gone too, L boundary links, O owners)."""
        return len(self.assets), len(self.links), len(self.twin.owners)

    @property
    def targets(self) -> int:
        """T = N + L + O."""
        return sum(self.sizes)

    def target_name(self, target: int) -> str:
        """Id of an asset, the key of a boundary link as `facts.key_of` gives it, or an owner's id.

        Raises:
            IndexError: target is outside 0..T-1.
        """
        assets, links, owners = self.sizes
        if not 0 <= target < assets + links + owners:
            raise IndexError(f"target {target} is outside 0..{assets + links + owners - 1}")
        if target < assets:
            return self.assets[target].id
        if target < assets + links:
            return key_of(self.links[target - assets])
        return self.twin.owners[target - assets - links].id

    @cached_property
    def target_number(self) -> dict[str, int]:
        """Number of each target by its name; holes have none."""
        holes = self.numbering.gone
        return {self.target_name(target): target for target in range(self.targets) if target not in holes}

    def owners_of(self, target: int) -> tuple[str, ...]:
        """Ids of the owners whose consent a response on this target needs."""
        assets, links, _ = self.sizes
        if target < assets:
            return (self.assets[target].owner,)
        if target < assets + links:
            pair = self.arrays.link_owner[target - assets]
            return tuple(self.twin.owners[number].id for number in pair)
        return (self.twin.owners[target - assets - links].id,)


def compile_twin(
    twin: Twin, steps: Sequence[AttackStep], *, tick_s: float = 60.0, numbering: Numbering | None = None
) -> Compiled:
    """Compile a twin and its attack steps to arrays.

    Args:
        twin: the chain.
        steps: its attack steps.
        tick_s: seconds a tick.
        numbering: of its assets, with what is gone; left out: by id, as a chain's first version.

    Raises:
        TwinError: a step refers to an asset that is not in the twin, or tick_s is not positive.
    """
    if not (math.isfinite(tick_s) and tick_s > 0):
        raise TwinError(f"tick_s {tick_s} must be a positive number of seconds")
    numbering = numbering or Numbering.first(twin)
    number = numbering.number
    owner = {one.id: index for index, one in enumerate(twin.owners)}
    owner_of = {asset.id: asset.owner for asset in twin.assets}
    links = tuple(k for k in twin.links if owner_of[k.source] != owner_of[k.target] and k.kind in BOUNDARY_KINDS)
    link_number = {link.key: index for index, link in enumerate(links)}
    assets = _asset_records(twin, numbering, owner, tick_s)
    link_end = np.array([[number[k.source], number[k.target]] for k in links], np.int32).reshape(len(links), 2)
    step_arrays = _step_arrays(steps, number, link_number, assets)
    arrays = CompiledTwin(
        asset=assets,
        external=externals(assets),
        **step_arrays,
        **_part_arrays(twin, number, step_arrays["step"], assets),
        **_dependency_arrays(twin, number, links, assets),
        link_owner=_link_owners(twin, links, owner),
        link_end=link_end,
        end=group_rows(link_end.ravel(), assets, "end"),
        hourly=hourly_of(twin.owners),
    )
    toward = chances_to_jewel(arrays)
    assets["toward"] = toward
    return Compiled(twin, Shelves.of(steps), links, arrays, tick_s, toward, numbering)


def records(count: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """A zeroed record array, readable by attribute in Python and in compiled code alike."""
    return np.zeros(count, dtype).view(np.recarray)


def copied(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A copy of a record array as bytes: numpy's own copies field by field, which takes twenty times as long."""
    return as_bytes(rows).copy().view(rows.dtype).view(type(rows))


def as_bytes(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same memory with each row as so many bytes without fields."""
    return rows.view(np.ndarray).view(np.dtype((np.void, rows.dtype.itemsize)))


def _asset_records(twin: Twin, numbering: Numbering, owner: Mapping[str, int], tick_s: float) -> npt.NDArray[Any]:
    assets = records(len(numbering.assets), ASSET)
    rows = np.setdiff1d(np.arange(len(assets)), list(numbering.gone), assume_unique=True)
    there = [numbering.assets[row] for row in rows]
    assets["kind"] = HOLE
    assets["kind"][rows] = [asset.kind for asset in there]
    assets["owner"][rows] = [owner[asset.owner] for asset in there]
    fill_assets(assets, rows, there, tick_s)
    fill_shares(assets, rows, there, twin.owners, tick_s)
    return assets


def externals(assets: npt.NDArray[Any]) -> Int32:
    """int32[X] where attackers come from."""
    return np.flatnonzero(assets["kind"] == AssetKind.EXTERNAL).astype(np.int32)


def hourly_of(owners: Sequence[Owner]) -> Int64:
    """int64[O] nano loss per hour when all services of an owner are lost."""
    return np.array([round(one.value_per_hour * NANO) for one in owners], np.int64)


def fill_assets(records: npt.NDArray[Any], rows: npt.NDArray[np.int64], assets: Sequence[Asset], tick_s: float) -> None:
    """Write into some rows what the assets there say of themselves; `kind` and `owner` are written already."""
    bits = {sensors: sum(1 << s for s in set(sensors)) for sensors in {asset.sensors for asset in assets}}
    harm = np.array([asset.harm_per_hour for asset in assets], np.float64)
    records["jewel"][rows] = [asset.crown_jewel for asset in assets]
    records["sensors"][rows] = [bits[asset.sensors] for asset in assets]
    records["harm"][rows] = np.rint(harm * (NANO * tick_s / 3600.0))


def fill_shares(
    records: npt.NDArray[Any],
    rows: npt.NDArray[np.int64],
    assets: Sequence[Asset],
    owners: Sequence[Owner],
    tick_s: float,
) -> None:
    """Write the shares of all assets of some owners: their criticality over the sum of their owner's."""
    criticality = np.array([asset.criticality for asset in assets], np.float64)
    owner = records["owner"][rows]
    weight = np.bincount(owner, criticality, len(owners))
    weight[weight == 0.0] = 1.0
    value = np.array([one.value_per_hour for one in owners], np.float64)
    records["share"][rows] = np.rint(value[owner] * criticality / weight[owner] * (NANO * tick_s / 3600.0))


def _step_arrays(
    steps: Sequence[AttackStep],
    number: Mapping[str, int],
    link_number: Mapping[Any, int],
    assets: npt.NDArray[Any],
) -> dict[str, Any]:
    rows = step_records(steps, number, link_number)
    return {
        "step": rows,
        "out_step": group_rows(rows["src"], assets, "out"),
        "in_step": group_rows(rows["dst"], assets, "in"),
    }


def step_records(
    steps: Sequence[AttackStep], number: Mapping[str, int], link_number: Mapping[Any, int]
) -> npt.NDArray[Any]:
    """Rows of STEP for attack steps.

    Raises:
        TwinError: a step refers to an asset that has no number.
    """
    rows = records(len(steps), STEP)
    try:
        rows["src"] = [number[step.source] for step in steps]
        rows["dst"] = [number[step.target] for step in steps]
        rows["identity"] = [number[step.identity] if step.identity else -1 for step in steps]
        seen_at = np.array([number[step.seen_at] if step.seen_at else -1 for step in steps], np.int32)
    except KeyError as missing:
        raise TwinError(
            f"an attack step refers to asset {missing}, which is not in the twin; derive it again"
        ) from None
    rows["need"] = [step.needs for step in steps]
    rows["gain"] = [step.gains for step in steps]
    rows["step_class"] = [step.step_class for step in steps]
    rows["technique"] = [NUMBERS.get(step.technique, NO_NUMBER) for step in steps]
    rows["link"] = [-1 if step.link is None else link_number.get(step.link, -1) for step in steps]
    rows["probability"] = [step.probability for step in steps]
    at_source = np.isin(rows["step_class"], SEEN_AT_SOURCE)
    rows["seen_at"] = np.where(seen_at >= 0, seen_at, np.where(at_source, rows["src"], rows["dst"]))
    return rows


def _part_arrays(
    twin: Twin, number: Mapping[str, int], steps: npt.NDArray[Any], assets: npt.NDArray[Any]
) -> dict[str, Any]:
    pairs = [(number[segment], number[one]) for segment, inside in members(twin).items() for one in inside]
    inside = np.array(pairs, np.int64).reshape(len(pairs), 2)
    through = steps[np.isin(assets["kind"][steps["dst"]], HELD_THROUGH) & (steps["src"] != steps["dst"])]
    wholes = np.concatenate([inside[:, 0], through["dst"]])
    parts = np.concatenate([inside[:, 1], through["src"]])
    both = np.unique(wholes * len(assets) + parts)
    wholes, parts = (half.astype(np.int32) for half in np.divmod(both, max(1, len(assets))))
    return {"part": parts[group_rows(wholes, assets, "part")], "whole": wholes[group_rows(parts, assets, "whole")]}


def _dependency_arrays(
    twin: Twin, number: Mapping[str, int], links: Sequence[Link], assets: npt.NDArray[Any]
) -> dict[str, Any]:
    """Groups of dependencies: each `runs_on` and ungrouped `depends_on` alone, grouped ones k of n."""
    carrier = {(link.source, link.target): i for i, link in enumerate(links) if link.kind is LinkKind.REACHES}
    grouped: dict[tuple[str, str], list[Link]] = {}
    for link in twin.links:
        if link.kind is LinkKind.RUNS_ON or link.kind is LinkKind.DEPENDS_ON:
            grouped.setdefault((link.source, link.group or f"{link.kind.word} {link.target}"), []).append(link)
    ordered = sorted(grouped.items(), key=lambda one: (number[one[0][0]], one[0][1]))
    flat = [link for _, one in ordered for link in one]
    sizes = np.array([len(one) for _, one in ordered], np.int32)
    needed = [max(link.need for link in one) or len(one) for _, one in ordered]
    groups = records(len(ordered), GROUP)
    groups["asset"] = [number[source] for (source, _), _ in ordered]
    groups["tolerance"] = np.maximum(0, sizes - np.array(needed, np.int32))
    groups["last"] = np.cumsum(sizes)
    groups["first"] = groups["last"] - sizes
    members = records(len(flat), MEMBER)
    members["asset"] = [number[link.target] for link in flat]
    members["link"] = [carrier.get((link.source, link.target), -1) for link in flat]
    group_of = np.repeat(np.arange(len(ordered), dtype=np.int32), sizes)
    carried = np.flatnonzero(members["link"] >= 0)
    boundary = records(len(links), LINK)
    return {
        "group": groups,
        "member": members,
        "member_group": group_of[group_rows(members["asset"], assets, "member")],
        "link": boundary,
        "carrier_group": group_of[carried][group_rows(members["link"][carried], boundary, "carrier")],
    }


def _link_owners(twin: Twin, links: Sequence[Link], owner: Mapping[str, int]) -> Int32:
    pairs = [[owner[twin.asset_by_id[link.source].owner], owner[twin.asset_by_id[link.target].owner]] for link in links]
    return np.array(pairs, np.int32).reshape(len(links), 2)


def group_rows(keys: npt.NDArray[Any], owners: npt.NDArray[Any], name: str) -> Int32:
    """Positions of `keys` grouped by value; rows `<name>_first`..`<name>_last` of each value go into `owners`."""
    last = np.cumsum(np.bincount(keys, minlength=len(owners)))
    owners[f"{name}_last"] = last
    owners[f"{name}_first"][1:] = last[:-1]
    return np.argsort(keys, kind="stable").astype(np.int32)


assert int(Access.ADMIN) == int(Gain.ADMIN)  # the kernel compares gains with accesses
