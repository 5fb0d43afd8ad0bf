"""Lift the rules of a producer for its owner: of one that has left the token file, or that cannot lift them itself.

Flows in: the state file of an enforcement point that does not run. Flows out: the file without these rules, and the
kernel too where our table stands in it; both or neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .nft import run, stands, transaction
from .serving import InUse, take
from .store import RuleStore, StoreError


@dataclass(frozen=True, slots=True)
class Lifted:
    """What was taken away."""

    producer: str
    rules: tuple[int, ...]  # their numbers
    kernel: bool  # whether our table stood there, and holds them no longer


def lift(state: Path, producer: str) -> Lifted:
    """Take away all rules of a producer; its numbers begin anew.

    Raises:
        StoreError: it has no rules there, or the file does not say where the rules stand.
        InUse: an actuator serves the file.
        NftError: the kernel does not take it; then nothing is changed.
    """
    try:
        lock = take(state)
    except InUse:
        told = "an actuator serves it; end that one, its rules stand meanwhile, then lift, and start it again"
        raise InUse(f"--state {state}: {told}") from None
    with lock:
        store = RuleStore(state)
        try:
            return _lift(store, state, producer)
        finally:
            store.close()


def _lift(store: RuleStore, state: Path, producer: str) -> Lifted:
    rules, place = store.of(producer), store.place()
    if not rules:
        have = ", ".join(sorted(store.lists())) or "nobody"
        raise StoreError(f"--producer {producer!r}: has no rules in {state}; {have} has; see tocsin actuator rules")
    if place is None:
        raise StoreError(f"--state {state}: does not say where its rules stand; start the actuator with it once")
    with store.change():
        store.forget(producer)
        is_there = stands(place)
        if is_there:
            run(transaction(store.lists(), place), place)
    return Lifted(producer, tuple(rule.number for rule in rules), is_there)
