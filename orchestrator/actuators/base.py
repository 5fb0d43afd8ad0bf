"""The seam to real systems: an order in, an outcome out.

Flows in: one `Order`, a command with its idempotency key. Flows out: an `Outcome`, or an error that says who can mend
it. The law every actuator keeps (`tests/contracts/test_actuator_contract.py`): the same order twice changes the world
once, because the other side removes duplicates by key, or because the caller reads before it writes again. Undoing is
no verb of its own: a playbook's undo is an order like any other, with a key of its own.

    ActuatorError
        Refused       the other side understood and says no (a person or the playbook's author can mend it)
        Unavailable   not reached, or it failed; the order may or may not have taken effect (try again, same key)
        Malformed     the answer makes no sense (the other side's maker can mend it)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class ActuatorError(ValueError):
    """An order that was not carried out for sure; the message names the order and the mend."""


class Refused(ActuatorError):  # noqa: N818  (named as in the tree above)
    """The other side understood and says no."""


class Unavailable(ActuatorError):  # noqa: N818
    """The other side was not reached or failed; whether the order took effect is not known."""


class Malformed(ActuatorError):  # noqa: N818
    """The other side's answer makes no sense."""


@dataclass(frozen=True, slots=True)
class Order:
    """One command to one owner's system."""

    key: str  # idempotency key: equal for every try of the same step of the same response
    owner: str  # whose system it goes to
    command: Mapping[str, Any]  # OpenC2 command: action, target, args, actuator


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the other side says that it did."""

    status: int  # OpenC2 status code: 102 under way, 200 done
    text: str = ""
    results: Mapping[str, Any] = field(default_factory=dict)


class Actuator(Protocol):
    """A way to real systems; lives as long as its node and is used by one thread at a time."""

    @property
    def removes_duplicates(self) -> bool:
        """Whether the other side carries out a repeated key once only; if not, `read` is asked before a repetition."""
        ...

    def carry_out(self, order: Order) -> Outcome:
        """Carry the order out.

        Raises:
            Refused: the other side says no.
            Unavailable: not reached or failed, after the tries the actuator makes by itself.
            Malformed: the answer makes no sense.
        """
        ...

    def read(self, order: Order) -> Outcome | None:
        """Give the outcome of an order carried out before, None where the other side knows of none.

        Raises:
            Unavailable: not reached.
        """
        ...
