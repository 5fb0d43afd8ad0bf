"""Who holds what: giving and taking access, and what follows from it (segments, data held through others, harm).

Flows in: one world, an asset, an attacker's bit. Flows out: changed access bits with lists and rates kept true. A
segment is held while any unblocked member is; a data store or physical process only while one of the assets it was
reached through is.
"""

from __future__ import annotations

from ..compiled import CompiledTwin
from ..vocabulary import Access, AssetKind, Gain, OccurrenceKind
from .jit import compiled
from .rules import is_blocked
from .state import HARMED, IMPACTED, WorldState
from .trace import note

_SEGMENT, _PROCESS = int(AssetKind.SEGMENT), int(AssetKind.PROCESS)
_GAINED, _EVICTED = int(OccurrenceKind.GAINED), int(OccurrenceKind.EVICTED)
_REFUSED, _REPAIRED = int(OccurrenceKind.REFUSED), int(OccurrenceKind.REPAIRED)
_ADMIN, _NONE = int(Gain.ADMIN), int(Access.NONE)
_PERSISTENCE, _IMPACT = int(Gain.PERSISTENCE), int(Gain.IMPACT)


@compiled
def is_held(b: int, a: int, s: WorldState) -> bool:
    """Whether any attacker has access to or persistence on the asset."""
    return (s.user[b, a] | s.admin[b, a] | s.persist[b, a]) != 0


@compiled
def has_room(b: int, a: int, s: WorldState) -> bool:
    """Whether the asset can enter the list of held assets."""
    return is_held(b, a, s) or s.held_n[b] < s.held.shape[1]


@compiled
def enlist(b: int, a: int, s: WorldState) -> None:
    """Add an asset to the list of held ones."""
    s.held[b, s.held_n[b]] = a
    s.held_n[b] += 1


@compiled
def strike_off(b: int, a: int, s: WorldState) -> None:
    """Take an asset off the list of held ones."""
    for i in range(s.held_n[b]):
        if s.held[b, i] == a:
            s.held_n[b] -= 1
            s.held[b, i] = s.held[b, s.held_n[b]]
            return


@compiled
def book_harm(b: int, a: int, t: CompiledTwin, s: WorldState) -> None:
    """Keep the harm rate true: an asset harms while it is held or manipulated."""
    if t.harm[a] == 0:
        return
    harms = (s.user[b, a] | s.admin[b, a]) != 0 or (s.status[b, a] & IMPACTED) != 0
    counted = (s.status[b, a] & HARMED) != 0
    if harms and not counted:
        s.status[b, a] |= HARMED
        s.harm_rate[b, t.owner[a]] += t.harm[a]
    elif counted and not harms:
        s.status[b, a] ^= HARMED
        s.harm_rate[b, t.owner[a]] -= t.harm[a]


@compiled
def set_access(b: int, a: int, user: int, admin: int, persist: int, t: CompiledTwin, s: WorldState) -> None:
    """Set the access bits of an asset; lists, harm, segments and what is held through it follow."""
    before = is_held(b, a, s)
    s.user[b, a], s.admin[b, a], s.persist[b, a] = user, admin, persist
    after = is_held(b, a, s)
    if after and not before:
        enlist(b, a, s)
    elif before and not after:
        strike_off(b, a, s)
    book_harm(b, a, t, s)


@compiled
def refresh_wholes(b: int, a: int, t: CompiledTwin, s: WorldState) -> None:
    """Derive again the segments that `a` belongs to, and what is held through it."""
    for i in range(t.whole_ptr[a], t.whole_ptr[a + 1]):
        refresh_whole(b, t.whole[i], t, s)


@compiled
def refresh_whole(b: int, whole: int, t: CompiledTwin, s: WorldState) -> None:
    """A segment has the bits of its unblocked members; other wholes keep no bit that no part supports."""
    bits = 0
    for i in range(t.part_ptr[whole], t.part_ptr[whole + 1]):
        part = t.part[i]
        if not is_blocked(s.modes[b, part]):
            bits |= s.user[b, part] | s.admin[b, part]
    if t.kind[whole] == _SEGMENT:
        if bits != s.user[b, whole] and (bits == 0 or has_room(b, whole, s)):
            set_access(b, whole, bits, 0, 0, t, s)
    elif (s.user[b, whole] | s.admin[b, whole]) & ~bits != 0:
        note(b, _EVICTED, whole, -1, 0, s)
        set_access(b, whole, s.user[b, whole] & bits, s.admin[b, whole] & bits, s.persist[b, whole], t, s)


@compiled
def gain(b: int, a: int, k: int, what: int, t: CompiledTwin, s: WorldState) -> None:
    """Give attacker `k` what a step gains; without room in the held list it is refused."""
    bit = 1 << k
    if what == _IMPACT:
        if s.hurt_n[b] < s.hurt.shape[1] and (s.status[b, a] & IMPACTED) == 0:
            s.hurt[b, s.hurt_n[b]] = a
            s.hurt_n[b] += 1
            s.status[b, a] |= IMPACTED
            s.dirty[b] = 1
            book_harm(b, a, t, s)
            note(b, _GAINED, a, k, what, s)
        return
    if not has_room(b, a, s):
        note(b, _REFUSED, a, k, what, s)
        return
    user, admin, persist = s.user[b, a], s.admin[b, a], s.persist[b, a]
    if what == _PERSISTENCE:
        persist |= bit
    elif what == _ADMIN:
        admin |= bit
    else:
        user |= bit
    set_access(b, a, user, admin, persist, t, s)
    note(b, _GAINED, a, k, what, s)
    refresh_wholes(b, a, t, s)


@compiled
def cut_down(b: int, a: int, ceiling: int, clears_persistence: bool, t: CompiledTwin, s: WorldState) -> None:
    """Set a ceiling on every attacker's access to an asset; with `clears_persistence` persistence and impact go."""
    held = is_held(b, a, s)
    user = 0 if ceiling == _NONE else s.user[b, a] | s.admin[b, a]
    persist = 0 if clears_persistence else s.persist[b, a]
    set_access(b, a, user, 0, persist, t, s)
    if clears_persistence and (s.status[b, a] & IMPACTED) != 0:
        mend(b, a, t, s)
    if held and not is_held(b, a, s):
        note(b, _EVICTED, a, -1, 0, s)
    refresh_wholes(b, a, t, s)


@compiled
def mend(b: int, a: int, t: CompiledTwin, s: WorldState) -> None:
    """End the impact on an asset."""
    for i in range(s.hurt_n[b]):
        if s.hurt[b, i] == a:
            s.hurt_n[b] -= 1
            s.hurt[b, i] = s.hurt[b, s.hurt_n[b]]
            break
    s.status[b, a] ^= IMPACTED
    s.dirty[b] = 1
    book_harm(b, a, t, s)
    note(b, _REPAIRED, a, -1, 0, s)


@compiled
def is_controlled(b: int, a: int, t: CompiledTwin, s: WorldState) -> bool:
    """Whether an attacker can still keep the asset out of service."""
    if (s.user[b, a] | s.admin[b, a]) != 0:
        return True
    for i in range(t.part_ptr[a], t.part_ptr[a + 1]):
        part = t.part[i]
        if s.admin[b, part] != 0 and not is_blocked(s.modes[b, part]):
            return True
    return False
