"""Attackers of scenarios: one parametric attacker, and presets of it with a data sheet each.

Flows in: what a scenario file says of its attackers. Flows out: profiles for the rulebook. All numbers are assumed: no
public record fixes them. What they are leaned on is said in each data sheet; ranges stand in `AttackerProfile`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..twin.rulebook.parameters import MOST_ATTACKERS, AttackerProfile
from .numbers import MONTH_S, Real, Share, Truth
from .stages import MOST_STAGES, Stage

MOST = MOST_ATTACKERS
Onset = Annotated[Real, Field(ge=0, le=MONTH_S)]


@dataclass(frozen=True, slots=True)
class Preset:
    """A named attacker and its data sheet."""

    profile: AttackerProfile
    stands_for: str
    leaned_on: str
    leaves_out: str
    needs_entry: bool = False


PRESETS: Mapping[str, Preset] = {
    "opportunist": Preset(
        AttackerProfile("opportunist"),
        stands_for="a criminal who scans for known weaknesses and takes what is easy",
        leaned_on="the order of techniques in CISA's KEV cases; tempo of a person with tools",
        leaves_out="phishing; selling access on to others",
    ),
    "apt": Preset(
        AttackerProfile(
            "apt",
            tries_per_hour=6.0,
            stealth=0.95,
            goal_drive=2.0,
            persistence=0.6,
            impact=0.2,
            breadth=0.6,
            patience_s=7200.0,
        ),
        stands_for="a patient group that wants one crown jewel and to stay unseen",
        leaned_on="slow, quiet and persistent campaigns as ATT&CK describes its groups (G0016, G0034)",
        leaves_out="malware of its own; living off days and weeks: two hours of patience stand for them",
    ),
    "ransomware": Preset(
        AttackerProfile(
            "ransomware",
            tries_per_hour=45.0,
            stealth=0.1,
            goal_drive=0.3,
            persistence=0.3,
            impact=2.0,
            patience_s=3600.0,
        ),
        stands_for="a crew that spreads fast and wide, then stops and encrypts all it holds",
        leaned_on="ATT&CK T1486 and T1489 together; spread first, impact after",
        leaves_out="negotiation; theft for double extortion beyond reading data stores",
    ),
    "insider": Preset(
        AttackerProfile(
            "insider", tries_per_hour=4.0, stealth=0.8, goal_drive=2.5, persistence=0.1, impact=0.8, breadth=0.5
        ),
        stands_for="a person of one owner with a desk and an account, after one thing",
        leaned_on="ATT&CK T1078 from within; few tries, straight to the goal",
        leaves_out="errors without intent; what colleagues notice",
        needs_entry=True,
    ),
    "forger": Preset(
        AttackerProfile(
            "forger",
            tries_per_hour=6.0,
            stealth=0.9,
            persistence=0.3,
            impact=0.2,
            forges_per_hour=12.0,
            forge_focus=1.5,
        ),
        stands_for="an intruder who makes findings up, so that defenders cut off and restore what serves",
        leaned_on="ATT&CK T1565 turned on telemetry; floods of alerts as the tools Stick and Snot made them in 2001",
        leaves_out="forged inventory; telemetry that is held back; timing by what defenders do",
    ),
}


class Attacker(BaseModel):
    """One attacker of a scenario: a preset, and what differs from it; see `AttackerProfile`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    preset: str = "opportunist"
    name: str | None = None
    tries_per_hour: Annotated[Real, Field(ge=0, le=600)] | None = None
    stealth: Share | None = None
    goal_drive: Annotated[Real, Field(ge=0, le=3)] | None = None
    persistence: Share | None = None
    impact: Annotated[Real, Field(ge=0, le=2)] | None = None
    breadth: Share | None = None
    patience_s: Annotated[Real, Field(ge=0, le=86_400)] | None = None
    entry: tuple[str, ...] = ()  # asset ids it holds when it comes
    inside: Share = 0.0  # probability that it begins inside instead, at one machine, drawn for each episode
    onset_s: tuple[Onset, Onset] = (0.0, 3600.0)
    absent: Share = 0.1
    campaign: Annotated[tuple[Stage, ...], Field(max_length=MOST_STAGES)] = ()  # stages that it follows, then it waits
    campaign_file: str | None = None  # the same in a file; or .csv: lateral movements, laid on the chain's machines
    campaign_speed: Annotated[Real, Field(ge=0.01, le=1000)] = 1.0  # times of the file are divided by this
    forges_per_hour: Annotated[Real, Field(ge=0, le=60)] | None = None
    forge_focus: Annotated[Real, Field(ge=0, le=3)] | None = None
    forges_at_once: Truth | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.preset not in PRESETS:
            raise ValueError(f"preset {self.preset!r} is unknown; take one of {', '.join(PRESETS)}")
        if PRESETS[self.preset].needs_entry and not self.entry and not self.inside:
            raise ValueError(
                f"preset {self.preset!r} begins inside; give entry: [ids of assets], or inside: 1 (anywhere)"
            )
        if self.entry and self.inside:
            raise ValueError("entry says where it begins, and inside that this is drawn; leave one out")
        if self.campaign and self.campaign_file is not None:
            raise ValueError("campaign and campaign_file are both there; leave one out")
        if "campaign_speed" in self.model_fields_set and self.campaign_file is None:
            raise ValueError("campaign_speed divides the times of a campaign_file, and none is there; leave it out")
        if self.patience_s is not None and (self.campaign or self.campaign_file is not None):
            raise ValueError("patience_s holds back who chooses by taste, and a campaign has times; leave it out")
        self._forges_or_says_nothing_of_it()
        low, high = self.onset_s
        if low > high:
            raise ValueError(f"onset_s: {low} is after {high}; write the earlier time first")
        return self

    def _forges_or_says_nothing_of_it(self) -> None:
        own = PRESETS[self.preset].profile  # what it says of itself may be written out
        says = self.forge_focus not in (None, own.forge_focus) or self.forges_at_once not in (None, own.forges_at_once)
        if says and not (own.forges_per_hour if self.forges_per_hour is None else self.forges_per_hour):
            raise ValueError("forge_focus and forges_at_once need findings to forge; give forges_per_hour")

    @property
    def profile(self) -> AttackerProfile:
        """The preset with what differs; a campaign in a file is left out, see `campaigns.profiles_of`."""
        said = self.model_dump(exclude={"preset", "campaign", "campaign_file", "campaign_speed"}, exclude_none=True)
        campaign = tuple(stage.for_the_rulebook for stage in self.campaign)
        return replace(PRESETS[self.preset].profile, **said, campaign=campaign)
