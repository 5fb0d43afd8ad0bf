"""Recordings: every agent's decisions of every tick of a model, and their replay in a lane of the kernel.

Flows in: a model at its first tick, or a recording and worlds of the same game. Flows out: a `Recording`, or the traces
of the replay. Agents may decide by whatever they like, Python's own randomness too: the world's own draws are keyed,
so the replay gives the same occurrences in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..twin.compiled import Compiled
from ..twin.rulebook.effects import EffectTable
from ..twin.rulebook.parameters import Parameters
from ..twin.rulebook.worlds import Worlds
from .decisions import Decisions, settle_lane
from .model import ChainModel, Occurrence


@dataclass(frozen=True, slots=True)
class Recording:
    """A run of one model: the key of its draws and what was decided."""

    twin: str  # digest of the twin
    world_id: int
    stream: int
    episode: int
    seat_owners: tuple[int, ...]
    ticks: tuple[Decisions, ...]

    def worlds(self, compiled: Compiled, effects: EffectTable, parameters: Parameters, *, trace: int = 1024) -> Worlds:
        """Make a batch of one world under the recording's key, at its first tick."""
        return Worlds.make(
            compiled,
            effects,
            parameters,
            world_ids=[self.world_id],
            stream=self.stream,
            episode=self.episode,
            seat_owners=self.seat_owners,
            trace=trace,
        )


def record(model: ChainModel, ticks: int) -> Recording:
    """Run a model for some ticks, or until it stops running, and keep what its agents decide.

    Raises:
        ValueError: the model has run already.
    """
    if model.tick != 0:
        raise ValueError(f"the model is at tick {model.tick}; record a new model, from its first tick on")
    world, kept = model.worlds.state.world[0], list[Decisions]()
    while model.running and len(kept) < ticks:
        model.step()
        kept.append(model.decisions)
    return Recording(
        twin=model.worlds.compiled.twin.digest,
        world_id=int(world.id),
        stream=int(world.stream),
        episode=int(world.episode),
        seat_owners=tuple(int(owner) for owner in model.worlds.state.seat_owner[0]),
        ticks=tuple(kept),
    )


def replay(recording: Recording, worlds: Worlds, lane: int = 0) -> Iterator[list[Occurrence]]:
    """Settle the recorded decisions in one lane of a batch, tick by tick; the other lanes stand still.

    Args:
        recording: what to replay.
        worlds: of the same game; the lane is at its first tick.
        lane: which world of the batch.

    Yields:
        The occurrences of each tick.

    Raises:
        ValueError: the lane is another world, or not at its first tick; nothing has changed then.
    """
    _check(recording, worlds, lane)
    for decisions in recording.ticks:
        settle_lane(worlds, lane, decisions)
        yield worlds.trace(lane)


def _check(recording: Recording, worlds: Worlds, lane: int) -> None:
    world = worlds.state.world[lane]
    key = (worlds.compiled.twin.digest, int(world.id), int(world.stream), int(world.episode))
    if key != (recording.twin, recording.world_id, recording.stream, recording.episode):
        raise ValueError(f"lane {lane} is another world than the recording's; take recording.worlds(...)")
    if world.tick != 0:
        raise ValueError(f"lane {lane} is at tick {world.tick}; reset it, a replay begins at the first tick")
    if tuple(worlds.state.seat_owner[lane]) != recording.seat_owners:
        raise ValueError(f"lane {lane} has other seats than the recording; take recording.worlds(...)")
    for first in recording.ticks[:1]:
        if first.answers.shape != worlds.state.answer.shape[1:] or len(first.steps) != worlds.state.attacker.shape[1]:
            raise ValueError(f"lane {lane} has another number of attackers or running responses than the recording")
