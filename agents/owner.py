"""The owners of a chain as Mesa agents: they answer requests for consent.

Flows in: pending responses on an owner's assets and links. Flows out: answers, by the rulebook's `decide_owner`, which
reads the consent table. What the table grants at once is granted when proposed and never asked. It changes nothing
itself; a subclass that overrides `answer` decides otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import mesa
import numpy as np

from ..twin.rulebook.kernel import decide_owner
from ..twin.vocabulary import RunState

if TYPE_CHECKING:
    from .model import ChainModel


class Answer(IntEnum):
    """What an owner says to a request."""

    NONE_YET = 0
    YES = 1
    NO = 2


@dataclass(frozen=True, slots=True)
class Request:
    """A pending response that waits for one owner's consent."""

    slot: int  # of the world's running responses
    side: int  # of its target; a boundary link has two
    owner: int
    playbook: int
    target: int
    since: int  # tick of the proposal


class OwnerAgent(mesa.Agent):
    """One owner of the chain.

    Attributes:
        number: which owner it is, 0..O-1.
        decision: uint8[R, 2], its `Answer` per running response and side.
    """

    model: ChainModel

    def __init__(self, model: ChainModel, number: int) -> None:
        """Put owner `number` into a model."""
        super().__init__(model)
        self.number = number
        self.decision = np.zeros(model.worlds.state.answer.shape[1:], np.uint8)

    @property
    def loss(self) -> float:
        """What it has lost so far, in its unit."""
        return float(self.model.worlds.losses()[0, self.number].sum())

    def decide(self) -> None:
        """Answer every pending request on the world as it stands."""
        self.decision[:] = Answer.NONE_YET
        for request in self.model.requests(self.number):
            self.decision[request.slot, request.side] = self.answer(request)

    def answer(self, request: Request) -> Answer:
        """The answer of the consent table to one request."""
        worlds, answers = self.model.worlds, np.zeros_like(self.decision)
        decide_owner(0, self.number, worlds.compiled.arrays, worlds.effects, worlds.parameters, worlds.state, answers)
        return Answer(int(answers[request.slot, request.side]))


def pending_requests(model: ChainModel) -> list[Request]:
    """All requests that wait for an answer, in order of slot and side."""
    worlds = model.worlds
    runs = worlds.state.run.view(np.ndarray)[0]  # plain fields: those of a recarray cost Python ten times more
    found = []
    for slot in np.flatnonzero(runs["state"] == RunState.AWAITING_CONSENT).tolist():
        playbook, target, since, agreed = (int(runs[name][slot]) for name in ("playbook", "target", "since", "agreed"))
        for side, owner in enumerate(worlds.compiled.owners_of(target)):
            if not agreed >> side & 1:
                number = worlds.compiled.owner_number[owner]
                found.append(Request(slot, side, number, playbook, target, since))
    return found
