"""What nftables is told of rules: times, directions, and the way back that stays open."""

from __future__ import annotations

import pytest
from tocsin.orchestrator.enforcement.nft import Place, transaction
from tocsin.orchestrator.enforcement.rules import Flow, Rule
from tocsin.orchestrator.enforcement.store import RuleStore
from tocsin.orchestrator.openc2.reading import OpenC2Error
from tocsin.tests.orchestrator.filter_bench import (
    COMPLETE,
    NET,
    bench_on,
    told,
)


def test_times_become_matches_of_the_kernel() -> None:
    """Start and stop in whole seconds, outwards; a rule that would be over is refused."""
    bench = bench_on(RuleStore())
    bench.send({**NET, "args": {**COMPLETE, "start_time": 1_000_500, "duration": 1_700}})
    chains = told(bench.kernel.rules)["forward"]
    times = [match["match"] for match in chains[0] if match.get("match", {}).get("left") == {"meta": {"key": "time"}}]
    assert [(one["op"], one["right"]) for one in times] == [(">=", 1_000), ("<", 1_003)]
    with pytest.raises(OpenC2Error, match="over already"):
        bench.send({**NET, "args": {**COMPLETE, "stop_time": 999_000}})


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
