"""What responses cost besides the loss they are to spare: downtime, containments of what was free, consents asked.

Flows in: worlds as they stand when a policy has chosen, and its actions. Flows out: costs per attack, and whether they
keep a budget. Training (a constraint), evaluation and promotion take these words and numbers from here. Truth is read
to judge, after the policy has chosen.

Downtime is service that impact alone would not have cost: the share of an owner's value that does not serve as the
world stands, less what would not serve if no response blocked or cut anything. What both would cost is the attacker's.
It is looked at once per decision, so what begins and ends between two decisions is missed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from ..envs.game import Game
from ..envs.vector import ResponseWorlds
from ..twin.compiled import NANO
from ..twin.rulebook.effects import NO_CEILING
from ..twin.rulebook.rules import BITS, BLOCKING
from ..twin.rulebook.state import IMPACTED, WorldState
from ..twin.vocabulary import ConsentMode, Proposer

Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Costs:
    """Means per attack."""

    downtime: float  # owner-hours of service lost to responses alone
    false: float  # containments proposed for what no attacker held
    consents: float  # answers that people were asked for


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that an attack may cost on average; infinity: no bound."""

    downtime: float = np.inf  # owner-hours, 0 or more
    false: float = np.inf  # 0 or more
    consents: float = np.inf  # 0 or more

    def __post_init__(self) -> None:
        """Refuse what is no bound.

        Raises:
            ValueError: below 0 or no number; names it.
        """
        for name, bound in asdict(self).items():
            if not bound >= 0:
                raise ValueError(f"budget of {name} {bound}: give 0 or more")

    @property
    def is_bound(self) -> bool:
        """Whether there is a bound at all."""
        return any(np.isfinite(bound) for bound in asdict(self).values())

    def broken(self, costs: Costs) -> tuple[str, ...]:
        """Names of the costs that are above their bound."""
        return tuple(one.name for one in fields(self) if getattr(costs, one.name) > getattr(self, one.name))


@dataclass(frozen=True)
class Meter:
    """Reads what responses cost in worlds of one game."""

    game: Game

    @cached_property
    def _containing(self) -> Bools:
        """bool[1 + P]: playbooks that stop, cut or clean, by number; the first stands for waiting."""
        rows = self.game.effects.playbook
        blocks = np.zeros(len(rows), np.bool_)
        for name in ("mode", "mode_during"):
            modes = rows[name].astype(np.int64)
            blocks |= (modes >= 0) & ((BLOCKING >> (BITS * np.maximum(modes, 0))) & 1 == 1)
        return np.concatenate([[False], blocks | (rows["cut"] == 1) | (rows["ceiling"] != NO_CEILING)])

    @cached_property
    def _ends(self) -> npt.NDArray[np.int64]:
        """int64[T, 2]: the assets that a target stands for; owners stand for none: N."""
        arrays = self.game.compiled.arrays
        assets = np.repeat(np.arange(len(arrays.asset)), 2).reshape(-1, 2)
        owners = np.full((self.game.compiled.targets - len(assets) - len(arrays.link), 2), len(assets))
        return np.concatenate([assets, arrays.link_end, owners])

    @cached_property
    def _asked(self) -> npt.NDArray[np.int64]:
        """int64[1 + P, T]: answers of people that a proposal of the coalition needs, 0 to 2; none for waiting."""
        game, parameters = self.game, self.game.parameters
        arrays, targets = game.compiled.arrays, game.compiled.targets
        assets, links = len(arrays.asset), len(arrays.link_owner)
        sides = np.full((targets, 2), -1)
        sides[:assets, 0] = arrays.asset["owner"]
        sides[assets : assets + links] = arrays.link_owner
        sides[assets + links :, 0] = np.arange(targets - assets - links)
        table = np.asarray(parameters.consent)["mode"][:, :, int(Proposer.OWN)]  # [O, C]
        asks = table[np.maximum(sides, 0)][..., game.effects.playbook["consent_class"]] == int(ConsentMode.ASK)
        if parameters.call > 0.0:  # whoever is not at the desk has to be called
            asks |= (sides != parameters.desk)[..., None]
        asks &= (sides >= 0)[..., None]
        return np.concatenate([np.zeros((1, targets), np.int64), asks.sum(axis=1).T])

    @cached_property
    def _needs(self) -> csr_matrix:
        """[G, N] which assets a group of dependencies counts, as often as it does."""
        arrays = self.game.compiled.arrays
        groups = np.repeat(np.arange(len(arrays.group)), arrays.group["last"] - arrays.group["first"])
        ones = np.ones(len(groups), np.float32)
        return csr_matrix((ones, (groups, arrays.member["asset"])), (len(arrays.group), len(arrays.asset)))

    def false(self, actions: npt.NDArray[np.integer], worlds: ResponseWorlds) -> Bools:
        """bool[B]: the action contains, and no attacker holds, or would regain, what it acts on."""
        playbook, target = self._pair(actions)
        known = np.concatenate([held(worlds.worlds.state), np.zeros((len(actions), 1), np.bool_)], axis=1)
        hit = np.asarray(np.take_along_axis(known, self._ends[target], axis=1).any(axis=1))
        return np.asarray(self._containing[playbook] & ~hit)

    def consents(self, actions: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """int64[B]: answers of people that the action needs: owners that are asked by their table, or called."""
        asked: npt.NDArray[np.int64] = self._asked[self._pair(actions)]
        return asked

    def _pair(self, actions: npt.NDArray[np.integer]) -> tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]]:
        """1 + playbook (0: waits) and target of each action."""
        playbook, target = np.divmod(np.maximum(actions - 1, 0), self.game.compiled.targets)
        return np.where(actions > 0, 1 + playbook, 0), target

    def downtime(self, worlds: ResponseWorlds) -> Float64:
        """float64[B]: loss per tick, in the owners' unit, that responses alone cost as the worlds stand."""
        state = worlds.worlds.state
        lost = np.asarray(state.rate)["service"].sum(axis=1).astype(np.float64)
        both = np.flatnonzero((lost > 0) & (np.asarray(state.world)["hurt_n"] > 0))
        if len(both):
            impacted = (np.asarray(state.asset)["modes"][both] & IMPACTED) != 0
            share = self.game.compiled.arrays.asset["share"].astype(np.float64)
            lost[both] -= self._unserved(impacted) @ share
        return np.maximum(lost, 0.0) / NANO

    def _unserved(self, broken: Bools) -> Float64:
        """float64[b, N]: 1 where an asset does not serve if just these are broken and every link carries."""
        group, fails = self.game.compiled.arrays.group, broken.astype(np.float32)
        before = -1.0
        while fails.sum() > before:
            before = float(fails.sum())
            failing = (self._needs @ fails.T).T
            rows, groups = np.nonzero(failing > group["tolerance"])
            fails[rows, group["asset"][groups]] = 1.0
        return fails.astype(np.float64)


def held(state: WorldState) -> Bools:
    """bool[B, N]: what any attacker holds, or would regain."""
    asset = np.asarray(state.asset)
    found: Bools = (asset["user"] | asset["admin"] | asset["persist"]) != 0
    return found


def costs_of(parts: Mapping[str, Float64]) -> Costs:
    """Means over attacks of float64[n] by name of the cost."""
    return Costs(**{one.name: float(np.mean(parts[one.name])) for one in fields(Costs)})
