"""Runs without Ray in tests: one peer in this process."""

from __future__ import annotations

import pytest
from tocsin.training import train as module
from tocsin.training.in_process import InProcess
from tocsin.training.settings import DECENTRALISED


def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs learn in this process."""
    monkeypatch.setattr(module, "SHAPES", {DECENTRALISED: InProcess})
    monkeypatch.setattr(module, "start_ray", lambda settings: False)
