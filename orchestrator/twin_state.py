"""The live state of the twin: what telemetry reports of the real systems, in the arrays the rulebook reads.

Flows in: checked events about states and work, and which responses are on their way. Flows out: one public world
(modes, cuts, runs, service) that belief, observation, mask and rehearsal share with training. Access of attackers is
never written here: nobody knows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import TypeVar

import numpy as np

from ..twin.compiled import Compiled
from ..twin.rulebook.effects import NO_CEILING, NO_MODE, EffectTable
from ..twin.rulebook.parameters import Parameters
from ..twin.rulebook.rules import BITS
from ..twin.rulebook.state import NEVER, UNSERVED, WorldState, copy_worlds, new_state
from ..twin.sensing.events import Event, EventClass
from ..twin.sensing.findings import Finding
from ..twin.vocabulary import Mode, RunState
from .clock import SKEW

CUT, NOT_SERVING = "cut ", "not_serving"  # states that owners' inventories report beside the modes
SKEW_MS = round(SKEW.total_seconds() * 1000)
FORGET_TICKS = 10  # a proposal that nobody answered is no longer shown as pending; assumed


Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Work:
    """The work of a response has ended, as an owner's system reports."""

    asset: int
    playbook: str
    succeeded: bool
    tick: int  # at which it was reported
    time_ms: int  # when it ended, as the report says


@dataclass
class TwinState:
    """One public world; lives as long as its node and is used by one thread at a time."""

    compiled: Compiled
    effects: EffectTable
    parameters: Parameters
    playbooks: tuple[str, ...]
    callers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # per playbook, those that call it
    work: dict[tuple[int, str], Work] = field(default_factory=dict)  # the last of each asset and playbook

    def __post_init__(self) -> None:
        self.world = new_state(self.compiled, self.parameters, 1)
        self.world.attacker["onset"][:] = NEVER
        self.world.world["run_n"] = self.world.run.shape[1]  # rows are written here one by one, wherever one is free
        self._begun: dict[tuple[int, int], int] = {}  # per playbook and target, when work last began; ms
        self._said_cut = np.zeros((self.compiled.sizes[1], 2), np.bool_)  # [L, 2]: what each end says of a link

    @property
    def tick(self) -> int:
        """Ticks since the node started."""
        return int(self.world.world["tick"][0])

    def advance(self, events: Iterable[Event], findings: Iterable[Finding]) -> None:
        """Take one tick's reports and findings in; belief is to be updated after."""
        ceilings: dict[int, int] = {}  # per restored asset, what attackers have kept at most
        for event in events:
            number = self.compiled.asset_number.get(event.asset)
            if number is not None and event.class_uid == EventClass.CONFIG_STATE:
                self._set_states(number, event.states)
            elif number is not None and event.class_uid == EventClass.REMEDIATION:
                ceiling = self._note_work(number, event)
                ceilings[number] = min(ceilings.get(number, NO_CEILING), ceiling)
        self._write_cleaned(ceilings)
        self._write_findings(findings)
        self._forget()
        self.world.world["tick"][0] += 1

    def pending(self, playbook: int, target: int) -> None:
        """A response was proposed: it awaits consent."""
        self._enter(playbook, target, RunState.AWAITING_CONSENT, NEVER)

    def working(self, playbook: int, target: int, since_ms: int) -> None:
        """A response was sent to the real system: its work goes on, and reports of before say nothing of it."""
        self._begun[playbook, target] = since_ms
        self._enter(playbook, target, RunState.WORKING, self.tick + int(self.effects.playbook["work"][playbook]))

    def holding(self, playbook: int, target: int, ticks: int | None) -> None:
        """A response took effect before the node started and holds for so many ticks, None: until undone.

        What an owner reports of the asset later counts instead.
        """
        if ticks is not None:
            self._enter(playbook, target, RunState.HOLDING, self.tick + ticks)
        mode, assets = int(self.effects.playbook["mode"][playbook]), len(self.world.asset[0])
        if target < assets and mode != NO_MODE:
            modes = int(self.world.asset["modes"][0, target])
            if not modes >> BITS * mode & (1 << BITS) - 1:
                self.world.asset["modes"][0, target] = modes + (1 << BITS * mode)
        elif target >= assets and self.effects.playbook["cut"][playbook]:
            self._said_cut[target - assets] = True
            self.world.cut[0, target - assets] = 1

    def ended(self, playbook: int, target: int) -> None:
        """A response was taken back or came to nothing."""
        self.world.run["state"][0, self._rows(playbook, target)] = RunState.FREE

    def approved(self) -> WorldState:
        """The world without responses that await consent, which may never come: rehearsals start from it; a copy."""
        world = copy_worlds(self.world, np.zeros(1, np.int64))
        world.run["state"][world.run["state"] == RunState.AWAITING_CONSENT] = RunState.FREE
        return world

    def worked(self, playbook: str, asset: int, since: int, since_ms: int) -> Work | None:
        """The last report, since a tick, that a playbook's work ended at this asset; of another end it says nothing.

        Work that ended before `since_ms`, but for what clocks differ, is that of an earlier response.
        """
        one = self.work.get((asset, playbook))
        return one if one is not None and one.tick >= since and one.time_ms >= since_ms - SKEW_MS else None

    def _set_states(self, number: int, states: tuple[str, ...]) -> None:
        asset = self.world.asset[0]
        words = set(states)
        was, now = bool(asset["modes"][number] & UNSERVED), NOT_SERVING in words
        modes = sum(1 << BITS * mode for mode in Mode if mode.word in words)
        asset["modes"][number] = modes | UNSERVED if now else modes
        share = int(self.compiled.arrays.asset["share"][number])
        owner = int(self.compiled.arrays.asset["owner"][number])
        self.world.rate["service"][0, owner] += share * (int(now) - int(was))
        self._set_cuts(number, {word.removeprefix(CUT) for word in words if word.startswith(CUT)})

    def _set_cuts(self, number: int, cut: set[str]) -> None:
        """Take what one end says of its links: a link counts as cut while both ends say so, as open otherwise."""
        first = len(self.world.asset[0])
        for link, ends in enumerate(self.compiled.arrays.link_end):
            if number in ends:
                self._said_cut[link, ends == number] = self.compiled.target_name(first + link) in cut
                self.world.cut[0, link] = self._said_cut[link].all()

    def _note_work(self, number: int, event: Event) -> int:
        """Remember that work ended; give the ceiling that it put on attackers' access.

        Where a playbook that calls others is at work, a report of one that it calls is a report of it.
        """
        if event.operation not in self.playbooks:
            return NO_CEILING
        ceilings = [self._note_work_of(event.operation, number, event)]
        for caller in self.callers.get(event.operation, ()):
            if self._is_at_work(self.playbooks.index(caller), number):
                ceilings.append(self._note_work_of(caller, number, event))
        return min(ceilings)

    def _is_at_work(self, playbook: int, asset: int) -> bool:
        states = self.world.run["state"][0]
        first = len(self.world.asset[0])
        links = [first + link for link, ends in enumerate(self.compiled.arrays.link_end) if asset in ends]
        return any(states[row] == RunState.WORKING for at in (asset, *links) for row in self._rows(playbook, at))

    def _note_work_of(self, operation: str, number: int, event: Event) -> int:
        playbook, before = self.playbooks.index(operation), self.work.get((number, operation))
        known_ms = max(self._begun.get((playbook, number), 0), before.time_ms if before else 0)
        if event.time_ms < known_ms - SKEW_MS:  # late news of an earlier response
            return NO_CEILING
        self.work[number, operation] = Work(number, operation, event.success, self.tick, event.time_ms)
        self._end_runs(playbook, number, held=event.success and self.effects.playbook["hold"][playbook] > 0)
        first = len(self.world.asset[0])
        for link, ends in enumerate(self.compiled.arrays.link_end):
            if number in ends:
                self._end_link_runs(playbook, first + link, [int(end) for end in ends])
        return int(self.effects.playbook["ceiling"][playbook]) if event.success else NO_CEILING

    def _end_runs(self, playbook: int, target: int, *, held: bool) -> None:
        run = self.world.run
        for row in self._rows(playbook, target):
            run["state"][0, row] = RunState.HOLDING if held else RunState.FREE
            run["due"][0, row] = self.tick + self.effects.playbook["hold"][playbook]

    def _end_link_runs(self, playbook: int, link: int, ends: list[int]) -> None:
        """End work on a link once both its ends have reported since it began."""
        for row in self._rows(playbook, link):
            since = int(self.world.run["since"][0, row])
            begun = self._begun.get((playbook, link), 0)
            works = [self.worked(self.playbooks[playbook], end, since, begun) for end in ends]
            if None not in works:
                succeeded = all(one is not None and one.succeeded for one in works)
                self._end_runs(playbook, link, held=succeeded and self.effects.playbook["hold"][playbook] > 0)

    def _write_cleaned(self, ceilings: dict[int, int]) -> None:
        """Tell belief what restoring work took from attackers; of more than a tick holds each owner keeps a share."""
        restored = [number for number, ceiling in ceilings.items() if ceiling != NO_CEILING]
        kept = _fair_shares(restored, self.world.cleaned.shape[1], self._owner_of)
        for row, number in enumerate(kept):
            self.world.cleaned[0, row] = (number, ceilings[number])
        self.world.world["cleaned_n"][0] = len(kept)

    def _write_findings(self, findings: Iterable[Finding]) -> None:
        rows = sorted(findings, key=lambda finding: -finding.confidence)
        room = self.world.finding.shape[1]
        known = _fair_shares(
            [one for one in rows if one.asset in self.compiled.asset_number], room, lambda one: one.owner
        )
        for row, one in enumerate(known):
            number = self.compiled.asset_number[one.asset]
            self.world.finding[0, row] = (number, one.sensor, one.step_class, one.confidence)
        self.world.world["finding_n"][0] = len(known)

    def _owner_of(self, number: int) -> str:
        return self.compiled.assets[number].owner

    def _forget(self) -> None:
        run, tick = self.world.run[0], self.tick
        old = (run["state"] == RunState.AWAITING_CONSENT) & (tick - run["since"] >= FORGET_TICKS)
        over = (run["state"] == RunState.HOLDING) & (run["due"] <= tick)
        run["state"][old | over] = RunState.FREE

    def _rows(self, playbook: int, target: int) -> list[int]:
        run = self.world.run[0]
        same = (run["state"] != RunState.FREE) & (run["playbook"] == playbook) & (run["target"] == target)
        return [int(row) for row in np.flatnonzero(same)]

    def _enter(self, playbook: int, target: int, state: RunState, due: int) -> None:
        run = self.world.run[0]
        rows = self._rows(playbook, target) or [int(row) for row in np.flatnonzero(run["state"] == RunState.FREE)[:1]]
        for row in rows[:1]:
            run[row] = (target, self.tick, due, playbook, state, 0, 0)


def _fair_shares(items: Iterable[Item], limit: int, owner_of: Callable[[Item], str]) -> list[Item]:
    """At most `limit` items, owners taking turns, so that one owner's flood leaves the others their room."""
    queues: dict[str, list[Item]] = {}
    for item in items:
        queues.setdefault(owner_of(item), []).append(item)
    turns = chain.from_iterable(zip_longest(*queues.values()))
    return [item for item in turns if item is not None][:limit]
