"""How good the belief is, and what it costs, beside simpler filters: `tocsin bench belief`.

Flows in: a size. Flows out: log loss, calibration and time per tick of every filter, on worlds that are as assumed and
on worlds that are not. Chains are generated; nobody responds. All filters learn and assume the same game, in which one
attacker comes from outside; what is played differs from it by case. More beliefs assume else: that some come from
inside, as nodes do; who the attackers are, as games do; where they begin too, which nobody is told. Truth is read to
judge, and nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from ..twin.attack.step import AttackStep
from ..twin.compiled import compile_twin
from ..twin.rulebook.parameters import AttackerProfile, Parameters, assumable, build_parameters
from ..twin.rulebook.worlds import STREAM_EVALUATION, Worlds
from ..twin.sensing.confusion import shipped_confusion
from ..twin.vocabulary import Access, AssetKind, Gain, StepClass
from .attackers import PRESETS, Attacker
from .filter_training import belief_of, train, truth_of
from .filters import BeliefFilter, Filter
from .game import Game, make_game, playbooks_of
from .generate import generate_twin
from .scenario import SITE, Generator, Scenario
from .scores import CAP, Score

UNKNOWN: Final = "T1091"  # replication through removable media: no rule of ours derives it
UNKNOWN_ODDS: Final = 0.3  # of a try of it; assumed
MACHINES: Final = (AssetKind.HOST, AssetKind.CONTAINER, AssetKind.DEVICE)
OWNERS: Final = 6
LEAST, MOST = 10, 100_000  # the smallest chain; the other filters hold 100 numbers an asset and world
INSIDERS: Final = 0.1  # share of attackers that `belief_insiders` takes to begin inside; assumed

Say = Callable[[str, float], None]  # what is being done, share of all that is done


class BenchError(ValueError):
    """A measurement that cannot be made; the message names the setting and the mend."""


@dataclass(frozen=True)
class Settings:
    """What is measured."""

    assets: int = 100
    worlds: int = 32  # judged; as many learn what is usual, and as many more how to weigh evidence
    ticks: int = 240
    seed: int = 0  # of the chain and of what is played on it


def check(settings: Settings) -> None:
    """Refuse what cannot be measured.

    Raises:
        BenchError: names the option and its range.
    """
    for name, low, high in (
        ("assets", LEAST, MOST),
        ("worlds", 1, 100_000),
        ("ticks", 10, 100_000),
        ("seed", 0, 2**31 - 1),
    ):
        value = getattr(settings, name)
        if not low <= value <= high:
            raise BenchError(f"--{name} {value}: give {low} to {high}")


def bench(settings: Settings, say: Say) -> dict[str, Any]:
    """Measure every filter in every case; JSON values.

    Raises:
        BenchError: a setting is out of range.
    """
    check(settings)
    games = cases(settings)
    assumed = next(iter(games.values()))
    total = settings.ticks * (2 + len(games))
    done = 0

    def advance(doing: str) -> Callable[[int], None]:
        def tell(ticks: int) -> None:
            nonlocal done
            done += ticks
            say(doing, done / total)

        return tell

    counted = counted_assets(assumed)
    trained = train(assumed, counted, worlds=settings.worlds, ticks=settings.ticks, say=advance("training"))
    played = {
        name: judge(
            game,
            {**_beliefs(game, assumed, settings.worlds), **trained.filters(settings.worlds)},
            counted,
            settings,
            advance(name),
        )
        for name, game in games.items()
    }
    return {
        "assets": len(assumed.compiled.twin.assets),
        "assets_judged": int(counted.sum()),
        "attack_steps": len(assumed.compiled.steps),
        "worlds": settings.worlds,
        "training_worlds": 2 * settings.worlds,
        "ticks": settings.ticks,
        "seed": settings.seed,
        "cap": CAP,
        "threads": 1,
        "cases": played,
    }


def _beliefs(game: Game, assumed: Game, worlds: int) -> dict[str, Filter]:
    """The belief that assumes what all assume; that some begin inside; where attackers are others, what is known."""
    some = assumable(assumed.compiled, assumed.parameters, inside=INSIDERS)
    beliefs: dict[str, Filter] = {"belief": belief_of(assumed, worlds)}
    beliefs["belief_insiders"] = belief_of(replace(assumed, assumed=some), worlds)
    if game.assumed is not assumed.assumed:
        told = assumable(game.compiled, game.parameters)
        beliefs["belief_told"] = belief_of(replace(game, assumed=told), worlds)
        beliefs["belief_informed"] = belief_of(game, worlds)
    return beliefs


def counted_assets(game: Game) -> npt.NDArray[np.bool_]:
    """bool[N]: what an attacker can hold by itself; segments are held through members, externals always."""
    kind = game.compiled.arrays.asset["kind"]
    counted: npt.NDArray[np.bool_] = ~np.isin(kind, (int(AssetKind.EXTERNAL), int(AssetKind.SEGMENT)))
    return counted


def cases(settings: Settings) -> dict[str, Game]:
    """Games by case, the first as assumed; all are of the same chain, and what filters assume is the first's."""
    owners = min(OWNERS, max(2, settings.assets // SITE))
    generator = Generator(assets=settings.assets, owners=owners, seed=settings.seed)
    scenario = Scenario(name=f"generated, {settings.assets} assets", generate=generator, seed=settings.seed)
    right = make_game(scenario, generate_twin(generator), playbooks_of(scenario))
    plain = Attacker().profile
    hour = plain.tries_per_hour
    return {
        "right": right,
        "rates_times_3": _played_by(right, replace(plain, tries_per_hour=3.0 * hour)),
        "rates_divided_by_3": _played_by(right, replace(plain, tries_per_hour=hour / 3.0)),
        "unknown_technique": _played_by(with_unknown_steps(right, settings.seed), plain),
        "insider": _informed(right, replace(PRESETS["insider"].profile, entry=(_desk(right),))),
        "insider_anywhere": _informed(right, replace(PRESETS["insider"].profile, inside=1.0)),
        "two_attackers": _informed(right, plain, replace(PRESETS["ransomware"].profile, absent=plain.absent)),
    }


def with_unknown_steps(game: Game, seed: int) -> Game:
    """The game with attack steps that no filter's twin has: from every machine to one of the same owner, drawn."""
    machines: dict[str, list[str]] = {}
    for asset in game.compiled.twin.assets:
        if asset.kind in MACHINES:
            machines.setdefault(asset.owner, []).append(asset.id)
    rng = np.random.Generator(np.random.Philox(key=[seed, 0x0DD]))
    user = (Access.USER, Gain.USER)
    more = [
        AttackStep(UNKNOWN, StepClass.EXPLOIT, source, some[int(rng.integers(len(some)))], *user, UNKNOWN_ODDS)
        for some in machines.values()
        for source in some
    ]
    more = [step for step in more if step.source != step.target]
    compiled = compile_twin(game.compiled.twin, [*game.compiled.steps, *more], tick_s=game.compiled.tick_s)
    return replace(game, compiled=compiled)


def _played_by(game: Game, *attackers: AttackerProfile) -> Game:
    return replace(game, parameters=_parameters(game, attackers))


def _informed(game: Game, *attackers: AttackerProfile) -> Game:
    parameters = _parameters(game, attackers)
    return replace(game, parameters=parameters, assumed=parameters)


def _desk(game: Game) -> str:
    """A host in the middle of the chain."""
    hosts = [asset.id for asset in game.compiled.twin.assets if asset.kind is AssetKind.HOST]
    return hosts[len(hosts) // 2]


def _parameters(game: Game, attackers: tuple[AttackerProfile, ...]) -> Parameters:
    return build_parameters(game.compiled, attackers, shipped_confusion())


def judge(
    game: Game,
    filters: Mapping[str, Filter],
    counted: npt.NDArray[np.bool_],
    settings: Settings,
    say: Callable[[int], None],
) -> dict[str, Any]:
    """Play worlds of a game, have every filter follow them, and judge each after every tick."""
    worlds = Worlds.make(
        game.compiled,
        game.effects,
        game.parameters,
        world_ids=range(settings.worlds),
        stream=game.scenario.stream(STREAM_EVALUATION),
    )
    scores = {name: Score() for name in filters}
    seconds = dict.fromkeys(filters, 0.0)
    held = active = 0.0
    threads = numba.get_num_threads()
    numba.set_num_threads(1)  # so that times are of one core for all
    try:
        for _ in range(settings.ticks):
            worlds.roll(1)
            truth = truth_of(worlds.state)[:, counted]
            held += float(truth.mean()) / settings.ticks
            for name, one in filters.items():
                started = time.perf_counter()
                one.update(worlds.state)
                seconds[name] += time.perf_counter() - started
                scores[name].add(one.held()[:, counted], truth)
                if name == "belief" and isinstance(one, BeliefFilter):
                    active += one.mean_active / settings.ticks
            say(1)
    finally:
        numba.set_num_threads(threads)
    each = settings.ticks * settings.worlds
    return {
        "share_held": held,
        "mean_active": active,
        "filters": {
            name: {**score.means(), "us_per_tick": 1e6 * seconds[name] / each} for name, score in scores.items()
        },
    }
