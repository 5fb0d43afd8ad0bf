"""The league: pools grow, tables and figures are what was played, one that was killed goes on from its folder."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tocsin import envs as shelf
from tocsin.envs.game import load_game
from tocsin.envs.policy_file import load_policy
from tocsin.envs.threat import threat_features
from tocsin.orchestrator.cli import BAD_INPUT, main
from tocsin.tests.training.duels import TICKS, the_game, the_scenario
from tocsin.tests.training.in_process import without_ray
from tocsin.training import cluster, league
from tocsin.training.attacker_file import load_attacker
from tocsin.training.in_process import InProcess
from tocsin.training.league import AS_WRITTEN, EXPLOITER, League, as_hasty, play_league, tries_per_hour
from tocsin.training.league_settings import (
    ATTACKERS,
    DEFENDERS,
    LeagueError,
    LeagueSettings,
    league_yaml,
    read_league,
)
from tocsin.training.league_table import exploited

LITTLE = {"workers": 1, "iterations": 2, "worlds": 4, "steps": 6, "minibatches": 2, "epochs": 1, "validations": 2}
TINY = LeagueSettings(
    rounds=1,
    tempo="unbound",
    attacks=4,
    presets_of_attackers="apt",
    attackers=replace(ATTACKERS, **LITTLE, validation_worlds=4),
    defenders=replace(DEFENDERS, **LITTLE, validation_worlds=4, imitation_worlds=2, imitation_passes=1),
)
EVERY_TICK = f"{AS_WRITTEN}, every tick"


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    without_ray(monkeypatch)
    monkeypatch.setattr(cluster, "start_ray", lambda settings: False)


def _values(played: League) -> dict[tuple[str, str], float]:
    return {pair: one.value for pair, one in played.losses.items()}


def test_a_league_tells_who_beats_whom(tmp_path: Path) -> None:
    """Pools grow by one a round, every pair has a loss with its interval, exploitability is the gap it says."""
    stages: list[str] = []
    played = play_league(
        the_scenario(), TINY, {}, tmp_path, progress=lambda stage, share: stages.append(stage.split(":")[0])
    )
    assert list(played.attackers) == [AS_WRITTEN, "apt", "attacker 1", EXPLOITER, EVERY_TICK]
    assert list(played.learned_defenders) == ["defender 1"] and len(set(stages)) == 4
    assert set(played.losses) == {(a, d) for a in played.attackers for d in played.defenders}
    assert all(one.low <= one.value <= one.high for one in played.losses.values())
    told = played.exploitability
    assert told["defender"] == "defender 1" and told["best_response"] in ("attacker 1", EXPLOITER)
    assert told["worst_scripted"] in (AS_WRITTEN, "apt") and told["as_fast"] == EVERY_TICK
    of = {
        name: played.losses[told[name], "defender 1"].value for name in ("best_response", "worst_scripted", "as_fast")
    }
    assert told["exploitability"]["value"] == pytest.approx(of["best_response"] - of["worst_scripted"])
    assert told["by_tempo"]["value"] == pytest.approx(of["as_fast"] - of["worst_scripted"])
    assert told["by_choice"]["value"] == pytest.approx(of["best_response"] - of["as_fast"])


def test_a_script_as_fast_comes_unannounced(tmp_path: Path) -> None:
    """It tries more often, and what defenders are told of who comes is as beside the learned attackers; for a league's
    reference too. Were they told, a defender would answer the tempo, and `by_tempo` would say too little."""
    base = the_game()
    hasty = as_hasty(base, league.MOST_TRIES)
    assert (hasty.parameters.attacker["try_p"][0] > 0.99).all() and (base.parameters.attacker["try_p"] < 0.5).all()
    told = [threat_features(one.compiled, one.assumed).tolist() for one in (base, hasty)]
    assert told[0] == told[1]
    np.testing.assert_array_equal(hasty.graph.static, base.graph.static)
    announced = load_game(hasty.scenario)
    assert threat_features(announced.compiled, announced.assumed).tolist() != told[0]
    played = play_league(the_scenario(), TINY, {}, tmp_path)
    reference = played.attackers[EVERY_TICK].game
    np.testing.assert_array_equal(reference.assumed.attacker, base.assumed.attacker)
    np.testing.assert_array_equal(reference.parameters.attacker, hasty.parameters.attacker)


def test_each_defender_may_get_an_exploiter(tmp_path: Path) -> None:
    """With `exploiters: each` one more attacker is trained against every defender alone, the last one's at the end, and
    each defender's figures are told, of its own column of the table."""
    settings = replace(TINY, rounds=2, exploiters="each")
    settings = replace(settings, attackers=replace(settings.attackers, worlds=6, validation_worlds=6))
    played = play_league(the_scenario(), settings, {}, tmp_path)
    assert list(played.learned_attackers) == ["attacker 1", "attacker 2", "exploiter of defender 1", EXPLOITER]
    cards = [load_attacker(tmp_path / f"{name}.npz").card for name in ("exploiter-of-defender-1", "exploiter")]
    assert [card["against"] for card in cards] == [["defender 1"], ["defender 2"]]
    first, last = played.by_round
    assert (first["defender"], last["defender"]) == ("defender 1", "defender 2") and last == played.exploitability
    takes = [played.losses[one["best_response"], one["defender"]].value for one in (first, last)]
    assert [one["best_response_loss"] for one in (first, last)] == pytest.approx(takes)
    assert first["less_than_first"]["value"] == 0.0
    assert last["less_than_first"]["value"] == pytest.approx(takes[0] - takes[1])


def test_a_killed_league_goes_on_with_the_same_table(tmp_path: Path) -> None:
    """Killed in the training of the defender and begun again in its folder, it ends with the losses of one left alone;
    who had been trained is not trained again."""

    class Killed(Exception):  # noqa: N818
        """As a process is."""

    whole = play_league(the_scenario(), TINY, {}, tmp_path / "whole")

    def kill(stage: str, share: float) -> None:
        if "defender 1 against" in stage and "1 iterations" in stage:
            raise Killed

    parts, settings = tmp_path / "parts", _keeping_each_iteration(TINY)
    with pytest.raises(Killed):
        play_league(the_scenario(), settings, {}, parts, progress=kill)
    first = (parts / "attacker-1.npz").stat().st_mtime_ns
    assert not (parts / "defender-1.tocsin").exists() and list((parts / "defender-1").glob("checkpoint-*"))
    stages: list[str] = []
    again = play_league(the_scenario(), settings, {}, parts, progress=lambda stage, share: stages.append(stage))
    assert _values(again) == _values(whole)
    assert (parts / "attacker-1.npz").stat().st_mtime_ns == first
    assert not any("training attacker 1" in stage for stage in stages)


def _keeping_each_iteration(settings: LeagueSettings) -> LeagueSettings:
    sides = {side: replace(getattr(settings, side), checkpoint_every=1) for side in ("attackers", "defenders")}
    return replace(settings, **sides)  # type: ignore[arg-type]


def test_newcomers_begin_where_the_best_before_them_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exploiter's first weights are those kept of the attacker that takes most from the last defender."""
    begun: list[Any] = []

    class Watching(InProcess):
        def begin(self, state: Any, *more: Any) -> None:
            row = state["policy"].get("network.row.weight")  # which defenders do not have
            begun.extend([] if row is None else [row.numpy().copy()])
            super().begin(state, *more)

    play_league(the_scenario(), TINY, {}, tmp_path, make_shape=Watching)
    attacker = load_attacker(tmp_path / "attacker-1.npz")
    assert len(begun) == 2
    np.testing.assert_array_equal(begun[1], attacker.weights["row.weight"])


def test_a_best_response_is_chosen_on_other_attacks() -> None:
    """Who is best by chance on the attacks that are told is not chosen for it."""
    rng = np.random.default_rng(0)
    chosen_on = {"script": rng.random(40), "one": rng.random(40) + 2, "other": rng.random(40) + 1}
    told_on = {"script": rng.random(40), "one": rng.random(40) + 1, "other": rng.random(40) + 5}
    told = exploited("d", chosen_on, told_on, learned={"one", "other"}, scripts=["script"], as_fast="script")
    assert told["best_response"] == "one" and told["by_tempo"]["value"] == 0
    gap = told["exploitability"]
    assert gap["value"] == pytest.approx(float((told_on["one"] - told_on["script"]).mean()))
    assert 0.8 < gap["low"] < gap["value"] < gap["high"] < 1.3


def test_a_tempo_is_the_scenarios_the_fastest_scripts_or_none() -> None:
    """In tries an hour; the fastest of the presets named counts, and the scenario's own if that is faster."""
    settings = LeagueSettings(presets_of_attackers="apt,ransomware")
    assert tries_per_hour(the_scenario(), settings) == 20.0
    assert tries_per_hour(the_scenario(), replace(settings, tempo="fastest")) == 45.0
    assert tries_per_hour(the_scenario(), replace(settings, tempo="fastest", presets_of_attackers="apt")) == 20.0
    assert tries_per_hour(the_scenario(), replace(settings, tempo="unbound")) == league.MOST_TRIES


@pytest.mark.parametrize("name", ["restore above belief", "evict by worth", "defender 1"])
def test_a_given_policy_takes_no_name_of_another(tmp_path: Path, name: str) -> None:
    """Otherwise it would stand in the pool in place of the script, or be replaced by the first newcomer."""
    policy = load_policy(next((Path(shelf.__file__).parent / "data" / "policies").glob("*.tocsin")))
    with pytest.raises(LeagueError, match=f"policy name '{name}' is taken"):
        play_league(the_scenario(), TINY, {name: policy}, tmp_path)


def test_settings_printed_are_settings_read(tmp_path: Path) -> None:
    """Each has a meaning; what is printed reads back; what cannot be is named with its place."""
    assert all(len(one.metadata["meaning"]) > 10 for one in fields(LeagueSettings))
    path = tmp_path / "league.yaml"
    path.write_text(league_yaml(TINY))
    assert read_league(path) == TINY and read_league(path, rounds=3).rounds == 3
    assert read_league(path, workers=3).defenders.workers == 3
    path.write_text("attackers:\n  seconds: 60\n")
    assert (read_league(path).attackers.seconds, read_league(path).attackers.iterations) == (60, 0)
    for text, named in (
        ("round: 2\n", "'round' is no setting; take one of rounds"),
        ("rounds: 0\n", "rounds 0: give 1 to 100"),
        ("presets_of_attackers: ghost\n", "'ghost' is unknown; take of opportunist"),
        ("tempo: fast\n", "tempo 'fast': give one of scenario, fastest, unbound"),
        ("exploiters: all\n", "exploiters 'all': give one of last, each"),
        ("attackers: 3\n", "attackers: holds no mapping of settings"),
        ("attackers:\n  chains: 3\n", "attackers: 'chains' is no setting of it; take one of seconds"),
        ("attackers:\n  imitation_worlds: 3\n", "attackers: 'imitation_worlds' is no setting of it"),
        ("defenders:\n  workers: 0\n", "defenders: workers 0: give 1 to 4096"),
        ("- 1\n", "mapping"),
    ):
        path.write_text(text)
        with pytest.raises(LeagueError, match=named):
            read_league(path)


def test_a_side_has_a_world_for_each_opponent(tmp_path: Path) -> None:
    """Else some of the pool would never be met."""
    with pytest.raises(LeagueError, match="attackers: worlds 4: too few for pools of up to 5; give 5 or more"):
        play_league(the_scenario(), replace(TINY, rounds=3), {}, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_command_writes_files_that_play(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder with attackers, defenders and the table; with --resume it goes on as it began, else it is left alone."""
    scenario, config, out = tmp_path / "hour.yaml", tmp_path / "league.yaml", tmp_path / "out"
    scenario.write_text(f"name: hour\nhorizon_ticks: {TICKS}\n")
    config.write_text(league_yaml(replace(TINY, attacks=2)))
    arguments = ["league", "--scenario", str(scenario), "--config", str(config), "--out", str(out), "--json"]
    main(arguments)
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((out / "league.json").read_text()) and told["tries_per_hour"] == league.MOST_TRIES
    assert load_attacker(out / "exploiter.npz").card["against"] == ["defender 1"]
    assert load_policy(out / "defender-1.tocsin").card["against"] == [AS_WRITTEN, "apt", "attacker 1"]
    (out / "league.json").unlink()
    main([*arguments, "--resume"])
    assert json.loads(capsys.readouterr().out) == told
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    for more, named in (
        (arguments, "holds something; name a new folder, or add --resume"),
        ([*arguments, "--resume", "--seed", "5"], "its league has 'seed: 0'; go on as it began"),
        (["league", "--out", str(out), "--config", str(config), "--resume"], "another scenario"),
        (["league", "--out", str(tmp_path / "none"), "--resume"], "holds no league to go on with"),
        (["league", "--out", str(tmp_path / "no" / "place")], "is not there; make it first"),
        (["league", "--rounds", "0"], "rounds 0"),
        (["league", "--tempo", "slow"], "tempo 'slow'"),
    ):
        with pytest.raises(SystemExit) as left:
            main(more)
        printed, err = capsys.readouterr()
        assert left.value.code == BAD_INPUT and printed == "" and len(err.strip().splitlines()) == 1 and named in err
    assert before == {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
