"""Suites: files that say what policies are judged on, so that figures of different days and people may be compared.

Flows in: YAML (untrusted), shipped or the user's own. Flows out: a `Suite`: chains times attackers, a cell each, as
scenarios. Seeds of judged chains count from `chains.HELD_OUT` on, those of chains that baselines are tuned on from 0:
no file can mix them up. A suite with a digest is frozen: what it plays is checked at each use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..envs.numbers import Real, Whole, first_fault
from ..envs.scenario import PLAYED, Scenario, ScenarioError, parse_scenario
from ..twin.sources.safe_yaml import read_yaml
from .chains import HELD_OUT
from .contenders import Tuned

SHIPPED = Path(str(files("tocsin.training").joinpath("data/suites")))
MOST_CHAINS, MOST_SUITE_ATTACKERS = 1000, 16


class SuiteError(ValueError):
    """A suite that cannot be used; the message names file, place and mend."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Chains(_Part):
    """Chains: settings of `generate:` each, without a seed, or `chain: NAME` as in a scenario."""

    first_seed: Annotated[Whole, Field(ge=0, lt=2**29)] = 0  # of the first; each further one has the next
    chains: Annotated[tuple[dict[str, Any], ...], Field(min_length=1, max_length=MOST_CHAINS)]

    @model_validator(mode="after")
    def _seeds_are_counted(self) -> Self:
        for number, one in enumerate(self.chains):
            if "seed" in one:
                raise ValueError(f"chain {number}: seeds are counted from first_seed on; leave seed out")
            beside = sorted(str(key) for key in one if key != "chain")
            if "chain" in one and beside:  # they would go before what the suite says, and past its digest
                raise ValueError(f"chain {number}: {beside[0]} stands beside chain; leave it out, the suite says it")
        return self


class Numbers(_Part):
    """What baselines are tuned to, see `contenders.Tuned`."""

    restore: Real
    isolate: Real
    worth: Real
    watchful: Real
    stops: tuple[Real, ...]


class SuiteFile(_Part):
    """A suite as its file says it."""

    name: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,99}$")]  # results are kept in a file of this name
    says: str = ""  # what it is for, one line
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None  # of what is played; frozen then
    episodes: Annotated[Whole, Field(ge=2, le=100_000)] = 50  # attacks on each cell
    horizon_ticks: Annotated[Whole, Field(ge=1, le=100_000)] = 480
    decide_every: Annotated[Whole, Field(ge=1, le=1_000)] = 2
    playbooks: Annotated[tuple[str, ...], Field(min_length=1, max_length=255)] = PLAYED  # that may be proposed, by name
    attackers: Annotated[dict[str, dict[str, Any]], Field(min_length=1, max_length=MOST_SUITE_ATTACKERS)]
    judged: Chains
    tuned_on: Chains
    tuning_attacks: Annotated[Whole, Field(ge=1, le=100_000)] = 10  # per candidate on each cell
    tuned: Numbers | None = None  # tuned when it is used if left out

    @model_validator(mode="after")
    def _frozen_with_its_numbers(self) -> Self:
        if self.digest is not None and self.tuned is None:
            raise ValueError(
                "digest: a frozen suite says what its baselines are tuned to; give tuned, or leave digest out"
            )
        return self


@dataclass(frozen=True)
class Place:
    """A cell of a suite: one chain with one attacker."""

    chain: str
    attacker: str
    scenario: Scenario


@dataclass(frozen=True)
class Suite:
    """What policies are judged on."""

    said: SuiteFile
    judged: tuple[Place, ...]  # attackers of one chain side by side
    tuned_on: tuple[Place, ...]

    @property
    def name(self) -> str:
        """As its file says."""
        return self.said.name

    @property
    def tuned(self) -> Tuned | None:
        """The numbers of the baselines, if the file says them."""
        said = self.said.tuned
        return None if said is None else Tuned(said.restore, said.isolate, said.worth, said.watchful, said.stops)

    def first(self, chains: int) -> tuple[Place, ...]:
        """Cells of the first chains."""
        kept = list(dict.fromkeys(place.chain for place in self.judged))[:chains]
        return tuple(place for place in self.judged if place.chain in kept)


def shipped_suites() -> dict[str, Path]:
    """Files of the suites that come with the package, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}


def read_suite(name: str) -> Suite:
    """Read a shipped suite by name, or a file.

    Raises:
        SuiteError: no such suite, or it says what is unknown or out of range; names place and mend.
    """
    shipped, path = shipped_suites(), Path(name)
    place = shipped.get(name, path)
    try:
        data = place.read_bytes()
    except (OSError, ValueError) as error:  # the latter where a name holds what no path can
        known = ", ".join(shipped)
        said = getattr(error, "strerror", None) or error
        raise SuiteError(f"suite {name[:80]!r}: {said}; give a file, or one of {known}") from None
    documents = read_yaml(data, str(place))
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise SuiteError(f"{place}: a suite is one mapping of fields to values; begin it with name:")
    try:
        said = SuiteFile.model_validate(documents[0])
    except ValidationError as error:
        raise SuiteError(f"{place}: {first_fault(error)}") from None
    judged = tuple(_places(said, said.judged, HELD_OUT, str(place), place.parent))
    return Suite(said, judged, tuple(_places(said, said.tuned_on, 0, str(place), place.parent)))


def _places(said: SuiteFile, chains: Chains, base: int, file: str, folder: Path) -> Iterator[Place]:
    """Every chain with every attacker, as scenarios."""
    names: set[str] = set()
    for number, settings in enumerate(chains.chains):
        made, name = _chain(settings, base + chains.first_seed + number, number)
        if name in names:
            raise SuiteError(f"{file}: chain {name} is there twice; keep one")
        names.add(name)
        for attacker, profile in said.attackers.items():
            content = {
                "name": f"{said.name} {name} {attacker}",
                "horizon_ticks": said.horizon_ticks,
                "decide_every": said.decide_every,
                "attackers": [profile],
                "playbooks": list(said.playbooks),
                **made,
            }
            try:
                yield Place(name, attacker, parse_scenario(content, f"{file}: {name}, {attacker}", folder=folder))
            except ScenarioError as error:
                raise SuiteError(str(error)) from None


def _chain(settings: dict[str, Any], seed: int, number: int) -> tuple[dict[str, Any], str]:
    if "chain" in settings:
        return settings, str(settings["chain"])
    return {"generate": {**settings, "seed": seed}}, f"{number:02d} ({settings.get('assets', 100)} assets)"
