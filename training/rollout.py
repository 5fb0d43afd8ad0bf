"""Rolling worlds out under a policy: what a worker does, as a plain class.

Flows in: a policy of SB3's interface. Flows out: one `Rollout` of numpy arrays, the same that SB3's `collect_rollouts`
would have put into its buffer (tested). It learns nothing. Draws of actions come from a state of torch's generator that
is this roller's own, so equal seeds give equal rollouts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.utils import obs_as_tensor

from ..envs.active_worlds import ActiveWorlds
from ..envs.joined import JoinedWorlds
from ..envs.vector import ResponseWorlds
from ..twin.rulebook.worlds import STREAM_ENVIRONMENT
from .family import Chain, dealt
from .imitate import IMITATED_LEVEL
from .worth import Worth

Array = npt.NDArray[Any]
Observation = Array | dict[str, Array]  # as the policy's observation space has it


@dataclass(frozen=True, slots=True)
class Rollout:
    """S steps of B worlds."""

    observations: Observation  # [S, B, ...]
    masks: Array  # bool[S, B, A]
    actions: Array  # int64[S, B]
    rewards: Array  # float32[S, B], scaled; at truncation gamma * V(terminal observation) is added, as SB3 does
    starts: Array  # bool[S, B] the step is the first of its episode
    values: Array  # float32[S, B]
    log_probs: Array  # float32[S, B]
    last_values: Array  # float32[B] after the last step
    last_starts: Array  # bool[B]
    losses: Array  # float64[episodes] coalition loss of the episodes that ended, in their chains' units


def each(work: Callable[..., Array], *observations: Observation) -> Observation:
    """Apply a function of arrays to observations, part by part where they have parts."""
    first = observations[0]
    if isinstance(first, dict):
        return {name: work(*[one[name] for one in observations]) for name in first}  # type: ignore[call-overload]
    return work(*observations)


def stacked(observations: Sequence[Observation]) -> Observation:
    """Observations of steps along a new first axis."""
    return each(lambda *parts: np.stack(parts), *observations)


class Roller:
    """A batch of worlds of one chain or several; lives as long as its worker or its stage."""

    def __init__(self, chains: Sequence[Chain], *, worlds: int, first_world: int, seed: int, gamma: float) -> None:
        """Make the worlds, spread over the episode; `first_world` keeps workers' worlds apart."""
        counts = dealt(worlds, chains)
        parts, units, first = list[ActiveWorlds](), list[Array](), first_world
        for chain, count in zip(chains, counts, strict=True):
            if not count:
                continue
            ids = range(first, first + count)
            parts.append(ActiveWorlds(ResponseWorlds(chain.game, ids, stream=STREAM_ENVIRONMENT)))
            units.append(np.full(count, chain.unit, np.float64))
            first += count
        self._worlds = JoinedWorlds(parts)
        self._units = np.concatenate(units)
        self._draws = torch.Generator().manual_seed(seed).get_state()
        self._gamma = gamma
        episode = int(np.random.SeedSequence(seed).generate_state(1)[0]) % 20_000 * 100_000
        starts = list[Array]()
        for number, part in enumerate(parts):
            part.reset(episode)
            starts.append(_spread(part, number / len(parts)))
        self._observation: Observation = self._worlds.look()
        self._starts = np.concatenate(starts)

    def roll(self, policy: MaskableActorCriticPolicy, steps: int, scale: float) -> Rollout:
        """Play `steps` decisions in every world; rewards are multiplied by `scale`."""
        policy.set_training_mode(False)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.set_rng_state(self._draws)
            rollout = self._roll(policy, steps, np.float32(scale))
            self._draws = torch.get_rng_state()
        return rollout

    def _roll(self, policy: MaskableActorCriticPolicy, steps: int, scale: np.float32) -> Rollout:
        rows: list[tuple[Any, ...]] = []
        losses: list[Array] = []
        for _ in range(steps):
            observation, starts, masks = self._observation, self._starts, self._worlds.masks()
            actions, values, log_probs = policy(obs_as_tensor(observation, policy.device), action_masks=masks)
            chosen = actions.cpu().numpy()
            step = self._worlds.step(chosen)
            rewards = (step.reward / self._units).astype(np.float32) * scale
            if len(step.ended):
                rewards[step.ended] += self._gamma * _values(policy, step.terminal_observation)
                losses.append(step.terminal_loss / self._units[step.ended])
            rows.append((masks, chosen, rewards, starts, values.cpu().numpy()[:, 0], log_probs.cpu().numpy()))
            rows[-1] = (observation, *rows[-1])
            self._observation, self._starts = step.observation, step.truncated.copy()
        seen, *columns = zip(*rows, strict=True)
        ended = np.concatenate(losses) if losses else np.zeros(0)
        last = _values(policy, self._observation)
        arrays: list[Any] = [stacked(seen), *[np.stack(column) for column in columns], last, self._starts, ended]
        return Rollout(*arrays)

    def state(self) -> dict[str, Any]:
        """Everything that its future depends on, beside the policy: arrays by name, for a checkpoint."""
        return {
            "draws": self._draws.numpy().copy(),
            "starts": self._starts.copy(),
            "worlds": self._worlds.snapshot(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from where a roller of the same chains and number of worlds stood.

        Raises:
            ValueError: it was of other sizes; nothing has changed then.
        """
        self._observation = self._worlds.restore(state["worlds"])
        self._starts = np.asarray(state["starts"], bool).copy()
        self._draws = torch.from_numpy(np.asarray(state["draws"], np.uint8).copy())


def _spread(part: ActiveWorlds, offset: float) -> Array:
    """Let worlds stand at different times of an episode, so that each rollout holds all of them.

    Gives bool[B]: those that stand at the start of one.

    The imitated rule defends until then, so that the first rollouts do not begin in chains that nobody defended.

    Args:
        part: worlds of one chain.
        offset: of its worlds' times within their spacing, 0 to 1, so that chains with few worlds differ.
    """
    length = part.game.decisions
    start: Array = ((np.arange(part.count) + offset) * length // part.count).astype(np.int64)
    rule = Worth(part.game, IMITATED_LEVEL)
    for number in range(length):
        rows = np.flatnonzero(start == number)
        if len(rows):
            part.worlds.begin_next(rows)
        step = part.advance(rule(part.worlds))
    return step.truncated.copy()


def _values(policy: MaskableActorCriticPolicy, observation: Observation) -> Array:
    values: Array = policy.predict_values(obs_as_tensor(observation, policy.device)).cpu().numpy()[:, 0]
    return values
