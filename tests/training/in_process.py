"""A shape of one peer in this process, in place of Ray."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tocsin.training import train as module
from tocsin.training.peer import Peer
from tocsin.training.settings import DECENTRALISED, TrainSettings


class InProcess:
    """What `Decentralised` does, without anybody to wait for."""

    lost = 0

    def __init__(self, chains: Any, settings: TrainSettings, stage: int) -> None:
        torch.set_num_threads(1)
        self.peer = Peer(chains, settings, 0, stage)
        self.crew = type("Crew", (), {"next_number": 1, "replaced": 0})()

    def begin(self, state: Any, scale: float, played: Any, until: float = 0.0) -> None:
        self.peer.learn_from(state, scale)
        for one in played.values():
            self.peer.play_on(one)

    def play(self, chains: Any, stage: int) -> None:
        self.peer.play(chains, stage)

    def iterate(self, left: float, until: float = 0.0, prices: Any = None) -> Any:
        return self.peer.iterate(left, prices)

    def learned(self) -> Any:
        return self.peer.learned()

    def played(self) -> Any:
        return {0: self.peer.played()}

    def stop(self) -> None:
        pass


def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs learn in this process."""
    monkeypatch.setattr(module, "SHAPES", {DECENTRALISED: InProcess})
    monkeypatch.setattr(module, "start_ray", lambda settings: False)
