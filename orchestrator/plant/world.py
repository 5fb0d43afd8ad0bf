"""The plant's world: one attack on the chain, stepped tick by tick, changed only by orders.

Flows in: orders that owners' actuators gave. Flows out: per tick what telemetry is made of, and at the end the truth.
The world is a Mesa model (`model`); findings that the rulebook draws are ignored: findings come from telemetry.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from ...twin.compiled import Compiled
from ...twin.rulebook.draws import tick_key
from ...twin.rulebook.effects import Effect
from ...twin.rulebook.mask import is_legal
from ...twin.rulebook.parameters import OPPORTUNIST, AttackerProfile, GameSettings
from ...twin.rulebook.rules import is_monitored
from ...twin.rulebook.worlds import STREAM_PLANT
from ...twin.vocabulary import OccurrenceKind, RunState, StepClass
from .behaviour import Behaviour
from .model import SEATS, PlantModel
from .record import Record, footholds
from .shapes import Json
from .states import States
from .surroundings import survey
from .telemetry import Happening, Try, telemetry

EPOCH = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday: the day on which plants start unless told otherwise


class OrderRefused(ValueError):  # noqa: N818
    """An order that this world does not take; the message names the mend."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status  # OpenC2's code


class PlantWorld:
    """One attack on a chain; lives as long as its process and is used by one thread at a time."""

    def __init__(
        self,
        compiled: Compiled,
        effects: Sequence[Effect],
        *,
        seed: int,
        attackers: Sequence[AttackerProfile] = (OPPORTUNIST,),
        settings: GameSettings | None = None,
        behaviour: Behaviour | None = None,
        start: datetime | None = None,
    ) -> None:
        """Make a world at tick 0.

        Args:
            compiled: the chain.
            effects: what the library's playbooks do, in the order of its lock file.
            seed: which attack: the world's id among the plant's draws.
            attackers: who attacks.
            settings: of the game.
            behaviour: how conspicuous things are.
            start: UTC time of tick 0; by default the hour that the draws give, on a fixed day.
        """
        self.compiled = compiled
        self.playbooks = tuple(effect.playbook for effect in effects)
        self.seed = seed
        self._model = PlantModel(compiled, effects, seed=seed, attackers=attackers, settings=settings)
        self._again = partial(PlantModel, compiled, effects, seed=seed, attackers=attackers, settings=settings)
        self._worlds = self._model.worlds
        self._behaviour = behaviour or Behaviour()
        hour = timedelta(hours=float(self._worlds.state.world["start_hour"][0]))
        self._start = start or EPOCH + timedelta(seconds=round(hour.total_seconds()))
        self._around = survey(compiled.twin)
        self._states, self._record = States(compiled), Record(compiled)
        self._waiting: list[int] = []  # actions
        self._undoing: set[tuple[int, int]] = set()  # playbook, target
        self._wanted: dict[int, set[str]] = {}  # action: responses that want it held

    @property
    def tick(self) -> int:
        """Ticks gone by."""
        return int(self._worlds.state.world["tick"][0])

    @property
    def time(self) -> datetime:
        """The plant's clock: UTC."""
        return self._start + timedelta(seconds=self.tick * self.compiled.tick_s)

    def warm_up(self) -> None:
        """Compile what a tick needs, on a copy; nothing changes. A minute where kernels are not in the cache yet."""
        copy = self._again()
        copy.step()
        is_legal(0, 1, self.compiled.arrays, copy.worlds.effects, copy.worlds.state)

    def order(self, playbook: int, target: int, response: str = "", *, undo: bool = False) -> str:
        """Take an order; it starts, or is taken back, in the next tick. Give one sentence for people.

        What two responses hold alike ends when both are undone.

        Raises:
            OrderRefused: it cannot be carried out now.
        """
        name = f"{self.playbooks[playbook]} on {self.compiled.target_name(target)}"
        action = 1 + playbook * self.compiled.targets + target
        if undo:
            return self._take_back(playbook, target, response, name)
        if self._slot(playbook, target) is not None or action in self._waiting:
            self._wanted.setdefault(action, set()).add(response)
            self._undoing.discard((playbook, target))
            return f"{name} runs already"
        if not is_legal(0, action, self.compiled.arrays, self._worlds.effects, self._worlds.state):
            raise OrderRefused(400, f"{name}: does not apply here now; choose a target of its kind")
        self._waiting.append(action)
        self._wanted[action] = {response}
        return f"{name} starts in tick {self.tick}"

    def tell(self, playbook: int, target: int) -> dict[str, str]:
        """Tell what owners' systems are asked for, by names of variables; nothing changes.

        `__kind__` is the asset's kind, link or owner; `__progress__` is `working` from the order on until the work of
        that playbook there has ended, else `done`.
        """
        assets, links, _ = self.compiled.sizes
        kind = self.compiled.assets[target].kind.word if target < assets else "link" if target < assets + links else ""
        slot, action = self._slot(playbook, target), 1 + playbook * self.compiled.targets + target
        state = None if slot is None else self._worlds.state.run[0, slot]["state"]
        working = action in self._waiting or state in (RunState.AWAITING_CONSENT, RunState.WORKING)
        return {"__kind__": kind or "owner", "__progress__": "working" if working else "done"}

    def step(self) -> list[tuple[str, Json]]:
        """Advance by one tick; give (owner, raw event) of what the sensors saw in it."""
        tick, began, state = self.tick, self.time, self._worlds.state
        undone = self._end_undone()
        self._model.start(self._due_orders())
        self._model.step()
        occurrences = [_as_undone(one, undone) for one in self._model.trace]
        self._record.note(tick, occurrences, state)
        happening = Happening(
            time_ms=round(began.timestamp() * 1000),
            tick_ms=round(self.compiled.tick_s * 1000),
            tries=self._tries(occurrences),
            held=tuple(a for a in footholds(self.compiled, state) if self._around.places[a].sensors),
            monitored=frozenset(int(a) for a in state.asset[0]["modes"].nonzero()[0] if self._is_monitored(int(a))),
            states=self._states.changes(state),
            works=self._states.works(occurrences, self.playbooks),
        )
        key = tick_key(STREAM_PLANT, self.seed, 0, tick)
        return telemetry(self._around, happening, self._behaviour, key)

    def truth(self) -> dict[str, Any]:
        """Tell what really happened; its keeper asks only after the end."""
        return {"attack_seed": self.seed, **self._record.truth(self.tick, self._worlds.state)}

    def _take_back(self, playbook: int, target: int, response: str, name: str) -> str:
        action = 1 + playbook * self.compiled.targets + target
        wanted = self._wanted.get(action, set())
        wanted.discard(response)
        if wanted:
            return f"{name} is held by another response still"
        if action in self._waiting:
            self._waiting.remove(action)
            return f"{name} had not begun and will not"
        if self._slot(playbook, target) is None:
            return f"{name} does not hold any more"
        self._undoing.add((playbook, target))
        return f"{name} is taken back in tick {self.tick}, or as soon as it holds"

    def _slot(self, playbook: int, target: int) -> int | None:
        for number, run in enumerate(self._worlds.state.run[0]):
            if run["state"] != RunState.FREE and run["playbook"] == playbook and run["target"] == target:
                return number
        return None

    def _end_undone(self) -> set[tuple[int, int]]:
        """Let what is to be undone end in this tick (the rulebook releases a hold that is due); say what that is."""
        ended = set()
        for pair in sorted(self._undoing):
            slot = self._slot(*pair)
            if slot is None:
                self._undoing.discard(pair)
            elif self._worlds.state.run[0, slot]["state"] == RunState.HOLDING:
                self._worlds.state.run["due"][0, slot] = self.tick
                self._undoing.discard(pair)
                ended.add(pair)
        return ended

    def _due_orders(self) -> list[int]:
        """Actions of this tick, one per target; the others wait."""
        now: dict[int, int] = {}
        for action in self._waiting:
            if len(now) < SEATS:
                now.setdefault((action - 1) % self.compiled.targets, action)
        for action in now.values():
            self._waiting.remove(action)
        return sorted(now.values())

    def _tries(self, occurrences: list[tuple[int, int, int, int]]) -> tuple[Try, ...]:
        step = self.compiled.arrays.step
        return tuple(
            Try(thing, int(step["seen_at"][thing]), StepClass(step["step_class"][thing]))
            for kind, _, thing, _ in occurrences
            if kind == OccurrenceKind.TRIED
        )

    def _is_monitored(self, asset: int) -> bool:
        return bool(is_monitored(int(self._worlds.state.asset[0, asset]["modes"])))


def _as_undone(occurrence: tuple[int, int, int, int], undone: set[tuple[int, int]]) -> tuple[int, int, int, int]:
    """The rulebook notes the end of a hold as expiry; where it was ordered, it is an undo."""
    kind, target, playbook, value = occurrence
    if kind == OccurrenceKind.EXPIRED and (playbook, target) in undone:
        return (int(OccurrenceKind.UNDONE), target, playbook, value)
    return occurrence
