"""A small world for each actuator: what it acts on, an order for it, and how often the world changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from tocsin.orchestrator.actuators.base import Actuator, Order, Outcome, Pending
from tocsin.orchestrator.actuators.http_api import make_http_api
from tocsin.orchestrator.actuators.manual import make_manual
from tocsin.orchestrator.actuators.openc2_http import Endpoint, OpenC2Http
from tocsin.orchestrator.actuators.router import Router
from tocsin.orchestrator.actuators.setup import Setup
from tocsin.orchestrator.actuators.shell import make_bash
from tocsin.orchestrator.actuators.ssh import make_ssh
from tocsin.orchestrator.enforcement.point import EnforcementPoint
from tocsin.orchestrator.enforcement.reach import EVERYWHERE
from tocsin.orchestrator.enforcement.store import RuleStore
from tocsin.orchestrator.openc2.consumer import Gate, Tokens, create_consumer
from tocsin.orchestrator.openc2.memory import Memory
from tocsin.orchestrator.openc2.message import ENDPOINT
from tocsin.tests.orchestrator.openc2_consumer import Consumer, running, serving
from tocsin.tests.orchestrator.real_sshd import running_sshd

DENY = {"action": "deny", "target": {"ipv4_net": "10.0.0.0/8"}, "args": {"response_requested": "complete"}}


@dataclass
class World:
    """One actuator with what it acts on."""

    make: Callable[[], Any]  # the actuator, or a new one on the same state, as after a restart
    order: Order
    changes: Callable[[], int]
    bad: Order  # one that is refused
    before_retry: Callable[[Any], None] = field(default=lambda _actuator: None)  # what ends a Pending

    def carry(self, actuator: Actuator, order: Order) -> Outcome:
        """Carry out as the node does: read where the actuator does not remove duplicates, come back where pending."""
        try:
            known = None if actuator.removes_duplicates else actuator.read(order)
            return known or actuator.carry_out(order)
        except Pending:
            self.before_retry(actuator)
            return actuator.carry_out(order)


@contextmanager
def openc2(folder: Path) -> Iterator[World]:
    """A consumer that is not ours."""
    with running(Consumer()) as consumer:
        ends = {"edge": Endpoint(consumer.url, consumer.token)}
        order = Order("key-1", "edge", DENY)
        bad = Order("key-9", "edge", {**DENY, "action": "locate"})
        yield World(lambda: OpenC2Http(ends, sleep=lambda _s: None), order, lambda: len(consumer.done), bad)


@contextmanager
def packet_filter(folder: Path) -> Iterator[World]:
    """Our own consumer and enforcement point, with a kernel that counts rules."""
    point = EnforcementPoint(RuleStore(folder / "rules.db"), lambda _rules: None, reaches={"node": EVERYWHERE})
    app = create_consumer(Gate(point, Tokens.of({"node": "the-token-of-the-node"}), Memory(folder / "rules.db")))
    with serving(app) as url:
        ends = {"edge": Endpoint(url + ENDPOINT, "the-token-of-the-node")}
        order = Order("key-1", "edge", DENY)
        bad = Order("key-9", "edge", {**DENY, "target": {"ipv4_net": "10.0.0.300"}})
        yield World(lambda: OpenC2Http(ends, sleep=lambda _s: None), order, lambda: len(point.store.rules()), bad)


@contextmanager
def http_api(folder: Path) -> Iterator[World]:
    """An interface that counts and removes no duplicates."""
    seen: list[str] = []
    app = FastAPI()

    @app.post("/v1/{name}")
    async def take(name: str, request: Request) -> dict[str, str]:
        seen.append(name)
        return {"ticket": f"T-{len(seen)}"}

    with serving(app) as url:
        setup = Setup("http-api", folder, {"owners": {"edge": {"url": url}}})
        command = {"method": "POST", "path": "/v1/quarantine", "headers": {}, "content": "{}"}
        order = Order("key-1", "edge", command, "http-api", returns={"__ticket__": "string"})
        bad = Order("key-9", "edge", {**command, "path": "/v2"}, "http-api")
        yield World(lambda: make_http_api(setup), order, lambda: len(seen), bad)


@contextmanager
def bash(folder: Path) -> Iterator[World]:
    """A program that adds a line to a file."""
    lines = folder / "lines"
    text = f"echo __word__:value >> {lines}; echo done"
    setup = Setup("bash", folder, {"allow": [_digest(text)]})
    order = Order("key-1", "edge", {"text": text}, "bash", arguments={"__word__": "isolate"})
    bad = Order("key-9", "edge", {"text": "rm -r /"}, "bash")
    yield World(lambda: make_bash(setup), order, lambda: _count(lines), bad)


@contextmanager
def ssh(folder: Path) -> Iterator[World]:
    """The same over a real sshd."""
    lines = folder / "lines"
    text = f"echo __word__:value >> {lines}; echo done"
    with running_sshd(folder) as sshd:
        owner = {
            "username": sshd.user,
            "client_key": str(sshd.key),
            "hosts": ["127.0.0.0/24"],
            "allow": [_digest(text)],
        }
        setup = Setup("ssh", folder, {"known_hosts": str(sshd.known_hosts), "owners": {"edge": owner}})
        target = {"type": "ssh", "address": {"ipv4": ["127.0.0.1"]}, "port": str(sshd.port)}
        order = Order("key-1", "edge", {"text": text}, "ssh", target=target, arguments={"__word__": "isolate"})
        bad = Order("key-9", "edge", {"text": "reboot"}, "ssh", target=target)
        yield World(lambda: make_ssh(setup), order, lambda: _count(lines), bad)


@contextmanager
def manual(folder: Path) -> Iterator[World]:
    """A person who answers when asked."""
    setup = Setup("manual", folder)
    made = make_manual(setup)
    order = Order("key-1", "edge", {"text": "Pull the plug"}, "manual")
    bad = Order("key-9", "edge", {"text": "Dance"}, "manual")
    made.tasks.put(_declined(bad))
    made.tasks.answer(bad.key, "declined", person="ada", answer="no")

    def answer(actuator: Any) -> None:
        for task in actuator.tasks.all():
            if task.state == "open":
                actuator.tasks.answer(task.key, "done", person="ada", answer="pulled")

    yield World(
        lambda: make_manual(setup), order, lambda: sum(t.state == "done" for t in made.tasks.all()), bad, answer
    )


@contextmanager
def router(folder: Path) -> Iterator[World]:
    """All of them behind one door; here the one of bash, and a type without an actuator."""
    with bash(folder) as world:
        bad = Order("key-9", "edge", {"text": "rule"}, "sigma")
        yield World(lambda: Router({"bash": world.make()}), world.order, world.changes, bad)


def _declined(order: Order) -> Any:
    from tocsin.orchestrator.actuators.manual import Task

    return Task(order.key, order.owner, str(order.command["text"]), {}, 4e9)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _count(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


WORLDS = {made.__name__: made for made in (openc2, packet_filter, http_api, bash, ssh, manual, router)}
