"""Responses inside a world: proposal, consent, work, effect, hold, expiry, undo.

Flows in: seats' decisions and owners' answers. Flows out: changed runs, modes and cuts. The law: undo of a reversible
playbook reopens exactly the steps it alone had closed, because modes and cuts are counts.
"""

from __future__ import annotations

import math

from ..compiled import CompiledTwin
from ..vocabulary import ConsentMode, Mode, OccurrenceKind, Proposer, RunState
from .draws import CALL, CONSENT_ANSWER, CONSENT_DELAY, TAKE_EFFECT, tick_key, uniform
from .effects import NO_CEILING, EffectTable
from .holding import cut_down, refresh_wholes
from .jit import inlined, inner
from .mask import is_legal, target_count
from .parameters import Parameters
from .rules import BITS, COUNT, consent_answer, is_within_hours
from .sharing import is_own
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
_BLOCKING_MODES = (int(Mode.ISOLATED), int(Mode.DOWN), int(Mode.RESTORING))


@inner
def side_owner(target: int, side: int, t: CompiledTwin) -> int:
    """Owner who answers for one side of a target, or -1: a boundary link has two sides, all else one."""
    assets, links = len(t.asset), len(t.link_owner)
    if target < assets:
        return t.asset[target].owner if side == 0 else -1
    if target < assets + links:
        return t.link_owner[target - assets, side]
    return target - assets - links if side == 0 else -1


@inner
def owner_answer(b: int, r: int, side: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState) -> int:
    """What the owner of one side says now to the pending response in slot `r`: 0 none yet, 1 yes, 2 no.

    Where owners call each other, the owner hears of it an exponential time of mean `call` later (assumed; settled by
    logs of calls); from then on it answers by its table.
    """
    owner = side_owner(s.run[b, r].target, side, t)
    if owner < 0:
        return 1
    playbook = s.run[b, r].playbook
    row = e.playbook[playbook].consent_class
    seat = s.seat_owner[b, s.run[b, r].seat]
    proposer = _OWN if seat < 0 or seat == owner else _OTHER  # the coalition serves every owner
    mode = p.consent[owner, row, proposer].mode
    asked, is_call = s.run[b, r].since, p.call > 0.0 and not is_own(seat, owner, p)
    if mode == _AT_ONCE and not is_call:
        return 1
    key = tick_key(s.world[b].stream, s.world[b].id, s.world[b].episode, asked)
    entity = (playbook * target_count(t) + s.run[b, r].target) * 2 + side
    if is_call:
        asked += int(math.ceil(-math.log(uniform(key, CALL, entity)) * p.call))
        if s.world[b].tick < asked:
            return 0
    slowest = 1.0
    for voter in range(p.consent[owner, row, proposer].quorum):
        slowest = min(slowest, uniform(key, CONSENT_DELAY, entity + voter * 1_000_003))
    hour = s.world[b].start_hour + s.world[b].tick * p.tick_s / 3600.0
    return consent_answer(
        mode,
        s.world[b].tick - asked,
        p.consent[owner, row, proposer].latency,
        slowest,
        uniform(key, CONSENT_ANSWER, entity),
        p.consent[owner, row, proposer].refusal,
        is_within_hours(hour, p.consent[owner, row, proposer].hour_first, p.consent[owner, row, proposer].hour_last),
    )


@inlined
def settle_answers(b: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState) -> None:
    """Apply the owners' answers of this tick; a response that all sides consent to starts."""
    for r in range(s.world[b].run_n):
        if s.run[b, r].state != _AWAITING:
            continue
        for side in range(2):
            if s.answer[b, r, side] == 1:
                s.run[b, r].agreed |= 1 << side
            elif s.answer[b, r, side] == 2 and s.run[b, r].state == _AWAITING:
                note(b, _DENIED, s.run[b, r].target, s.run[b, r].playbook, side, s)
                s.run[b, r].state = _FREE
        if s.run[b, r].state == _AWAITING and s.run[b, r].agreed == 3:
            _start(b, r, t, e, p, s)


@inlined
def propose(b: int, seat: int, action: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState) -> None:
    """Enter a seat's proposal; where consent is given at once it starts in the same tick."""
    if action == 0:
        return
    targets = target_count(t)
    if s.refused[b, seat] == 1 or not is_legal(b, action, t, e, s):
        s.refused[b, seat] = 1
        note(b, _REFUSED, action, seat, 0, s)
        return
    playbook, target = (action - 1) // targets, (action - 1) % targets
    for r in range(s.world[b].run_n):
        if s.run[b, r].state != _FREE and s.run[b, r].target == target and s.run[b, r].since == s.world[b].tick:
            s.refused[b, seat] = 1
            note(b, _REFUSED, action, seat, 1, s)  # a lower (seat, action) was there first
            return
    for r in range(s.run.shape[1]):
        if s.run[b, r].state == _FREE:
            s.world[b].run_n = max(s.world[b].run_n, r + 1)
            s.run[b, r].state = _AWAITING
            s.run[b, r].playbook = playbook
            s.run[b, r].target = target
            s.run[b, r].since = s.world[b].tick
            s.run[b, r].seat = seat
            s.run[b, r].agreed = 0
            note(b, _PROPOSED, target, playbook, seat, s)
            for side in range(2):
                if owner_answer(b, r, side, t, e, p, s) == 1:
                    s.run[b, r].agreed |= 1 << side
            if s.run[b, r].agreed == 3:
                _start(b, r, t, e, p, s)
            return


@inner
def _start(b: int, r: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState) -> None:
    playbook, target = s.run[b, r].playbook, s.run[b, r].target
    note(b, _CONSENTED, target, playbook, 0, s)
    note(b, _STARTED, target, playbook, 0, s)
    s.run[b, r].state = _WORKING
    s.run[b, r].due = s.world[b].tick + e.playbook[playbook].work
    owner = side_owner(target, 0, t)
    s.loss[b, owner, 2] += int(e.playbook[playbook].labour_h * p.labour[owner] + 0.5)
    if e.playbook[playbook].mode_during >= 0:
        hold_mode(b, target, e.playbook[playbook].mode_during, 1, t, s)


@inner
def hold_mode(b: int, target: int, mode: int, change: int, t: CompiledTwin, s: WorldState) -> None:
    """Add (+1) or take away (-1) one response's hold of a mode on an asset.

    Raises nothing: a count is bounded by the responses that run on one asset, far below its 15.
    """
    if target >= len(t.asset):
        return
    shift = BITS * int(mode)  # int8 in the table
    count = (int(s.asset[b, target].modes) >> shift) & COUNT
    s.asset[b, target].modes = int(s.asset[b, target].modes) + ((change << shift) if count + change >= 0 else 0)
    if mode in _BLOCKING_MODES:
        s.world[b].dirty = 1
        refresh_wholes(b, target, t, s)


@inlined
def settle_due(b: int, t: CompiledTwin, e: EffectTable, s: WorldState) -> None:
    """Work that is done takes effect or fails; holds that end expire."""
    for r in range(s.world[b].run_n):
        if s.run[b, r].state == _WORKING and s.run[b, r].due <= s.world[b].tick:
            _take_effect(b, r, t, e, s)
        elif s.run[b, r].state == _HOLDING and s.run[b, r].due <= s.world[b].tick:
            release(b, r, _EXPIRED, t, e, s)
    while s.world[b].run_n > 0 and s.run[b, s.world[b].run_n - 1].state == _FREE:
        s.world[b].run_n -= 1


@inner
def _take_effect(b: int, r: int, t: CompiledTwin, e: EffectTable, s: WorldState) -> None:
    playbook, target = s.run[b, r].playbook, s.run[b, r].target
    if e.playbook[playbook].mode_during >= 0:
        hold_mode(b, target, e.playbook[playbook].mode_during, -1, t, s)
    if uniform(s.world[b].key, TAKE_EFFECT, playbook * target_count(t) + target) >= e.playbook[playbook].success:
        note(b, _FAILED, target, playbook, 0, s)
        s.run[b, r].state = _FREE
        return
    note(b, _TOOK_EFFECT, target, playbook, 0, s)
    for other in range(s.world[b].run_n):
        held = s.run[b, other].state == _HOLDING and s.run[b, other].target == target
        if held and s.run[b, other].playbook == playbook:
            release(b, other, _EXPIRED, t, e, s)  # it acts anew in its own place
    if e.playbook[playbook].clear_mode >= 0:
        for other in range(s.world[b].run_n):
            if s.run[b, other].state == _HOLDING and s.run[b, other].target == target:
                held = s.run[b, other].playbook
                if e.playbook[held].mode == e.playbook[playbook].clear_mode and e.playbook[held].undoable == 1:
                    release(b, other, _UNDONE, t, e, s)
    if e.playbook[playbook].ceiling != NO_CEILING and target < len(t.asset):
        s.cleaned[b, s.world[b].cleaned_n, 0] = target
        s.cleaned[b, s.world[b].cleaned_n, 1] = e.playbook[playbook].ceiling
        s.world[b].cleaned_n += 1
        cut_down(b, target, e.playbook[playbook].ceiling, e.playbook[playbook].clears_persistence == 1, t, s)
    if e.playbook[playbook].mode < 0 and e.playbook[playbook].cut == 0:
        s.run[b, r].state = _FREE
        return
    s.run[b, r].state = _HOLDING
    s.run[b, r].due = s.world[b].tick + e.playbook[playbook].hold if e.playbook[playbook].hold > 0 else NEVER
    if e.playbook[playbook].mode >= 0:
        hold_mode(b, target, e.playbook[playbook].mode, 1, t, s)
    if e.playbook[playbook].cut == 1:
        s.cut[b, target - len(t.asset)] += 1
        s.world[b].dirty = 1


@inner
def release(b: int, r: int, kind: int, t: CompiledTwin, e: EffectTable, s: WorldState) -> None:
    """End the hold of the response in slot `r`; `kind` says whether it expired or was undone."""
    playbook, target = s.run[b, r].playbook, s.run[b, r].target
    note(b, kind, target, playbook, 0, s)
    s.run[b, r].state = _FREE
    s.world[b].dirty = 1
    if e.playbook[playbook].mode >= 0:
        hold_mode(b, target, e.playbook[playbook].mode, -1, t, s)
    if e.playbook[playbook].cut == 1:
        s.cut[b, target - len(t.asset)] -= 1
