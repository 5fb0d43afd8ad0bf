"""Detectors conclude from features, remember a little, and learn nothing from traffic."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.twin.graph import Asset, Link, Owner, Twin
from tocsin.twin.sensing import detectors
from tocsin.twin.sensing.detector_rules import RULES
from tocsin.twin.sensing.detectors import DetectorState, baseline_of, detect, initial_state
from tocsin.twin.sensing.events import Event, EventClass
from tocsin.twin.sensing.findings import Finding, FindingError, from_ocsf, independent_sources, to_ocsf
from tocsin.twin.vocabulary import AssetKind, Confidence, LinkKind, SensorClass, StepClass

WEB, GATE, OPS, CHARGER = "shop/host/web", "shop/host/gate", "shop/identity/ops", "shop/process/charger"
STRANGER = "203.0.113.9"


@pytest.fixture
def state() -> DetectorState:
    assets = [
        Asset(WEB, AssetKind.HOST, "shop", "web"),
        Asset(GATE, AssetKind.HOST, "shop", "gate"),
        Asset(OPS, AssetKind.IDENTITY, "shop", "ops"),
        Asset(CHARGER, AssetKind.PROCESS, "shop", "charger"),
        Asset("shop/segment/lan", AssetKind.SEGMENT, "shop", "lan"),
    ]
    links = [
        Link(LinkKind.REACHES, GATE, WEB, port=443),
        Link(LinkKind.REACHES, GATE, "shop/segment/lan"),
        Link(LinkKind.REACHES, "shop/segment/lan", CHARGER, port=502),
        Link(LinkKind.HOLDS_CREDENTIAL, GATE, OPS),
        Link(LinkKind.CAN_LOG_IN, OPS, WEB),
    ]
    return initial_state(Twin.build(owners=[Owner("shop")], assets=assets, links=links))


def make(kind: EventClass, activity: int = 1, *, at_s: float = 0, asset: str = WEB, **features: Any) -> Event:
    uid = f"{kind}-{at_s}-{sorted(features.items())}"
    return Event(uid, kind, activity, round(at_s * 1000), asset, "shop", "sensor", **features)


def found(events: Sequence[Event], state: DetectorState) -> list[tuple[SensorClass, StepClass, Confidence]]:
    return [(one.sensor, one.step_class, one.confidence) for one in detect(events, state)[0]]


N, H, A, P = SensorClass.NETWORK, SensorClass.HOST, SensorClass.AUTHENTICATION, SensorClass.CONTROL
LOW, MEDIUM, HIGH = Confidence.LOW, Confidence.MEDIUM, Confidence.HIGH
K = EventClass
CASES: list[tuple[Event, Any]] = [
    (make(K.HTTP, url="/?q=${jndi:ldap://x}"), (N, StepClass.EXPLOIT, LOW)),
    (make(K.HTTP, url="/?q=${jndi:ldap://x}", http_code=500), (N, StepClass.EXPLOIT, MEDIUM)),
    (make(K.HTTP, url="/item?q=shoes"), None),
    (make(K.NETWORK, 6, source=STRANGER, destination=WEB, port=22), (N, StepClass.VALID_ACCOUNT, MEDIUM)),
    (make(K.NETWORK, 6, source=GATE, destination=WEB, port=443), None),
    (make(K.NETWORK, 6, source=GATE, destination=WEB, port=6443), (N, StepClass.TRUST, LOW)),
    (
        make(K.NETWORK, 6, source=WEB, destination=STRANGER, port=443, bytes_out=2 * 10**9),
        (N, StepClass.COLLECTION, HIGH),
    ),
    (make(K.NETWORK, 6, source=GATE, destination=WEB, port=443, packets=200_000), (N, StepClass.IMPACT, LOW)),
    (make(K.PROCESS, process="sh", parent="java", command="sh"), (H, StepClass.EXPLOIT, LOW)),
    (make(K.PROCESS, process="sh", parent="cron", command="sh"), None),
    (make(K.PROCESS, process="bash", parent="sshd", command="whoami"), (H, StepClass.VALID_ACCOUNT, LOW)),
    (make(K.PROCESS, process="bash", parent="sshd", command="make"), None),
    (make(K.FILE, 2, path="/etc/shadow", parent="bash"), (H, StepClass.CREDENTIAL_ACCESS, MEDIUM)),
    (make(K.FILE, 2, path="/etc/shadow", parent="sshd"), None),
    (
        make(K.PROCESS, process="x", parent="app", actor="app", user="root", privileged=True),
        (H, StepClass.PRIVILEGE_ESCALATION, LOW),
    ),
    (make(K.PROCESS, process="x", parent="sudo", actor="app", user="root", privileged=True), None),
    (make(K.API, operation="containers/create", source=WEB, flags=("privileged",)), (H, StepClass.ESCAPE, MEDIUM)),
    (make(K.API, operation="containers/create", source=GATE), None),
    (make(K.PROCESS, process="sh", parent="kubelet"), (H, StepClass.TRUST, LOW)),
    (make(K.FILE, 1, path="/etc/cron.d/a", parent="python3"), (H, StepClass.PERSISTENCE, LOW)),
    (make(K.FILE, 1, path="/etc/cron.d/a", parent="dpkg"), None),
    (make(K.PROCESS, process="tar", command="tar /tmp/o"), (H, StepClass.COLLECTION, LOW)),
    (make(K.FILE, 5, path="/srv/a.locked", count=5_000), (H, StepClass.IMPACT, HIGH)),
    (make(K.FILE, 5, path="/srv/a", count=3), None),
    (make(K.PROCESS, process="x", process_path="/dev/shm/.x"), (H, StepClass.PRESENCE, MEDIUM)),
    (make(K.AUTHENTICATION, user=OPS, source=STRANGER), (A, StepClass.VALID_ACCOUNT, LOW)),
    (make(K.AUTHENTICATION, user=OPS, source=GATE), None),
    (make(K.AUTHENTICATION, user=OPS, source=STRANGER, logon_type=5), (A, StepClass.TRUST, MEDIUM)),
    (make(K.AUTHENTICATION, success=False, source=STRANGER, count=6), (A, StepClass.CREDENTIAL_ACCESS, LOW)),
    (make(K.ACCOUNT, user="new", actor=WEB, privileged=True), (A, StepClass.PERSISTENCE, LOW)),
    (
        make(K.PROCESS_CONTROL, asset=CHARGER, source=GATE, value=50.0, low=0.0, high=100.0),
        None,
    ),
    (
        make(K.PROCESS_CONTROL, asset=CHARGER, source=GATE, value=120.0, low=0.0, high=100.0),
        (P, StepClass.IMPACT, LOW),
    ),
    (
        make(K.PROCESS_CONTROL, asset=CHARGER, source=WEB, value=200.0, low=0.0, high=100.0),
        (P, StepClass.IMPACT, HIGH),
    ),
]


@pytest.mark.parametrize(("event", "expected"), CASES)
def test_one_event_is_judged_by_its_features(state: DetectorState, event: Event, expected: Any) -> None:
    """Each rule fires on its condition with its confidence, and keeps quiet on ordinary work like it."""
    assert found([event], state) == ([] if expected is None else [expected])


def calls(count: int, *, source: str = GATE, packets: int = 2, every_s: float = 1.0, first: int = 0) -> list[Event]:
    """Connections of one source to ports of the web host, one after another."""
    return [
        make(K.NETWORK, 6, at_s=row * every_s, source=source, destination=WEB, port=8000 + first + row, packets=packets)
        for row in range(count)
    ]


def test_a_scan_is_many_ports_of_one_asset_tried_by_one_source(state: DetectorState) -> None:
    """Eight within the window, unused; not fewer, not used ones, not by two, not over half an hour."""
    assert found(calls(8), state) == [(N, StepClass.DISCOVERY, LOW)]
    assert found(calls(8, source=STRANGER), state) == [(N, StepClass.DISCOVERY, MEDIUM)]
    for quiet in (calls(7), calls(8, packets=20), calls(8, every_s=200.0), calls(4) + calls(4, source=OPS, first=4)):
        assert found(quiet, state) == []


def test_a_port_that_is_tried_and_not_used_is_no_login(state: DetectorState) -> None:
    """Two packets to the port of ssh are a probe, twenty a session."""
    probe, session = (make(K.NETWORK, 6, source=GATE, destination=WEB, port=22, packets=packets) for packets in (2, 20))
    assert found([probe], state) == [] and found([session], state) == [(N, StepClass.VALID_ACCOUNT, LOW)]


def beat(gaps: Sequence[float]) -> list[Event]:
    times = [sum(gaps[:i]) for i in range(len(gaps) + 1)]
    return [make(K.NETWORK, 6, at_s=t, source=WEB, destination=STRANGER, port=443) for t in times]


def test_regular_calls_are_told_from_irregular_ones(state: DetectorState) -> None:
    """Five calls at even intervals to a stranger are a beacon, uneven ones are not."""
    assert found(beat([10, 10, 10, 10]), state) == [(N, StepClass.PRESENCE, MEDIUM)]
    assert found(beat([10, 90, 3, 40]), state) == []


def test_memory_reaches_over_batches_and_ends(state: DetectorState) -> None:
    """Failures of an earlier batch count, those of longer ago do not."""

    def fail(at_s: float) -> Event:
        return make(K.AUTHENTICATION, at_s=at_s, success=False, source=STRANGER, user=OPS, count=3)

    findings, after = detect([fail(0)], state)
    assert findings == []
    assert found([fail(60)], after) == [(A, StepClass.CREDENTIAL_ACCESS, LOW)]
    assert found([fail(1_000)], after) == []


def test_a_ticket_seen_at_a_second_place_is_odd(state: DetectorState) -> None:
    """The place seen first stays usual for ten minutes."""
    tickets = [make(K.AUTHENTICATION, 4, at_s=i, user=OPS, source=s) for i, s in enumerate((GATE, STRANGER, GATE))]
    assert found(tickets, state) == [(A, StepClass.PRESENCE, MEDIUM)]


def test_a_process_that_disobeys_is_told(state: DetectorState) -> None:
    """A measurement is compared with the last command."""
    told = make(K.PROCESS_CONTROL, 1, asset=CHARGER, source=GATE, value=50.0, low=0.0, high=100.0)
    shown = make(K.PROCESS_CONTROL, 2, at_s=5, asset=CHARGER, source=CHARGER, value=70.0, low=0.0, high=100.0)
    assert found([told, shown], state) == [(P, StepClass.PRESENCE, LOW)]


def test_nothing_is_learned_from_traffic(state: DetectorState) -> None:
    """A logon repeated for days stays unusual: an attacker could teach it."""
    for day in range(5):
        findings, state = detect([make(K.AUTHENTICATION, at_s=day * 86_400, user=OPS, source=STRANGER)], state)
        assert len(findings) == 1


def test_one_batch_gives_one_finding_per_rule_and_asset(state: DetectorState) -> None:
    """With the best confidence and all evidence."""
    events = [make(K.PROCESS, at_s=i, process="sh", parent="java", command="curl" * (i % 2)) for i in range(4)]
    [finding] = detect(events, state)[0]
    assert (finding.confidence, finding.evidence) == (MEDIUM, tuple(one.uid for one in events))


def test_a_forged_time_makes_only_its_owners_memory_forget(state: DetectorState) -> None:
    """An event from the far future, posted by another owner, wipes nothing of this one's."""
    failures = make(K.AUTHENTICATION, success=False, source=STRANGER, user=OPS, count=3)
    late = dataclasses.replace(failures, uid="late", asset="edge/host/gw", owner="edge", time_ms=4 * 10**12)
    _, after = detect([failures, late], state)
    again = dataclasses.replace(failures, uid="again", time_ms=60_000)
    assert found([again], after) == [(A, StepClass.CREDENTIAL_ACCESS, LOW)]


def test_memory_is_bounded(state: DetectorState, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of subjects forgets its sender's stalest."""
    monkeypatch.setattr(detectors, "SUBJECTS", 10)
    flood = [make(K.AUTHENTICATION, at_s=i, success=False, source=f"s{i}") for i in range(50)]
    _, after = detect(flood, state)
    assert [key[2] for key in after.recent["shop", ""]] == [f"s{i}" for i in range(40, 50)]


def fail_from(owner: str, credential: str, at_s: float, source: str = STRANGER, user: str = OPS) -> Event:
    """A failed logon at the web host's like of an owner, as one of its sensors saw it."""
    event = make(
        K.AUTHENTICATION, at_s=at_s, asset=f"{owner}/host/web", success=False, source=source, user=user, count=3
    )
    return dataclasses.replace(event, owner=owner, credential=credential)


def test_a_flood_evicts_only_its_senders_memory(state: DetectorState, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither another owner nor another sensor of the same owner can make detectors forget what this one sent."""
    monkeypatch.setattr(detectors, "SUBJECTS", 10)
    _, after = detect([fail_from("shop", "a", 0)], state)
    flood = [fail_from(*sender, i / 10, f"s{i}") for sender in (("edge", "e"), ("shop", "b")) for i in range(50)]
    _, after = detect(flood, after)
    assert found([fail_from("shop", "a", 60)], after) == [(A, StepClass.CREDENTIAL_ACCESS, LOW)]
    assert all(len(traces) <= 10 for traces in after.recent.values())


@pytest.mark.parametrize("sender", [("edge", "e"), ("shop", "b")])
def test_one_sender_cannot_make_a_place_usual_for_another(state: DetectorState, sender: tuple[str, str]) -> None:
    """A ticket that someone else says to have seen first at the attacker's place hides and shows nothing here."""

    def ticket(owner: str, credential: str, at_s: float, source: str) -> Event:
        event = make(K.AUTHENTICATION, 4, at_s=at_s, user=OPS, source=source)
        return dataclasses.replace(event, owner=owner, credential=credential, uid=f"{credential}{at_s}")

    forged = ticket(*sender, 0, STRANGER)
    assert found([forged, ticket("shop", "a", 1, GATE)], state) == []
    seen = [forged, ticket("shop", "a", 1, GATE), ticket("shop", "a", 2, STRANGER)]
    assert found(seen, state) == [(A, StepClass.PRESENCE, MEDIUM)]


def test_one_senders_words_are_no_part_of_anothers_finding(state: DetectorState) -> None:
    """Failures forged by one sensor do not make a burst of the one failure that another saw."""
    forged, true = fail_from("shop", "b", 0), fail_from("shop", "a", 1)
    assert found([forged, true], state) == []
    [finding] = detect([forged, fail_from("shop", "b", 2), true], state)[0]
    assert (finding.credential, finding.evidence) == ("b", (fail_from("shop", "b", 2).uid,))


def said(credential: str, sensor: SensorClass, owner: str = "shop") -> Finding:
    return Finding(WEB, sensor, StepClass.EXPLOIT, LOW, 0, owner, "rule", ("e",), credential)


@pytest.mark.parametrize(
    ("findings", "sources"),
    [
        ([], 0),
        ([said("a", N), said("a", H), said("a", A)], 1),  # one credential
        ([said("a", N), said("b", N)], 1),  # one class of one owner
        ([said("a", N), said("b", N, "edge")], 2),
        ([said("a", N), said("b", H)], 2),
        ([said("", N), said("", H), said("a", H)], 1),  # unknown credentials
        ([said("a", N), said("b", N), said("b", H), said("c", H)], 2),
        ([said("a", N), said("b", N), said("b", H), said("c", H), said("c", A)], 3),
    ],
)
def test_sources_are_independent_by_credential_and_kind(findings: list[Finding], sources: int) -> None:
    """The most findings that differ pairwise in the credential they came by and in owner or sensor class."""
    assert independent_sources(findings) == independent_sources(findings[::-1]) == sources


@given(st.permutations([event for event, _ in CASES]))
def test_order_of_arrival_does_not_matter(events: list[Event]) -> None:
    """Events are judged in order of time, whatever order they come in."""
    spread = [dataclasses.replace(one, time_ms=CASES_AT[one.uid]) for one in events]
    state = DetectorState(baseline_of(Twin.build(owners=[], assets=[], links=[])))
    expected = detect(sorted(spread, key=lambda one: one.time_ms), state)
    assert detect(spread, state) == expected


CASES_AT = {event.uid: i * 1000 for i, (event, _) in enumerate(CASES)}


def test_rules_have_names_of_their_own_and_cover_sensors() -> None:
    """Findings name their rule; every sensor class has rules."""
    rules = [rule for some in RULES.values() for rule in some]
    assert len({rule.name for rule in rules}) == len(rules)
    assert {rule.sensor for rule in rules} == set(SensorClass)


def test_findings_go_over_the_wire_and_back(state: DetectorState) -> None:
    """OCSF Detection Finding and our finding are one."""
    [finding] = detect([CASES[0][0]], state)[0]
    finding = dataclasses.replace(finding, credential="c1")
    assert from_ocsf(to_ocsf(finding), credential="c1") == finding
    assert from_ocsf(to_ocsf(finding)).credential == ""
    assert to_ocsf(finding)["finding_info"]["uid"] == finding.uid


def _without(path: str) -> Callable[[dict[str, Any]], Any]:
    def change(content: dict[str, Any]) -> None:
        inside = content
        *way, last = path.split(".")
        for part in way:
            inside = inside[part]
        del inside[last]

    return change


@pytest.mark.parametrize("path", ["class_uid", "time", "finding_info.types", "resources", "metadata.tenant_uid"])
def test_a_broken_finding_is_refused_by_field(path: str) -> None:
    """A missing field is named."""
    content = to_ocsf(Finding(WEB, N, StepClass.EXPLOIT, LOW, 0, "shop", "rule", ("e",)))
    _without(path)(content)
    with pytest.raises(FindingError, match=path.split(".")[-1]):
        from_ocsf(content)


def test_a_finding_of_an_unknown_class_is_refused() -> None:
    """Words outside the vocabulary are named."""
    content = to_ocsf(Finding(WEB, N, StepClass.EXPLOIT, LOW, 0, "shop", "rule"))
    content["finding_info"]["types"] = ["magic", "network"]
    with pytest.raises(FindingError, match="unknown StepClass 'magic'"):
        from_ocsf(content)
