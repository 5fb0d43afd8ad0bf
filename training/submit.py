"""A training run as a Ray job: what the cluster gets is one folder, the unpacked wheel and the run's own files.

Flows in: settings, the address of a cluster's dashboard. Flows out: a job, its log, its end. Nodes need the packages
that Tocsin depends on and nothing of Tocsin: Ray puts the folder on every worker's path. (A wheel in `py_modules` would
make each node install torch anew: Ray runs `pip install --target`.)
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from .chains import kept_for_judging
from .containing import read_numbers
from .runs import COMMIT, commit
from .settings import TrainError, TrainSettings, settings_yaml

CONFIG, SCENARIO, RULE = "train.yaml", "scenario.yaml", "rule.yaml"
BUILD_S = 300.0
SETUPTOOLS = 77  # as pyproject.toml asks
POLL_S = 1.0
SILENT_S = 120.0  # how long a cluster may give no answer about a job


def pack(settings: TrainSettings, folder: Path) -> None:
    """Fill an empty or new folder with what a job needs; `ray job submit --working-dir` takes it.

    Raises:
        TrainError: settings without a run that outlives the job, the folder holds files, the scenario needs files of
            its own or is kept for judging, or no wheel can be built.
    """
    _check_run(settings)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TrainError(f"{folder}: holds files; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    scenario = ""
    if settings.scenario:
        _check_alone(Path(settings.scenario))
        shutil.copyfile(settings.scenario, folder / SCENARIO)
        scenario = SCENARIO
    rule = ""
    if settings.rule:
        read_numbers(Path(settings.rule))  # is one, before a job finds out
        shutil.copyfile(settings.rule, folder / RULE)
        rule = RULE
    (folder / CONFIG).write_text(settings_yaml(replace(settings, scenario=scenario, rule=rule)))
    with tempfile.TemporaryDirectory() as made, zipfile.ZipFile(build_wheel(Path(made))) as wheel:
        wheel.extractall(folder)


def _check_run(settings: TrainSettings) -> None:
    if not settings.run:
        raise TrainError("run: a job's files must outlive it; give a folder or URL that all nodes reach")
    if "://" not in settings.run and not Path(settings.run).is_absolute():
        raise TrainError(f"run {settings.run}: a job's own folder goes with it; give an absolute path or a URL")


def _check_alone(scenario: Path) -> None:
    from ..envs.scenario import EXAMPLE, read_scenario

    read = read_scenario(scenario)
    fault = kept_for_judging(read)
    if fault:
        raise TrainError(fault)
    if read.generate is None and read.chain != EXAMPLE:
        raise TrainError(
            f"{scenario}: its chain {read.chain!r} is a file of this machine, which a job does not have; "
            "use a generated or the shipped chain"
        )


def build_wheel(folder: Path) -> Path:
    """Build the wheel of the checkout this runs from.

    Raises:
        TrainError: there is no checkout, or the build failed.
    """
    root = Path(__file__).resolve().parent.parent
    if not (root / "pyproject.toml").exists():
        raise TrainError(f"{root}: is no checkout, and jobs ship a wheel built from one; submit from a checkout")
    with tempfile.TemporaryDirectory() as scratch:  # setuptools builds in the source folder, which others may read
        source = Path(scratch) / "tocsin"
        shutil.copytree(root, source, ignore=shutil.ignore_patterns(".git", ".venv", "build", "*.egg-info", "tests"))
        here = ["--no-build-isolation"] if _has_builder() else []  # else pip fetches setuptools
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *here, "--wheel-dir", str(folder)]
        done = subprocess.run([*command, str(source)], capture_output=True, text=True, timeout=BUILD_S, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        raise TrainError(f"the wheel cannot be built: {done.stderr.strip().splitlines()[-1] if done.stderr else 'pip'}")
    return wheels[0]


def _has_builder() -> bool:
    """Whether this environment's setuptools can build the wheel."""
    try:
        return int(metadata.version("setuptools").split(".")[0]) >= SETUPTOOLS
    except metadata.PackageNotFoundError:
        return False


def entry(python: str = "python") -> str:
    """The command that runs in the job's folder; it goes on from the run's newest checkpoint, if it has one."""
    return f"{python} -m tocsin train --config {CONFIG} --resume --json"


def submit(settings: TrainSettings, address: str, *, say: Callable[[str], None], wait: bool = True) -> str:
    """Send a run to a cluster and follow it to its end; gives the job's id.

    Args:
        settings: of the run; needs `run`, a folder that all nodes reach.
        address: of the cluster's dashboard, like http://head:8265. Ray's token comes from RAY_AUTH_TOKEN.
        say: called with each piece of the job's log.
        wait: until the job has ended.

    Raises:
        TrainError: settings without a run, no cluster at the address, or the job failed.
    """
    _check_run(settings)
    if not address.startswith(("http://", "https://")):
        raise TrainError(f"--submit {address}: give the dashboard's address, like http://head:8265")
    os.environ.setdefault("RAY_AUTH_MODE", "token")  # read when Ray is imported
    from ray.exceptions import RayError
    from ray.job_submission import JobStatus, JobSubmissionClient

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "job"
        try:
            client = JobSubmissionClient(address)
            pack(settings, folder)
            job: str = client.submit_job(
                entrypoint=entry(),
                runtime_env={"working_dir": str(folder), "env_vars": {COMMIT: commit()}},
            )
        except TrainError:
            raise
        except (OSError, RuntimeError, ValueError, RayError, subprocess.SubprocessError) as error:
            told = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise TrainError(
                f"--submit {address}: {told}; is a cluster's dashboard there, and its token given?"
            ) from None
    said, answered = 0, time.monotonic()
    while wait:
        try:
            status, log = client.get_job_status(job), client.get_job_logs(job)
            answered = time.monotonic()
        except (OSError, RuntimeError, RayError) as error:
            if time.monotonic() - answered > SILENT_S:
                raise TrainError(f"job {job}: no answer for {SILENT_S:.0f} s ({error}); it may still run") from None
            time.sleep(POLL_S)
            continue
        say(log[said:])
        said = len(log)
        if status.is_terminal():
            if status != JobStatus.SUCCEEDED:
                told = client.get_job_info(job).message or "see its log"
                raise TrainError(f"job {job}: {status.value.lower()}: {told.strip().splitlines()[-1]}")
            return job
        time.sleep(POLL_S)
    return job
