"""Campaigns of scenarios: stages inline or in a file of their own, or the shape of a real one.

Flows in: what a scenario says of its attackers, and the files that it names (untrusted). Flows out: profiles with their
campaigns, ready for the rulebook. A `.csv` is a list of lateral movements, laid on the chain's own machines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..twin.compiled import Compiled
from ..twin.rulebook.campaign import CampaignStage
from ..twin.rulebook.parameters import AttackerProfile
from ..twin.sources.safe_yaml import MAX_BYTES, read_yaml
from .attackers import Attacker
from .fitting import fit_campaign
from .lateral import CampaignError, read_lateral_edges
from .numbers import LONGEST_S, first_fault
from .stages import MOST_STAGES, Stage


class _CampaignFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=MOST_STAGES)]


def profiles_of(attackers: Sequence[Attacker], compiled: Compiled, folder: Path | None) -> list[AttackerProfile]:
    """The profiles of a scenario's attackers, their campaigns read and laid on the chain.

    Args:
        attackers: what the scenario says.
        compiled: the chain.
        folder: where files of campaigns are relative to.

    Raises:
        CampaignError: a file of a campaign that is not there or cannot be used; names file, place and mend.
    """
    return [_with_campaign(attacker, compiled, folder) for attacker in attackers]


def read_campaign(path: Path) -> tuple[CampaignStage, ...]:
    """Read a YAML file of stages.

    Raises:
        CampaignError: it is missing or says what is unknown or out of range; TwinError: it is no YAML.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CampaignError(f"{path}: {error.strerror or error}; name a file of stages") from None
    documents = read_yaml(content, str(path))
    if len(documents) != 1:
        raise CampaignError(f"{path}: {len(documents)} documents; a file of a campaign holds one, with stages")
    try:
        return tuple(stage.for_the_rulebook for stage in _CampaignFile.model_validate(documents[0]).stages)
    except ValidationError as error:
        raise CampaignError(f"{path}: {first_fault(error)}") from None


def _with_campaign(attacker: Attacker, compiled: Compiled, folder: Path | None) -> AttackerProfile:
    profile, name = attacker.profile, attacker.campaign_file
    if name is None:
        return profile
    path = Path(name) if folder is None else folder / name
    if path.suffix.lower() == ".csv":
        entry = [compiled.asset_number[asset] for asset in profile.entry if asset in compiled.asset_number]
        shape = read_lateral_edges(path)
        stages = fit_campaign(shape, compiled, entry=entry, speed=attacker.campaign_speed).stages
    else:
        speed = attacker.campaign_speed
        stages = tuple(replace(stage, after_s=stage.after_s / speed) for stage in read_campaign(path))
    if any(stage.after_s > LONGEST_S for stage in stages):
        raise CampaignError(f"{path}: a stage comes later than a year, at this campaign_speed; give a higher one")
    return replace(profile, campaign=stages)
