"""Roll-out workers on Ray: started, asked, replaced when they die.

Flows in: weights. Flows out: rollouts, one per worker that answered in time. A worker that dies or is late is replaced;
an iteration goes on with those that answered, so nothing waits for ever.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Ray reads how it authenticates when it is imported: by a token of this process's own, unless the user set another.
if "RAY_AUTH_MODE" not in os.environ:
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))

import ray  # noqa: E402
import torch  # noqa: E402

from ..envs.game import load_game  # noqa: E402
from ..envs.scenario import Scenario  # noqa: E402
from .rollout import Roller, Rollout  # noqa: E402
from .settings import TrainError, TrainSettings  # noqa: E402

DEADLINE_S = 60.0  # for one rollout; assumed, a hundred times what one takes
ATTEMPTS = 3
START_S = 120.0  # for a worker's first answer: it imports torch and loads compiled kernels


@ray.remote(num_cpus=1, max_restarts=0)
class Worker:
    """A Ray actor around one `Roller`."""

    def __init__(self, scenario: Scenario, settings: TrainSettings, first_world: int, seed: int) -> None:
        """Load the game in the actor's own process."""
        import numba

        torch.set_num_threads(1)
        numba.set_num_threads(1)
        self._roller = Roller(
            load_game(scenario),
            worlds=settings.worlds,
            first_world=first_world,
            seed=seed,
            gamma=settings.gamma,
        )

    def roll(self, weights: Mapping[str, torch.Tensor], steps: int, scale: float) -> Rollout:
        """See `Roller.roll`."""
        return self._roller.roll(weights, steps, scale)

    def process(self) -> int:
        """Its process id."""
        return os.getpid()


def start_ray(workers: int) -> bool:
    """Start Ray on this machine alone; gives False, and uses what runs, if this process has one already."""
    if ray.is_initialized():
        return False
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray.init(
        address="local",
        num_cpus=workers + 1,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        configure_logging=True,
    )
    return True


def stop_ray() -> None:
    """End the Ray that this process started."""
    ray.shutdown()


@dataclass
class Crew:
    """The workers of one run; lives as long as the run."""

    scenario: Scenario
    settings: TrainSettings
    replaced: int = 0
    _actors: list[Any] = field(default_factory=list)
    _fresh: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._actors = [self._start(place) for place in range(self.settings.workers)]

    @property
    def actors(self) -> list[Any]:
        """Handles of the present workers."""
        return list(self._actors)

    def collect(self, weights: Mapping[str, torch.Tensor], scale: float, until: float = math.inf) -> list[Rollout]:
        """Send the weights once, gather a rollout of every worker; replace those that die or are late.

        Args:
            weights: of the network.
            scale: of rewards.
            until: monotonic time at which to come back with what there is, in seconds; may give an empty list.

        Raises:
            TrainError: no worker answered, several times in a row.
        """
        for _ in range(ATTEMPTS):
            rollouts = self._ask(weights, scale, until)
            if rollouts or time.monotonic() >= until:
                return rollouts
        raise TrainError(f"no roll-out worker answered in {ATTEMPTS} attempts; see Ray's logs, or use fewer --workers")

    def _ask(self, weights: Mapping[str, torch.Tensor], scale: float, until: float) -> list[Rollout]:
        shared = ray.put(dict(weights))
        steps = self.settings.steps
        asked = {actor.roll.remote(shared, steps, scale): place for place, actor in enumerate(self._actors)}
        deadline = START_S if self._fresh else DEADLINE_S
        left = max(0.0, until - time.monotonic())
        done, late = ray.wait(list(asked), num_returns=len(asked), timeout=min(deadline, left))
        rollouts = []
        for reference in done:
            try:
                rollouts.append(ray.get(reference))
                self._fresh.discard(asked[reference])
            except ray.exceptions.RayError:
                self._replace(asked[reference])
        if left > deadline:  # else it is the run that ends, not the worker that hangs
            for reference in late:
                self._replace(asked[reference])
        return rollouts

    def stop(self) -> None:
        """End the workers."""
        for actor in self._actors:
            ray.kill(actor)

    def _start(self, place: int) -> Any:
        self._fresh.add(place)
        generation = self.replaced * self.settings.workers + place
        return Worker.remote(  # type: ignore[attr-defined]
            self.scenario,
            self.settings,
            generation * self.settings.worlds,
            self.settings.seed * 1000 + generation,
        )

    def _replace(self, place: int) -> None:
        ray.kill(self._actors[place])
        self.replaced += 1
        self._actors[place] = self._start(place)
