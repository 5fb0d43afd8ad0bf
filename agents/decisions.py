"""What all agents decide in one tick, as plain numbers: taken from agents, settled in a world.

Flows in: agents that have decided. Flows out: `Decisions`, and a world one tick later. A Mesa model and the replay of
a recording settle through the same door, so whatever decided, the rulebook is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..twin.rulebook.settle import settle
from ..twin.rulebook.worlds import Worlds

if TYPE_CHECKING:
    from .model import ChainModel


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What all agents decided in one tick."""

    steps: npt.NDArray[np.int32]  # [K] attack step that each attacker tries, `NO_STEP`: none
    answers: npt.NDArray[np.uint8]  # [R, 2] `Answer` of the owner concerned, per running response and side
    actions: npt.NDArray[np.int32]  # [S] action that each seat proposes, 0 waits


def gather(model: ChainModel) -> Decisions:
    """Collect what the agents of a model decided; of an owner's answers only those to requests that wait for it."""
    answers = np.zeros(model.worlds.state.answer.shape[1:], np.uint8)
    for request in model.requests():  # nobody answers for another
        answers[request.slot, request.side] = model.owners[request.owner].decision[request.slot, request.side]
    steps = np.array([attacker.decision for attacker in model.attackers], np.int32)
    return Decisions(steps, answers, np.array([defender.decision for defender in model.defenders], np.int32))


def settle_lane(worlds: Worlds, lane: int, decisions: Decisions) -> None:
    """Advance one world of a batch by one tick with these decisions in the place of the rulebook's own."""
    state = worlds.state
    state.attacker["choice"][lane] = decisions.steps
    state.answer[lane] = decisions.answers
    settle(lane, decisions.actions, worlds.compiled.arrays, worlds.effects, worlds.parameters, state)
