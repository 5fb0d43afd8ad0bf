"""Which responses are legal: from public fields alone (kind, modes, running responses), never from hidden truth.

Flows in: twin, effects, the public part of a world. Flows out: legality of one action, or the dense mask; `legal`
lists them natively. A refusal of consent is an outcome, not a mask entry. The law: what the mask allows the rules
accept, what it forbids they refuse.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from ..compiled import CompiledTwin
from ..vocabulary import RunState, TargetType
from .effects import NO_CEILING, EffectTable
from .jit import compiled, compiled_allocating, compiled_parallel, inlined, inner
from .state import WorldState

_FREE, _HOLDING = int(RunState.FREE), int(RunState.HOLDING)
_ASSET, _LINK, _OWNER = int(TargetType.ASSET), int(TargetType.LINK), int(TargetType.OWNER)


@inlined
def target_count(t: CompiledTwin) -> int:
    """T = N + L + O."""
    return len(t.asset) + len(t.link_owner) + len(t.hourly)


@inlined
def applies(playbook: int, target: int, t: CompiledTwin, e: EffectTable) -> bool:
    """Whether a playbook is meant for this target at all."""
    assets, links = len(t.asset), len(t.link_owner)
    if target < assets:
        return (
            e.playbook[playbook].target_type == _ASSET
            and (e.playbook[playbook].applies >> t.asset[target].kind) & 1 == 1
        )
    if target < assets + links:
        return e.playbook[playbook].target_type == _LINK
    return e.playbook[playbook].target_type == _OWNER


@compiled
def is_legal(b: int, action: int, t: CompiledTwin, e: EffectTable, s: WorldState) -> bool:
    """Whether `action` may be proposed in world `b` now."""
    if action == 0:
        return True
    targets = target_count(t)
    playbook, target = (action - 1) // targets, (action - 1) % targets
    if action < 0 or playbook >= len(e.playbook) or not applies(playbook, target, t, e):
        return False
    room, undoes = s.world[b].run_n < s.run.shape[1], e.playbook[playbook].clear_mode < 0
    for r in range(s.world[b].run_n):
        if s.run[b, r].state == _FREE:
            room = True
        elif s.run[b, r].target == target:
            if s.run[b, r].playbook == playbook and not acts_again(playbook, s.run[b, r].state, e):
                return False
            if is_undone_by(s.run[b, r].playbook, s.run[b, r].state, playbook, e):
                undoes = True
    return room and undoes


@inlined
def acts_again(playbook: int, run_state: int, e: EffectTable) -> bool:
    """Whether a playbook that still holds on a target may run there once more: what evicts, evicts anew."""
    return run_state == _HOLDING and e.playbook[playbook].ceiling != NO_CEILING


@inlined
def is_undone_by(running: int, run_state: int, playbook: int, e: EffectTable) -> bool:
    """Whether a playbook takes back what a running response holds."""
    clears = e.playbook[playbook].clear_mode >= 0 and e.playbook[running].mode == e.playbook[playbook].clear_mode
    return clears and run_state == _HOLDING and e.playbook[running].undoable == 1


@compiled_allocating
def static_mask(t: CompiledTwin, e: EffectTable) -> npt.NDArray[np.bool_]:
    """bool[1 + P * T]: actions that are legal when nothing runs."""
    targets, playbooks = target_count(t), len(e.playbook)
    mask = np.zeros(1 + playbooks * targets, np.bool_)
    mask[0] = True
    for playbook in range(playbooks):
        for target in range(targets):
            allowed = e.playbook[playbook].clear_mode < 0 and applies(playbook, target, t, e)
            mask[1 + playbook * targets + target] = allowed
    return mask


@inner
def fill_mask(
    b: int, always: npt.NDArray[np.bool_], t: CompiledTwin, e: EffectTable, s: WorldState, mask: npt.NDArray[np.bool_]
) -> None:
    """Write the dense mask of world `b`: bool[1 + P * T], from the static one and the running responses."""
    targets = target_count(t)
    for action in range(len(mask)):
        mask[action] = always[action]
    room = s.world[b].run_n < s.run.shape[1]
    for r in range(s.world[b].run_n):
        if s.run[b, r].state == _FREE:
            room = True
            continue
        for playbook in range(len(e.playbook)):
            if applies(playbook, s.run[b, r].target, t, e) and is_undone_by(
                s.run[b, r].playbook, s.run[b, r].state, playbook, e
            ):
                mask[1 + playbook * targets + s.run[b, r].target] = True
    for r in range(s.world[b].run_n):
        if s.run[b, r].state != _FREE and not acts_again(s.run[b, r].playbook, s.run[b, r].state, e):
            mask[1 + s.run[b, r].playbook * targets + s.run[b, r].target] = False
    if not room:
        mask[1:] = False


@compiled_parallel
def fill_masks(
    always: npt.NDArray[np.bool_], t: CompiledTwin, e: EffectTable, s: WorldState, masks: npt.NDArray[np.bool_]
) -> None:
    """Write the dense masks of all worlds: bool[B, 1 + P * T]."""
    for b in numba.prange(len(s.world)):
        fill_mask(numba.int64(b), always, t, e, s, masks[b])
