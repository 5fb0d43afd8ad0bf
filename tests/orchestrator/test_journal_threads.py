"""Orders of several threads in one journal: each is new to itself alone, whatever others write meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tocsin.orchestrator.actuators.base import Order, Outcome, Unavailable
from tocsin.orchestrator.actuators.journal import Journal


def order_of(key: str) -> Order:
    return Order(key, "edge", {"text": "true"}, "bash")


def test_what_was_begun_is_not_sent_again_while_others_begin(tmp_path: Path) -> None:
    """An order whose end is not known is refused each time, beside hundreds of new ones, all of which go out once."""
    journal = Journal(tmp_path / "orders.sqlite")
    sent: list[str] = []
    lock = threading.Lock()

    def send(key: str) -> Outcome:
        with lock:
            sent.append(key)
        return Outcome(200)

    def lost() -> Outcome:
        raise Unavailable("nobody knows")

    with pytest.raises(Unavailable):
        journal.once(order_of("old"), lost, repeatable=False)

    def again(_: int) -> None:
        with pytest.raises(Unavailable, match="not repeated"):
            journal.once(order_of("old"), lambda: send("old"), repeatable=False)

    def new(number: int) -> None:
        journal.once(order_of(f"new-{number}"), lambda: send(f"new-{number}"), repeatable=False)

    with ThreadPoolExecutor(8) as threads:
        told = [threads.submit(work, number) for number in range(400) for work in (again, new)]
        for one in told:
            one.result()
    assert "old" not in sent
    assert sorted(sent) == sorted(f"new-{number}" for number in range(400))
