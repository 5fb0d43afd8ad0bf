"""Rows grouped by asset, after some came and went: what `recompile` splices in place of grouping everything again.

Flows in: compiled arrays of the version before, pairs or links that go and come. Flows out: arrays equal to those that
`compile_twin` makes. Asset records given are written to: they are the caller's own copy.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .changes import Edit
from .compiled import GROUP, LINK, MEMBER, CompiledTwin, Int32, group_rows, records
from .graph import Link, Twin
from .numbering import Numbering
from .vocabulary import LinkKind

Pair = tuple[int, int]  # asset, and what stands in its group
NEEDS = (LinkKind.DEPENDS_ON, LinkKind.RUNS_ON)  # in the order of their words, as links are sorted


def regrouped(
    grouped: Int32,
    assets: npt.NDArray[Any],
    name: str,
    gone: Iterable[Pair],
    come: Iterable[Pair],
    numbers: Int32 | None = None,
) -> Int32:
    """Values grouped by asset, ascending in each group, after pairs went and came.

    Rows `<name>_first` and `<name>_last` of the assets are written.

    Args:
        grouped: the values before.
        assets: records of the assets, new ones too, with the rows before.
        name: of the grouping.
        gone: pairs with values as before.
        come: pairs with values as after.
        numbers: what the values that stay are afterwards; left out: the same.
    """
    lost, won = sorted(gone), sorted(come)
    if not lost and not won:
        return grouped if numbers is None else numbers[grouped]
    first, last = assets[f"{name}_first"], assets[f"{name}_last"]
    rest = np.delete(grouped, _places(grouped, first, last, lost, before=()))
    if numbers is not None:
        rest = numbers[rest]
    left = [a for a, _ in lost]
    places = _places(rest, first, last, won, before=left, again=0)
    _shift(first, last, left, [a for a, _ in won])
    return np.insert(rest, places, [value for _, value in won]).astype(np.int32, copy=False)


def _places(
    grouped: Int32, first: Int32, last: Int32, pairs: Sequence[Pair], *, before: Sequence[int], again: int = 1
) -> list[int]:
    """Where sorted pairs stand or belong; an equal pair stands `again` places after the one before.

    `before` are the assets, sorted, of rows that are out of `grouped` already but counted in `first` and `last`.
    """
    found: list[int] = []
    for row, (a, value) in enumerate(pairs):
        if row and pairs[row - 1] == (a, value):
            found.append(found[-1] + again)
        else:
            begin, end = first[a] - bisect_left(before, a), last[a] - bisect_right(before, a)
            found.append(int(begin + np.searchsorted(grouped[begin:end], value)))
    return found


def _shift(first: Int32, last: Int32, gone: Sequence[int], come: Sequence[int]) -> None:
    """Move the groups of all assets behind those of which rows went or came; in place."""
    least = min((*gone, *come))
    more = np.zeros(len(first) - least, np.int32)
    for assets, by in ((gone, -1), (come, 1)):
        np.add.at(more, np.asarray(assets, np.int64) - least, by)
    until = np.cumsum(more, dtype=np.int32)
    last[least:] += until
    first[least + 1 :] += until[:-1]


def with_needs(
    arrays: CompiledTwin, sources: Mapping[str, int], twin: Twin, links: Sequence[Link], numbering: Numbering
) -> CompiledTwin:
    """Build the dependency groups of some assets anew, and splice them in.

    Args:
        arrays: with boundary links numbered as after, whose asset records may be written to.
        sources: assets whose dependencies, or the links that carry these, changed, with their numbers; gone ones too.
        twin: the next version.
        links: its boundary links.
        numbering: of its assets.
    """
    group, member = arrays.group, arrays.member
    changed = sorted((number, one) for one, number in sources.items())
    groups, members = _Splice(len(group)), _Splice(len(member))
    for number, one in changed:
        first, last = np.searchsorted(group["asset"], [number, number + 1])
        begin, end = (group["first"][first], group["last"][last - 1]) if last > first else _at(group, first, member)
        fresh = _groups_of(one, twin, links, numbering)
        groups.replace(int(first), int(last), [(number, tolerance, len(inside)) for tolerance, inside in fresh])
        members.replace(int(begin), int(end), [row for _, inside in fresh for row in inside])
    return _spliced_needs(arrays, groups, members)


def _at(group: npt.NDArray[Any], row: int, member: npt.NDArray[Any]) -> Pair:
    place = int(group["first"][row]) if row < len(group) else len(member)
    return place, place


class _Splice:
    """Stretches of rows that give way to others; lives for one call of `with_needs`."""

    def __init__(self, before: int) -> None:
        self.before = before
        self.gone: list[int] = []
        self.come: list[int] = []
        self.rows: list[Any] = []

    def replace(self, first: int, last: int, rows: Sequence[Any]) -> None:
        start = first - len(self.gone) + len(self.come)
        self.gone += range(first, last)
        self.come += range(start, start + len(rows))
        self.rows += rows

    @property
    def edit(self) -> Edit[int]:
        return Edit(range(self.before - len(self.gone) + len(self.come)), self.before, (*self.gone,), (*self.come,))


def _groups_of(
    source: str, twin: Twin, links: Sequence[Link], numbering: Numbering
) -> list[tuple[int, list[tuple[int, int]]]]:
    """Tolerance and members (asset, boundary link or -1) of an asset's groups, as `compile_twin` has them."""
    grouped: dict[str, list[Link]] = {}
    for kind in NEEDS:
        for link in links_from(twin, kind, source):
            grouped.setdefault(link.group or f"{kind.word} {link.target}", []).append(link)
    found = []
    for _, one in sorted(grouped.items()):
        needed = max(link.need for link in one) or len(one)
        inside = [(numbering.number[link.target], _carrier(links, link)) for link in one]
        found.append((max(0, len(one) - needed), inside))
    return found


def links_from(twin: Twin, kind: LinkKind, source: str) -> tuple[Link, ...]:
    """Links of one kind from an asset."""
    return _stretch(twin.links, (kind.word, source), (kind.word, f"{source}\0"))


def links_between(links: Sequence[Link], kind: LinkKind, source: str, target: str) -> tuple[Link, ...]:
    """Links of one kind from an asset to another, out of sorted ones."""
    return _stretch(links, (kind.word, source, target), (kind.word, source, f"{target}\0"))


def _stretch(links: Sequence[Link], low: tuple[str, ...], high: tuple[str, ...]) -> tuple[Link, ...]:
    first, last = (bisect_left(links, bound, key=lambda link: _words(link)[: len(bound)]) for bound in (low, high))
    return tuple(links[first:last])


def _words(link: Link) -> tuple[str, str, str]:
    return link.kind.word, link.source, link.target


def _carrier(links: Sequence[Link], need: Link) -> int:
    """The last boundary link that reaches where a dependency leads, or -1."""
    high = (LinkKind.REACHES.word, need.source, f"{need.target}\0")
    row = bisect_left(links, high, key=_words) - 1
    if row >= 0 and _words(links[row]) == (LinkKind.REACHES.word, need.source, need.target):
        return row
    return -1


def _spliced_needs(arrays: CompiledTwin, groups: _Splice, members: _Splice) -> CompiledTwin:
    fresh = records(len(groups.rows), GROUP)
    fresh["asset"] = [asset for asset, _, _ in groups.rows]
    fresh["tolerance"] = [tolerance for _, tolerance, _ in groups.rows]
    fresh["last"] = [size for _, _, size in groups.rows]  # its size for now, as `first` is 0
    group = groups.edit.spliced(arrays.group, fresh)
    group["last"] = np.cumsum(group["last"] - group["first"])
    group["first"][1:] = group["last"][:-1]
    group["first"][:1] = 0
    joining = records(len(members.rows), MEMBER)
    joining["asset"] = [asset for asset, _ in members.rows]
    joining["link"] = [link for _, link in members.rows]
    was = arrays.member["asset"][members.gone]
    gone = zip(was.tolist(), _group_of(arrays.group, members.gone).tolist(), strict=True)
    come = zip(joining["asset"].tolist(), _group_of(group, members.come).tolist(), strict=True)
    after = arrays._replace(
        group=group,
        member=members.edit.spliced(arrays.member, joining),
        member_group=regrouped(arrays.member_group, arrays.asset, "member", gone, come, groups.edit.numbers()),
    )
    return carried(after)


def _group_of(group: npt.NDArray[Any], rows: Sequence[int] | npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    return np.searchsorted(group["last"], np.asarray(rows, np.int64), side="right")


def carried(arrays: CompiledTwin) -> CompiledTwin:
    """Group the dependency groups by the boundary links that carry them, all anew: these are few."""
    rows = np.flatnonzero(arrays.member["link"] >= 0)
    link = records(len(arrays.link_owner), LINK)
    order = group_rows(arrays.member["link"][rows], link, "carrier")
    return arrays._replace(link=link, carrier_group=_group_of(arrays.group, rows).astype(np.int32)[order])
