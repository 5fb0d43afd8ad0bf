"""Our environments in Gymnasium's registry.

Flows in: nothing. Flows out: ids that `gymnasium.make` knows. Importing this module registers them, as is Gymnasium's
custom: `gymnasium.make("tocsin.envs.registration:tocsin/Response-v0")`, or import it first and leave the prefix out.
Gymnasium 1.x loads no plugins of its own accord, so nothing is declared for it in `pyproject.toml`.
"""

from __future__ import annotations

import gymnasium

RESPONSE, ATTACK = "tocsin/Response-v0", "tocsin/Attack-v0"


def register() -> None:
    """Enter the environments into Gymnasium's registry; twice does no harm."""
    if RESPONSE not in gymnasium.registry:
        gymnasium.register(
            RESPONSE,
            entry_point="tocsin.envs.response:ResponseEnv",
            vector_entry_point="tocsin.envs.gymnasium_vector:ResponseVectorEnv",
        )
    if ATTACK not in gymnasium.registry:
        gymnasium.register(ATTACK, entry_point="tocsin.envs.attack:AttackEnv")


register()
