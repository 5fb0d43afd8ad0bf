"""What tests do on a range: open connections, log in, look into a namespace."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tocsin.orchestrator.range.services import ssh_words
from tocsin.orchestrator.range.topology import HTTP, Host, Plan


def into(namespace: str) -> list[str]:
    """Words that run a command in a namespace."""
    return ["ip", "netns", "exec", namespace]


def opens(plan: Plan, source: str, target: str, port: int = HTTP, *, ipv6: bool = False) -> bool:
    """Whether a new connection from one host to another is answered."""
    host = plan.host(target)
    address = host.ipv6 if ipv6 else host.ipv4
    code = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1.5)"
    words = [*into(plan.host(source).namespace), "python3", "-I", "-c", code, address, str(port)]
    return subprocess.run(words, capture_output=True).returncode == 0


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Sockets that are made in the block belong to the namespace (this thread is there meanwhile)."""
    with open("/proc/self/ns/net") as home, open(f"/var/run/netns/{namespace}") as there:
        _setns(there.fileno())
        try:
            yield
        finally:
            _setns(home.fileno())


def _setns(number: int) -> None:
    import ctypes

    assert ctypes.CDLL(None, use_errno=True).setns(number, 0x40000000) == 0, os.strerror(ctypes.get_errno())


def ssh(plan: Plan, folder: Path, source: str, target: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Log in from one host to another with the reused key."""
    words = [*into(plan.host(source).namespace), *ssh_words(folder, plan.host(target), *command)]
    return subprocess.run(words, capture_output=True, text=True, timeout=15)


@contextmanager
def logged_in(plan: Plan, folder: Path, host: Host) -> Iterator[subprocess.Popen[bytes]]:
    """A shell of the intruder that says a line ten times a second."""
    words = ssh_words(folder, host, "while echo beat; do sleep 0.1; done")
    process = subprocess.Popen([*into(plan.host("shop/web").namespace), *words], stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def beats(session: subprocess.Popen[bytes]) -> bool:
    """Whether lines still arrive, once what was on its way is read."""
    assert session.stdout is not None
    os.set_blocking(session.stdout.fileno(), False)
    time.sleep(0.5)
    session.stdout.read()
    time.sleep(1.5)
    return bool(session.stdout.read())
