"""The advisor: events become findings, findings evidence, evidence belief; the policy proposes; the twin rehearses.

Flows in: OCSF events and times from the node. Flows out: findings, proposals, forecasts, verifications. The same
compiled belief, observation and mask serve here and in training. It acts on nothing and asks nobody.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from ..playbooks.actions import Library, decode, encode
from ..twin.analysis.forecast import Outcome, Rehearsal, rehearse
from ..twin.compiled import NANO, Compiled, Int32
from ..twin.rulebook.effects import EffectTable
from ..twin.rulebook.mask import fill_masks, static_mask
from ..twin.rulebook.parameters import Parameters
from ..twin.rulebook.state import WorldState
from ..twin.sensing.arriving import held_shares
from ..twin.sensing.belief import new_belief, update_beliefs
from ..twin.sensing.detectors import detect, initial_state
from ..twin.sensing.events import Event
from ..twin.sensing.findings import Finding, independent_sources, to_ocsf
from ..twin.sensing.observe import new_observation, observe_all
from .proposals import BeliefRow, Estimate, Forecast, Outlook, Proposal, SeenFinding, Verification
from .twin_state import TwinState, Work

Bools = npt.NDArray[np.bool_]
HORIZON_S = 3600.0  # how far a rehearsal looks
LATER_S = 4 * 3600.0  # and once more: what an eviction costs comes soon, what it spares comes later
EVIDENCE_S = 1800.0  # findings this old still count as evidence of a proposal; assumed
GAP_TICKS = 60  # silent ticks made up for at once after a pause; more are skipped


@dataclass(frozen=True, slots=True)
class Situation:
    """What a policy sees of V views of a chain: one in production, one per world in simulation."""

    observation: npt.NDArray[np.uint8]  # [V, T, FEATURES]
    masks: Bools  # [V, 1 + P * T]
    held: npt.NDArray[np.float32]  # [V, N] P(any access)
    state: WorldState  # V worlds, of which a policy reads public fields alone


Policy = Callable[[Situation], Int32]  # int32[V]: the action worth proposing, 0 waits


@dataclass
class TwinAdvisor:
    """Advises one node; lives as long as it and is used by one thread at a time."""

    compiled: Compiled
    library: Library
    effects: EffectTable
    parameters: Parameters  # the assumed game
    policy: Policy
    proposed: frozenset[str] | None = None  # names of what the policy may propose and rehearsals compare; None: all
    _since: datetime | None = field(default=None, init=False)
    _recent: list[Finding] = field(default_factory=list, init=False)
    _due_events: list[Event] = field(default_factory=list, init=False)  # came between ticks of the rulebook
    _due_findings: list[Finding] = field(default_factory=list, init=False)
    _recalled: list[tuple[Proposal, datetime | None]] = field(default_factory=list, init=False)
    _sent: dict[tuple[int, int], int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        twin = self.compiled.twin
        names = tuple(playbook.id for playbook in self.library.playbooks)
        self.state = TwinState(self.compiled, self.effects, self.parameters, names, callers_of(self.library))
        self._views = [owner.id for owner in twin.owners]
        ids = [asset.id for asset in twin.assets]
        sees = [[name in twin.visible_findings(view) for name in ids] for view in self._views]
        everything = [[True] * len(ids)]
        self._belief = new_belief(self.compiled, 1 + len(self._views), sees=np.array(everything + sees))
        self._detectors = initial_state(twin)
        self._always = static_mask(self.compiled.arrays, self.effects)
        may = np.array([self.proposed is None or name in self.proposed for name in self.library.names])
        self._proposed = np.concatenate([[True], np.repeat(may, self.compiled.targets)])

    def observe(self, events: Sequence[Event], now: datetime) -> Sequence[SeenFinding]:
        """Take OCSF events in, bring evidence and belief up to `now`, give the findings concluded from them."""
        self._enter_recalled(now)
        found, self._detectors = detect(events, self._detectors)
        self._due_events += events
        self._due_findings += found
        ticks = self._due(now)
        for _ in range(min(ticks, GAP_TICKS) - 1):
            self._advance([], [])
        if ticks > 0:
            self._advance(self._due_events, self._due_findings)
            self._due_events, self._due_findings = [], []
        old = (now - timedelta(seconds=EVIDENCE_S)).timestamp() * 1000
        self._recent = [one for one in (*self._recent, *found) if one.time_ms >= old]
        return [SeenFinding(one.uid, now, one.asset, to_ocsf(one)) for one in found]

    def propose(self) -> Sequence[Proposal]:
        """The response that the policy finds worth a rehearsal now, if any."""
        proposals = []
        for action in self.policy(self.situation()):
            pair = decode(int(action), self.compiled.targets)
            if pair is not None:
                proposals.append(self._proposal(*pair))
                self.state.pending(*pair)
        return proposals

    def service_lost(self) -> float:
        """Service lost per hour as owners report it now, all owners together, in the chain's unit of loss."""
        rate = float(self.state.world.rate["service"][0].sum()) / NANO
        return rate * 3600.0 / self.compiled.tick_s

    def situation(self) -> Situation:
        """What the coalition's view shows now."""
        which = np.zeros(1, np.int64)
        observed = new_observation(self.compiled, 1)
        observe_all(which, self.compiled.arrays, self.state.world, self._belief, observed)
        masks = np.zeros((1, len(self._always)), np.bool_)
        fill_masks(self._always, self.compiled.arrays, self.effects, self.state.world, masks)
        masks &= self._proposed
        return Situation(observed.rows, masks, self._held(0)[None], self.state.world)

    def rehearse(self, proposal: Proposal) -> Forecast:
        """Expected loss over the next hour, and later: doing nothing, the proposal, the best alternative."""
        this = tuple(self._action(proposal.playbook_index, target) for target in proposal.targets)
        others = self._alternatives(proposal)
        soon, later = rehearse(
            self.compiled,
            self.effects,
            self.parameters,
            belief=self._belief,
            view=0,
            state=self.state.approved(),
            world=0,
            options=[this, *others],
            horizons_s=(HORIZON_S, LATER_S),
            seed=self.state.tick,
        )
        rivals = [outcome for outcome in soon.outcomes if outcome.actions in others and outcome.actions != this]
        best = min(rivals, key=lambda outcome: outcome.mean).actions if rivals else None
        service = {outcome.actions: outcome.service for outcome in soon.outcomes}
        return replace(
            self._forecast(soon, this, best),
            later=self._forecast(later, this, best),
            outlook=Outlook(soon.horizon_s, service[()], service[this]),
        )

    def _forecast(self, result: Rehearsal, this: tuple[int, ...], best: tuple[int, ...] | None) -> Forecast:
        by_actions = {outcome.actions: outcome for outcome in result.outcomes}
        return Forecast(
            horizon_s=result.horizon_s,
            worlds=result.worlds,
            nothing=self._estimate("do nothing", by_actions[()]),
            this=self._estimate(self._name(this), by_actions[this]),
            alternative=self._estimate(self._name(best), by_actions[best]) if best else None,
        )

    def verify(self, proposal: Proposal, since: datetime) -> Verification:
        """Whether the owners' systems report that the work succeeded: each of its own assets, of a link both ends."""
        reports: list[Work | None] = []
        for target in proposal.targets:
            number = self.compiled.target_number.get(target)
            if number is None:  # it left the chain: nobody will report on it
                return Verification.PENDING
            reports += self._reports(proposal.playbook, (proposal.playbook_index, number), since)
        if any(report is not None and not report.succeeded for report in reports):
            return Verification.CONTRADICTED
        return Verification.PENDING if None in reports else Verification.CONFIRMED

    def applied(self, proposal: Proposal, *, holds: bool, since: datetime) -> None:
        """Learn that a response was sent to the real systems (or, False, taken back or came to nothing).

        A playbook that waits for its work has it done by then; of an owner nobody reports, the answer to the order was
        all.
        """
        for pair in self._pairs(proposal):
            if not holds:
                self.state.ended(*pair)
                continue
            self._sent[pair] = self._tick_at(since)
            reports = self._reports(proposal.playbook, pair, since)
            if None in reports:
                self.state.working(*pair, _ms(since))
            elif reports and all(one is not None and one.succeeded for one in reports):
                hold = int(self.effects.playbook["hold"][pair[0]])
                if hold > 0:
                    self.state.holding(*pair, hold)

    def recalled(self, proposal: Proposal, *, until: datetime | None) -> None:
        """Learn that a response holds since before the start; entered once the time is known, at the next `observe`."""
        self._recalled.append((proposal, until))

    def _reports(self, playbook: str, pair: tuple[int, int], since: datetime) -> list[Work | None]:
        """What the assets at a target have reported of a response's work since it was sent; None: nothing yet."""
        sent = self._sent.get(pair, 0)
        return [self.state.worked(playbook, asset, sent, _ms(since)) for asset in self._assets(pair[1])]

    def _tick_at(self, time: datetime) -> int:
        """The tick at a time of the past."""
        since = self._since or time
        return self.state.tick - max(0, math.ceil((since - time).total_seconds() / self.compiled.tick_s))

    def _enter_recalled(self, now: datetime) -> None:
        for proposal, until in self._recalled:
            ticks = None if until is None else math.ceil((until - now).total_seconds() / self.compiled.tick_s)
            for pair in self._pairs(proposal):
                if ticks is None or ticks > 0:
                    self.state.holding(*pair, ticks)
        self._recalled.clear()

    def _pairs(self, proposal: Proposal) -> list[tuple[int, int]]:
        """Playbook and target as numbers, without targets that left the chain: nothing is known of them here."""
        numbers = (self.compiled.target_number.get(target) for target in proposal.targets)
        return [(proposal.playbook_index, number) for number in numbers if number is not None]

    def belief(self, viewer: str) -> Sequence[BeliefRow]:
        """The belief of one owner's view, over the assets it may see."""
        lane = 1 + self._views.index(viewer)
        seen = self.compiled.twin.visible_assets(viewer)
        admin, held = self._belief.asset["admin"][lane], self._held(lane)
        return [
            BeliefRow(asset.id, float(any_access), float(of_admin))
            for asset, any_access, of_admin in zip(self.compiled.assets, held, admin, strict=True)
            if asset.id in seen
        ]

    def _due(self, now: datetime) -> int:
        """Ticks to make up to `now`; the first call makes one."""
        if self._since is None:
            self._since = now - timedelta(seconds=self.compiled.tick_s)
        ticks = int((now - self._since).total_seconds() // self.compiled.tick_s)
        self._since += timedelta(seconds=ticks * self.compiled.tick_s)
        return ticks

    def _advance(self, events: Sequence[Event], findings: Sequence[Finding]) -> None:
        self.state.advance(events, findings)
        lanes = np.zeros(len(self._belief.active_n), np.int64)
        update_beliefs(lanes, self.compiled.arrays, self.effects, self.parameters, self.state.world, self._belief)

    def _held(self, lane: int) -> npt.NDArray[np.float32]:
        held: npt.NDArray[np.float32] = held_shares(self.parameters, self._belief)[lane]
        return held

    def _proposal(self, playbook: int, target: int) -> Proposal:
        assets = self._assets(target)
        names = {self.compiled.assets[number].id for number in assets}
        findings = [one for one in self._recent if one.asset in names]
        held = self._held(0)
        sure = max((float(held[number]) for number in assets), default=0.0)
        chosen = self.library.playbooks[playbook]
        name = self.compiled.target_name(target)
        return Proposal(
            playbook=chosen.id,
            playbook_index=playbook,
            targets=(name,),
            owners=tuple(sorted(set(self.compiled.owners_of(target)))),
            reason=f"{chosen.name} on {name}: held with probability {sure:.2f}, {len(findings)} findings lately",
            evidence=tuple(one.uid for one in findings),
            confidence=min(sure, 1.0),
            sources=independent_sources(findings),
        )

    def _alternatives(self, proposal: Proposal) -> list[tuple[int, ...]]:
        """Other playbooks on the same targets, as far as they are legal now."""
        masks = self.situation().masks[0]
        options = []
        for playbook in range(len(self.library.playbooks)):
            if playbook != proposal.playbook_index:
                option = tuple(self._action(playbook, target) for target in proposal.targets)
                if all(masks[action] for action in option):
                    options.append(option)
        return options

    def _action(self, playbook: int, target: str) -> int:
        return encode(playbook, self.compiled.target_number[target], self.compiled.targets)

    def _assets(self, target: int) -> tuple[int, ...]:
        """Assets at which a response on a target is felt: itself, or both ends of a link."""
        assets, links, _ = self.compiled.sizes
        if target < assets:
            return (target,)
        if target < assets + links:
            return tuple(int(end) for end in self.compiled.arrays.link_end[target - assets])
        return ()

    def _name(self, actions: tuple[int, ...]) -> str:
        pairs = [decode(action, self.compiled.targets) for action in actions]
        return ", ".join(
            f"{self.library.playbooks[pair[0]].name} on {self.compiled.target_name(pair[1])}" for pair in pairs if pair
        )

    @staticmethod
    def _estimate(name: str, outcome: Outcome) -> Estimate:
        return Estimate(name, outcome.mean, outcome.low, outcome.high)


def callers_of(library: Library) -> dict[str, tuple[str, ...]]:
    """Per playbook the ids of those in the library that call it: its work is theirs."""
    callers: dict[str, list[str]] = {}
    for playbook in library.playbooks:
        for step in playbook.workflow.values():
            if step.type == "playbook-action":
                callers.setdefault(step.playbook_id, []).append(playbook.id)
    return {called: tuple(names) for called, names in callers.items()}


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)
