"""Laws of playbooks as orders over workflows grown at random: what a node remembers of a run never matters."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.orchestrator.clock import iso
from tocsin.orchestrator.interpreting import Due, Moment, StepOrder, StepOutcome
from tocsin.orchestrator.progress import Phase, Progress, Sent
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
        self.progress = Progress()
        self.now = BEGAN

    def fresh(self) -> CacaoScript:
        """What a node has after a restart: nothing."""
        return CacaoScript(self.resolve, supported=PROGRAMS)

    @property
    def given(self) -> Any:
        """What an interpreter is told, as the store has it."""
        return self.document, self.response, self.progress.events(), Moment(BEGAN, self.now)

    def due(self) -> Due:
        """What the node that ran on gives, which must be what a new one gives."""
        due = self.script.due(*self.given)
        assert due == self.fresh().due(*self.given)
        return due

    def go(self) -> bool:
        """One turn; False at the end."""
        due = self.due()
        steps = {order.step for order in due.orders}
        for sent in self.progress.begun:
            if sent.step not in steps:
                self.progress = self.progress.with_outcome(sent, sent.unknown(iso(self.now)))
                return True
        if due.is_over:
            return False
        new = [one for one in due.orders if self.progress.sent(self.key(one)) is None]
        if new and self.chance.random() < 0.7:
            self.progress = self.progress.with_begun(self.key(self.chance.choice(new)), iso(self.now), Phase.DO)
            return True
        self.now += timedelta(milliseconds=self.chance.choice((0, 0, 1, 700, 3_000)))
        if self.progress.begun:
            self._answer(self.chance.choice(self.progress.begun), {one.step: one for one in due.orders})
        elif not new and due.until is not None:
            self.now = max(self.now, due.until) + timedelta(seconds=self.chance.choice((0, 0, 60)))
        return True

    def key(self, order: StepOrder) -> str:
        """The key of an order."""
        return f"{self.response.id}/do/{order.step}/1"

    def _answer(self, sent: Sent, orders: dict[str, StepOrder]) -> None:
        fate = self.chance.random()
        if fate < 0.15:  # nobody was reached, or somebody works on it
            return
        brought = {name: self.chance.choice(("0", "1", "3", "a", "b")) for name in orders[sent.step].returns}
        outcome = StepOutcome(
            sent.step, fate > 0.25, "", fate < 0.2, sent.asked, iso(self.now), arguments=brought, after=sent.after
        )
        self.progress = self.progress.with_outcome(sent, outcome)


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
    given = run.given
    cached, fresh = run.script, run.fresh()
    assert cached.succeeded(*given) == fresh.succeeded(*given)
    assert cached.why_failed(*given) == fresh.why_failed(*given)
    assert cached.undo_orders(*given) == fresh.undo_orders(*given)
    assert (cached.why_failed(*given) == "") == cached.succeeded(*given)
    assert len({outcome.step for outcome in run.progress.do}) == len(run.progress.do)
