"""The truth of one attack, kept while it runs and told only after its end.

Flows in: each tick's occurrences and the world's state. Flows out: one JSON object: trace, loss per owner and cause,
assets held, when the attacker was contained, whether every foothold is gone and the way in is closed.
"""

from __future__ import annotations

from typing import Any

from ...twin.compiled import NANO, Compiled
from ...twin.rulebook.rules import gains_something, has_access, is_blocked, is_reset
from ...twin.rulebook.state import WorldState
from ...twin.vocabulary import AssetKind, Gain, LossCause, OccurrenceKind

_DERIVED = (AssetKind.SEGMENT, AssetKind.EXTERNAL)  # held by what is in them, or always
_SPREADS = (Gain.USER, Gain.ADMIN)


class Record:
    """What happened; lives as long as its world."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._trace: list[dict[str, Any]] = []
        self._first_foothold: int | None = None  # tick
        self._last_spread: int | None = None  # last tick at which the attacker could have gone on from what it held
        self._ever_held: set[int] = set()

    def note(self, tick: int, occurrences: list[tuple[int, int, int, int]], state: WorldState) -> None:
        """Keep one tick; findings that the rulebook drew are left out, the plant does not use them."""
        for order, (kind, subject, thing, value) in enumerate(occurrences):
            if kind == OccurrenceKind.FINDING:
                continue
            entry = {"tick": tick, "order": order, "kind": OccurrenceKind(kind).word}
            self._trace.append({**entry, **self._named(kind, subject, thing), "value": value})
        held = footholds(self._compiled, state)
        self._ever_held.update(held)
        if held and self._first_foothold is None:
            self._first_foothold = tick
        if held and self._may_spread(state, held):
            self._last_spread = tick

    def truth(self, tick: int, state: WorldState) -> dict[str, Any]:
        """Tell all, as of the end."""
        compiled, held = self._compiled, footholds(self._compiled, state)
        persistent = [a for a in range(len(state.asset[0])) if state.asset[0, a]["persist"]]
        contained = self._first_foothold is not None and self._last_spread != tick - 1
        seconds = compiled.tick_s
        since = self._first_foothold or 0
        until = since if self._last_spread is None else self._last_spread + 1
        way_in_closed = not self._may_spread(state, [int(a) for a in compiled.arrays.external])
        return {
            "ticks": tick,
            "tick_s": seconds,
            "loss": {
                owner.id: {cause.word: float(state.loss[0, number, cause]) / NANO for cause in LossCause}
                for number, owner in enumerate(compiled.twin.owners)
            },
            "loss_total": float(state.loss[0].sum()) / NANO,
            "held": [compiled.assets[a].id for a in sorted(set(held) | set(persistent))],
            "ever_held": [compiled.assets[a].id for a in sorted(self._ever_held)],
            "first_foothold_s": None if self._first_foothold is None else self._first_foothold * seconds,
            "contained": contained,
            "time_to_contain_s": (until - since) * seconds if contained else None,
            "way_in_closed": way_in_closed,
            "eradicated": self._first_foothold is not None and not held and not persistent and way_in_closed,
            "trace": self._trace,
        }

    def _named(self, kind: int, subject: int, thing: int) -> dict[str, Any]:
        compiled = self._compiled
        if kind == OccurrenceKind.TRIED:
            step = compiled.steps[thing]
            return {"subject": step.target, "object": f"{step.technique} from {step.source}"}
        if kind == OccurrenceKind.REFUSED:
            return {"subject": str(subject), "object": str(thing)}
        name = compiled.target_name(subject) if 0 <= subject < compiled.targets else str(subject)
        return {"subject": name, "object": str(thing)}

    def _may_spread(self, state: WorldState, held: list[int]) -> bool:
        return any(_spreads_from(self._compiled, state, asset) for asset in held)


def footholds(compiled: Compiled, state: WorldState) -> list[int]:
    """Numbers of assets that an attacker has user or admin access to; segments and externals left out."""
    asset = state.asset[0]
    numbers = (asset["user"] | asset["admin"]).nonzero()[0]
    return [int(a) for a in numbers if compiled.assets[a].kind not in _DERIVED]


def _spreads_from(compiled: Compiled, state: WorldState, source: int) -> bool:
    """Whether some attacker may gain access to a new asset from this one, or from a segment that it is held through."""
    asset, arrays = state.asset[0], compiled.arrays
    modes = asset["modes"]
    if is_blocked(int(modes[source])):
        return False
    record = arrays.asset[source]
    wholes = [int(a) for a in arrays.whole[record["whole_first"] : record["whole_last"]]]
    for origin in (source, *(a for a in wholes if arrays.asset[a]["kind"] == AssetKind.SEGMENT)):
        rows = arrays.asset[origin]
        for number in arrays.out_step[rows["out_first"] : rows["out_last"]]:
            if _is_open(state, arrays.step[number]):
                return True
    return False


def _is_open(state: WorldState, step: Any) -> bool:
    """The rulebook's `is_open` for steps that gain access, for any attacker."""
    asset = state.asset[0]
    source, target = asset[step["src"]], asset[step["dst"]]
    identity, link = int(step["identity"]), int(step["link"])
    if step["gain"] not in _SPREADS or (link >= 0 and state.cut[0, link]):
        return False
    if is_blocked(int(source["modes"])) or is_blocked(int(target["modes"])) or is_reset(int(target["modes"])):
        return False
    if identity >= 0 and is_reset(int(asset[identity]["modes"])):
        return False
    for k in range(state.attacker.shape[1]):
        bit = 1 << k
        owns_identity = identity < 0 or (int(asset[identity]["user"]) | int(asset[identity]["admin"])) & bit
        if (
            owns_identity
            and has_access(int(source["user"]), int(source["admin"]), bit, int(step["need"]))
            and gains_something(
                int(target["user"]), int(target["admin"]), int(target["persist"]), 0, 0, bit, int(step["gain"])
            )
        ):
            return True
    return False
