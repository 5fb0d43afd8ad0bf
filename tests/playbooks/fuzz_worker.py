"""One process of `make fuzz`: inputs guided by the coverage of `tocsin.playbooks` (atheris), judged one by one.

Run by `fuzz.py` as `fuzz_worker.py FOLDER INPUTS SEED`. It writes how far it is into `FOLDER/worker.json` twice a
second, what breaks a law into `FOLDER/faults`, and what brings new coverage into `FOLDER/corpus` (libFuzzer does).
It ends with code 0 after INPUTS inputs; a hang or a crash of native code ends it by libFuzzer, with the input kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["tocsin.playbooks"]):
    from tocsin.tests.playbooks.judging import SLOW_S, judge
    from tocsin.tests.playbooks.spoiling import LARGEST, seeds, small_seeds, spoilt

HANG_S = 120  # of wall time, far more than SLOW_S of processor: where ten others share two cores, ten proved too few


class Worker:
    """Counts and keeps; lives as long as its process."""

    def __init__(self, folder: Path, inputs: int) -> None:
        self.folder, self.inputs = folder, inputs
        self.done, self.told, self.slowest_s = 0, time.monotonic(), 0.0
        self.came: Counter[str] = Counter()

    def one(self, data: bytes) -> None:
        """Judge one input; a broken law is kept and the next input follows."""
        began = time.process_time()
        try:
            self.came[judge(data)] += 1
        except Exception as error:  # noqa: BLE001  (whatever it is, it is what we look for)
            self.came["fault"] += 1
            self._keep(data, error)
        took = time.process_time() - began
        self.slowest_s = max(self.slowest_s, took)
        if took > SLOW_S:
            self._keep(data, TimeoutError(f"{took:.1f} s of processor"))
        self.done += 1
        if self.done >= self.inputs or time.monotonic() - self.told > 0.5:
            self.tell()
        if self.done >= self.inputs:
            os._exit(0)

    def tell(self) -> None:
        """Say how far it is."""
        self.told = time.monotonic()
        state = {"done": self.done, "slowest_s": self.slowest_s, "came": self.came}
        draft = self.folder / "worker.new"
        draft.write_text(json.dumps(state))
        draft.replace(self.folder / "worker.json")

    def _keep(self, data: bytes, error: Exception) -> None:
        """One input of each kind of fault: kind and the last line of ours."""
        frames = [one for one in traceback.extract_tb(error.__traceback__) if "/playbooks/" in one.filename]
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "slow"
        name = hashlib.sha256(f"{type(error).__name__} {place}".encode()).hexdigest()[:12]
        path = self.folder / "faults" / f"{name}.input"
        if not path.exists():
            path.write_bytes(data)
            told = "".join(traceback.format_exception(error))
            path.with_suffix(".txt").write_text(f"{type(error).__name__} at {place}\n{told}", errors="replace")


def main(folder: Path, inputs: int, seed: int) -> None:
    """Run until all inputs are judged."""
    worker = Worker(folder, inputs)
    whole, small = seeds(), small_seeds()

    def mutated(data: bytes, largest: int, number: int) -> bytes:
        chance = random.Random(number)
        if chance.random() < 0.1:
            return bytes(atheris.Mutate(data, largest))
        begins_anew = chance.random() < 0.2
        start = chance.choice(whole if chance.random() < 0.1 else small) if begins_anew else data
        return spoilt(start, chance)[:largest]

    words = [sys.argv[0], f"-seed={seed}", f"-timeout={HANG_S}", f"-report_slow_units={HANG_S}",
             f"-max_len={LARGEST}", "-rss_limit_mb=4096",
             f"-artifact_prefix={folder / 'faults'}/", "-verbosity=0", "-print_final_stats=0", "-len_control=0",
             str(folder / "corpus")]  # fmt: skip
    atheris.Setup(words, worker.one, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
