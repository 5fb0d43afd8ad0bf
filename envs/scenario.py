"""Scenarios: files that say what is played: chain, attacker, length, pace.

Flows in: YAML (untrusted). Flows out: a `Scenario`, checked. It loads no chain and makes no worlds.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..twin.sources.safe_yaml import read_yaml
from .attackers import MOST, Attacker
from .consent import ClassTable
from .numbers import Real, Share, Whole, first_fault

EXAMPLE = "charging"  # the shipped chain
# Playbooks that defenders may propose unless a scenario says otherwise: what baselines and policies are judged with.
PLAYED = ("block-link", "isolate-asset", "raise-monitoring", "release-asset", "restore-asset", "revoke-credentials")


class ScenarioError(ValueError):
    """A scenario file that cannot be used; the message names file, place and mend."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


STREAMS = 256  # numbers of streams that a seed has for itself; see `rulebook.worlds.STREAM_*`
SITE, SMALL_SITE = 13, 4  # assets of a generated site, and of the smallest; a physical process adds two to a whole one


class Generator(_Part):
    """A chain that is made up, see `generate`. Shares have their sources and ranges in `ranges`."""

    assets: Annotated[Whole, Field(ge=10, le=1_000_000)] = 100  # about so many: whole sites are made
    owners: Annotated[Whole, Field(ge=2, le=20)] = 6
    seed: Annotated[Whole, Field(ge=0, lt=2**31)] = 0
    exposed: Share = 0.1  # share of sites that the internet reaches; one at least
    weak: Share = 0.35  # share of machines with a weakness that a network opens
    local: Share = 0.3  # share of machines with a local weakness
    escape: Share = 0.15  # share of containers that open their host
    devices: Share = 0.2  # share of sites with a physical process
    supplied: Share = 0.4  # share of sites with software that a vendor supplies; one at least unless 0
    managed: Share = 0.2  # share of sites with a machine that a provider runs; one at least unless 0
    open: Share = 0.4  # share of owners that share findings and assets with all
    partial: Share = 0.4  # share of owners that share findings alone, with those they have a contract with

    @model_validator(mode="after")
    def _shares_once(self) -> Self:
        if self.open + self.partial > 1:
            raise ValueError(
                f"open {self.open} and partial {self.partial} are shares of the same owners; give at most 1 in all"
            )
        return self

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        least = self.owners * (SMALL_SITE + 1)
        if least > self.assets:
            most = self.assets // (SMALL_SITE + 1)
            raise ValueError(f"{self.owners} owners need {least} assets, not {self.assets}; give at most {most} owners")
        return self


class Load(_Part):
    """Legitimate load over the day; false findings follow it, and their mean stays. Assumed."""

    amplitude: Share = 0.0  # 0: the same at all hours; 1: none at the quietest
    peak_hour: Annotated[Real, Field(ge=0, lt=24)] = 13.0  # UTC

    @model_validator(mode="after")
    def _has_a_peak(self) -> Self:
        if "peak_hour" in self.model_fields_set and not self.amplitude:
            raise ValueError("peak_hour says when load peaks, but it is flat; give an amplitude or leave it out")
        return self


class Calls(_Part):
    """How owners call each other, see `twin.rulebook.parameters.Phone`. Assumed."""

    call_h: Annotated[Real, Field(ge=0, le=24)] = 2.0  # mean hours until a request reaches another owner
    late_s: Annotated[Real, Field(ge=0, le=86_400)] = 5400.0  # a finding is told so long after it was made
    part: Share = 0.5  # probability that a finding is told at all
    desk: str = ""  # owner whose desk the defender sits at; nothing of its own needs a call


class Scenario(_Part):
    """One game to be played many times."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    chain: str = EXAMPLE  # "charging" is the shipped example; else a folder or network, relative to the scenario's file
    beside: tuple[str, ...] = ()  # files and folders that a network draws on: images, types of hosts
    generate: Generator | None = None  # makes the chain up; `chain` is then left out
    attackers: Annotated[tuple[Attacker, ...], Field(min_length=1, max_length=MOST)] = (Attacker(),)
    horizon_ticks: Annotated[Whole, Field(ge=1, le=100_000)] = 240
    decide_every: Annotated[Whole, Field(ge=1, le=1_000)] = 2  # ticks between decisions
    tick_s: Annotated[Real, Field(ge=1, le=3600)] = 60.0
    repair_h: Annotated[Real, Field(ge=0.01, le=8760)] = 8.0  # mean time until owners repair what was stopped
    labour_rate: Annotated[Real, Field(ge=0, le=1000)] = 0.05  # loss per hour of labour, in shares of value per hour
    load: Load = Load()
    between_owners: Literal["shared", "phone"] = (
        "shared"  # findings and requests reach other owners at once, or by phone
    )
    phone: Calls | None = None  # how they call; only with between_owners: phone
    playbooks: Annotated[tuple[str, ...], Field(min_length=1, max_length=255)] = PLAYED  # of the library, by name
    consent: dict[str, ClassTable] = Field(default_factory=dict)  # in place of rows of the chain's consent table
    seed: Annotated[Whole, Field(ge=0, lt=2**31)] = 0  # of all draws; of a generated chain too, unless it has its own
    folder: Path | None = None  # where `chain` is relative to; never in a file

    @model_validator(mode="after")
    def _calls_or_shares(self) -> Self:
        if self.phone is not None and self.between_owners == "shared":
            raise ValueError("phone says how owners call, but they share; write between_owners: phone or leave it out")
        return self

    @model_validator(mode="after")
    def _draws_on_what_it_reads(self) -> Self:
        if self.beside and (self.generate is not None or self.chain == EXAMPLE):
            raise ValueError("beside is what a network in a file draws on, and chain names none; leave it out")
        return self

    @model_validator(mode="after")
    def _ends_with_a_decision(self) -> Self:
        rest = self.horizon_ticks % self.decide_every
        if rest:
            above = self.horizon_ticks - rest + self.decide_every
            raise ValueError(
                f"horizon_ticks {self.horizon_ticks} is no multiple of decide_every {self.decide_every}; "
                f"write {above}, or a decide_every that divides it"
            )
        return self

    @property
    def made(self) -> Generator | None:
        """How the chain is made up, with the scenario's seed where the generator has none of its own."""
        if self.generate is None or "seed" in self.generate.model_fields_set:
            return self.generate
        return self.generate.model_copy(update={"seed": self.seed})

    def stream(self, base: int) -> int:
        """The stream of draws of this scenario's worlds: equal scenarios give equal games, others others."""
        return base + self.seed * STREAMS


def read_scenario(path: Path | None = None) -> Scenario:
    """Read a scenario file; the shipped one if left out.

    Raises:
        ScenarioError: it is missing, broken, or says what is unknown or out of range.
    """
    place = path or Path(str(files("tocsin.envs").joinpath("data/charging.yaml")))
    try:
        data = place.read_bytes()
    except OSError as error:
        raise ScenarioError(f"{place}: {error.strerror or error}; name a scenario file") from None
    documents = read_yaml(data, str(place))
    if len(documents) != 1:
        raise ScenarioError(f"{place}: {len(documents)} documents; a scenario file holds one")
    return parse_scenario(documents[0], str(place), folder=place.parent)


def parse_scenario(content: Any, place: str, *, folder: Path | None = None) -> Scenario:
    """Check one scenario.

    Raises:
        ScenarioError: naming place, field and mend.
    """
    if not isinstance(content, dict):
        raise ScenarioError(f"{place}: is no scenario, which is a mapping of fields to values; begin it with name:")
    if "folder" in content:
        raise ScenarioError(f"{place}: folder: paths are relative to the scenario's own file; leave it out")
    try:
        scenario = Scenario.model_validate({**content, "folder": folder})
    except ValidationError as error:
        raise ScenarioError(f"{place}: {first_fault(error)}") from None
    if scenario.generate is not None and "chain" in scenario.model_fields_set:
        raise ScenarioError(f"{place}: chain and generate are both there; leave one out")
    return scenario
