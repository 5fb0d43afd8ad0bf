"""A twin and its attack steps as arrays: what the rulebook, belief and observation read.

Flows in: a `Twin` and its attack steps. Flows out: `Compiled`, names beside one `CompiledTwin` of arrays that all worlds
share. Nothing here changes after compilation; a change of facts gives a new compiled twin. Loss is in nano-units per
tick (int64), so that sums do not depend on their order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .attack.step import AttackStep
from .graph import Link, Twin, TwinError
from .vocabulary import Access, AssetKind, Gain, LinkKind, StepClass

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

NANO = 1_000_000_000
SEEN_AT_SOURCE = (StepClass.CREDENTIAL_ACCESS, StepClass.ESCAPE, StepClass.COLLECTION)
HELD_THROUGH = (AssetKind.DATA_STORE, AssetKind.PROCESS)
BOUNDARY_KINDS = (LinkKind.REACHES, LinkKind.MANAGES, LinkKind.SUPPLIES, LinkKind.CAN_LOG_IN)


class CompiledTwin(NamedTuple):
    """Arrays over N assets, E attack steps, L boundary links, O owners, G dependency groups."""

    kind: UInt8  # [N] AssetKind
    owner: Int32  # [N] owner number
    jewel: UInt8  # [N] 1: crown jewel
    sensors: UInt8  # [N] bit s: SensorClass s watches it
    share: Int64  # [N] nano loss per tick while not serving
    harm: Int64  # [N] nano loss per tick while held or manipulated
    toward: Float32  # [N] probability of the best chain of steps from here to a crown jewel, 0..1
    src: Int32  # [E] asset
    dst: Int32  # [E] asset
    need: UInt8  # [E] Access at the source
    gain: UInt8  # [E] Gain at the target
    identity: Int32  # [E] asset, or -1
    step_class: UInt8  # [E] StepClass
    link: Int32  # [E] boundary link, or -1
    probability: Float32  # [E] of success per try
    seen_at: Int32  # [E] asset where sensors may see a try
    out_ptr: Int32  # [N+1] steps by source ...
    out_step: Int32  # [E]
    in_ptr: Int32  # [N+1] ... and by target
    in_step: Int32  # [E]
    part_ptr: Int32  # [N+1] of a segment its members, of a data store or process the assets it is held through
    part: Int32
    whole_ptr: Int32  # [N+1] the inverse of part
    whole: Int32
    external: Int32  # [X] where attackers come from
    group_asset: Int32  # [G] asset that depends on the group
    group_tolerance: Int32  # [G] how many of the group may fail
    group_ptr: Int32  # [G+1]
    group_member: Int32  # [D] asset
    group_link: Int32  # [D] boundary link that carries the dependency, or -1
    member_ptr: Int32  # [N+1] groups an asset is a member of
    member_group: Int32  # [D]
    carrier_ptr: Int32  # [L+1] groups a boundary link carries
    carrier_group: Int32
    link_owner: Int32  # [L, 2] owners at source and target
    hourly: Int64  # [O] nano loss per hour when all services of the owner are lost


@dataclass(frozen=True)
class Compiled:
    """A compiled twin with the names behind its numbers."""

    twin: Twin
    steps: tuple[AttackStep, ...]
    links: tuple[Link, ...]  # boundary links, in number order
    arrays: CompiledTwin
    tick_s: float

    @cached_property
    def asset_number(self) -> dict[str, int]:
        """Number of each asset id."""
        return {asset.id: number for number, asset in enumerate(self.twin.assets)}

    @cached_property
    def owner_number(self) -> dict[str, int]:
        """Number of each owner id."""
        return {owner.id: number for number, owner in enumerate(self.twin.owners)}

    @property
    def sizes(self) -> tuple[int, int, int]:
        """(N assets, L boundary links, O owners)."""
        return len(self.twin.assets), len(self.links), len(self.twin.owners)

    @property
    def targets(self) -> int:
        """T = N + L + O."""
        return sum(self.sizes)

    def target_name(self, target: int) -> str:
        """Id of an asset, `source -> target` of a boundary link, or an owner's id.

        Raises:
            IndexError: target is outside 0..T-1.
        """
        assets, links, owners = self.sizes
        if not 0 <= target < assets + links + owners:
            raise IndexError(f"target {target} is outside 0..{assets + links + owners - 1}")
        if target < assets:
            return self.twin.assets[target].id
        if target < assets + links:
            link = self.links[target - assets]
            return f"{link.kind.word} {link.source} -> {link.target}:{link.port or 0}"
        return self.twin.owners[target - assets - links].id

    @cached_property
    def target_number(self) -> dict[str, int]:
        """Number of each target by its name."""
        return {self.target_name(target): target for target in range(self.targets)}

    def owners_of(self, target: int) -> tuple[str, ...]:
        """Ids of the owners whose consent a response on this target needs."""
        assets, links, _ = self.sizes
        if target < assets:
            return (self.twin.assets[target].owner,)
        if target < assets + links:
            pair = self.arrays.link_owner[target - assets]
            return tuple(self.twin.owners[number].id for number in pair)
        return (self.twin.owners[target - assets - links].id,)


def compile_twin(twin: Twin, steps: Sequence[AttackStep], *, tick_s: float = 60.0) -> Compiled:
    """Compile a twin and its attack steps to arrays.

    Raises:
        TwinError: a step refers to an asset that is not in the twin, or tick_s is not positive.
    """
    if not (math.isfinite(tick_s) and tick_s > 0):
        raise TwinError(f"tick_s {tick_s} must be a positive number of seconds")
    number = {asset.id: index for index, asset in enumerate(twin.assets)}
    owner = {one.id: index for index, one in enumerate(twin.owners)}
    links = tuple(link for link in twin.links if link.kind in BOUNDARY_KINDS and twin.is_boundary(link))
    link_number = {link.key: index for index, link in enumerate(links)}
    arrays = CompiledTwin(
        **_asset_arrays(twin, owner, tick_s),
        **_step_arrays(twin, steps, number, link_number),
        **_part_arrays(twin, steps, number),
        **_dependency_arrays(twin, number, links),
        link_owner=_link_owners(twin, links, owner),
        hourly=np.array([round(one.value_per_hour * NANO) for one in twin.owners], np.int64),
    )
    arrays = arrays._replace(toward=_toward(arrays))
    return Compiled(twin, tuple(steps), links, arrays, tick_s)


def _asset_arrays(twin: Twin, owner: Mapping[str, int], tick_s: float) -> dict[str, Any]:
    weight_of: dict[str, float] = {}
    for asset in twin.assets:
        weight_of[asset.owner] = weight_of.get(asset.owner, 0.0) + asset.criticality
    per_tick = NANO * tick_s / 3600.0
    shares = [
        twin.owner_by_id[asset.owner].value_per_hour * asset.criticality / (weight_of[asset.owner] or 1.0)
        for asset in twin.assets
    ]
    return {
        "kind": np.array([asset.kind for asset in twin.assets], np.uint8),
        "owner": np.array([owner[asset.owner] for asset in twin.assets], np.int32),
        "jewel": np.array([asset.crown_jewel for asset in twin.assets], np.uint8),
        "sensors": np.array([sum(1 << s for s in set(asset.sensors)) for asset in twin.assets], np.uint8),
        "share": np.array([round(share * per_tick) for share in shares], np.int64),
        "harm": np.array([round(asset.harm_per_hour * per_tick) for asset in twin.assets], np.int64),
        "toward": np.zeros(len(twin.assets), np.float32),
        "external": np.array([i for i, a in enumerate(twin.assets) if a.kind is AssetKind.EXTERNAL], np.int32),
    }


def _step_arrays(
    twin: Twin, steps: Sequence[AttackStep], number: Mapping[str, int], link_number: Mapping[Any, int]
) -> dict[str, Any]:
    try:
        src = np.array([number[step.source] for step in steps], np.int32)
        dst = np.array([number[step.target] for step in steps], np.int32)
        identity = np.array([number[step.identity] if step.identity else -1 for step in steps], np.int32)
    except KeyError as missing:
        raise TwinError(f"an attack step refers to asset {missing}, which is not in the twin; derive it again") from None
    at_source = np.array([step.step_class in SEEN_AT_SOURCE for step in steps], bool)
    out_ptr, out_step = _rows(src, len(twin.assets))
    in_ptr, in_step = _rows(dst, len(twin.assets))
    return {
        "src": src,
        "dst": dst,
        "identity": identity,
        "need": np.array([step.needs for step in steps], np.uint8),
        "gain": np.array([step.gains for step in steps], np.uint8),
        "step_class": np.array([step.step_class for step in steps], np.uint8),
        "link": np.array([link_number[step.link] if step.link in link_number else -1 for step in steps], np.int32),
        "probability": np.array([step.probability for step in steps], np.float32),
        "seen_at": np.where(at_source, src, dst).astype(np.int32),
        "out_ptr": out_ptr,
        "out_step": out_step,
        "in_ptr": in_ptr,
        "in_step": in_step,
    }


def _part_arrays(twin: Twin, steps: Sequence[AttackStep], number: Mapping[str, int]) -> dict[str, Any]:
    pairs = {
        (number[link.target], number[link.source])
        for link in twin.links
        if link.kind is LinkKind.REACHES and twin.asset_by_id[link.target].kind is AssetKind.SEGMENT
    }
    pairs |= {
        (number[step.target], number[step.source])
        for step in steps
        if twin.asset_by_id[step.target].kind in HELD_THROUGH and step.source != step.target
    }
    ordered = sorted(pairs)
    wholes = np.array([whole for whole, _ in ordered], np.int32)
    parts = np.array([part for _, part in ordered], np.int32)
    part_ptr, order = _rows(wholes, len(twin.assets))
    whole_ptr, inverse = _rows(parts, len(twin.assets))
    return {"part_ptr": part_ptr, "part": parts[order], "whole_ptr": whole_ptr, "whole": wholes[inverse]}


def _dependency_arrays(twin: Twin, number: Mapping[str, int], links: Sequence[Link]) -> dict[str, Any]:
    """Groups of dependencies: each `runs_on` and ungrouped `depends_on` alone, grouped ones k of n."""
    carrier = {(link.source, link.target): i for i, link in enumerate(links) if link.kind is LinkKind.REACHES}
    groups: dict[tuple[str, str], list[Link]] = {}
    for link in twin.links:
        if link.kind is LinkKind.RUNS_ON or link.kind is LinkKind.DEPENDS_ON:
            groups.setdefault((link.source, link.group or f"{link.kind.word} {link.target}"), []).append(link)
    asset, tolerance, sizes, members, carried = [], [], [], [], []
    for (source, _), grouped in sorted(groups.items()):
        needed = max(link.need for link in grouped) or len(grouped)
        asset.append(number[source])
        tolerance.append(max(0, len(grouped) - needed))
        sizes.append(len(grouped))
        members += [number[link.target] for link in grouped]
        carried += [carrier.get((link.source, link.target), -1) for link in grouped]
    member = np.array(members, np.int32)
    by_link = np.array(carried, np.int32)
    group_of = np.repeat(np.arange(len(asset), dtype=np.int32), sizes).astype(np.int32)
    member_ptr, member_order = _rows(member, len(twin.assets))
    with_carrier = np.flatnonzero(by_link >= 0)
    carrier_ptr, carrier_order = _rows(by_link[with_carrier], len(links))
    return {
        "group_asset": np.array(asset, np.int32),
        "group_tolerance": np.array(tolerance, np.int32),
        "group_ptr": np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32),
        "group_member": member,
        "group_link": by_link,
        "member_ptr": member_ptr,
        "member_group": group_of[member_order],
        "carrier_ptr": carrier_ptr,
        "carrier_group": group_of[with_carrier][carrier_order],
    }


def _link_owners(twin: Twin, links: Sequence[Link], owner: Mapping[str, int]) -> Int32:
    pairs = [
        [owner[twin.asset_by_id[link.source].owner], owner[twin.asset_by_id[link.target].owner]] for link in links
    ]
    return np.array(pairs, np.int32).reshape(len(links), 2)


def _rows(keys: npt.NDArray[Any], count: int) -> tuple[Int32, Int32]:
    """Compressed rows: positions of `keys` grouped by value, as (pointers [count+1], positions)."""
    order = np.argsort(keys, kind="stable").astype(np.int32)
    pointers = np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=count))]).astype(np.int32)
    return pointers, order


def _toward(arrays: CompiledTwin) -> Float32:
    """Best product of step probabilities from each asset to a crown jewel (Bellman-Ford on -log p), attackers' map."""
    best = np.where(arrays.jewel > 0, 1.0, 0.0).astype(np.float64)
    spreads = (arrays.gain == Gain.USER) | (arrays.gain == Gain.ADMIN) | (arrays.gain == Gain.IMPACT)
    moves = np.flatnonzero(spreads & (arrays.src != arrays.dst))
    opened = np.flatnonzero(arrays.identity >= 0)
    wholes = np.repeat(np.arange(len(best)), np.diff(arrays.part_ptr))
    segment = arrays.kind[wholes] == AssetKind.SEGMENT
    for _ in range(len(best)):
        before = best.copy()
        through = arrays.probability[moves] * before[arrays.dst[moves]]
        np.maximum.at(best, arrays.src[moves], through)
        np.maximum.at(best, arrays.part[segment], before[wholes[segment]])  # a member acts from its segment
        np.maximum.at(best, arrays.identity[opened], arrays.probability[opened] * before[arrays.dst[opened]])
        if np.array_equal(best, before):
            break
    return best.astype(np.float32)


assert int(Access.ADMIN) == int(Gain.ADMIN)  # the kernel compares gains with accesses
