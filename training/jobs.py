"""What a training run, a sweep or a league is as a job: its command, and files that go with it. `submit` sends it.

Flows in: settings, files. Flows out: a `Job`, refused before anything is sent if it could not run where nothing of this
machine is. Read files go with the job; what it writes must outlive it, so that lies where all nodes reach it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from .chains import kept_for_judging
from .league_settings import LeagueError, LeagueSettings, league_yaml
from .rule_file import read_numbers
from .settings import TrainError, TrainSettings, settings_yaml
from .submit import Job
from .sweep import Sweep, SweepError, as_object

CONFIG, SCENARIO, RULE, SWEEP, LEAGUE = "train.yaml", "scenario.yaml", "rule.yaml", "sweep.yaml", "league.yaml"
TRAINING = ("train", "--config", CONFIG, "--resume", "--json")  # goes on from the newest checkpoint, if there is one


def training_job(settings: TrainSettings) -> Job:
    """A training run.

    Raises:
        TrainError: settings without a run that outlives the job, or the scenario or rule cannot go with it.
    """
    if not settings.run:
        raise TrainError("run: a job's files must outlive it; give a folder or URL that all nodes reach")
    protocol, _, place = settings.run.rpartition("://")
    if protocol == "memory" or (protocol in ("", "file", "local") and not Path(place).is_absolute()):
        raise TrainError(f"run {settings.run}: what a job has to itself goes with it; give an absolute path or a URL")
    there, files = taken_along(settings)
    return Job(TRAINING, {CONFIG: settings_yaml(there).encode(), **files})


def sweep_job(
    sweep: Sweep, out: Path, *, scheduler: str, samples: int, concurrent: int, seed: int, resume: bool
) -> Job:
    """A sweep.

    Args:
        sweep: what is searched.
        out: its folder, which all nodes reach by this path.
        scheduler: asha or pbt.
        samples: trials.
        concurrent: trials at once, 1 or more.
        seed: of the draws of settings.
        resume: go on with the sweep in the folder.

    Raises:
        SweepError: a folder that would go with the job, or nobody said how many trials run at once.
        TrainError: the scenario or rule cannot go with it.
    """
    if not out.is_absolute():
        raise SweepError(f"--out {out}: a job's own folder goes with it; give an absolute path that all nodes reach")
    if concurrent < 1:
        raise SweepError("--submit: say how many trials the cluster runs at once; give --concurrent")
    settings, files = taken_along(sweep.settings)
    given = {"--out": out, "--scheduler": scheduler, "--samples": samples, "--concurrent": concurrent, "--seed": seed}
    arguments = [str(word) for pair in given.items() for word in pair]
    told = yaml.safe_dump(as_object(replace(sweep, settings=settings)), sort_keys=False).encode()
    return Job(("sweep", "--config", SWEEP, *arguments, *["--resume"] * resume, "--json"), {SWEEP: told, **files})


def league_job(
    settings: LeagueSettings, scenario: Path | None, policies: Sequence[str], out: Path, *, resume: bool
) -> Job:
    """A league.

    Args:
        settings: of the league.
        scenario: file of what is played; None: the shipped one.
        policies: files of defenders that are there from the start, FILE or NAME=FILE.
        out: its folder, which all nodes reach by this path.
        resume: go on with the league in the folder.

    Raises:
        LeagueError: a folder that would go with the job, or a league that could not be played.
        TrainError, EvaluationError, PolicyFileError: the scenario or a policy cannot go with it.
    """
    from .evaluate_commands import learned_of
    from .league import check_pools

    if not out.is_absolute():
        raise LeagueError(f"--out {out}: a job's own folder goes with it; give an absolute path that all nodes reach")
    learned = learned_of(list(policies))
    check_pools(settings, learned)
    files, arguments = {LEAGUE: league_yaml(settings).encode()}, ["league", "--config", LEAGUE, "--out", str(out)]
    if scenario is not None:
        files[SCENARIO] = _scenario(scenario)
        arguments += ["--scenario", SCENARIO]
    for number, (name, one) in enumerate(zip(learned, policies, strict=True)):
        beside, place = f"policy-{number}.tocsin", one.partition("=")
        files[beside] = Path(place[2] if place[1] else one).read_bytes()
        arguments += ["--policy", f"{name}={beside}"]
    return Job((*arguments, *["--resume"] * resume, "--json"), files)


def taken_along(settings: TrainSettings) -> tuple[TrainSettings, dict[str, bytes]]:
    """Settings that name their files as they lie beside them, and those files.

    Raises:
        TrainError: the scenario or rule cannot be taken along.
    """
    files: dict[str, bytes] = {}
    if settings.scenario:
        files[SCENARIO] = _scenario(Path(settings.scenario))
    if settings.rule:
        read_numbers(Path(settings.rule))  # is one, before a job finds out
        files[RULE] = Path(settings.rule).read_bytes()
    there = replace(settings, scenario=SCENARIO * bool(settings.scenario), rule=RULE * bool(settings.rule))
    return there, files


def _scenario(path: Path) -> bytes:
    """The file, if it is all that its scenario needs and may be trained on.

    Raises:
        TrainError: it is not; names what is missing there.
    """
    from ..envs.scenario import EXAMPLE, read_scenario

    read = read_scenario(path)
    fault = kept_for_judging(read)
    if fault:
        raise TrainError(fault)
    if read.generate is None and read.chain != EXAMPLE:
        raise TrainError(
            f"{path}: its chain {read.chain!r} is a file of this machine, which a job does not have; "
            "use a generated or the shipped chain"
        )
    named = next((one.campaign_file for one in read.attackers if one.campaign_file is not None), None)
    if named is not None:
        raise TrainError(
            f"{path}: its campaign_file {named!r} is a file of this machine, which a job does not have; "
            "write its stages into the scenario, as campaign"
        )
    return path.read_bytes()
