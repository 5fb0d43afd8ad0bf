"""Serve a node: its parts put together from a home, one worker thread that ticks, uvicorn in front.

Flows in: settings. Flows out: a running server until it is told to end. It checks first (address, port, files, owners),
so that bad input is one line and changes nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

from .addresses import is_loopback
from .clock import LockstepClock
from .node import Node

log = logging.getLogger("tocsin.serve")
WORKER_PAUSE_S = 1.0  # real seconds between ticks of a node whose clock runs by itself; assumed


class ServeError(ValueError):
    """The node cannot be served so; the message names the mend."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to serve."""

    host: str
    port: int  # 0: any free one
    tls_cert: Path | None = None
    tls_key: Path | None = None

    @property
    def scheme(self) -> str:
        """The scheme of its URL."""
        return "https" if self.tls_cert else "http"


def check(listen: Listen) -> None:
    """Refuse to leave loopback without TLS.

    Raises:
        ServeError: another address without TLS files, or files that are not there.
    """
    if (listen.tls_cert is None) != (listen.tls_key is None):
        raise ServeError("TLS needs both --tls-cert and --tls-key; give the other one too")
    for path in (listen.tls_cert, listen.tls_key):
        if path is not None and not os.path.isfile(path):
            raise ServeError(f"{path}: no such file; name the TLS file in PEM form")
    if listen.tls_cert is not None and listen.tls_key is not None:
        _check_pem(listen.tls_cert, listen.tls_key)
    if listen.tls_cert is None and not is_loopback(listen.host):
        raise ServeError(f"{listen.host} is not loopback; give --tls-cert and --tls-key, or serve on 127.0.0.1")


def _check_pem(cert: Path, key: Path) -> None:
    """Load both files once, as the server will."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        mend = "give a certificate and its private key without a password, both in PEM form"
        raise ServeError(f"--tls-cert {cert}, --tls-key {key}: {reason}; {mend}") from None


def _no_password() -> str:
    """Whoever serves is not there to type one."""
    raise ValueError("the key has a password")


def bind(listen: Listen) -> socket.socket:
    """Take the port.

    Raises:
        ServeError: it is busy, or the address is not this machine's.
    """
    try:
        family = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM)[0][0]
        taken = socket.socket(family, socket.SOCK_STREAM)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((listen.host, listen.port))
        taken.listen()  # whoever knows the address now waits instead of being turned away
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ServeError(f"{listen.host}:{listen.port}: {reason}; end what uses it or choose another --port") from None
    return taken


def serve(node: Node, listen: Listen, taken: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; a node whose clock runs by itself is ticked by one worker thread."""
    import uvicorn

    from .api.app import create_app

    config = uvicorn.Config(
        create_app(node),
        log_level="warning",
        access_log=False,
        server_header=False,
        ssl_certfile=listen.tls_cert,
        ssl_keyfile=str(listen.tls_key) if listen.tls_key else None,
    )
    server = uvicorn.Server(config)
    with Worker(node):
        server.run(sockets=[taken])


class Worker:
    """The one thread that ticks a node; lives while the node is served. In lockstep it does nothing."""

    def __init__(self, node: Node, pause_s: float = WORKER_PAUSE_S) -> None:
        self._node = node
        self._pause_s = pause_s
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tocsin-worker", daemon=True)
        self._is_needed = not isinstance(node.clock, LockstepClock)

    def __enter__(self) -> Worker:
        if self._is_needed:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        if self._is_needed:
            self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(self._pause_s):
            try:
                self._node.tick()
            except Exception:  # noqa: BLE001  (a fault in one tick is logged, and must not end all response)
                log.exception("a tick failed; the next one tries again")
