"""Jobs: what a run or a league reads goes with it, what it writes outlives it; else it is refused, and nothing sent."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tocsin import envs
from tocsin.envs.policy_file import load_policy
from tocsin.envs.scenario import read_scenario
from tocsin.orchestrator.cli import BAD_INPUT, main
from tocsin.training import submit as submitting
from tocsin.training.chains import HELD_OUT
from tocsin.training.jobs import league_job, sweep_job, training_job
from tocsin.training.league_settings import LeagueSettings, read_league
from tocsin.training.settings import TrainSettings, read_settings
from tocsin.training.submit import Job, entry
from tocsin.training.sweep import parse_sweep, read_sweep
from tocsin.training.sweep_commands import write_best

SCENARIO = "name: short\nhorizon_ticks: 20\n"
POLICY = next((Path(envs.__file__).parent / "data" / "policies").glob("*.tocsin"))
LEAGUE = LeagueSettings(rounds=1, tempo="unbound")


def _unpacked(job: Job, folder: Path) -> None:
    folder.mkdir()
    for name, content in job.files.items():
        (folder / name).write_bytes(content)


def test_a_training_job_reads_its_own_files(tmp_path: Path) -> None:
    """Settings in the job's folder are those that were given, with the scenario beside them."""
    scenario = tmp_path / "mine.yaml"
    scenario.write_text(SCENARIO)
    settings = TrainSettings(seconds=0, iterations=3, scenario=str(scenario), run="s3://runs/first")
    job, there = training_job(settings), tmp_path / "there"
    _unpacked(job, there)
    scenario.unlink()
    read = read_settings(there / job.arguments[2])
    assert read_scenario(Path(read.scenario)).name == "short"
    assert replace(read, scenario="") == replace(settings, scenario="")
    assert entry(job) == "python -m tocsin train --config train.yaml --resume --json"


def test_a_league_job_reads_its_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its command is one of `tocsin league`: with equal settings, the scenario, policies by their names, the folder."""
    scenario, out = tmp_path / "mine.yaml", tmp_path / "a folder"
    scenario.write_text(SCENARIO)
    given = [f"the first={POLICY}", str(POLICY)]
    job, there = league_job(LEAGUE, scenario, given, out, resume=True), tmp_path / "there"
    _unpacked(job, there)
    scenario.unlink()
    monkeypatch.chdir(there)
    command = shlex.split(entry(job, "py"))
    assert command[:4] == ["py", "-m", "tocsin", "league"] and {"--resume", "--json"} <= set(command)
    told = dict(zip(command, command[1:], strict=False))
    assert read_league(Path(told["--config"])) == LEAGUE and told["--out"] == str(out)
    assert read_scenario(Path(told["--scenario"])).name == "short"
    policies = [command[at + 1].split("=") for at, word in enumerate(command) if word == "--policy"]
    assert [name for name, _ in policies] == ["the first", POLICY.stem]
    assert [load_policy(Path(file)).card for _, file in policies] == 2 * [load_policy(POLICY).card]
    assert not {"--resume", "--scenario", "--policy"} & set(league_job(LEAGUE, None, [], out, resume=False).arguments)


SEARCH = {
    "settings": {"iterations": 6, "worlds": 4, "steps": 6, "scenario": "mine.yaml"},
    "every": 2,
    "search": {"learning_rate": {"loguniform": [1e-5, 1e-2]}, "minibatches": {"choice": [2, 4]}},
}


def test_a_sweep_job_reads_its_own_files(tmp_path: Path) -> None:
    """The sweep in the job's folder searches what was given; its best settings name a scenario that stays."""
    scenario, out, there = tmp_path / "mine.yaml", tmp_path / "out", tmp_path / "there"
    scenario.write_text(SCENARIO)
    sweep = parse_sweep(SEARCH, "sweep.yaml", folder=tmp_path)
    given: dict[str, Any] = {"scheduler": "asha", "samples": 3, "concurrent": 2, "seed": 7}
    job = sweep_job(sweep, out, **given, resume=True)
    _unpacked(job, there)
    scenario.unlink()
    told = dict(zip(job.arguments, job.arguments[1:], strict=False))
    assert job.arguments[0] == "sweep" and {"--resume", "--json"} <= set(job.arguments)
    assert {name: told[f"--{name}"] for name in given} == {name: str(one) for name, one in given.items()}
    read = read_sweep(there / told["--config"])
    assert Path(read.settings.scenario) == there / "scenario.yaml" and told["--out"] == str(out)
    assert replace(read, settings=sweep.settings) == sweep
    assert replace(read.settings, scenario="") == replace(sweep.settings, scenario="")
    out.mkdir()
    best = write_best(out, read.best({"learning_rate": 1e-3, "minibatches": 4}))
    (there / "scenario.yaml").unlink()
    assert read_scenario(Path(read_settings(best).scenario)).name == "short"


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--out", "mine", "--concurrent", "2"], "--out mine: a job's own folder goes with it"),
        (["--out", "/shared/mine"], "say how many trials the cluster runs at once; give --concurrent"),
        (["--out", "/shared/mine", "--concurrent", "2"], "--submit head: give the dashboard's address"),
    ],
)
def test_a_sweep_that_cannot_run_there_is_refused(
    more: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line with the mend and exit code 2, before anything is sent."""
    config = tmp_path / "sweep.yaml"
    (tmp_path / "mine.yaml").write_text(SCENARIO)
    config.write_text(json.dumps(SEARCH))
    with pytest.raises(SystemExit) as left:
        main(["sweep", "--config", str(config), "--submit", "head", *more])
    printed, err = capsys.readouterr()
    assert left.value.code == BAD_INPUT and printed == "" and named in err and len(err.strip().splitlines()) == 1


def test_the_command_sends_a_league(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--submit` sends the job and tells its number and where the league lies; nothing is written here."""
    sent: list[Any] = []

    def send(job: Job, address: str, *, say: Callable[[str], None], wait: bool = True) -> str:
        sent.append((job, address))
        say("from the job\n")
        return "raysubmit_1"

    monkeypatch.setattr(submitting, "submit", send)
    out = tmp_path / "league"
    main(["league", "--rounds", "3", "--out", str(out), "--submit", "http://head:8265", "--json"])
    printed, err = capsys.readouterr()
    assert json.loads(printed) == {"job": "raysubmit_1", "out": str(out)} and "from the job" in err
    ((job, address),) = sent
    assert job == league_job(read_league(None, rounds=3), None, [], out, resume=False) and address == "http://head:8265"
    assert not out.exists()


KEPT = f"name: kept\ngenerate: {{assets: 30, owners: 3, seed: {HELD_OUT}}}\n"


@pytest.mark.parametrize(
    ("scenario", "more", "named"),
    [
        (SCENARIO, ["--out", "league"], "--out league: a job's own folder goes with it; give an absolute path"),
        ("name: far\nchain: chain.yaml\n", [], "its chain 'chain.yaml' is a file of this machine"),
        ("name: far\nattackers: [{campaign_file: c.yaml}]\n", [], "its campaign_file 'c.yaml' is a file of this"),
        (KEPT, [], "is kept for judging"),
        (SCENARIO, ["--policy", f"defender 1={POLICY}"], "policy name 'defender 1' is taken"),
        (SCENARIO, ["--policy", "no.tocsin"], "no.tocsin"),
        (SCENARIO, ["--submit", "head:8265"], "--submit head:8265: give the dashboard's address"),
        (SCENARIO, ["--rounds", "0"], "rounds 0"),
    ],
)
def test_a_league_that_cannot_run_there_is_refused(
    scenario: str, more: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line with the mend and exit code 2, before anything is sent."""
    place = tmp_path / "mine.yaml"
    place.write_text(scenario)
    given = ["--scenario", str(place), "--out", str(tmp_path / "out"), "--submit", "http://127.0.0.1:1", *more]
    with pytest.raises(SystemExit) as left:
        main(["league", *given])
    printed, err = capsys.readouterr()
    assert left.value.code == BAD_INPUT and printed == "" and named in err and len(err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == [place]


def test_a_league_sent_to_nowhere_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no cluster answers, exit code 2 and the address."""
    with pytest.raises(SystemExit) as left:
        main(["league", "--out", str(tmp_path / "out"), "--submit", "http://127.0.0.1:1"])
    err = capsys.readouterr().err.strip().splitlines()
    assert left.value.code == BAD_INPUT and "--submit http://127.0.0.1:1" in err[-1]
