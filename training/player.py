"""The seam by which another side than the defenders' is learned: who sits there, and who else plays.

Flows in: a game, numbers of worlds. Flows out: lanes for the learner (`rollout`), spaces and network (`ppo`). A `Chain`
that holds a `Play` is played by it; all else of a run, workers, faults and checkpoints, is the same for every side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ..envs.game import Game
from ..envs.joined import Part

if TYPE_CHECKING:
    from gymnasium import spaces
    from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy


@dataclass(frozen=True)
class Player:
    """What a seat sees and may do, and the network that learns there."""

    policy: type[MaskableActorCriticPolicy]
    observed: spaces.Space[Any]
    actions: spaces.Discrete[Any]
    settings: Mapping[str, Any] = field(default_factory=dict)  # the policy's own arguments


class Play(Protocol):
    """A game in which one side is learned; workers get it pickled."""

    @property
    def player(self) -> Player | None:
        """Who is learned; None: the defender, as `ppo.make_learner` makes it."""
        ...

    def parts(self, game: Game, ids: Sequence[int], *, stream: int, batches: int = 1) -> list[Part]:
        """Lanes of the learned side, in up to `batches` parts."""
        ...
