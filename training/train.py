"""One training run, readable top to bottom: imitate, roll out on Ray, learn with SB3's MaskablePPO, keep the best.

Flows in: a scenario and settings. Flows out: a policy file and what was measured on the way. The first part of the time
goes into imitating a rule on belief (behaviour cloning), while Ray starts; then PPO improves on it. Weights are kept
by their loss on worlds of a stream that neither training nor evaluation uses.
"""

from __future__ import annotations

import os
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

from ..envs.active import ACTIVE_FEATURES
from ..envs.game import Game, load_game
from ..envs.policy_file import NumpyPolicy, save_policy
from ..envs.scenario import Scenario
from .baselines import Learned
from .imitate import imitate
from .policy import PairPolicy, action_space, observation_space
from .rollout import Rollout
from .settings import TrainSettings
from .validate import validation_losses
from .workers import Crew, start_ray, stop_ray

STOP_S = 2.0  # seconds kept for ending Ray and writing the file
VALIDATION_SLACK = 1.2  # the last validation may take this much longer than the first


@dataclass
class Report:
    """What a run measured; grows while it runs."""

    began: float = field(default_factory=time.monotonic)
    stage: str = "starting Ray"
    samples: int = 0
    iterations: int = 0
    replaced_workers: int = 0
    seconds: float = 0.0
    validation: list[tuple[float, float]] = field(default_factory=list)  # (seconds, mean loss)
    losses: list[tuple[float, float]] = field(default_factory=list)  # (seconds, mean loss of ended episodes)
    best_loss: float = float("inf")

    def clock(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began

    def note(self, rollouts: list[Rollout]) -> None:
        """Count one iteration."""
        self.iterations += 1
        self.samples += sum(rollout.actions.size for rollout in rollouts)
        ended = np.concatenate([rollout.losses for rollout in rollouts])
        if len(ended):
            self.losses.append((self.clock(), float(ended.mean())))


Progress = Callable[[Report], None]


def train(scenario: Scenario, settings: TrainSettings, out: Path, progress: Progress = lambda _: None) -> Report:
    """Train within the time given and write the policy file.

    Raises:
        TrainError: no worker could be had.
        PolicyFileError: the file cannot be written.
    """
    report = Report()
    until = report.began + settings.seconds - STOP_S
    started = start_ray(settings.workers)
    crew = Crew(scenario, settings)
    try:
        game = load_game(scenario)
        torch.set_num_threads(len(os.sched_getaffinity(0)))  # workers wait while it learns
        learner = make_learner(game, settings)
        report.stage = "imitating"
        progress(report)
        scale = imitate(learner.policy.network, game, settings)
        best = _Best(game, settings)
        _improve(learner, crew, best, Clock(until, scale, progress), report)
        report.replaced_workers = crew.replaced
    finally:
        crew.stop()
        if started:
            stop_ray()
    report.seconds = report.clock()
    save_policy(out, best.weights, _card(game, settings, report))
    return report


def _improve(learner: MaskablePPO, crew: Crew, best: _Best, clock: Clock, report: Report) -> None:
    """PPO until the time is up, validating now and then, and at the end."""
    report.stage = "learning"
    best.consider(learner, report)
    clock.progress(report)
    begin, settings = time.monotonic(), crew.settings
    end = clock.until - VALIDATION_SLACK * (begin - best.asked_at)  # time for the last validation
    marks = [begin + (end - begin) * mark / (settings.validations - 1) for mark in range(1, settings.validations - 1)]
    while time.monotonic() < end:
        rollouts = crew.collect(learner.policy.network.state_dict(), clock.scale, end)
        if not rollouts:
            break
        learner.rollout_buffer = fill_buffer(learner, rollouts)
        learner._current_progress_remaining = max(0.05, (end - time.monotonic()) / (end - begin))
        learner.train()
        report.note(rollouts)
        if marks and time.monotonic() > marks[0]:
            del marks[0]
            best.consider(learner, report)
        clock.progress(report)
    if report.iterations:
        best.consider(learner, report)


@dataclass(frozen=True, slots=True)
class Clock:
    """What the improving part goes by."""

    until: float  # monotonic time, seconds
    scale: float  # of rewards
    progress: Progress


def make_learner(game: Game, settings: TrainSettings) -> MaskablePPO:
    """SB3's MaskablePPO on the game's spaces, without an environment: workers bring the data."""
    batch = settings.steps * settings.worlds * settings.workers // settings.minibatches
    learner = MaskablePPO(
        PairPolicy,
        None,
        learning_rate=lambda left: settings.learning_rate * left,  # falls with the time left
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


class _Best:
    """Keeps the weights that lost least on the validation worlds; lives as long as its run."""

    def __init__(self, game: Game, settings: TrainSettings) -> None:
        self._game, self._settings = game, settings
        self.weights: dict[str, Any] = {}
        self.asked_at = 0.0  # monotonic time of the last question, seconds

    def consider(self, learner: MaskablePPO, report: Report) -> None:
        """Validate the learner's present weights; keep them if they are the best so far."""
        self.asked_at = time.monotonic()
        weights = learner.policy.network.numpy_weights()
        policy = Learned(self._game, NumpyPolicy(weights, {}))
        loss = float(validation_losses(self._game, policy, range(self._settings.validation_worlds)).mean())
        report.validation.append((report.clock(), loss))
        if loss < report.best_loss:
            report.best_loss, self.weights = loss, weights


def _card(game: Game, settings: TrainSettings, report: Report) -> dict[str, Any]:
    from .. import __version__

    return {
        "tocsin": __version__,
        "scenario": game.scenario.name,
        "library": game.library.digest,
        "playbooks": list(game.library.names),
        "settings": asdict(settings),
        "how": "behaviour cloning of eviction by worth, then MaskablePPO; best by validation",
        "features": list(ACTIVE_FEATURES),
        "samples": report.samples,
        "iterations": report.iterations,
        "validation_loss": report.best_loss,
        "validation": [[round(at, 1), round(loss, 4)] for at, loss in report.validation],
    }
