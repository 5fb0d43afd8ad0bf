"""How fast training is: decisions per second end to end, where the time goes, how large messages are.

Flows in: sizes of chains, kinds of training. Flows out: a row per kind and size. Kinds are played in turn, round by
round, and the quickest round of each counts, so that other work on the machine weighs on all alike. Seconds of the
processor are told beside those of the clock: on a busy machine only they say what work costs. What of a roll-out is
environment and what is policy is measured in one process, and taken over for workers on Ray.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..envs.game import Game, load_game
from ..envs.scenario import parse_scenario
from .cluster import ray, settle_in, start_ray, stop_ray
from .family import Chains, single
from .in_process import InProcess
from .peer import GRADIENT, ROLLING, Iteration, make_roller
from .ppo import make_learner
from .settings import TrainError, TrainSettings
from .train import SHAPES, Shape
from .workers import FIRST_LIFE

PROCESS = "one process"
ENVIRONMENT, FORWARD, COMMUNICATION = "environment", "policy forward", "communication"
SCALE = 0.1  # of rewards; no figure depends on it


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to train."""

    shape: str  # PROCESS, decentralised, central
    workers: int
    threads: int  # torch threads of each


@dataclass(frozen=True, slots=True)
class Measured:
    """One kind on one size of chain."""

    kind: Kind
    assets: int
    samples: int  # decisions of an iteration
    seconds: float  # of the clock, the quickest iteration
    processor: float  # of all its processes together in the iteration that took least of it
    shares: Mapping[str, float]  # of the quickest iteration: environment, policy forward, gradient, communication

    @property
    def rate(self) -> float:
        """Decisions per second."""
        return self.samples / self.seconds

    @property
    def of_processor(self) -> float:
        """Decisions per second of the processor."""
        return self.samples / max(self.processor, 1e-9)

    def as_object(self) -> dict[str, Any]:
        """As JSON values."""
        shares = {name: round(share, 3) for name, share in self.shares.items()}
        rates = {"samples_per_s": round(self.rate, 1), "samples_per_processor_s": round(self.of_processor, 1)}
        told = {"assets": self.assets, "samples": self.samples, "seconds": round(self.seconds, 3)}
        return {**asdict(self.kind), **told, "processor_s": round(self.processor, 3), **rates, "shares_of_time": shares}


@dataclass(frozen=True, slots=True)
class Messages:
    """Bytes of one iteration with these settings, and what an iteration's parts take one processor."""

    gradient: int  # bytes of one sum, a number of four bytes for each parameter
    sums: int  # of gradients in an iteration
    advantages: int  # bytes that each member gives to all, once an iteration
    rollout: int  # bytes that a worker sends to the learner
    weights: int  # bytes that the learner sends to each worker
    rolling_s: float  # seconds of one processor to roll out
    gradient_s: float  # seconds of one processor to learn from one worker's rollout
    samples: int  # decisions of a worker's rollout


def chain_of(assets: int) -> Game:
    """The generated chain of `tocsin bench worlds`, with attacks from the start.

    Raises:
        ScenarioError: no such size.
    """
    owners = max(2, min(6, assets // 13))
    content = {
        "name": "bench",
        "generate": {"assets": assets, "owners": owners, "seed": 0},
        "attackers": [{"onset_s": [0, 600], "absent": 0.0}],
    }
    return load_game(parse_scenario(content, "bench"))


def kinds_of(workers: int, shapes: Sequence[str], threads: Sequence[int]) -> list[Kind]:
    """One process with each number of threads; each shape with one worker and with all, one thread each."""
    alone = [Kind(PROCESS, 1, one) for one in threads]
    counts = sorted({1, workers})
    return alone + [Kind(shape, count, 1) for shape in shapes for count in counts]


def bench(
    assets: Sequence[int],
    kinds: Sequence[Kind],
    settings: TrainSettings,
    *,
    rounds: int,
    progress: Callable[[str, float], None] = lambda name, share: None,
) -> tuple[list[Measured], dict[int, Messages]]:
    """Measure all kinds on all sizes; messages by size."""
    found: list[Measured] = []
    messages: dict[int, Messages] = {}
    needed = max([one.workers + 1 for one in kinds if one.shape != PROCESS], default=0)
    started = start_ray(replace(settings, workers=needed * len(kinds))) if needed else False
    try:
        for place, size in enumerate(assets):
            progress(f"{size} assets: making the chain", place / len(assets))
            chains = single(chain_of(size))
            split = _split(chains, settings)
            told = lambda name, share, p=place: progress(name, (p + share) / len(assets))  # noqa: E731
            rows = _interleaved(size, chains, kinds, settings, rounds, split, told)
            found += rows
            messages[size] = _messages(chains, settings)
    finally:
        if started:
            stop_ray()
    return found, messages


def _interleaved(
    size: int,
    chains: Chains,
    kinds: Sequence[Kind],
    settings: TrainSettings,
    rounds: int,
    split: float,
    progress: Callable[[str, float], None],
) -> list[Measured]:
    state = make_learner(chains[0].game, settings).state()
    made: dict[Kind, Shape] = {}
    best: dict[Kind, Measured] = {}
    try:
        for number in range(rounds + 1):  # the first warms up
            for place, kind in enumerate(kinds):
                progress(f"{size} assets: {kind.shape}", (number + place / len(kinds)) / (rounds + 1))
                if kind not in made:
                    made[kind] = _begun(kind, chains, settings, state)
                row = _iteration(kind, size, made[kind], split)
                if number:
                    best[kind] = _better(best[kind], row) if kind in best else row
    finally:
        for one in made.values():
            one.stop()
    return [best[kind] for kind in kinds]


def _better(one: Measured, other: Measured) -> Measured:
    quick = one if one.seconds <= other.seconds else other
    return replace(quick, processor=min(one.processor, other.processor))


def _begun(kind: Kind, chains: Chains, settings: TrainSettings, state: dict[str, Any]) -> Shape:
    ours = replace(settings, workers=kind.workers, threads=kind.threads)
    if kind.shape == PROCESS:
        shape: Shape = InProcess(chains, ours)
    else:
        shape = SHAPES[kind.shape](chains, replace(ours, shape=kind.shape), 0, FIRST_LIFE)
    shape.begin(state, SCALE, {})
    if len(getattr(shape.crew, "members", [0] * kind.workers)) < kind.workers:
        raise TrainError(f"{kind.shape}: not all {kind.workers} workers came; the machine may have no room for them")
    return shape


def _iteration(kind: Kind, size: int, shape: Shape, split: float) -> Measured:
    processes = _processes(shape)
    if kind.shape == PROCESS:
        settle_in(TrainSettings(threads=kind.threads))
    before, began = sum(map(processor_s, processes)), time.perf_counter()
    told = shape.iterate(1.0)
    seconds, spent = time.perf_counter() - began, sum(map(processor_s, processes)) - before
    if told is None:
        raise TrainError(f"{kind.shape}: gave no iteration")
    return Measured(kind, size, told.samples, seconds, spent, _shares(told, seconds, split))


def _shares(told: Iteration, seconds: float, split: float) -> dict[str, float]:
    """Of the iteration as the driver sees it; what is left is messages, scheduling and waiting for the slower."""
    rolling, gradient = told.seconds[ROLLING] / seconds, told.seconds[GRADIENT] / seconds
    rest = max(0.0, 1.0 - rolling - gradient)
    return {ENVIRONMENT: rolling * (1 - split), FORWARD: rolling * split, GRADIENT: gradient, COMMUNICATION: rest}


def _processes(shape: Shape) -> list[int]:
    members = [*getattr(shape.crew, "members", []), *getattr(getattr(shape, "learner", None), "members", [])]
    return [os.getpid(), *ray.get([one.actor.process.remote() for one in members])] if members else [os.getpid()]


def processor_s(process: int) -> float:
    """Seconds of the processor that a process of this machine has used (Linux, proc(5): utime and stime)."""
    values = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def _split(chains: Chains, settings: TrainSettings) -> float:
    """The share of a roll-out that the policy takes, of one process with one thread, by the processor."""
    settle_in(replace(settings, threads=1))
    policy, roller = make_learner(chains[0].game, settings).policy, make_roller(chains, settings, 0, 0)
    with _timed(policy) as spent:
        roller.roll(policy, settings.steps, SCALE)
        spent.clear()
        began = time.process_time()
        roller.roll(policy, settings.steps, SCALE)
        whole = time.process_time() - began
    return min(1.0, sum(spent) / whole)


@contextmanager
def _timed(policy: Any) -> Iterator[list[float]]:
    """Seconds of the processor of each call of the policy meanwhile."""
    spent: list[float] = []

    def timed(work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            began = time.process_time()
            try:
                return work(*given, **named)
            finally:
                spent.append(time.process_time() - began)

        return run

    policy.forward, policy.predict_values = timed(policy.forward), timed(policy.predict_values)
    try:
        yield spent
    finally:
        del policy.forward, policy.predict_values


def _messages(chains: Chains, settings: TrainSettings) -> Messages:
    settle_in(replace(settings, threads=1))
    learner, roller = make_learner(chains[0].game, settings), make_roller(chains, settings, 0, 0)
    learner.update([roller.roll(learner.policy, settings.steps, SCALE)], 1.0)  # warms up
    began = time.process_time()
    rollout = roller.roll(learner.policy, settings.steps, SCALE)
    rolled = time.process_time()
    learner.update([rollout], 1.0)
    learned = time.process_time()
    return Messages(
        gradient=4 * sum(one.numel() for one in learner.policy.parameters() if one.requires_grad),
        sums=settings.epochs * settings.minibatches,
        advantages=4 * rollout.actions.size,
        rollout=len(pickle.dumps(rollout, protocol=5)),
        weights=len(pickle.dumps(learner.policy.state_dict(), protocol=5)),
        rolling_s=rolled - began,
        gradient_s=learned - rolled,
        samples=int(rollout.actions.size),
    )
