"""The settings of one training run: one dataclass, each with its line of meaning.

Flows in: flags, or a YAML file (untrusted). Flows out: `TrainSettings`, checked. It starts nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from ..envs.kinds import ARMS
from ..twin.sources.safe_yaml import read_yaml

DECENTRALISED, CENTRAL = "decentralised", "central"
AS_WRITTEN, MIXED = "as-written", "mixed"  # attackers, cooperation
COALITION, OWNERS = "coalition", "owners"  # seats
PER_CHAIN, HOURS = "chain", "hours"  # units of rewards


class TrainError(ValueError):
    """Settings or files that make no run; the message names the thing and the mend."""


def number(default: float, low: float, high: float, meaning: str) -> Any:
    """A field of settings that is a number within a range."""
    return field(default=default, metadata={"meaning": meaning, "low": low, "high": high})


def word(default: str, meaning: str, choices: tuple[str, ...] = ()) -> Any:
    """A field of settings that is text, one of `choices` where there are any."""
    return field(default=default, metadata={"meaning": meaning, "choices": choices})


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """One run of training on a scenario or the family it generates; meanings and ranges are in the fields' metadata."""

    scenario: str = word("", "scenario file; empty: the shipped one")
    chains: int = number(0, 0, 1000, "generated chains that a worker plays side by side; 0: the scenario's own chain")
    smallest: int = number(30, 10, 100_000, "assets of the smallest generated chains")
    largest: int = number(200, 10, 100_000, "assets of the largest generated chains")
    stages: int = number(1, 1, 1000, "equal parts of the run, each with new chains; sizes grow over the first half")
    attackers: str = word(AS_WRITTEN, "of generated chains: the scenario's, or presets in turn", (AS_WRITTEN, MIXED))
    unit: str = word(
        PER_CHAIN,
        "of rewards on generated chains: what is lost there without this policy, or hours",
        (PER_CHAIN, HOURS),
    )
    judges: int = number(8, 1, 1000, "generated chains of their own, of all sizes, by which the best weights are kept")
    seats: str = word(
        COALITION, "who decides: one for all owners, or each by its own view; one network", (COALITION, OWNERS)
    )
    own_share: float = number(0.0, 0, 1, "of an owner's reward that is its own loss; the rest is all owners' together")
    cooperation: str = word(
        AS_WRITTEN,
        "between owners: as the chains have it, one kind, or all kinds in turn",
        (AS_WRITTEN, MIXED, *ARMS),
    )
    seconds: float = number(60.0, 0, 31_536_000, "wall time in all, Ray's start and validation too; 0: no limit")
    iterations: int = number(0, 0, 10**9, "updates in all, by which the learning rate then falls; 0: by the time")
    shape: str = word(DECENTRALISED, "who computes gradients: every worker, or one learner", (DECENTRALISED, CENTRAL))
    workers: int = number(2, 1, 4096, "Ray actors that roll out; in the decentralised shape they learn too")
    worlds: int = number(48, 1, 4096, "worlds a worker plays side by side")
    steps: int = number(30, 1, 4096, "decisions a world makes per iteration")
    threads: int = number(1, 1, 256, "threads of a worker and of the driver, and processors Ray sets aside for it")
    gpus: int = number(0, 0, 1, "GPUs of the learner (central), or of every worker (decentralised)")
    seed: int = number(0, 0, 2**31 - 1, "of weights, sampling and the worlds' ids")
    rule: str = word(
        "", "file of `tocsin policy search`, numbers of the rule that policies begin as; empty: the shipped"
    )
    imitation_worlds: int = number(64, 1, 4096, "worlds in all in which the rule is watched for one episode")
    imitation_passes: int = number(8, 0, 1000, "over what was watched, before PPO; 0: none")
    learning_rate: float = number(1e-3, 1e-9, 1.0, "Adam's, in PPO, at the start; falls with what is left of the run")
    gamma: float = number(0.99, 0.01, 1.0, "discount per decision (two minutes)")
    gae_lambda: float = number(0.9, 0.0, 1.0, "of generalised advantage estimation")
    clip: float = number(0.2, 1e-3, 10.0, "range of the probability ratio in PPO's objective")
    entropy: float = number(0.003, 0.0, 1.0, "weight of the entropy bonus")
    value_weight: float = number(0.5, 0.0, 100.0, "weight of the value's fault in the loss")
    gradient_norm: float = number(0.5, 1e-6, 1e6, "greatest norm of a gradient; longer ones are cut to it")
    epochs: int = number(4, 1, 100, "passes over each iteration's data")
    minibatches: int = number(4, 1, 1024, "per pass, over all workers together")
    downtime_budget: float = number(0.0, 0, 1e9, "owner-hours per attack that responses alone may cost; 0: no bound")
    false_budget: float = number(0.0, 0, 1e9, "containments per attack of what no attacker held; 0: no bound")
    consents_budget: float = number(0.0, 0, 1e9, "answers per attack that people may be asked for; 0: no bound")
    budget_rate: float = number(0.05, 1e-6, 100, "by which a multiplier rises per iteration and share overrun")
    validation_worlds: int = number(256, 2, 4096, "worlds of their own stream, in all, by which the best are kept")
    validations: int = number(6, 2, 100, "after imitation, at the end, and the others evenly between")
    start_s: float = number(600.0, 1, 3600, "patience with workers that start: a node first compiles the kernels")
    patience_s: float = number(60.0, 1, 3600, "how long a worker may keep the others waiting before it is replaced")
    run: str = word("", "folder or fsspec URL that keeps checkpoints, figures and the settings; empty: none")
    checkpoint_every: int = number(50, 1, 10**6, "iterations between checkpoints")
    checkpoints: int = number(3, 1, 1000, "newest checkpoints that are kept")
    tensorboard: bool = field(default=False, metadata={"meaning": "write TensorBoard events into the run folder too"})

    def __post_init__(self) -> None:
        """Refuse what cannot run."""
        for one in fields(self):
            check_field(one.name, getattr(self, one.name), type(one.default), one.metadata)
        if not self.seconds and not self.iterations:
            raise TrainError("seconds 0 and iterations 0: the run would never end; give one of them")
        if 0 < self.seconds < 5:
            raise TrainError(f"seconds {self.seconds}: give 5 or more, or 0 and a number of iterations")
        if self.minibatches > self.worlds * self.steps // 2:
            least = 2 * self.minibatches
            raise TrainError(
                f"minibatches {self.minibatches}: {self.worlds} worlds of {self.steps} steps are too few for them; "
                f"give worlds x steps of {least} or more"
            )
        self._check_family()
        self._check_seats()
        if _PASSWORD.match(self.run):
            raise TrainError("run: its URL holds a password, which would be kept with the run; give it by environment")
        if self.tensorboard and not self.run:
            raise TrainError("tensorboard: events need a run folder; give run too")

    def _check_seats(self) -> None:
        if self.seats == COALITION:
            for name in ("own_share", "cooperation"):
                if getattr(self, name) != _DEFAULTS[name]:
                    raise TrainError(f"{name} {getattr(self, name)}: is for owners' seats; give seats: owners too")
            return
        for name in ("downtime_budget", "false_budget", "consents_budget", "rule"):
            if getattr(self, name):
                raise TrainError(f"{name} {getattr(self, name)}: is for the coalition's seat; leave it out")

    def _check_family(self) -> None:
        if not self.chains:
            for name in ("stages", "attackers"):
                if getattr(self, name) != _DEFAULTS[name]:
                    raise TrainError(f"{name} {getattr(self, name)}: is for generated chains; give chains too")
            return
        if self.smallest > self.largest:
            raise TrainError(f"smallest {self.smallest}: is more than largest {self.largest}; give the smaller first")
        for name, least in (("worlds", self.chains), ("validation_worlds", 2 * self.judges)):
            if getattr(self, name) < least:
                raise TrainError(f"{name} {getattr(self, name)}: too few for these chains; give {least} or more")


_DEFAULTS: dict[str, Any] = {one.name: one.default for one in fields(TrainSettings)}
_PASSWORD = re.compile(r"[^/]*://[^/@]*:[^/@]*@")


def check_field(name: str, value: Any, kind: type, meaning: Mapping[str, Any]) -> None:
    """Refuse a value of another kind, or out of range.

    Raises:
        TrainError: naming setting and mend.
    """
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise TrainError(f"{name} {value!r}: give {'text' if kind is str else _KINDS[kind]}")
    if "low" in meaning and not meaning["low"] <= value <= meaning["high"]:
        raise TrainError(f"{name} {value}: give {meaning['low']:g} to {meaning['high']:g}")
    if meaning.get("choices") and value not in meaning["choices"]:
        raise TrainError(f"{name} {value!r}: give one of {', '.join(meaning['choices'])}")


_KINDS = {int: "a whole number", float: "a number", bool: "true or false"}


def read_settings(path: Path, **given: Any) -> TrainSettings:
    """Settings from a YAML file of fields; what is `given` (and not None) goes before what the file says.

    A scenario or rule named in the file is relative to the file.

    Raises:
        TrainError: the file is missing, or says what is unknown, of the wrong kind or out of range.
        TwinError: it is no YAML; names line and mend.
    """
    try:
        documents = read_yaml(path.read_bytes(), str(path))
    except OSError as error:
        raise TrainError(f"{path}: {error.strerror or error}; name a file of settings") from None
    if len(documents) != 1:
        raise TrainError(f"{path}: holds no mapping of settings; write lines like 'workers: 2'")
    return parse_settings(documents[0], str(path), folder=path.parent, **given)


def names_in(path: Path) -> set[str]:
    """Names of the settings that a file which `read_settings` takes says; all others have their defaults."""
    return set(read_yaml(path.read_bytes(), str(path))[0])


def parse_settings(content: Any, place: str, *, folder: Path | None = None, **given: Any) -> TrainSettings:
    """As `read_settings`, of what a file holds.

    Raises:
        TrainError: naming place, setting and mend.
    """
    if not isinstance(content, dict):
        raise TrainError(f"{place}: holds no mapping of settings; write lines like 'workers: 2'")
    known = [one.name for one in fields(TrainSettings)]
    for name in content:
        if name not in known:
            raise TrainError(f"{place}: {name!r} is no setting; take one of {', '.join(known)}")
    said = dict(content)
    for name in ("scenario", "rule") if folder is not None else ():
        if isinstance(said.get(name), str) and said[name]:
            said[name] = str((folder / said[name]).absolute())  # type: ignore[operator]
    said |= {name: value for name, value in given.items() if value is not None}
    if said.get("iterations") and "seconds" not in said:
        said["seconds"] = 0.0  # it ends by its updates
    try:
        return TrainSettings(**said)
    except TrainError as error:
        raise TrainError(f"{place}: {error}") from None


def settings_yaml(settings: Any, without: Collection[str] = ()) -> str:
    """Settings, made with `number` and `word`, as a commented YAML file that reads back to the same settings."""
    lines = []
    for one in fields(settings):
        if one.name in without:
            continue
        assert one.default is not MISSING
        choices = one.metadata.get("choices")
        style = "'" if type(one.default) is str and not choices else None  # else the text 08 reads as a number
        value = yaml.safe_dump(getattr(settings, one.name), default_style=style, width=10**6).split("\n")[0]
        meaning = one.metadata["meaning"] + (f" ({' or '.join(choices)})" if choices else "")
        lines.append(f"{one.name}: {value}  # {meaning}")
    return "\n".join(lines) + "\n"


def as_dict(settings: TrainSettings) -> dict[str, Any]:
    """The settings as plain values."""
    return asdict(settings)


def check_place(flag: str, path: Path) -> None:
    """Refuse a file that could not be written in the end.

    Raises:
        TrainError: it is a folder, has none, or may not be written.
    """
    if path.is_dir():
        raise TrainError(f"{flag} {path}: is a folder; name a file")
    if not path.parent.is_dir():
        raise TrainError(f"{flag} {path}: folder {path.parent} is not there; make it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise TrainError(f"{flag} {path}: cannot be written; name another place")
