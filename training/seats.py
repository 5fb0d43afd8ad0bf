"""Who decides: one seat for the coalition, or a seat for every owner with its own view, all played by one network.

Flows in: a chain, numbers of worlds. Flows out: lanes for a learner, put at different times of an episode by a rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ..envs.active_worlds import ActiveWorlds
from ..envs.game import Game
from ..envs.joined import Part
from ..envs.owner_lanes import OwnerLanes
from ..envs.vector import ResponseWorlds
from .imitate import IMITATED_LEVEL
from .owners_rule import OwnersThreshold
from .settings import OWNERS, TrainSettings
from .worth import Watchful

PHASES = 4  # batches of worlds with seats, which begin and end together, that a roller has at least


@dataclass(frozen=True, slots=True)
class Seating:
    """Who sits there."""

    is_owners: bool = False
    own_share: float = 0.0  # of an owner's reward that is its own loss

    @classmethod
    def of(cls, settings: TrainSettings) -> Seating:
        """As settings say."""
        return cls(settings.seats == OWNERS, settings.own_share)

    def parts(self, game: Game, ids: Sequence[int], *, stream: int, batches: int = 1) -> list[Part]:
        """Lanes of worlds of a game; seats of owners in up to `batches` parts, the coalition's in one."""
        if not self.is_owners:
            return [ActiveWorlds(ResponseWorlds(game, ids, stream=stream))]
        shares = [part.tolist() for part in np.array_split(np.asarray(ids), min(batches, len(ids)))]
        return [OwnerLanes(game, one, stream=stream, own_share=self.own_share) for one in shares]


@runtime_checkable
class Phased(Protocol):
    """A part whose worlds begin and end together, and which knows how to stand anywhere in an episode."""

    def start_at(self, episode: int, share: float) -> npt.NDArray[np.bool_]:
        """Begin an episode and play on until this share of it has gone; gives bool[lanes]: at a start."""
        ...


def start(part: Part, episode: int, offset: float) -> npt.NDArray[np.bool_]:
    """Put worlds at different times of an episode, so that each rollout holds all of them; a rule defends until then.

    Without it the first rollouts would begin in chains that nobody defended. Gives bool[lanes]: at a start.

    Args:
        part: lanes of one chain.
        episode: number of their first.
        offset: where within the spacing of their times they begin, 0 to 1, so that parts differ.
    """
    if isinstance(part, Phased):
        return part.start_at(episode, offset)
    if isinstance(part, OwnerLanes):
        return _start_together(part, episode, offset)
    assert isinstance(part, ActiveWorlds)
    return _start_spread(part, episode, offset)


def _start_spread(part: ActiveWorlds, episode: int, offset: float) -> npt.NDArray[np.bool_]:
    part.reset(episode)
    length = part.game.decisions
    first = ((np.arange(part.count) + offset) * length // part.count).astype(np.int64)
    rule = Watchful(part.game, IMITATED_LEVEL)
    for number in range(length):
        rows = np.flatnonzero(first == number)
        if len(rows):
            part.worlds.begin_next(rows)
        step = part.advance(rule(part.worlds))
    return step.truncated.copy()


def _start_together(part: OwnerLanes, episode: int, offset: float) -> npt.NDArray[np.bool_]:
    part.reset(episode)
    rule, played = OwnersThreshold(), int(offset * part.game.decisions)
    for _ in range(played):
        part.advance(rule(part.owners))
    return np.full(part.count, played == 0)
