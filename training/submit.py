"""Work as a Ray job: what the cluster gets is one folder, the unpacked wheel and the job's own files.

Flows in: a `Job`, the address of a cluster's dashboard. Flows out: a job, its log, its end. Nodes need the packages
that Tocsin depends on and nothing of Tocsin: Ray puts the folder on every worker's path. (A wheel in `py_modules` would
make each node install torch anew: Ray runs `pip install --target`.) What jobs there are: `jobs`.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from .runs import COMMIT, commit
from .settings import TrainError

BUILD_S = 300.0
SETUPTOOLS = 77  # as pyproject.toml asks
POLL_S = 1.0
SILENT_S = 120.0  # how long a cluster may give no answer about a job


@dataclass(frozen=True)
class Job:
    """What runs on a cluster, in a folder of its own."""

    arguments: tuple[str, ...]  # of tocsin
    files: Mapping[str, bytes]  # beside the wheel, by name


def pack(job: Job, folder: Path) -> None:
    """Fill an empty or new folder with what a job needs; `ray job submit --working-dir` takes it.

    Raises:
        TrainError: the folder holds files, or no wheel can be built.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TrainError(f"{folder}: holds files; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in job.files.items():
        (folder / name).write_bytes(content)
    with tempfile.TemporaryDirectory() as made, zipfile.ZipFile(build_wheel(Path(made))) as wheel:
        wheel.extractall(folder)


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


def entry(job: Job, python: str = "python") -> str:
    """The command that runs in the job's folder."""
    return f"{python} -m tocsin {shlex.join(job.arguments)}"


def submit(job: Job, address: str, *, say: Callable[[str], None], wait: bool = True) -> str:
    """Send a job to a cluster and follow it to its end; gives its id.

    Args:
        job: what runs there.
        address: of the cluster's dashboard, like http://head:8265. Ray's token comes from RAY_AUTH_TOKEN.
        say: called with each piece of the job's log.
        wait: until the job has ended.

    Raises:
        TrainError: no cluster at the address, no wheel can be built, or the job failed.
    """
    if not address.startswith(("http://", "https://")):
        raise TrainError(f"--submit {address}: give the dashboard's address, like http://head:8265")
    os.environ.setdefault("RAY_AUTH_MODE", "token")  # read when Ray is imported
    from ray.exceptions import RayError
    from ray.job_submission import JobStatus, JobSubmissionClient

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "job"
        try:
            client = JobSubmissionClient(address)
            pack(job, folder)
            sent: str = client.submit_job(
                entrypoint=entry(job),
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
            status, log = client.get_job_status(sent), client.get_job_logs(sent)
            answered = time.monotonic()
        except (OSError, RuntimeError, RayError) as error:
            if time.monotonic() - answered > SILENT_S:
                raise TrainError(f"job {sent}: no answer for {SILENT_S:.0f} s ({error}); it may still run") from None
            time.sleep(POLL_S)
            continue
        say(log[said:])
        said = len(log)
        if status.is_terminal():
            if status != JobStatus.SUCCEEDED:
                told = client.get_job_info(sent).message or "see its log"
                raise TrainError(f"job {sent}: {status.value.lower()}: {told.strip().splitlines()[-1]}")
            return sent
        time.sleep(POLL_S)
    return sent
