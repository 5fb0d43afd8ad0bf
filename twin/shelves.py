"""A long row of things kept in shelves, so that a row with few changes shares all the other shelves.

Flows in: things in order. Flows out: a sequence that is read like a tuple and never changes. Copying a tuple of 300,000
things touches every one of them; here an edit touches a few hundred.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import accumulate, chain
from typing import Generic, TypeVar, overload

Item = TypeVar("Item")
SHELF = 512  # things on one shelf at first


class Shelves(Sequence[Item], Generic[Item]):
    """An immutable sequence; equal to any sequence of equal things."""

    __slots__ = ("_ends", "_shelves")

    def __init__(self, shelves: Iterable[tuple[Item, ...]]) -> None:
        """Take shelves as they are; `of` cuts them."""
        self._shelves = tuple(shelf for shelf in shelves if shelf)
        self._ends = tuple(accumulate(len(shelf) for shelf in self._shelves))

    @classmethod
    def of(cls, things: Sequence[Item]) -> Shelves[Item]:
        """Put things on shelves; things that are already there stay on theirs."""
        if isinstance(things, Shelves):
            return things
        whole = tuple(things)
        return cls(whole[first : first + SHELF] for first in range(0, len(whole), SHELF))

    def spliced(self, gone: Set[int], come: Mapping[int, Sequence[Item]]) -> Shelves[Item]:
        """Without the rows `gone`, and with things before some rows (before `len`: at the end)."""
        touched = {self._shelf_of(row) for row in (*gone, *come)}
        shelves: list[tuple[Item, ...]] = []
        first = 0
        for number, shelf in enumerate(self._shelves or ((),)):
            if number in touched:
                is_last = first + len(shelf) == len(self)
                shelves += _cut(tuple(_rows(shelf, first, gone, come, is_last=is_last)))
            else:
                shelves.append(shelf)
            first += len(shelf)
        return Shelves(shelves)

    def _shelf_of(self, row: int) -> int:
        return max(0, min(bisect_right(self._ends, row), len(self._shelves) - 1))

    def __len__(self) -> int:
        """Things on all shelves."""
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, row: int) -> Item: ...
    @overload
    def __getitem__(self, row: slice) -> tuple[Item, ...]: ...
    def __getitem__(self, row: int | slice) -> Item | tuple[Item, ...]:
        """As of a tuple."""
        if isinstance(row, slice):
            return tuple(self[at] for at in range(*row.indices(len(self))))
        at = row + len(self) if row < 0 else row
        if not 0 <= at < len(self):
            raise IndexError(f"row {row} of {len(self)}; give 0 to {len(self) - 1}")
        number = bisect_right(self._ends, at)
        return self._shelves[number][at - self._ends[number]]  # counted from the end of the shelf

    def __iter__(self) -> Iterator[Item]:
        """Shelf by shelf."""
        return chain.from_iterable(self._shelves)

    def __eq__(self, other: object) -> bool:
        """Whether the same things are there in the same order."""
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(_is_same, self, other))

    __hash__ = None  # type: ignore[assignment]


def _is_same(one: object, other: object) -> bool:
    return one is other or one == other


def _cut(shelf: tuple[Item, ...]) -> list[tuple[Item, ...]]:
    half = len(shelf) // 2
    return [shelf] if len(shelf) <= 2 * SHELF else [shelf[:half], shelf[half:]]


def _rows(
    shelf: tuple[Item, ...], first: int, gone: Set[int], come: Mapping[int, Sequence[Item]], *, is_last: bool
) -> Iterator[Item]:
    for row, thing in enumerate(shelf, first):
        yield from come.get(row, ())
        if row not in gone:
            yield thing
    if is_last:
        yield from come.get(first + len(shelf), ())
