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

from ..envs.joined import JoinedWorlds, Part
from ..twin.rulebook.worlds import STREAM_ENVIRONMENT
from .family import Chain, dealt
from .metering import COSTS, Metering
from .seats import PHASES, Seating, start

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
    costs: Array  # float64[3] of an attack, the mean, as `metering.COSTS`; nan where they were not metered
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

    def __init__(
        self,
        chains: Sequence[Chain],
        *,
        worlds: int,
        first_world: int,
        seed: int,
        gamma: float,
        seating: Seating = Seating(),  # noqa: B008  frozen
    ) -> None:
        """Make the worlds, spread over the episode; `first_world` keeps workers' worlds apart."""
        parts, units, first = list[Part](), list[Array](), first_world
        for chain, count in zip(chains, dealt(worlds, chains), strict=True):
            if not count:
                continue
            batches = -(-PHASES // len(chains))
            ids, play = range(first, first + count), chain.play or seating
            made = play.parts(chain.game, ids, stream=STREAM_ENVIRONMENT, batches=batches)
            units += [np.full(part.count, chain.unit, np.float64) for part in made]
            parts += made
            first += count
        self._worlds = JoinedWorlds(parts)
        self._metering = Metering(self._worlds)
        self._units = np.concatenate(units)
        self._draws = torch.Generator().manual_seed(seed).get_state()
        self._gamma = gamma
        episode = int(np.random.SeedSequence(seed).generate_state(1)[0]) % 20_000 * 100_000
        self._starts: Array = np.concatenate([start(part, episode, n / len(parts)) for n, part in enumerate(parts)])
        self._observation: Observation = self._worlds.look()

    def roll(self, policy: MaskableActorCriticPolicy, steps: int, scale: float, prices: Array | None = None) -> Rollout:
        """Play `steps` decisions in every world.

        Args:
            policy: chooses actions.
            steps: decisions.
            scale: rewards are multiplied by it.
            prices: float64[3], taken off rewards per cost, in the chains' units; costs are then metered.
        """
        policy.set_training_mode(False)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.set_rng_state(self._draws)
            rollout = self._roll(policy, steps, np.float32(scale), prices)
            self._draws = torch.get_rng_state()
        return rollout

    def _roll(self, policy: MaskableActorCriticPolicy, steps: int, scale: np.float32, prices: Array | None) -> Rollout:
        rows: list[tuple[Any, ...]] = []
        costs: list[Array] = []
        losses: list[Array] = []
        for _ in range(steps):
            observation, starts, masks = self._observation, self._starts, self._worlds.masks()
            actions, values, log_probs = policy(obs_as_tensor(observation, policy.device), action_masks=masks)
            chosen = actions.cpu().numpy()
            if prices is not None:
                costs.append(self._metering.read(chosen))
            step = self._worlds.step(chosen)
            worth = step.reward / self._units
            if prices is not None:
                worth = worth - costs[-1] @ prices
            rewards = worth.astype(np.float32) * scale
            if len(step.ended):
                rewards[step.ended] += self._gamma * _values(policy, step.terminal_observation)
                losses.append(step.terminal_loss / self._units[step.ended])
            rows.append((masks, chosen, rewards, starts, values.cpu().numpy()[:, 0], log_probs.cpu().numpy()))
            rows[-1] = (observation, *rows[-1])
            self._observation, self._starts = step.observation, step.truncated.copy()
        seen, *columns = zip(*rows, strict=True)
        ended = np.concatenate(losses) if losses else np.zeros(0)
        last = _values(policy, self._observation)
        spent = np.full(len(COSTS), np.nan) if prices is None else self._metering.per_attack(costs)
        arrays: list[Any] = [stacked(seen), *[np.stack(column) for column in columns], last, self._starts, spent, ended]
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


def _values(policy: MaskableActorCriticPolicy, observation: Observation) -> Array:
    values: Array = policy.predict_values(obs_as_tensor(observation, policy.device)).cpu().numpy()[:, 0]
    return values
