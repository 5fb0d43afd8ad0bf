"""Which of the assumed attackers has come in each world drawn from a belief, what it holds, and when the others come.

Flows in: what somebody holds in each world, and where one from inside began. Flows out: access bits per attacker, and
their onsets. Belief takes attackers together, so who holds what is drawn by how likely each had come by now, each way.
In a world with one from outside and one from inside the latter holds where it began and the former the rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..rulebook.parameters import Parameters
from ..rulebook.state import ATTACKER_STATE, ENTRIES, NEVER

NOBODY, ANYWHERE = -2, -1  # in a world no attacker began inside; one did, and where is not yet drawn

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def bits_of(
    held: Bools,
    began: Ints,
    external: npt.NDArray[np.int32],
    parameters: Parameters,
    tick: int,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """Share what is held among attackers; uint8[worlds, N] of bits, and [worlds, K] of ATTACKER_STATE.

    Args:
        held: bool[worlds, N], what anybody holds.
        began: int64[worlds], machine inside at which one began, or NOBODY or ANYWHERE.
        external: what those from outside hold.
        parameters: the assumed game.
        tick: of the worlds.
        rng: of the draw.
    """
    attacker = parameters.attacker
    come, inside = _come_by(tick, attacker), attacker["inside"].astype(np.float64)
    from_outside: Bools = np.asarray(held[:, external].any(axis=1))
    outsider = _one_of(come * (1.0 - inside), 1.0 - inside, from_outside, rng)
    insider = _one_of(come * inside, inside, began != NOBODY, rng)
    present = rng.random((len(held), len(attacker))) < come * (1.0 - inside)  # others from outside, who hold no more
    present &= from_outside[:, None]
    rows, any_came = np.arange(len(held)), (outsider >= 0) | (insider >= 0)
    for one in (outsider, insider):
        present[rows[one >= 0], one[one >= 0]] = True
    holder = np.where(outsider >= 0, outsider, np.where(insider >= 0, insider, 0))
    any_came |= held.any(axis=1)  # what nothing explains is held by somebody all the same
    present[rows[held.any(axis=1)], holder[held.any(axis=1)]] = True
    bits = held.astype(np.uint8) << holder[:, None].astype(np.uint8)
    there = (began >= 0) & (insider >= 0) & held[rows, np.maximum(began, 0)]
    bits[rows[there], began[there]] = 1 << insider[there]
    comers = (present & any_came[:, None]) @ (1 << np.arange(len(attacker)))
    own = np.where(insider >= 0, 1 << np.maximum(insider, 0), 0)
    bits[:, external] = np.where(held[:, external], (comers & ~np.where(insider == outsider, 0, own))[:, None], 0)
    return bits, _states(present & any_came[:, None], parameters, tick, rng)


def _come_by(tick: int, attacker: npt.NDArray[Any]) -> Floats:
    """float64[K]: P(each has come before `tick`), whatever was found."""
    span = (tick - attacker["first"]) / (attacker["last"] - attacker["first"] + 1.0)
    come: Floats = (1.0 - attacker["absent"].astype(np.float64)) * np.clip(span, 0.0, 1.0)
    return come


def _one_of(odds: Floats, otherwise: Floats, wanted: Bools, rng: np.random.Generator) -> Ints:
    """int64[worlds]: where wanted, one attacker by odds, by `otherwise` if there are none; else -1."""
    odds = odds if odds.sum() > 0 else otherwise
    if odds.sum() <= 0:
        odds = np.ones_like(odds)
    drawn = np.searchsorted(np.cumsum(odds) / odds.sum(), rng.random(len(wanted)), side="right")
    return np.where(wanted, np.minimum(drawn, len(odds) - 1), -1)


def _states(present: Bools, parameters: Parameters, tick: int, rng: np.random.Generator) -> npt.NDArray[Any]:
    states = np.zeros(present.shape, ATTACKER_STATE).view(np.recarray)
    states["choice"], states["entry"] = -1, ENTRIES
    for k in range(present.shape[1]):
        states["onset"][:, k] = np.where(present[:, k], tick - 1, _onsets(parameters.attacker[k], tick, present, rng))
        inside = float(parameters.attacker["inside"][k])
        if inside > 0.0:
            place = np.searchsorted(parameters.begin_cdf, rng.random(len(present)))
            entry = parameters.begin_asset[np.minimum(place, len(parameters.begin_asset) - 1)]
            states["entry"][:, k] = np.where(rng.random(len(present)) < inside, entry, ENTRIES)
    return states


def _onsets(attacker: Any, tick: int, worlds: Bools, rng: np.random.Generator) -> Ints:
    """When an attacker not there yet comes: uniform over what is left of its span, or never."""
    first, last = int(attacker["first"]), int(attacker["last"])
    absent, left = float(attacker["absent"]), max(0, last - max(first, tick) + 1)
    coming = (1.0 - absent) * left / (last - first + 1)
    never = absent / (absent + coming) if absent + coming > 0 else 1.0
    onset = max(first, tick) + rng.integers(0, max(left, 1), len(worlds))
    return np.where(rng.random(len(worlds)) < never, NEVER, onset)
