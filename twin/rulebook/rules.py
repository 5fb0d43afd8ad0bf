"""The rules of the world as scalar functions of numbers; agents, kernel and belief call the same ones.

Flows in: numbers. Flows out: numbers. Chance enters as a drawn number. Nothing is written here.
"""

from __future__ import annotations

import math

from ..vocabulary import Access, AssetKind, ConsentMode, Gain, Mode
from .jit import compiled

BITS = 4  # of the count of one mode
COUNT = (1 << BITS) - 1
BLOCKING = (COUNT << BITS * Mode.ISOLATED) | (COUNT << BITS * Mode.DOWN) | (COUNT << BITS * Mode.RESTORING)
CLEANED = (COUNT << BITS * Mode.PATCHED) | (COUNT << BITS * Mode.CREDENTIAL_RESET)  # what evicting leaves behind

_ISOLATED, _RESET, _MONITORED, _PATCHED = (
    BITS * Mode.ISOLATED,
    BITS * Mode.CREDENTIAL_RESET,
    BITS * Mode.MONITORED,
    BITS * Mode.PATCHED,
)
_USER, _ADMIN = int(Access.USER), int(Access.ADMIN)
_GAIN_USER, _GAIN_ADMIN = int(Gain.USER), int(Gain.ADMIN)
_GAIN_PERSISTENCE, _GAIN_IMPACT, _GAIN_EXFILTRATION = int(Gain.PERSISTENCE), int(Gain.IMPACT), int(Gain.EXFILTRATION)
_NEVER, _ASK, _VETO = int(ConsentMode.NEVER), int(ConsentMode.ASK), int(ConsentMode.VETO_WINDOW)
_EXTERNAL = int(AssetKind.EXTERNAL)


@compiled
def is_blocked(modes: int) -> bool:
    """Whether an asset with these modes neither attacks, nor is attacked, nor serves."""
    return (modes & BLOCKING) != 0


@compiled
def is_reset(modes: int) -> bool:
    """Whether the credentials of this identity are revoked."""
    return ((modes >> _RESET) & COUNT) != 0


@compiled
def is_monitored(modes: int) -> bool:
    """Whether sensors on the asset look closer."""
    return ((modes >> _MONITORED) & COUNT) != 0


@compiled
def is_patched(modes: int) -> bool:
    """Whether some response lowers the odds of steps into the asset."""
    return ((modes >> _PATCHED) & COUNT) != 0


@compiled
def has_access(user: int, admin: int, bit: int, need: int) -> bool:
    """Whether attacker `bit` has at least access `need`."""
    if need == _ADMIN:
        return (admin & bit) != 0
    return ((user | admin) & bit) != 0


@compiled
def gains_something(user: int, admin: int, persist: int, impacted: int, carried: int, bit: int, gain: int) -> bool:
    """Whether `gain` would give attacker `bit` what is not had yet; data are carried out by who has them, once."""
    if gain == _GAIN_USER:
        return ((user | admin) & bit) == 0
    if gain == _GAIN_ADMIN:
        return (admin & bit) == 0
    if gain == _GAIN_PERSISTENCE:
        return (persist & bit) == 0
    if gain == _GAIN_EXFILTRATION:
        return carried == 0 and ((user | admin) & bit) != 0
    return gain == _GAIN_IMPACT and impacted == 0


@compiled
def consent_answer(
    mode: int, elapsed: int, latency: int, delay_draw: float, answer_draw: float, refusal: float, in_hours: bool
) -> int:
    """Answer of one side to a request made `elapsed` ticks ago: 0 none yet, 1 yes, 2 no.

    Asking takes an exponential time of mean `latency` ticks (assumed; settled by response logs); a veto window says
    yes at its end unless refused.
    """
    if mode == _NEVER:
        return 2
    if mode == _VETO:
        if elapsed < latency:
            return 0
        return 2 if answer_draw < refusal else 1
    if mode == _ASK:
        if elapsed < 1 or elapsed < math.ceil(-math.log(delay_draw) * latency) or not in_hours:
            return 0
        return 2 if answer_draw < refusal else 1
    return 1


@compiled
def load_factor(hour: float, amplitude: float, peak: float) -> float:
    """Legitimate load at UTC `hour`, in shares of its mean over a day: a cosine with its peak at hour `peak`."""
    return 1.0 + amplitude * math.cos((hour - peak) * math.pi / 12.0)


@compiled
def is_within_hours(hour: float, first: int, last: int) -> bool:
    """Whether UTC `hour` lies in [first, last), which may wrap over midnight."""
    hour = hour % 24.0
    if first <= last:
        return first <= hour < last
    return hour >= first or hour < last
