"""Long lists at the packet filter: a change tells the kernel its part alone, and means what the whole would mean."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import product
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.orchestrator.enforcement import layout
from tocsin.orchestrator.enforcement.kernel import Kernel
from tocsin.orchestrator.enforcement.nft import NftError, Place
from tocsin.orchestrator.enforcement.rules import Flow, Rule, key_of
from tocsin.orchestrator.enforcement.store import RuleStore
from tocsin.tests.orchestrator.filter_bench import COMPLETE, NET, bench_on, by_producer
from tocsin.tests.orchestrator.test_enforcement_producers import FLOWS, HOSTS, _is_in, walked

PLACE = Place()
MAKERS = ("edge", "shop")


@dataclass
class Table:
    """What the kernel makes of transactions: all of one, or nothing; as strict as nft about what is there."""

    chains: dict[str, list[list[dict[str, Any]]]] = field(default_factory=dict)
    there: bool = False  # the table
    sent: list[int] = field(default_factory=list)  # commands of each transaction

    def send(self, transaction: dict[str, Any], _place: Place) -> None:
        commands = transaction["nftables"]
        self.sent.append(len(commands))
        chains, there = {name: list(lines) for name, lines in self.chains.items()}, self.there
        for command in commands:
            ((verb, given),) = command.items()
            ((what, content),) = given.items()
            if what == "table":
                chains, there = ({} if verb == "delete" else chains), verb == "add"
                continue
            if not there:
                raise NftError("no table")
            name = content["chain"] if what == "rule" else content["name"]
            if (verb, what) == ("add", "chain"):
                chains.setdefault(name, [])
                continue
            if name not in chains:
                raise NftError(f"no chain {name}")
            if what == "rule":
                targets = [one["jump"]["target"] for one in content["expr"] if "jump" in one]
                if any(target not in chains for target in targets):
                    raise NftError(f"no chain {targets}")
                chains[name].append(content["expr"])
            elif verb == "flush":
                chains[name] = []
            else:
                used = {
                    one["jump"]["target"]
                    for lines in chains.values()
                    for line in lines
                    for one in line
                    if "jump" in one
                }
                if chains[name] or name in used:
                    raise NftError(f"chain {name} is in use")
                del chains[name]
        self.chains, self.there = chains, there


FLOW = Flow(4, src="10.9.0.1")


def rule(producer: str, number: int, verb: Any = "deny", flow: Flow = FLOW) -> Rule:
    return Rule(number, verb, (flow,), key=key_of(producer, str(number)))


STATES = st.lists(
    st.dictionaries(
        st.tuples(st.sampled_from(MAKERS), st.integers(1, 24)),
        st.tuples(st.sampled_from(["deny", "deny", "deny", "allow"]), FLOWS),
        max_size=14,
    ),
    min_size=1,
    max_size=5,
)


@given(STATES, st.integers(0, 5))
def test_a_change_told_in_part_is_the_same_as_the_whole(
    states: list[dict[tuple[str, int], tuple[Any, Flow]]], torn: int
) -> None:
    """List after list, blocks of three: a packet passes as if each list were walked top-down; lost knowledge heals."""
    table = Table()
    kernel = Kernel(PLACE, table.send)
    with patch.object(layout, "BLOCK", 3):
        for number, state in enumerate(states):
            rules = [rule(maker, one, verb, flow) for (maker, one), (verb, flow) in sorted(state.items())]
            if number == torn:
                table.chains, table.there = {}, False  # somebody flushed the ruleset: the next change brings all back
            kernel.write({maker: tuple(one) for maker, one in by_producer(rules).items()})
            for source, target in product(HOSTS, HOSTS) if table.there else ():
                firsts = [
                    next((one.verb for one in mine if _is_in(one.flows[0], source, target)), "allow")
                    for mine in by_producer(rules).values()
                ]
                assert walked(table.chains, source, target) == ("deny" not in firsts)


def test_a_change_in_a_long_list_tells_the_kernel_little() -> None:
    """A rule more or less among 3,000, at the top, in the middle, by another producer: hundreds of lines, not 9,000."""
    table = Table()
    kernel = Kernel(PLACE, table.send)
    many = tuple(rule("edge", number) for number in range(10_000, 13_000))
    kernel.write({"edge": many})
    assert table.sent.pop() > 9_000
    for lists in (
        {"edge": (rule("edge", 9_999), *many)},
        {"edge": many[:1_500] + many[1_501:]},
        {"edge": many, "shop": (rule("shop", 1),)},
        {"edge": many},
    ):
        kernel.write(lists)
        assert 0 < table.sent.pop() < 600
        kernel.write({"edge": many})
    assert kernel.write({"edge": many}) is None and len(table.sent) <= 4


def test_one_with_thousands_of_rules_slows_no_other() -> None:
    """A command of another takes at most five times what it takes alone, in one run, with the lists in memory."""

    def took(store: RuleStore) -> float:
        table = Table()
        bench = bench_on(store, write=Kernel(PLACE, table.send).write)
        bench.send(NET, producer="b")
        times = []
        for _ in range(20):
            began = time.perf_counter()
            number = bench.send(NET, producer="b").results["slpf"]["rule_number"]
            bench.send({"action": "delete", "target": {"slpf:rule_number": number}, "args": COMPLETE}, producer="b")
            times.append(time.perf_counter() - began)
        return sorted(times)[10]

    crowded = RuleStore()
    with crowded.change():
        for number in range(3_000):
            crowded.add(rule("a", 20_000 + number))
    assert took(crowded) < 5 * took(RuleStore()) + 0.005


def test_numbers_are_each_producers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two may have the same; one that used all of its own up stops alone, and its owner lets them begin anew."""
    monkeypatch.setattr("tocsin.orchestrator.enforcement.rules.TOP", 3)
    monkeypatch.setattr("tocsin.orchestrator.enforcement.store.TOP", 3)
    bench = bench_on(RuleStore())

    def deny(producer: str, **args: Any) -> Any:
        command = {**NET, "args": {**COMPLETE, **args}}
        return bench.send(command, producer=producer).results["slpf"]["rule_number"]

    delete = {"action": "delete", "target": {"slpf:rule_number": 3}, "args": COMPLETE}
    for number in (3, 2, 1):
        assert deny("a") == number
    bench.send(delete, producer="a")
    with pytest.raises(ValueError, match="no rule numbers of this producer"):
        deny("a")
    assert deny("b") == 3 and deny("b", slpf={"insert_rule": 2}) == 2
    with bench.point.store.change():
        bench.point.store.forget("a")
    assert deny("a") == 3 and [one.number for one in bench.point.store.of("b")] == [2, 3]
