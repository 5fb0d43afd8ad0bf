"""What a finding may tell of is looked at, however little it was believed before.

Flows in: a finding's asset and class. Flows out: a faint belief where it lacked one. What the finding is worth is
weighed elsewhere (`trying`, `presence`): here it is only made possible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compiled import CompiledTwin
from ..rulebook.jit import inner
from ..rulebook.parameters import Parameters
from ..vocabulary import Access, AssetKind, Gain, StepClass
from .arriving import begun, come_outside
from .shifting import activate, gain_belief

if TYPE_CHECKING:
    from .belief import BeliefState

FAINT = 0.1  # assets of the whole twin that are held in ways no rule foresees, once an attacker has come; assumed

_SEGMENT, _EXTERNAL, _ADMIN = int(AssetKind.SEGMENT), int(AssetKind.EXTERNAL), int(Access.ADMIN)
_GAIN_USER, _GAIN_ADMIN, _PRESENCE = int(Gain.USER), int(Gain.ADMIN), int(StepClass.PRESENCE)


@inner
def suspect(i: int, a: int, step_class: int, inside: float, t: CompiledTwin, p: Parameters, v: BeliefState) -> None:
    """Wake what a finding may tell of, which may be believed too little to be looked at."""
    least = FAINT / len(t.asset) * (1.0 - (1.0 - come_outside(i, t, v)) * (1.0 - inside))
    if step_class == _PRESENCE:
        _hint(i, a, 1, least, p, v)
    for j in range(t.asset[a].in_first, t.asset[a].in_last):
        step = t.in_step[j]
        if t.step[step].step_class == step_class and t.step[step].seen_at == a:
            _suspect_source(i, step, least, t, p, v)
    for j in range(t.asset[a].out_first, t.asset[a].out_last):
        step = t.out_step[j]
        if t.step[step].step_class == step_class and t.step[step].seen_at == a:
            _suspect_source(i, step, least, t, p, v)


@inner
def _suspect_source(i: int, step: int, least: float, t: CompiledTwin, p: Parameters, v: BeliefState) -> None:
    src = t.step[step].src
    if t.asset[src].kind == _SEGMENT:
        for j in range(t.asset[src].part_first, t.asset[src].part_last):
            _hint(i, t.part[j], 1, least, p, v)
    elif t.asset[src].kind != _EXTERNAL:
        _hint(i, src, t.step[step].need, least, p, v)
    if t.step[step].identity >= 0:
        _hint(i, t.step[step].identity, 1, least, p, v)


@inner
def _hint(i: int, a: int, need: int, least: float, p: Parameters, v: BeliefState) -> None:
    held = v.asset[i, a]
    if need != _ADMIN:
        least += begun(i, a, p, v)
    has = held.admin if need == _ADMIN else held.user + held.admin
    if has < least:
        gain_belief(i, a, _GAIN_ADMIN if need == _ADMIN else _GAIN_USER, least - has, v)
        activate(i, a, v)
