"""Orders under way at the same time, each in a thread of its own, within a bound.

Flows in: orders, an actuator. Flows out: futures of their outcomes. It writes nothing: what must be written before an
order goes out, and after, is `run.py`'s. An actuator that does not say that several threads may use it at once (see
`actuators.base`) is used by one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from .actuators.base import Actuator, Order, Outcome, Unavailable, give_up, may_be_shared

IN_FLIGHT = 8  # orders of one response that are sent at the same time; assumed


@dataclass(slots=True)
class Sending:
    """Threads that send orders; lives for one turn of one response, and leaves none behind."""

    actuator: Actuator
    limit: int = IN_FLIGHT
    _threads: ThreadPoolExecutor | None = None
    _lock: Lock = field(default_factory=Lock)
    _running: dict[str, Future[Outcome]] = field(default_factory=dict)
    _forgotten: list[Future[Outcome]] = field(default_factory=list)
    _given_up: set[str] = field(default_factory=set)  # keys that nobody waits for
    _ended: list[str] = field(default_factory=list)  # keys, in the order in which they ended; threads add to it

    def __enter__(self) -> Sending:
        return self

    def __exit__(self, *_: Any) -> None:
        """Wait for all: nothing goes on when nobody looks."""
        if self._threads is not None:
            self._threads.shutdown(wait=True)

    @property
    def is_full(self) -> bool:
        """Whether no further order may go out now."""
        self._forgotten = [one for one in self._forgotten if not one.done()]
        return len(self._running) + len(self._forgotten) >= self.limit

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for anything."""
        return not self._running

    def send(self, order: Order, *, was_sent: bool) -> None:
        """Carry an order out; what was sent before is asked about first, where the actuator repeats what it is told."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.limit, thread_name_prefix="tocsin-order")
        sent = self._running[order.key] = self._threads.submit(self._carry_out, order, was_sent)
        sent.add_done_callback(lambda _sent: self._ended.append(order.key))

    def forget(self, key: str) -> None:
        """Wait no more for what becomes of an order."""
        left = self._running.pop(key, None)
        if left is not None:
            self._given_up.add(key)
            self._forgotten.append(left)

    def give_up(self, key: str) -> bool:
        """Tell the actuator that nobody waits for an order, see `actuators.base`; alone, where it wants to be alone."""
        if may_be_shared(self.actuator):
            return give_up(self.actuator, key)
        with self._lock:
            return give_up(self.actuator, key)

    def is_running(self, key: str) -> bool:
        """Whether an order is on its way."""
        return key in self._running

    def wait(self, timeout_s: float) -> bool:
        """Wait until one has ended, or so long; say whether one has."""
        return bool(wait(self._running.values(), timeout=timeout_s, return_when=FIRST_COMPLETED).done)

    def ended(self) -> Iterator[tuple[str, Future[Outcome]]]:
        """Give what has ended, by key, in the order in which it did."""
        while self._ended:
            key = self._ended.pop(0)
            if key in self._running:  # else it was forgotten
                yield key, self._running.pop(key)

    def _carry_out(self, order: Order, was_sent: bool) -> Outcome:
        if may_be_shared(self.actuator):
            return self._ask(order, was_sent)
        with self._lock:
            if order.key in self._given_up:  # its end is written as not known: what waited for its turn stays here
                raise Unavailable(f"order {order.key}: nobody waits for it any more; it was not sent")
            return self._ask(order, was_sent)

    def _ask(self, order: Order, was_sent: bool) -> Outcome:
        known = self.actuator.read(order) if was_sent and not self.actuator.removes_duplicates else None
        return known or self.actuator.carry_out(order)
