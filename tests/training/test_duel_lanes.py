"""Duels under the learner of every run: one worker learns what SB3 learns; lanes skip, end, and go on as they stood."""

from __future__ import annotations

import pickle
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO
from stable_baselines3.common.logger import Logger
from tocsin.envs.attackers import Attacker
from tocsin.envs.game import load_game
from tocsin.envs.scripted import Threshold, nothing
from tocsin.tests.training.duels import STREAM, TICKS, some_attacker, the_game, the_scenario
from tocsin.tests.training.lanes_sb3 import JoinedFace
from tocsin.training.attack_network import NumpyAttacker, numpy_weights
from tocsin.training.duel import UNBOUND, AttackView, play_duel
from tocsin.training.duel_lanes import AttackLanes, Attacks, Defends, MakeDefender
from tocsin.training.family import Chain
from tocsin.training.peer import Iteration, Peer, make_roller
from tocsin.training.policy import action_space, observation_space
from tocsin.training.ppo import make_learner
from tocsin.training.rollout import Rollout
from tocsin.training.settings import TrainSettings
from tocsin.training.worth import Worth

SETTINGS = TrainSettings(worlds=4, workers=1, steps=12, epochs=2, minibatches=3)
SCALE = 0.5


def wait(game: Any) -> Any:
    """Make the defender that does nothing; pickled by its name."""
    return nothing


def attack(make: MakeDefender = wait, pace: float = UNBOUND) -> Chain:
    return Chain(the_game(), 1.0, Attacks(make, pace))


def defend(pace: float = UNBOUND) -> Chain:
    return Chain(the_game(), 1.0, Defends(some_attacker(), pace))


POOLS = {
    "attack": (attack(Threshold, 0.5), attack(partial(Worth, level=2.0), 0.5)),
    "defend": (Chain(the_game()), defend(0.5)),
}


@pytest.mark.parametrize("side", POOLS)
def test_one_worker_is_sb3_itself(side: str) -> None:
    """On duels of either side, against a pool of two, SB3's own loop ends with the parameters that ours ends with."""
    torch.set_num_threads(1)
    chains = POOLS[side]
    ours = make_learner(chains[0].game, SETTINGS, chains[-1].player)
    roller, theirs_roller = (make_roller(chains, SETTINGS, 0, 0) for _ in range(2))
    begun, total = ours.state(), 2 * SETTINGS.worlds * SETTINGS.steps
    for left in (0.5, 0.0):
        ours.update([roller.roll(ours.policy, SETTINGS.steps, SCALE)], left)
    player = chains[-1].player
    spaces = (player.observed, player.actions) if player else (observation_space(the_game()), action_space(the_game()))
    face = JoinedFace(theirs_roller._worlds, spaces[0], spaces[1], SCALE)  # type: ignore[arg-type]
    theirs = MaskablePPO(
        type(ours.policy),
        face,
        learning_rate=lambda left: SETTINGS.learning_rate * left,
        n_steps=SETTINGS.steps,
        batch_size=SETTINGS.worlds * SETTINGS.steps // SETTINGS.minibatches,
        n_epochs=SETTINGS.epochs,
        gamma=SETTINGS.gamma,
        gae_lambda=SETTINGS.gae_lambda,
        ent_coef=SETTINGS.entropy,
        policy_kwargs={} if player else {"game": the_game()},
        seed=SETTINGS.seed,
        device="cpu",
    )
    theirs.policy.load_state_dict(begun["policy"])
    theirs.set_logger(Logger(folder=None, output_formats=[]))
    theirs._last_obs, theirs._last_episode_starts = theirs_roller._observation, theirs_roller._starts
    np.random.seed(SETTINGS.seed)
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(theirs_roller._draws)
        theirs.learn(total, reset_num_timesteps=False)
    found = theirs.policy.state_dict()
    for name, parameter in ours.policy.state_dict().items():
        torch.testing.assert_close(parameter, found[name], rtol=0, atol=1e-6)
    assert any(not torch.equal(begun["policy"][name], one) for name, one in found.items())


@pytest.mark.parametrize("side", POOLS)
def test_worlds_go_on_from_their_state(side: str) -> None:
    """A roller restored from another's state, as a worker that was sent the chains, plays what that one plays next."""
    chains = POOLS[side]
    policy = make_learner(chains[0].game, SETTINGS, chains[-1].player).policy
    one, other = make_roller(chains, SETTINGS, 0, 0), make_roller(pickle.loads(pickle.dumps(chains)), SETTINGS, 7, 0)
    one.roll(policy, 5, SCALE)
    other.restore(one.state())
    expected, found = (roller.roll(policy, 40, SCALE) for roller in (one, other))
    for name in Rollout.__slots__:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    assert len(found.losses) >= SETTINGS.worlds


def test_an_attacker_learns_against_one_who_does_nothing() -> None:
    """One that rather waits takes nothing; after some updates it has found that trying pays."""
    settings = TrainSettings(worlds=12, steps=30, workers=1, learning_rate=1e-2, entropy=0.01, seed=1)
    peer: Any = Peer((attack(),), settings, 0)
    network = peer._learner.policy.network
    with torch.no_grad():
        network.wait.bias.fill_(2.0)
    peer.learn_from(peer.learned(), 2.0)
    before = NumpyAttacker(numpy_weights(network), {})
    for _ in range(20):
        assert isinstance(peer.iterate(1.0), Iteration)
    after = NumpyAttacker(numpy_weights(network), {})
    taken = [play_duel(the_game(), nothing, one, range(24), stream=STREAM).mean() for one in (before, after)]
    assert taken[0] == 0 < 0.1 < taken[1]


def test_ticks_without_a_try_are_skipped_and_counted() -> None:
    """At a third of the tempo an episode has about a third of the steps, and rewards add up to what was lost."""
    steps = {}
    for pace in (UNBOUND, 1 / 3):
        (lanes,) = Attacks(wait, pace).parts(the_game(), range(4), stream=STREAM)
        assert isinstance(lanes, AttackLanes)
        total, steps[pace], ended = np.zeros(4), 0, False
        while not ended:
            action = some_attacker()(AttackView(lanes.look(), lanes.masks()))
            step = lanes.advance(lanes.dense(lanes.checked(action)))
            total, steps[pace], ended = total + step.reward, steps[pace] + 1, bool(step.truncated.all())
        np.testing.assert_allclose(total, step.terminal_loss, rtol=1e-4, atol=1e-6)
        assert step.terminal_observation.shape == step.observation.shape
        assert step.terminal_loss.any() or pace < UNBOUND
    assert steps[UNBOUND] == TICKS - 1 and 0.2 < steps[1 / 3] / TICKS < 0.5


def test_an_attack_that_never_comes_ends_at_the_horizon() -> None:
    """Its lane goes by to the end without a try: one step that plays no tick more, then the next episode."""
    never = load_game(the_scenario().model_copy(update={"attackers": (Attacker(absent=1.0),)}))
    (lanes,) = Attacks(wait, UNBOUND).parts(never, range(2), stream=STREAM)
    assert isinstance(lanes, AttackLanes)
    assert lanes._duel.tick == TICKS and not lanes.masks()[:, 1:].any()
    ticks: list[int] = []
    play = lanes._duel.play
    lanes._duel.play = lambda *given: (ticks.append(lanes._duel.tick), play(*given))[1]  # type: ignore[method-assign]
    step = lanes.advance(lanes.dense(np.zeros(2, np.int64)))
    assert ticks == list(range(TICKS))  # of the next episode, which goes by too
    assert step.truncated.all() and not step.reward.any() and not step.terminal_loss.any()


def test_a_step_that_is_not_open_is_refused() -> None:
    """The lane is named, and no world has changed."""
    (lanes,) = Attacks(wait, UNBOUND).parts(the_game(), range(2), stream=STREAM)
    before = lanes.look()
    with pytest.raises(ValueError, match="lane 1: action 48 is not legal"):
        lanes.checked(np.array([0, 48]))
    np.testing.assert_array_equal(before, lanes.look())


def test_a_defender_meets_the_attack_that_duels_play() -> None:
    """A defender's lanes that wait lose what the duel of the same worlds loses; another episode follows."""
    (lanes,) = Defends(some_attacker(), 0.7).parts(the_game(), range(4), stream=STREAM)
    total = np.zeros(4)
    for _ in range(the_game().decisions):
        step = lanes.advance(np.zeros(4, np.int32))
        total += step.reward
    alone = play_duel(the_game(), nothing, some_attacker(), range(4), stream=STREAM, pace=0.7)
    np.testing.assert_allclose(total, -alone, rtol=1e-4)
    np.testing.assert_allclose(step.terminal_loss, alone, rtol=1e-9)  # type: ignore[union-attr]
    assert step.truncated.all() and alone.any()
