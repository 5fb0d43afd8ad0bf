"""Long lists in a real kernel: what is told in part is what stands, and what an owner lifts is gone."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tocsin.orchestrator.enforcement.rules import Flow, Rule, key_of
from tocsin.orchestrator.enforcement.store import RuleStore, read_rules
from tocsin.orchestrator.range.machine import call, lacking
from tocsin.tests.systems.real_filter import RealFilter

pytestmark = pytest.mark.systems
NAMESPACE = f"tf{os.getpid()}"
TOKENS = {"crowd": "token-of-the-crowd-0", "edge": "token-of-the-edge-00"}


@pytest.fixture
def netns() -> Iterator[str]:
    """A network namespace of this test alone."""
    reason = lacking()
    if reason:
        if os.environ.get("CI") == "true" and not reason.startswith("the kernel"):
            pytest.fail(f"no namespace: {reason}")
        pytest.skip(f"NO NAMESPACE, nothing real was tested: {reason}")
    call(["ip", "netns", "add", NAMESPACE])
    yield NAMESPACE
    call(["ip", "netns", "delete", NAMESPACE])


def listed(producers: dict[str, str]) -> str:
    """A token file that lets each producer decide on everything."""
    everywhere = ["0.0.0.0/0", "::/0"]
    return json.dumps([
        {"producer": name, "sha256": hashlib.sha256(token.encode()).hexdigest(), "addresses": everywhere}
        for name, token in producers.items()
    ])  # fmt: skip


@pytest.fixture
def wall(netns: str, tmp_path: Path) -> Iterator[RealFilter]:
    """An enforcement point that takes up a list of 300 rules of one producer."""
    found = RealFilter(tmp_path / "wall", netns, tokens=listed(TOKENS))
    found.folder.mkdir()
    store = RuleStore(found.folder / "state.db")
    with store.change():
        for number in range(1_000, 1_300):
            flow = Flow(4, src=f"10.{number // 256}.{number % 256}.1")
            store.add(Rule(number, "deny", (flow,), key=key_of("crowd", f"r{number}")))
    store.close()
    found.start()
    yield found
    found.stop()


def stands(netns: str) -> dict[str, list[str]]:
    """For each hook: the comments of all rules in the order in which a packet meets them, jumps followed."""
    text = subprocess.run(
        ["ip", "netns", "exec", netns, "nft", "-j", "list", "table", "inet", "tocsin"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    chains: dict[str, list[dict[str, Any]]] = {}
    for one in json.loads(text)["nftables"]:
        if "rule" in one:
            chains.setdefault(one["rule"]["chain"], []).append(one["rule"])

    def met(chain: str) -> list[str]:
        found: list[str] = []
        for rule in chains.get(chain, []):
            jumps = [part["jump"]["target"] for part in rule["expr"] if "jump" in part]
            found += met(jumps[0]) if jumps else [rule["comment"]]
        return [one for one in found if one != "management"]

    return {hook: met(hook) for hook in ("input", "forward", "output")}


def kept(wall: RealFilter) -> list[str]:
    """The same, as the state file says; one line a flow."""
    rules = read_rules(wall.folder / "state.db")
    return [f"rule {rule.number}" for rule in rules for _ in rule.flows]


def test_the_kernel_holds_what_the_list_says_after_every_change(wall: RealFilter) -> None:
    """On top, in the middle, an allow between denies, another producer, a list that shrinks; after a crash, too."""
    crowd, edge = TOKENS["crowd"], TOKENS["edge"]
    assert set(map(tuple, stands(wall.netns).values())) == {tuple(kept(wall))}
    wall.filter("deny", {"ipv4_net": "10.99.0.1"}, token=crowd)
    wall.filter("allow", {"ipv4_net": "10.4.0.0/16"}, token=crowd, slpf={"insert_rule": 900})
    wall.filter("deny", {"ipv6_net": "fd77::1"}, token=edge)
    for number in (1_100, 1_101, 1_299):
        wall.delete(number, token=crowd)
    wall.filter("allow", {"ipv4_net": "10.4.76.1"}, token=crowd, slpf={"insert_rule": 1_100})
    assert set(map(tuple, stands(wall.netns).values())) == {tuple(kept(wall))} and len(kept(wall)) > 300
    wall.stop(signal.SIGKILL)
    wall.start()
    wall.delete(1_200, token=crowd)
    assert set(map(tuple, stands(wall.netns).values())) == {tuple(kept(wall))}


def test_what_others_do_to_the_table_is_mended_by_the_next_command(wall: RealFilter) -> None:
    """Somebody flushed the ruleset: the next command brings all of it back."""
    call(["ip", "netns", "exec", wall.netns, "nft", "flush", "ruleset"])
    wall.filter("deny", {"ipv4_net": "10.99.0.1"}, token=TOKENS["crowd"])
    assert set(map(tuple, stands(wall.netns).values())) == {tuple(kept(wall))}


def test_an_owner_lifts_what_a_producer_left_behind(wall: RealFilter) -> None:
    """The producer is no longer listed: its rules go, from file and kernel; those of others stay."""
    mine = wall.filter("deny", {"ipv4_net": "10.98.0.1"}, token=TOKENS["edge"])
    wall.stop()
    wall.tokens = listed({"edge": TOKENS["edge"]})
    wall.start()
    lift = [sys.executable, "-m", "tocsin", "actuator", "lift", "--state", str(wall.folder / "state.db"), "--json"]
    refused = subprocess.run([*lift, "--producer", "crowd"], capture_output=True, text=True, cwd="/")
    assert refused.returncode == 2 and "an actuator serves it" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1 and len(kept(wall)) == 302
    wall.stop()
    done = subprocess.run([*lift, "--producer", "crowd"], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0 and json.loads(done.stdout)["kernel"] is True
    assert len(json.loads(done.stdout)["rules"]) == 300
    assert stands(wall.netns)["forward"] == [f"rule {mine}"] * 2 == kept(wall)
    wall.start()
    wall.delete(mine, token=TOKENS["edge"])
    assert stands(wall.netns)["forward"] == []


KILLED_AFTER_THE_KERNEL = """
import os, signal, sys
from pathlib import Path
from tocsin.orchestrator.enforcement import lifting
from tocsin.orchestrator.enforcement.nft import run

def once(commands, place):
    run(commands, place)
    os.kill(os.getpid(), signal.SIGKILL)

lifting.run = once
lifting.lift(Path(sys.argv[1]), "crowd")
"""


@pytest.mark.parametrize("then", ["lift", "start"])
def test_a_lift_that_was_killed_between_kernel_and_file_ends_whole(wall: RealFilter, then: str) -> None:
    """The kernel has it, the file has not: a second lift ends it, a start of the actuator takes it back."""
    wall.stop()
    words = [sys.executable, "-c", KILLED_AFTER_THE_KERNEL, str(wall.folder / "state.db")]
    assert subprocess.run(words, check=False, cwd="/").returncode == -signal.SIGKILL
    assert stands(wall.netns)["forward"] == [] and len(kept(wall)) == 300
    if then == "start":
        wall.start()
        assert stands(wall.netns)["forward"] == kept(wall) and len(kept(wall)) == 300
        return
    lift = [sys.executable, "-m", "tocsin", "actuator", "lift", "--state", str(wall.folder / "state.db"), "--json"]
    done = subprocess.run([*lift, "--producer", "crowd"], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0 and len(json.loads(done.stdout)["rules"]) == 300
    assert stands(wall.netns)["forward"] == [] == kept(wall)


def test_a_lift_from_a_file_that_is_used_no_more_touches_no_table_of_another(wall: RealFilter) -> None:
    """The owner began a new state file, and names the old one: the table that stands is left as it is."""
    wall.stop()
    old = wall.folder / "old.db"
    RuleStore(wall.folder / "state.db").close()  # what it wrote last goes from its log into the file
    (wall.folder / "state.db").rename(old)
    wall.start()
    mine = wall.filter("deny", {"ipv4_net": "10.98.0.1"}, token=TOKENS["edge"])
    lift = [sys.executable, "-m", "tocsin", "actuator", "lift", "--state", str(old), "--producer", "crowd"]
    refused = subprocess.run(lift, capture_output=True, text=True, cwd="/")
    assert refused.returncode == 2 and "from another state file" in refused.stderr and len(read_rules(old)) == 300
    assert stands(wall.netns)["forward"] == [f"rule {mine}"] * 2
