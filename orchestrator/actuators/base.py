"""The seam to real systems: an order in, an outcome out.

Flows in: one `Order`, a command with its idempotency key. Flows out: an `Outcome`, or an error that says who can mend
it. The law every actuator keeps (`tests/contracts/test_actuator_contract.py`): the same order twice changes the world
once, because the other side removes duplicates by key, or because the caller reads before it writes again. Undoing is
no verb of its own: a playbook's undo is an order like any other, with a key of its own.

    ActuatorError
        Pending       taken and under way, e.g. a person's task; not an error of anybody (the same order, later)
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


class Pending(ActuatorError):  # noqa: N818
    """Taken, but not done yet: the node sends the same order at its next tick, until an outcome comes back.

    A step's timeout ends the waiting. It is no failed try.
    """


class Refused(ActuatorError):  # noqa: N818  (named as in the tree above)
    """The other side understood and says no."""


class Unavailable(ActuatorError):  # noqa: N818
    """The other side was not reached or failed; whether the order took effect is not known."""


class Malformed(ActuatorError):  # noqa: N818
    """The other side's answer makes no sense."""


@dataclass(frozen=True, slots=True)
class Order:
    """One command to one owner's system: one command of a playbook's step, on one of its targets.

    What `command` holds, by `type` (CACAO v2.0, section 5):

        openc2-http           the OpenC2 command itself: action, target, args, actuator
        http-api              method, path, headers (name -> list of values), content (text; absent: none)
        manual                text: the task as a person reads it
        bash, powershell, ssh text: the command as its author wrote it, variables still as `__name__:value`
        others                text: decoded, variables still as `__name__:value`

    In openc2-http, http-api and manual the interpreter has put values in, each within its own place (a string of the
    parsed JSON, a percent-encoded part of the path, one header line), so that none can break out. Where the text is a
    program nothing is put in: the actuator hands `arguments` over beside it, as elements of argv or environment, and
    never pastes them.

    `agent` and `target` are CACAO definitions (type, name, address, port, category ...) with their `id`; in place of
    the reference `authentication_info` stands the definition that it names: `kms_key_identifier` where the secret is
    looked up by the actuator, else the values of variables. They are never written to the log.
    """

    key: str  # idempotency key: equal for every try of the same command of the same step of the same response
    owner: str  # whose system it goes to
    command: Mapping[str, Any]  # see above
    type: str = "openc2-http"  # CACAO command type
    agent: Mapping[str, Any] = field(default_factory=dict)  # definition of who carries it out, variables filled in
    target: Mapping[str, Any] = field(default_factory=dict)  # definition of what it is for; empty: the step names none
    arguments: Mapping[str, str] = field(default_factory=dict)  # variables by name (`__name__`), checked by their types
    returns: Mapping[str, str] = field(default_factory=dict)  # out_args: name -> CACAO type, for `Outcome.arguments`
    # What this call may take: what is left of the step's time; where no step names one, the node's `order_s`, and for a
    # task of a person what is left of a day. None: the actuator's own bound.
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the other side says that it did."""

    status: int  # OpenC2 status code: 102 under way, 200 done
    text: str = ""
    results: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)  # values of the order's `returns`, by name


class Actuator(Protocol):
    """A way to real systems; lives as long as its node.

    It is used by one thread at a time, unless it has an attribute `is_shared` that is true: then orders with different
    keys come from several threads at once, so that a slow one holds up no other. One that hands orders to people, or
    keeps them waiting, may have `give_up(key)`, see `give_up` below; it comes in another thread than a `carry_out` of
    that key which may be under way, and after it nobody must be asked for that key.
    """

    @property
    def removes_duplicates(self) -> bool:
        """Whether the other side carries out a repeated key once only; if not, `read` is asked before a repetition."""
        ...

    def carry_out(self, order: Order) -> Outcome:
        """Carry the order out.

        Raises:
            Refused: the other side says no.
            Pending: taken, its end is not known yet.
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


def may_be_shared(actuator: Actuator) -> bool:
    """Whether several threads may use it at once."""
    return bool(getattr(actuator, "is_shared", False))


def give_up(actuator: Actuator, key: str) -> bool:
    """Tell an actuator that nobody waits for an order any more: its step or its run has ended.

    Returns:
        Whether it was waiting for somebody, and was taken back from them, now or at an earlier call for the same key.
    """
    told = getattr(actuator, "give_up", None)
    return bool(told(key)) if told is not None else False


def waits_for_others(actuator: Actuator) -> bool:
    """Whether it wants to be told what nobody waits for any more."""
    return getattr(actuator, "give_up", None) is not None
