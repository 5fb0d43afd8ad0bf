"""The next version of a compiled twin, by what changed alone.

Flows in: a compiled twin and a `Change` of its facts and attack steps. Flows out: the compiled twin of the next
version, array by array equal to what `compile_twin` gives with the same numbering; arrays that did not change are
shared. Assets keep their numbers, new ones take the next, and what goes leaves a hole that nothing leads to and no
playbook is for, so beliefs and running responses carry over by number (`carried_targets`). What reaches further is
compiled anew as a whole, with the same numbers: an owner that goes or comes, another kind or owner of an asset, what
runs a service, a segment inside a segment, and more than `MOST` attack steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .attack.step import AttackStep
from .changes import Change, Edit, changed_twin, edited, edited_steps
from .compiled import (
    ASSET,
    BOUNDARY_KINDS,
    HELD_THROUGH,
    HOLE,
    Compiled,
    CompiledTwin,
    Int64,
    as_bytes,
    compile_twin,
    copied,
    externals,
    fill_assets,
    fill_shares,
    group_rows,
    hourly_of,
    records,
    step_records,
)
from .graph import Asset, Link, Owner, Twin
from .numbering import Numbering
from .regrouping import NEEDS, Pair, carried, links_between, links_from, regrouped, with_needs
from .toward import mended_chances
from .vocabulary import AssetKind, LinkKind, StepClass

MOST = 256  # steps that go and come; beyond it compiling as a whole is as quick
_SIDES = (("src", "out", "out_step"), ("dst", "in", "in_step"))
_GROUPINGS = ("out", "in", "part", "whole", "member", "end")


class _Structural(Exception):  # noqa: N818
    """The change reaches further than is spliced here."""


def recompile(compiled: Compiled, change: Change) -> Compiled:
    """Compile the next version of a twin.

    Args:
        compiled: the version before; its steps are sorted as `derive_steps` gives them.
        change: what goes and comes, from whoever made the change or from `changes.difference`.

    Raises:
        TwinError: what goes is not there, what comes is, or what comes refers to what is not there.
    """
    twin = changed_twin(compiled.twin, change)
    steps = edited_steps(compiled.steps, change)
    numbering = compiled.numbering.after(*change.of(Asset))
    try:
        _refuse_structure(compiled, twin, change)
        return _mended(compiled, twin, steps, change, numbering)
    except _Structural:
        return compile_twin(twin, steps.items, tick_s=compiled.tick_s, numbering=numbering)


def carried_targets(before: Compiled, after: Compiled) -> Int64:
    """int64[T before] number in a later version of each target, -1 where it is gone.

    Assets keep their numbers; boundary links and owners stand behind them and move when any comes or goes.
    """
    number, assets = after.target_number, before.sizes[0]
    out = np.full(before.targets, -1, np.int64)
    out[:assets] = np.arange(assets)
    out[[row for row in after.numbering.gone if row < assets]] = -1
    out[assets:] = [number.get(before.target_name(target), -1) for target in range(assets, before.targets)]
    return out


def _refuse_structure(compiled: Compiled, twin: Twin, change: Change) -> None:
    if len(change.steps_gone) + len(change.steps_come) > MOST:
        raise _Structural
    gone, come = change.of(Owner)
    if {one.id for one in gone} != {one.id for one in come}:
        raise _Structural
    was = {one.id: (one.kind, one.owner) for one in change.of(Asset)[0]}
    if any(was.get(one.id, (one.kind, one.owner)) != (one.kind, one.owner) for one in change.of(Asset)[1]):
        raise _Structural
    for version, links in zip((compiled.twin, twin), change.of(Link), strict=True):
        for link in links:
            source, target = (version.asset_by_id[end].kind for end in (link.source, link.target))
            if link.kind is LinkKind.RUNS_ON and source is AssetKind.SERVICE:
                raise _Structural
            if _joins(version, link) and (
                source in (AssetKind.SEGMENT, AssetKind.SERVICE)
                or _is_inside(version, link.target)
                or _runs_services(compiled, link.source)
            ):
                raise _Structural


def _joins(version: Twin, link: Link) -> bool:
    """Whether a link makes its source a member of a segment."""
    return link.kind is LinkKind.REACHES and version.asset_by_id[link.target].kind is AssetKind.SEGMENT


def _is_inside(version: Twin, segment: str) -> bool:
    return any(_joins(version, link) for link in links_from(version, LinkKind.REACHES, segment))


def _runs_services(compiled: Compiled, asset: str) -> bool:
    """Whether services need the asset: then members of segments are held in their person."""
    number = compiled.asset_number.get(asset)
    if number is None:
        return False
    arrays, row = compiled.arrays, compiled.arrays.asset[number]
    groups = arrays.group[arrays.member_group[row["member_first"] : row["member_last"]]]
    return bool((arrays.asset["kind"][groups["asset"]] == AssetKind.SERVICE).any())


def _mended(compiled: Compiled, twin: Twin, steps: Edit[AttackStep], change: Change, numbering: Numbering) -> Compiled:
    links, arrays = _edited_links(compiled, twin, change), compiled.arrays
    owners_or_assets = any(change.of(Asset)) or any(change.of(Owner))
    needing = _needing(compiled, change, links, numbering)
    memberships = _memberships(compiled, twin, change, numbering)
    if owners_or_assets or needing or any(memberships) or not (steps.is_nothing and links.is_nothing):
        arrays = arrays._replace(asset=_lengthened(arrays.asset, len(numbering.assets)))
    if owners_or_assets:
        arrays = _with_assets(compiled, twin, change, numbering, arrays)
    if any(change.of(Owner)):
        arrays = arrays._replace(hourly=hourly_of(twin.owners))
    arrays, gone, fresh = _with_steps(steps, links, numbering, arrays)
    held = _held_through(compiled, arrays, gone, fresh)
    arrays = _with_parts(arrays, [*memberships[0], *held[0]], [*memberships[1], *held[1]])
    if not links.is_nothing:
        arrays = _with_links(links, numbering, arrays)
    if needing:
        arrays = with_needs(arrays, needing, twin, links.items, numbering)
    elif not links.is_nothing:
        arrays = carried(arrays)
    touched = _touched(compiled, change, numbering, (gone, fresh), (*memberships[0], *memberships[1]), arrays)
    toward = compiled.toward
    if len(toward) < len(numbering.assets):
        toward = np.concatenate([toward, np.zeros(len(numbering.assets) - len(toward))])
    if touched:
        toward = mended_chances(arrays, toward, sorted(touched))
        arrays.asset["toward"] = toward
    return Compiled(twin, steps.items, tuple(links.items), arrays, compiled.tick_s, toward, numbering)


def _edited_links(compiled: Compiled, twin: Twin, change: Change) -> Edit[Link]:
    """Boundary links after the change."""
    gone, come = (
        [one for one in side if one.kind in BOUNDARY_KINDS and version.is_boundary(one)]
        for version, side in zip((compiled.twin, twin), change.of(Link), strict=True)
    )
    return edited(compiled.links, gone, come, lambda link: link.key)


def _needing(compiled: Compiled, change: Change, links: Edit[Link], numbering: Numbering) -> dict[str, int]:
    """Assets, with their numbers, whose dependencies changed, or what boundary links may carry of them."""
    kinds = NEEDS if links.is_nothing else (*NEEDS, LinkKind.REACHES)
    sources = {one.source for side in change.of(Link) for one in side if one.kind in kinds}
    return {one: numbering.number.get(one, compiled.asset_number.get(one, -1)) for one in sources}


def _lengthened(assets: npt.NDArray[np.void], count: int) -> npt.NDArray[np.void]:
    """A copy with rows for new assets, whose groups are empty."""
    if count == len(assets):
        return copied(assets)
    out = records(count, ASSET)
    as_bytes(out)[: len(assets)] = as_bytes(assets)
    for name in _GROUPINGS:
        end = int(assets[f"{name}_last"].max(initial=0))
        out[f"{name}_first"][len(assets) :] = out[f"{name}_last"][len(assets) :] = end
    return out


def _with_assets(
    compiled: Compiled, twin: Twin, change: Change, numbering: Numbering, arrays: CompiledTwin
) -> CompiledTwin:
    """Write changed and new assets, empty holes, and share loss out anew among the assets of the owners concerned."""
    (gone, come), asset = change.of(Asset), arrays.asset
    holes = [compiled.asset_number[one.id] for one in gone if one.id not in numbering.number]
    for field in ("jewel", "sensors", "owner", "share", "harm", "toward"):
        asset[field][holes] = 0
    asset["kind"][holes] = HOLE
    rows = np.array([numbering.number[one.id] for one in come], np.int64)
    asset["kind"][rows] = [one.kind for one in come]
    asset["owner"][rows] = [compiled.owner_number[one.owner] for one in come]
    fill_assets(asset, rows, come, compiled.tick_s)
    owners = {one.owner for one in (*gone, *come)} | {one.id for one in change.of(Owner)[1]}
    mine = np.isin(asset["owner"], [compiled.owner_number[one] for one in owners])
    mine[list(numbering.gone)] = False
    rows = np.flatnonzero(mine)
    fill_shares(asset, rows, [numbering.assets[row] for row in rows], twin.owners, compiled.tick_s)
    outside = ({one.id for one in side if one.kind is AssetKind.EXTERNAL} for side in (gone, come))
    return arrays if next(outside) == next(outside) else arrays._replace(external=externals(asset))


def _with_links(links: Edit[Link], numbering: Numbering, arrays: CompiledTwin) -> CompiledTwin:
    """Splice boundary links, and number them again wherever dependencies name them."""
    fresh = [links.items[row] for row in links.come]
    ends = np.array([[numbering.number[k.source], numbering.number[k.target]] for k in fresh], np.int32)
    ends = ends.reshape(len(fresh), 2)
    link_end = links.spliced(arrays.link_end, ends)
    return arrays._replace(
        link_end=link_end,
        end=group_rows(link_end.ravel(), arrays.asset, "end"),
        link_owner=links.spliced(arrays.link_owner, arrays.asset["owner"][ends]),
        member=_renumbered(copied(arrays.member), links.numbers()),
    )


def _renumbered(rows: npt.NDArray[np.void], numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.void]:
    """Rows that name boundary links by their numbers before, now with those after."""
    naming = np.flatnonzero(rows["link"] >= 0)
    rows["link"][naming] = numbers[rows["link"][naming]]
    return rows


def _with_steps(
    steps: Edit[AttackStep], links: Edit[Link], numbering: Numbering, arrays: CompiledTwin
) -> tuple[CompiledTwin, npt.NDArray[np.void], npt.NDArray[np.void]]:
    """Splice attack steps, and number them again by source and by target; with the rows that went and came."""
    come = [steps.items[row] for row in steps.come]
    crosses = any(step.link is not None for step in come)
    link_number = {link.key: row for row, link in enumerate(links.items)} if crosses else {}
    fresh, gone = step_records(come, numbering.number, link_number), arrays.step[list(steps.gone)]
    if steps.is_nothing:
        step = arrays.step if links.is_nothing else _renumbered(copied(arrays.step), links.numbers())
        return arrays._replace(step=step), gone, fresh
    step = steps.spliced(arrays.step, fresh)
    if not links.is_nothing:
        step["link"][list(steps.come)] = -1
        _renumbered(step, links.numbers())
        step["link"][list(steps.come)] = fresh["link"]
    numbers = steps.numbers()
    grouped: dict[str, Any] = {}
    for end, side, name in _SIDES:
        lost, won = (zip(rows[end].tolist(), at, strict=True) for rows, at in ((gone, steps.gone), (fresh, steps.come)))
        grouped[name] = regrouped(getattr(arrays, name), arrays.asset, side, lost, won, numbers)
    return arrays._replace(step=step, **grouped), gone, fresh


def _memberships(compiled: Compiled, twin: Twin, change: Change, numbering: Numbering) -> tuple[list[Pair], list[Pair]]:
    """Pairs of a segment and a member that go and come."""
    found: tuple[list[Pair], list[Pair]] = ([], [])
    joined = {
        (link.source, link.target)
        for version, links in zip((compiled.twin, twin), change.of(Link), strict=True)
        for link in links
        if _joins(version, link)
    }
    for source, segment in sorted(joined):
        was, now = (bool(links_between(one.links, LinkKind.REACHES, source, segment)) for one in (compiled.twin, twin))
        if was != now:
            number = compiled.asset_number if was else numbering.number
            found[now].append((number[segment], number[source]))
    return found


def _held_through(
    compiled: Compiled, arrays: CompiledTwin, gone: npt.NDArray[np.void], fresh: npt.NDArray[np.void]
) -> tuple[list[Pair], list[Pair]]:
    """Pairs of a data store or process and what it is held through that go and come."""
    lost: list[Pair] = []
    won: list[Pair] = []
    both, was = np.concatenate([gone, fresh]), compiled.arrays
    kinds = [_kind_of(int(target), was, arrays) for target in both["dst"]]
    both = both[np.isin(kinds, HELD_THROUGH) & (both["src"] != both["dst"])]
    for store in np.unique(both["dst"]).tolist():
        before: set[int] = set()
        if store < len(was.asset):
            row = was.asset[store]
            before = set(was.part[row["part_first"] : row["part_last"]].tolist())
        row = arrays.asset[store]
        now = set(arrays.step["src"][arrays.in_step[row["in_first"] : row["in_last"]]].tolist()) - {store}
        lost += [(store, source) for source in before - now]
        won += [(store, source) for source in now - before]
    return lost, won


def _kind_of(number: int, was: CompiledTwin, arrays: CompiledTwin) -> int:
    """Kind of an asset, of one that is gone too."""
    kind = int(arrays.asset["kind"][number])
    return int(was.asset["kind"][number]) if kind == HOLE and number < len(was.asset) else kind


def _with_parts(arrays: CompiledTwin, gone: list[Pair], come: list[Pair]) -> CompiledTwin:
    if not gone and not come:
        return arrays
    left, joined = ([(part, whole) for whole, part in pairs] for pairs in (gone, come))
    return arrays._replace(
        part=regrouped(arrays.part, arrays.asset, "part", gone, come),
        whole=regrouped(arrays.whole, arrays.asset, "whole", left, joined),
    )


def _touched(
    compiled: Compiled,
    change: Change,
    numbering: Numbering,
    steps: tuple[npt.NDArray[np.void], npt.NDArray[np.void]],
    memberships: tuple[Pair, ...],
    arrays: CompiledTwin,
) -> set[int]:
    """Assets whose own way on changed: the start of a step, its identity, a segment's members, a crown jewel."""
    rows = [row for side in steps for row in side]
    touched = {int(row["src"]) for row in rows} | {int(row["identity"]) for row in rows if row["identity"] >= 0}
    touched.update(member for _, member in memberships)
    for row in rows:
        if row["step_class"] == StepClass.DISCOVERY:
            segment = arrays.asset[row["dst"]]
            touched.update(arrays.part[segment["part_first"] : segment["part_last"]].tolist())
    gone, come = change.of(Asset)
    was = {one.id: one.crown_jewel for one in gone}
    now = {one.id: one.crown_jewel for one in come}
    for asset in was.keys() | now.keys():
        if was.get(asset, False) != now.get(asset, False):
            touched.add(compiled.asset_number[asset] if asset not in numbering.number else numbering.number[asset])
    return touched
