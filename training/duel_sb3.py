"""Duels as vector environments of Stable-Baselines3: to attack a pool of defenders, or to defend against attackers.

Flows in: duels, each with an opponent. Flows out: what SB3's `VecEnv` promises. Lanes of a pool's members stand side by
side, so a rollout is against the pool's even mixture (fictitious play). All lanes begin and end together.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from ..envs.lanes_sb3 import LanesVecEnv
from ..envs.scripted import Defender
from .attack_network import OBSERVATION
from .duel import ROWS, Attacking, AttackView, Duel

Array = npt.NDArray[Any]


class _DuelVecEnv(LanesVecEnv):
    """What both seats share."""

    def __init__(self, duels: Sequence[Duel], observed: spaces.Box, actions: int, scale: float, episode: int) -> None:
        self.duels, self._scale, self._episode = tuple(duels), np.float32(scale), episode
        self._cuts = np.cumsum([duel.count for duel in duels])[:-1]
        self._actions: Array = np.zeros(0, np.int64)
        self.render_mode = None
        super().__init__(sum(duel.count for duel in duels), observed, spaces.Discrete(actions))

    @abstractmethod
    def _look(self) -> Array:
        """Rows of all lanes, masks noted."""

    @abstractmethod
    def _play(self, parts: Sequence[Array]) -> Array:
        """Take actions; gives float64[lanes] rewards."""

    @abstractmethod
    def action_masks(self) -> npt.NDArray[np.bool_]:
        """bool[lanes, actions] of what is legal."""

    def reset(self) -> Array:
        """Start the next episode in all lanes."""
        self._begin()
        self.reset_infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        return self._look()

    def _begin(self) -> None:
        for duel in self.duels:
            duel.begin(self._episode)
        self._episode += 1

    def step_async(self, actions: Array) -> None:
        """Take the actions of the next `step_wait`."""
        self._actions = np.asarray(actions)

    def step_wait(self) -> tuple[Array, Array, Array, list[dict[str, Any]]]:
        """Play on; at the horizon all lanes begin the next episode."""
        rewards = (self._play(np.split(self._actions, self._cuts)) * self._scale).astype(np.float32)
        is_over, rows = self.duels[0].is_over, self._look()
        infos: list[dict[str, Any]] = [{"TimeLimit.truncated": is_over} for _ in range(self.num_envs)]
        if is_over:
            for info, last in zip(infos, rows, strict=True):
                info["terminal_observation"] = last
            self._begin()
            rows = self._look()
        return rows, rewards, np.full(self.num_envs, is_over), infos

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """What a method of each lane gives; lanes have `action_masks`.

        Raises:
            AttributeError: lanes have no such method.
        """
        if method_name != "action_masks":
            raise AttributeError(f"duels have no method {method_name!r}; they have action_masks")
        return list(self.action_masks()[list(self._get_indices(indices))])


class AttackVecEnv(_DuelVecEnv):
    """The attacker's seat; a step is a tick, the reward what was done to all owners in service and harm."""

    def __init__(
        self, duels: Sequence[Duel], defenders: Sequence[Defender], *, scale: float = 1.0, episode: int = 0
    ) -> None:
        """One defender for each duel; rewards are multiplied by `scale`."""
        self._defenders = tuple(defenders)
        super().__init__(duels, OBSERVATION, 1 + ROWS, scale, episode)
        self._views: list[AttackView] = []

    def _look(self) -> Array:
        self._views = [duel.look() for duel in self.duels]
        return np.concatenate([view.rows for view in self._views])

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """bool[lanes, 1 + ROWS]."""
        return np.concatenate([view.legal for view in self._views])

    def _play(self, parts: Sequence[Array]) -> Array:
        done = []
        for duel, defender, actions in zip(self.duels, self._defenders, parts, strict=True):
            defence = defender(duel.worlds) if duel.decides else np.zeros(duel.count, np.int32)
            done.append(duel.play(defence, duel.steps_of(actions)))
        return np.concatenate(done)


class DefendVecEnv(_DuelVecEnv):
    """The coalition's seat through slots; a step is a decision, the reward less what all owners lost."""

    def __init__(
        self, duels: Sequence[Duel], attackers: Sequence[Attacking | None], *, scale: float = 1.0, episode: int = 0
    ) -> None:
        """One attacker for each duel, None: the built-in rule; rewards are multiplied by `scale`."""
        self._attackers, seen = tuple(attackers), duels[0].seen
        observed = spaces.Box(0, 255, (seen.settings.slots, seen.settings.width), np.uint8)
        super().__init__(duels, observed, seen.actions, scale, episode)

    def _look(self) -> Array:
        return np.concatenate([duel.seen.look() for duel in self.duels])

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """bool[lanes, 1 + P * K]."""
        return np.concatenate([duel.seen.masks() for duel in self.duels])

    def _play(self, parts: Sequence[Array]) -> Array:
        lost = []
        for duel, attacker, actions in zip(self.duels, self._attackers, parts, strict=True):
            before, defence = duel.losses, duel.seen.dense(duel.seen.checked(actions))
            for _ in range(duel.game.scenario.decide_every):
                attack = None if attacker is None else duel.steps_of(attacker(duel.look()))
                duel.play(defence, attack)
            lost.append(before - duel.losses)
        return np.concatenate(lost)
