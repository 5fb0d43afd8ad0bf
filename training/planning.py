"""Policies that plan: a prior names candidates, the planner rolls them out, a base policy plays on from there.

Flows in: worlds with belief. Flows out: an action per world. Where the prior sees nothing to do, nothing is planned.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..envs.active import dense_actions, legal_active, new_active, sees_active
from ..envs.game import Game
from ..envs.learned import ActivePolicy
from ..envs.scripted import ISOLATE, MONITOR, RELEASE, RESTORE, REVOKE, Defender
from ..envs.vector import ResponseWorlds
from ..playbooks.actions import encode
from ..twin.analysis.planner import MOST_SEED, Base, PlanSettings, plan
from ..twin.rulebook.defenders import decide_thresholds
from ..twin.rulebook.rules import BLOCKING
from ..twin.rulebook.worlds import Worlds
from ..twin.sensing.belief import BeliefState
from ..twin.sensing.observe import new_observation, observe_all

Prior = Callable[[ResponseWorlds], list[list[int]]]  # candidates for each world, its first choice first

SUSPECTED = 0.05  # belief from which an asset is worth a candidate; assumed
SUSPECTS = 4  # assets that are, at most
FIRST_PLAYBOOKS = (RESTORE, ISOLATE, REVOKE)
LOOKED = 2  # of them that are worth a closer look
SHUT = 4  # assets that are cut off and may be released


@dataclass
class Planned:
    """Plans where the prior has more than one candidate and belief has moved; lives for one batch of episodes.

    Elsewhere the prior's first choice is taken.
    """

    game: Game
    prior: Prior
    base: Base | None = None
    settings: PlanSettings = field(default_factory=PlanSettings)
    moved: float = 0.0  # change of belief in any asset since the last plan from which to plan again; 0: always
    patience: int = 1  # decisions after which to plan again all the same
    seconds: float = field(default=0.0, init=False)  # spent planning
    plans: int = field(default=0, init=False)
    _last: dict[int, tuple[int, npt.NDArray[np.float32]]] = field(default_factory=dict, init=False)

    def __call__(self, worlds: ResponseWorlds) -> npt.NDArray[np.int32]:
        """An action per world."""
        game, state = self.game, worlds.worlds.state
        actions, held = np.zeros(worlds.count, np.int32), worlds.held()
        for world, candidates in enumerate(self.prior(worlds)):
            actions[world] = candidates[0]
            tick = int(state.world["tick"][world])
            if len(set(candidates)) > 1 and self._is_due(world, tick, held[world]):
                made = plan(
                    game.compiled,
                    game.effects,
                    game.assumed,
                    belief=worlds.belief,
                    view=world,
                    state=state,
                    world=world,
                    candidates=candidates,
                    base=self.base,
                    settings=self._settings(tick),
                    seed=_seed(state.world[world]),
                )
                actions[world] = made.action
                self.seconds, self.plans = self.seconds + made.seconds, self.plans + 1
        return actions

    def _is_due(self, world: int, tick: int, held: npt.NDArray[np.float32]) -> bool:
        """Whether a plan may come to something new; remembers the belief if so."""
        if world in self._last:
            before, believed = self._last[world]
            soon = 0 < tick - before < self.patience * self.game.scenario.decide_every
            if soon and float(np.abs(held - believed).max()) < self.moved:
                return False
        self._last[world] = tick, held.copy()
        return True

    def _settings(self, tick: int) -> PlanSettings:
        """As wanted, with decisions no more often than the scenario has them, and not beyond the episode's end."""
        scenario = self.game.scenario
        left = max(1, min(self.settings.horizon_ticks, scenario.horizon_ticks - tick))
        return replace(self.settings, horizon_ticks=left, every=max(self.settings.every, scenario.decide_every))


def _seed(world: Any) -> int:
    """A seed for each world, episode and tick."""
    key = struct.pack("<qii", int(world["id"]), int(world["episode"]), int(world["tick"]))
    return zlib.crc32(key) % MOST_SEED


@dataclass(frozen=True)
class Suspects:
    """A prior without a policy: wait; stop, clean, revoke or look closer at what is most surely held; release."""

    game: Game
    choice: Defender | None = None  # whose choice comes first; waiting if left out

    def __call__(self, worlds: ResponseWorlds) -> list[list[int]]:
        """Candidates for each world: the first choice, waiting, and what `_answers` lists."""
        held, legal = worlds.held(), worlds.legal
        blocked = (np.asarray(worlds.worlds.state.asset["modes"]) & BLOCKING) != 0
        first = np.zeros(worlds.count, np.int32) if self.choice is None else self.choice(worlds)
        return [
            [int(first[world]), 0, *self._answers(held[world], legal[world], blocked[world])]
            for world in range(worlds.count)
        ]

    def _answers(
        self, held: npt.NDArray[np.float32], legal: npt.NDArray[np.bool_], blocked: npt.NDArray[np.bool_]
    ) -> list[int]:
        """`FIRST_PLAYBOOKS` on the `SUSPECTS` most held, a closer look at some, release of what is cut off."""
        suspects = [int(asset) for asset in np.argsort(-held, kind="stable")[: 2 * SUSPECTS] if held[asset] > SUSPECTED]
        options = [self._legal(FIRST_PLAYBOOKS, [asset], legal) for asset in suspects]
        stops = [option for option in options if option][:SUSPECTS]
        looks = self._legal((MONITOR,), suspects, legal)[:LOOKED]
        shut = np.flatnonzero(blocked)
        cleanest = shut[np.argsort(held[shut], kind="stable")].tolist()
        return [*(one for option in stops for one in option), *looks, *self._legal((RELEASE,), cleanest, legal)[:SHUT]]

    def _legal(self, playbooks: tuple[str, ...], assets: list[int], legal: npt.NDArray[np.bool_]) -> list[int]:
        library, targets = self.game.library, self.game.compiled.targets
        known = [library.names.index(name) for name in playbooks if name in library.names]
        actions = (encode(playbook, asset, targets) for asset in assets for playbook in known)
        return [action for action in actions if legal[action]]


@dataclass(frozen=True)
class RestoringBase:
    """A base policy: restore, or revoke, what is most surely held, from a belief on."""

    game: Game
    level: float

    def __call__(self, worlds: Worlds, belief: BeliefState) -> npt.NDArray[np.int32]:
        """An action per world."""
        game, actions = self.game, np.zeros(worlds.count, np.int32)
        restore, revoke = game.library.index_of(RESTORE), game.library.index_of(REVOKE)
        held = belief.asset["user"] + belief.asset["admin"]
        decide_thresholds(held, self.level, restore, revoke, game.compiled.arrays, game.effects, worlds.state, actions)
        return actions


@dataclass(frozen=True)
class LearnedBase:
    """A base policy: what a policy file or the rule decides, on worlds that are rolled forward."""

    game: Game
    policy: ActivePolicy

    def __call__(self, worlds: Worlds, belief: BeliefState) -> npt.NDArray[np.int32]:
        """An action per world; it looks at all of each world, as nobody kept what was seen of it."""
        game, policy, lanes = self.game, self.policy, np.arange(worlds.count)
        observed = new_observation(game.compiled, worlds.count)
        observe_all(lanes, game.compiled.arrays, worlds.state, belief, observed)
        active = new_active(worlds.count, len(game.effects.playbook), policy.view)
        sees_active(observed, game.graph, settings=policy.view, into=active)
        legal_active(lanes, game.always, game.compiled.arrays, game.effects, worlds.state, active)
        return dense_actions(policy.act_on(active, game.effects), active, game.compiled.targets)
