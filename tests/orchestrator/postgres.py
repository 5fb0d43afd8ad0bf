"""A PostgreSQL server of the tests' own: made in a temporary folder, on loopback, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USER = "postgres"  # whom the server runs as where the tests run as root, which it refuses
START_S = 60.0


def binaries() -> Path | None:
    """The folder with initdb and postgres, newest version first."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return places[-1].parent if places else None


@contextmanager
def postgres() -> Iterator[str]:
    """Run a server; gives the URL of an empty database."""
    place = binaries()
    if place is None:
        message = "PostgreSQL is not installed (apt-get install postgresql): tests on it did NOT run"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    user = USER if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="tocsin-postgres-"))
    if user:
        shutil.chown(folder, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data, log = folder / "data", folder / "log"
    subprocess.run(
        [place / "initdb", "-D", data, "-U", USER, "--auth=trust", "--no-sync"],
        check=True,
        capture_output=True,
        user=user,
        cwd=folder,
    )
    with log.open("wb") as output:
        server = subprocess.Popen(
            [place / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"],
            stdout=output,
            stderr=output,
            user=user,
            cwd=folder,
        )
    try:
        _wait(port, server, log)
        yield f"postgresql+psycopg://{USER}@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and server.poll() is None:
        if "ready to accept connections" in log.read_text(errors="replace"):
            with socket.create_connection(("127.0.0.1", port), timeout=5):
                return
        time.sleep(0.1)
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text(errors='replace')[-500:]}")
