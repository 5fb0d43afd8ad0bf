"""The settings of a league: one dataclass, each with its line of meaning.

Flows in: flags, or a YAML file (untrusted). Flows out: `LeagueSettings`, checked.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..envs.attackers import PRESETS
from ..twin.sources.safe_yaml import read_yaml
from .settings import TrainError, check_field, number, word


class LeagueError(TrainError):
    """Settings or places that make no league; the message names the thing and the mend."""


@dataclass(frozen=True, slots=True)
class LeagueSettings:
    """One league on one scenario; meanings and ranges are in the fields' metadata."""

    rounds: int = number(2, 1, 100, "times that an attacker, then a defender, joins its pool")
    attack_steps: int = number(30_000, 1, 10**9, "ticks that each attacker learns from, in whole episodes")
    defend_steps: int = number(30_000, 1, 10**9, "decisions that each defender learns from, in whole episodes")
    worlds: int = number(16, 1, 4096, "worlds side by side, shared out over the opponents")
    attacks: int = number(100, 2, 100_000, "attacks of each pair in the table; no training plays them")
    presets_of_attackers: str = word("apt,ransomware", "scripted attackers beside the scenario's own, with commas")
    worth_level: float = number(2.0, 0.0, 100.0, "gain from which the scripted defender by worth evicts")
    imitation_worlds: int = number(64, 1, 4096, "worlds in which the rule by worth is watched before the first round")
    learning_rate: float = number(1e-3, 1e-9, 1.0, "Adam's at the start; falls over each training")
    entropy: float = number(0.01, 0.0, 1.0, "weight of the entropy bonus of attackers")
    threads: int = number(1, 1, 256, "torch threads")
    seed: int = number(0, 0, 2**31 - 1, "of weights and sampling")

    def __post_init__(self) -> None:
        """Refuse what cannot be played."""
        for one in fields(self):
            check_field(one.name, getattr(self, one.name), type(one.default), one.metadata)
        for preset in self.presets:
            if preset not in PRESETS:
                raise LeagueError(f"presets_of_attackers: {preset!r} is unknown; take of {', '.join(PRESETS)}")

    @property
    def presets(self) -> tuple[str, ...]:
        """The scripted attackers beside the scenario's own."""
        return tuple(one.strip() for one in self.presets_of_attackers.split(",") if one.strip())


def read_league(path: Path | None, **given: Any) -> LeagueSettings:
    """Settings from a YAML file, or the usual ones; what is `given` (and not None) goes before.

    Raises:
        LeagueError: the file is missing, or says what is unknown, of the wrong kind or out of range.
        TwinError: it is no YAML; names line and mend.
    """
    said: dict[str, Any] = {}
    if path is not None:
        try:
            documents = read_yaml(path.read_bytes(), str(path))
        except OSError as error:
            raise LeagueError(f"{path}: {error.strerror or error}; name a file of settings") from None
        if len(documents) != 1 or not isinstance(documents[0], dict):
            raise LeagueError(f"{path}: holds no mapping of settings; write lines like 'rounds: 2'")
        said = dict(documents[0])
    known = [one.name for one in fields(LeagueSettings)]
    for name in said:
        if name not in known:
            raise LeagueError(f"{path}: {name!r} is no setting; take one of {', '.join(known)}")
    said |= {name: value for name, value in given.items() if value is not None}
    try:
        return LeagueSettings(**said)
    except TrainError as error:
        raise LeagueError(f"{path or 'tocsin league'}: {error}") from None
