"""How fast worlds tick: random legal play on a generated chain, one tick of all worlds after the other.

Flows in: sizes and what goes on in a tick. Flows out: figures. Worlds play episodes of EPISODE ticks, each at a point
of its own, so that attacks of every age are measured and resets too; `active` bounds what attackers have at once, so
that equal activity can be compared across sizes. False findings come in equal number at every size, at drawn places. A
defender acts in one tick of `act_every`. The rules alone are ticked STRETCH times in one compiled call, with belief or
observation once. A reset writes all of a world, so what it takes grows with the twin: it is part of `world_ticks_per_s`
and left out of `tick_ns`, which is of the processor and not of the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ..twin.rulebook.attacking import TAKES_ITS_OWN
from ..twin.rulebook.jit import entry
from ..twin.rulebook.playing import choose_at_random, play_worlds
from ..twin.rulebook.state import bytes_per_world
from ..twin.rulebook.worlds import STREAM_EVALUATION, Worlds
from ..twin.sensing.belief import BeliefState, new_belief, reset_belief
from ..twin.sensing.following import follow_worlds, watch_worlds
from ..twin.sensing.observe import Observed, new_observation, reset_observation
from .game import Game, make_game, playbooks_of
from .generate import generate_twin
from .scenario import Scenario, parse_scenario

PARTS = ("rules", "observation", "belief")
FALSE_PER_TICK = 0.1  # false findings a world has in a tick, whatever its size
EPISODE, BLOCKS = 240, 3  # ticks of an episode, played once before; blocks of which the quickest counts
STRETCH = 8  # ticks of the rules alone in one call
SAMPLE = 8  # worlds whose bytes are compared


@dataclass(frozen=True, slots=True)
class Settings:
    """What is measured."""

    assets: int = 100  # about so many
    worlds: int = 1024
    threads: int = 2
    active: int = 4096  # assets that attackers may hold at once in one world
    part: str = "rules"  # of PARTS, each with what comes before it
    act_every: int = 10  # the defender acts in one tick of so many, drawn; 1: in every tick
    ticks: int = 200
    seed: int = 0


def check(settings: Settings) -> Scenario:
    """Refuse what cannot be measured, and give the scenario of the rest.

    Raises:
        ValueError: a setting out of range; names it and the mend.
    """
    most = numba.config.NUMBA_NUM_THREADS
    for name, value, high in (
        ("worlds", settings.worlds, 1_000_000),
        ("threads", settings.threads, most),
        ("active", settings.active, 4096),
        ("ticks", settings.ticks, 1_000_000),
        ("act-every", settings.act_every, 1_000_000),
    ):
        if not 1 <= value <= high:
            raise ValueError(f"--{name} {value}: give 1 to {high}")
    if settings.part not in PARTS:
        raise ValueError(f"--with {settings.part!r}: give one of {', '.join(PARTS)}")
    owners = max(2, min(6, settings.assets // 13))
    content = {
        "name": "bench",
        "generate": {"assets": settings.assets, "owners": owners, "seed": settings.seed},
        "attackers": [{"onset_s": [0, 600], "absent": 0.0}],
    }
    return parse_scenario(content, "bench")


def bench(settings: Settings, tell: Callable[[str, float], None] = lambda doing, share: None) -> dict[str, Any]:
    """Measure, telling what is being done and the share that is done.

    Raises:
        ValueError: a setting out of range; names it and the mend.
    """
    scenario = check(settings)
    tell("making the chain", 0.0)
    assert scenario.generate is not None
    game = make_game(scenario, generate_twin(scenario.generate), playbooks_of(scenario))
    threads = numba.get_num_threads()
    numba.set_num_threads(settings.threads)
    try:
        return _measured(settings, game, tell)
    finally:
        numba.set_num_threads(threads)


def _measured(settings: Settings, game: Game, tell: Callable[[str, float], None]) -> dict[str, Any]:
    play = _Play.make(settings, game)
    for tick in range(EPISODE):
        play.begin(np.flatnonzero(play.lanes % EPISODE == tick))
        play.tick(1)
        tell("playing until attacks of every age are under way", 0.1 + 0.4 * tick / EPISODE)
    blocks = []
    for block in range(BLOCKS):
        tell("measuring", 0.5 + 0.5 * block / BLOCKS)
        blocks.append(play.block(settings.ticks))
    done = settings.worlds * settings.ticks
    return {
        "assets": game.compiled.sizes[0],
        "attack_steps": len(game.compiled.steps),
        "worlds": settings.worlds,
        "threads": settings.threads,
        "with": settings.part,
        "act_every": settings.act_every,
        "world_ticks_per_s": round(done / min(block.ticking + block.resetting for block in blocks)),
        "tick_ns": round(1e9 * min(block.processor for block in blocks) / done, 1),
        "reset_us": round(1e6 * min(block.resetting / max(1, block.resets) for block in blocks), 1),
        "mean_active": round(float(np.mean([block.held for block in blocks])), 2),
        "mean_running": round(float(np.mean([block.running for block in blocks])), 2),
        "findings_per_tick": round(sum(block.findings for block in blocks) / (BLOCKS * done), 3),
        "findings_dropped": int(sum(block.dropped for block in blocks)),
        "bytes_per_world": bytes_per_world(play.worlds.state),
        "bytes_written_per_tick": round(play.bytes_changed(), 1),
        "shared_bytes": _shared(game),
        "compile_s": round(_compile_seconds(game), 4),
        "seed": settings.seed,
    }


@dataclass
class _Block:
    """What a block of ticks took and what went on in it."""

    ticking: float = 0.0  # seconds by the clock
    processor: float = 0.0  # the same of the processor, all threads together: other work on the machine adds less to it
    resetting: float = 0.0
    resets: int = 0
    held: float = 0.0  # means over worlds, at the end of the block's stretches
    running: float = 0.0
    findings: int = 0
    dropped: int = 0


@dataclass
class _Play:
    """Worlds at random play with what learners would see of them; lives for one measurement."""

    worlds: Worlds
    part: str
    waits: float  # probability that the defender waits in a tick
    belief: BeliefState
    observed: Observed
    lanes: npt.NDArray[np.int64]
    actions: npt.NDArray[np.int32]  # [B, 1]
    attack: npt.NDArray[np.int32]  # [1, K] attackers take their own
    ages: npt.NDArray[np.int32]  # [B] ticks of the episodes so far, a view
    entries: dict[Callable[..., Any], Callable[..., Any]] = field(default_factory=dict)  # what is called, compiled

    @classmethod
    def make(cls, settings: Settings, game: Game) -> _Play:
        parameters = game.parameters._replace(false_total=FALSE_PER_TICK)
        worlds = Worlds.make(
            game.compiled,
            game.effects,
            parameters,
            world_ids=range(settings.worlds),
            stream=game.scenario.stream(STREAM_EVALUATION),
            episode=settings.seed,
            held=settings.active,
        )
        views = settings.worlds if settings.part != "rules" else 1
        lanes, actions = np.arange(settings.worlds), np.zeros((settings.worlds, 1), np.int32)
        return cls(
            worlds=worlds,
            part=settings.part,
            waits=1.0 - 1.0 / settings.act_every,
            belief=new_belief(game.compiled, views),
            observed=new_observation(game.compiled, views),
            lanes=lanes,
            actions=actions,
            attack=np.full((1, len(parameters.attacker)), TAKES_ITS_OWN, np.int32),
            ages=np.asarray(worlds.state.world)["tick"],
        )

    def begin(self, rows: npt.NDArray[np.int64]) -> None:
        """Start the next episode of some worlds."""
        if len(rows):
            self.worlds.state.world["episode"][rows] += 1
            self.worlds.reset(rows)
            if self.part != "rules":
                reset_belief(rows, self.belief)
                reset_observation(rows, self.observed)

    def block(self, ticks: int) -> _Block:
        """Play so many ticks, starting episodes anew as they end, and time it."""
        block, world, done, stretches = _Block(), self.worlds.state.world, 0, 0
        findings, dropped = world["finding_count"].copy(), world["dropped"].copy()
        while done < ticks:
            stretch = min(STRETCH if self.part == "rules" else 1, ticks - done)
            started, processor = time.perf_counter(), time.process_time()
            self.tick(stretch)
            block.ticking += time.perf_counter() - started
            block.processor += time.process_time() - processor
            block.held += float(world["held_n"].mean())
            block.running += float((self.worlds.state.run["state"] != 0).sum(axis=1).mean())
            block.findings += int((world["finding_count"] - findings).sum())
            block.dropped += int((world["dropped"] - dropped).sum())
            started = time.perf_counter()
            over = np.flatnonzero(self.ages >= EPISODE)
            self.begin(over)
            block.resetting += time.perf_counter() - started
            block.resets += len(over)
            findings, dropped = world["finding_count"].copy(), world["dropped"].copy()
            done, stretches = done + stretch, stretches + 1
        block.held, block.running = block.held / stretches, block.running / stretches
        return block

    def tick(self, ticks: int) -> None:
        """Ticks of all worlds: random legal actions, the rules, and what the part asks for; more than one of rules."""
        worlds = self.worlds
        arrays, effects, state, game = worlds.compiled.arrays, worlds.effects, worlds.state, worlds.parameters
        if self.part == "rules":
            threads, seats = numba.get_num_threads(), (self.actions, self.attack)
            self._call(play_worlds, threads, ticks, self.waits, *seats, worlds.legal, arrays, effects, game, state)
            return
        self._call(choose_at_random, self.waits, self.actions, worlds.legal, arrays, effects, state)
        decision, seen = self.actions[None], (self.belief, self.observed, worlds.legal)
        if self.part == "observation":
            self._call(watch_worlds, decision, self.attack, arrays, effects, game, state, *seen)
        else:
            self._call(follow_worlds, decision, self.attack, arrays, effects, game, game, state, *seen)

    def _call(self, function: Callable[..., Any], *args: Any) -> None:
        """Call compiled code for arguments that are of the same types each time."""
        if function not in self.entries:
            self.entries[function] = entry(function, *args)
        self.entries[function](*args)

    def bytes_changed(self) -> float:
        """Bytes of one world, with its legal list, belief and observation, that are others after a tick; a mean."""
        rows = slice(0, min(SAMPLE, self.worlds.count))
        kept = list(self.worlds.state)
        if self.part != "rules":
            kept += [self.worlds.legal.closed, self.worlds.legal.opened, self.observed.rows, self.belief.evidence]
        if self.part == "belief":
            kept.append(self.belief.asset)
        changed, ticks = 0, 5
        for _ in range(ticks):
            before = [array[rows].tobytes() for array in kept]
            self.tick(1)
            after = [array[rows].tobytes() for array in kept]
            changed += sum(
                int(np.count_nonzero(np.frombuffer(one, np.uint8) != np.frombuffer(two, np.uint8)))
                for one, two in zip(before, after, strict=True)
            )
        return changed / ticks / min(SAMPLE, self.worlds.count)


def _shared(game: Game) -> int:
    """Bytes that all worlds read and none writes."""
    tables = (*game.compiled.arrays, *game.effects, *game.parameters)
    return sum(array.nbytes for array in tables if isinstance(array, np.ndarray))


def _compile_seconds(game: Game) -> float:
    """Seconds to turn the twin and its attack steps into arrays; deriving them is not in it."""
    from ..twin.compiled import compile_twin

    started = time.perf_counter()
    compile_twin(game.compiled.twin, game.compiled.steps, tick_s=game.compiled.tick_s)
    return time.perf_counter() - started
