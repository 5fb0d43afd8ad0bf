"""Telemetry in the store is the telemetry that was taken, in its order, until it is dropped."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.orchestrator import inbox
from tocsin.orchestrator.store import open_store, reading, sqlite_url
from tocsin.twin.sensing.events import Event

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
EVENTS = st.builds(
    Event,
    uid=TEXT,
    class_uid=st.integers(0, 2**53),
    activity=st.integers(0, 99),
    time_ms=st.integers(0, 2**42),
    asset=TEXT,
    owner=TEXT,
    product=TEXT,
    success=st.booleans(),
    command=TEXT,
    flags=st.lists(TEXT, max_size=3).map(tuple),
    value=st.floats(allow_nan=False, allow_infinity=False),
    states=st.lists(TEXT, max_size=3).map(tuple),
)


@settings(max_examples=40)
@given(st.lists(EVENTS, max_size=4))
def test_what_is_unpacked_is_what_was_packed(events: list[Event]) -> None:
    """Every field of every event, whatever text stands in it, on a store of its own."""
    engine = open_store("sqlite://")
    with engine.begin() as conn:
        inbox.keep(conn, "edge", len(events), inbox.packed(events))
        assert inbox.waiting(conn, 0) == (1, events)
    engine.dispose()


def test_payloads_wait_in_their_order_until_dropped(tmp_path: Path) -> None:
    """Numbers of rows are not used again, so that what comes after a drop is new."""
    engine = open_store(sqlite_url(tmp_path / "s.sqlite"))
    one, two = (Event(uid, 1, 1, 0, "edge/host/x", "edge", "p") for uid in ("one", "two"))
    with engine.begin() as conn:
        inbox.keep(conn, "edge", 1, inbox.packed([one]))
        inbox.keep(conn, "shop", 2, inbox.packed([two, one]))
        last, events = inbox.waiting(conn, 0)
        assert events == [one, two, one] and inbox.count(conn) == {"edge": 1, "shop": 2}
        inbox.drop(conn, last)
        inbox.keep(conn, "edge", 1, inbox.packed([two]))
    with reading(engine) as conn:
        assert inbox.waiting(conn, last)[1] == [two] and inbox.count(conn) == {"edge": 1}
