"""The plant as its owners and its operator meet it: orders, steps, the end, the truth after it.

Flows in: commands with the owner whose token was shown; steps. Flows out: OpenC2 answers; telemetry, through `deliver`.
Nothing about the attack leaves but telemetry until `end` was called. Lives as long as its process; safe for threads.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ...twin.facts import key_of
from .openc2 import LOOKING, Command
from .shapes import Json, is_of_network
from .world import OrderRefused, PlantWorld

MAX_STEPS = 1_440  # ticks in one step: a day of the default tick
MAX_ANSWERS = 10_000  # kept, so that repeated commands get the answer they had
MAX_OUTBOX = 100_000  # events kept per collector while the orchestrator is not reached; older ones are lost, as in life
BATCH = 5_000  # events in one post

Deliver = Callable[[str, Sequence[Json]], None]  # owner, events of one collector; raises DeliveryFailed


class PlantError(ValueError):
    """What is asked cannot be done now; the message names the mend."""


class DeliveryFailed(ValueError):  # noqa: N818
    """The orchestrator did not take telemetry; it stays in the outbox."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What an order came to: OpenC2's status, a sentence, and what was asked for, by names of variables."""

    status: int
    text: str
    told: Mapping[str, str] = field(default_factory=dict)


class Plant:
    """A running plant."""

    def __init__(self, world: PlantWorld, deliver: Deliver) -> None:
        self._world = world
        self._deliver = deliver
        self._state = threading.Lock()  # world, answers, outbox
        self._stepping = threading.Lock()  # one step at a time; never held while waiting for the state's lock holder
        self._answers: OrderedDict[tuple[str, str], tuple[Command, Reply]] = OrderedDict()
        self._outbox: dict[tuple[str, bool], list[Json]] = {}  # per owner, what is of the network and what is not
        self._ended = False
        self._targets = _targets(world)

    def clock(self) -> tuple[int, datetime, bool]:
        """Give tick, UTC time and whether the plant has ended."""
        with self._state:
            return self._world.tick, self._world.time, self._ended

    def obey(self, owner: str, command: Command) -> Reply:
        """Carry out a command of an owner; a repeated request_id gets the answer it had and changes nothing."""
        with self._state:
            known = self._answers.get((owner, command.request_id))
            if known is not None:
                if known[0] != command:
                    return Reply(400, "this request_id came before with another command; give each command its own")
                return known[1]
            reply = self._carry_out(owner, command)
            self._answers[owner, command.request_id] = (command, reply)
            if len(self._answers) > MAX_ANSWERS:
                self._answers.popitem(last=False)
            return reply

    def step(self, ticks: int) -> int:
        """Advance; after each tick its telemetry is delivered. Give how many events went out.

        Raises:
            PlantError: the plant has ended, or the number of ticks is out of range.
            DeliveryFailed: the orchestrator did not take the events; they go out with the next step.
        """
        if not 1 <= ticks <= MAX_STEPS:
            raise PlantError(f"{ticks} ticks; step by 1 to {MAX_STEPS}")
        sent = 0
        with self._stepping:
            for _ in range(ticks):
                self._tick()
                sent += self._send()
        return sent

    def end(self) -> None:
        """End the plant: it steps no more, obeys no more, and tells the truth."""
        with self._state:
            self._ended = True

    def truth(self) -> Mapping[str, Any]:
        """Tell what really happened.

        Raises:
            PlantError: the plant has not ended.
        """
        with self._state:
            if not self._ended:
                raise PlantError("the truth is told after the end only; POST /end first")
            return self._world.truth()

    def _carry_out(self, owner: str, command: Command) -> Reply:
        if self._ended:
            return Reply(503, "the plant has ended")
        if command.playbook not in self._world.playbooks:
            return Reply(501, f"playbook {command.playbook!r} is not implemented here; the library has another version")
        target = self._targets.get(command.target)
        if target is None:
            return Reply(404, f"target {command.target!r} is not here; mend the name")
        if owner not in self._world.compiled.owners_of(target):
            return Reply(403, f"target {command.target!r} is not {owner!r}'s; its owner's token is needed")
        try:
            playbook = self._world.playbooks.index(command.playbook)
            if command.action in LOOKING:
                return Reply(200, f"{command.action} of {command.target}", self._world.tell(playbook, target))
            return Reply(200, self._world.order(playbook, target, command.response, undo=command.undo))
        except OrderRefused as error:
            return Reply(error.status, str(error))

    def _tick(self) -> None:
        with self._state:
            if self._ended:
                raise PlantError("the plant has ended; start another")
            for owner, event in self._world.step():
                self._outbox.setdefault((owner, is_of_network(event)), []).append(event)
            for sender, events in self._outbox.items():
                self._outbox[sender] = events[-MAX_OUTBOX:]

    def _send(self) -> int:
        sent = 0
        for sender in sorted(self._outbox):
            while True:
                with self._state:
                    batch = self._outbox[sender][:BATCH]
                if not batch:
                    break
                self._deliver(sender[0], batch)
                with self._state:
                    del self._outbox[sender][: len(batch)]
                sent += len(batch)
        return sent


def _targets(world: PlantWorld) -> dict[str, int]:
    """Numbers of targets by every name they go by: the twin's key of a link and the compiled one."""
    targets = dict(world.compiled.target_number)
    assets = world.compiled.sizes[0]
    targets.update({key_of(link): assets + number for number, link in enumerate(world.compiled.links)})
    return targets
