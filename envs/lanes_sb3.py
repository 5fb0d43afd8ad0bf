"""What SB3's vector environments share whose lanes are worlds of one game, not environments of their own.

Flows in: nothing. Flows out: the part of SB3's `VecEnv` that asks single environments for their attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stable_baselines3.common.vec_env import VecEnv

Indices = int | Sequence[int] | None


class LanesVecEnv(VecEnv):
    """Lanes have what the whole has: nothing of their own can be set, wrapped or closed."""

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """An attribute, the same for all lanes.

        Raises:
            AttributeError: there is none.
        """
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Refused: lanes share what they have.

        Raises:
            AttributeError: always.
        """
        raise AttributeError(f"{attr_name!r} cannot be set: worlds of one game share it; make another environment")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Indices = None) -> list[bool]:
        """False for every lane."""
        return [False for _ in self._get_indices(indices)]

    def close(self) -> None:
        """Nothing to close."""
