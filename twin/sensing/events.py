"""OCSF events as detectors read them: hostile bytes in, flat checked events out.

Flows in: NDJSON or a JSON list, or objects already parsed at an edge. Flows out: `Event`s. Classes and field names are
those of OCSF 1.x (schema.ocsf.io). OCSF has no class for what a physical process is told and does, so commands and
measurements come as a class of our own in OCSF's development extension (uid 999): `PROCESS_CONTROL`. Device Config
State Change (5019) is read for what it is: the security states an asset is in. Classes not listed here are read as
events that no detector looks at. Nothing is concluded here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_BYTES: Final = 8_000_000  # of one payload; assumed
MAX_EVENTS: Final = 10_000  # of one payload; assumed
MAX_DEPTH: Final = 32  # of nesting; OCSF needs fewer than ten
_LATEST_MS: Final = 4_102_444_800_000  # 2100-01-01: later times are mistakes


class EventError(ValueError):
    """A payload that holds no valid events; the message names line, field and mend."""


class EventClass(IntEnum):
    """OCSF classes that detectors look at."""

    FILE = 1001  # File System Activity
    PROCESS = 1007  # Process Activity
    ACCOUNT = 3001  # Account Change
    AUTHENTICATION = 3002
    NETWORK = 4001  # Network Activity
    HTTP = 4002  # HTTP Activity
    CONFIG_STATE = 5019  # Device Config State Change
    API = 6003  # API Activity
    REMEDIATION = 7001  # Remediation Activity: what became of a response's work
    PROCESS_CONTROL = 99_906_001  # ours: extension 999 (development), category 6; activity 1 command, 2 measurement


@dataclass(frozen=True, slots=True)
class Event:
    """One checked event, flat; what its class does not say is empty."""

    uid: str
    class_uid: int
    activity: int  # OCSF activity_id
    time_ms: int  # milliseconds since 1970, UTC
    asset: str  # id of the asset whose sensor saw it
    owner: str  # first part of the asset's id
    product: str
    success: bool = True  # status_id is not 2 (Failure)
    source: str = ""  # src_endpoint: uid, else ip
    destination: str = ""  # dst_endpoint: uid, else ip
    port: int = 0
    bytes_out: int = 0
    packets: int = 0
    count: int = 1  # events that this one stands for
    user: str = ""
    privileged: bool = False  # user.type_id 2 (Admin)
    logon_type: int = 0  # OCSF logon_type_id; 5 is a service
    process: str = ""
    process_path: str = ""
    command: str = ""
    parent: str = ""  # actor.process.name
    actor: str = ""  # actor.user.name
    actor_privileged: bool = False
    path: str = ""  # file.path
    operation: str = ""  # api.operation; of a remediation its command_uid, the playbook
    flags: tuple[str, ...] = ()  # api.request.flags
    url: str = ""
    http_code: int = 0
    value: float = 0.0  # of a physical process, in its unit
    low: float = 0.0
    high: float = 0.0
    states: tuple[str, ...] = ()  # security_states[].state
    credential: str = ""  # by which it came in; no wire says it, the edge that took it does


Text = Annotated[str, Field(max_length=4096)]
Name = Annotated[str, Field(max_length=512)]
Whole = Annotated[int, Field(ge=0, le=2**53, strict=True)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Product(_Part):
    name: Name


class _Metadata(_Part):
    product: _Product
    uid: Name = ""
    tenant_uid: Name = ""


class _Thing(_Part):
    uid: Annotated[str, Field(min_length=1, max_length=512)]


class _Endpoint(_Part):
    uid: Name = ""
    ip: Name = ""
    port: Annotated[int, Field(ge=0, le=65535, strict=True)] = 0


class _User(_Part):
    name: Name = ""
    uid: Name = ""
    type_id: Whole = 0


class _File(_Part):
    path: Text = ""


class _Process(_Part):
    name: Name = ""
    cmd_line: Text = ""
    file: _File = _File()
    user: _User = _User()


class _Actor(_Part):
    process: _Process = _Process()
    user: _User = _User()


class _Traffic(_Part):
    bytes_out: Whole = 0
    packets: Whole = 0


class _Url(_Part):
    path: Text = ""


class _HttpRequest(_Part):
    url: _Url = _Url()


class _HttpResponse(_Part):
    code: Whole = 0


class _ApiRequest(_Part):
    flags: Annotated[tuple[Name, ...], Field(max_length=32)] = ()


class _Api(_Part):
    operation: Name = ""
    request: _ApiRequest = _ApiRequest()


class _State(_Part):
    state: Name = ""


class _Control(_Part):
    value: Number = 0.0
    low: Number = 0.0
    high: Number = 0.0


class _Ocsf(_Part):
    class_uid: Whole
    activity_id: Whole = 0
    time: Annotated[int, Field(ge=0, le=_LATEST_MS, strict=True)]
    metadata: _Metadata
    device: _Thing | None = None
    resources: Annotated[tuple[_Thing, ...], Field(max_length=64)] = ()
    resource: _Thing | None = None
    status_id: Whole = 0
    count: Annotated[int, Field(ge=1, le=2**53, strict=True)] = 1
    src_endpoint: _Endpoint = _Endpoint()
    dst_endpoint: _Endpoint = _Endpoint()
    traffic: _Traffic = _Traffic()
    user: _User = _User()
    logon_type_id: Whole = 0
    process: _Process = _Process()
    actor: _Actor = _Actor()
    file: _File = _File()
    api: _Api = _Api()
    command_uid: Name = ""
    http_request: _HttpRequest = _HttpRequest()
    http_response: _HttpResponse = _HttpResponse()
    control: _Control = _Control()
    security_states: Annotated[tuple[_State, ...], Field(max_length=64)] = ()


def read_events(payload: bytes, *, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> list[Event]:
    """Read events from NDJSON or one JSON list.

    Raises:
        EventError: too many bytes or events, not JSON (NaN and repeated keys included), nested too deeply, or an event
            without a class, a time, a product or an asset; names line (or position), field and mend.
    """
    if len(payload) > max_bytes:
        raise EventError(f"a payload of {len(payload)} bytes; send at most {max_bytes} at once")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EventError(f"byte {error.start}: not UTF-8; events are JSON in UTF-8") from None
    places = _listed(text) if text.lstrip().startswith("[") else _lined(text)
    events: list[Event] = []
    for place, content in places:
        if len(events) == max_events:
            raise EventError(f"{place}: more than {max_events} events; send fewer at once")
        events.append(parse_event(content, place=place))
    return events


def parse_event(content: object, *, place: str = "event") -> Event:
    """Check one JSON object and flatten it.

    Raises:
        EventError: it is no valid event; names `place`, the field and the mend.
    """
    if not isinstance(content, Mapping):
        raise EventError(f"{place}: not a JSON object; an OCSF event is one")
    if _is_deeper(content, MAX_DEPTH):
        raise EventError(f"{place}: nested deeper than {MAX_DEPTH}; OCSF events are flat")
    try:
        ocsf = _Ocsf.model_validate(content)
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(str(part) for part in fault["loc"])
        raise EventError(f"{place}, field {field}: {fault['msg']}; see the class at schema.ocsf.io") from None
    thing = ocsf.device or ocsf.resource or (ocsf.resources[0] if ocsf.resources else None)
    if thing is None:
        raise EventError(f"{place}, field device.uid: missing; name the asset (device.uid or resources[0].uid)")
    owner, says = thing.uid.split("/")[0], ocsf.metadata.tenant_uid
    if says not in ("", owner):
        raise EventError(f"{place}, field metadata.tenant_uid: {says!r}, but {thing.uid!r} is {owner!r}'s; mend one")
    return _flatten(ocsf, thing.uid)


def _flatten(ocsf: _Ocsf, asset: str) -> Event:
    launched, actor = ocsf.process, ocsf.actor
    user = ocsf.user if ocsf.user.name or ocsf.user.uid else launched.user
    return Event(
        uid=ocsf.metadata.uid or f"{asset}@{ocsf.time}",
        class_uid=ocsf.class_uid,
        activity=ocsf.activity_id,
        time_ms=ocsf.time,
        asset=asset,
        owner=asset.split("/")[0],
        product=ocsf.metadata.product.name,
        success=ocsf.status_id != 2,
        source=ocsf.src_endpoint.uid or ocsf.src_endpoint.ip,
        destination=ocsf.dst_endpoint.uid or ocsf.dst_endpoint.ip,
        port=ocsf.dst_endpoint.port,
        bytes_out=ocsf.traffic.bytes_out,
        packets=ocsf.traffic.packets,
        count=ocsf.count,
        user=user.uid or user.name,
        privileged=user.type_id == 2,
        logon_type=ocsf.logon_type_id,
        process=launched.name,
        process_path=launched.file.path,
        command=launched.cmd_line,
        parent=actor.process.name,
        actor=actor.user.uid or actor.user.name,
        actor_privileged=actor.user.type_id == 2,
        path=ocsf.file.path,
        operation=ocsf.api.operation or ocsf.command_uid,
        flags=ocsf.api.request.flags,
        url=ocsf.http_request.url.path,
        http_code=ocsf.http_response.code,
        value=ocsf.control.value,
        low=ocsf.control.low,
        high=ocsf.control.high,
        states=tuple(state.state for state in ocsf.security_states),
    )


def _listed(text: str) -> Iterable[tuple[str, Any]]:
    content = _load(text, "the list")
    return ((f"event {position}", one) for position, one in enumerate(content))


def _lined(text: str) -> Iterable[tuple[str, Any]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"line {number}", _load(line, f"line {number}")


def _load(text: str, place: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise EventError(f"{place}: not JSON ({reason}); mend it there") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"key {twice[:64]!r} stands twice in one object")
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _is_deeper(content: object, limit: int) -> bool:
    level: list[object] = [content]
    for _ in range(limit):
        inside: list[object] = []
        for one in level:
            if isinstance(one, Mapping):
                inside.extend(item for item in one.values() if isinstance(item, (Mapping, list)))
            elif isinstance(one, list):
                inside.extend(item for item in one if isinstance(item, (Mapping, list)))
        if not inside:
            return False
        level = inside
    return True
