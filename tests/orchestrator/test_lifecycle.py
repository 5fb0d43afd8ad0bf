"""A response moves by the table and by nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from tocsin.orchestrator import audit, lifecycle
from tocsin.orchestrator.lifecycle import TABLE, TERMINAL, Event, IllegalTransition, State, UnknownResponse, next_state
from tocsin.orchestrator.proposing import propose
from tocsin.orchestrator.records import list_transitions, read_response
from tocsin.orchestrator.store import audit_records, open_store, sqlite_url
from tocsin.orchestrator.terms import Terms
from tocsin.tests.orchestrator.fakes import START, chain, isolate, shelf

NOW = "2026-11-01T12:00:00.000000Z"


def proposed(path: Path) -> tuple[sa.Engine, str]:
    """Make a store with one proposed response."""
    engine = open_store(sqlite_url(path / "s.sqlite"))
    with engine.begin() as conn:
        is_active = lambda _playbook, _owner: True  # noqa: E731
        made = propose(
            conn, isolate(), twin=chain(), shelf=shelf(), pinned=lambda _response: None, terms=Terms(),
            is_active=is_active, now=START,
        )  # fmt: skip
    return engine, made.id


@given(st.lists(st.sampled_from(list(Event)), max_size=30))
def test_random_events_never_leave_the_table(events: list[Event]) -> None:
    """Whatever happens in whatever order, every step is a row of the table, and final states stay."""
    state = State.PROPOSED
    for event in events:
        try:
            after = next_state(state, event)
        except IllegalTransition:
            assert (state, event) not in TABLE
            continue
        assert TABLE[state, event] is after and state not in TERMINAL
        state = after


def test_nothing_is_executed_without_approval() -> None:
    """Every way from proposed to executing leads through approved."""
    assert {before for (before, _event), after in TABLE.items() if after is State.EXECUTING} == {State.APPROVED}
    assert {event for (_before, event), after in TABLE.items() if after is State.APPROVED} == {Event.APPROVE}


def test_every_state_is_reached() -> None:
    """No state of the table is out of reach."""
    reached = {State.PROPOSED}
    for _ in State:
        reached |= {after for (before, _event), after in TABLE.items() if before in reached}
    assert reached == set(State)


def test_refusal_names_what_is_possible() -> None:
    """An illegal transition says what could happen instead."""
    with pytest.raises(IllegalTransition, match="possible: rehearse, expire"):
        next_state(State.PROPOSED, Event.EXECUTE)


def test_state_and_audit_record_are_one(tmp_path: Path) -> None:
    """A recorded transition moves the state and adds one audit record."""
    engine, id_ = proposed(tmp_path)
    with engine.begin() as conn:
        done = lifecycle.record_transition(conn, id_, Event.REHEARSE, attempt=1, time=NOW, body={"x": 1})
        last = audit.read(conn)[-1]
        assert read_response(conn, id_).state is State.REHEARSED is done.after
    assert last.kind == "transition" and last.content["event"] == "rehearse" and last.content["owners"] == ["edge"]


def test_repetition_writes_nothing(tmp_path: Path) -> None:
    """The same (response, transition, attempt) again changes neither state nor log."""
    engine, id_ = proposed(tmp_path)
    for is_new in (True, False):
        with engine.begin() as conn:
            done = lifecycle.record_transition(conn, id_, Event.REHEARSE, attempt=1, time=NOW, body={})
        assert done.is_new is is_new and done.after is State.REHEARSED
    with engine.begin() as conn:
        assert len(list_transitions(conn, id_)) == 1
        assert conn.execute(sa.select(sa.func.count()).select_from(audit_records)).scalar() == 2


def test_crash_between_leaves_neither(tmp_path: Path) -> None:
    """If the transaction is lost, state and audit record are lost together."""
    engine, id_ = proposed(tmp_path)
    with pytest.raises(KeyboardInterrupt), engine.begin() as conn:
        lifecycle.record_transition(conn, id_, Event.REHEARSE, attempt=1, time=NOW, body={})
        raise KeyboardInterrupt
    with engine.begin() as conn:
        assert read_response(conn, id_).state is State.PROPOSED
        assert audit.verify(conn).records == 1


def test_unknown_response_is_named(tmp_path: Path) -> None:
    """A transition of a response that is not there is refused by its id."""
    engine, _ = proposed(tmp_path)
    with pytest.raises(UnknownResponse, match="response--none"), engine.begin() as conn:
        lifecycle.record_transition(conn, "response--none", Event.REHEARSE, attempt=1, time=NOW, body={})
