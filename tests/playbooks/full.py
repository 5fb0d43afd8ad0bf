"""A playbook with every object of CACAO v2.0 in it, clean to the linter: what tests change one thing of."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

Object = dict[str, Any]
STAMP = "2026-11-25T00:00:00.000Z"
IDENTITY = "identity--00000000-0000-4000-8000-0000000000ff"
LAYOUT = "extension-definition--418ee24c-9cb1-46d9-afa5-309e01aabc7f"
FOREIGN = "extension-definition--00000000-0000-4000-8000-0000000000fe"
NAMES = {
    "start": ("start", 1), "fork": ("parallel", 2), "collect": ("action", 3), "collected": ("end", 4),
    "notify": ("action", 5), "phone": ("action", 6), "notified": ("end", 7), "decide": ("if-condition", 8),
    "cut": ("action", 9), "cut_end": ("end", 10), "watch": ("action", 11), "watch_end": ("end", 12),
    "repeat": ("while-condition", 13), "scan": ("action", 14), "scan_end": ("end", 15),
    "choose": ("switch-condition", 16), "hunt": ("action", 17), "hunt_end": ("end", 18), "reset": ("action", 19),
    "reset_end": ("end", 20), "other_end": ("end", 21), "release": ("playbook-action", 22), "done": ("end", 23),
    "alarm": ("action", 24), "alarm_end": ("end", 25),
    "team": ("group", 33), "ada": ("individual", 34), "firm": ("organization", 35), "site": ("location", 36),
    "grid": ("sector", 37), "walls": ("security-category", 38), "api": ("http-api", 39), "shell": ("ssh", 40),
    "box": ("linux", 41), "net": ("net-address", 42), "basic": ("http-basic", 49), "bearer": ("oauth2", 50),
    "login": ("user-auth", 51), "words": ("marking-statement", 65), "light": ("marking-tlp", 66),
    "policy": ("marking-iep", 67), "jss": ("jss", 81), "counter": ("jss", 82), "called": ("playbook", 97),
    "origin": ("playbook", 98), "self": ("playbook", 99),
}  # fmt: skip


def uid(number: int) -> str:
    """A UUID of version 4 by number."""
    return f"00000000-0000-4000-8000-{number:012x}"


def ref(name: str) -> str:
    """The identifier of an object of the full playbook."""
    kind, number = NAMES[name]
    return f"{kind}--{uid(number)}"


def b64(text: str | Object) -> str:
    """Base64 of a text or of JSON."""
    return base64.b64encode((text if isinstance(text, str) else json.dumps(text)).encode()).decode()


def step(content: Object, name: str) -> Object:
    """A step of the full playbook."""
    found: Object = content["workflow"][ref(name)]
    return found


def full() -> Object:
    """A copy of one's own."""
    return copy.deepcopy(_FULL)


def _action(agent: str, *commands: Object, **fields: Any) -> Object:
    return {"type": "action", "name": "A step", "agent": ref(agent), "commands": list(commands), **fields}


def _manual(text: str = "Look at it") -> Object:
    return {"type": "manual", "command": text, "playbook_activity": "scan-system"}


def _signature(name: str, **fields: Any) -> Object:
    return {
        "type": "jss", "id": ref(name), "created_by": IDENTITY, "created": STAMP, "modified": STAMP, "signee": "Ada",
        "valid_from": STAMP, "valid_until": "2027-11-25T00:00:00Z", "related_to": ref("self"), "related_version": STAMP,
        "hash_algorithm": "sha-256", "algorithm": "Ed25519", "thumbprint": "abc", "value": "c2lnbmF0dXJl", **fields,
    }  # fmt: skip


def _marking(which: str, **fields: Any) -> Object:
    return {"type": NAMES[which][0], "id": ref(which), "created_by": IDENTITY, "created": STAMP, **fields}


_HUNTS = [
    {"type": "elastic", "command_b64": b64("GET _search")},
    {"type": "jupyter", "command_b64": b64("{}")},
    {"type": "kestrel", "command_b64": b64("ps = GET process")},
    {"type": "sigma", "command_b64": b64("title: a")},
    {"type": "yara", "command_b64": b64("rule a { condition: true }")},
    {"type": "caldera-cmd", "command": "b36ce0f2"},
]
_STEPS: dict[str, Object] = {
    "start": {"type": "start", "on_completion": ref("fork")},
    "fork": {
        "type": "parallel", "next_steps": [ref("collect"), ref("notify")], "on_completion": ref("decide"),
        "external_references": [{"name": "Guide", "source": "Us"}],
    },
    "collect": _action(
        "box", {"type": "bash", "command": "collect __address__:value", "version": "5"}, on_completion=ref("collected"),
        timeout=60000, out_args=["__count__"], targets=[ref("walls"), ref("net")], owner=IDENTITY,
    ),
    "collected": {"type": "end"},
    "notify": _action("ada", _manual(), on_success=ref("notified"), on_failure=ref("phone"), targets=[ref("site")]),
    "phone": _action("firm", _manual("Call __kind__:value"), on_completion=ref("notified")),
    "notified": {"type": "end"},
    "decide": {
        "type": "if-condition", "condition": "__count__:value > 0 AND __kind__:value NOT IN ('a', 'b')",
        "on_true": ref("cut"), "on_false": ref("watch"), "on_success": ref("repeat"), "on_failure": ref("done"),
    },
    "cut": _action(
        "api",
        {
            "type": "openc2-http", "command": "POST /openc2 HTTP/1.1",
            "headers": {"Content-Type": ["application/openc2+json;version=1.0"]},
            "content_b64": b64({"action": "deny", "target": {"ipv4_net": "__address__:value"}}),
        },
        on_completion=ref("cut_end"), in_args=["__address__", "__secret__", "__user__"], delay=0,
        step_extensions={LAYOUT: {"type": "layout", "coordinates": {"x": 1, "y": 2.5}}},
    ),
    "cut_end": {"type": "end"},
    "watch": _action(
        "api",
        {
            "type": "http-api", "command": "POST /watch HTTP/1.1", "content": "__kind__:value",
            "headers": {"Authorization": ["Bearer __secret__:value"]},
        },
        on_completion=ref("watch_end"), in_args=["__secret__"],
    ),
    "watch_end": {"type": "end"},
    "repeat": {
        "type": "while-condition", "condition": "__count__:value > 0", "on_true": ref("scan"),
        "on_completion": ref("choose"),
    },
    "scan": _action(
        "shell", {"type": "ssh", "command": "scan __path__:value"}, on_completion=ref("scan_end"), delay=5000,
        out_args=["__count__"], step_variables={"__path__": {"type": "string", "value": "/srv", "constant": True}},
    ),
    "scan_end": {"type": "end"},
    "choose": {
        "type": "switch-condition", "switch": "__kind__:value",
        "cases": {"host": ref("hunt"), "identity": ref("reset"), "default": ref("other_end")},
        "on_completion": ref("release"),
    },
    "hunt": _action("box", *_HUNTS, on_completion=ref("hunt_end"), targets=[ref("grid")]),
    "hunt_end": {"type": "end"},
    "reset": _action("box", {"type": "powershell", "command": "Get-Date"}, on_completion=ref("reset_end")),
    "reset_end": {"type": "end"},
    "other_end": {"type": "end"},
    "release": {
        "type": "playbook-action", "playbook_id": ref("called"), "playbook_version": STAMP, "in_args": ["__kind__"],
        "on_completion": ref("done"),
    },
    "done": {"type": "end"},
    "alarm": _action("team", _manual(), on_completion=ref("alarm_end")),
    "alarm_end": {"type": "end"},
}  # fmt: skip
_AGENTS: dict[str, Object] = {
    "team": {"name": "Team", "contact": {"email": {"work": "soc@shop.example"}, "phone": {"work": "1"}}},
    "ada": {"name": "Ada", "contact": {"contact_details": "second floor"}},
    "firm": {"name": "Firm"},
    "api": {"name": "Wall", "address": {"url": ["https://wall.shop.example/openc2"]}, "category": ["firewall"],
            "port": "443", "authentication_info": ref("bearer")},
    "shell": {"name": "Shell", "address": {"ipv6": ["2001:db8::1"]}, "authentication_info": ref("login")},
    "box": {"name": "Box", "address": {"dname": ["box.shop.example"]}, "location": {
        "name": "Hall", "region": "northern-europe", "latitude": "59.9", "longitude": "10.7", "precision": "5"}},
}  # fmt: skip
_TARGETS: dict[str, Object] = {
    "site": {"name": "Site", "logical": ["hall 2"]},
    "grid": {"name": "Grid", "sector": "energy"},
    "walls": {"name": "Walls", "category": ["firewall"]},
    "net": {"name": "Net", "address": {"l2mac": ["aa:bb:cc:dd:ee:ff"], "vlan": ["12"], "ipv4": ["10.0.0.1"]},
            "authentication_info": ref("basic")},
}  # fmt: skip
_FULL: Object = {
    "type": "playbook", "spec_version": "cacao-2.0", "id": ref("self"), "name": "All of CACAO",
    "description": "Every object of the standard.", "playbook_types": ["mitigation"],
    "playbook_activities": ["scan-system"], "created_by": IDENTITY, "created": STAMP, "modified": STAMP,
    "revoked": False, "valid_from": STAMP, "valid_until": "2028-11-25T00:00:00.5Z", "derived_from": [ref("origin")],
    "related_to": ["malware--2008c526-508f-4ad4-a565-b84a4949b2af"], "priority": 1, "severity": 100, "impact": 0,
    "industry_sectors": ["energy"], "labels": ["all"], "external_references": [{"name": "Guide", "source": "Us"}],
    "markings": [ref("words"), ref("light")],
    "playbook_processing_summary": {
        "manual_playbook": False, "external_playbooks": True, "parallel_processing": True, "if_logic": True,
        "while_logic": True, "switch_logic": True, "temporal_logic": True, "data_markings": True,
        "digital_signatures": True, "countersigned_signatures": True, "extensions": True,
    },
    "playbook_variables": {
        "__count__": {"type": "integer", "value": "0"},
        "__kind__": {"type": "string", "external": True, "description": "what it is"},
        "__address__": {"type": "ipv4-addr", "external": True, "value": None},
        "__secret__": {"type": "string", "external": True},
        "__user__": {"type": "string", "external": True},
    },
    "workflow_start": ref("start"), "workflow_exception": ref("alarm"),
    "workflow": {ref(name): one for name, one in _STEPS.items()},
    "agent_definitions": {ref(name): {"type": NAMES[name][0], **one} for name, one in _AGENTS.items()},
    "target_definitions": {ref(name): {"type": NAMES[name][0], **one} for name, one in _TARGETS.items()},
    "authentication_info_definitions": {
        ref("basic"): {"type": "http-basic", "user_id": "__user__:value", "password": "__secret__:value"},
        ref("bearer"): {"type": "oauth2", "oauth_header": "Authorization", "token": "__secret__:value"},
        ref("login"): {"type": "user-auth", "kms": True, "kms_key_identifier": "vault/7"},
    },
    "playbook_extensions": {
        LAYOUT: {"type": "layout", "canvas": {"width": 1300, "height": 800}},
        FOREIGN: {"anything": [1, 2.5, None, {"deep": True}]},
    },
    "extension_definitions": {
        LAYOUT: {"type": "extension-definition", "name": "CACAO Layout", "created_by": IDENTITY,
                 "schema": "https://example.org/layout.json", "version": "1.0.0"},
        FOREIGN: {"type": "extension-definition", "name": "Of others", "created_by": IDENTITY,
                  "schema": "anything", "version": "0.1.0"},
    },
    "data_marking_definitions": {
        ref("words"): _marking("words", statement="Ours"),
        ref("light"): _marking("light", tlpv2_level="TLP:AMBER+STRICT"),
        ref("policy"): _marking(
            "policy", name="Policy", description="of ours", tlp="amber", iep_version=2, start_date=STAMP, end_date=None,
            encrypt_in_transit="must", permitted_actions="internally-visible-actions", attribution="may",
            affected_party_notifications="may", unmodified_resale="must-not", external_references=["https://x.example"],
        ),
    },
    "signatures": [_signature("jss", signature=_signature("counter", signee="Bob"))],
}  # fmt: skip
_FULL["workflow"][ref("collect")]["in_args"] = ["__address__", "__secret__", "__user__"]
_FULL["workflow"][ref("cut")]["in_args"] = ["__address__", "__secret__"]
