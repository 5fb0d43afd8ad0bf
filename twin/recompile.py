"""The next version of a compiled twin, by what changed alone.

Flows in: a compiled twin and a `Change` of its facts and attack steps. Flows out: the compiled twin of the next
version, array by array equal to what `compile_twin` gives; arrays that did not change are shared. Assets keep their
numbers, so beliefs and running responses carry over. A change of the structure (an owner, an asset or a member of a
segment goes or comes, another kind or owner of an asset, a dependency, what data are held through) is compiled anew as
a whole, which is slower; where assets go or come, numbers are those of the new version and nothing carries over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from .attack.step import AttackStep
from .changes import Change, Edit, changed_twin, edited, edited_steps
from .compiled import (
    BOUNDARY_KINDS,
    HELD_THROUGH,
    LINK,
    Compiled,
    CompiledTwin,
    compile_twin,
    copied,
    fill_assets,
    fill_shares,
    group_rows,
    hourly_of,
    records,
    step_records,
)
from .graph import Asset, Link, Owner, Twin
from .toward import mended_chances
from .vocabulary import AssetKind, LinkKind, StepClass

MOST = 256  # steps that go and come; beyond it compiling as a whole is as quick
_SIDES = (("src", "out", "out_step"), ("dst", "in", "in_step"))


class _Structural(Exception):  # noqa: N818
    """The change reaches further than rows of assets, steps and boundary links."""


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
    try:
        _refuse_structure(compiled, change)
        return _mended(compiled, twin, steps, change)
    except _Structural:
        return compile_twin(twin, steps.items, tick_s=compiled.tick_s)


def _refuse_structure(compiled: Compiled, change: Change) -> None:
    if len(change.steps_gone) + len(change.steps_come) > MOST:
        raise _Structural
    for kind, fields in ((Owner, ("id",)), (Asset, ("id", "kind", "owner"))):
        gone, come = ([tuple(getattr(one, f) for f in fields) for one in side] for side in change.of(kind))
        if sorted(gone) != sorted(come):
            raise _Structural
    for link in (one for side in change.of(Link) for one in side):
        into_segment = compiled.arrays.asset[compiled.asset_number[link.target]].kind == AssetKind.SEGMENT
        if link.kind in (LinkKind.RUNS_ON, LinkKind.DEPENDS_ON) or (link.kind is LinkKind.REACHES and into_segment):
            raise _Structural


def _mended(compiled: Compiled, twin: Twin, steps: Edit[AttackStep], change: Change) -> Compiled:
    links = _edited_links(compiled, change)
    arrays = compiled.arrays
    assets_changed = any(change.of(Asset)) or any(change.of(Owner)) or not steps.is_nothing
    if assets_changed:
        arrays = arrays._replace(asset=copied(arrays.asset))
    if any(change.of(Asset)) or any(change.of(Owner)):
        _write_assets(compiled, twin, change, arrays)
    if any(change.of(Owner)):
        arrays = arrays._replace(hourly=hourly_of(twin.owners))
    if not links.is_nothing:
        arrays = _with_links(compiled, links, arrays)
    if not steps.is_nothing:
        arrays = _with_steps(compiled, steps, links, arrays)
    toward = compiled.toward
    touched = _touched(compiled, change, steps, arrays)
    if touched:
        toward = mended_chances(arrays, toward, sorted(touched))
        arrays.asset["toward"] = toward
    after = Compiled(twin, steps.items, tuple(links.items), arrays, compiled.tick_s, toward)
    after.__dict__["asset_number"] = compiled.asset_number  # the same ids in the same order
    return after


def _edited_links(compiled: Compiled, change: Change) -> Edit[Link]:
    """Boundary links after the change."""
    gone, come = (
        [one for one in side if one.kind in BOUNDARY_KINDS and compiled.twin.is_boundary(one)]
        for side in change.of(Link)
    )
    return edited(compiled.links, gone, come, lambda link: link.key)


def _write_assets(compiled: Compiled, twin: Twin, change: Change, arrays: CompiledTwin) -> None:
    """Write changed assets, and the shares of all assets of owners whose weights or values may have changed."""
    come = [*change.of(Asset)[1]]
    rows = np.array([compiled.asset_number[one.id] for one in come], np.int64)
    fill_assets(arrays.asset, rows, come, compiled.tick_s)
    owners = {one.owner for one in come} | {one.id for one in change.of(Owner)[1]}
    mine = np.isin(arrays.asset["owner"], [compiled.owner_number[one] for one in owners])
    rows = np.flatnonzero(mine)
    fill_shares(arrays.asset, rows, [twin.assets[row] for row in rows], twin.owners, compiled.tick_s)


def _with_links(compiled: Compiled, links: Edit[Link], arrays: CompiledTwin) -> CompiledTwin:
    """Splice boundary links that carry no dependency, and number them again wherever they are named."""
    fresh = [links.items[row] for row in links.come]
    for row in links.gone:
        if arrays.link[row].carrier_first != arrays.link[row].carrier_last:
            raise _Structural
    if any(link.kind is LinkKind.REACHES and _depends(compiled, link) for link in fresh):
        raise _Structural
    ends = np.array([[compiled.asset_number[k.source], compiled.asset_number[k.target]] for k in fresh], np.int32)
    ends = ends.reshape(len(fresh), 2)
    link = links.spliced(arrays.link, records(len(fresh), LINK))
    for row in links.come:
        link[row].carrier_first = link[row].carrier_last = link[row - 1].carrier_last if row else 0
    step, member = (_renumbered(rows, links.numbers()) for rows in (arrays.step, arrays.member))
    link_end, asset = links.spliced(arrays.link_end, ends), copied(arrays.asset)
    return arrays._replace(
        asset=asset,
        link=link,
        link_end=link_end,
        end=group_rows(link_end.ravel(), asset, "end"),
        link_owner=links.spliced(arrays.link_owner, arrays.asset["owner"][ends]),
        step=step,
        member=member,
    )


def _renumbered(rows: npt.NDArray[Any], numbers: npt.NDArray[np.int32]) -> npt.NDArray[Any]:
    """Rows that name boundary links by their numbers before, with those after."""
    naming = np.flatnonzero(rows["link"] >= 0)
    after = copied(rows)
    after["link"][naming] = numbers[rows["link"][naming]]
    return after


def _depends(compiled: Compiled, link: Link) -> bool:
    """Whether the source of a link depends on its target, so that the link carries that."""
    arrays, number = compiled.arrays, compiled.asset_number
    first, last = np.searchsorted(arrays.group["asset"], [number[link.source], number[link.source] + 1])
    groups = arrays.group[first:last]
    return any(number[link.target] in arrays.member["asset"][one["first"] : one["last"]] for one in groups)


def _with_steps(compiled: Compiled, steps: Edit[AttackStep], links: Edit[Link], arrays: CompiledTwin) -> CompiledTwin:
    """Splice attack steps, and number them again by source and by target."""
    come = [steps.items[row] for row in steps.come]
    crosses = any(step.link is not None for step in come)
    link_number = {link.key: row for row, link in enumerate(links.items)} if crosses else {}
    fresh = step_records(come, compiled.asset_number, link_number)
    gone = arrays.step[list(steps.gone)]
    _refuse_other_holders(arrays, gone, fresh)
    numbers = steps.numbers()
    grouped: dict[str, Any] = {
        name: _regrouped(getattr(arrays, name), arrays.asset, side, numbers, steps, gone[end], fresh[end])
        for end, side, name in _SIDES
    }
    return arrays._replace(step=steps.spliced(arrays.step, fresh), **grouped)


def _refuse_other_holders(arrays: CompiledTwin, gone: npt.NDArray[Any], fresh: npt.NDArray[Any]) -> None:
    """What data and processes are held through must stay."""
    both = np.concatenate([gone, fresh])
    both = both[np.isin(arrays.asset["kind"][both["dst"]], HELD_THROUGH) & (both["src"] != both["dst"])]
    for store in np.unique(both["dst"]):
        asset = arrays.asset[store]
        before = arrays.step[arrays.in_step[asset["in_first"] : asset["in_last"]]]
        counts: dict[int, int] = {}
        for rows, change in ((before, 1), (gone, -1), (fresh, 1)):
            for source in rows["src"][(rows["dst"] == store) & (rows["src"] != store)]:
                counts[int(source)] = counts.get(int(source), 0) + change
        held_through = {source for source, count in counts.items() if count > 0}
        if held_through != set(arrays.part[asset["part_first"] : asset["part_last"]].tolist()):
            raise _Structural


def _regrouped(
    grouped: npt.NDArray[np.int32],
    assets: npt.NDArray[Any],
    side: str,
    numbers: npt.NDArray[np.int32],
    steps: Edit[AttackStep],
    gone: npt.NDArray[Any],
    come: npt.NDArray[Any],
) -> npt.NDArray[np.int32]:
    """Step numbers grouped by asset, after steps of the assets `gone` went and of the assets `come` came.

    `<side>_first` and `<side>_last` of the assets are written.
    """
    first, last = f"{side}_first", f"{side}_last"
    places = [
        int(assets[first][a] + np.searchsorted(grouped[assets[first][a] : assets[last][a]], row))
        for a, row in zip(gone, steps.gone, strict=True)
    ]
    rest = np.delete(numbers[grouped], places)
    _shift(assets, first, last, gone, -1)
    added = sorted(zip(come.tolist(), steps.come, strict=True))
    places = [
        int(assets[first][a] + np.searchsorted(rest[assets[first][a] : assets[last][a]], row)) for a, row in added
    ]
    _shift(assets, first, last, come, 1)
    return np.insert(rest, places, [row for _, row in added])


def _shift(assets: npt.NDArray[Any], first: str, last: str, groups: Iterable[int], change: int) -> None:
    for a in groups:
        assets[last][a:] += change
        assets[first][a + 1 :] += change


def _touched(compiled: Compiled, change: Change, steps: Edit[AttackStep], arrays: CompiledTwin) -> set[int]:
    """Assets whose own way on changed: the start of a step, its identity, a segment's members, a crown jewel."""
    was = compiled.arrays
    rows = [was.step[row] for row in steps.gone] + [arrays.step[row] for row in steps.come]
    touched = {int(row["src"]) for row in rows} | {int(row["identity"]) for row in rows if row["identity"] >= 0}
    for row in rows:
        if row["step_class"] == StepClass.DISCOVERY:
            segment = arrays.asset[row["dst"]]
            touched.update(arrays.part[segment["part_first"] : segment["part_last"]].tolist())
    for asset in change.of(Asset)[1]:
        number = compiled.asset_number[asset.id]
        if was.asset["jewel"][number] != arrays.asset["jewel"][number]:
            touched.add(number)
    return touched
