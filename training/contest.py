"""Courses of a league: one side learns against the even mixture of a pool of the other, and is judged by that pool.

Flows in: a game, a pool, settings, weights to begin with. Flows out: what `course.Course` promises. Losses are what the
coalition loses, owner-hours; for attackers less of it is worse, so their judgement is negative.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..envs.game import Game
from ..envs.learned import Learned
from ..envs.policy_file import OBSERVATION_VERSION, NumpyPolicy
from ..envs.scripted import Defender, Threshold
from ..twin.rulebook.worlds import STREAM_EVALUATION
from .attack_network import NumpyAttacker, numpy_weights
from .course import RECIPE
from .duel import Float64, play_duel
from .duel_lanes import Attacks, Defends, MakeDefender
from .family import Chain, Chains, mean_loss, single
from .imitate import imitate
from .metering import COSTS
from .settings import TrainSettings
from .streams import STREAM_IMITATION, STREAM_VALIDATION
from .validate import Validated

LANES = 50  # attacks played side by side; no result depends on it
RETURN = 5.0  # what attackers' rewards add up to where the rule on belief loses what it does; assumed
SCALE_WORLDS = 64


@dataclass(frozen=True)
class Side:
    """An attacker, the game that it comes in, and how often it may try."""

    game: Game
    attacker: NumpyAttacker | None  # None: the built-in rule, at its own tempo
    pace: float  # probability that a learned one may try in a tick


def match(
    side: Side, make: Callable[[Game], Defender], attacks: int, stream: int = STREAM_EVALUATION, first: int = 0
) -> Float64:
    """float64[attacks] losses of one pair on a stream's worlds from `first` on."""
    ends = range(first, first + attacks, LANES)
    parts = [range(begin, min(first + attacks, begin + LANES)) for begin in ends]
    defend = make(side.game)
    played = [play_duel(side.game, defend, side.attacker, ids, stream=stream, pace=side.pace) for ids in parts]
    return np.concatenate(played)


class _Contest:
    """What both sides share: one stage, weights to begin with, a pool."""

    side = ""

    def __init__(self, base: Game, against: Mapping[str, Any], settings: TrainSettings, pace: float) -> None:
        """Play against a pool; `start` may be set before the run.

        Args:
            base: the game in which learned attackers come.
            against: the pool of the other side, by name.
            settings: of the run.
            pace: of the learned attacker, or of those in the pool.
        """
        self._base, self._against, self._settings, self._pace = base, dict(against), settings, pace
        self.start: Mapping[str, Any] | None = None  # state of a policy

    def stage_at(self, part: float) -> int:
        """There is one."""
        return 0

    @abstractmethod
    def chains(self, stage: int) -> Chains:
        """A chain for each opponent."""

    def told(self, stage: int) -> dict[str, Any]:
        """The pool's names."""
        return {"stage": stage, "against": list(self._against)}

    def bound_to(self) -> dict[str, Any]:
        """The side, the game, the pool's weights, the settings that shape the run."""
        game = self._base
        return {
            "side": self.side,
            "observation version": OBSERVATION_VERSION,
            "pace": self._pace,
            "pool": {name: digest_of(one) for name, one in self._against.items()},
            **{name: getattr(self._settings, name) for name in RECIPE},
            "library": game.library.digest,
            "chain": game.compiled.twin.digest,
            "game": game_digest(game),
        }

    def begin(self, policy: Any) -> float:
        """Take the weights to begin with, if any; gives the scale of rewards."""
        scale = self._scale(policy)
        if self.start is not None:
            policy.load_state_dict({name: torch.as_tensor(one) for name, one in self.start.items()})
        return scale

    @abstractmethod
    def _scale(self, policy: Any) -> float: ...

    def judged(self, policy: Any) -> Validated:
        """Against each of the pool, on worlds of the validation stream; the likeliest action is taken."""
        return Validated(self.judge(self.packed(policy.network)), np.full(len(COSTS), np.nan))

    @abstractmethod
    def packed(self, network: Any) -> Any:
        """The network as it plays from its file."""

    @abstractmethod
    def judge(self, one: Any) -> Float64:
        """float64[opponents], less is better for this side."""

    def weights(self, policy: Any) -> Mapping[str, Any]:
        """All of the policy, the value too: others begin with it."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in policy.state_dict().items()}

    @property
    def _judged_worlds(self) -> int:
        return max(1, self._settings.validation_worlds // len(self._against))


class Attack(_Contest):
    """An attacker learns against a pool of defenders."""

    side = "attackers"
    _against: dict[str, MakeDefender]

    def chains(self, stage: int) -> Chains:
        """One for each defender."""
        return tuple(Chain(self._base, 1.0, Attacks(make, self._pace)) for make in self._against.values())

    def _scale(self, policy: Any) -> float:
        lost = mean_loss(self._base, Threshold(self._base), STREAM_IMITATION, SCALE_WORLDS)
        return RETURN / max(lost, 1e-3)

    def packed(self, network: Any) -> NumpyAttacker:
        """See `_Contest.packed`."""
        return NumpyAttacker(numpy_weights(network), {})

    def judge(self, one: NumpyAttacker) -> Float64:
        """float64[defenders] less what it takes from each."""
        side = Side(self._base, one, self._pace)
        worlds = self._judged_worlds
        return -np.array([match(side, make, worlds, STREAM_VALIDATION).mean() for make in self._against.values()])


class Defence(_Contest):
    """A defender learns against a pool of attackers."""

    side = "defenders"
    _against: dict[str, Side]

    def chains(self, stage: int) -> Chains:
        """One for each attacker; against scripts it plays the plain worlds."""
        return tuple(
            Chain(one.game, 1.0, None if one.attacker is None else Defends(one.attacker, one.pace))
            for one in self._against.values()
        )

    def _scale(self, policy: Any) -> float:
        """Without weights to begin with it imitates the rule that contains."""
        passes = self._settings.imitation_passes if self.start is None else 0
        return imitate(policy.network, single(self._base), replace(self._settings, imitation_passes=passes))

    def packed(self, network: Any) -> NumpyPolicy:
        """See `_Contest.packed`."""
        return NumpyPolicy(network.numpy_weights(), {})

    def judge(self, one: NumpyPolicy) -> Float64:
        """float64[attackers] what is lost to each."""

        def make(game: Game) -> Defender:
            return Learned(game, one)

        worlds = self._judged_worlds
        return np.array([match(side, make, worlds, STREAM_VALIDATION).mean() for side in self._against.values()])


def game_digest(game: Game) -> str:
    """Of all that a scenario says."""
    return hashlib.sha256(game.scenario.model_dump_json(exclude={"folder"}).encode()).hexdigest()[:16]


def digest_of(one: Any) -> str:
    """Of a member of a pool: its weights, or what its script says."""
    if isinstance(one, Side):
        weights = None if one.attacker is None else one.attacker.weights
        said = f"{game_digest(one.game)} {one.pace}"
    else:
        given = getattr(one, "keywords", {})
        weights = given["policy"].weights if "policy" in given else None
        said = getattr(getattr(one, "func", one), "__name__", "") + str([given[k] for k in given if k != "policy"])
    found = hashlib.sha256(said.encode())
    for name in sorted(weights or {}):
        found.update(name.encode() + np.ascontiguousarray(weights[name], "<f4").tobytes())  # type: ignore[index]
    return found.hexdigest()[:16]
