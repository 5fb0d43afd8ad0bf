"""One training run, readable top to bottom: imitate, roll out on Ray, learn with SB3's MaskablePPO, keep the best.

Flows in: a scenario and settings. Flows out: a policy file and what was measured on the way. The first part of the time
goes into imitating the threshold rule (behaviour cloning), while Ray starts; then PPO improves on it. Weights are kept
by their loss on worlds of a stream that neither training nor evaluation uses.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.buffers import MaskableRolloutBuffer
from stable_baselines3.common.logger import Logger

from ..envs.game import Game, load_game
from ..envs.policy_file import NumpyPolicy, save_policy
from ..envs.scenario import Scenario
from ..envs.vector import ResponseWorlds
from .baselines import BatchPolicy, Learned, Threshold
from .policy import PairPolicy, action_space, observation_space
from .rollout import Rollout
from .settings import TrainSettings
from .workers import Crew, start_ray

STREAM_VALIDATION, STREAM_IMITATION = 11, 12
IMITATED_LEVEL = 0.6  # of belief at which the imitated rule acts
RESERVE_S = 6.0  # kept for the last validation and for writing


@dataclass
class Report:
    """What a run measured; grows while it runs."""

    samples: int = 0
    iterations: int = 0
    replaced_workers: int = 0
    seconds: float = 0.0
    validation: list[tuple[float, float]] = field(default_factory=list)  # (seconds, mean loss)
    losses: list[tuple[float, float]] = field(default_factory=list)  # (seconds, mean loss of ended episodes)
    best_loss: float = float("inf")


Progress = Callable[[Report], None]


def train(scenario: Scenario, settings: TrainSettings, out: Path, progress: Progress = lambda _: None) -> Report:
    """Train within the time given and write the policy file.

    Raises:
        TrainError: no worker could be had.
        PolicyFileError: the file cannot be written.
    """
    began = time.monotonic()
    start_ray(settings.workers)
    crew = Crew(scenario, settings)
    try:
        game = load_game(scenario)
        torch.manual_seed(settings.seed)
        learner = make_learner(game, settings)
        report, best = Report(), _Best(game, settings)
        imitate_until = began + settings.seconds * settings.imitation_share
        _imitate(learner, game, settings, imitate_until)
        best.consider(learner, report, began)
        while time.monotonic() - began < settings.seconds - RESERVE_S:
            _iterate(learner, crew, settings, report, began)
            if report.iterations % 5 == 0:
                best.consider(learner, report, began)
            progress(report)
        best.consider(learner, report, began)
        report.replaced_workers = crew.replaced
    finally:
        crew.stop()
    report.seconds = time.monotonic() - began
    save_policy(out, best.weights, _card(game, settings, report))
    return report


def make_learner(game: Game, settings: TrainSettings) -> MaskablePPO:
    """SB3's MaskablePPO on the game's spaces, without an environment: workers bring the data."""
    batch = settings.steps * settings.worlds * settings.workers // settings.minibatches
    learner = MaskablePPO(
        PairPolicy,
        None,
        learning_rate=settings.learning_rate,
        n_steps=settings.steps,
        batch_size=max(1, batch),
        n_epochs=settings.epochs,
        gamma=settings.gamma,
        gae_lambda=settings.gae_lambda,
        ent_coef=settings.entropy,
        seed=settings.seed,
        policy_kwargs={"game": game},
        device="cpu",
        _init_setup_model=False,
    )
    learner.observation_space, learner.action_space = observation_space(game), action_space(game)
    learner.n_envs = settings.worlds * settings.workers
    learner._setup_model()
    learner.set_logger(Logger(folder=None, output_formats=[]))
    return learner


def fill_buffer(learner: MaskablePPO, rollouts: list[Rollout]) -> MaskableRolloutBuffer:
    """Put workers' rollouts side by side into SB3's buffer; advantages are SB3's own."""
    worlds = sum(rollout.actions.shape[1] for rollout in rollouts)
    buffer = MaskableRolloutBuffer(
        learner.n_steps,
        learner.observation_space,
        learner.action_space,
        learner.device,
        gamma=learner.gamma,
        gae_lambda=learner.gae_lambda,
        n_envs=worlds,
    )
    joined = {name: np.concatenate([getattr(one, name) for one in rollouts], axis=1) for name in _STEPWISE}
    for step in range(learner.n_steps):
        buffer.add(
            joined["observations"][step],
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


def _iterate(learner: MaskablePPO, crew: Crew, settings: TrainSettings, report: Report, began: float) -> None:
    rollouts = crew.collect(learner.policy.network.state_dict())
    learner.rollout_buffer = fill_buffer(learner, rollouts)
    learner._current_progress_remaining = max(0.0, 1.0 - (time.monotonic() - began) / settings.seconds)
    learner.train()
    report.iterations += 1
    report.samples += sum(rollout.actions.size for rollout in rollouts)
    ended = np.concatenate([rollout.losses for rollout in rollouts])
    if len(ended):
        report.losses.append((time.monotonic() - began, float(ended.mean())))


def _imitate(learner: MaskablePPO, game: Game, settings: TrainSettings, until: float) -> None:
    """Behaviour cloning of the threshold rule, actor only, until the time is up."""
    worlds = ResponseWorlds(game, range(128), stream=STREAM_IMITATION)
    rule, network = Threshold(game, IMITATED_LEVEL), learner.policy.network
    observation = worlds.reset(episode=settings.seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    kept: list[tuple[Any, ...]] = []
    while time.monotonic() < until:
        actions, masks = rule(worlds), worlds.masks()
        acting = np.flatnonzero(actions)
        waiting = np.flatnonzero(actions == 0)[: max(8, len(acting))]
        rows = np.concatenate([acting, waiting])
        weight = np.where(actions[rows] == 0, (worlds.count - len(acting)) / max(len(waiting), 1), 1.0)
        kept.append((observation[rows], actions[rows], masks[rows], weight.astype(np.float32)))
        observation = worlds.step(actions).observation
        if len(kept) == 8:
            _clone(network, optimizer, [np.concatenate(column) for column in zip(*kept, strict=True)])
            kept = []


def _clone(network: Any, optimizer: torch.optim.Optimizer, batch: list[Any]) -> None:
    observation, actions, masks, weight = (torch.from_numpy(array) for array in batch)
    for _ in range(3):
        logits, _ = network(observation)
        logits = logits.masked_fill(~masks, -1e8)
        faults = torch.nn.functional.cross_entropy(logits, actions.long(), reduction="none")
        optimizer.zero_grad()
        ((faults * weight).sum() / weight.sum()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


class _Best:
    """Keeps the weights that lost least on the validation worlds; lives as long as its run."""

    def __init__(self, game: Game, settings: TrainSettings) -> None:
        self._game, self._settings = game, settings
        self.weights: dict[str, Any] = {}

    def consider(self, learner: MaskablePPO, report: Report, began: float) -> None:
        """Validate the learner's present weights; keep them if they are the best so far."""
        weights = learner.policy.network.numpy_weights()
        loss = mean_loss(self._game, Learned(self._game, NumpyPolicy(weights, {})), self._settings.validation_worlds)
        report.validation.append((time.monotonic() - began, loss))
        if loss < report.best_loss:
            report.best_loss, self.weights = loss, weights


def mean_loss(game: Game, policy: BatchPolicy, worlds: int) -> float:
    """Mean coalition loss over one episode of each validation world."""
    batch = ResponseWorlds(game, range(worlds), stream=STREAM_VALIDATION)
    batch.reset()
    losses = np.zeros(worlds)
    for _ in range(-(-game.scenario.horizon_ticks // game.scenario.decide_every)):
        step = batch.step(policy(batch))
        losses[step.ended] = step.terminal_loss.sum(axis=(1, 2))
    return float(losses.mean())


def _card(game: Game, settings: TrainSettings, report: Report) -> dict[str, Any]:
    from .. import __version__

    return {
        "tocsin": __version__,
        "scenario": game.scenario.name,
        "library": game.library.digest,
        "playbooks": list(game.library.names),
        "settings": asdict(settings),
        "how": "behaviour cloning of the threshold rule, then MaskablePPO; best weights by validation",
        "samples": report.samples,
        "validation_loss": report.best_loss,
    }
