"""What is kept of a run: settings as resolved, versions, commit and seed, figures by iteration, checkpoints, events.

Flows in: settings, figures. Flows out: files in the run's folder, each written whole, on any file system that fsspec
reaches. Figures are written at checkpoints, so that a run that goes on from one has no line twice.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from .checkpoint import Shelf, put_whole
from .settings import TrainError, TrainSettings, settings_yaml

PACKAGES = ("tocsin", "numpy", "numba", "torch", "gymnasium", "stable_baselines3", "sb3_contrib", "ray")
COMMIT = "TOCSIN_COMMIT"  # environment variable: of the sources a wheel was built from, as the job's sender knows it
GIT_S = 10.0


class RunFolder:
    """The folder of one run; lives as long as the run. `begin` comes before all that writes."""

    def __init__(self, settings: TrainSettings, *, resume: bool) -> None:
        """Open the folder.

        Raises:
            TrainError: it cannot be written, or holds checkpoints and `resume` was not asked for.
            CheckpointError: the newest checkpoint cannot be used.
        """
        self._shelf, self._settings = Shelf.at(settings.run), settings
        if self._shelf.numbers() and not resume:
            raise TrainError(f"run {settings.run}: holds a run already; add --resume, or name another folder")
        self.checkpoint: Any = self._shelf.newest()
        self._lines: list[str] = list(self.checkpoint["figures"]) if self.checkpoint else []
        self._events: Any = None

    def begin(self) -> None:
        """Write down what the run is; until then nothing in the folder has changed.

        Raises:
            TrainError: events are wanted and their package is not there.
        """
        if self._settings.tensorboard:
            self._events = _writer(self._settings, self._shelf.numbers()[-1] + 1 if self.checkpoint else None)
        life = f"-from-{self._shelf.numbers()[-1]}" if self.checkpoint else ""  # a run that goes on keeps what it was
        self._put(f"settings{life}.yaml", settings_yaml(self._settings))
        self._put(f"run{life}.json", json.dumps(origin(self._settings), indent=1) + "\n")

    def note(self, iteration: int, figures: dict[str, float]) -> None:
        """Keep the figures of one iteration."""
        self._lines.append(json.dumps({"iteration": iteration, **figures}))
        if self._events is not None:
            for name, value in figures.items():
                self._events.add_scalar(name.replace(" ", "_"), value, iteration)

    def keep(self, number: int, state: dict[str, Any]) -> None:
        """Write a checkpoint, and the figures so far."""
        self._shelf.write(number, {**state, "figures": self._lines}, keep=self._settings.checkpoints)
        self._put("figures.jsonl", "".join(f"{line}\n" for line in self._lines))
        if self._events is not None:
            self._events.flush()

    def put(self, name: str, content: bytes) -> None:
        """Write a file of the run."""
        put_whole(self._shelf.fs, f"{self._shelf.folder}/{name}", content)

    def close(self) -> None:
        """Close the events."""
        if self._events is not None:
            self._events.close()

    def _put(self, name: str, content: str) -> None:
        self.put(name, content.encode())


def _writer(settings: TrainSettings, purge_step: int | None) -> Any:
    """A writer of events; those of an earlier life from `purge_step` on, after its checkpoint, no longer count."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise TrainError("tensorboard: its package is not there; pip install 'tocsin[tensorboard]'") from None
    return SummaryWriter(f"{settings.run.rstrip('/')}/tensorboard", purge_step=purge_step)


def origin(settings: TrainSettings) -> dict[str, Any]:
    """What made the run: versions, commit, seed, machine."""
    return {
        "seed": settings.seed,
        "commit": commit(),
        "sources": str(Path(__file__).resolve().parent.parent),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "packages": packages(),
    }


def packages() -> dict[str, str]:
    """Versions of what figures depend on."""
    return {name: metadata.version(name) for name in PACKAGES}


def made_by(settings: TrainSettings) -> dict[str, Any]:
    """As `origin`, without what tells of this machine's folders: for policy cards."""
    return {name: value for name, value in origin(settings).items() if name != "sources"}


def commit() -> str:
    """The git commit of the sources, with + where they were changed since; "unknown" without a checkout."""
    if os.environ.get(COMMIT):
        return os.environ[COMMIT]
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return "unknown"
    try:
        head = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head + ("+" if changed else "")


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=GIT_S, check=True
    )
    return done.stdout.strip()
