"""Training over a family: stages of growing chains, mixed attackers, worlds side by side, resumed as it was."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sb3_contrib import MaskablePPO
from stable_baselines3.common.logger import Logger
from tocsin.envs.active_sb3 import ActiveVecEnv
from tocsin.envs.active_worlds import ActiveWorlds
from tocsin.envs.attackers import PRESETS
from tocsin.envs.joined import JoinedWorlds
from tocsin.envs.joined_sb3 import JoinedVecEnv
from tocsin.envs.scenario import Generator, Scenario
from tocsin.envs.scripted import Threshold, nothing
from tocsin.envs.vector import ResponseWorlds
from tocsin.tests.envs.games import short_game
from tocsin.tests.training.in_process import without_ray
from tocsin.training import train as module
from tocsin.training.chains import HELD_OUT
from tocsin.training.checkpoint import CheckpointError
from tocsin.training.family import LEAST_UNIT, Curriculum, dealt, largest_at, mean_loss
from tocsin.training.imitate import FACTORS, imitate, tuned
from tocsin.training.policy import PairPolicy
from tocsin.training.ppo import make_learner
from tocsin.training.rollout import Roller
from tocsin.training.settings import MIXED, TrainError, TrainSettings
from tocsin.training.streams import STREAM_IMITATION

FAMILY = Scenario(name="family", generate=Generator(seed=7), horizon_ticks=30)
SETTINGS = TrainSettings(
    chains=3,
    smallest=30,
    largest=60,
    stages=3,
    attackers=MIXED,
    judges=2,
    worlds=7,
    steps=6,
    workers=1,
    iterations=6,
    seconds=0,
    minibatches=2,
    epochs=1,
    imitation_worlds=4,
    imitation_passes=1,
    validation_worlds=4,
    validations=3,
)


def test_stages_grow_and_draw_new_chains() -> None:
    """Each stage has chains that no other has, within its sizes; presets take turns; the first are the smallest."""
    curriculum = Curriculum(FAMILY, SETTINGS)
    told = [curriculum.told(stage)["chains"] for stage in range(SETTINGS.stages)]
    seeds = [one["seed"] for stage in told for one in stage] + [one.told["seed"] for one in curriculum.judges]
    assert seeds == list(range(7, 7 + 3 * 3 + 2))
    for stage, chains in enumerate(told):
        assert all(30 <= one["assets"] <= largest_at(stage, SETTINGS) for one in chains)
    assert largest_at(0, SETTINGS) < largest_at(1, SETTINGS) == largest_at(2, SETTINGS) == 60
    presets = Counter(one["attacker"] for stage in told for one in stage)
    assert set(presets) == set(PRESETS) and max(presets.values()) - min(presets.values()) <= 1


def test_a_curriculum_made_twice_is_the_same() -> None:
    """Two of equal settings have equal chains and units, another seed has others."""
    first, second = (Curriculum(FAMILY, SETTINGS).told(1) for _ in range(2))
    other = Curriculum(FAMILY.model_copy(update={"generate": Generator(seed=8)}), SETTINGS).told(1)
    assert first == second != other


@given(st.integers(1, 40), st.integers(10, 300), st.integers(0, 2000))
def test_sizes_reach_the_largest_and_never_shrink(stages: int, smallest: int, more: int) -> None:
    """The last stage has the whole range, and no stage ends below the one before."""
    settings = TrainSettings(chains=1, stages=stages, smallest=smallest, largest=smallest + more)
    sizes = [largest_at(stage, settings) for stage in range(stages)]
    assert sizes == sorted(sizes) and sizes[-1] == smallest + more and sizes[0] >= smallest


@given(st.floats(0, 1), st.integers(1, 50))
def test_stages_go_by_progress(part: float, stages: int) -> None:
    """A stage is an equal part of the run; at its end the last is played."""
    curriculum = Curriculum(FAMILY, replace(SETTINGS, stages=stages))
    stage = curriculum.stage_at(part)
    assert 0 <= stage < stages and stage / stages <= part + 1e-8
    assert stage == stages - 1 or part < (stage + 1) / stages


def test_chains_kept_for_judging_are_never_drawn() -> None:
    """A seed from which the run would reach those kept for judging is refused, as is a scenario of one chain."""
    near = FAMILY.model_copy(update={"generate": Generator(seed=HELD_OUT - 10)})
    with pytest.raises(TrainError, match="11 chains.*kept for judging; give a lower seed"):
        Curriculum(near, SETTINGS)
    Curriculum(near, replace(SETTINGS, judges=1))
    with pytest.raises(TrainError, match="has one chain"):
        Curriculum(Scenario(name="charging"), SETTINGS)


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"worlds": 2, "steps": 40}, "worlds 2: too few for these chains; give 3"),
        ({"judges": 3}, "validation_worlds 4: too few for these chains; give 6"),
        ({"smallest": 61}, "smallest 61: is more than largest 60"),
        ({"chains": 0}, "stages 3: is for generated chains; give chains too"),
    ],
)
def test_settings_that_make_no_family_are_named(said: dict[str, Any], named: str) -> None:
    """Too few worlds, sizes the wrong way round, stages without chains: the setting and the mend."""
    with pytest.raises(TrainError, match=named):
        replace(SETTINGS, **said)


def test_a_unit_is_the_worse_of_doing_nothing_and_the_rule() -> None:
    """By its unit a chain loses at most 1 either way, and 1 by one of them; in hours all units are 1."""
    chains = Curriculum(FAMILY, SETTINGS).chains(0)
    for chain in chains:
        losses = [mean_loss(chain.game, rule, STREAM_IMITATION, 128) for rule in (nothing, Threshold(chain.game))]
        assert chain.unit == max(LEAST_UNIT, *losses)
    assert len({chain.unit for chain in chains}) > 1
    assert {chain.unit for chain in Curriculum(FAMILY, replace(SETTINGS, unit="hours")).chains(0)} == {1.0}


@given(st.integers(0, 500), st.integers(1, 40))
def test_worlds_are_dealt_evenly(worlds: int, chains: int) -> None:
    """All worlds are dealt, and no chain has two more than another."""
    counts = dealt(worlds, [None] * chains)  # type: ignore[list-item]
    assert sum(counts) == worlds and len(counts) == chains and max(counts) - min(counts) <= 1


def test_joined_worlds_play_as_they_would_alone() -> None:
    """Rows, rewards, ends and losses of worlds of two chains are those of each chain's worlds apart."""
    games = [chain.game for chain in Curriculum(FAMILY, SETTINGS).chains(0)[:2]]

    def parts() -> list[ActiveWorlds]:
        return [ActiveWorlds(ResponseWorlds(game, range(2 + n))) for n, game in enumerate(games)]

    together, alone, rng = JoinedWorlds(parts()), parts(), np.random.default_rng(1)
    ended = 0
    for _ in range(games[0].decisions + 3):
        masks = together.masks()
        actions = np.array([rng.choice(np.flatnonzero(mask)) for mask in masks])
        step = together.step(actions)
        apart = [part.step(own) for part, own in zip(alone, (actions[:2], actions[2:]), strict=True)]
        np.testing.assert_array_equal(step.observation, np.concatenate([one.observation for one in apart]))
        np.testing.assert_array_equal(step.reward, np.concatenate([one.reward for one in apart]))
        np.testing.assert_array_equal(step.truncated, np.isin(np.arange(5), step.ended))
        np.testing.assert_array_equal(step.terminal_loss, [loss.sum() for o in apart for loss in o.terminal_loss])
        ended += len(step.ended)
    assert ended == 5


def test_joined_worlds_refuse_what_one_part_refuses_before_any_moves() -> None:
    """An illegal action in the second chain changes nothing in the first."""
    games = [chain.game for chain in Curriculum(FAMILY, SETTINGS).chains(0)[:2]]
    worlds = JoinedWorlds([ActiveWorlds(ResponseWorlds(game, range(2))) for game in games])
    before = worlds.snapshot()
    with pytest.raises(ValueError, match="not legal|hold"):
        worlds.step(np.array([0, 0, 0, int(np.flatnonzero(~worlds.masks()[3])[0])]))
    for first, second in zip(before, worlds.snapshot(), strict=True):
        assert all(np.array_equal(first[name], second[name]) for name in first)
    with pytest.raises(ValueError, match="give one for each world"):
        worlds.step(np.zeros(3, int))
    with pytest.raises(ValueError, match="1 chains"):
        worlds.restore(before[:1])
    with pytest.raises(ValueError, match="no worlds"):
        JoinedWorlds([])


def test_one_worker_over_a_family_is_sb3_on_the_joined_environment() -> None:
    """SB3's own loop on `JoinedVecEnv` ends with the parameters that a worker's ends with."""
    torch.set_num_threads(1)
    settings = replace(SETTINGS, unit="hours", steps=18)
    chains = Curriculum(FAMILY, settings).chains(0)
    ours = make_learner(chains[0].game, settings)

    def made() -> Roller:
        return Roller(chains, worlds=7, first_world=0, seed=0, gamma=settings.gamma)

    roller, theirs_roller, begun = made(), made(), ours.state()
    total = 2 * 7 * settings.steps
    for left in (0.5, 0.0):
        ours.update([roller.roll(ours.policy, settings.steps, 1.0)], left)
    faces = [ActiveVecEnv(part.count, game=part.game) for part in theirs_roller._worlds.parts]
    for face, part in zip(faces, theirs_roller._worlds.parts, strict=True):
        face._seen = part
    theirs = MaskablePPO(
        PairPolicy,
        JoinedVecEnv(faces),
        learning_rate=lambda left: settings.learning_rate * left,
        n_steps=settings.steps,
        batch_size=-(-7 * settings.steps // settings.minibatches),
        n_epochs=settings.epochs,
        gamma=settings.gamma,
        gae_lambda=settings.gae_lambda,
        ent_coef=settings.entropy,
        policy_kwargs={"game": chains[0].game},
        seed=settings.seed,
        device="cpu",
    )
    theirs.policy.load_state_dict(begun["policy"])
    theirs.set_logger(Logger(folder=None, output_formats=[]))
    theirs._last_obs, theirs._last_episode_starts = theirs_roller._observation, theirs_roller._starts
    np.random.seed(settings.seed)
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(theirs_roller._draws)
        theirs.learn(total, reset_num_timesteps=False)
    for name, tensor in ours.policy.state_dict().items():
        np.testing.assert_allclose(tensor, theirs.policy.state_dict()[name], rtol=0, atol=1e-6, err_msg=name)
    assert any(not torch.equal(begun["policy"][name], tensor) for name, tensor in ours.policy.state_dict().items())


def test_rewards_are_told_in_each_chains_unit() -> None:
    """The same worlds with half the unit give twice the rewards and losses."""
    chains = Curriculum(FAMILY, SETTINGS).chains(0)
    halved = tuple(replace(chain, unit=chain.unit / 2) for chain in chains)
    policy = make_learner(chains[0].game, SETTINGS).policy
    first, second = (
        Roller(of, worlds=7, first_world=0, seed=0, gamma=0.0).roll(policy, 18, 1.0) for of in (chains, halved)
    )
    np.testing.assert_array_equal(first.actions, second.actions)
    np.testing.assert_allclose(2 * first.rewards, second.rewards, rtol=1e-6)
    np.testing.assert_allclose(2 * first.losses, second.losses, rtol=1e-6)
    assert len(first.losses) and (first.rewards < 0).any()


def test_the_rule_is_tuned_over_all_chains() -> None:
    """The level is one of those tried, and a chain in whose unit next to nothing is lost has no say."""
    chains = Curriculum(FAMILY, SETTINGS).chains(0)
    settings = replace(SETTINGS, imitation_worlds=30)
    alone = {tuned((chain,), replace(settings, imitation_worlds=10)) for chain in chains}
    assert tuned(chains, settings) in FACTORS
    for chain in chains:
        drowned = tuple(replace(one, unit=one.unit if one is chain else 1e9) for one in chains)
        assert tuned(drowned, settings) in alone
    learner = make_learner(chains[0].game, settings)
    assert imitate(learner.policy.network, chains, SETTINGS) > 0


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    without_ray(monkeypatch)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("killed_at", [1, 3, 4])
def test_a_killed_run_over_stages_ends_as_one_that_was_not(tmp_path: Path, killed_at: int) -> None:
    """KilledError within a stage or at its end, then resumed: equal weights, validations, stages and figures."""

    def run(folder: str, **more: Any) -> Any:
        settings = replace(SETTINGS, run=str(tmp_path / folder), checkpoint_every=1)
        return module.train(FAMILY, settings, tmp_path / f"{folder}.tocsin", **more)

    class KilledError(Exception):
        pass

    def kill(report: Any) -> None:
        if report.iterations == killed_at + 1:
            raise KilledError

    whole = run("whole")
    assert whole.chains_stage == 2 and whole.iterations == 6
    with pytest.raises(KilledError):
        run("cut", progress=kill)
    (tmp_path / "cut" / f"checkpoint-{killed_at + 1:09d}.tocsin").unlink()
    resumed = run("cut", resume=True)
    losses = [[loss for _, loss in report.validation] for report in (whole, resumed)]
    assert losses[0] == losses[1] and resumed.chains_stage == 2

    def arrays(name: str) -> dict[str, Any]:
        from tocsin.envs.policy_file import load_policy

        return dict(load_policy(tmp_path / f"{name}.tocsin").weights)

    first, second = arrays("whole"), arrays("cut")
    assert all(np.array_equal(first[name], second[name]) for name in first)
    figures = [
        [line.split('"seconds"')[0] for line in (tmp_path / name / "figures.jsonl").read_text().splitlines()]
        for name in ("whole", "cut")
    ]
    assert figures[0] == figures[1] and len(figures[0]) == 6


@pytest.mark.usefixtures("in_process")
def test_a_checkpoint_of_another_family_is_refused(tmp_path: Path) -> None:
    """Other sizes, or chains that this version would make otherwise, are named; nothing is overwritten."""
    settings = replace(SETTINGS, run=str(tmp_path / "run"), iterations=2, checkpoint_every=1)
    module.train(FAMILY, settings, None)
    before = sorted(path.read_bytes() for path in (tmp_path / "run").iterdir())
    with pytest.raises(CheckpointError, match="largest 60, this run 70"):
        module.train(FAMILY, replace(settings, largest=70), None, resume=True)
    kept = {"stage": 0, "chains": [{"seed": 7, "digest": "another"}]}
    with pytest.raises(CheckpointError, match="stage 0 of its checkpoint had other chains"):
        module._check_chains(kept, Curriculum(FAMILY, settings), "run")
    assert before == sorted(path.read_bytes() for path in (tmp_path / "run").iterdir())


def test_lanes_of_a_joined_environment_are_those_of_its_parts() -> None:
    """Seeds go through to the parts; lanes of other spaces are refused."""
    games = [short_game(), Curriculum(FAMILY, SETTINGS).chains(0)[0].game]
    face = JoinedVecEnv([ActiveVecEnv(2, game=game) for game in games])
    face.seed(40)
    seen = face.reset()
    for part, first in zip(face.parts, (40, 42), strict=True):
        own = ActiveVecEnv(2, game=part.game)
        own.seed(first)
        np.testing.assert_array_equal(own.reset(), seen[first - 40 : first - 38])
    assert len(face.env_method("action_masks")) == 4 and face.env_method("action_masks", indices=3)[0][0]
    face.step_async(np.zeros(4, int))
    observation, rewards, dones, infos = face.step_wait()
    assert observation.shape == seen.shape and len(rewards) == len(dones) == len(infos) == 4


def test_chains_of_few_and_of_many_owners_share_a_batch() -> None:
    """Losses have a row per owner, and chains differ in those."""
    games = [
        Curriculum(FAMILY.model_copy(update={"generate": Generator(owners=owners)}), replace(SETTINGS, stages=1))
        .chains(0)[0]
        .game
        for owners in (2, 6)
    ]
    worlds = JoinedWorlds([ActiveWorlds(ResponseWorlds(game, range(1))) for game in games])
    assert len(worlds.step(np.zeros(2, int)).reward) == 2
