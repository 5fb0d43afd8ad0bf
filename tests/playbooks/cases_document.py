"""Conformance cases of the linter: shape, identity and metadata of a playbook.

For each rule a change that is refused, where the finding stands, and a near miss that is accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tocsin.tests.playbooks.full import FOREIGN, IDENTITY, STAMP, Object, ref, step, uid

Change = Callable[[Object], object]
Case = tuple[Change, str, Change]  # refused, the path's end (JSONPath), accepted


def top(**fields: Any) -> Change:
    """Set properties of the playbook."""
    return lambda content: content.update(fields)


def without(*names: str) -> Change:
    """Remove properties of the playbook."""
    return lambda content: [content.pop(name, None) for name in names]


def at(name: str, **fields: Any) -> Change:
    """Set properties of a step."""
    return lambda content: step(content, name).update(fields)


def less(name: str, *fields: str) -> Change:
    """Remove properties of a step."""
    return lambda content: [step(content, name).pop(field) for field in fields]


def inside(part: str, name: str, **fields: Any) -> Change:
    """Set properties of an entry of a dictionary of the playbook."""
    return lambda content: content[part][ref(name)].update(fields)


def lacking(part: str, name: str, *fields: str) -> Change:
    """Remove properties of an entry of a dictionary of the playbook."""
    return lambda content: [content[part][ref(name)].pop(field) for field in fields]


def both(*changes: Change) -> Change:
    """One after the other."""
    return lambda content: [change(content) for change in changes]


def nothing(content: Object) -> None:
    """The full playbook itself is the near miss."""


def rename(name: str, identifier: str) -> Change:
    """Another identifier everywhere, in place."""

    def change(content: Object) -> None:
        replaced = _replaced(content, ref(name), identifier)
        content.clear()
        content.update(replaced)

    return change


def _replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {new if key == old else key: _replaced(one, old, new) for key, one in value.items()}
    if isinstance(value, list):
        return [_replaced(one, old, new) for one in value]
    return new if value == old else value


def summary(**fields: Any) -> Change:
    """State properties of the processing summary; None leaves one out."""

    def change(content: Object) -> None:
        stated = content["playbook_processing_summary"]
        stated.update(fields)
        for field in [field for field, value in fields.items() if value is None]:
            del stated[field]

    return change


def _location(**fields: Any) -> Change:
    return lambda content: content["agent_definitions"][ref("box")]["location"].update(fields)


V5 = "00000000-0000-5000-8000-0000000000aa"
NIL = "00000000-0000-0000-0000-000000000000"
PAST = "2020-01-01T00:00:00Z"

CASES: dict[str, list[Case]] = {
    "required": [
        (without("created_by"), "$.created_by", nothing),
        (less("cut", "agent"), ".agent", nothing),
        (lacking("authentication_info_definitions", "bearer", "token"), ".token", nothing),
        (lacking("data_marking_definitions", "policy", "attribution"), ".attribution", nothing),
        (lambda content: content["signatures"][0].pop("signee"), "$.signatures[0].signee", nothing),
    ],
    "property-type": [
        (top(name=5), "$.name", top(name="5")),
        (top(revoked="false"), "$.revoked", top(revoked=False)),
        (lambda c: c["playbook_variables"]["__count__"].update(value=5), ".value", nothing),
        (inside("data_marking_definitions", "light", tlpv2_level="TLP:WHITE"), ".tlpv2_level",
         inside("data_marking_definitions", "light", tlpv2_level="TLP:CLEAR")),
        (inside("target_definitions", "net", address={"ip": ["10.0.0.1"]}), ".address.ip", nothing),
    ],
    "property-range": [
        (top(priority=101), "$.priority", top(priority=100)),
        (top(severity=-1), "$.severity", top(severity=0)),
        (at("cut", delay=-1), ".delay", at("cut", delay=0)),
        (at("fork", next_steps=[ref("collect")]), ".next_steps", nothing),
        (at("reset", commands=[]), ".commands", nothing),
    ],
    "type-known": [
        (top(type="play"), "$.type", nothing),
        (at("done", type="finish"), ".type", nothing),
        (inside("data_marking_definitions", "light", type="marking-tlp1"), ".type", nothing),
        (lambda c: c["signatures"][0].update(type="jws"), "$.signatures[0].type", nothing),
    ],
    "property-unknown": [
        (top(playbook_extension={}), "$.playbook_extension", nothing),
        (at("cut", on_sucess=ref("done")), ".on_sucess", nothing),
        (inside("agent_definitions", "ada", banana="x"), ".banana", nothing),
    ],
    "type-open": [
        (at("reset", commands=[{"type": "pong"}]), ".commands[0].type", nothing),
        (lambda c: c["playbook_variables"]["__kind__"].update(type="text"), ".__kind__.type", nothing),
    ],
    "vocabulary": [
        (top(playbook_types=["mitigation", "magic"]), "$.playbook_types[1]", top(playbook_types=["attack"])),
        (top(industry_sectors=["energies"]), "$.industry_sectors[0]", top(industry_sectors=["energy", "water"])),
        (inside("agent_definitions", "api", category=["fire"]), ".category[0]", nothing),
        (inside("target_definitions", "grid", sector="energies"), ".sector", nothing),
        (lambda c: c["signatures"][0].update(algorithm="ROT13"), "$.signatures[0].algorithm", nothing),
        (at("alarm", commands=[{"type": "manual", "command": "x", "playbook_activity": "dance"}]),
         ".commands[0].playbook_activity", nothing),
    ],
    "region": [(_location(region="north"), ".region", _location(region="europe"))],
    "id-form": [
        (top(id="playbook-7"), "$.id", nothing),
        (at("start", on_completion="parallel"), ".on_completion", nothing),
    ],
    "id-kind": [
        (top(created_by=ref("origin")), "$.created_by", nothing),
        (rename("done", f"start--{uid(23)}"), f'["start--{uid(23)}"]', nothing),
        (at("release", playbook_id=f"process--{uid(5)}"), ".playbook_id", nothing),
        (at("cut", owner=ref("team")), ".owner", at("cut", owner=IDENTITY)),
    ],
    "id-uuid": [(top(id=f"playbook--{NIL}", signatures=[]), "$.id", nothing)],
    "id-step-version": [(rename("done", f"end--{V5}"), f'["end--{V5}"]', rename("done", f"end--{uid(777)}"))],
    "id-playbook-version": [
        (rename("self", "playbook--00000000-0000-1000-8000-0000000000aa"), "$.id", rename("self", f"playbook--{V5}")),
    ],
    "id-object-version": [(rename("team", f"group--{V5}"), f'["group--{V5}"]', rename("team", f"group--{uid(778)}"))],
    "id-unique": [
        (rename("done", f"end--{uid(33)}"), f'["group--{uid(33)}"]', nothing),
        (lambda c: c["signatures"].append(c["signatures"][0]), "$.signatures[1].id", nothing),
    ],
    "time-form": [
        (top(valid_from="2026-02-30T00:00:00.000Z"), "$.valid_from", top(valid_from="2024-02-29T00:00:00Z")),
        (top(valid_until="2028-01-01T00:00:00+01:00"), "$.valid_until", top(valid_until="2028-01-01T00:00:00.123456Z")),
        (top(valid_until="2028-01-01 00:00:00Z"), "$.valid_until", top(valid_until="2028-06-30T23:59:60Z")),
        (at("release", playbook_version="yesterday"), ".playbook_version", nothing),
    ],
    "time-milliseconds": [
        (top(created="2026-11-25T00:00:00.000000Z"), "$.created", top(created="2026-11-25T00:00:00.000Z")),
        (top(created="2026-11-25T00:00:00Z"), "$.created", nothing),
    ],
    "time-order": [(top(created="2026-11-26T00:00:00.000Z"), "$.modified", top(created=STAMP))],
    "validity-order": [
        (top(valid_until=STAMP), "$.valid_until", both(top(valid_until=STAMP), without("valid_from"))),
        (top(valid_until=PAST), "$.valid_until", top(valid_until=PAST, revoked=True)),
        (inside("data_marking_definitions", "policy", end_date="2020-01-01T00:00:00Z"), ".end_date",
         inside("data_marking_definitions", "policy", end_date="2030-01-01T00:00:00Z")),
    ],
    "revoked": [(top(revoked=True), "$.revoked", top(revoked=False))],
    "derived-from": [(top(derived_from=[ref("self")]), "$.derived_from[0]", nothing)],
    "activities-missing": [
        (without("playbook_activities"), "$.playbook_activities", without("playbook_activities", "playbook_types")),
    ],
    "activities-unlisted": [
        (at("alarm", commands=[{"type": "manual", "command": "x", "playbook_activity": "map-network"}]),
         ".playbook_activity", nothing),
    ],
    "activities-unused": [
        (top(playbook_activities=["scan-system", "map-network"]), "$.playbook_activities[1]", nothing),
    ],
    "sectors-unlisted": [(without("industry_sectors"), ".sector", nothing)],
    "references-unlisted": [
        (at("cut", external_references=[{"name": "New", "url": "https://x.example"}]), ".external_references[0]",
         at("cut", external_references=[{"name": "Guide", "source": "Us"}])),
    ],
    "reference-empty": [
        (lambda c: c["external_references"].append({"name": "Bare"}), "$.external_references[1]",
         lambda c: c["external_references"].append({"name": "Said", "description": "more"})),
    ],
    "summary-wrong": [
        (summary(manual_playbook=True), ".manual_playbook", nothing),
        (summary(while_logic=False), ".while_logic", nothing),
        (summary(countersigned_signatures=False), ".countersigned_signatures", nothing),
    ],
    "summary-silent": [
        (summary(if_logic=None), ".if_logic", summary(manual_playbook=None)),
    ],
    "location-pair": [
        (lambda c: c["agent_definitions"][ref("box")]["location"].pop("longitude"), ".location", nothing),
        (_location(latitude="-90"), ".latitude", _location(latitude="90")),
    ],
    "extension-undefined": [
        (lambda c: c["extension_definitions"].pop(FOREIGN), f'["{FOREIGN}"]', nothing),
    ],
}  # fmt: skip
