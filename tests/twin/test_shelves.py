"""A long row in shelves reads like a tuple, and an edit shares what it does not touch."""

from __future__ import annotations

import pickle
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.twin import shelves as module
from tocsin.twin.shelves import Shelves

ROWS = st.lists(st.integers(), max_size=40)


@pytest.fixture(autouse=True, scope="module")
def small() -> object:
    """Shelves of four, so that small rows have many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SHELF", 4)
        yield


@given(ROWS, st.data())
def test_shelves_read_like_a_tuple(rows: list[int], data: st.DataObject) -> None:
    """Length, order, places from either end, slices and equality."""
    shelves, plain = Shelves.of(rows), tuple(rows)
    assert (len(shelves), tuple(shelves), shelves) == (len(plain), plain, plain)
    assert plain == shelves and shelves != (*plain, 1) and Shelves.of(shelves) is shelves
    assert pickle.loads(pickle.dumps(shelves)) == plain  # noqa: S301  (our own bytes)
    place = data.draw(st.integers(-len(rows), len(rows) - 1)) if rows else 0
    if rows:
        assert shelves[place] == plain[place] and shelves[place:] == plain[place:]
    for beyond in (len(rows), -len(rows) - 1):
        with pytest.raises(IndexError, match=f"row {beyond} of {len(rows)}"):
            shelves[beyond]


def spliced(rows: list[int], gone: set[int], come: Mapping[int, list[int]]) -> tuple[int, ...]:
    """The same in plain Python."""
    out: list[int] = []
    for row in range(len(rows) + 1):
        out += come.get(row, [])
        out += [] if row in gone or row == len(rows) else [rows[row]]
    return tuple(out)


@given(ROWS, st.data())
def test_a_splice_is_a_splice_of_the_row(rows: list[int], data: st.DataObject) -> None:
    """Whatever goes and comes, at the ends too, and again on what came of it."""
    shelves = Shelves.of(rows)
    for _ in range(3):
        gone = data.draw(st.sets(st.integers(0, len(rows) - 1))) if rows else set()
        come = data.draw(st.dictionaries(st.integers(0, len(rows)), st.lists(st.integers(), max_size=12), max_size=3))
        shelves, rows = shelves.spliced(gone, come), list(spliced(rows, gone, come))
        assert tuple(shelves) == tuple(rows) and len(shelves) == len(rows)


def test_shelves_that_are_not_touched_are_shared() -> None:
    """One of a hundred things changed: all but its shelf are the same objects."""
    before = Shelves.of(list(range(100)))
    after = before.spliced({50}, {50: [-1]})
    same = [one is other for one, other in zip(before._shelves, after._shelves, strict=True)]
    assert same.count(False) == 1 and after[50] == -1 and before[50] == 50
