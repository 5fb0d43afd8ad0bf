"""The same world for learners: scenarios, games, environments, policy files.

`PUBLIC` names the modules that other rooms may use; the names in `EXPORTS` load on first use (PEP 562), so that
importing the room costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

PUBLIC = (
    "active",
    "active_worlds",
    "assumptions",
    "attackers",
    "campaigns",
    "cooperation",
    "discovery",
    "game",
    "joined",
    "kinds",
    "owner_lanes",
    "lanes_sb3",
    "learned",
    "numbers",
    "ranges",
    "policy_file",
    "policy_shelf",
    "promotion",
    "profile",
    "policy_network",
    "reward",
    "rule_layer",
    "rule_numbers",
    "scenario",
    "scripted",
    "target_graph",
    "threat",
    "vector",
    "response",
    "views",
    "owners",
    "replay",
)
EXPORTS = {
    "Scenario": "scenario",
    "read_scenario": "scenario",
    "Game": "game",
    "load_game": "game",
    "ResponseWorlds": "vector",
    "ResponseEnv": "response",
    "ResponseVectorEnv": "gymnasium_vector",
    "ResponseVecEnv": "sb3_vector",
    "ActiveSettings": "active",
    "ActiveWorlds": "active_worlds",
    "ActiveVecEnv": "active_sb3",
    "JoinedVecEnv": "joined_sb3",
    "OwnerWorlds": "owners",
    "OwnersEnv": "parallel",
    "AttackEnv": "attack",
    "record_episode": "replay",
    "load_policy": "policy_file",
}


def __getattr__(name: str) -> Any:
    """Load an exported name on first use."""
    if name not in EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{EXPORTS[name]}"), name)
