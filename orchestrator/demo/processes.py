"""Node and plant as processes of their own, started and ended here.

Flows in: arguments of `tocsin`. Flows out: the address that the process says it serves. A process lives as long as its
`with` block.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_S = 600.0  # kernels may have to be compiled first, on a busy machine
END_S = 20.0
ADDRESS = re.compile(r"https?://[0-9A-Za-z.\[\]:]+:\d+")


class ProcessError(ValueError):
    """A process that did not start; the message holds its last words."""


@contextmanager
def running(*arguments: str, log: Path) -> Iterator[str]:
    """Start `tocsin ARGUMENTS`, give the address it serves, end it at the end.

    Raises:
        ProcessError: it ended, or said no address within START_S seconds.
    """
    process = subprocess.Popen(  # noqa: S603  (our own command, no shell)
        [sys.executable, "-m", "tocsin", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    words: list[str] = []
    said = threading.Event()
    reader = threading.Thread(target=_read, args=(process, words, said, log), daemon=True)
    reader.start()
    try:
        said.wait(START_S)
        found = next((ADDRESS.search(line) for line in words if ADDRESS.search(line)), None)
        if found is None:
            last = words[-1].strip() if words else "it said nothing"
            raise ProcessError(f"tocsin {arguments[0]} did not start: {last}; see {log}")
        yield found.group()
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
        reader.join(END_S)


def _read(process: subprocess.Popen[str], words: list[str], said: threading.Event, log: Path) -> None:
    assert process.stderr is not None
    with log.open("w", encoding="utf-8") as file:
        for line in process.stderr:
            words.append(line)
            file.write(line)
            file.flush()
            if ADDRESS.search(line):
                said.set()
    said.set()
