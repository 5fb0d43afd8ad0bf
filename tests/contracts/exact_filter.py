"""The oracle of the belief: Bayes' filter by enumeration of every joint state of a small twin.

Flows in: a game with one attacker, from outside or from one of the machines inside, and no persistence or impact steps;
after each tick the worlds' public fields and findings. Flows out: exact marginals per asset. It shares no code with the
belief: the rules are written out again, as whole arrays over (worlds, joint states). The order of findings within a
tick is not used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from tocsin.twin.compiled import HELD_THROUGH, Compiled
from tocsin.twin.rulebook.effects import EffectTable
from tocsin.twin.rulebook.parameters import Parameters
from tocsin.twin.rulebook.state import WorldState
from tocsin.twin.vocabulary import AssetKind, Gain, Mode, RunState, StepClass

LIMIT = 6  # assets an attacker can take; 3 ** 6 + 1 joint states
FLOOR = 1e-9  # rate of false findings that the table calls impossible, as in the belief

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def count(modes: npt.NDArray[Any], mode: Mode) -> npt.NDArray[Any]:
    """How many responses hold a mode: 4 bits each."""
    return (modes >> (4 * int(mode))) & 15


@dataclass(frozen=True)
class Public:
    """What anybody may read of B worlds: bool[B, N], bool[B, N], bool[B, L]."""

    blocked: Bools
    reset: Bools
    cut: Bools

    @classmethod
    def of(cls, state: WorldState) -> Public:
        """Read it from worlds."""
        modes = np.asarray(state.asset["modes"])
        blocked = sum(count(modes, mode) for mode in (Mode.ISOLATED, Mode.DOWN, Mode.RESTORING)) > 0
        return cls(blocked, count(modes, Mode.CREDENTIAL_RESET) > 0, state.cut > 0)


@dataclass
class ExactFilter:
    """Exact posterior over the joint states of B worlds; lives as long as its game."""

    compiled: Compiled
    effects: EffectTable
    parameters: Parameters
    worlds: int
    level: Ints = field(init=False)  # [J, N] access per joint state; state 0: the attacker has not come
    half: int = field(init=False)  # states 1 to here: it came from outside; those after them: from inside
    weight: Floats = field(init=False)  # [B, J]
    public: Public = field(init=False)  # as it was before the tick

    def __post_init__(self) -> None:
        t = self.compiled.arrays
        kind = t.asset["kind"]
        self.segments = np.flatnonzero(kind == AssetKind.SEGMENT)
        self.stores = np.flatnonzero(np.isin(kind, HELD_THROUGH))
        self.free = np.setdiff1d(np.unique(t.step["dst"]), t.external)
        self.taken = np.setdiff1d(self.free, self.segments)
        self.mapped = np.intersect1d(self.free, self.segments)  # at level 2 once what they reach is known
        gains = set(t.step["gain"].tolist())
        if (
            len(self.free) > LIMIT
            or not gains <= {int(Gain.USER), int(Gain.ADMIN)}
            or len(self.parameters.attacker) != 1
        ):
            raise ValueError(f"enumeration takes one attacker, at most {LIMIT} assets, no persistence, no impact")
        self.place = 3 ** np.arange(len(self.free))
        digits = (np.arange(3 ** len(self.free))[:, None] // self.place) % 3
        self.half = len(digits)
        self.level = np.zeros((2 * self.half + 1, len(t.asset)), np.int64)
        self.level[1:, self.free] = np.tile(digits, (2, 1))
        self.level[1 : self.half + 1, t.external] = 1
        self.weight = np.zeros((self.worlds, len(self.level)))
        self.weight[:, 0] = 1.0
        assets, links, _ = self.compiled.sizes
        none = np.zeros((self.worlds, assets), bool)
        self.public = Public(none, none, np.zeros((self.worlds, links), bool))

    def update(self, state: WorldState) -> None:
        """Condition on the tick that the worlds have just made."""
        after = Public.of(state)
        tick = int(state.world["tick"][0]) - 1
        tried = self._chosen(self.public)  # [B, J, E], times the weight of the state: decided before responses
        idle = self.weight - tried.sum(axis=2)
        tried, idle = self._clean(state, after, tried, idle)
        may = self._open(after)
        idle = idle + (tried * ~may).sum(axis=2)
        weight = self._settle(state, tried * may, idle)
        self._come(weight, after, self._hazard(tick))
        weight *= self._presence(state)
        self.weight = weight / weight.sum(axis=1, keepdims=True)
        self.public = after

    def marginals(self) -> tuple[Floats, Floats]:
        """P(exactly user) and P(admin), each float64[B, N]; of segments the latter is that they are mapped."""
        return self.weight @ (self.level == 1), self.weight @ (self.level == 2)

    def _held(self, public: Public) -> Bools:
        """bool[B, J, N]: any access, segments through their unblocked members."""
        t = self.compiled.arrays
        held = np.repeat((self.level > 0)[None], self.worlds, axis=0)
        for segment in self.segments:
            parts = t.part[t.asset["part_first"][segment] : t.asset["part_last"][segment]]
            held[:, :, segment] = (held[:, :, parts] & ~public.blocked[:, None, parts]).any(axis=2)
        return held

    def _open(self, public: Public) -> Bools:
        """bool[B, J, E]: steps that the attacker may try."""
        step = self.compiled.arrays.step
        src, dst, identity, link = step["src"], step["dst"], step["identity"], step["link"]
        held = self._held(public)
        passable = ~public.blocked[:, src] & ~public.blocked[:, dst] & ~public.reset[:, dst]
        passable &= (identity < 0) | ~public.reset[:, identity]
        if public.cut.shape[1]:
            passable &= (link < 0) | ~public.cut[:, link]
        has = held[:, :, src] & ((step["need"] < 2) | (self.level[:, src] == 2))
        has &= (identity < 0) | held[:, :, identity]
        lacks = self.level[:, dst] < step["gain"]
        has_come = np.arange(len(self.level)) > 0
        return np.asarray(passable[:, None, :] & has & lacks & has_come[:, None])

    def _chosen(self, public: Public) -> Floats:
        """float64[B, J, E]: probability of the state and of trying the step in it. Least of exponential clocks."""
        taste = self._open(public) * self.parameters.weight[0].astype(np.float64)
        share = taste / np.maximum(taste.sum(axis=2, keepdims=True), 1e-300)
        return np.asarray(share * float(self.parameters.attacker["try_p"][0]) * self.weight[:, :, None])

    def _clean(self, state: WorldState, after: Public, tried: Floats, idle: Floats) -> tuple[Floats, Floats]:
        """Move probability to the states that responses of this tick leave."""
        cleaned = state.world["cleaned_n"]
        changed = (cleaned > 0) | (after.blocked != self.public.blocked).any(axis=1)
        for b in np.flatnonzero(changed):
            level = self.level.copy()
            for asset, ceiling in state.cleaned[b, : cleaned[b]]:
                level[:, asset] = np.minimum(level[:, asset], ceiling)
            for store in (*self.stores, *self.mapped):
                level[~self._supported(level, store, after.blocked[b]), store] = 0
            number = np.arange(len(level))
            to = np.where(number == 0, 0, 1 + level[:, self.free] @ self.place + self.half * (number > self.half))
            moved = np.zeros((len(level), tried.shape[2] + 1))
            np.add.at(moved, to, np.column_stack([tried[b], idle[b]]))
            tried[b], idle[b] = moved[:, :-1], moved[:, -1]
        return tried, idle

    def _supported(self, level: Ints, store: int, blocked: Bools) -> Bools:
        t = self.compiled.arrays
        parts = t.part[t.asset["part_first"][store] : t.asset["part_last"][store]]
        return np.asarray(((level[:, parts] > 0) & ~blocked[parts]).any(axis=1))

    def _settle(self, state: WorldState, tried: Floats, idle: Floats) -> Floats:
        """Tries succeed or fail, and the findings of the tick weigh them."""
        step, weight = self.compiled.arrays.step, idle.copy()
        number = np.arange(len(self.level))
        for e in range(len(step)):
            mass = tried[:, :, e] * self._told(state, int(step["seen_at"][e]), int(step["step_class"][e]))[:, None]
            chance = self._success(state, e)[:, None]
            place = self.place[self.free == step["dst"][e]][0]
            rise = np.maximum(int(step["gain"][e]) - self.level[:, step["dst"][e]], 0) * place
            weight += mass * (1.0 - chance)
            target = np.where(number == 0, 0, number + rise)
            for j in np.flatnonzero(mass.any(axis=0)):
                weight[:, target[j]] += mass[:, j] * chance[:, 0]
        return weight

    def _success(self, state: WorldState, e: int) -> Floats:
        step = self.compiled.arrays.step[e]
        chance = np.full(self.worlds, float(step["probability"]))
        held = (state.run["state"] == int(RunState.HOLDING)) & (state.run["target"] == step["dst"])
        held &= (count(np.asarray(state.asset["modes"]), Mode.PATCHED)[:, step["dst"]] > 0)[:, None]
        factor = np.where(held, self.effects.lower[state.run["playbook"], step["step_class"]], 1.0)
        return np.asarray(chance * factor.prod(axis=1))

    def _told(self, state: WorldState, asset: int, step_class: int) -> Floats:
        """float64[B]: findings of a class on an asset given one true source, relative to none. Poisson false ones.

        Among n findings in a cell of rate r, one being true has likelihood n / r relative to all being false.
        """
        p, t = self.parameters, self.compiled.arrays
        sensors = int(t.asset["sensors"][asset])
        watching = ((sensors >> np.arange(len(p.false_rate))) & 1).astype(np.float64)
        if sensors == 0:
            return np.ones(self.worlds)
        monitored = (count(np.asarray(state.asset["modes"]), Mode.MONITORED)[:, asset] > 0).astype(int)
        hit = p.hit_mask[monitored, sensors, step_class].astype(np.float64)
        share = watching * p.hit[:, step_class] / max(float((watching * p.hit[:, step_class]).sum()), FLOOR)
        true = share[:, None] * p.true_bins
        false = (p.false_rate * p.false_class[:, step_class])[:, None] * p.false_bins + FLOOR
        rows = np.arange(state.finding.shape[1]) < state.world["finding_n"][:, None]
        rows = rows & (state.finding[:, :, 0] == asset) & (state.finding[:, :, 2] == step_class)
        ratio = (true / false)[state.finding[:, :, 1], state.finding[:, :, 3]]
        return np.asarray(1.0 - hit + hit * (rows * ratio).sum(axis=1))

    def _presence(self, state: WorldState) -> Floats:
        """float64[B, J]: what a held asset gives away of itself, or its silence."""
        likelihood = np.ones_like(self.weight)
        for asset in self.free:
            told = self._told(state, int(asset), int(StepClass.PRESENCE))
            likelihood *= np.where(self.level[:, asset] > 0, told[:, None], 1.0)
        return likelihood

    def _come(self, weight: Floats, public: Public, hazard: float) -> None:
        """Some of the weight of state 0 goes to outside, some to where one begins inside, if that is not shut."""
        inside, came = float(self.parameters.attacker["inside"][0]), weight[:, 0] * hazard
        weight[:, 1] += came * (1.0 - inside)
        weight[:, 0] -= came
        for asset in np.flatnonzero(self.parameters.begin) if inside else ():
            nothing = 1 + self.half
            place = int(self.place[self.free == asset][0])
            shut = public.blocked[:, asset] | public.reset[:, asset]
            share = came * inside * float(self.parameters.begin[asset])
            weight[:, nothing] += share * shut
            weight[:, nothing + place] += share * ~shut

    def _hazard(self, tick: int) -> float:
        """P(the attacker comes in this tick | it has not come): uniform over its span, or never."""
        first, last, absent = (self.parameters.attacker[name][0] for name in ("first", "last", "absent"))
        if not first <= tick <= last:
            return 0.0
        each = (1.0 - float(absent)) / (last - first + 1)
        return float(each / (1.0 - each * (tick - first)))
