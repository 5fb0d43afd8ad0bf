"""Laws of playbooks as orders over workflows grown at random: what a node remembers of a run never matters."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.orchestrator.clock import iso
from tocsin.orchestrator.run import Moment, Pause, StepOrder, StepOutcome
from tocsin.orchestrator.script import CacaoScript
from tocsin.playbooks.cacao import Playbook, PlaybookError
from tocsin.playbooks.execute import among
from tocsin.tests.orchestrator.fakes import CONTROLLER, GATEWAY
from tocsin.tests.playbooks.flows import PROGRAMS
from tocsin.tests.playbooks.grown_flows import Growth, called

BEGAN = datetime(2026, 12, 1, tzinfo=UTC)


class Run:
    """A node's loop over one response without a store; it lives for one run."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.document: Playbook = Growth(self.chance).playbook(depth=2)
        self.resolve = among([called(self.chance)])
        self.script = self.fresh()
        self.response: Any = SimpleNamespace(id=f"response--{seed}", targets=(GATEWAY, CONTROLLER))
        self.outcomes: list[StepOutcome] = []
        self.now, self.asked, self.begun = BEGAN, "", ""

    def fresh(self) -> CacaoScript:
        """What a node has after a restart: nothing."""
        return CacaoScript(self.resolve, supported=PROGRAMS)

    @property
    def moment(self) -> Moment:
        """Times as the store has them."""
        asked = datetime.fromisoformat(self.asked) if self.begun else None
        return Moment(BEGAN, self.now, asked)

    def due(self) -> StepOrder | Pause | None:
        """What the node that ran on gives, which must be what a new one gives."""
        given = (self.document, self.response, list(self.outcomes), self.moment)
        due = self.script.next_order(*given)
        assert due == self.fresh().next_order(*given)
        return due

    def go(self) -> bool:
        """One turn; False at the end."""
        due = self.due()
        if self.begun and not (isinstance(due, StepOrder) and due.step == self.begun):
            self._outcome(StepOutcome(self.begun, False, "not known", True))
            return True
        if due is None:
            return False
        if isinstance(due, Pause):
            self.now = max(self.now, due.until) + timedelta(seconds=self.chance.choice((0, 0, 60)))
            return True
        if not self.begun:
            self.begun, self.asked = due.step, iso(self.now)
        self.now += timedelta(milliseconds=self.chance.choice((0, 0, 1, 700, 3_000)))
        fate = self.chance.random()
        if fate > 0.15:  # else nobody was reached, or somebody works on it
            brought = {name: self.chance.choice(("0", "1", "3", "a", "b")) for name in due.returns}
            self._outcome(StepOutcome(due.step, fate > 0.25, "", fate < 0.2, arguments=brought))
        return True

    def _outcome(self, outcome: StepOutcome) -> None:
        times = {"asked": self.asked, "at": iso(self.now)}
        self.outcomes.append(StepOutcome(outcome.step, outcome.succeeded, outcome.text, outcome.perhaps,
                                         arguments=outcome.arguments, **times))  # fmt: skip
        self.begun = ""


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32))
def test_a_new_node_asks_for_the_same_and_takes_back_the_same(seed: int) -> None:
    """At every point of a run on two targets: next order, success, undo."""
    run = Run(seed)
    steps = 0
    try:
        while run.go():
            steps += 1
            assert steps < 3_000
    except PlaybookError as error:
        raise AssertionError(f"a run that began was refused: {error}") from error
    given = (run.document, run.response, run.outcomes, run.moment)
    cached, fresh = run.script, run.fresh()
    assert cached.succeeded(*given) == fresh.succeeded(*given)
    assert cached.why_failed(*given) == fresh.why_failed(*given)
    assert cached.undo_orders(*given) == fresh.undo_orders(*given)
    assert (cached.why_failed(*given) == "") == cached.succeeded(*given)
    assert len({outcome.step for outcome in run.outcomes}) == len(run.outcomes)
