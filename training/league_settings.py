"""The settings of a league: one dataclass, each with its line of meaning.

Flows in: flags, or a YAML file (untrusted). Flows out: `LeagueSettings`, checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..envs.attackers import PRESETS
from ..twin.sources.safe_yaml import read_yaml
from .settings import TrainError, TrainSettings, check_field, number, settings_yaml, word

AS_SCENARIO, FASTEST, FREE = "scenario", "fastest", "unbound"  # tempos
LAST, EACH = "last", "each"  # defenders that get an exploiter of their own
DEFENDERS_OWN = ("imitation_worlds", "imitation_passes")
SIDE = (  # settings of `tocsin train` that a side of a league has
    *("seconds", "iterations", "shape", "workers", "worlds", "steps", "threads", "gpus", *DEFENDERS_OWN),
    *("learning_rate", "gamma", "gae_lambda", "clip", "entropy", "value_weight", "gradient_norm", "epochs"),
    *("minibatches", "validation_worlds", "validations", "start_s", "patience_s", "checkpoint_every", "checkpoints"),
)
SIDES = ("attackers", "defenders")
ATTACKERS = TrainSettings(
    seconds=0, iterations=60, entropy=0.01, validation_worlds=96, validations=5, checkpoint_every=10
)
DEFENDERS = TrainSettings(seconds=0, iterations=40, validation_worlds=128, validations=5, checkpoint_every=10)


class LeagueError(TrainError):
    """Settings or places that make no league; the message names the thing and the mend."""


@dataclass(frozen=True, slots=True)
class LeagueSettings:
    """One league on one scenario; meanings and ranges are in the fields' metadata."""

    rounds: int = number(2, 1, 100, "times that an attacker, then a defender, joins its pool")
    tempo: str = word(
        AS_SCENARIO,
        "of learned attackers: the scenario's attacker's, the fastest script's, or a try in every tick",
        (AS_SCENARIO, FASTEST, FREE),
    )
    exploiters: str = word(
        LAST, "defenders against which alone one more attacker is trained: the last, or each", (LAST, EACH)
    )
    attacks: int = number(100, 2, 100_000, "attacks of each pair in the table; no training plays them")
    presets_of_attackers: str = word("apt,ransomware", "scripted attackers beside the scenario's own, with commas")
    worth_level: float = number(2.0, 0.0, 100.0, "gain from which the scripted defender by worth evicts")
    seed: int = number(0, 0, 2**31 - 1, "of weights and sampling")
    attackers: TrainSettings = field(
        default=ATTACKERS, metadata={"meaning": "of each attacker's training, as of tocsin train"}
    )
    defenders: TrainSettings = field(
        default=DEFENDERS, metadata={"meaning": "of each defender's training, as of tocsin train"}
    )

    def __post_init__(self) -> None:
        """Refuse what cannot be played."""
        for one in fields(self):
            if one.name not in SIDES:
                check_field(one.name, getattr(self, one.name), type(one.default), one.metadata)
        for side in SIDES:
            _check_side(side, getattr(self, side))
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
    place = str(path or "tocsin league")
    workers = said.pop("workers", None) if "workers" in given else None
    try:
        for side, usual in zip(SIDES, (ATTACKERS, DEFENDERS), strict=True):
            said[side] = _read_side(side, said.get(side, {}), usual, workers)
        return LeagueSettings(**said)
    except TrainError as error:
        raise LeagueError(f"{place}: {error}") from None


def league_yaml(settings: LeagueSettings) -> str:
    """Settings as a commented YAML file that reads back to the same settings."""
    plain = settings_yaml(settings, without=SIDES)
    for side in SIDES:
        own = [one.name for one in fields(TrainSettings) if one.name not in names_of(side)]
        lines = settings_yaml(getattr(settings, side), without=own).splitlines()
        plain += f"{side}:\n" + "".join(f"  {line}\n" for line in lines)
    return plain


def names_of(side: str) -> tuple[str, ...]:
    """Settings that a side has."""
    return tuple(name for name in SIDE if side == "defenders" or name not in DEFENDERS_OWN)


def _read_side(side: str, said: Any, usual: TrainSettings, workers: int | None) -> TrainSettings:
    if isinstance(said, TrainSettings):
        return said
    if not isinstance(said, dict):
        raise LeagueError(f"{side}: holds no mapping of settings; write lines like 'iterations: 60' under it")
    known = names_of(side)
    for name in said:
        if name not in known:
            raise LeagueError(f"{side}: {name!r} is no setting of it; take one of {', '.join(known)}")
    told = dict(said)
    if told.get("seconds") and "iterations" not in told:
        told["iterations"] = 0  # it ends by the time
    if workers is not None:
        told["workers"] = workers
    try:
        return replace(usual, **told)
    except TrainError as error:
        raise LeagueError(f"{side}: {error}") from None


def _check_side(side: str, settings: TrainSettings) -> None:
    usual, known = TrainSettings(), names_of(side)
    for one in fields(TrainSettings):
        if one.name not in known and getattr(settings, one.name) != getattr(usual, one.name):
            raise LeagueError(f"{side}: {one.name}: is no setting of a league's side; leave it out")
