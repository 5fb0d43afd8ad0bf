"""Rolling worlds out under the policy: what a Ray worker does, as a plain class.

Flows in: weights. Flows out: one `Rollout` of numpy arrays. It learns nothing. Draws of actions come from a generator
of its own, so equal seeds give equal rollouts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..envs.active_worlds import ActiveWorlds
from ..envs.game import Game
from ..envs.vector import ResponseWorlds
from ..twin.rulebook.worlds import STREAM_ENVIRONMENT
from .imitate import IMITATED_LEVEL, decisions
from .network import PairNetwork
from .worth import Worth

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Rollout:
    """S steps of B worlds."""

    observations: Array  # uint8[S, B, K, width]
    masks: Array  # bool[S, B, 1 + P * K]
    actions: Array  # int64[S, B]
    rewards: Array  # float32[S, B], scaled; at truncation gamma * V(terminal observation) is added, as SB3 does
    starts: Array  # bool[S, B] the step is the first of its episode
    values: Array  # float32[S, B]
    log_probs: Array  # float32[S, B]
    last_values: Array  # float32[B] after the last step
    last_starts: Array  # bool[B]
    losses: Array  # float64[episodes] coalition loss of the episodes that ended


class Roller:
    """A batch of worlds with a copy of the policy; lives as long as its worker."""

    def __init__(self, game: Game, *, worlds: int, first_world: int, seed: int, gamma: float) -> None:
        """Make the worlds, spread over the episode; `first_world` keeps workers' worlds apart."""
        self._worlds = ActiveWorlds(
            ResponseWorlds(game, range(first_world, first_world + worlds), stream=STREAM_ENVIRONMENT)
        )
        self._network = PairNetwork(game.effects)
        self._generator = torch.Generator().manual_seed(seed)
        self._gamma = gamma
        self._worlds.reset(seed % 20_000 * 100_000)
        self._spread(worlds)

    def _spread(self, worlds: int) -> None:
        """Let the worlds stand at different times of an episode, so that each rollout holds all of them.

        The imitated rule defends until then, so that the first rollouts do not begin in chains that nobody defended.
        """
        length = decisions(self._worlds.game)
        start: Array = np.arange(worlds) * length // worlds
        rule = Worth(self._worlds.game, IMITATED_LEVEL)
        for number in range(length):
            rows = np.flatnonzero(start == number)
            if len(rows):
                self._worlds.worlds.begin_next(rows)
            step = self._worlds.advance(rule(self._worlds.worlds))
        self._observation, self._starts = step.observation, step.truncated.copy()

    def roll(self, weights: Mapping[str, torch.Tensor], steps: int, scale: float) -> Rollout:
        """Play `steps` decisions in every world under the given weights; rewards are multiplied by `scale`."""
        self._network.load_state_dict(dict(weights))
        rows: list[tuple[Array, ...]] = []
        losses: list[Array] = []
        for _ in range(steps):
            observation, starts, masks = self._observation, self._starts, self._worlds.masks()
            actions, values, log_probs = self._decide(observation, masks)
            step = self._worlds.step(actions)
            rewards = step.reward * np.float32(scale)
            if len(step.ended):
                rewards[step.ended] += self._gamma * self._values(step.terminal_observation)
                losses.append(step.terminal_loss.sum(axis=(1, 2)))
            rows.append((observation, masks, actions, rewards, starts, values, log_probs))
            self._observation, self._starts = step.observation, step.truncated.copy()
        columns: list[Any] = [np.stack(column) for column in zip(*rows, strict=True)]
        ended = np.concatenate(losses) if losses else np.zeros(0)
        return Rollout(*[*columns, self._values(self._observation), self._starts, ended])

    @torch.no_grad()
    def _decide(self, observation: Array, masks: Array) -> tuple[Array, Array, Array]:
        logits, values = self._network(torch.from_numpy(observation), torch.from_numpy(masks))
        log_probs = torch.log_softmax(logits, dim=1)
        actions = torch.multinomial(log_probs.exp(), 1, generator=self._generator)
        return actions[:, 0].numpy(), values[:, 0].numpy(), log_probs.gather(1, actions)[:, 0].numpy()

    @torch.no_grad()
    def _values(self, observation: Array) -> Array:
        values: Array = self._network.values(torch.from_numpy(observation))[:, 0].numpy()
        return values
