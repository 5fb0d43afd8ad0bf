"""How far a run has come, as its response's row keeps it: outcomes, and the orders whose outcome is not known.

Flows in: the row's `run`. Flows out: values, changed copies, and the row's `run` again. Several orders may be under way
at once; what was known when each went out is kept, so that a replay tells the interpreter all in the order it happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from .clock import parse_iso
from .interpreting import Asked, RunEvent, StepOutcome
from .records import Response
from .replay import begun_of

MAX_TRIES = 3  # runs in which an order finds nobody before it counts as failed, or a person hears of it; assumed
MAX_WAIT_S = 300.0  # between two tries of an undo that finds nobody; assumed


class Phase(StrEnum):
    """Which way a run goes."""

    DO = "do"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Sent:
    """An order that went out, or was about to, and whose outcome is not known."""

    key: str
    tries: int = 1
    asked: str = ""  # when it was first sent, UTC
    pending: bool = False  # the other side has taken it and works on it
    tried: str = ""  # when it was last sent, UTC
    after: int = -1  # how many outcomes were known when it was first sent
    met: tuple[str, ...] = ()  # playbooks that it had called by then, see `interpreting.Due`

    @property
    def step(self) -> str:
        """The step that it carries out; keys are RESPONSE/PHASE/STEP/NUMBER."""
        return self.key.split("/", 2)[2].rpartition("/")[0]

    @property
    def phase(self) -> Phase:
        """Whether it does or undoes."""
        return Phase(self.key.split("/", 2)[1])

    @property
    def again_at(self) -> datetime | None:
        """When an undo that found nobody goes out again: at once a few times, then after 1, 2, 4 ... s."""
        over = self.tries - MAX_TRIES
        if self.pending or over < 0 or not self.tried:
            return None
        return parse_iso(self.tried) + timedelta(seconds=min(2.0 ** min(over, 30), MAX_WAIT_S))

    def unknown(self, at: str) -> StepOutcome:
        """Its outcome where nobody waits for it any more."""
        return StepOutcome(self.step, False, "not known", True, self.asked, at, after=self.after, met=self.met)


@dataclass(frozen=True, slots=True)
class Progress:
    """A run as the store keeps it."""

    do: tuple[StepOutcome, ...] = ()  # in the order in which they came
    undo: tuple[StepOutcome, ...] = ()
    begun: tuple[Sent, ...] = ()  # in the order in which they went out
    told: bool = False  # a person was called because its undo finds nobody, or takes too long
    undo_since: str = ""  # when the first order of this undo went out, UTC
    overdue: bool = False  # its undo has taken too long

    @classmethod
    def of(cls, response: Response) -> Progress:
        """What the row of a response says."""
        run = response.run
        do, undo = (tuple(StepOutcome(**_tuples(item)) for item in run.get(phase, ())) for phase in ("do", "undo"))
        rest = {name: run[name] for name in ("told", "undo_since", "overdue") if name in run}
        return cls(do, undo, tuple(Sent(**_tuples(item)) for item in begun_of(run)), **rest)

    def written(self) -> dict[str, Any]:
        """What the row is to say."""
        return asdict(self) | {name: [asdict(one) for one in getattr(self, name)] for name in ("do", "undo", "begun")}

    def sent(self, key: str) -> Sent | None:
        """The order under way with this key."""
        return next((one for one in self.begun if one.key == key), None)

    def with_begun(self, key: str, now: str, phase: Phase, met: tuple[str, ...] = ()) -> Progress:
        """It goes out, for the first time or once more."""
        before = self.sent(key)
        if before is not None:
            return self._with(replace(before, tries=before.tries + 1, tried=now))
        known = len(self.do if phase is Phase.DO else self.undo)
        since = self.undo_since or (now if phase is Phase.UNDO else "")
        sent = Sent(key, asked=now, tried=now, after=known, met=met)
        return replace(self, begun=(*self.begun, sent), undo_since=since)

    def with_pending(self, key: str) -> Progress:
        """The other side works on it."""
        before = self.sent(key)
        return self if before is None else self._with(replace(before, pending=True))

    def with_outcome(self, sent: Sent, outcome: StepOutcome) -> Progress:
        """It has come to an end."""
        left = replace(self, begun=tuple(one for one in self.begun if one.key != sent.key))
        if sent.phase is Phase.DO:
            return replace(left, do=(*self.do, outcome))
        return replace(left, undo=(*self.undo, outcome), told=False)

    def anew(self) -> Progress:
        """An undo begins, or is wanted once more: its time begins again."""
        return replace(self, told=False, undo_since="", overdue=False)

    def events(self) -> list[RunEvent]:
        """What happened on the way of doing, in the order in which it did."""
        asks: dict[int, list[Asked]] = {}
        for place, outcome in enumerate(self.do):
            if outcome.asked:
                asks.setdefault(place if outcome.after < 0 else outcome.after, []).append(
                    Asked(outcome.step, outcome.asked, outcome.met)
                )
        for sent in self.begun:
            if sent.phase is Phase.DO and sent.asked:
                known = len(self.do) if sent.after < 0 else sent.after
                asks.setdefault(known, []).append(Asked(sent.step, sent.asked, sent.met))
        found: list[RunEvent] = []
        for place in range(len(self.do) + 1):
            found += sorted(asks.get(place, ()), key=lambda one: (parse_iso(one.at), one.step))
            found += self.do[place : place + 1]
        return found

    def _with(self, sent: Sent) -> Progress:
        return replace(self, begun=tuple(sent if one.key == sent.key else one for one in self.begun))


def _tuples(item: Mapping[str, Any]) -> dict[str, Any]:
    """What JSON made a list of."""
    return {**item, "met": tuple(item.get("met", ()))}
