"""The warm start: behaviour cloning of the threshold rule, and values of the situations it meets.

Flows in: a game and a fresh network. Flows out: the same network, acting much like the rule, and the scale that brings
returns to about 1. PPO then starts from a policy that does no harm. The rule sees belief alone, never hidden truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ..envs.active_worlds import ActiveWorlds
from ..envs.game import Game
from ..envs.vector import ResponseWorlds
from .baselines import Threshold
from .network import PairNetwork
from .settings import TrainSettings

STREAM_IMITATION = 12  # of draws; neither training, validation nor evaluation plays it
IMITATED_LEVEL = 0.4  # of belief at which the rule acts; best of 0.2 to 0.9 over 1,000 attacks of the charging scenario
RATE, LEAST_RATE = 1e-2, 1e-4  # Adam's, falling linearly over the passes; 3e-3 left a policy that hardly acts
MINIBATCH = 64  # many small steps: with 512 rows a step it hardly acted
VALUE_WEIGHT = 0.5  # of the value's fault beside the actor's, as in SB3's PPO
SPARED_WAITS = 8  # rows in which the rule waits that are kept per decision at the least; assumed


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the rule did, R rows; waiting is thinned out and weighs more instead."""

    observations: npt.NDArray[np.uint8]  # [R, K, width]
    actions: npt.NDArray[np.int64]  # [R]
    masks: npt.NDArray[np.bool_]  # [R, 1 + P * K]
    weights: npt.NDArray[np.float32]  # [R]
    returns: npt.NDArray[np.float32]  # [R] discounted, scaled
    scale: float  # of rewards, so that returns have a standard deviation of 1


def imitate(network: PairNetwork, game: Game, settings: TrainSettings) -> float:
    """Clone the threshold rule into a fresh network; gives the scale of rewards, per owner-hour."""
    lesson = watch(game, settings)
    if settings.imitation_passes:
        clone(network, lesson, settings)
    return lesson.scale


def watch(game: Game, settings: TrainSettings) -> Lesson:
    """Play one episode of each imitation world by the rule and note what it did."""
    worlds = ActiveWorlds(ResponseWorlds(game, range(settings.imitation_worlds), stream=STREAM_IMITATION))
    rule, rng = Threshold(game, IMITATED_LEVEL), np.random.default_rng(settings.seed)
    observation = worlds.reset(settings.seed)
    rewards, kept = [], []
    for decision in range(decisions(game)):
        chosen, masks = rule(worlds.worlds), worlds.masks()
        actions = worlds.slotted(chosen).astype(np.int64)
        acting, waiting = np.flatnonzero(actions), rng.permutation(np.flatnonzero(actions == 0))
        spared = waiting[: max(SPARED_WAITS, len(acting))]
        rows = np.concatenate([acting, spared])
        weights = np.where(actions[rows] == 0, len(waiting) / max(len(spared), 1), 1.0).astype(np.float32)
        kept.append((observation[rows], actions[rows], masks[rows], weights, np.full(len(rows), decision), rows))
        step = worlds.advance(chosen)
        observation = step.observation
        rewards.append(step.reward)
    observed, actions, masks, weights, when, world = (np.concatenate(column) for column in zip(*kept, strict=True))
    returns = discounted(np.stack(rewards), settings.gamma)
    scale = 1.0 / max(float(returns.std()), 1e-6)
    return Lesson(observed, actions, masks, weights, returns[when, world] * np.float32(scale), scale)


def decisions(game: Game) -> int:
    """Decisions in an episode."""
    return -(-game.scenario.horizon_ticks // game.scenario.decide_every)


def discounted(rewards: npt.NDArray[np.float32], gamma: float) -> npt.NDArray[np.float32]:
    """float32[S, B] returns of rewards float32[S, B], as if the last quarter's mean went on after the end."""
    tail = rewards[-max(1, len(rewards) // 4) :].mean()
    following = np.full(rewards.shape[1], tail / max(1.0 - gamma, 1e-3), np.float32)
    returns = np.empty_like(rewards)
    for step in range(len(rewards) - 1, -1, -1):
        following = rewards[step] + np.float32(gamma) * following
        returns[step] = following
    return returns


def clone(network: PairNetwork, lesson: Lesson, settings: TrainSettings) -> None:
    """Fit actor and value to a lesson."""
    columns = (lesson.observations, lesson.actions, lesson.masks, lesson.weights, lesson.returns)
    tensors = [torch.from_numpy(column) for column in columns]
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    shuffle = torch.Generator().manual_seed(settings.seed)
    for number in range(settings.imitation_passes):
        for group in optimizer.param_groups:
            group["lr"] = max(LEAST_RATE, RATE * (1.0 - number / settings.imitation_passes))
        for rows in torch.split(torch.randperm(len(lesson.actions), generator=shuffle), MINIBATCH):
            observations, actions, masks, weights, returns = (tensor[rows] for tensor in tensors)
            logits, values = network(observations, masks)
            faults = torch.nn.functional.cross_entropy(logits, actions, reduction="none")
            faults = faults + VALUE_WEIGHT * (values[:, 0] - returns) ** 2
            optimizer.zero_grad()
            ((faults * weights).sum() / weights.sum()).backward()
            optimizer.step()
