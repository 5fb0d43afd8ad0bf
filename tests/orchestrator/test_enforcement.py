"""The enforcement point: what commands make of the list of rules, and what the kernel is told of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tocsin.orchestrator.enforcement.names import NameMap, read_map
from tocsin.orchestrator.enforcement.rules import Flow
from tocsin.orchestrator.enforcement.store import RuleStore, StoreError
from tocsin.orchestrator.openc2.reading import OpenC2Error
from tocsin.tests.orchestrator.filter_bench import (
    COMPLETE,
    DB,
    NAMES,
    NET,
    WEB,
    Bench,
    bench_on,
    tocsin,
)


@pytest.fixture
def names(tmp_path: Path) -> NameMap:
    path = tmp_path / "names.json"
    path.write_text(json.dumps(NAMES))
    return read_map(path)


@pytest.fixture
def bench(names: NameMap) -> Bench:
    return bench_on(RuleStore(), names)


def test_a_range_is_source_or_destination(bench: Bench) -> None:
    """Packet filter 2.3.1.3: both, whatever the direction."""
    number = bench.number(NET)
    assert bench.kernel.rules[0].number == number
    assert bench.kernel.rules[0].flows == (Flow(4, src="10.0.0.0/8"), Flow(4, dst="10.0.0.0/8"))


def test_the_newest_rule_is_on_top(bench: Bench) -> None:
    """Allow counteracts an earlier deny; the list is read from the lowest number."""
    deny, allow = bench.number(NET), bench.number({**NET, "action": "allow"})
    assert allow < deny and [rule.verb for rule in bench.kernel.rules] == ["allow", "deny"]


def test_a_rule_goes_by_its_number(bench: Bench) -> None:
    """Delete takes it away; a second time there is none; its number is not given again."""
    number = bench.number(NET)
    delete = {"action": "delete", "target": {"slpf:rule_number": number}, "args": COMPLETE}
    assert bench.send(delete).status == 200 and not bench.kernel.rules
    with pytest.raises(OpenC2Error, match="not removed") as fault:
        bench.send(delete)
    assert fault.value.status == 404 and bench.number(NET) == number - 1


def test_a_number_of_the_producer_is_taken_or_refused(bench: Bench) -> None:
    """insert_rule: assigned; in use: 501, as 2.3.1 says; out of range: 400."""
    ask = {**NET, "args": {**COMPLETE, "slpf": {"insert_rule": 7}}}
    assert bench.number(ask) == 7
    with pytest.raises(OpenC2Error, match="Rule number currently in use") as fault:
        bench.send(ask)
    assert fault.value.status == 501
    with pytest.raises(OpenC2Error, match="a rule number is"):
        bench.send({**NET, "args": {**COMPLETE, "slpf": {"insert_rule": -1}}})


@pytest.mark.parametrize("args", [{"drop_process": "false_ack"}, {"direction": "ingress"}])
def test_an_option_that_cannot_be_kept_is_not_said_to_be_kept(bench: Bench, args: dict[str, str]) -> None:
    """501, "Option not supported", and no rule."""
    with pytest.raises(OpenC2Error, match="Option not supported") as fault:
        bench.send({**NET, "args": {**COMPLETE, "slpf": args}})
    assert fault.value.status == 501 and not bench.kernel.rules


def test_ports_of_icmp_are_a_bad_request(bench: Bench) -> None:
    """It has none."""
    with pytest.raises(OpenC2Error, match="icmp has no ports"):
        bench.send({**NET, "target": {"ipv4_connection": {"protocol": "icmp", "dst_port": 1}}})


def test_one_request_makes_one_rule(bench: Bench) -> None:
    """Also where the consumer lost its own memory: the point knows the key."""
    assert bench.send(NET, "k") == bench.send(NET, "k")
    assert len(bench.kernel.rules) == 1


def test_what_the_kernel_refuses_is_not_kept(bench: Bench) -> None:
    """500, and the list is as it was; the same request succeeds later."""
    bench.kernel.refuses = True
    with pytest.raises(OpenC2Error, match="Rule not updated") as fault:
        bench.send(NET, "k")
    bench.kernel.refuses = False
    assert fault.value.status == 500 and not bench.point.store.rules()
    assert bench.send(NET, "k").status == 200 and len(bench.kernel.rules) == 1


class FullDisk(RuleStore):
    """A store whose transactions cannot be kept while its disk is full."""

    full = False

    @contextmanager
    def change(self) -> Iterator[None]:
        with super().change():
            yield
            if self.full:
                raise StoreError("the state file: database or disk is full")


def test_what_cannot_be_kept_is_taken_out_of_the_kernel_again(names: NameMap) -> None:
    """500, and kernel and list agree; the same request succeeds once there is room."""
    store = FullDisk()
    bench = bench_on(store, names)
    first = bench.number(NET)
    store.full = True
    with pytest.raises(OpenC2Error, match="disk is full") as fault:
        bench.send(NET, "k")
    assert fault.value.status == 500 and [rule.number for rule in bench.kernel.rules] == [first]
    store.full = False
    assert bench.send(NET, "k").status == 200 and len(bench.kernel.rules) == 2


def test_rules_outlive_a_restart_unless_told_otherwise(names: NameMap, tmp_path: Path) -> None:
    """Persistent ones stand again, in order; others and those that are over are gone; numbers go on."""
    first = bench_on(RuleStore(tmp_path / "state.db"), names)
    kept = first.number(NET)
    first.number({**NET, "args": {**COMPLETE, "slpf": {"persistent": False}}})
    last = first.number({**NET, "args": {**COMPLETE, "duration": 60_000}})
    first.point.store.close()
    second = bench_on(RuleStore(tmp_path / "state.db"), names)
    assert [rule.number for rule in second.kernel.rules] == [last, kept]
    second.now += 61
    assert second.send(NET, "new").results == {"slpf": {"rule_number": last - 1}}
    assert [rule.number for rule in second.kernel.rules] == [last - 1, kept]


@pytest.mark.parametrize(
    "times", [{"stop_time": 18_446_744_074_000_000}, {"start_time": 9_223_372_037_000}, {"duration": 9_223_372_036_000}]
)
def test_a_time_that_the_kernel_cannot_count_is_refused(bench: Bench, times: dict[str, int]) -> None:
    """It would come out as one before 1970, and the rule would never hold."""
    with pytest.raises(OpenC2Error, match="later than") as fault:
        bench.send({**NET, "args": {**COMPLETE, **times}})
    assert fault.value.status == 400 and not bench.kernel.rules


ORDERS = (("contain", False), ("allow", True))


def test_a_rule_is_lifted_only_by_the_producer_that_made_it(bench: Bench) -> None:
    """An undo of another is a 403, a number that is not its own a 404, and all stays; each lifts its own."""
    number = int(bench.send(NET, producer="a").results["slpf"]["rule_number"])
    bench.send(tocsin("contain", {"x-tocsin:asset": WEB}), producer="a")
    bench.send(tocsin("contain", {"x-tocsin:asset": WEB}, response="r-2"), producer="b")
    delete = {"action": "delete", "target": {"slpf:rule_number": number}, "args": COMPLETE}
    release = tocsin("allow", {"x-tocsin:asset": WEB}, response="r-9")
    undo = tocsin("allow", {"x-tocsin:asset": WEB}, undo=True)
    for command, producer, status in ((delete, "c", 404), (undo, "b", 403), (release, "c", 403)):
        with pytest.raises(OpenC2Error, match="producer") as fault:
            bench.send(command, producer=producer)
        assert fault.value.status == status and len(bench.kernel.rules) == 3
    bench.send(release, producer="b")
    assert len(bench.kernel.rules) == 2
    for command in (delete, undo):
        bench.send(command, producer="a")
    assert not bench.kernel.rules


@pytest.mark.parametrize("first", ["a", "b"])
def test_two_that_hold_one_target_for_one_response_each_undo_their_own(bench: Bench, first: str) -> None:
    """In either order: neither waits for the other, and the target is free when both have."""
    contain, undo = (tocsin(action, {"x-tocsin:asset": WEB}, undo=undo) for action, undo in ORDERS)
    for producer in ("a", "b"):
        bench.send(contain, producer=producer)
    for producer in (first, "b" if first == "a" else "a"):
        assert bench.kernel.rules
        bench.send(undo, producer=producer)
    assert not bench.kernel.rules


def test_keys_of_two_producers_are_never_one(bench: Bench) -> None:
    """Wherever a space stands; and one key is one command."""
    bench.send(NET, "b c", producer="a")
    bench.send(NET, "c", producer="a b")
    assert len(bench.kernel.rules) == 2
    with pytest.raises(OpenC2Error, match="another command") as fault:
        bench.send({**NET, "target": {"ipv4_net": "10.1.0.0/16"}}, "c", producer="a b")
    assert fault.value.status == 400 and len(bench.kernel.rules) == 2


def test_an_asset_is_isolated_by_its_addresses_and_released(bench: Bench) -> None:
    """Both families, both ways; a release takes all that holds it."""
    bench.send(tocsin("contain", {"x-tocsin:asset": WEB}))
    assert {flow.src or flow.dst for flow in bench.kernel.rules[0].flows} == {"10.77.1.2", "fd77:1::2"}
    assert len(bench.kernel.rules[0].flows) == 4
    assert bench.send(tocsin("allow", {"x-tocsin:asset": WEB}, response="r-2")).status == 200
    assert not bench.kernel.rules


def test_an_undo_takes_back_what_its_own_response_holds(bench: Bench) -> None:
    """Two responses isolate; the undo of one leaves the other's, and a repeated undo takes nothing more."""
    bench.send(tocsin("contain", {"x-tocsin:asset": WEB}, response="r-1"))
    bench.send(tocsin("contain", {"x-tocsin:asset": WEB}, response="r-2"))
    for _ in range(2):
        bench.send(tocsin("allow", {"x-tocsin:asset": WEB}, response="r-1", undo=True))
        assert [rule.response for rule in bench.kernel.rules] == ["r-2"]
    asked = bench.send({"action": "query", "target": {"x-tocsin:asset": WEB}})
    assert asked.results == {"x-tocsin": {"rules": [bench.kernel.rules[0].number]}}


def test_a_link_is_cut_between_its_ends(bench: Bench) -> None:
    """One address family in common here, and the port of the link."""
    bench.send(tocsin("deny", {"x-tocsin:link": f"reaches {WEB} {DB} 22"}))
    assert bench.kernel.rules[0].flows == (Flow(4, "10.77.1.2/32", "10.77.2.2/32", dport=22),)
    bench.send(tocsin("allow", {"x-tocsin:link": f"reaches {WEB} {DB} 22"}, undo=True))
    assert not bench.kernel.rules


def test_the_older_form_of_our_target_is_understood(bench: Bench) -> None:
    """Playbooks that write x-tocsin: {asset: ...} mean the same."""
    bench.send(tocsin("contain", {"x-tocsin": {"asset": WEB}}))  # type: ignore[dict-item]
    assert bench.kernel.rules[0].subject == WEB


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ({"x-tocsin:asset": "shop/host/other"}, 404),
        ({"x-tocsin:link": f"reaches {WEB} shop/host/other 22"}, 404),
        ({"x-tocsin:link": f"{WEB} {DB}"}, 400),
        ({"x-tocsin:link": f"reaches {WEB} {DB} 99999"}, 400),
    ],
)
def test_names_that_are_not_in_the_map_are_not_acted_on(bench: Bench, target: dict[str, str], status: int) -> None:
    """No guessing of addresses."""
    with pytest.raises(OpenC2Error) as fault:
        bench.send(tocsin("contain" if "x-tocsin:asset" in target else "deny", target))
    assert fault.value.status == status and not bench.kernel.rules
