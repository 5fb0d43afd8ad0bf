"""One stage of a scripted campaign, as a scenario or a campaign file says it.

Flows in: plain values (untrusted). Flows out: `CampaignStage` of the rulebook. Whether a chain has a step that fits,
the rulebook checks when the game is made.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..twin.attack.techniques import TECHNIQUES
from ..twin.rulebook.campaign import GRACE_S, CampaignStage
from ..twin.vocabulary import AssetKind
from .numbers import LONGEST_S, Real

MOST_STAGES = 1_000
Seconds = Annotated[Real, Field(ge=0, le=LONGEST_S)]


class Stage(BaseModel):
    """A stage: what is tried, on what, and when; see `CampaignStage`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    after_s: Seconds = 0.0  # not before so long after the attacker's coming
    technique: str | None = None  # ATT&CK id
    target: str | None = None  # asset id
    kind: str | None = None  # of the target
    grace_s: Seconds = GRACE_S  # then it is passed over

    @field_validator("technique")
    @classmethod
    def _is_known(cls, technique: str | None) -> str | None:
        if technique is not None and technique not in TECHNIQUES:
            raise ValueError(f"technique {technique!r} is none of the rulebook's; take one of {', '.join(TECHNIQUES)}")
        return technique

    @field_validator("kind")
    @classmethod
    def _is_a_kind(cls, kind: str | None) -> str | None:
        return None if kind is None else AssetKind.parse(kind).word

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.technique is None and self.target is None and self.kind is None:
            raise ValueError("a stage says neither technique nor target nor kind; give one at least")
        return self

    @property
    def for_the_rulebook(self) -> CampaignStage:
        """The same for the rulebook."""
        kind = None if self.kind is None else AssetKind[self.kind.upper()]
        return CampaignStage(self.after_s, self.technique, self.target, kind, self.grace_s)
