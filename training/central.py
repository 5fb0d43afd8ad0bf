"""Central training on Ray: one learner, on a GPU where settings ask for one, fed by roll-out workers.

Flows in: a learner's first state. Flows out: one figure per iteration. Weights go out once per update through Ray's
object store, rollouts go straight from workers to the learner; neither passes the driver. A worker that dies or is late
is left out and replaced; a learner that dies is replaced and begins with the last state the driver has.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from .cluster import options, ray, settle_in, shared, unshared
from .family import Chains
from .peer import GRADIENT, ROLLING, WAITING, Iteration, make_roller
from .ppo import make_learner
from .rollout import Rollout
from .settings import TrainError, TrainSettings
from .workers import FIRST_LIFE, Crew, Earlier, Member

ATTEMPTS = 10  # at one iteration; assumed


class CentralLearner:
    """The learner as a Ray actor."""

    def __init__(self, chains: bytes, settings: TrainSettings) -> None:
        """Make a fresh learner."""
        settle_in(settings)
        first = unshared(chains)[0]
        self._learner = make_learner(first.game, settings, first.player)

    def process(self) -> int:
        """Its process id."""
        return os.getpid()

    def weights(self) -> dict[str, Any]:
        """Parameters, for roll-out workers."""
        return {name: tensor.detach().cpu() for name, tensor in self._learner.policy.state_dict().items()}

    def update(self, left: float, *rollouts: Rollout) -> tuple[dict[str, float], str, float]:
        """Learn from rollouts; gives SB3's figures, the parameters' digest, seconds."""
        began = time.perf_counter()
        figures = self._learner.update(rollouts, left)
        return figures, self._learner.digest(), time.perf_counter() - began

    def learned(self) -> dict[str, Any]:
        """See `Peer.learned`."""
        return self._learner.state()

    def learn_from(self, state: dict[str, Any]) -> None:
        """Take a learner's state."""
        self._learner.restore(state)


class RollWorker:
    """A `Roller` with a copy of the policy as a Ray actor."""

    def __init__(self, chains: bytes, settings: TrainSettings, number: int, stage: int) -> None:
        """Make fresh worlds; see `Peer`."""
        settle_in(settings)
        self._settings, self._number, self._stage = settings, number, stage
        played = unshared(chains)
        self._policy = make_learner(played[0].game, settings, played[0].player).policy
        self._roller = make_roller(played, settings, number, stage)

    def process(self) -> int:
        """Its process id."""
        return os.getpid()

    def roll(
        self, weights: Mapping[str, Any], scale: float, prices: Any
    ) -> tuple[tuple[int, Any, float, Any], Rollout]:
        """(samples, losses of ended episodes, seconds, costs), and the rollout, which stays in the object store."""
        began = time.perf_counter()
        self._policy.load_state_dict({name: tensor.to(self._policy.device) for name, tensor in weights.items()})
        rollout = self._roller.roll(self._policy, self._settings.steps, scale, prices)
        return (rollout.actions.size, rollout.losses, time.perf_counter() - began, rollout.costs), rollout

    def played(self) -> dict[str, Any]:
        """See `Peer.played`."""
        return self._roller.state()

    def play(self, chains: bytes, stage: int) -> None:
        """See `Peer.play`."""
        if stage != self._stage:
            self._roller, self._stage = make_roller(unshared(chains), self._settings, self._number, stage), stage

    def play_on(self, state: dict[str, Any]) -> None:
        """See `Peer.play_on`."""
        self._roller.restore(state)


class Central:
    """Drives learner and roll-out workers of one run; lives as long as the run."""

    def __init__(self, chains: Chains, settings: TrainSettings, stage: int = 0, earlier: Earlier = FIRST_LIFE) -> None:
        """Ask Ray for all of them; they load while the caller does something else."""
        learner, worker = ray.remote(CentralLearner), ray.remote(RollWorker)
        self._chains, self._stage = shared(chains), stage
        self._in_stage: set[int] = set()  # numbers of the workers that play the present stage
        self.learner = Crew(
            lambda number: learner.options(**options(settings, gpus=settings.gpus)).remote(self._chains, settings),
            1,
            settings,
        )
        self.crew = Crew(
            lambda number: worker.options(**options(settings, gpus=0)).remote(
                self._chains, settings, number, self._stage
            ),
            settings.workers,
            settings,
            earlier.following,
            dict(earlier.numbers),
        )
        self.lost = self.diverged = self.groups = 0
        self._scale = 1.0
        self._state: dict[str, Any] = {}
        self._played: dict[int, Any] = {}
        self._taught: Member | None = None  # the learner that has our state
        self._weights: Any = None  # reference
        self.learner.start()
        self.crew.start()

    def begin(self, state: dict[str, Any], scale: float, played: Mapping[int, Any], until: float = math.inf) -> None:
        """As `Decentralised.begin`."""
        self._state, self._scale, self._played = state, scale, dict(played)
        self.learner.gather(until)
        self.crew.gather(until)

    def play(self, chains: Chains, stage: int) -> None:
        """As `Decentralised.play`."""
        self._chains, self._stage = shared(chains), stage
        self._in_stage.clear()
        self._played.clear()

    def iterate(self, left: float, until: float = math.inf, prices: Any = None) -> Iteration | None:
        """As `Decentralised.iterate`."""
        for _ in range(ATTEMPTS):
            self.learner.wait_for_one(until)
            self.crew.wait_for_one(until)
            if not self.learner.members or not self.crew.members:
                return None
            learner = self._present_learner()
            self._take_in()
            asked: dict[Member, Any] = {}
            rollouts: dict[Member, Any] = {}
            for one in self.crew.members:
                roll = one.actor.roll.options(num_returns=2)
                asked[one], rollouts[one] = roll.remote(self._weights, self._scale, prices)
            began = time.perf_counter()
            notes = self.crew.ask(asked, until)
            rolled = time.perf_counter()
            told_by = sorted(notes, key=lambda one: one.place)  # the order of rows, so that a run can be played again
            if notes:
                update = learner.actor.update.remote(left, *[rollouts[one] for one in told_by])
                told = self.learner.ask({learner: update})
                if learner in told:
                    self._weights = learner.actor.weights.remote()
                    return _iteration(
                        [notes[one] for one in told_by], told[learner], rolled - began, time.perf_counter() - rolled
                    )
            elif time.monotonic() >= until:
                return None
            else:  # nobody rolled out: their weights may be gone with the learner
                self._weights = learner.actor.weights.remote()
                self.learner.ask({learner: learner.actor.process.remote()})
            self.lost += 1
        raise TrainError(f"an iteration was lost {ATTEMPTS} times in a row; see the logs of Ray's workers")

    def learned(self) -> dict[str, Any]:
        """State of the learner."""
        if self._taught in self.learner.members and self._taught is not None:
            asked = {self._taught: self._taught.actor.learned.remote()}
            self._state = self.learner.ask(asked).get(self._taught, self._state)
        return self._state

    def played(self) -> dict[int, Any]:
        """As `Decentralised.played`."""
        asked = {member: member.actor.played.remote() for member in self.crew.members}
        return {member.place: state for member, state in self.crew.ask(asked).items()}

    def stop(self) -> None:
        """End learner and workers."""
        self.learner.stop()
        self.crew.stop()

    def _present_learner(self) -> Member:
        for _ in range(ATTEMPTS):
            self.learner.wait_for_one()
            learner = self.learner.members[0]
            if learner is self._taught:
                return learner
            if learner in self.learner.ask({learner: learner.actor.learn_from.remote(self._state)}):
                self._taught, self._weights = learner, learner.actor.weights.remote()
                return learner
        raise TrainError(f"the learner was lost {ATTEMPTS} times in a row; see the logs of Ray's workers")

    def _take_in(self) -> None:
        self.crew.welcome()
        behind = [one for one in self.crew.members if one.number not in self._in_stage]
        come = self.crew.ask({one: one.actor.play.remote(self._chains, self._stage) for one in behind})
        self._in_stage |= {one.number for one in come}
        worlds = {one: self._played.pop(one.place) for one in self.crew.members if one.place in self._played}
        self.crew.ask({one: one.actor.play_on.remote(kept) for one, kept in worlds.items()})


def _iteration(
    notes: list[tuple[int, Any, float, Any]], told: tuple[dict[str, float], str, float], rolling: float, learning: float
) -> Iteration:
    """What all did; waiting is what neither roll-out nor gradient took: messages, scheduling, the slower workers."""
    figures, digest, gradient = told
    longest = max(seconds for _, _, seconds, _ in notes)
    seconds = {ROLLING: longest, GRADIENT: gradient, WAITING: max(0.0, rolling + learning - longest - gradient)}
    losses = np.concatenate([one for _, one, _, _ in notes])
    costs = np.mean([one for _, _, _, one in notes], axis=0)
    return Iteration(sum(samples for samples, _, _, _ in notes), losses, digest, seconds, figures, costs)
