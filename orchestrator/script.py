"""CACAO playbooks as orders: the playbooks room's pure interpreter, once per target of a response.

Flows in: a playbook, a response, outcomes so far. Flows out: the order due, whether the run succeeded, the orders that
take it back. Targets are served one after the other, in their order; a failure on one ends the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..playbooks.cacao import Playbook
from ..playbooks.execute import Due, Outcome, undo_commands, walk
from .records import Response
from .run import StepOrder, StepOutcome


@dataclass(frozen=True, slots=True)
class CacaoScript:
    """Reads documents as CACAO playbooks; holds nothing, so it lives as long as anybody wants."""

    def next_order(self, document: Playbook, response: Response, outcomes: Sequence[StepOutcome]) -> StepOrder | None:
        """Give the order due after `outcomes`; None where the run has ended."""
        for number, target in enumerate(response.targets):
            done = walk(document, _variables(response, target), _of_target(number, outcomes))
            if done.due is not None:
                return _order(number, target, done.due)
            if not done.succeeded:
                return None
        return None

    def succeeded(self, document: Playbook, response: Response, outcomes: Sequence[StepOutcome]) -> bool:
        """Say whether every target's run came to its end by success."""
        walks = [
            walk(document, _variables(response, target), _of_target(number, outcomes))
            for number, target in enumerate(response.targets)
        ]
        return all(one.due is None and one.succeeded for one in walks)

    def undo_orders(
        self, document: Playbook, response: Response, outcomes: Sequence[StepOutcome]
    ) -> Sequence[StepOrder]:
        """Give the orders that take back what was done, the last target and the last step first."""
        orders: list[StepOrder] = []
        for number, target in reversed(list(enumerate(response.targets))):
            variables = _variables(response, target)
            done = walk(document, variables, _of_target(number, outcomes)).done
            dues = undo_commands(document, variables, done)
            for place, due in enumerate(dues):
                again = sum(earlier.step == due.step for earlier in dues[:place])
                orders.append(_order(number, target, due, suffix=f".{again + 1}" if again else ""))
        return orders


def owner_of_target(target: str) -> str:
    """Give whose system carries out an order on a target: an asset's owner; of a link, the owner it leads to."""
    parts = target.split(" ")  # kind source target port, see twin.facts.key_of
    return (parts[2] if len(parts) == 4 else target).split("/")[0]


def _order(number: int, target: str, due: Due, *, suffix: str = "") -> StepOrder:
    return StepOrder(f"{number}.{due.step}{suffix}", owner_of_target(target), due.command)


def _of_target(number: int, outcomes: Sequence[StepOutcome]) -> list[Outcome]:
    prefix = f"{number}."
    return [Outcome(o.step.removeprefix(prefix), o.succeeded, o.perhaps) for o in outcomes if o.step.startswith(prefix)]


def _variables(response: Response, target: str) -> Mapping[str, Any]:
    return {"__target__": target, "__response__": response.id, "__owner__": owner_of_target(target)}
