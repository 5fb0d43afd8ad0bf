"""Decentralised training on Ray (DD-PPO, Wijmans et al. 2020): every worker rolls out and learns, gradients are summed.

Flows in: a learner's first state. Flows out: one joined figure per iteration. Workers that die or are late are left out
of the next group and replaced; a new group begins with the state of one that went furthest. Digests are compared after
every iteration: members that differ (other processors, a broken sum) are brought back to one state.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .cluster import options, ray, settle_in, shared, unshared
from .family import Chains
from .group import Alone, GroupError, TorchGroup, find_store, open_store, speak_from
from .peer import Iteration, Lost, Peer
from .settings import TrainError, TrainSettings
from .workers import FIRST_LIFE, Crew, Earlier, Member

ATTEMPTS = 10  # at one iteration, or at one group; assumed
KEPT_EVERY_S = 10.0  # how old the driver's own copy of the state grows: what is lost if all members die at once


class PeerWorker:
    """A `Peer` in a Ray actor's process."""

    def __init__(self, chains: bytes, settings: TrainSettings, number: int, stage: int) -> None:
        """See `Peer`."""
        settle_in(settings)
        speak_from(ray.util.get_node_ip_address())
        self._peer = Peer(unshared(chains), settings, number, stage)
        self._patience_s, self._device = settings.patience_s, "cuda" if settings.gpus else "cpu"
        self._store: Any = None

    def process(self) -> int:
        """Its process id."""
        return os.getpid()

    def host(self) -> tuple[str, int]:
        """Serve a meeting place for the next group; gives address and port."""
        address = ray.util.get_node_ip_address()
        self._store, port = open_store(address, self._patience_s)
        return address, port

    def meet(self, place: tuple[str, int], rank: int, size: int) -> bool:
        """Form a group; False if the others did not come."""
        self._peer.join(Alone())
        if size == 1:
            return True
        try:
            store = self._store if rank == 0 else find_store(*place, self._patience_s)
            self._peer.join(TorchGroup(store, rank, size, patience_s=self._patience_s, device=self._device))
        except GroupError:
            return False
        return True

    def iterate(self, left: float, prices: Any) -> Iteration | Lost:
        """See `Peer`."""
        return self._peer.iterate(left, prices)

    def learned(self) -> dict[str, Any]:
        """See `Peer`."""
        return self._peer.learned()

    def learn_from(self, state: dict[str, Any], scale: float) -> None:
        """See `Peer`."""
        self._peer.learn_from(state, scale)

    def played(self) -> dict[str, Any]:
        """See `Peer`."""
        return self._peer.played()

    def play(self, chains: bytes, stage: int) -> None:
        """See `Peer`."""
        self._peer.play(unshared(chains), stage)

    def play_on(self, state: dict[str, Any]) -> None:
        """See `Peer`."""
        self._peer.play_on(state)


class Decentralised:
    """Drives the peers of one run; lives as long as the run."""

    def __init__(self, chains: Chains, settings: TrainSettings, stage: int = 0, earlier: Earlier = FIRST_LIFE) -> None:
        """Ask Ray for the workers; they load while the caller does something else.

        Args:
            chains: what is played.
            settings: of the run.
            stage: of the curriculum.
            earlier: numbers of the run's earlier lives.
        """
        self._chains, self._stage, actor = shared(chains), stage, ray.remote(PeerWorker)
        asked = options(settings, gpus=settings.gpus)
        self.crew = Crew(
            lambda number: actor.options(**asked).remote(self._chains, settings, number, self._stage),
            settings.workers,
            settings,
            earlier.following,
            dict(earlier.numbers),
        )
        self.lost = self.diverged = self.groups = 0
        self._scale = 1.0
        self._state: dict[str, Any] = {}
        self._played: dict[int, Any] = {}
        self._ahead: list[Member] = []  # that went furthest; all have the same state
        self._whole = False  # all members are in one group and state
        self._kept = time.monotonic()  # when the driver's copy was made
        self.crew.start()

    def begin(self, state: dict[str, Any], scale: float, played: Mapping[int, Any], until: float = math.inf) -> None:
        """Give the state that learning starts from, and worlds by place to go on with; waits for workers.

        Raises:
            TrainError: none comes.
        """
        self._state, self._scale, self._played = state, scale, dict(played)
        self.crew.gather(until)

    def play(self, chains: Chains, stage: int) -> None:
        """Go over to the chains of another stage before the next iteration."""
        self._chains, self._stage, self._whole = shared(chains), stage, False
        self._played.clear()  # worlds that nobody has taken on are of the stage before

    def iterate(self, left: float, until: float = math.inf, prices: Any = None) -> Iteration | None:
        """Let all roll out and learn once; None if `until` (monotonic, seconds) came first.

        Raises:
            TrainError: no worker is left and none comes, or iterations are lost again and again.
        """
        for _ in range(ATTEMPTS):
            self._form(until)
            if not self.crew.members:
                return None
            asked = {member: member.actor.iterate.remote(left, prices) for member in self.crew.members}
            answers = self.crew.ask(asked, until, lambda answer: isinstance(answer, Lost))
            done = {member: told for member, told in answers.items() if isinstance(told, Iteration)}
            if answers:
                self._ahead = [member for member in done or answers if member in self.crew.members]
            digests = {told.digest for told in done.values()}
            self.diverged += len(digests) > 1
            self._whole = len(done) == len(asked) and len(digests) == 1
            if done:
                if time.monotonic() > self._kept + KEPT_EVERY_S:
                    self.learned()
                return joined([done[one] for one in asked if one in done])
            if time.monotonic() >= until:
                return None
            self.lost += 1
        raise TrainError(f"an iteration was lost {ATTEMPTS} times in a row; see the logs of Ray's workers")

    def learned(self) -> dict[str, Any]:
        """State of the learner, all members' alike; if all have died, as the driver knew it last."""
        for member in self._ahead:
            told = self.crew.ask({member: member.actor.learned.remote()})
            if member in told:
                self._state, self._kept = told[member], time.monotonic()
                break
        return self._state

    def played(self) -> dict[int, Any]:
        """State of each member's worlds, by place."""
        asked = {member: member.actor.played.remote() for member in self.crew.members}
        return {member.place: state for member, state in self.crew.ask(asked).items()}

    def stop(self) -> None:
        """End the workers."""
        self.crew.stop()

    def _form(self, until: float) -> None:
        """Bring all members that are there into one state and one group; there may be none at `until`."""
        if self.crew.welcome():
            self._whole = False
        for _ in range(ATTEMPTS):
            if self._whole and self.crew.members:
                return
            self.crew.wait_for_one(until)
            if not self.crew.members:
                return
            state = ray.put(self.learned())
            members = list(self.crew.members)
            self.crew.ask({one: one.actor.play.remote(self._chains, self._stage) for one in members})
            given = self.crew.ask({one: one.actor.learn_from.remote(state, self._scale) for one in members})
            worlds = {one: self._played.pop(one.place) for one in members if one.place in self._played}
            self.crew.ask({one: one.actor.play_on.remote(kept) for one, kept in worlds.items()})
            if len(given) < len(members) or self.crew.members != members:
                continue
            place = self.crew.ask({members[0]: members[0].actor.host.remote()}).get(members[0])
            if place is None:  # it died or was late meanwhile
                continue
            met = self.crew.ask(
                {one: one.actor.meet.remote(place, rank, len(members)) for rank, one in enumerate(members)}
            )
            self._whole = len(met) == len(members) and all(met.values())
            self._ahead = members
            self.groups += 1
        raise TrainError(f"workers formed no group in {ATTEMPTS} attempts; they must reach each other by TCP")


def joined(told: Sequence[Iteration]) -> Iteration:
    """What all did together: sums of samples, means of seconds and figures."""

    def means(of: str) -> dict[str, float]:
        return {name: float(np.mean([getattr(one, of)[name] for one in told])) for name in getattr(told[0], of)}

    losses = np.concatenate([one.losses for one in told])
    costs = np.mean([one.costs for one in told], axis=0)
    samples, digest = sum(one.samples for one in told), told[0].digest
    return Iteration(samples, losses, digest, means("seconds"), means("figures"), costs)
