"""Who holds what: giving and taking access, and what follows from it (segments, data held through others, harm).

Flows in: one world, an asset, an attacker's bit. Flows out: changed access bits with lists and rates kept true. A
segment is held while any unblocked member is, and what an attacker has learnt of it goes with the last foothold there;
a data store or physical process is held only while one of the assets it was reached through is.
"""

from __future__ import annotations

from ..compiled import CompiledTwin
from ..vocabulary import Access, AssetKind, Gain, LossCause, OccurrenceKind
from .jit import inner
from .parameters import Parameters
from .rules import is_blocked
from .state import ALL_BITS, CARRIED_OUT, IMPACTED, WorldState
from .trace import note

_SEGMENT, _PROCESS = int(AssetKind.SEGMENT), int(AssetKind.PROCESS)
_GAINED, _EVICTED = int(OccurrenceKind.GAINED), int(OccurrenceKind.EVICTED)
_REFUSED, _REPAIRED = int(OccurrenceKind.REFUSED), int(OccurrenceKind.REPAIRED)
_ADMIN, _NONE = int(Gain.ADMIN), int(Access.NONE)
_PERSISTENCE, _IMPACT, _EXFILTRATION = int(Gain.PERSISTENCE), int(Gain.IMPACT), int(Gain.EXFILTRATION)
_HARM = int(LossCause.HARM)


@inner
def is_held(b: int, a: int, s: WorldState) -> bool:
    """Whether any attacker has access to or persistence on the asset."""
    return (s.asset[b, a].user | s.asset[b, a].admin | s.asset[b, a].persist) != 0


@inner
def has_room(b: int, a: int, s: WorldState) -> bool:
    """Whether the asset can enter the list of held assets."""
    return is_held(b, a, s) or s.world[b].held_n < s.held.shape[1]


@inner
def enlist(b: int, a: int, s: WorldState) -> None:
    """Add an asset to the list of held ones."""
    s.held[b, s.world[b].held_n] = a
    s.world[b].held_n += 1


@inner
def strike_off(b: int, a: int, s: WorldState) -> None:
    """Take an asset off the list of held ones."""
    for i in range(s.world[b].held_n):
        if s.held[b, i] == a:
            s.world[b].held_n -= 1
            s.held[b, i] = s.held[b, s.world[b].held_n]
            return


@inner
def is_harming(b: int, a: int, s: WorldState) -> bool:
    """Whether the asset is held or manipulated: it harms meanwhile, if it can."""
    return (s.asset[b, a].user | s.asset[b, a].admin) != 0 or (s.asset[b, a].modes & IMPACTED) != 0


@inner
def book_harm(b: int, a: int, harmed: bool, t: CompiledTwin, s: WorldState) -> None:
    """Keep the harm rate true after a change; `harmed` says whether the asset was harming before it."""
    harms = is_harming(b, a, s)
    if harms and not harmed:
        s.rate[b, t.asset[a].owner].harm += t.asset[a].harm
    elif harmed and not harms:
        s.rate[b, t.asset[a].owner].harm -= t.asset[a].harm


@inner
def set_access(b: int, a: int, user: int, admin: int, persist: int, t: CompiledTwin, s: WorldState) -> None:
    """Set the access bits of an asset; lists, harm, segments and what is held through it follow."""
    before, harmed = is_held(b, a, s), is_harming(b, a, s)
    s.asset[b, a].user, s.asset[b, a].admin, s.asset[b, a].persist = user, admin, persist
    after = is_held(b, a, s)
    if after and not before:
        enlist(b, a, s)
    elif before and not after:
        strike_off(b, a, s)
    book_harm(b, a, harmed, t, s)


@inner
def refresh_wholes(b: int, a: int, t: CompiledTwin, s: WorldState) -> None:
    """Derive again the segments that `a` belongs to, and what is held through it or through them."""
    for i in range(t.asset[a].whole_first, t.asset[a].whole_last):
        whole = t.whole[i]
        refresh_whole(b, whole, t, s)
        for j in range(t.asset[whole].whole_first, t.asset[whole].whole_last):
            refresh_whole(b, t.whole[j], t, s)


@inner
def refresh_whole(b: int, whole: int, t: CompiledTwin, s: WorldState) -> None:
    """A segment has the bits of its unblocked members; no whole keeps a bit that no part supports."""
    bits = 0
    for i in range(t.asset[whole].part_first, t.asset[whole].part_last):
        part = t.part[i]
        if not is_blocked(s.asset[b, part].modes):
            bits |= int(s.asset[b, part].user | s.asset[b, part].admin)
    user, admin = int(s.asset[b, whole].user), int(s.asset[b, whole].admin)
    if t.asset[whole].kind == _SEGMENT:
        if bits != user and (bits == 0 or has_room(b, whole, s)):
            set_access(b, whole, bits, admin & bits, 0, t, s)
    elif (user | admin) & ~bits != 0:
        note(b, _EVICTED, whole, -1, 0, s)
        set_access(b, whole, user & bits, admin & bits, s.asset[b, whole].persist, t, s)


@inner
def enter(b: int, a: int, k: int, t: CompiledTwin, s: WorldState) -> None:
    """Attacker `k` comes to the external `a`, and so into the segments that it belongs to."""
    if has_room(b, a, s):
        set_access(b, a, s.asset[b, a].user | (1 << k), s.asset[b, a].admin, s.asset[b, a].persist, t, s)
        refresh_wholes(b, a, t, s)


@inner
def gain(b: int, a: int, k: int, what: int, t: CompiledTwin, s: WorldState) -> None:
    """Give attacker `k` what a step gains; without room in the held list it is refused."""
    bit = 1 << k
    if what == _IMPACT:
        if s.world[b].hurt_n < s.hurt.shape[1] and (s.asset[b, a].modes & IMPACTED) == 0:
            harmed = is_harming(b, a, s)
            s.hurt[b, s.world[b].hurt_n] = a
            s.world[b].hurt_n += 1
            s.asset[b, a].modes |= IMPACTED
            s.world[b].dirty = 1
            book_harm(b, a, harmed, t, s)
            note(b, _GAINED, a, k, what, s)
        return
    if not has_room(b, a, s):
        note(b, _REFUSED, a, k, what, s)
        return
    user, admin, persist = s.asset[b, a].user, s.asset[b, a].admin, s.asset[b, a].persist
    if what == _PERSISTENCE:
        persist |= bit
    elif what == _ADMIN:
        admin |= bit
    else:
        user |= bit
    set_access(b, a, user, admin, persist, t, s)
    note(b, _GAINED, a, k, what, s)
    refresh_wholes(b, a, t, s)


@inner
def carry_out(b: int, a: int, k: int, t: CompiledTwin, p: Parameters, s: WorldState) -> None:
    """Attacker `k` carries the data of a store out: harm done at once, and once until the store is restored."""
    s.asset[b, a].modes |= CARRIED_OUT
    s.loss[b, t.asset[a].owner, _HARM] += t.asset[a].harm * p.carried_out
    note(b, _GAINED, a, k, _EXFILTRATION, s)


@inner
def cut_down(b: int, a: int, ceiling: int, clears_persistence: bool, t: CompiledTwin, s: WorldState) -> None:
    """Set a ceiling on every attacker's access to an asset; with `clears_persistence` all else it did there goes."""
    held = is_held(b, a, s)
    user = 0 if ceiling == _NONE else s.asset[b, a].user | s.asset[b, a].admin
    persist = 0 if clears_persistence else s.asset[b, a].persist
    set_access(b, a, user, 0, persist, t, s)
    if clears_persistence:
        s.asset[b, a].modes &= ALL_BITS - CARRIED_OUT
    if clears_persistence and (s.asset[b, a].modes & IMPACTED) != 0:
        mend(b, a, t, s)
    if held and not is_held(b, a, s):
        note(b, _EVICTED, a, -1, 0, s)
    refresh_wholes(b, a, t, s)


@inner
def mend(b: int, a: int, t: CompiledTwin, s: WorldState) -> None:
    """End the impact on an asset."""
    for i in range(s.world[b].hurt_n):
        if s.hurt[b, i] == a:
            s.world[b].hurt_n -= 1
            s.hurt[b, i] = s.hurt[b, s.world[b].hurt_n]
            break
    s.asset[b, a].modes ^= IMPACTED
    s.world[b].dirty = 1
    book_harm(b, a, True, t, s)
    note(b, _REPAIRED, a, -1, 0, s)


@inner
def is_controlled(b: int, a: int, t: CompiledTwin, s: WorldState) -> bool:
    """Whether an attacker can still keep the asset out of service."""
    if (s.asset[b, a].user | s.asset[b, a].admin) != 0:
        return True
    for i in range(t.asset[a].part_first, t.asset[a].part_last):
        part = t.part[i]
        if s.asset[b, part].admin != 0 and not is_blocked(s.asset[b, part].modes):
            return True
    return False
