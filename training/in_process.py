"""One peer in this process in place of Ray's workers: what a trial of a sweep is, which is a Ray actor itself.

Flows in and out: as of `decentralised`, whose one worker learns the same. It starts nobody, and dies with its process.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from .family import Chains
from .peer import Iteration, Peer
from .settings import TrainError, TrainSettings
from .workers import FIRST_LIFE, Earlier


class InProcess:
    """A shape of one peer; lives as long as the run."""

    lost = 0

    def __init__(self, chains: Chains, settings: TrainSettings, stage: int = 0, earlier: Earlier = FIRST_LIFE) -> None:
        """Make the peer; `earlier` as of `Decentralised`."""
        number = earlier.numbers.get(0, earlier.following)
        self._peer = Peer(chains, settings, number, stage)
        kept = {"next": number + 1, "numbers": {"0": number}}
        self.crew: Any = SimpleNamespace(replaced=0, kept=lambda: kept)

    def begin(self, state: dict[str, Any], scale: float, played: Mapping[int, Any], until: float = math.inf) -> None:
        """As `Decentralised.begin`."""
        self._peer.learn_from(state, scale)
        if 0 in played:
            self._peer.play_on(played[0])

    def play(self, chains: Chains, stage: int) -> None:
        """As `Decentralised.play`."""
        self._peer.play(chains, stage)

    def iterate(self, left: float, until: float = math.inf, prices: Any = None) -> Iteration | None:
        """Roll out and learn once."""
        told = self._peer.iterate(left, prices)
        if not isinstance(told, Iteration):  # a group of one does not break
            raise TrainError(told.reason)
        return told

    def learned(self) -> dict[str, Any]:
        """State of the learner."""
        return self._peer.learned()

    def played(self) -> dict[int, Any]:
        """State of its worlds."""
        return {0: self._peer.played()}

    def stop(self) -> None:
        """Nothing to end."""
