"""Programs run on this machine: in a folder and a session of their own, within limits of time, memory and output.

Flows in: words, environment. Flows out: exit code and the beginning of what the program said. No shell is between.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Final

from .base import Unavailable
from .journal import NotSent

PROGRAM: Final = Path(__file__).with_name("limited.py")
MAX_OUTPUT: Final = 64_000  # bytes kept of each stream; the rest is read and dropped
POLL_MS: Final = 50  # how soon a reader sees that nobody waits for more
LAST_S: Final = 0.5  # for what still lies in a pipe when the program has ended
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use; the values are assumed, ample for an administrator's script."""

    cpu_s: int = 60
    memory_bytes: int = 1_000_000_000
    file_bytes: int = 100_000_000
    files: int = 256


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a program."""

    code: int  # exit code; negative: ended by that signal
    output: str
    errors: str


def run(words: Sequence[str], environment: Mapping[str, str], *, timeout_s: float, limits: Limits, place: str) -> Ran:
    """Run a program to its end.

    Raises:
        NotSent: it cannot be started.
        Unavailable: it took too long and was ended with its process group; it may have done a part.

    What leaves the group (a daemon by `setsid`) is not ended and not waited for; the rest of its words is not read.
    """
    inner = [sys.executable, "-I", str(PROGRAM), json.dumps(asdict(limits)), *words]
    with tempfile.TemporaryDirectory(prefix="tocsin-") as folder:
        clean = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": folder, "TMPDIR": folder, **environment}
        try:
            process = subprocess.Popen(
                inner,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=clean,
                cwd=folder,
                start_new_session=True,
            )
        except OSError as error:
            raise NotSent(f"{place}: cannot be started ({error.strerror}); is the machine out of something?") from None
        assert process.stdout is not None and process.stderr is not None
        said = [_Reader(process.stdout), _Reader(process.stderr)]
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise Unavailable(
                f"{place}: took longer than {timeout_s:g} s and was ended; it may have done a part; "
                "a step that needs longer names a timeout"
            ) from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # also what it left behind in its group
            process.wait()
            output, errors = (reader.end() for reader in said)
    return Ran(code, output, errors)


class _Reader:
    """Reads a stream to its end and keeps its beginning; lives as long as the program, not as its daemons."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._kept = stream, bytearray()
        self._until: float | None = None  # monotonic; None: as long as the program runs
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        pipe = self._stream.fileno()
        ready = select.poll()
        ready.register(pipe, select.POLLIN)
        while self._until is None or time.monotonic() < self._until:
            if ready.poll(POLL_MS):
                chunk = os.read(pipe, 4_096)
                if not chunk:
                    return
                self._kept += chunk[: MAX_OUTPUT - len(self._kept)]
            elif self._until is not None:
                return

    def end(self) -> str:
        """Give what was kept; a pipe that a daemon holds open is left, once it is empty."""
        self._until = time.monotonic() + LAST_S
        self._thread.join()
        self._stream.close()
        return self._kept.decode("utf-8", "replace")
