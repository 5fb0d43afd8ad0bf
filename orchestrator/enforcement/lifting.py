"""Lift the rules of a producer for its owner: of one that has left the token file, or that cannot lift them itself.

Flows in: the state file of an enforcement point that does not run. Flows out: the file without these rules, and the
kernel too where our table stands in it; both or neither.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .nft import NftError, Place, run, stands, transaction
from .serving import InUse, place_of, take
from .store import RuleStore, StoreError, read_place, read_rules


@dataclass(frozen=True, slots=True)
class Lifted:
    """What was taken away."""

    producer: str
    rules: tuple[int, ...]  # their numbers
    kernel: bool  # whether our table stood there, and holds them no longer


def lift(state: Path, producer: str) -> Lifted:
    """Take away all rules of a producer.

    Raises:
        StoreError: it has no rules there, or the file does not say where the rules stand, or cannot be written.
        InUse: an actuator serves the file.
        NftError: the kernel does not take it; then nothing is changed.
    """
    _check(state, producer)  # before a file that may be somebody else's is touched
    try:
        lock = take(state)
    except InUse:
        told = "an actuator serves it; end that one, its rules stand meanwhile, then lift, and start it again"
        raise InUse(f"--state {state}: {told}") from None
    with lock:
        place = _check(state, producer)
        store = RuleStore(state)
        try:
            return _lift(store, place, producer)
        finally:
            store.close()


def _check(state: Path, producer: str) -> Place:
    rules, place = read_rules(state), read_place(state)
    makers = sorted({rule.producer for rule in rules})
    if producer not in makers:
        have = f"it holds rules of {', '.join(makers)}" if makers else "it holds no rules"
        raise StoreError(f"--producer {producer!r}: has no rules in {state}; {have}, see tocsin actuator rules")
    if place is None:
        raise StoreError(f"--state {state}: does not say where its rules stand; start the actuator with it once")
    return place_of(state, place)


def _lift(store: RuleStore, place: Place, producer: str) -> Lifted:
    numbers, is_there = tuple(rule.number for rule in store.of(producer)), stands(place)
    try:
        with store.change():
            store.forget(producer)
            if is_there:
                run(transaction(store.lists(), place), place)
    except (NftError, StoreError):
        if is_there:
            with suppress(NftError):  # it may have taken what is not kept: back to what is
                run(transaction(store.lists(), place), place)
        raise
    return Lifted(producer, numbers, is_there)
