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

EXAMPLE = "charging"  # the shipped chain


class ScenarioError(ValueError):
    """A scenario file that cannot be used; the message names file, place and mend."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


SITE = 13  # assets of a generated site; one with a physical process has two more


class Generator(_Part):
    """A chain that is made up, see `generate`. All shares are assumed."""

    assets: Annotated[int, Field(ge=2 * SITE, le=1_000_000)] = 100  # about so many: whole sites are made
    owners: Annotated[int, Field(ge=2, le=20)] = 6
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    exposed: Annotated[float, Field(ge=0, le=1)] = 0.1  # share of sites that the internet reaches; one at least
    weak: Annotated[float, Field(ge=0, le=1)] = 0.35  # share of machines with a weakness that a network opens
    local: Annotated[float, Field(ge=0, le=1)] = 0.3  # share of machines with a local weakness
    escape: Annotated[float, Field(ge=0, le=1)] = 0.15  # share of containers that open their host
    devices: Annotated[float, Field(ge=0, le=1)] = 0.2  # share of sites with a physical process

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if self.owners * SITE > self.assets:
            raise ValueError(f"{self.owners} owners need {self.owners * SITE} assets, not {self.assets}")
        return self


class Load(_Part):
    """Legitimate load over the day; false findings follow it, and their mean stays. Assumed."""

    amplitude: Annotated[float, Field(ge=0, le=1)] = 0.0  # 0: the same at all hours; 1: none at the quietest
    peak_hour: Annotated[float, Field(ge=0, lt=24)] = 13.0  # UTC


class Calls(_Part):
    """How owners call each other, see `twin.rulebook.parameters.Phone`. Assumed."""

    call_h: Annotated[float, Field(ge=0, le=24)] = 2.0  # mean hours until a request reaches another owner
    late_s: Annotated[float, Field(ge=0, le=86_400)] = 5400.0  # a finding is told so long after it was made
    part: Annotated[float, Field(ge=0, le=1)] = 0.5  # probability that a finding is told at all
    desk: str = ""  # owner whose desk the defender sits at; nothing of its own needs a call


class Scenario(_Part):
    """One game to be played many times."""

    name: str
    chain: str = EXAMPLE  # "charging" is the shipped example; else a folder or network, relative to the scenario's file
    beside: tuple[str, ...] = ()  # files and folders that a network draws on: images, types of hosts
    generate: Generator | None = None  # makes the chain up; `chain` is then left out
    attackers: Annotated[tuple[Attacker, ...], Field(min_length=1, max_length=MOST)] = (Attacker(),)
    horizon_ticks: Annotated[int, Field(ge=1, le=100_000)] = 240
    decide_every: Annotated[int, Field(ge=1, le=1_000)] = 2  # ticks between decisions
    tick_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    repair_h: Annotated[float, Field(gt=0)] = 8.0  # mean time until owners repair what was stopped
    labour_rate: Annotated[float, Field(ge=0)] = 0.05  # loss per hour of labour, in shares of value per hour
    load: Load = Load()
    between_owners: Literal["shared", "phone"] = (
        "shared"  # findings and requests reach other owners at once, or by phone
    )
    phone: Calls | None = None  # how they call; only with between_owners: phone
    folder: Path | None = None  # where `chain` is relative to

    @model_validator(mode="after")
    def _calls_or_shares(self) -> Self:
        if self.phone is not None and self.between_owners == "shared":
            raise ValueError("phone says how owners call, but they share; write between_owners: phone or leave it out")
        return self


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
    try:
        scenario = Scenario.model_validate({**content, "folder": folder} if isinstance(content, dict) else content)
    except ValidationError as error:
        fault = error.errors()[0]
        path = ".".join(str(part) for part in fault["loc"]) or "top"
        raise ScenarioError(f"{place}: {path}: {fault['msg']}; mend it there") from None
    if scenario.generate is not None and "chain" in scenario.model_fields_set:
        raise ScenarioError(f"{place}: chain and generate are both there; leave one out")
    return scenario
