"""Many worlds of a game with a seat for every owner, each with a view of its own.

Flows in: an action per world and owner, in numbers of that owner's view. Flows out: each owner's observation and legal
actions, losses, the end. All worlds begin together and end together; the kernel never resets itself, the caller does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..twin.compiled import NANO
from ..twin.graph import Twin
from ..twin.rulebook.state import RUNS
from ..twin.rulebook.worlds import STREAM_ENVIRONMENT, Worlds
from ..twin.vocabulary import AssetKind, RunState
from .game import Game
from .views import ViewLanes, view_of

Bools = npt.NDArray[np.bool_]
Observations = list[npt.NDArray[np.uint8]]  # per seat: uint8[B, T', FEATURES]


@dataclass(frozen=True, slots=True)
class OwnersStep:
    """What one step of all worlds gave."""

    observations: Observations
    loss: npt.NDArray[np.float64]  # [B, O, LossCause] of this step
    refused: Bools  # [B, S] a proposal was not legal in its view, or lost a conflict over a target
    truncated: bool  # all worlds are at their horizon


class OwnerWorlds:
    """B worlds of a game, a seat per owner; lives as long as its learners."""

    def __init__(self, game: Game, world_ids: Sequence[int], *, stream: int = STREAM_ENVIRONMENT) -> None:
        """Make and reset one world per id.

        Args:
            game: the game.
            world_ids: one per world; equal ids and streams play equal episodes.
            stream: of draws, see `rulebook.worlds.STREAM_*`.
        """
        self.game = game
        self.owners = seated(game.compiled.twin)
        self.seats = np.array([game.compiled.owner_number[owner] for owner in self.owners], np.int64)
        runs = RUNS * len(self.owners)
        self.worlds = Worlds.make(
            game.compiled,
            game.effects,
            game.parameters,
            world_ids=np.asarray(world_ids, np.int64),
            stream=game.scenario.stream(stream),
            seat_owners=[int(number) for number in self.seats],
            runs=runs,
        )
        self.lanes = [
            ViewLanes(game, view_of(game, owner), self.worlds.state, seat=seat)
            for seat, owner in enumerate(self.owners)
        ]
        self._rows = np.arange(len(world_ids), dtype=np.int64)
        self.reset()

    @property
    def count(self) -> int:
        """B."""
        return len(self._rows)

    def reset(self, episode: int = 0) -> Observations:
        """Start every world's given episode."""
        self.worlds.state.world["episode"] = episode
        self.worlds.reset(self._rows)
        for lane in self.lanes:
            lane.reset(self.worlds.state)
        self._legal = [lane.masks() for lane in self.lanes]
        return self.observe()

    def look(self) -> None:
        """Bring what is legal in step, after worlds and views were put elsewhere by other means."""
        self._legal = [lane.masks() for lane in self.lanes]

    def observe(self) -> Observations:
        """What each seat sees, as the worlds stand; new arrays."""
        return [lane.observe() for lane in self.lanes]

    @property
    def legal(self) -> list[Bools]:
        """Per seat: bool[B, 1 + P * T'] of actions that are legal as far as it sees, as the last reset or step left it.

        Not to be written to.
        """
        return self._legal

    def step(self, actions: npt.NDArray[np.integer]) -> OwnersStep:
        """Propose an action per world and seat, then let `decide_every` ticks go by.

        A proposal that is not legal in its view is refused: that seat waits. So is one on a target on which a lower
        seat proposes in the same step.

        Args:
            actions: int[B, S], numbers of each seat's view; 0 waits.

        Raises:
            ValueError: wrong shape or type, or out of range; no world has changed then.
        """
        chosen = self._checked(actions)
        legal = np.stack([mask[self._rows, chosen[:, seat]] for seat, mask in enumerate(self._legal)], axis=1)
        decision = np.where(legal, chosen, 0).astype(np.int32)
        for seat, lane in enumerate(self.lanes):
            decision[:, seat] = lane.whole(decision[:, seat])
        before, tick = self.worlds.state.loss.copy(), self.worlds.state.world["tick"].copy()
        self._tick(decision)
        refused = ~legal | ((decision > 0) & ~self._entered(tick))
        for _ in range(self.game.scenario.decide_every - 1):
            self._tick(np.zeros_like(decision))
        self._legal = [lane.masks() for lane in self.lanes]
        loss = (self.worlds.state.loss - before) / NANO
        is_over = bool((self.worlds.state.world["tick"] >= self.game.scenario.horizon_ticks).all())
        return OwnersStep(self.observe(), loss, refused, is_over)

    def _tick(self, decision: npt.NDArray[np.int32]) -> None:
        self.worlds.tick(decision)
        for lane in self.lanes:
            lane.follow(self.worlds.state)

    def _entered(self, tick: npt.NDArray[np.int32]) -> Bools:
        """bool[B, S]: whether a proposal of the seat in that tick is on its way."""
        run = self.worlds.state.run
        new = (run["state"] != RunState.FREE) & (run["since"] == tick[:, None])
        seats = np.arange(len(self.owners))
        entered: Bools = (new[:, :, None] & (run["seat"][:, :, None] == seats)).any(axis=1)
        return entered

    def _checked(self, actions: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
        given, wanted = np.asarray(actions), (self.count, len(self.owners))
        if given.shape != wanted or given.dtype.kind not in "iu":
            raise ValueError(f"actions are {given.dtype}{list(given.shape)}; give integers of shape {list(wanted)}")
        for seat, (owner, lane) in enumerate(zip(self.owners, self.lanes, strict=True)):
            column, most = given[:, seat], len(lane.view.always) - 1
            if column.min() < 0 or column.max() > most:
                raise ValueError(f"actions of {owner!r} hold {column.min()}..{column.max()}; give 0..{most}")
        return given.astype(np.int32)


def seated(twin: Twin) -> tuple[str, ...]:
    """Ids of the owners with something to defend: any asset that is not outside."""
    defends = {asset.owner for asset in twin.assets if asset.kind is not AssetKind.EXTERNAL}
    return tuple(owner.id for owner in twin.owners if owner.id in defends)
