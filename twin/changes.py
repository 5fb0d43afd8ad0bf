"""What one version of a chain has that the next has not, and the other way round.

Flows in: a twin with its attack steps, and a `Change` of facts or the next version. Flows out: the next version, or the
change. Deriving the steps that a change of facts brings is the caller's: here facts and steps change side by side.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from .attack.step import AttackStep
from .compiled import as_bytes
from .facts import Subject, key_of
from .graph import Asset, ConsentRule, Link, Owner, Sharing, Twin, TwinError, Weakness
from .shelves import SHELF, Shelves

Item = TypeVar("Item")
MUCH = 4 * SHELF  # things from which on a twin keeps them on shelves
Run = tuple[int, int, int]  # first and last row before (last not included), first row after

# Kinds of facts: field of the twin, and how its tuple is sorted; see `Twin.build`.
_KINDS: dict[type[Any], tuple[str, Callable[[Any], Any]]] = {
    Owner: ("owners", lambda one: one.id),
    Asset: ("assets", lambda one: one.id),
    Link: ("links", lambda one: one.key),
    Weakness: ("weaknesses", lambda one: (one.asset, one.id)),
    Sharing: ("sharing", lambda one: (one.owner, one.peer)),
    ConsentRule: ("consent", lambda one: (one.owner, one.consent_class, one.proposer)),
}


@dataclass(frozen=True, slots=True)
class Change:
    """Facts and attack steps that go and come; what changes goes as it was and comes as it is."""

    gone: tuple[Subject, ...] = ()
    come: tuple[Subject, ...] = ()
    steps_gone: tuple[AttackStep, ...] = ()
    steps_come: tuple[AttackStep, ...] = ()

    def of(self, kind: type[Item]) -> tuple[list[Item], list[Item]]:
        """What goes and comes of one kind of facts."""
        return [one for one in self.gone if isinstance(one, kind)], [one for one in self.come if isinstance(one, kind)]


@dataclass(frozen=True)
class Edit(Generic[Item]):
    """A sorted sequence after rows were taken out and put in."""

    items: Sequence[Item]
    before: int  # rows before
    gone: tuple[int, ...]  # rows taken out, by number before, ascending
    come: tuple[int, ...]  # rows put in, by number after, ascending

    @property
    def is_nothing(self) -> bool:
        """Whether no row went or came."""
        return not self.gone and not self.come

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Stretches of rows that stay side by side."""
        found: list[Run] = []
        old = new = 0
        gone, come = set(self.gone), set(self.come)
        stops = sorted({*self.gone, self.before})
        arrivals = sorted({*self.come, len(self.items)})
        while old < self.before:
            if old in gone:
                old += 1
            elif new in come:
                new += 1
            else:
                until = stops[bisect_left(stops, old)] - old, arrivals[bisect_left(arrivals, new)] - new
                length = min(until)
                found.append((old, old + length, new))
                old, new = old + length, new + length
        return tuple(found)

    def spliced(self, rows: npt.NDArray[Any], fresh: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """An array over the rows before, carried over; `fresh` are the rows put in."""
        out = np.empty((len(self.items), *rows.shape[1:]), rows.dtype).view(type(rows))
        raw, kept = as_bytes(out), as_bytes(rows)
        for first, last, new in self.runs:
            raw[new : new + last - first] = kept[first:last]
        out[list(self.come)] = fresh
        return out

    def numbers(self) -> npt.NDArray[np.int32]:
        """int32[before + 1] the number after of each row, -1 where it was taken out; the last entry is -1 too."""
        out = np.full(self.before + 1, -1, np.int32)
        for first, last, new in self.runs:
            out[first:last] = np.arange(new, new + last - first)
        return out


def edited(items: Sequence[Item], gone: Iterable[Item], come: Iterable[Item], key: Callable[[Item], Any]) -> Edit[Item]:
    """Take items out of a sorted sequence and put others in.

    Raises:
        TwinError: what goes is not there, or what comes is there already; names it.
    """
    taken = {_row_of(one, items, key) for one in gone}
    added = sorted(come, key=key)
    if not taken and not added:
        return Edit(items, len(items), (), ())
    arrivals: dict[int, list[Item]] = {}
    rows: list[int] = []
    for one in added:
        row = bisect_left(items, key(one), key=key)
        beside = [items[row]] if row < len(items) and row not in taken else []
        if any(key(other) == key(one) for other in beside + arrivals.get(row, [])) and not isinstance(one, Weakness):
            raise TwinError(f"{_name(one)} is to come and is there already; let the other go")
        rows.append(row + len(rows))
        arrivals.setdefault(row, []).append(one)
    ordered = sorted(taken)
    numbers = tuple(row - bisect_left(ordered, row - rank) for rank, row in enumerate(rows))
    return Edit(_spliced(items, ordered, arrivals), len(items), tuple(ordered), numbers)


def _spliced(items: Sequence[Item], gone: Sequence[int], come: Mapping[int, Sequence[Item]]) -> Sequence[Item]:
    if isinstance(items, Shelves):
        return items.spliced(set(gone), come)
    rows = list(items)
    for row in sorted({*gone, *come}, reverse=True):
        rows[row : row + (row in gone)] = come.get(row, ())
    return tuple(rows)


def _row_of(one: Item, items: Sequence[Item], key: Callable[[Item], Any]) -> int:
    row = bisect_left(items, key(one), key=key)
    while row < len(items) and items[row] != one and key(items[row]) == key(one):
        row += 1
    if row == len(items) or items[row] != one:
        raise TwinError(f"{_name(one)} is to go and is not there as given; compare with the version before")
    return row


def _name(one: Any) -> str:
    return " ".join(one.order) if isinstance(one, AttackStep) else key_of(one)


def edited_steps(steps: Sequence[AttackStep], change: Change) -> Edit[AttackStep]:
    """Attack steps after a change; they are sorted as `derive_steps` gives them.

    Raises:
        TwinError: a step goes that is not there, or comes that is.
    """
    return edited(steps, change.steps_gone, change.steps_come, lambda step: step.order)


def changed_twin(twin: Twin, change: Change) -> Twin:
    """The twin after a change of facts. What does not change is shared, the index of assets too.

    Raises:
        TwinError: what goes is not there, what comes is, or what comes refers to what is not there.
    """
    fields = {name: getattr(twin, name) for name, _ in _KINDS.values()}
    for kind, (name, key) in _KINDS.items():
        gone, come = change.of(kind)
        if gone or come:
            fields[name] = edited(_shelved(twin, name), gone, come, key).items
    owners_gone, owners_come = change.of(Owner)
    if {one.id for one in owners_gone} != {one.id for one in owners_come}:  # every reference is looked at again
        return Twin.build(**{name: list(items) for name, items in fields.items()})
    gone, come = change.of(Asset)
    index = twin.asset_by_id
    if gone or come:
        index = dict(index)
        for one in gone:
            del index[one.id]
        index.update((one.id, one) for one in come)
    lost = frozenset(one.id for one in gone) - {one.id for one in come}
    left = _left_dangling(lost, fields["links"], fields["weaknesses"]) if lost else ()
    for one in (*change.come, *left):
        for end in _ends(one):
            if end not in index:
                raise TwinError(f"{key_of(one)} refers to asset {end!r}, which is not there; declare it or mend the id")
        owner = getattr(one, "owner", None)
        if owner is not None and owner not in twin.owner_by_id:
            raise TwinError(f"{key_of(one)} refers to owner {owner!r}, which is not there; declare it or mend the id")
    after = Twin(**fields)
    after.__dict__["asset_by_id"] = index  # as if it had been asked for
    return after


def _shelved(twin: Twin, name: str) -> Sequence[Any]:
    """What a twin holds of one kind, if it is much on shelves, so that versions share most of it; cut once a twin."""
    items: Sequence[Any] = getattr(twin, name)
    if len(items) < MUCH or isinstance(items, Shelves):
        return items
    shelves: Shelves[Any] = twin.__dict__.get(f"_shelved_{name}") or Shelves.of(items)
    twin.__dict__[f"_shelved_{name}"] = shelves
    return shelves


def _left_dangling(lost: frozenset[str], links: Sequence[Link], weaknesses: Sequence[Weakness]) -> tuple[Subject, ...]:
    """What refers to assets that are gone; nearly always nothing, so the look for whether there is any comes first."""
    ends = (map(attrgetter(end), links) for end in ("target", "source"))
    if all(map(lost.isdisjoint, (*ends, map(attrgetter("asset"), weaknesses)))):
        return ()
    return (
        *(one for one in links if one.target in lost or one.source in lost),
        *(one for one in weaknesses if one.asset in lost),
    )


def _ends(one: Subject) -> tuple[str, ...]:
    if isinstance(one, Link):
        return (one.source, one.target)
    return (one.asset,) if isinstance(one, Weakness) else ()


def difference(twin: Twin, steps: Sequence[AttackStep], after: Twin, steps_after: Sequence[AttackStep]) -> Change:
    """The change from one version to the next; its work grows with both."""
    gone: list[Subject] = []
    come: list[Subject] = []
    for name, key in _KINDS.values():
        _compare(getattr(twin, name), getattr(after, name), key, gone, come)
    steps_gone: list[AttackStep] = []
    steps_come: list[AttackStep] = []
    _compare(steps, steps_after, lambda step: step.order, steps_gone, steps_come)
    return Change(tuple(gone), tuple(come), tuple(steps_gone), tuple(steps_come))


def _compare(
    before: Sequence[Any], after: Sequence[Any], key: Callable[[Any], Any], gone: list[Any], come: list[Any]
) -> None:
    if before is after:
        return
    old: dict[Any, list[Any]] = {}
    new: dict[Any, list[Any]] = {}
    for items, found in ((before, old), (after, new)):
        for one in items:
            found.setdefault(key(one), []).append(one)
    gone += [one for name, ones in old.items() if new.get(name) != ones for one in ones]
    come += [one for name, ones in new.items() if old.get(name) != ones for one in ones]
