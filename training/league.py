"""A league: attackers learn against a pool of defenders, defenders against a pool of attackers, and again.

Flows in: a scenario, settings, learned policies. Flows out: both pools, who beats whom, how far the last defender can
be exploited. Fictitious play over pools: each newcomer is trained against the even mixture of all opponents so far
(Heinrich et al. 2015; Lanctot et al. 2017 with a uniform meta-strategy). At the end one more attacker is trained
against the last defender alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sb3_contrib import MaskablePPO

from ..envs.game import Game, load_game
from ..envs.learned import Learned
from ..envs.policy_file import NumpyPolicy
from ..envs.scenario import Scenario
from ..envs.scripted import Defender, Threshold
from ..twin.rulebook.worlds import STREAM_ENVIRONMENT, STREAM_EVALUATION
from .attack_network import AttackPolicy, NumpyAttacker, numpy_weights
from .duel import Attacking, Duel, play_duel
from .duel_sb3 import AttackVecEnv, DefendVecEnv
from .family import mean_loss, preset_attacker, single
from .imitate import imitate
from .intervals import Estimate, Losses, estimates, mean_of
from .league_settings import LeagueError, LeagueSettings
from .policy import PairPolicy
from .settings import TrainSettings
from .streams import STREAM_IMITATION
from .worth import Worth

Progress = Callable[[str, float], None]
Float64 = npt.NDArray[np.float64]
AS_WRITTEN = "as written"  # the scenario's own attacker, by the built-in rule
EXPLOITER = "exploiter"
NEWCOMER = "defender "  # and a number: names of those that are trained
LANES = 50  # attacks played side by side; no result depends on it
FIRST_EPISODES = 10_000  # numbers of episodes that each training has for itself


@dataclass(frozen=True)
class Side:
    """An attacker and the game that it comes in."""

    game: Game
    attacker: Attacking | None  # None: the built-in rule


@dataclass(frozen=True)
class League:
    """What came of it."""

    attackers: Mapping[str, Side]
    defenders: Mapping[str, Callable[[Game], Defender]]
    learned_attackers: Mapping[str, NumpyAttacker]
    learned_defenders: Mapping[str, NumpyPolicy]
    losses: Mapping[tuple[str, str], Estimate]  # by attacker and defender: owner-hours of an attack
    exploitability: Mapping[str, Any]


@dataclass
class _Pools:
    """Both pools as they grow."""

    base: Game
    attackers: dict[str, Side]
    defenders: dict[str, Callable[[Game], Defender]]
    learned_attackers: dict[str, NumpyAttacker] = field(default_factory=dict)
    learned_defenders: dict[str, NumpyPolicy] = field(default_factory=dict)


def play_league(
    scenario: Scenario,
    settings: LeagueSettings,
    given: Mapping[str, NumpyPolicy],
    *,
    progress: Progress = lambda stage, share: None,
) -> League:
    """Train both sides in turn and let everybody play everybody.

    Args:
        scenario: what is played; learned attackers sit at the seat of its first attacker.
        settings: of the league.
        given: learned defenders that are in the pool from the start.
        progress: called with what is being done, and the share of all that is done.

    Raises:
        LeagueError: a given policy has a name that is taken.
    """
    torch.set_num_threads(settings.threads)
    pools = _first(scenario, settings, given)
    trainings, done = 2 * settings.rounds + 1, 0

    def say(stage: str) -> None:
        progress(stage, done / (trainings + 1))

    warm, scale = _warm(pools.base, settings)
    attack_state: dict[str, Any] | None = None
    for number in range(1, settings.rounds + 1):
        name = f"attacker {number}"
        say(f"training {name} against {len(pools.defenders)} defenders")
        attack_state = _train_attacker(pools, list(pools.defenders), name, settings, attack_state, 2 * number)
        done += 1
        name = f"{NEWCOMER}{number}"
        say(f"training {name} against {len(pools.attackers)} attackers")
        warm = _train_defender(pools, name, settings, warm, scale, 2 * number + 1)
        done += 1
    last = f"{NEWCOMER}{settings.rounds}"
    say(f"training the {EXPLOITER} of {last}")
    _train_attacker(pools, [last], EXPLOITER, settings, attack_state, 2 * settings.rounds + 2)
    done += 1
    say("everybody plays everybody")
    played = {
        (attacker, defender): _match(side, make, settings.attacks)
        for attacker, side in pools.attackers.items()
        for defender, make in pools.defenders.items()
    }
    told = {pair: _estimate(losses) for pair, losses in played.items()}
    return League(
        pools.attackers,
        pools.defenders,
        pools.learned_attackers,
        pools.learned_defenders,
        told,
        exploited(
            last, {attacker: played[attacker, last] for attacker in pools.attackers}, set(pools.learned_attackers)
        ),
    )


def _first(scenario: Scenario, settings: LeagueSettings, given: Mapping[str, NumpyPolicy]) -> _Pools:
    base = load_game(scenario)
    attackers = {AS_WRITTEN: Side(base, None)}
    for preset in settings.presets:
        told = {"attackers": (preset_attacker(preset, scenario.attackers[0]),)}
        attackers[preset] = Side(load_game(scenario.model_copy(update=told)), None)
    defenders: dict[str, Callable[[Game], Defender]] = {
        "restore above belief": Threshold,
        "evict by worth": lambda game: Worth(game, settings.worth_level),
    }
    for name, policy in given.items():
        if name in defenders or name.startswith(NEWCOMER):
            raise LeagueError(f"policy name {name!r} is taken; write NAME=FILE with another name")
        defenders[name] = lambda game, policy=policy: Learned(game, policy)  # type: ignore[misc]
    return _Pools(base, attackers, defenders, {}, dict(given))


def _warm(game: Game, settings: LeagueSettings) -> tuple[dict[str, Any], float]:
    """A defender that imitates eviction by worth, and the scale of its rewards."""
    torch.manual_seed(settings.seed)
    duel = Duel(game, range(1), stream=STREAM_ENVIRONMENT)
    model = _model(PairPolicy, DefendVecEnv([duel], [None]), game, settings, settings.seed)
    told = TrainSettings(imitation_worlds=settings.imitation_worlds, seed=settings.seed)
    scale = imitate(model.policy.network, single(game), told)
    return model.policy.state_dict(), scale


def _model(policy: type, env: Any, game: Game, settings: LeagueSettings, seed: int) -> MaskablePPO:
    attacks = policy is AttackPolicy
    steps = game.scenario.horizon_ticks if attacks else game.decisions
    return MaskablePPO(
        policy,
        env,
        learning_rate=lambda left: settings.learning_rate * max(left, 0.1),
        n_steps=steps,  # whole episodes: all lanes begin and end together
        batch_size=max(2, steps * env.num_envs // 4),
        n_epochs=4,
        gamma=0.995 if attacks else 0.99,  # the same per minute
        gae_lambda=0.9,
        ent_coef=settings.entropy if attacks else 0.003,
        policy_kwargs={} if attacks else {"game": game},
        seed=seed,
        device="cpu",
    )


def _train_attacker(
    pools: _Pools, against: Sequence[str], name: str, settings: LeagueSettings, start: dict[str, Any] | None, turn: int
) -> dict[str, Any]:
    game, worlds = pools.base, max(1, settings.worlds // len(against))
    duels = [Duel(game, _ids(number, worlds), stream=STREAM_ENVIRONMENT) for number in range(len(against))]
    scale = 5.0 / max(mean_loss(game, Threshold(game), STREAM_IMITATION, 64), 1e-3)
    opponents = [pools.defenders[one](game) for one in against]
    env = AttackVecEnv(duels, opponents, scale=scale, episode=turn * FIRST_EPISODES)
    model = _model(AttackPolicy, env, game, settings, settings.seed + turn)
    if start is not None:
        model.policy.load_state_dict(start)
    model.learn(settings.attack_steps)
    card = {"scenario": game.scenario.name, "against": list(against), "steps": int(model.num_timesteps)}
    attacker = NumpyAttacker(numpy_weights(model.policy.network), card)
    pools.learned_attackers[name], pools.attackers[name] = attacker, Side(game, attacker)
    state: dict[str, Any] = model.policy.state_dict()
    return state


def _train_defender(
    pools: _Pools, name: str, settings: LeagueSettings, start: dict[str, Any], scale: float, turn: int
) -> dict[str, Any]:
    worlds = max(1, settings.worlds // len(pools.attackers))
    duels = [
        Duel(side.game, _ids(number, worlds), stream=STREAM_ENVIRONMENT)
        for number, side in enumerate(pools.attackers.values())
    ]
    opponents = [side.attacker for side in pools.attackers.values()]
    env = DefendVecEnv(duels, opponents, scale=scale, episode=turn * FIRST_EPISODES)
    model = _model(PairPolicy, env, pools.base, settings, settings.seed + turn)
    model.policy.load_state_dict(start)
    model.learn(settings.defend_steps)
    card = {"scenario": pools.base.scenario.name, "against": list(pools.attackers), "steps": int(model.num_timesteps)}
    policy = NumpyPolicy(model.policy.network.numpy_weights(), card)
    pools.learned_defenders[name] = policy
    pools.defenders[name] = lambda game: Learned(game, policy)
    state: dict[str, Any] = model.policy.state_dict()
    return state


def _ids(number: int, worlds: int) -> range:
    """Worlds of the n-th opponent."""
    return range(number * worlds, (number + 1) * worlds)


def _match(side: Side, make: Callable[[Game], Defender], attacks: int) -> Float64:
    """float64[attacks] losses on attacks that no training plays."""
    parts = [range(first, min(attacks, first + LANES)) for first in range(0, attacks, LANES)]
    played = [play_duel(side.game, make(side.game), side.attacker, ids, stream=STREAM_EVALUATION) for ids in parts]
    return np.concatenate(played)


def _estimate(losses: Float64) -> Estimate:
    table = Losses.of([losses[:, None]])
    return estimates(table, [mean_of(table, losses)])[0]


def exploited(last: str, losses: Mapping[str, Float64], learned: Set[str]) -> dict[str, Any]:
    """How much more the best response found takes from a defender than any scripted attacker does.

    Args:
        last: name of the defender.
        losses: float64[n] under each attacker, on equal numbers of attacks.
        learned: names of the attackers that were trained; the others are scripts.
    """
    scripted = [name for name in losses if name not in learned]
    best, worst = (max(names, key=lambda name: float(losses[name].mean())) for names in (sorted(learned), scripted))
    table = Losses.of([np.stack([losses[best], losses[worst]], axis=1)])
    gap = estimates(table, [mean_of(table, losses[best] - losses[worst])])[0]
    mean = float(np.mean([losses[name].mean() for name in scripted]))
    return {
        "defender": last,
        "best_response": best,
        "best_response_loss": float(losses[best].mean()),
        "worst_scripted": worst,
        "worst_scripted_loss": float(losses[worst].mean()),
        "mean_scripted_loss": mean,
        "exploitability": {"value": gap.value, "low": gap.low, "high": gap.high},
    }
