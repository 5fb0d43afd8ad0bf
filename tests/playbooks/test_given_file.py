"""Files that somebody names are read within a bound, and nobody is waited for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tocsin.playbooks.given_file import read_given

TOCSIN = (sys.executable, "-m", "tocsin")
ISOLATE = next((Path(__file__).parents[2] / "playbooks" / "library").glob("isolate-asset*.json"))
QUERY = '{"action": "query", "target": {"features": ["versions"]}}'


def _run(*words: object, script: str = "") -> subprocess.CompletedProcess[str]:
    """A command, or a line of a shell that names it as "$@"; one that waits for ever fails."""
    called = ["bash", "-c", script, "bash", *TOCSIN] if script else list(TOCSIN)
    words_ = [str(word) for word in words]
    return subprocess.run([*called, *words_], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "words",
    [
        ("playbook", "lint"),
        ("openc2", "check"),
        ("playbook", "show"),
        ("playbook", "sign", ISOLATE, "--person", "ada", "--out", "none", "--key"),
        ("playbook", "verify", ISOLATE, "--owner", "shop", "--signatures", "none", "--trust"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_named_pipe_is_refused_at_once(tmp_path: Path, words: tuple[object, ...]) -> None:
    """One line that names it, and exit code 2."""
    os.mkfifo(tmp_path / "pipe")
    done = _run(*words, tmp_path / "pipe")
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert "pipe: is no " in done.stderr


def test_what_a_shell_hands_over_is_read() -> None:
    """Standard input and process substitution are pipes too, with somebody who writes."""
    for script in (
        f"cat {ISOLATE} | " + '"$@" /dev/stdin',
        f'"$@" <(sleep 0.3; cat {ISOLATE})',
        f'"$@" /dev/stdin <{ISOLATE}',
    ):
        done = _run("playbook", "lint", script=script)
        assert done.returncode == 0 and done.stderr.startswith("1 files, 0 errors"), done.stderr
    done = _run("openc2", "check", script=f""""$@" <(echo '{QUERY}')""")
    assert done.returncode == 0 and done.stdout.endswith(": accepted\n")


def test_a_file_is_read_to_its_bound(tmp_path: Path) -> None:
    """One byte more tells that it is longer; a device, a socket and a folder are no files."""
    (tmp_path / "file").write_bytes(b"x" * 9)
    (tmp_path / "link").symlink_to("file")
    assert read_given(tmp_path / "link", 9) == b"x" * 9 and read_given(tmp_path / "file", 3) == b"xxxx"
    here = socket.socket(socket.AF_UNIX)
    here.bind(str(tmp_path / "socket"))
    for path in (Path("/dev/zero"), tmp_path / "socket", tmp_path, tmp_path / "none"):
        with pytest.raises(OSError):  # noqa: PT011  (of several kinds)
            read_given(path, 3)
    here.close()
