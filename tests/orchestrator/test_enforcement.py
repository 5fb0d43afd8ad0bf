"""The enforcement point: what commands make of the list of rules, and what the kernel is told of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tocsin.orchestrator.enforcement.commands import actuator
from tocsin.orchestrator.enforcement.kernel import Lists
from tocsin.orchestrator.enforcement.names import MapError, NameMap, read_map
from tocsin.orchestrator.enforcement.nft import NftError, Place, transaction
from tocsin.orchestrator.enforcement.point import EnforcementPoint
from tocsin.orchestrator.enforcement.reach import EVERYWHERE
from tocsin.orchestrator.enforcement.rules import Flow, Rule, key_of
from tocsin.orchestrator.enforcement.serving import InUse, take
from tocsin.orchestrator.enforcement.store import RuleStore, StoreError
from tocsin.orchestrator.enforcement.tokens import TokenFileError, read_token_file
from tocsin.orchestrator.openc2.consumer import Asked
from tocsin.orchestrator.openc2.language import Language, Response, read_command
from tocsin.orchestrator.openc2.reading import OpenC2Error
from tocsin.orchestrator.openc2.tocsin_profile import normalised
from typer.testing import CliRunner

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


@pytest.fixture
def names(tmp_path: Path) -> NameMap:
    path = tmp_path / "names.json"
    path.write_text(json.dumps(NAMES))
    return read_map(path)


def bench_on(store: RuleStore, names: NameMap | None = None, *, write: Any = None, **settings: Any) -> Bench:
    kernel = Kernel()
    reaches = dict.fromkeys(("node", "a", "b", "a b"), EVERYWHERE)
    bench = Bench(EnforcementPoint(store, write or kernel.write, names or NameMap(), reaches, **settings), kernel)
    bench.point.clock = lambda: bench.now
    bench.point.start()
    return bench


@pytest.fixture
def bench(names: NameMap) -> Bench:
    return bench_on(RuleStore(), names)


def tocsin(action: str, target: dict[str, str], *, response: str = "r-1", undo: bool = False) -> dict[str, Any]:
    args = {**COMPLETE, "x-tocsin": {"playbook": "playbook--1", "response": response, "undo": undo}}
    return {"action": action, "target": target, "args": args}


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


def test_times_become_matches_of_the_kernel(bench: Bench) -> None:
    """Start and stop in whole seconds, outwards; a rule that would be over is refused."""
    bench.send({**NET, "args": {**COMPLETE, "start_time": 1_000_500, "duration": 1_700}})
    chains = told(bench.kernel.rules)["forward"]
    times = [match["match"] for match in chains[0] if match.get("match", {}).get("left") == {"meta": {"key": "time"}}]
    assert [(one["op"], one["right"]) for one in times] == [(">=", 1_000), ("<", 1_003)]
    with pytest.raises(OpenC2Error, match="over already"):
        bench.send({**NET, "args": {**COMPLETE, "stop_time": 999_000}})


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


def test_directions_are_seen_from_the_inside() -> None:
    """Ingress: to this machine, and what is forwarded inwards; egress the other way; local: this machine alone."""
    flow = (Flow(4, src="10.0.0.1"),)
    assert set(told([Rule(1, "deny", flow)])) == {"input", "forward", "output"}
    inside = told([Rule(1, "deny", flow, "ingress")], inside=("lan0",))
    assert set(inside) == {"input", "forward"}
    assert inside["forward"][0][0]["match"] == {
        "op": "!=",
        "left": {"meta": {"key": "iifname"}},
        "right": {"set": ["lan0"]},
    }
    assert set(told([Rule(1, "deny", flow, "egress")], inside=("local",))) == {"output"}


def test_the_way_back_stays_open() -> None:
    """The port that takes the undo comes before every producer's list, at input and output."""
    first = {}
    for command in transaction({"": [Rule(1, "deny", (Flow(4),))]}, Place(management=8450))["nftables"]:
        rule = command.get("add", {}).get("rule")
        if rule:
            first.setdefault(rule["chain"], []).append(rule["comment"])
    assert first["input"] == ["management", "management", "producer"] == first["output"]
    assert first["forward"] == ["producer"] and first["forward_1"] == ["rule 1"]


HASH = "0123456789abcdef" * 4


def listed(*entries: tuple[str, ...]) -> str:
    """A token file: (producer, hash, addresses...)."""
    return json.dumps([{"producer": one, "sha256": two, "addresses": rest} for one, two, *rest in entries])


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    """Tokens, names, state: one line each, and no token in it."""
    path = tmp_path / "file"
    for content in (
        "",
        "short",
        '{"a": "0123456789abcdef"}',
        "[]",
        "[7]",
        "[",
        listed(("a", HASH, "10.0.0.1/8")),
        listed(("a", HASH, "nowhere")),
        listed(("a", HASH), ("b", HASH)),
        listed(("a", HASH), ("a", HASH[::-1], "10.0.0.0/8")),
        listed(("a b", HASH)),
        listed(("a", "0123456789abcdef")),
    ):
        path.write_text(content)
        with pytest.raises(TokenFileError) as fault:
            read_token_file(path)
        assert "0123456789abcdef" not in str(fault.value) and len(str(fault.value).splitlines()) == 1
    for content in ("[1]", "assets: {a: []}", "assets: {a: [nowhere]}", "{", "assets: {a: [10.0.0.1]}\n---\n{}"):
        path.write_text(content)
        with pytest.raises(MapError):
            read_map(path)
    path.write_text("no database, but long enough to be taken for a file of some kind" * 20)
    with pytest.raises(StoreError):
        RuleStore(path)


def test_one_state_is_served_by_one_process(tmp_path: Path) -> None:
    """A second one is told, and the lock goes with its holder."""
    lock = take(tmp_path / "state.db")
    with pytest.raises(InUse, match="another actuator"):
        take(tmp_path / "state.db")
    lock.close()
    take(tmp_path / "state.db").close()
    with pytest.raises(StoreError, match="folder"):
        take(tmp_path / "no" / "state.db")


def test_rules_are_listed(tmp_path: Path) -> None:
    """`tocsin actuator rules` reads the state file."""
    store = RuleStore(tmp_path / "state.db")
    with store.change():
        store.add(Rule(7, "deny", (Flow(6, dst="fd77::/64", dport=22),), key=key_of("edge", "r"), subject=WEB))
    store.close()
    shown = CliRunner().invoke(actuator, ["rules", "--state", str(tmp_path / "state.db")])
    assert shown.output.split() == ["7", "edge", "deny", "any", "->", "fd77::/64:22", WEB]
    shown = CliRunner().invoke(actuator, ["rules", "--state", str(tmp_path / "state.db"), "--json"])
    told = json.loads(shown.output)[0]
    assert told["flows"][0]["dport"] == 22 and told["producer"] == "edge"
    assert isinstance(
        CliRunner().invoke(actuator, ["rules", "--state", str(tmp_path / "none.db")]).exception, ValueError
    )


@pytest.mark.parametrize("content", ["{}", "[]", "no JSON", '{"number": 1, "verb": "deny", "flows": [{"from": 1}]}'])
def test_a_file_of_others_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    """Listing writes nothing; another database, and a broken row, are one line."""
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE mine (x)")
    other.commit()
    before = path.read_bytes()
    shown = CliRunner().invoke(actuator, ["rules", "--state", str(path)])
    assert isinstance(shown.exception, StoreError) and path.read_bytes() == before
    other.execute("CREATE TABLE rules (number INTEGER PRIMARY KEY, content TEXT)")
    other.execute("INSERT INTO rules VALUES (1, ?)", (content,))
    other.commit()
    shown = CliRunner().invoke(actuator, ["rules", "--state", str(path)])
    assert isinstance(shown.exception, StoreError) and "is no rule" in str(shown.exception)
