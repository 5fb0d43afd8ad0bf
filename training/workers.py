"""Ray workers: started, asked, replaced when they die or are late, taken in when they come.

Flows in: how to make an actor. Flows out: answers of those that gave one in time. A run goes on with the workers that
are there: a replacement that finds no room in the cluster stays in the queue and is taken in when it has loaded.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .cluster import ray
from .settings import TrainError, TrainSettings

FAILED_STARTS = 3  # in a row, before the run gives up
SLACK_S = 10.0  # beyond the patience that workers have with each other, before the driver gives one up
RETRY_S = 0.2  # between looks at workers that start


@dataclass(frozen=True, eq=False)
class Member:
    """One actor."""

    actor: Any
    place: int  # 0 to workers - 1; a replacement stands in the place of the one it replaces
    number: int  # never used twice in a run: keys worlds and draws
    loaded: Any  # reference, done when the actor can be asked


@dataclass(frozen=True)
class Earlier:
    """Numbers that workers of a run's earlier lives had."""

    following: int = 0  # above all of them
    numbers: Mapping[int, int] = field(default_factory=dict)  # by place, where worlds are gone on with

    @classmethod
    def of(cls, kept: Mapping[str, Any], places: Collection[int]) -> Earlier:
        """From what `Crew.kept` gave; `places` are those whose worlds were kept too."""
        numbers = {int(place): int(number) for place, number in kept["numbers"].items()}
        return cls(int(kept["next"]), {place: number for place, number in numbers.items() if place in places})


FIRST_LIFE = Earlier()


@dataclass
class Crew:
    """The workers of one run; lives as long as the run."""

    make: Callable[[int], Any]  # an actor handle for a number; its method `process` answers once it has loaded
    workers: int
    settings: TrainSettings
    next_number: int = 0  # above those of the run's earlier lives
    numbers: dict[int, int] = field(default_factory=dict)  # by place: of workers whose worlds are gone on with
    replaced: int = 0
    members: list[Member] = field(default_factory=list)  # that can be asked, by place
    starting: list[Member] = field(default_factory=list)
    _gone: set[int] = field(default_factory=set)  # numbers of those that were replaced
    _failed: int = 0
    _reason: str = ""

    def start(self) -> None:
        """Ask Ray for all workers."""
        for place in range(self.workers):
            self._start(place)

    def welcome(self) -> list[Member]:
        """Take in those that have loaded since; gives them.

        Raises:
            TrainError: starting failed several times in a row.
        """
        if not self.starting:
            return []
        done, _ = ray.wait([one.loaded for one in self.starting], num_returns=len(self.starting), timeout=0)
        come = []
        for member in [one for one in self.starting if one.loaded in done]:
            self.starting.remove(member)
            try:
                ray.get(member.loaded)
            except ray.exceptions.RayError as error:
                self._failed, self._reason = self._failed + 1, str(error).strip().splitlines()[-1]
                if self._failed >= FAILED_STARTS:
                    raise TrainError(f"workers cannot start ({self._failed} times): {self._reason}") from None
                self.replace(member)
                continue
            self._failed = 0
            come.append(member)
        self.members = sorted([*self.members, *come], key=lambda one: one.place)
        return come

    def gather(self, until: float = math.inf) -> None:
        """Wait for all workers at the start; once one has come, for the others no longer than the patience.

        Args:
            until: monotonic time at which to come back with those that are there, in seconds; none may be.

        Raises:
            TrainError: none came within `start_s`.
        """
        self.wait_for_one(until)
        last = min(until, time.monotonic() + self.settings.patience_s)
        while self.starting and time.monotonic() < last:
            time.sleep(RETRY_S)
            self.welcome()

    def wait_for_one(self, until: float = math.inf) -> None:
        """Wait until a worker is there, or until the time given.

        Raises:
            TrainError: none came within `start_s`.
        """
        begun = time.monotonic()
        while not self.members and time.monotonic() < until:
            self.welcome()
            if self.members:
                return
            if time.monotonic() > begun + self.settings.start_s:
                raise TrainError(
                    f"no worker was ready within {self.settings.start_s:g} s; the cluster may have no room for one of "
                    f"{self.settings.threads} processors and {self.settings.gpus} GPUs, or give a longer start_s"
                )
            time.sleep(RETRY_S)

    def ask(
        self,
        asked: Mapping[Member, Any],
        until: float = math.inf,
        is_broken: Callable[[Any], bool] = lambda answer: False,
    ) -> dict[Member, Any]:
        """Answers to references, of those that gave one in time; the others are replaced.

        One whose arguments were lost with another's node gives no answer either, and is kept.

        Args:
            asked: one reference for each member.
            until: monotonic time at which to come back with what there is, in seconds; nobody is late then.
            is_broken: says of an answer that those still to come are of no use: they get `SLACK_S`, since Ray may need
                half a minute to notice that a node is gone.
        """
        waiting = {reference: member for member, reference in asked.items()}
        answers: dict[Member, Any] = {}
        patience = self.settings.patience_s + SLACK_S
        last = time.monotonic() + 2 * patience  # nobody has answered: all may be slow
        while waiting:
            left = max(0.0, min(last, until) - time.monotonic())
            done, _ = ray.wait(list(waiting), num_returns=1, timeout=left)
            if not done:
                break
            member = waiting.pop(done[0])
            more = patience
            try:
                answers[member] = ray.get(done[0])
                more = SLACK_S if is_broken(answers[member]) else patience
            except ray.exceptions.RayTaskError as error:
                if not isinstance(error.cause, ray.exceptions.RayError):
                    raise  # a fault in what it did, which another would repeat
                # what it was to work on lay on a node that is gone: no answer, and none of its own fault
            except ray.exceptions.RayError:
                self.replace(member)
            last = min(last, time.monotonic() + more)
        if until > last or not waiting:
            for member in waiting.values():
                self.replace(member)
        return answers

    def replace(self, member: Member) -> None:
        """End a worker and ask Ray for another in its place; once for each worker."""
        if member.number in self._gone:
            return
        self._gone.add(member.number)
        ray.kill(member.actor)
        if member in self.members:
            self.members.remove(member)
        self.replaced += 1
        self._start(member.place)

    def kept(self) -> dict[str, Any]:
        """For a checkpoint: which numbers were used, and by whom at which place; see `Earlier`."""
        return {"next": self.next_number, "numbers": {str(one.place): one.number for one in self.members}}

    def stop(self) -> None:
        """End the workers."""
        for member in [*self.members, *self.starting]:
            ray.kill(member.actor)

    def _start(self, place: int) -> None:
        number = self.numbers.pop(place, self.next_number)
        self.next_number = max(self.next_number, number + 1)
        actor = self.make(number)
        self.starting.append(Member(actor, place, number, actor.process.remote()))
