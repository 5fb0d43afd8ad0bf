"""The shipped chain played by attackers and owners of a test's own making."""

from __future__ import annotations

from functools import cache

import numpy as np
from tocsin.playbooks.actions import load_library
from tocsin.twin.attack.steps import derive_steps
from tocsin.twin.compiled import Compiled, compile_twin
from tocsin.twin.rulebook.effects import EffectTable
from tocsin.twin.rulebook.parameters import AttackerProfile, GameSettings, Parameters, build_parameters
from tocsin.twin.rulebook.worlds import STREAM_EVALUATION, Worlds
from tocsin.twin.sensing.confusion import shipped_confusion
from tocsin.twin.sources import load_example

NOBODY = AttackerProfile("nobody", absent=1.0)


@cache
def chain() -> Compiled:
    """The charging chain."""
    twin = load_example().twin
    return compile_twin(twin, derive_steps(twin))


@cache
def effects() -> EffectTable:
    """The shipped library."""
    return load_library().effect_table()


def numbers(*attackers: AttackerProfile, **settings: object) -> Parameters:
    """Parameters of a game on the chain."""
    return build_parameters(chain(), attackers or [NOBODY], shipped_confusion(), GameSettings(**settings))  # type: ignore[arg-type]


def worlds_of(parameters: Parameters, count: int = 8, *, seats: tuple[int, ...] = (-1,)) -> Worlds:
    """Worlds of such a game, traces kept."""
    return Worlds.make(
        chain(),
        effects(),
        parameters,
        world_ids=np.arange(count),
        stream=STREAM_EVALUATION,
        seat_owners=seats,
        trace=256,
    )


def waiting(worlds: Worlds) -> np.ndarray:
    """int32[B, S] in which all seats wait."""
    return np.zeros((worlds.count, worlds.state.seat_owner.shape[1]), np.int32)
