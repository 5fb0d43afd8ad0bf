"""The kinds of cooperation between owners: findings shared or kept, consent to each other quick or slow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cooperation:
    """One kind; `cooperation` makes games of it."""

    shares: bool  # every owner lets all others see its findings and what they are about; else nobody sees anything
    agrees: bool  # what others ask for is done a minute later, except where safety is at stake


ARMS: Mapping[str, Cooperation] = {
    "both": Cooperation(shares=True, agrees=True),
    "findings": Cooperation(shares=True, agrees=False),
    "consent": Cooperation(shares=False, agrees=True),
    "neither": Cooperation(shares=False, agrees=False),
}
