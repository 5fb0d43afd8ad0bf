"""Raw OCSF events as the plant's sensors write them: one function a class.

Flows in: features. Flows out: JSON objects in the form of OCSF 1.x. No event says whether it comes from an attack.
Time and uid are filled in by `telemetry.py`: `time` holds the offset within the tick until then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...twin.sensing.events import EventClass

Json = dict[str, Any]
VERSION = "1.3.0"  # of OCSF
_CATEGORY = {1: 1, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7}


def flow(
    asset: str,
    source: str,
    destination: str,
    port: int,
    *,
    bytes_out: int = 2_000,
    packets: int = 20,
    at_ms: int = 0,
) -> Json:
    """Network Activity: one flow, closed or reported."""
    event = _event(EventClass.NETWORK, 6, asset, "flow collector", at_ms)
    event["src_endpoint"] = _endpoint(source)
    event["dst_endpoint"] = {**_endpoint(destination), "port": port}
    event["traffic"] = {"bytes_out": bytes_out, "packets": packets}
    return event


def request(asset: str, source: str, path: str, *, code: int = 200, at_ms: int = 0) -> Json:
    """HTTP Activity: one request (activity 3, Get)."""
    event = _event(EventClass.HTTP, 3, asset, "reverse proxy", at_ms)
    event["src_endpoint"] = _endpoint(source)
    event["dst_endpoint"] = {"uid": asset, "port": 443}
    event["http_request"] = {"http_method": "GET", "url": {"path": path}}
    event["http_response"] = {"code": code}
    return event


def launch(
    asset: str,
    process: str,
    parent: str,
    command: str,
    *,
    folder: str = "/usr/bin/",
    user: str = "app",
    actor: str = "app",
    count: int = 1,
    at_ms: int = 0,
) -> Json:
    """Process Activity: a process is launched."""
    event = _event(EventClass.PROCESS, 1, asset, "host sensor", at_ms)
    event["process"] = {
        "name": process,
        "cmd_line": command,
        "file": {"path": folder + process},
        "user": _user(user),
    }
    event["actor"] = {"process": {"name": parent}, "user": _user(actor)}
    event["count"] = count
    return event


def file(asset: str, activity: int, path: str, parent: str, *, count: int = 1, at_ms: int = 0) -> Json:
    """File System Activity by process `parent`: 1 create, 2 read, 3 update, 5 rename."""
    event = _event(EventClass.FILE, activity, asset, "host sensor", at_ms)
    event["file"] = {"path": path}
    event["actor"] = {"process": {"name": parent}, "user": _user("app")}
    event["count"] = count
    return event


def call(asset: str, source: str, operation: str, flags: Sequence[str] = (), *, at_ms: int = 0) -> Json:
    """API Activity: a call to the container runtime."""
    event = _event(EventClass.API, 1, asset, "container runtime", at_ms)
    del event["device"]
    event["resources"] = [{"uid": asset}]
    event["api"] = {"operation": operation, "request": {"flags": list(flags)}}
    event["src_endpoint"] = _endpoint(source)
    return event


def logon(
    asset: str,
    user: str,
    source: str,
    *,
    success: bool = True,
    privileged: bool = False,
    logon_type: int = 3,
    activity: int = 1,
    count: int = 1,
    at_ms: int = 0,
) -> Json:
    """Authentication: 1 logon, 4 service ticket request; logon type 3 network, 5 service."""
    event = _event(EventClass.AUTHENTICATION, activity, asset, "identity provider", at_ms)
    event["user"] = {"uid": user, "type_id": 2 if privileged else 1}
    event["src_endpoint"] = _endpoint(source)
    event["logon_type_id"] = logon_type
    event["status_id"] = 1 if success else 2
    event["count"] = count
    return event


def account(asset: str, user: str, actor: str, *, privileged: bool, count: int = 1, at_ms: int = 0) -> Json:
    """Account Change: an account is created."""
    event = _event(EventClass.ACCOUNT, 1, asset, "identity provider", at_ms)
    event["user"] = {"uid": user, "type_id": 2 if privileged else 1}
    event["actor"] = {"user": {"uid": actor}}
    event["count"] = count
    return event


def control(asset: str, activity: int, source: str, value: float, *, at_ms: int = 0) -> Json:
    """Our class for physical processes: 1 command, 2 measurement; the range is 0 to 100 percent of what is rated."""
    event = _event(EventClass.PROCESS_CONTROL, activity, asset, "process gateway", at_ms)
    event["src_endpoint"] = _endpoint(source)
    event["control"] = {"value": value, "low": 0.0, "high": 100.0, "unit": "percent"}
    return event


def state(asset: str, states: Sequence[str]) -> Json:
    """Device Config State Change: the security states that an asset is in from now on."""
    event = _event(EventClass.CONFIG_STATE, 1, asset, "inventory", 0)
    event["security_states"] = [{"state_id": 99, "state": one} for one in states]
    return event


def remediation(asset: str, playbook: str, *, success: bool) -> Json:
    """Remediation Activity: the work of a response has ended (activity 99: the playbook says which)."""
    event = _event(EventClass.REMEDIATION, 99, asset, "inventory", 0)
    event["command_uid"] = playbook
    event["status_id"] = 1 if success else 2
    return event


def is_of_network(event: Json) -> bool:
    """Whether an event is of OCSF's category Network Activity."""
    return int(event["class_uid"]) // 1000 == 4


def _event(kind: EventClass, activity: int, asset: str, product: str, at_ms: int) -> Json:
    number = int(kind)
    return {
        "class_uid": number,
        "category_uid": _CATEGORY[number % 100_000 // 1000],
        "activity_id": activity,
        "type_uid": number * 100 + activity,
        "severity_id": 1,
        "time": at_ms,
        "metadata": {"product": {"name": product}, "version": VERSION},
        "device": {"uid": asset, "type_id": 0},
    }


def _endpoint(name: str) -> Json:
    return {"ip": name} if name[:1].isdigit() else {"uid": name}


def _user(name: str) -> Json:
    return {"name": name, "type_id": 2 if name in ("root", "system") else 1}
