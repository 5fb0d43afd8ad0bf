"""An enforcement point on a kernel that only remembers; what tests send to it, and what the kernel is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tocsin.orchestrator.enforcement.kernel import Lists
from tocsin.orchestrator.enforcement.names import NameMap
from tocsin.orchestrator.enforcement.nft import NftError, Place, transaction
from tocsin.orchestrator.enforcement.point import EnforcementPoint
from tocsin.orchestrator.enforcement.reach import EVERYWHERE
from tocsin.orchestrator.enforcement.rules import Rule
from tocsin.orchestrator.enforcement.store import RuleStore
from tocsin.orchestrator.openc2.consumer import Asked
from tocsin.orchestrator.openc2.language import Language, Response, read_command
from tocsin.orchestrator.openc2.tocsin_profile import normalised

COMPLETE = {"response_requested": "complete"}
NET = {"action": "deny", "target": {"ipv4_net": "10.0.0.0/8"}, "args": COMPLETE}
WEB, DB = "shop/host/web", "cloud/host/db"
NAMES = {"assets": {WEB: ["10.77.1.2", "fd77:1::2"], DB: ["10.77.2.2"]}}


@dataclass
class Kernel:
    """What the kernel holds; says no when told to."""

    rules: list[Rule] = field(default_factory=list)
    writes: int = 0
    refuses: bool = False

    def write(self, lists: Lists) -> None:
        if self.refuses:
            raise NftError("no")
        self.rules, self.writes = [rule for rules in lists.values() for rule in rules], self.writes + 1


@dataclass
class Bench:
    """An enforcement point on a kernel of its own."""

    point: EnforcementPoint
    kernel: Kernel
    now: float = 1_000.0
    count: int = 0

    def send(self, command: dict[str, Any], key: str = "", producer: str = "node") -> Response:
        self.count += 1
        read = read_command(normalised(command), Language(self.point.profiles))
        return self.point.carry_out(Asked(read, producer, key or str(self.count)))

    def number(self, command: dict[str, Any]) -> int:
        return int(self.send(command).results["slpf"]["rule_number"])


def bench_on(store: RuleStore, names: NameMap | None = None, *, write: Any = None, **settings: Any) -> Bench:
    kernel = Kernel()
    reaches = dict.fromkeys(("node", "a", "b", "a b"), EVERYWHERE)
    bench = Bench(EnforcementPoint(store, write or kernel.write, names or NameMap(), reaches, **settings), kernel)
    bench.point.clock = lambda: bench.now
    bench.point.start()
    return bench


def tocsin(action: str, target: dict[str, str], *, response: str = "r-1", undo: bool = False) -> dict[str, Any]:
    args = {**COMPLETE, "x-tocsin": {"playbook": "playbook--1", "response": response, "undo": undo}}
    return {"action": action, "target": target, "args": args}


def by_producer(rules: Sequence[Rule]) -> dict[str, list[Rule]]:
    """Each list top-down."""
    return {
        maker: sorted((rule for rule in rules if rule.producer == maker), key=lambda rule: rule.number)
        for maker in {rule.producer for rule in rules}
    }


def told(rules: Sequence[Rule], **place: Any) -> dict[str, list[list[dict[str, Any]]]]:
    """The expressions by hook that the kernel is told for rules (not for the way back)."""
    chains: dict[str, list[list[dict[str, Any]]]] = {}
    for command in transaction(by_producer(rules), Place(**place))["nftables"]:
        rule = command.get("add", {}).get("rule")
        if rule and rule["comment"] not in ("management", "producer"):
            chains.setdefault(rule["chain"].partition("_")[0], []).append(rule["expr"])
    return chains
