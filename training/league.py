"""A league: attackers learn against a pool of defenders, defenders against a pool of attackers, and again.

Flows in: a scenario, settings, learned policies, a folder. Flows out: both pools, who beats whom, how far the last
defender can be exploited. Fictitious play over pools: each newcomer is trained against the even mixture of all
opponents so far (Heinrich et al. 2015; Lanctot et al. 2017 with a uniform meta-strategy), by the learner of
`tocsin train`. At the end one more attacker is trained against the last defender alone. Whoever has been trained has a
file in the folder, and its run beside it: a league that was killed goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..envs.attackers import PRESETS
from ..envs.game import Game, load_game
from ..envs.learned import Learned
from ..envs.policy_file import NumpyPolicy, load_policy, save_policy
from ..envs.scenario import Scenario
from ..envs.scripted import Threshold
from ..twin.rulebook.worlds import STREAM_EVALUATION
from .attack_network import AttackNetwork, NumpyAttacker, numpy_weights
from .attacker_file import load_attacker, save_attacker
from .checkpoint import Shelf
from .contest import Attack, Defence, Side, match
from .duel import UNBOUND, Float64, pace_of
from .duel_lanes import MakeDefender
from .family import preset_attacker
from .intervals import Estimate
from .league_settings import EACH, FASTEST, FREE, LeagueError, LeagueSettings
from .league_table import by_round, estimate
from .network import PairNetwork
from .report import Report
from .runs import made_by
from .settings import TrainSettings
from .streams import STREAM_VALIDATION
from .train import LearnedBest, MakeShape, learn
from .worth import Worth

Progress = Callable[[str, float], None]
AS_WRITTEN = "as written"  # the scenario's own attacker, by the built-in rule
ATTACKER, EXPLOITER = "attacker ", "exploiter"
NEWCOMER = "defender "  # and a number: names of those that are trained
SCRIPTS = ("restore above belief", "evict by worth")  # defenders that are there from the start
MOST_TRIES = 600.0  # an hour, of scripts: what a script is given that is to try in every tick


@dataclass(frozen=True)
class League:
    """What came of it."""

    attackers: Mapping[str, Side]
    defenders: Mapping[str, MakeDefender]
    learned_attackers: Mapping[str, NumpyAttacker]
    learned_defenders: Mapping[str, NumpyPolicy]
    losses: Mapping[tuple[str, str], Estimate]  # by attacker and defender: owner-hours of an attack
    exploitability: Mapping[str, Any]  # of the last defender
    by_round: Sequence[Mapping[str, Any]]  # the same of every defender that was trained, in order
    tries_per_hour: float  # of learned attackers, the mean; `MOST_TRIES`: in every tick


@dataclass
class _Pools:
    """Both pools as they grow, and where they are kept."""

    base: Game
    settings: LeagueSettings
    folder: Path
    pace: float
    attackers: dict[str, Side]
    defenders: dict[str, MakeDefender]
    say: Callable[[str, Report], None]
    make_shape: MakeShape | None
    learned_attackers: dict[str, NumpyAttacker] = field(default_factory=dict)
    learned_defenders: dict[str, NumpyPolicy] = field(default_factory=dict)


def play_league(
    scenario: Scenario,
    settings: LeagueSettings,
    given: Mapping[str, NumpyPolicy],
    folder: Path,
    *,
    progress: Progress = lambda stage, share: None,
    make_shape: MakeShape | None = None,
) -> League:
    """Train both sides in turn and let everybody play everybody; whoever has a file in the folder is not trained again.

    Args:
        scenario: what is played; learned attackers sit at the seat of its first attacker.
        settings: of the league.
        given: learned defenders that are in the pool from the start.
        folder: where all that is learned is kept.
        progress: called with what is being done, and the share of all that is done.
        make_shape: who computes gradients, if not what the settings say.

    Raises:
        LeagueError: a given policy has a name that is taken, or a side has fewer worlds than opponents.
        TrainError: as `train.learn`.
    """
    done, trainings = 0, 2 * settings.rounds + (settings.rounds if settings.exploiters == EACH else 1)

    def say(stage: str, report: Report) -> None:
        progress(f"{stage}: {report.stage}, {report.iterations} iterations", done / (trainings + 1))

    pools = _first(scenario, settings, given, folder, say, make_shape)
    for number in range(1, settings.rounds + 1):
        _train_attacker(pools, f"{ATTACKER}{number}", pools.defenders, 2 * number)
        done += 1
        _train_defender(pools, f"{NEWCOMER}{number}", 2 * number + 1)
        done += 1
    for name, number in _exploiters(settings):
        one = f"{NEWCOMER}{number}"
        _train_attacker(pools, name, {one: pools.defenders[one]}, 2 * settings.rounds + 2 + settings.rounds - number)
        done += 1
    progress("everybody plays everybody", done / (trainings + 1))
    return _told(scenario, pools)


def tries_per_hour(scenario: Scenario, settings: LeagueSettings) -> float:
    """How often learned attackers try in the mean, as the settings' tempo says."""
    own = scenario.attackers[0].profile.tries_per_hour
    if settings.tempo == FREE:
        return MOST_TRIES
    presets = [PRESETS[one].profile.tries_per_hour for one in settings.presets]
    return max(own, *presets) if settings.tempo == FASTEST and presets else own


def as_hasty(base: Game, tries: float) -> Game:
    """The game with its first attacker trying so many times an hour, and nobody told: defenders assume whom they did.

    What a defender knows of the threat is part of it (`envs.threat`), so a script that stands beside learned attackers
    comes as they do, unannounced.
    """
    own = base.scenario.attackers
    told = {"attackers": (own[0].model_copy(update={"tries_per_hour": tries}), *own[1:])}
    return replace(load_game(base.scenario.model_copy(update=told), base.library), assumed=base.assumed)


def check_pools(settings: LeagueSettings, given: Mapping[str, NumpyPolicy]) -> None:
    """Refuse a league that could not be played, before anything is written.

    Raises:
        LeagueError: a policy has a name that is taken, or a side has fewer worlds than the other's pool has members.
    """
    for name in given:
        if name in SCRIPTS or name.startswith(NEWCOMER):
            raise LeagueError(f"policy name {name!r} is taken; write NAME=FILE with another name")
    for side, others in (("attackers", len(SCRIPTS) + len(given)), ("defenders", 1 + len(settings.presets))):
        least, worlds = others + settings.rounds, getattr(settings, side).worlds
        if worlds < least:
            raise LeagueError(f"{side}: worlds {worlds}: too few for pools of up to {least}; give {least} or more")


def _first(
    scenario: Scenario,
    settings: LeagueSettings,
    given: Mapping[str, NumpyPolicy],
    folder: Path,
    say: Callable[[str, Report], None],
    make_shape: MakeShape | None,
) -> _Pools:
    check_pools(settings, given)
    base, tries = load_game(scenario), tries_per_hour(scenario, settings)
    pace = UNBOUND if settings.tempo == FREE else pace_of(tries, base.compiled.tick_s)
    attackers = {AS_WRITTEN: Side(base, None, pace)}
    for preset in settings.presets:
        told = {"attackers": (preset_attacker(preset, scenario.attackers[0]),)}
        attackers[preset] = Side(load_game(scenario.model_copy(update=told)), None, pace)
    worth = partial(Worth, level=settings.worth_level)
    defenders: dict[str, MakeDefender] = dict(zip(SCRIPTS, (Threshold, worth), strict=True))
    defenders |= {name: partial(Learned, policy=policy) for name, policy in given.items()}
    return _Pools(base, settings, folder, pace, attackers, defenders, say, make_shape, {}, dict(given))


def _train_attacker(pools: _Pools, name: str, against: Mapping[str, MakeDefender], turn: int) -> None:
    path, settings = pools.folder / f"{slug(name)}.npz", _settings(pools, "attackers", name, turn)
    if not path.exists():
        course = Attack(pools.base, against, settings, pools.pace)
        course.start = _start(pools, course, pools.learned_attackers)
        best, network = _learned(pools, course, settings, f"{name} against {_count(against)}"), AttackNetwork()
        network.load_state_dict(of_network(best.weights))
        save_attacker(path, numpy_weights(network), _card(pools, best, list(against), settings))
    pools.learned_attackers[name] = attacker = load_attacker(path)
    pools.attackers[name] = Side(pools.base, attacker, pools.pace)


def _train_defender(pools: _Pools, name: str, turn: int) -> None:
    path, settings = pools.folder / f"{slug(name)}.tocsin", _settings(pools, "defenders", name, turn)
    own = {name: one for name, one in pools.learned_defenders.items() if name.startswith(NEWCOMER)}
    if not path.exists():
        course = Defence(pools.base, pools.attackers, settings, pools.pace)
        course.start = _start(pools, course, own)
        best = _learned(pools, course, settings, f"{name} against {_count(pools.attackers)}")
        network = PairNetwork(pools.base.effects)
        network.load_state_dict(of_network(best.weights))
        save_policy(path, network.numpy_weights(), _card(pools, best, list(pools.attackers), settings))
    pools.learned_defenders[name] = policy = load_policy(path)
    pools.defenders[name] = partial(Learned, policy=policy)


def _learned(pools: _Pools, course: Attack | Defence, settings: TrainSettings, stage: str) -> LearnedBest:
    return learn(
        course,
        settings,
        lambda report: pools.say(f"training {stage}", report),
        resume=True,  # of this newcomer's own run, where the league was killed in it
        make_shape=pools.make_shape,
    )


def _start(pools: _Pools, course: Attack | Defence, earlier: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Weights of the earlier one that does best against this pool, on validation worlds; none: begin afresh.

    Raises:
        LeagueError: its run is not there any more.
    """
    if not earlier:
        return None
    best = min(earlier, key=lambda name: float(course.judge(earlier[name]).mean()))
    kept = Shelf.at(str(pools.folder / slug(best))).newest()
    if kept is None:
        raise LeagueError(f"{pools.folder / slug(best)}: its run is not there any more; begin a new league")
    weights: Mapping[str, Any] = kept["best"]
    return weights


def _settings(pools: _Pools, side: str, name: str, turn: int) -> TrainSettings:
    """Of one newcomer: draws of its own, a folder of its own."""
    settings: TrainSettings = getattr(pools.settings, side)
    return replace(settings, seed=pools.settings.seed + turn, run=str(pools.folder / slug(name)))


def of_network(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of the network, of those of its policy."""
    import torch

    own = "network."
    return {name.removeprefix(own): torch.as_tensor(one) for name, one in weights.items() if name.startswith(own)}


def _card(pools: _Pools, best: LearnedBest, against: list[str], settings: TrainSettings) -> dict[str, Any]:
    report, scenario = best.report, pools.base.scenario
    return {
        "scenario": scenario.name,
        "against": against,
        "tries_per_hour": tries_per_hour(scenario, pools.settings),
        "samples": report.samples,
        "iterations": report.iterations,
        "validation": [[round(at, 1), round(loss, 4)] for at, loss in report.validation],
        "made": made_by(settings),
    }


def _told(scenario: Scenario, pools: _Pools) -> League:
    attackers, tries = dict(pools.attackers), tries_per_hour(scenario, pools.settings)
    as_fast, scripts = AS_WRITTEN, [name for name in attackers if name not in pools.learned_attackers]
    if tries != scenario.attackers[0].profile.tries_per_hour:
        as_fast = f"{AS_WRITTEN}, {'every tick' if tries == MOST_TRIES else f'{tries:g} tries an hour'}"
        attackers[as_fast] = Side(as_hasty(pools.base, tries), None, pools.pace)

    def losses(defender: str, stream: int) -> dict[str, Float64]:
        make, attacks = pools.defenders[defender], pools.settings.attacks
        return {name: match(side, make, attacks, stream) for name, side in attackers.items()}

    played = {defender: losses(defender, STREAM_EVALUATION) for defender in pools.defenders}
    trained = [f"{NEWCOMER}{number}" for number in range(1, pools.settings.rounds + 1)]
    gaps = by_round(
        {one: losses(one, STREAM_VALIDATION) for one in trained},
        played,
        learned=set(pools.learned_attackers),
        scripts=scripts,
        as_fast=as_fast,
    )
    told_of = {(a, d): estimate(lost) for d, own in played.items() for a, lost in own.items()}
    learned = pools.learned_attackers, pools.learned_defenders
    return League(attackers, pools.defenders, *learned, told_of, gaps[-1], gaps, tries)


def _exploiters(settings: LeagueSettings) -> list[tuple[str, int]]:
    """Names of those trained against one defender alone, with its number; that of the last defender comes last."""
    others = range(1, settings.rounds) if settings.exploiters == EACH else ()
    return [*((f"{EXPLOITER} of {NEWCOMER}{number}", number) for number in others), (EXPLOITER, settings.rounds)]


def slug(name: str) -> str:
    """Name of the file or folder of one that was trained."""
    return name.replace(" ", "-")


def _count(pool: Mapping[str, Any]) -> str:
    return f"{len(pool)} opponents" if len(pool) > 1 else next(iter(pool))
