"""The API: who may do what, whose view applies, and what a bad request is answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tocsin.orchestrator.api import create_app
from tocsin.orchestrator.client import ApiError, Client, binding_of, sign_for
from tocsin.orchestrator.clock import iso
from tocsin.orchestrator.consent import Decision, sign
from tocsin.tests.orchestrator.fakes import (
    CONTROLLER,
    GATEWAY,
    ISOLATE,
    METER,
    OWNERS,
    START,
    WEB,
    House,
    cut,
    house,
    isolate,
    ocsf,
)
from tocsin.twin.sensing.events import MAX_BYTES

ROUTES = ["/v1/assets", "/v1/findings", "/v1/belief", "/v1/responses", "/v1/responses/x", "/v1/audit"]


@dataclass
class Site:
    """A node behind its API."""

    home: House
    http: TestClient

    def client(self, owner: str, role: str) -> Client:
        """Give an owner's client."""
        return Client("http://testserver", self.home.token(owner, role), http=self.http)

    def tick(self, minutes: float) -> Any:
        """Tick as the operator."""
        time = iso(START + timedelta(minutes=minutes))
        return self.client("edge", "operator").tick(time)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Serve a node in memory."""
    home = house(tmp_path)
    with TestClient(create_app(home.node), raise_server_exceptions=False) as http:
        yield Site(home, http)


def refused(call: Any, *arguments: Any) -> tuple[int, str]:
    """Give status and name of a refusal."""
    with pytest.raises(ApiError) as error:
        call(*arguments)
    return error.value.status, error.value.reason


@pytest.mark.parametrize("route", ROUTES)
def test_no_route_without_a_token(site: Site, route: str) -> None:
    """Without a token, or with a wrong one, every route but health answers 401."""
    for headers in ({}, {"Authorization": "Bearer tocsin_wrong"}, {"Authorization": "Basic eDp5"}):
        answer = site.http.get(route, headers=headers)
        assert answer.status_code == 401 and answer.json()["error"] == "no_token"


def test_role_decides(site: Site) -> None:
    """A sensor cannot read, a viewer cannot act, an approver cannot tick."""
    assert refused(site.client("edge", "sensor").get, "/v1/assets") == (403, "wrong_role")
    assert refused(site.client("edge", "viewer").post_events, []) == (403, "wrong_role")
    assert refused(site.client("edge", "viewer").post, "/v1/responses", {}) == (403, "wrong_role")
    assert refused(site.client("edge", "approver").tick) == (403, "wrong_role")
    assert refused(site.client("edge", "approver").post, "/v1/kill-switch", {"on": True}) == (403, "wrong_role")


def test_views_differ_per_owner(site: Site) -> None:
    """Each owner sees its own assets, belief and findings, and what others share: edge shares findings with shop."""
    own = {"edge": [GATEWAY, CONTROLLER], "shop": [WEB], "meter": [METER]}
    site.client("edge", "sensor").post_events([ocsf("f1", GATEWAY)])
    site.client("meter", "sensor").post_events([ocsf("f2", METER)])
    site.tick(1)
    sees = {"edge": ["f1"], "shop": ["f1"], "meter": ["f2"]}
    for owner in OWNERS:
        viewer = site.client(owner, "viewer")
        assert [asset["id"] for asset in viewer.get("/v1/assets")] == own[owner]
        assert {row["asset"] for row in viewer.get("/v1/belief")} == set(own[owner])
        assert [finding["uid"] for finding in viewer.get("/v1/findings")] == sees[owner]


def test_events_of_another_owner_are_refused(site: Site) -> None:
    """A sensor token speaks of its owner's assets only; an asset that is not there reads the same."""
    for uid in (WEB, "shop/none/none", "edge/none/none"):
        events = [ocsf("f", uid)]
        assert refused(site.client("edge", "sensor").post_events, events) == (403, "foreign_asset")


@pytest.mark.parametrize(
    ("body", "status", "place"),
    [
        (b'{"uid": 1', 422, "line 1"),
        (b"[1]", 422, "event 0"),
        (b"[[", 422, "the list"),
        (b"\xff", 422, "byte 0"),
        (b"[" * 200_000, 422, "the list"),
        (b'{"a": NaN}', 422, "line 1"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, 422, "nested deeper"),
        (b"{}", 422, "class_uid"),
        (b" " * (MAX_BYTES + 1), 413, str(MAX_BYTES)),
    ],
)
def test_bad_events_are_named(site: Site, body: bytes, status: int, place: str) -> None:
    """A body that holds no events, or too much, gets one clear sentence that names the place."""
    headers = {"Authorization": f"Bearer {site.home.token('edge', 'sensor')}"}
    answer = site.http.post("/v1/events", content=body, headers=headers)
    assert answer.status_code == status and place in answer.json()["mend"]


def test_event_under_another_owners_name_is_refused(site: Site) -> None:
    """An event about one's own asset that claims another owner as its source would feign a second source."""
    event = ocsf("f", GATEWAY)
    event["metadata"]["tenant_uid"] = "shop"
    assert refused(site.client("edge", "sensor").post_events, [event]) == (422, "bad_events")


def test_list_and_lines_are_the_same(site: Site) -> None:
    """Events may come as NDJSON or as one JSON list."""
    event = ocsf("f1", GATEWAY)
    headers = {"Authorization": f"Bearer {site.home.token('edge', 'sensor')}"}
    for body in (json.dumps([event, event]), f"{json.dumps(event)}\n\n{json.dumps(event)}\n"):
        answer = site.http.post("/v1/events", content=body, headers=headers)
        assert (answer.status_code, answer.json()) == (202, {"accepted": 2})


def test_consent_over_the_wire(site: Site) -> None:
    """Both owners sign what they were shown, and the response is carried out; a third owner cannot."""
    site.home.advisor.proposals = [cut()]
    site.tick(1)
    (row,) = site.client("edge", "viewer").get("/v1/responses")
    path, hour = f"/v1/responses/{row['id']}", timedelta(hours=1)
    forged = sign(
        binding_of(row),
        Decision.APPROVE,
        site.home.key("meter"),
        owner="edge",
        person="approver@edge",
        time=START,
        expiry=START + hour,
    )
    assert refused(site.client("meter", "approver").post, f"{path}/consent", {"jws": forged})[0] == 404
    assert refused(site.client("shop", "approver").post, f"{path}/consent", {"jws": forged}) == (403, "wrong_signer")
    for owner in ("edge", "shop"):
        client, key = site.client(owner, "approver"), site.home.key(owner)
        person = f"approver@{owner}"
        jws = sign_for(client, row["id"], Decision.APPROVE, key, owner=owner, person=person, valid=hour)
        client.post(f"{path}/consent", {"jws": jws})
    site.tick(2)
    shown = site.client("shop", "viewer").get(path)
    assert shown["state"] == "succeeded"
    assert [(c["owner"], c["decision"], c["basis"]) for c in shown["consents"]] == [
        ("edge", "approve", "signed"),
        ("shop", "approve", "signed"),
    ]
    assert [t["to"] for t in shown["transitions"]][-1] == "succeeded"


def test_notified_owner_sees_that_not_why(site: Site) -> None:
    """An owner whose service depends on the target sees that something happens, not another's evidence or names."""
    site.home.advisor.proposals = [isolate()]
    site.tick(1)
    (seen,) = site.client("shop", "viewer").get("/v1/responses")
    assert seen["notified"] == ["shop"] and seen["targets"] == ["(not shared)"]
    assert not {"reason", "evidence", "forecast", "confidence", "twin_part"} & set(seen)
    jws = {"jws": sign_by_shop(site, seen["id"])}
    assert refused(site.client("shop", "approver").post, f"/v1/responses/{seen['id']}/consent", jws) == (
        403,
        "not_an_owner_of_targets",
    )


def sign_by_shop(site: Site, response: str) -> str:
    """Sign, as shop, what only edge may consent to."""
    binding = binding_of(site.client("edge", "viewer").get(f"/v1/responses/{response}"))
    times = {"time": START, "expiry": START + timedelta(hours=1)}
    key = site.home.key("shop")
    return sign(binding, Decision.APPROVE, key, owner="shop", person="approver@shop", **times)


def test_what_is_hidden_reads_like_what_is_not_there(site: Site) -> None:
    """For an owner outside, a response that exists and one that does not give the same answer, on every verb."""
    site.home.advisor.proposals = [isolate()]
    site.tick(1)
    (row,) = site.client("edge", "viewer").get("/v1/responses")
    outsider = site.client("meter", "approver")
    assert outsider.get("/v1/responses") == []
    for id_ in (row["id"], "response--none"):
        path = f"/v1/responses/{id_}"
        assert refused(outsider.get, path) == (404, "not_found")
        assert refused(outsider.post, f"{path}/undo", None) == (404, "not_found")
        assert refused(outsider.post, f"{path}/consent", {"jws": "a.b.c"}) == (404, "not_found")


def test_audit_shows_each_owner_its_own_records(site: Site) -> None:
    """An owner reads the records that are its business, and no other's."""
    site.home.advisor.proposals = [isolate()]
    site.tick(1)
    for owner, count in (("edge", 3), ("shop", 0), ("meter", 0)):
        records = site.client(owner, "viewer").get("/v1/audit")
        assert len(records) == count and all(owner in record["body"]["owners"] for record in records)


def test_person_proposes_over_the_wire(site: Site) -> None:
    """A proposal is a response at once; bad ones get a name."""
    approver = site.client("edge", "approver")
    made = approver.post("/v1/responses", {"playbook": ISOLATE, "targets": [GATEWAY], "reason": "odd"})
    assert made["state"] == "proposed" and made["reason"] == "odd"
    bad: list[tuple[Any, tuple[int, str]]] = [
        ({"playbook": ISOLATE, "targets": [GATEWAY]}, (409, "already_there")),
        ({"playbook": "playbook--none", "targets": [GATEWAY]}, (422, "unknown_playbook")),
        ({"playbook": ISOLATE, "targets": [METER]}, (404, "not_found")),
        ({"playbook": ISOLATE, "targets": []}, (422, "bad_request")),
        ({"playbook": ISOLATE, "targets": [GATEWAY], "x": 1}, (422, "bad_request")),
        ({"playbook": ISOLATE, "targets": [GATEWAY], "reason": "a\0b"}, (422, "bad_request")),
        (None, (422, "bad_request")),
    ]
    for body, expected in bad:
        assert refused(approver.post, "/v1/responses", body) == expected


def test_undo_over_the_wire_too_early_is_a_conflict(site: Site) -> None:
    """Undo of what was not carried out is 409, with what could be done instead."""
    made = site.client("edge", "approver").post("/v1/responses", {"playbook": ISOLATE, "targets": [GATEWAY]})
    assert refused(site.client("edge", "approver").post, f"/v1/responses/{made['id']}/undo", None) == (
        409,
        "wrong_state",
    )


def test_lockstep_clock_never_goes_back(site: Site) -> None:
    """The operator sets the time forward; backward or without a zone is refused."""
    assert site.tick(5)["time"] == "2026-11-01T12:05:00.000000Z"
    operator = site.client("edge", "operator")
    assert refused(operator.tick, iso(START)) == (409, "clock")
    assert refused(operator.tick, "2026-11-01T13:00:00") == (409, "clock")
    assert refused(operator.tick, "tomorrow") == (422, "bad_request")
    for too_late in ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00"):
        assert refused(operator.tick, too_late) == (409, "clock")
    assert site.tick(6)["time"] == "2026-11-01T12:06:00.000000Z"


def test_a_number_that_no_record_can_have_is_a_bad_request(site: Site) -> None:
    """Larger than the store can count."""
    assert refused(site.client("edge", "viewer").get, f"/v1/audit?after={10**30}") == (422, "bad_request")


def test_health_needs_no_token_and_tells_the_audit_head(site: Site) -> None:
    """Health says where the audit log ends, nothing of the chain."""
    site.client("edge", "operator").post("/v1/kill-switch", {"on": True})
    health = site.http.get("/v1/health").json()
    assert (health["status"], health["audit_seq"], health["kill_switch"]) == ("ok", 1, True)


def test_fault_shows_nothing_of_the_inside(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the node is 500 with no trace of its code."""

    def broken(_viewer: str) -> Any:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(site.home.advisor, "belief", broken)
    headers = {"Authorization": f"Bearer {site.home.token('edge', 'viewer')}"}
    answer = site.http.get("/v1/belief", headers=headers)
    assert answer.status_code == 500 and answer.json()["error"] == "unforeseen" and "secret" not in answer.text


def test_every_route_is_documented(site: Site) -> None:
    """The OpenAPI page names every route with a summary, and docs/api.md names every route too."""
    paths = site.http.get("/openapi.json").json()["paths"]
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
    for path, verbs in paths.items():
        for verb, route in verbs.items():
            assert route["summary"] and f"`{verb.upper()} {path}`" in text


def test_unknown_route_is_answered_in_the_same_form(site: Site) -> None:
    """Also an unknown path is JSON with error and mend."""
    assert refused(site.client("edge", "viewer").get, "/v1/none") == (404, "http")
    assert site.http.get("/none").status_code == 404 and set(site.http.get("/none").json()) == {"error", "mend"}


def test_a_body_nested_too_deeply_is_a_bad_request(site: Site) -> None:
    """JSON that cannot be read gets the usual form, on every route that takes JSON."""
    headers = {"Authorization": f"Bearer {site.home.token('edge', 'approver')}", "Content-Type": "application/json"}
    for body in (b"[" * 100_000, b'{"a":' * 30_000, b"{", b"\xff"):
        answer = site.http.post("/v1/responses", content=body, headers=headers)
        assert answer.status_code == 422 and answer.json()["error"] == "bad_request"
