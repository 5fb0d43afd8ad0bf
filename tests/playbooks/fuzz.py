"""`make fuzz`: a million inputs for the parser and the linter of playbooks.

    python -m tocsin.tests.playbooks.fuzz --inputs 1000000 --folder var/fuzz

Flows in: a folder, made where it is not. Flows out: its `report.json`, and `faults/`, one input of each kind of fault
with its traceback. It goes on where it was stopped: counts and corpus are in the folder. The work is done by a second
process (`fuzz_worker.py`), which is started again after a hang or a crash. Exit code 0: no fault; 1: some.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tocsin.tests.playbooks.spoiling import seeds, small_seeds

WORKER = Path(__file__).with_name("fuzz_worker.py")


@dataclass
class Report:
    """What was run so far, over all starts."""

    inputs: int = 0
    seconds: float = 0.0  # of wall time
    starts: int = 0
    slowest_s: float = 0.0  # of processor, one input
    came: dict[str, int] = field(default_factory=dict)  # inputs by what came of them

    def with_worker(self, told: dict[str, Any], seconds: float) -> Report:
        """This, and what a worker that runs has done."""
        came = Counter(self.came) + Counter(told.get("came", {}))
        slowest_s = max(self.slowest_s, told.get("slowest_s", 0.0))
        return Report(self.inputs + told.get("done", 0), self.seconds + seconds, self.starts, slowest_s, dict(came))


def main() -> int:
    """Run what is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="in all, with those of earlier starts")
    parser.add_argument("--folder", type=Path, default=Path("var/fuzz"))
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the worker ends with us
    report = prepare(given.folder)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
               TimeRemainingColumn(elapsed_when_finished=True))  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("inputs", total=given.inputs, completed=report.inputs, rate="")
        while report.inputs < given.inputs:
            report = started(given, report, lambda now, rate: bar.update(task, completed=now, rate=f"{rate:.0f}/s"))
            _write(given.folder, report)
    faults = sorted(path.name for path in (given.folder / "faults").iterdir() if path.suffix != ".txt")
    told = {**asdict(report), "per_second": report.inputs / max(report.seconds, 1e-9), "faults": faults}
    sys.stdout.write(json.dumps(told) + "\n")
    return 1 if faults else 0


def prepare(folder: Path) -> Report:
    """The folder with its seeds, and what was run in it before."""
    for part in ("corpus", "faults"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for seed in (*seeds(), *small_seeds()):
        (folder / "corpus" / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    path = folder / "report.json"
    return Report(**json.loads(path.read_text())) if path.is_file() else Report()


def started(given: argparse.Namespace, before: Report, progress: Any) -> Report:
    """One worker, to its end; what it did is counted also where it crashes or is interrupted."""
    told = given.folder / "worker.json"
    told.unlink(missing_ok=True)
    before.starts += 1
    words = [sys.executable, str(WORKER), str(given.folder), str(given.inputs - before.inputs)]
    began, now = time.monotonic(), before
    process = subprocess.Popen(
        [*words, str(given.seed + before.starts)], stdout=subprocess.DEVNULL, stderr=(given.folder / "log").open("ab")
    )
    try:
        while process.poll() is None:
            time.sleep(0.5)
            now = before.with_worker(_read(told), time.monotonic() - began)
            progress(now.inputs, (now.inputs - before.inputs) / (time.monotonic() - began))
            _write(given.folder, now)
    finally:
        process.kill()
        process.wait()
    now = before.with_worker(_read(told), time.monotonic() - began)
    if now.inputs == before.inputs:
        raise SystemExit(f"the worker did nothing (exit code {process.returncode}); see {given.folder / 'log'}")
    return now


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.is_file() else {}  # replaced whole, never half written


def _write(folder: Path, report: Report) -> None:
    draft = folder / "report.new"
    draft.write_text(json.dumps(asdict(report)))
    draft.replace(folder / "report.json")


if __name__ == "__main__":
    sys.exit(main())
