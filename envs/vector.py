"""Many worlds of one game for learners: observe, decide, step, with belief and observation kept alongside.

Flows in: actions, one per world. Flows out: observations, rewards, episode ends, masks. Every lane has a world id and
an episode number of its own, so what it returns does not depend on the other lanes. Episodes end at the horizon
(truncated, never terminated: an attacker may always come back); this class, not the kernel, starts the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..twin.rulebook.mask import fill_masks
from ..twin.rulebook.worlds import STREAM_ENVIRONMENT, Worlds
from ..twin.sensing.belief import new_belief, reset_belief, update_beliefs
from ..twin.sensing.observe import new_observation, observe_all
from .game import Game
from .reward import rewards

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of all worlds gave."""

    observation: npt.NDArray[np.uint8]  # [B, T, FEATURES], of the next episode where one ended
    reward: npt.NDArray[np.float32]  # [B]
    truncated: Bools  # [B]
    ended: npt.NDArray[np.int64]  # rows whose episode ended
    terminal_observation: npt.NDArray[np.uint8]  # [len(ended), T, FEATURES]
    terminal_loss: npt.NDArray[np.float64]  # [len(ended), O, LossCause] of the episodes that ended


class ResponseWorlds:
    """B worlds of a game, one coalition seat each; lives as long as its learner."""

    def __init__(self, game: Game, world_ids: Sequence[int], *, stream: int = STREAM_ENVIRONMENT) -> None:
        """Make and reset one world per id.

        Args:
            game: the game.
            world_ids: one per world; equal ids and streams play equal episodes.
            stream: of draws, see `rulebook.worlds.STREAM_*`.
        """
        self.game = game
        self.worlds = Worlds.make(
            game.compiled, game.effects, game.parameters, world_ids=np.asarray(world_ids, np.int64), stream=stream
        )
        self.belief = new_belief(game.compiled, len(world_ids), sees=game.sees)
        self._lanes = np.arange(len(world_ids), dtype=np.int64)
        self._observation = new_observation(game.compiled, len(world_ids))
        self._masks = np.empty((len(world_ids), game.actions), np.bool_)

    @property
    def count(self) -> int:
        """B."""
        return len(self._lanes)

    def reset(self, episode: int = 0) -> npt.NDArray[np.uint8]:
        """Start every world's given episode; gives uint8[B, T, FEATURES]."""
        self.worlds.state.world["episode"] = episode
        self.worlds.reset(self._lanes)
        reset_belief(self._lanes, self.belief)
        return self.observe()

    @property
    def observation(self) -> npt.NDArray[np.uint8]:
        """uint8[B, T, FEATURES] as the last reset or step gave it, not to be written to: cheaper than `observe`."""
        seen = self._observation.view()
        seen.flags.writeable = False
        return seen

    def observe(self) -> npt.NDArray[np.uint8]:
        """uint8[B, T, FEATURES] as it stands; a new array."""
        observe_all(self._lanes, self.game.compiled.arrays, self.worlds.state, self.belief, self._observation)
        return self._observation.copy()

    def masks(self) -> Bools:
        """bool[B, 1 + P * T] of legal actions; a new array."""
        fill_masks(self.game.always, self.game.compiled.arrays, self.game.effects, self.worlds.state, self._masks)
        return self._masks.copy()

    def held(self) -> npt.NDArray[np.float32]:
        """float32[B, N] believed probability that an attacker has any access; a new array."""
        asset = self.belief.asset
        believed: npt.NDArray[np.float32] = asset["user"] + asset["admin"]
        return believed

    def last_finding(self) -> npt.NDArray[np.int32]:
        """int32[B, N] tick of the last finding on each asset, -1 where the last step brought none; a new array."""
        last = self.belief.evidence["last"]
        is_new = last >= self.worlds.state.world["tick"][:, None] - self.game.scenario.decide_every
        return np.where(is_new, last, -1).astype(np.int32)

    def step(self, actions: npt.NDArray[np.integer]) -> Step:
        """Propose one legal action per world, then let `decide_every` ticks go by.

        Args:
            actions: int[B]; 0 waits.

        Raises:
            ValueError: wrong shape or type, out of range, or illegal; no world has changed then.
        """
        decision = self._decision(actions)
        illegal = np.flatnonzero(~self.masks()[self._lanes, decision[:, 0]])
        if len(illegal):
            lane = illegal[0]
            raise ValueError(f"world {lane}: action {decision[lane, 0]} is not legal now; take one that masks() allows")
        return self._advance(decision)

    def step_refusing(self, actions: npt.NDArray[np.integer]) -> Step:
        """As `step`, but an illegal action becomes an occurrence `refused`, and its world waits.

        Raises:
            ValueError: wrong shape or type, or out of range; no world has changed then.
        """
        return self._advance(self._decision(actions))

    def _decision(self, actions: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
        """int32[B, 1] of actions that are numbers of actions."""
        given = np.asarray(actions)
        if given.shape != (self.count,) or not np.issubdtype(given.dtype, np.integer):
            raise ValueError(
                f"actions are {given.dtype}{list(given.shape)}; give integers, one for each world: [{self.count}]"
            )
        if given.min() < 0 or given.max() >= self.game.actions:
            raise ValueError(f"actions hold {given.min()}..{given.max()}; give 0..{self.game.actions - 1}")
        return given.astype(np.int32).reshape(-1, 1)

    def _advance(self, decision: npt.NDArray[np.int32]) -> Step:
        before = self._losses()
        self._tick(decision)
        for _ in range(self.game.scenario.decide_every - 1):
            self._tick(np.zeros_like(decision))
        gained = rewards(before, self._losses())
        truncated = self.worlds.state.world["tick"] >= self.game.scenario.horizon_ticks
        ended = np.flatnonzero(truncated)
        observation = self.observe()
        terminal, loss = observation[ended], self.worlds.losses()[ended]
        if len(ended):
            self.worlds.state.world["episode"][ended] += 1
            self.worlds.reset(ended)
            reset_belief(ended, self.belief)
            observation = self.observe()
        return Step(observation, gained, truncated, ended, terminal, loss)

    def _tick(self, decision: npt.NDArray[np.int32]) -> None:
        self.worlds.tick(decision)
        self._follow()

    def _follow(self) -> None:
        """Bring belief in step with the tick that the worlds have just made."""
        game, state = self.game, self.worlds.state
        update_beliefs(self._lanes, game.compiled.arrays, game.effects, game.assumed, state, self.belief)

    def _losses(self) -> npt.NDArray[np.float64]:
        total: npt.NDArray[np.float64] = self.worlds.losses().sum(axis=(1, 2))
        return total


class UnseenWorlds(ResponseWorlds):
    """The same worlds without belief and observation, for policies that read neither: several times as fast."""

    def observe(self) -> npt.NDArray[np.uint8]:
        """uint8[B, 0, FEATURES]: nothing is seen."""
        return self._observation[:, :0]

    def _follow(self) -> None:
        """Believe nothing."""
