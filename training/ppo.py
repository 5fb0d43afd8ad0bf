"""SB3's MaskablePPO over a group: every member learns from its own worlds, all take the same step.

Flows in: rollouts of one member. Flows out: parameters that are equal on all members, bit by bit. Losses, clipping and
Adam are SB3's own `train()`; what is added: minibatches and the normalisation of advantages are those of all members'
data together, and gradients are summed over the group before their norm is cut (DD-PPO, Wijmans et al. 2020). A group
of one gives SB3's own parameters, and two members those of one that has the data of both (tested).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.buffers import MaskableDictRolloutBuffer, MaskableRolloutBuffer
from stable_baselines3.common.logger import Logger

from ..envs.game import Game
from .group import Alone, Group
from .player import Player
from .policy import PairPolicy, action_space, observation_space
from .rollout import Rollout, each
from .settings import TrainSettings

FLATTENED = ("observations", "actions", "values", "log_probs", "advantages", "returns", "action_masks")


class _Shared:
    """Minibatches of everyone's data, of which each member gets its own rows; mixed into SB3's buffers."""

    order: np.random.RandomState  # as numpy's global one, which SB3 draws from; in step on all members
    minibatches: int
    share = 1.0  # of the present minibatch's rows that are this member's

    def agree(self: Any, group: Group, order: np.random.RandomState, minibatches: int) -> None:
        """Learn how many rows the others have, and their advantages."""
        self.order, self.minibatches = order, minibatches
        mine = torch.from_numpy(self.swap_and_flatten(self.advantages).ravel())
        parts = group.gather(mine)
        self._first = sum(len(part) for part in parts[: group.rank])
        self._own = len(mine)
        self._everyones = torch.cat(parts)

    def get(self: Any, batch_size: int | None = None) -> Iterator[Any]:
        """Yield this member's rows of each minibatch of one pass; SB3's `train` reads them."""
        self._flatten()
        total = len(self._everyones)
        rows = self.order.permutation(total)
        size = -(-total // self.minibatches)
        for start in range(0, total, size):
            taken = rows[start : start + size]
            advantages = self._everyones[taken]
            mean, deviation = 0.0, 1.0
            if len(taken) > 1:
                mean, deviation = advantages.mean(), advantages.std() + 1e-8
            own = taken[(taken >= self._first) & (taken < self._first + self._own)] - self._first
            self.share = len(own) / len(taken)
            samples = self._get_samples(own if len(own) else np.zeros(1, np.int64))  # weighs nothing if it has none
            yield samples._replace(advantages=(samples.advantages - mean) / deviation)

    def _flatten(self: Any) -> None:
        if self.generator_ready:
            return
        for name in FLATTENED:
            setattr(self, name, each(self.swap_and_flatten, getattr(self, name)))
        self.generator_ready = True


class SharedBuffer(_Shared, MaskableRolloutBuffer):
    """For observations that are one array."""


class SharedDictBuffer(_Shared, MaskableDictRolloutBuffer):
    """For observations in parts."""


class GroupPPO(MaskablePPO):
    """MaskablePPO without an environment; `group` may be exchanged between updates."""

    group: Group = Alone()

    def _setup_model(self) -> None:
        super()._setup_model()
        self.order = np.random.RandomState(self.seed)
        self.iterations = 0
        self.policy.optimizer.register_step_pre_hook(self._sum_gradients)

    def _sum_gradients(self, *_: Any) -> None:
        """Between SB3's backward pass and Adam's step."""
        parameters = self.policy.optimizer.param_groups[0]["params"]
        if self.group.size > 1:
            parts = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
            flat = torch.cat([part.reshape(-1) for part in parts]) * self.rollout_buffer.share
            self.group.add_up(flat)
            for one, part in zip(parameters, torch.split(flat, [one.numel() for one in parameters]), strict=True):
                one.grad = part.view_as(one)
        torch.nn.utils.clip_grad_norm_(parameters, self.longest)

    def update(self, rollouts: Sequence[Rollout], left: float) -> dict[str, float]:
        """Learn from rollouts; gives SB3's figures of it.

        Args:
            rollouts: of this member's worlds.
            left: what is left of the run, 1 to 0; the learning rate falls with it.

        Raises:
            GroupError: a member is gone or late; parameters and optimizer are as before.
        """
        before = self.state()
        try:
            self.rollout_buffer = fill_buffer(self, rollouts)
            self.rollout_buffer.agree(self.group, self.order, self.minibatches)
            self._current_progress_remaining = left
            self.train()
        except BaseException:
            self.restore(before)
            raise
        self.iterations += 1
        told = {name.removeprefix("train/"): float(value) for name, value in self.logger.name_to_value.items()}
        self.logger.name_to_value.clear()
        return told

    def state(self) -> dict[str, Any]:
        """Parameters, optimizer, order of minibatches, counter; copies, fit for a checkpoint."""
        order: Any = self.order.get_state(legacy=False)["state"]
        optimizer = self.policy.optimizer.state_dict()
        return {
            "policy": {name: tensor.detach().cpu().clone() for name, tensor in self.policy.state_dict().items()},
            "optimizer": {"state": _copied(optimizer["state"]), "groups": _copied(optimizer["param_groups"])},
            "order": {"keys": torch.from_numpy(order["key"].astype(np.int64)), "place": int(order["pos"])},
            "iterations": self.iterations,
            "updates": self._n_updates,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Be as the learner was that gave this state."""
        self.policy.load_state_dict(state["policy"])
        optimizer = {"state": _copied(state["optimizer"]["state"]), "param_groups": state["optimizer"]["groups"]}
        self.policy.optimizer.load_state_dict(optimizer)
        keys, place = np.asarray(state["order"]["keys"], np.uint32), state["order"]["place"]
        self.order.set_state({"bit_generator": "MT19937", "state": {"key": keys, "pos": place}})
        self.iterations, self._n_updates = state["iterations"], state["updates"]

    def digest(self) -> str:
        """Of all parameters, bit by bit."""
        found = hashlib.sha256()
        for name, tensor in sorted(self.policy.state_dict().items()):
            found.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
        return found.hexdigest()


def _copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copied(part) for part in value]
    return value


def make_learner(game: Game, settings: TrainSettings, player: Player | None = None) -> GroupPPO:
    """A learner without an environment: rollouts bring the data. Without a `player` the defender of the game."""
    if player is None:
        player = Player(PairPolicy, observation_space(game), action_space(game), {"game": game})
    learner = GroupPPO(
        player.policy,
        None,
        learning_rate=lambda left: settings.learning_rate * left,
        n_steps=settings.steps,
        batch_size=1,  # SB3's; the shared buffer makes minibatches of everyone's rows
        n_epochs=settings.epochs,
        gamma=settings.gamma,
        gae_lambda=settings.gae_lambda,
        clip_range=settings.clip,
        normalize_advantage=False,  # the shared buffer does, over all members
        ent_coef=settings.entropy,
        vf_coef=settings.value_weight,
        max_grad_norm=math.inf,  # cut after the sum instead, see `_sum_gradients`
        rollout_buffer_class=SharedDictBuffer if hasattr(player.observed, "spaces") else SharedBuffer,
        seed=settings.seed,
        policy_kwargs=dict(player.settings),
        device="cuda" if settings.gpus and torch.cuda.is_available() else "cpu",
        _init_setup_model=False,
    )
    learner.observation_space, learner.action_space = player.observed, player.actions
    learner.n_envs = settings.worlds
    learner.longest, learner.minibatches = settings.gradient_norm, settings.minibatches
    learner._setup_model()
    learner.set_logger(Logger(folder=None, output_formats=[]))
    return learner


def fill_buffer(learner: GroupPPO, rollouts: Sequence[Rollout]) -> Any:
    """Put rollouts side by side into SB3's buffer; advantages are SB3's own."""
    worlds = sum(rollout.actions.shape[1] for rollout in rollouts)
    buffer = learner.rollout_buffer_class(
        learner.n_steps,
        learner.observation_space,
        learner.action_space,
        learner.device,
        gamma=learner.gamma,
        gae_lambda=learner.gae_lambda,
        n_envs=worlds,
    )
    joined = {name: _beside([getattr(one, name) for one in rollouts]) for name in _STEPWISE}
    for step in range(learner.n_steps):
        buffer.add(
            each(lambda part, step=step: part[step], joined["observations"]),
            joined["actions"][step],
            joined["rewards"][step],
            joined["starts"][step],
            torch.from_numpy(joined["values"][step]),
            torch.from_numpy(joined["log_probs"][step]),
            action_masks=joined["masks"][step],
        )
    last = torch.from_numpy(np.concatenate([rollout.last_values for rollout in rollouts]))
    dones = np.concatenate([rollout.last_starts for rollout in rollouts])
    buffer.compute_returns_and_advantage(last_values=last, dones=dones)
    return buffer


_STEPWISE = ("observations", "masks", "actions", "rewards", "starts", "values", "log_probs")


def _beside(parts: Sequence[Any]) -> Any:
    return each(lambda *arrays: np.concatenate(arrays, axis=1), *parts)
