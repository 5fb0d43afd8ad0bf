"""The enforcement point as a process of its own, started, ended and started again; and what tests send to it."""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from tocsin.orchestrator.actuators.base import Order, Outcome
from tocsin.orchestrator.actuators.openc2_http import Endpoint, OpenC2Http

TOKEN = "0123456789abcdef-range"
LIBRARY = Path(str(files("tocsin.playbooks").joinpath("library")))
COMPLETE = {"response_requested": "complete"}


@dataclass
class RealFilter:
    """`tocsin actuator nftables` in a namespace; lives until it is stopped."""

    folder: Path
    netns: str
    names: Path | None = None
    options: tuple[str, ...] = ()
    tokens: str = TOKEN  # what its token file holds
    ca: Path | None = None  # trust this authority; the options hold a certificate by it
    url: str = ""
    count: int = 0
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start the process, wait until it serves."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "token").write_text(self.tokens)
        words = [sys.executable, "-m", "tocsin", "actuator", "nftables", "--listen", "127.0.0.1:0"]
        words += ["--netns", self.netns, "--token-file", str(self.folder / "token")]
        words += ["--state", str(self.folder / "state.db"), *self.options]
        words += ["--map", str(self.names)] if self.names else []
        self.process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd="/")
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        found = re.search(r"https?://\S+?openc2", line)
        assert found, line + self.process.stderr.read()
        self.url = found[0]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process; its rules stay in the kernel."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(10)
            assert self.process.stderr is not None
            self.process.stderr.close()
            self.process = None

    def send(self, command: Mapping[str, Any], key: str = "", *, token: str = TOKEN) -> Outcome:
        """Send a command as the node does."""
        self.count += 1
        ca_file = str(self.ca) if self.ca else None
        producer = OpenC2Http({"edge": Endpoint(self.url, token)}, ca_file=ca_file, sleep=lambda _s: None)
        return producer.carry_out(Order(key or f"{self.folder.name}-{self.count}", "edge", command))

    def filter(self, action: str, target: Mapping[str, Any], *, token: str = TOKEN, **args: Any) -> int:
        """Deny or allow; give the number of the rule."""
        outcome = self.send({"action": action, "target": dict(target), "args": {**COMPLETE, **args}}, token=token)
        return int(outcome.results["slpf"]["rule_number"])

    def delete(self, number: int, *, token: str = TOKEN) -> None:
        """Take a rule away."""
        self.send({"action": "delete", "target": {"slpf:rule_number": number}, "args": COMPLETE}, token=token)


def library_commands(name: str, target: str, response: str) -> list[dict[str, Any]]:
    """The OpenC2 commands of a library playbook for one target: what it does, then its undo where it has one."""
    found: list[dict[str, Any]] = []

    def look(part: Any) -> None:
        if isinstance(part, dict) and "content_b64" in part:
            text = base64.b64decode(part["content_b64"]).decode()
            text = text.replace("__target__:value", target).replace("__response__:value", response)
            found.append(json.loads(text))
        for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            look(inner)

    look(json.loads((LIBRARY / f"{name}.json").read_bytes())["workflow"])
    return found
