"""Learning in a group: one member learns what SB3 learns, two learn what one would of both's data, ends are noticed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from gymnasium import spaces
from sb3_contrib import MaskablePPO
from stable_baselines3.common.logger import Logger
from tocsin.envs.active_sb3 import ActiveVecEnv
from tocsin.tests.envs.games import STEPS, short_game
from tocsin.tests.training.scaled import Scaled
from tocsin.training.family import single
from tocsin.training.group import Alone, GroupError, TorchGroup
from tocsin.training.peer import Lost, Peer
from tocsin.training.policy import PairPolicy, action_space, observation_space
from tocsin.training.ppo import GroupPPO, make_learner
from tocsin.training.rollout import Roller, Rollout
from tocsin.training.settings import TrainSettings

WORLDS, SCALE = 4, 0.5
SETTINGS = TrainSettings(worlds=WORLDS, workers=1, steps=STEPS + 3, epochs=2, minibatches=3)


def _roller(number: int = 0) -> Roller:
    return Roller(single(short_game()), worlds=WORLDS, first_world=number * WORLDS, seed=number, gamma=SETTINGS.gamma)


def _learner() -> GroupPPO:
    torch.set_num_threads(1)
    learner = make_learner(short_game(), SETTINGS)
    with torch.no_grad():
        for one in learner.policy.parameters():
            one.add_(0.01)  # off the start, so that it acts and gradients are many
    return learner


def _together(work: Callable[[int, TorchGroup], Any], size: int = 2, patience_s: float = 20.0) -> list[Any]:
    """What `work(rank, group)` gives on each of `size` threads that form a group."""
    store, found = dist.HashStore(), {}

    def run(rank: int) -> None:
        try:
            found[rank] = work(rank, TorchGroup(store, rank, size, patience_s=patience_s))
        except GroupError as error:
            found[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [found[rank] for rank in range(size)]


def _parameters(learner: Any) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().copy() for name, tensor in learner.policy.state_dict().items()}


def test_one_worker_is_sb3_itself() -> None:
    """Three iterations of SB3's own loop, roll-outs and all, end with the same parameters as three of ours."""
    ours, roller = _learner(), _roller()
    begun, theirs_roller = ours.state(), _roller()
    total = 3 * WORLDS * SETTINGS.steps
    for left in (1 - total / 3 / total, 1 - 2 * total / 3 / total, 0.0):  # as SB3 counts it
        ours.update([roller.roll(ours.policy, SETTINGS.steps, SCALE)], left)

    face = ActiveVecEnv(WORLDS, game=short_game())
    batch = -(-WORLDS * SETTINGS.steps // SETTINGS.minibatches)
    theirs = MaskablePPO(
        PairPolicy,
        Scaled(face, SCALE),
        learning_rate=lambda left: SETTINGS.learning_rate * left,
        n_steps=SETTINGS.steps,
        batch_size=batch,
        n_epochs=SETTINGS.epochs,
        gamma=SETTINGS.gamma,
        gae_lambda=SETTINGS.gae_lambda,
        ent_coef=SETTINGS.entropy,
        policy_kwargs={"game": short_game()},
        seed=SETTINGS.seed,
        device="cpu",
    )
    theirs.policy.load_state_dict(begun["policy"])
    theirs.set_logger(Logger(folder=None, output_formats=[]))
    (face._seen,) = theirs_roller._worlds.parts  # equal worlds, equal draws, equal orders of minibatches
    theirs._last_obs, theirs._last_episode_starts = theirs_roller._observation, theirs_roller._starts
    np.random.seed(SETTINGS.seed)
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(theirs_roller._draws)
        theirs.learn(total, reset_num_timesteps=False)
    for name, parameter in _parameters(ours).items():
        np.testing.assert_allclose(parameter, _parameters(theirs)[name], rtol=0, atol=1e-6, err_msg=name)
    assert any(not np.array_equal(begun["policy"][name].numpy(), one) for name, one in _parameters(ours).items())


def test_two_workers_are_one_on_the_joined_data() -> None:
    """Two members, each with its own rollout, end with equal bits, and those are what one learns of both rollouts."""
    start = _learner()
    rollouts = [_roller(number).roll(start.policy, SETTINGS.steps, SCALE) for number in range(2)]
    joined = _learner()
    for _ in range(2):
        joined.update(rollouts, 1.0)

    def member(rank: int, group: TorchGroup) -> GroupPPO:
        learner = learners[rank]
        learner.group = group
        for _ in range(2):
            learner.update([rollouts[rank]], 1.0)
        return learner

    learners = [_learner(), _learner()]
    first, second = _together(member)
    assert first.digest() == second.digest() != start.digest()
    for name, parameter in _parameters(joined).items():
        np.testing.assert_allclose(_parameters(first)[name], parameter, rtol=1e-4, atol=2e-5, err_msg=name)


def test_members_of_different_size_count_by_their_rows() -> None:
    """A member with half as many worlds weighs half as much."""
    start = _learner()
    full = _roller(0).roll(start.policy, SETTINGS.steps, SCALE)
    small = Roller(single(short_game()), worlds=2, first_world=90, seed=9, gamma=SETTINGS.gamma)
    rollouts = [full, small.roll(start.policy, SETTINGS.steps, SCALE)]
    joined, learners = _learner(), [_learner(), _learner()]
    joined.update(rollouts, 1.0)

    def member(rank: int, group: TorchGroup) -> GroupPPO:
        learners[rank].group = group
        learners[rank].update([rollouts[rank]], 1.0)
        return learners[rank]

    first, second = _together(member)
    assert first.digest() == second.digest()
    for name, parameter in _parameters(joined).items():
        np.testing.assert_allclose(_parameters(first)[name], parameter, rtol=1e-4, atol=2e-5, err_msg=name)


def test_a_member_that_stops_answering_costs_the_iteration_and_nothing_else() -> None:
    """Within the patience the other is told so, with parameters, optimizer and counters as they were."""
    peers = [Peer(single(short_game()), SETTINGS, number) for number in range(2)]
    before = peers[0].learned()

    def member(rank: int, group: TorchGroup) -> Any:
        if rank == 1:
            return None  # it met the other and then did nothing
        peers[0].join(group)
        began = time.monotonic()
        return peers[0].iterate(1.0), time.monotonic() - began

    (lost, took), _ = _together(member, patience_s=2.0)
    assert isinstance(lost, Lost) and took < 30
    after = peers[0].learned()
    assert all(torch.equal(before["policy"][name], after["policy"][name]) for name in before["policy"])
    assert after["iterations"] == 0 and not isinstance(peers[0].iterate(1.0), Lost), "and it goes on alone"


def test_members_who_do_not_meet_are_told() -> None:
    """A group whose second member never comes is an error within the patience."""
    with pytest.raises(GroupError, match="rank 0 of 2"):
        TorchGroup(dist.HashStore(), 0, 2, patience_s=0.5)


def test_observations_in_parts_are_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Observations that are dictionaries of arrays give the parameters that the same arrays give alone."""
    plain = _learner()
    rollout = _roller().roll(plain.policy, SETTINGS.steps, SCALE)
    plain.update([rollout], 1.0)
    parts = spaces.Dict({"rows": observation_space(short_game())})
    monkeypatch.setattr("tocsin.training.ppo.observation_space", lambda game: parts)
    monkeypatch.setattr("tocsin.training.ppo.PairPolicy", _PolicyOfParts)
    learner = _learner()
    learner.update([replace(rollout, observations={"rows": rollout.observations})], 1.0)
    for name, parameter in _parameters(plain).items():
        np.testing.assert_array_equal(_parameters(learner)[name], parameter, err_msg=name)


def test_a_learner_goes_on_from_its_state() -> None:
    """Two updates in a row, and one, state handed to a fresh learner, and one more: equal bits."""
    straight, first, second = _learner(), _learner(), _learner()
    rollout = _roller().roll(straight.policy, SETTINGS.steps, SCALE)
    straight.update([rollout], 1.0)
    straight.update([rollout], 0.5)
    first.update([rollout], 1.0)
    second.restore(first.state())
    second.update([rollout], 0.5)
    assert second.digest() == straight.digest() != first.digest()


def test_worlds_go_on_from_their_state() -> None:
    """A roller restored from another's state plays what that one plays next, over the ends of episodes."""
    learner, one, other = _learner(), _roller(0), _roller(7)
    one.roll(learner.policy, 4, SCALE)
    other.restore(one.state())
    expected, found = (roller.roll(learner.policy, STEPS, SCALE) for roller in (one, other))
    _equal(expected, found)
    assert len(found.losses) >= WORLDS
    with pytest.raises(ValueError, match="worlds"):
        Roller(single(short_game()), worlds=2, first_world=0, seed=0, gamma=0.9).restore(one.state())


def _equal(expected: Rollout, found: Rollout) -> None:
    for name in Rollout.__slots__:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


class _PolicyOfParts(PairPolicy):
    def scored(self, obs: Any, legal: Any) -> Any:
        return super().scored(obs["rows"], legal)


def test_a_group_of_one_changes_nothing() -> None:
    """Sums and gathers of one are what was given."""
    tensor = torch.arange(3.0)
    Alone().add_up(tensor)
    assert tensor.tolist() == [0, 1, 2] and Alone().gather(tensor)[0] is tensor
    assert action_space(short_game()).n > 1
