"""Responses inside a world: proposal, consent, work, effect, hold, expiry, undo.

Flows in: seats' decisions and owners' answers. Flows out: changed runs, modes and cuts. The law: undo of a reversible
playbook reopens exactly the steps it alone had closed, because modes and cuts are counts.
"""

from __future__ import annotations

from ..compiled import CompiledTwin
from ..vocabulary import ConsentMode, Mode, OccurrenceKind, Proposer, RunState
from .draws import CONSENT_ANSWER, CONSENT_DELAY, TAKE_EFFECT, tick_key, uniform
from .effects import EffectTable
from .holding import cut_down, refresh_wholes
from .jit import compiled
from .mask import is_legal, target_count
from .parameters import Parameters
from .rules import BITS, COUNT, consent_answer, is_within_hours
from .state import NEVER, WorldState
from .trace import note

_FREE, _AWAITING = int(RunState.FREE), int(RunState.AWAITING_CONSENT)
_WORKING, _HOLDING = int(RunState.WORKING), int(RunState.HOLDING)
_PROPOSED, _REFUSED = int(OccurrenceKind.PROPOSED), int(OccurrenceKind.REFUSED)
_CONSENTED, _DENIED = int(OccurrenceKind.CONSENTED), int(OccurrenceKind.DENIED)
_STARTED, _TOOK_EFFECT = int(OccurrenceKind.STARTED), int(OccurrenceKind.TOOK_EFFECT)
_FAILED, _EXPIRED, _UNDONE = int(OccurrenceKind.FAILED), int(OccurrenceKind.EXPIRED), int(OccurrenceKind.UNDONE)
_OWN, _OTHER = int(Proposer.OWN), int(Proposer.OTHER)
_AT_ONCE = int(ConsentMode.AT_ONCE)
_NO_CEILING = 255
_BLOCKING_MODES = (int(Mode.ISOLATED), int(Mode.DOWN), int(Mode.RESTORING))


@compiled
def side_owner(target: int, side: int, t: CompiledTwin) -> int:
    """Owner who answers for one side of a target, or -1: a boundary link has two sides, all else one."""
    assets, links = len(t.kind), len(t.link_owner)
    if target < assets:
        return t.owner[target] if side == 0 else -1
    if target < assets + links:
        return t.link_owner[target - assets, side]
    return target - assets - links if side == 0 else -1


@compiled
def owner_answer(b: int, r: int, side: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState) -> int:
    """What the owner of one side says now to the pending response in slot `r`: 0 none yet, 1 yes, 2 no."""
    owner = side_owner(s.run_target[b, r], side, t)
    if owner < 0:
        return 1
    playbook = s.run_playbook[b, r]
    row = e.consent_class[playbook]
    proposer = _OWN if s.seat_owner[b, s.run_seat[b, r]] == owner else _OTHER
    mode = p.consent_mode[owner, row, proposer]
    if mode == _AT_ONCE:
        return 1
    key = tick_key(s.stream[b], s.world[b], s.episode[b], s.run_since[b, r])
    entity = (playbook * target_count(t) + s.run_target[b, r]) * 2 + side
    slowest = 1.0
    for voter in range(p.consent_quorum[owner, row, proposer]):
        slowest = min(slowest, uniform(key, CONSENT_DELAY, entity + voter * 1_000_003))
    hour = s.start_hour[b] + s.tick[b] * p.tick_s / 3600.0
    hours = p.consent_hours[owner, row, proposer]
    return consent_answer(
        mode,
        s.tick[b] - s.run_since[b, r],
        p.consent_latency[owner, row, proposer],
        slowest,
        uniform(key, CONSENT_ANSWER, entity),
        p.consent_refusal[owner, row, proposer],
        is_within_hours(hour, hours[0], hours[1]),
    )


@compiled
def settle_answers(b: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState) -> None:
    """Apply the owners' answers of this tick; a response that all sides consent to starts."""
    for r in range(s.run_state.shape[1]):
        if s.run_state[b, r] != _AWAITING:
            continue
        for side in range(2):
            if s.answer[b, r, side] == 1:
                s.run_agreed[b, r] |= 1 << side
            elif s.answer[b, r, side] == 2 and s.run_state[b, r] == _AWAITING:
                note(b, _DENIED, s.run_target[b, r], s.run_playbook[b, r], side, s)
                s.run_state[b, r] = _FREE
        if s.run_state[b, r] == _AWAITING and s.run_agreed[b, r] == 3:
            _start(b, r, t, e, p, s)


@compiled
def propose(
    b: int, seat: int, action: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState
) -> None:
    """Enter a seat's proposal; where consent is given at once it starts in the same tick."""
    if action == 0:
        return
    targets = target_count(t)
    if action < 0 or not is_legal(b, action, t, e, s):
        note(b, _REFUSED, action, seat, 0, s)
        return
    playbook, target = (action - 1) // targets, (action - 1) % targets
    for r in range(s.run_state.shape[1]):
        if s.run_state[b, r] != _FREE and s.run_target[b, r] == target and s.run_since[b, r] == s.tick[b]:
            note(b, _REFUSED, action, seat, 1, s)  # a lower (seat, action) was there first
            return
    for r in range(s.run_state.shape[1]):
        if s.run_state[b, r] == _FREE:
            s.run_state[b, r] = _AWAITING
            s.run_playbook[b, r] = playbook
            s.run_target[b, r] = target
            s.run_since[b, r] = s.tick[b]
            s.run_seat[b, r] = seat
            s.run_agreed[b, r] = 0
            note(b, _PROPOSED, target, playbook, seat, s)
            for side in range(2):
                if owner_answer(b, r, side, t, e, p, s) == 1:
                    s.run_agreed[b, r] |= 1 << side
            if s.run_agreed[b, r] == 3:
                _start(b, r, t, e, p, s)
            return


@compiled
def _start(b: int, r: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState) -> None:
    playbook, target = s.run_playbook[b, r], s.run_target[b, r]
    note(b, _CONSENTED, target, playbook, 0, s)
    note(b, _STARTED, target, playbook, 0, s)
    s.run_state[b, r] = _WORKING
    s.run_due[b, r] = s.tick[b] + e.work[playbook]
    owner = side_owner(target, 0, t)
    s.loss[b, owner, 2] += int(e.labour_h[playbook] * p.labour[owner] + 0.5)
    if e.mode_during[playbook] >= 0:
        hold_mode(b, target, e.mode_during[playbook], 1, t, s)


@compiled
def hold_mode(b: int, target: int, mode: int, change: int, t: CompiledTwin, s: WorldState) -> None:
    """Add (+1) or take away (-1) one response's hold of a mode on an asset.

    Raises nothing: a count is bounded by the responses that run on one asset, far below its 15.
    """
    if target >= len(t.kind):
        return
    count = (int(s.modes[b, target]) >> (BITS * mode)) & COUNT
    s.modes[b, target] = int(s.modes[b, target]) + ((change << (BITS * mode)) if count + change >= 0 else 0)
    if mode in _BLOCKING_MODES:
        s.dirty[b] = 1
        refresh_wholes(b, target, t, s)


@compiled
def settle_due(b: int, t: CompiledTwin, e: EffectTable, s: WorldState) -> None:
    """Work that is done takes effect or fails; holds that end expire."""
    for r in range(s.run_state.shape[1]):
        if s.run_state[b, r] == _WORKING and s.run_due[b, r] <= s.tick[b]:
            _take_effect(b, r, t, e, s)
        elif s.run_state[b, r] == _HOLDING and s.run_due[b, r] <= s.tick[b]:
            release(b, r, _EXPIRED, t, e, s)


@compiled
def _take_effect(b: int, r: int, t: CompiledTwin, e: EffectTable, s: WorldState) -> None:
    playbook, target = s.run_playbook[b, r], s.run_target[b, r]
    if e.mode_during[playbook] >= 0:
        hold_mode(b, target, e.mode_during[playbook], -1, t, s)
    if uniform(s.key[b], TAKE_EFFECT, playbook * target_count(t) + target) >= e.success[playbook]:
        note(b, _FAILED, target, playbook, 0, s)
        s.run_state[b, r] = _FREE
        return
    note(b, _TOOK_EFFECT, target, playbook, 0, s)
    if e.clear_mode[playbook] >= 0:
        for other in range(s.run_state.shape[1]):
            if s.run_state[b, other] == _HOLDING and s.run_target[b, other] == target:
                held = s.run_playbook[b, other]
                if e.mode[held] == e.clear_mode[playbook] and e.undoable[held] == 1:
                    release(b, other, _UNDONE, t, e, s)
    if e.ceiling[playbook] != _NO_CEILING and target < len(t.kind):
        cut_down(b, target, e.ceiling[playbook], e.clears_persistence[playbook] == 1, t, s)
    if e.mode[playbook] < 0 and e.cut[playbook] == 0:
        s.run_state[b, r] = _FREE
        return
    s.run_state[b, r] = _HOLDING
    s.run_due[b, r] = s.tick[b] + e.hold[playbook] if e.hold[playbook] > 0 else NEVER
    if e.mode[playbook] >= 0:
        hold_mode(b, target, e.mode[playbook], 1, t, s)
    if e.cut[playbook] == 1:
        s.cut[b, target - len(t.kind)] += 1
        s.dirty[b] = 1


@compiled
def release(b: int, r: int, kind: int, t: CompiledTwin, e: EffectTable, s: WorldState) -> None:
    """End the hold of the response in slot `r`; `kind` says whether it expired or was undone."""
    playbook, target = s.run_playbook[b, r], s.run_target[b, r]
    note(b, kind, target, playbook, 0, s)
    s.run_state[b, r] = _FREE
    s.dirty[b] = 1
    if e.mode[playbook] >= 0:
        hold_mode(b, target, e.mode[playbook], -1, t, s)
    if e.cut[playbook] == 1:
        s.cut[b, target - len(t.kind)] -= 1
