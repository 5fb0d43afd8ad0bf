"""What a sweep searches: settings of runs, some of them given as ranges. Pure.

Flows in: a YAML file (untrusted). Flows out: a `Sweep`, checked so that every draw makes settings that can run. It
draws nothing and starts nothing; `trials` does.

    settings: {iterations: 200, worlds: 48}     # of every trial, as a file of `tocsin train`
    every: 20                                   # iterations between reports, at which trials are compared
    search:
      learning_rate: {loguniform: [1.0e-4, 1.0e-2]}
      entropy: {uniform: [0.0, 0.01]}
      minibatches: {choice: [2, 4, 8]}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import Any

from ..twin.sources.safe_yaml import read_yaml
from .course import BOUND
from .settings import TrainError, TrainSettings, parse_settings

CHOICE, UNIFORM, LOGUNIFORM = "choice", "uniform", "loguniform"
KINDS = (CHOICE, UNIFORM, LOGUNIFORM)
ASHA, PBT = "asha", "pbt"
SCHEDULERS = (ASHA, PBT)
_KEPT = ("checkpoint_every", "checkpoints", "validations", "run")  # which the sweep sets in its trials
YARDSTICK = (  # what a trial is measured by: a search over it would find the easiest measure, not the best policy
    *("scenario", "chains", "smallest", "largest", "stages", "attackers", "unit", "judges", "validation_worlds"),
    *("seats", "cooperation", "own_share", "downtime_budget", "false_budget", "consents_budget"),
)
NOT_SEARCHED = ("rule", "seconds", "iterations", "tensorboard", "workers", "shape", *YARDSTICK, *_KEPT)
MOST_CORNERS = 4096  # combinations of ends that are looked at when a sweep is read


class SweepError(TrainError):
    """A sweep that cannot be run; the message names the place and the mend."""


@dataclass(frozen=True, slots=True)
class Range:
    """What one setting may be."""

    kind: str  # choice, uniform, loguniform
    values: tuple[Any, ...]  # all of them, or the two ends
    whole: bool  # a whole number

    @property
    def ends(self) -> tuple[Any, ...]:
        """All values of a choice, both ends of a range."""
        return self.values


@dataclass(frozen=True, slots=True)
class Sweep:
    """A search over settings."""

    settings: TrainSettings  # of every trial, but for what is searched
    every: int  # iterations between reports
    search: Mapping[str, Range]

    @property
    def reports(self) -> int:
        """Reports of a trial that runs to its end."""
        return -(-self.settings.iterations // self.every)

    def of(self, chosen: Mapping[str, Any], run: str = "") -> TrainSettings:
        """Settings of a trial; it is validated and kept at every report.

        Raises:
            TrainError: the choice makes none.
        """
        search = self.search
        whole: dict[str, Any] = {name: int(one) if search[name].whole else one for name, one in chosen.items()}
        kept: dict[str, Any] = {"checkpoint_every": self.every, "checkpoints": 1, "run": run}
        kept["validations"] = self.reports + 1
        return replace(self.settings, **whole, **kept)

    def best(self, chosen: Mapping[str, Any]) -> TrainSettings:
        """Settings of a choice for a run of its own: as the sweep's file says all that was not searched."""
        return replace(self.of(chosen), **{name: getattr(self.settings, name) for name in _KEPT})


def read_sweep(path: Path, scheduler: str = ASHA) -> Sweep:
    """Read a sweep.

    Raises:
        SweepError: the file is missing, or says what is unknown or cannot run; names place and mend.
        TrainError: its settings are none; TwinError: it is no YAML.
    """
    try:
        documents = read_yaml(path.read_bytes(), str(path))
    except OSError as error:
        raise SweepError(f"{path}: {error.strerror or error}; name a file of a sweep") from None
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise SweepError(f"{path}: holds no mapping; write settings:, every: and search:")
    return parse_sweep(documents[0], str(path), folder=path.parent, scheduler=scheduler)


def parse_sweep(content: Mapping[str, Any], place: str, *, folder: Path | None, scheduler: str = ASHA) -> Sweep:
    """As `read_sweep`, of what a file holds.

    Raises:
        SweepError: as there.
    """
    if scheduler not in SCHEDULERS:
        raise SweepError(f"--scheduler {scheduler!r}: give one of {', '.join(SCHEDULERS)}")
    unknown = set(content) - {"settings", "every", "search"}
    if unknown:
        raise SweepError(f"{place}: {sorted(unknown)[0]!r} is no part of a sweep; it has settings, every, search")
    settings = parse_settings(content.get("settings") or {}, f"{place}: settings", folder=folder)
    every = content.get("every", 10)
    if not settings.iterations or settings.seconds:
        raise SweepError(f"{place}: settings: trials are compared by iterations; give iterations, and no seconds")
    if settings.run or settings.tensorboard:
        raise SweepError(f"{place}: settings: run and tensorboard are the sweep's own; leave them out")
    if type(every) is not int or not 1 <= every <= settings.iterations:
        raise SweepError(f"{place}: every {every!r}: give 1 to {settings.iterations}, its iterations")
    if -(-settings.iterations // every) + 1 > _limit("validations"):
        raise SweepError(f"{place}: every {every}: makes too many reports; give a larger number")
    search = content.get("search")
    if not isinstance(search, dict) or not search:
        raise SweepError(f"{place}: search: give one setting or more with choice, uniform or loguniform")
    ranges = {name: _range(name, given, f"{place}: search: {name}", scheduler) for name, given in search.items()}
    sweep = Sweep(settings, every, ranges)
    _check_corners(sweep, place)
    return sweep


def _range(name: str, given: Any, place: str, scheduler: str) -> Range:
    known = {one.name: one for one in fields(TrainSettings)}
    if name in YARDSTICK:
        raise SweepError(f"{place}: trials are compared by it, so it cannot be searched; give it in settings")
    if name not in known or name in NOT_SEARCHED:
        searched = ", ".join(one for one in known if one not in NOT_SEARCHED)
        raise SweepError(f"{place}: cannot be searched; take one of {searched}")
    if scheduler == PBT and name in BOUND:
        raise SweepError(f"{place}: a run cannot change it midway, which pbt does; use asha, or leave it out")
    if not isinstance(given, dict) or len(given) != 1 or next(iter(given)) not in KINDS:
        raise SweepError(f"{place}: give one of {', '.join(KINDS)}")
    ((kind, values),) = given.items()
    if not isinstance(values, list) or not values or (kind != CHOICE and len(values) != 2):
        raise SweepError(f"{place}: {kind}: give a list of {'values' if kind == CHOICE else 'two numbers'}")
    whole = type(known[name].default) is int
    if kind == CHOICE:
        return Range(kind, tuple(values), whole)
    if type(known[name].default) not in (int, float) or not all(type(one) in (int, float) for one in values):
        raise SweepError(f"{place}: {kind}: is for numbers; use choice")
    low, high = values
    if not low < high or (kind == LOGUNIFORM and low <= 0):
        raise SweepError(f"{place}: {kind} {values}: give two growing numbers" + (" above 0" if low <= 0 else ""))
    return Range(kind, (low, high), whole)


def _check_corners(sweep: Sweep, place: str) -> None:
    """Every setting by itself, and all together where they are few, at its ends: what a draw could be."""
    names = list(sweep.search)
    alone = [{name: value} for name in names for value in sweep.search[name].ends]
    count = 1
    for name in names:
        count *= len(sweep.search[name].ends)
    ends = product(*(sweep.search[name].ends for name in names)) if count <= MOST_CORNERS else ()
    for chosen in (*alone, *(dict(zip(names, values, strict=True)) for values in ends)):
        try:
            sweep.of(chosen)
        except TrainError as error:
            raise SweepError(f"{place}: search: {error}") from None
        except (TypeError, ValueError):
            raise SweepError(f"{place}: search: {chosen}: values of the wrong kind; see tocsin train --show") from None


def _limit(name: str) -> int:
    return int(next(one.metadata["high"] for one in fields(TrainSettings) if one.name == name))


def as_object(sweep: Sweep) -> dict[str, Any]:
    """The sweep as plain values, by which one that goes on is told to be the same."""
    search = {name: {one.kind: list(one.values)} for name, one in sweep.search.items()}
    return {"settings": asdict(sweep.settings), "every": sweep.every, "search": search}
