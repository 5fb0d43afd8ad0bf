"""The league: attackers see what they discovered, files hold arrays alone, tables and figures are what was played."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tocsin import envs as shelf
from tocsin.envs.attack import AttackEnv
from tocsin.envs.attackers import Attacker
from tocsin.envs.game import Game, load_game
from tocsin.envs.policy_file import load_policy
from tocsin.envs.scenario import Scenario
from tocsin.envs.scripted import Threshold, nothing
from tocsin.orchestrator.cli import BAD_INPUT, main
from tocsin.training.attack_network import SHAPES, AttackNetwork, AttackPolicy, NumpyAttacker, numpy_weights
from tocsin.training.attacker_file import AttackerFileError, load_attacker, save_attacker
from tocsin.training.duel import ROW_FEATURES, ROWS, SLOTS, Duel, play_duel, rows_of
from tocsin.training.duel_sb3 import AttackVecEnv, DefendVecEnv
from tocsin.training.league import AS_WRITTEN, EXPLOITER, _model, play_league
from tocsin.training.league_settings import LeagueError, LeagueSettings, read_league
from tocsin.training.playing import play
from tocsin.training.settings import settings_yaml

STREAM = 2
TICKS = 60
TINY = LeagueSettings(
    rounds=1, attack_steps=60, defend_steps=30, worlds=3, attacks=4, imitation_worlds=2, presets_of_attackers="apt"
)


def _scenario() -> Scenario:
    return Scenario(name="hour", attackers=(Attacker(onset_s=(0.0, 0.0), absent=0.0),), horizon_ticks=TICKS)


@cache
def _game() -> Game:
    return load_game(_scenario())


def _attacker(seed: int = 0) -> NumpyAttacker:
    torch.manual_seed(seed)
    network = AttackNetwork()
    with torch.no_grad():
        for one in network.parameters():
            one.add_(torch.randn_like(one) * 0.1)
    return NumpyAttacker(numpy_weights(network), {"steps": seed})


def test_a_duel_of_scripts_is_the_same_world() -> None:
    """Without a learned side a duel loses what the plain worlds of the same ids lose."""
    rule = Threshold(_game())
    expected = play(_game(), rule, range(6), stream=STREAM).loss.sum(axis=(1, 2))
    np.testing.assert_allclose(play_duel(_game(), rule, None, range(6), stream=STREAM), expected, rtol=1e-12)


def test_the_attackers_seat_sees_what_its_environment_shows() -> None:
    """Rows, legal actions, rewards of a learned attacker are those of `AttackEnv` in the same world and episode."""
    env, attacker = AttackEnv(game=_game(), world=5, defender="threshold", slots=SLOTS, rows=ROWS), _attacker()
    duel, rule = Duel(_game(), [5], stream=1), Threshold(_game())
    seen, _ = env.reset(seed=5)
    duel.play(rule(duel.worlds), duel.steps_of(np.array([0])))  # the environment starts when it has come
    tried = 0
    while not duel.is_over:
        view = duel.look()
        np.testing.assert_array_equal(view.rows[0], rows_of(seen, duel.tick / TICKS))
        np.testing.assert_array_equal(view.legal[0], env.action_masks())
        action = attacker(view)
        tried += int(action[0] > 0)
        defence = rule(duel.worlds) if duel.decides else np.zeros(1, np.int32)
        done = duel.play(defence, duel.steps_of(action))
        seen, reward, _, _, _ = env.step(int(action[0]))
        assert done[0] == pytest.approx(reward)
    assert tried > 5


def test_worlds_of_a_duel_do_not_depend_on_each_other() -> None:
    """A world gives the same beside others as alone, so discoveries are each world's own."""
    together = play_duel(_game(), nothing, _attacker(), range(4), stream=STREAM)
    apart = [play_duel(_game(), nothing, _attacker(), [world], stream=STREAM)[0] for world in range(4)]
    np.testing.assert_array_equal(together, apart)
    assert together.any()


def test_numpy_attacks_as_torch_does() -> None:
    """Equal logits to 1e-5 on what is met in play; what is not legal is never taken."""
    torch.manual_seed(3)
    network, duel = AttackNetwork(), Duel(_game(), range(5), stream=STREAM)
    attacker = NumpyAttacker(numpy_weights(network), {})
    for _ in range(TICKS // 2):
        view = duel.look()
        logits, _ = network(torch.from_numpy(view.rows))
        found = attacker.logits(view)
        np.testing.assert_allclose(found[view.legal], logits.detach().numpy()[view.legal], atol=1e-5)
        assert np.isneginf(found[~view.legal]).all()
        duel.play(np.zeros(5, np.int32), duel.steps_of(attacker(view)))
    assert view.legal[:, 1:].any() and view.rows.shape == (5, ROWS, ROW_FEATURES)


def test_an_attacker_learns_against_one_who_does_nothing() -> None:
    """One that rather waits takes nothing; after some thousand ticks it has found that trying pays."""
    torch.set_num_threads(1)
    duel = Duel(_game(), range(12), stream=1)
    env, settings = AttackVecEnv([duel], [nothing], scale=2.0), replace(TINY, learning_rate=2e-2)
    model = _model(AttackPolicy, env, _game(), settings, 1)
    with torch.no_grad():
        model.policy.network.wait.bias.fill_(2.0)
    before = NumpyAttacker(numpy_weights(model.policy.network), {})
    model.learn(12 * TICKS * 8)
    after = NumpyAttacker(numpy_weights(model.policy.network), {})
    taken = [play_duel(_game(), nothing, one, range(24), stream=STREAM).mean() for one in (before, after)]
    assert taken[0] == 0 < 0.1 < taken[1]


def test_environments_end_together_and_say_so() -> None:
    """At the horizon each lane is told its last observation; a new episode begins; rewards are the loss."""
    attackers = [None, _attacker()]
    env = DefendVecEnv([Duel(_game(), range(2), stream=1), Duel(_game(), range(2, 4), stream=1)], attackers, scale=0.5)
    env.reset()
    total = np.zeros(4)
    for _ in range(_game().decisions):
        env.step_async(np.zeros(4, int))
        rows, rewards, dones, infos = env.step_wait()
        total += rewards
    assert dones.all() and all(info["TimeLimit.truncated"] for info in infos)
    assert infos[0]["terminal_observation"].shape == rows[0].shape and env.duels[0].tick == 0
    alone = [
        play_duel(_game(), nothing, one, ids, stream=1)
        for one, ids in zip(attackers, (range(2), range(2, 4)), strict=True)
    ]
    np.testing.assert_allclose(total, -0.5 * np.concatenate(alone), rtol=1e-4)
    assert len(env.env_method("action_masks")) == 4


def test_a_league_tells_who_beats_whom() -> None:
    """Pools grow by one a round, every pair has a loss with its interval, exploitability is the gap it says."""
    stages: list[str] = []
    played = play_league(_scenario(), TINY, {}, progress=lambda stage, share: stages.append(stage))
    assert list(played.attackers) == [AS_WRITTEN, "apt", "attacker 1", EXPLOITER]
    assert list(played.learned_defenders) == ["defender 1"] and len(stages) == 4
    assert set(played.losses) == {(a, d) for a in played.attackers for d in played.defenders}
    assert all(one.low <= one.value <= one.high for one in played.losses.values())
    told = played.exploitability
    assert told["defender"] == "defender 1" and told["best_response"] in ("attacker 1", EXPLOITER)
    best, worst = (played.losses[told[name], "defender 1"].value for name in ("best_response", "worst_scripted"))
    assert told["exploitability"]["value"] == pytest.approx(best - worst)
    again = play_league(_scenario(), TINY, {})
    assert {pair: one.value for pair, one in again.losses.items()} == {
        pair: one.value for pair, one in played.losses.items()
    }, "a seed decides all of it"


@pytest.mark.parametrize("name", ["restore above belief", "evict by worth", "defender 1"])
def test_a_given_policy_takes_no_name_of_another(name: str) -> None:
    """Otherwise it would stand in the pool in place of the script, or be replaced by the first newcomer."""
    policy = load_policy(next((Path(shelf.__file__).parent / "data" / "policies").glob("*.tocsin")))
    with pytest.raises(LeagueError, match=f"policy name '{name}' is taken"):
        play_league(_scenario(), TINY, {name: policy})


def test_attackers_come_back_from_their_files(tmp_path: Path) -> None:
    """Weights and card are what was saved, and the file holds arrays alone."""
    attacker, path = _attacker(4), tmp_path / "a.npz"
    save_attacker(path, attacker.weights, attacker.card)
    found = load_attacker(path)
    assert found.card["steps"] == 4 and set(found.weights) == set(SHAPES)
    assert all(np.array_equal(found.weights[name], attacker.weights[name]) for name in SHAPES)
    view = Duel(_game(), range(2), stream=STREAM).look()
    np.testing.assert_array_equal(found(view), attacker(view))
    with pytest.raises(AttackerFileError, match=r"row\.bias"):
        save_attacker(path, {**attacker.weights, "row.bias": np.zeros(3, np.float32)}, {})
    assert load_attacker(path).card["steps"] == 4, "and the old file stays"


@pytest.mark.parametrize("fault", ["cut", "changed", "pickle", "none", "text", "format", "large", "infinite"])
def test_a_file_that_is_not_what_was_saved_is_refused(tmp_path: Path, fault: str) -> None:
    """Named with its path and the mend; nothing in it is executed."""
    attacker, path = _attacker(), tmp_path / "a.npz"
    save_attacker(path, attacker.weights, {})
    data = path.read_bytes()
    called = tmp_path / "called"

    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(called),)

    def rewritten(**changes: Any) -> bytes:
        with np.load(io.BytesIO(data)) as arrays:
            told = {name: arrays[name] for name in arrays.files} | changes
        buffer = io.BytesIO()
        np.savez(buffer, **told)
        return buffer.getvalue()

    def with_member(name: str, content: bytes) -> bytes:
        buffer = io.BytesIO(data)
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr(name, content)
        return buffer.getvalue()

    card = np.frombuffer(json.dumps({"format": 99}).encode(), np.uint8)
    evil = io.BytesIO()
    np.lib.format.write_array(evil, np.array([Evil()], dtype=object), allow_pickle=True)
    broken = {
        "cut": lambda: data[: len(data) // 2],
        "changed": lambda: rewritten(**{"score.bias": np.ones(1, np.float32)}),
        "pickle": lambda: with_member("evil.npy", evil.getvalue()),
        "none": lambda: pickle.dumps(Evil()),
        "text": lambda: b"hello",
        "format": lambda: rewritten(card=card),
        "large": lambda: with_member("more.npy", bytes(2_000_000)),
        "infinite": lambda: rewritten(**{"wait.bias": np.full(1, np.inf, np.float32)}),
    }[fault]()
    path.write_bytes(broken)
    with pytest.raises(AttackerFileError, match=r"a\.npz: .*(tocsin league|no attacker's file)"):
        load_attacker(path)
    assert not called.exists() and path.read_bytes() == broken


def test_settings_printed_are_settings_read(tmp_path: Path) -> None:
    """Each has a meaning; what is printed reads back; what cannot be is named."""
    assert all(len(one.metadata["meaning"]) > 10 for one in fields(LeagueSettings) if one.name != "threads")
    path = tmp_path / "league.yaml"
    path.write_text(settings_yaml(TINY))
    assert read_league(path) == TINY and read_league(path, rounds=3).rounds == 3
    for text, named in (
        ("round: 2\n", "'round' is no setting; take one of rounds"),
        ("rounds: 0\n", "rounds 0: give 1 to 100"),
        ("presets_of_attackers: ghost\n", "'ghost' is unknown; take of opportunist"),
        ("- 1\n", "mapping"),
    ):
        path.write_text(text)
        with pytest.raises(LeagueError, match=named):
            read_league(path)


def test_the_command_writes_files_that_play(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder with attackers, defenders and the table; a folder that holds something is left alone."""
    scenario, config, out = tmp_path / "hour.yaml", tmp_path / "league.yaml", tmp_path / "out"
    scenario.write_text(f"name: hour\nhorizon_ticks: {TICKS}\n")
    config.write_text(settings_yaml(replace(TINY, attacks=2)))
    arguments = ["league", "--scenario", str(scenario), "--config", str(config), "--out", str(out), "--json"]
    main(arguments)
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((out / "league.json").read_text())
    assert load_attacker(out / "exploiter.npz").card["against"] == ["defender 1"]
    assert load_policy(out / "defender-1.tocsin").card["against"] == [AS_WRITTEN, "apt", "attacker 1"]
    before = sorted(path.name for path in out.iterdir())
    for more, named in ((arguments, "holds something"), (["league", "--rounds", "0"], "rounds 0")):
        with pytest.raises(SystemExit) as left:
            main(more)
        printed, err = capsys.readouterr()
        assert left.value.code == BAD_INPUT and printed == "" and len(err.strip().splitlines()) == 1 and named in err
    assert before == sorted(path.name for path in out.iterdir())
