"""Reading events from hostile bytes."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tocsin.twin.sensing.events import MAX_DEPTH, Event, EventClass, EventError, parse_event, read_events


def event(**more: Any) -> dict[str, Any]:
    base = {
        "class_uid": 4001,
        "activity_id": 6,
        "time": 1_767_600_000_000,
        "metadata": {"product": {"name": "flow collector"}, "uid": "e1", "tenant_uid": "shop"},
        "device": {"uid": "shop/host/web"},
    }
    return base | more


def ndjson(*events: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(one) for one in events).encode()


def test_lines_and_lists_read_alike() -> None:
    """NDJSON (with blank lines) and one JSON list give equal events."""
    two = [event(), event(time=1)]
    assert read_events(ndjson(*two) + b"\n\n") == read_events(json.dumps(two).encode())
    assert [one.time_ms for one in read_events(ndjson(*two))] == [1_767_600_000_000, 1]


def test_features_are_flat() -> None:
    """A flow's ends, port and bytes, and whose asset saw it, come out flat."""
    read = parse_event(
        event(
            src_endpoint={"ip": "203.0.113.9"},
            dst_endpoint={"uid": "shop/host/web", "ip": "10.0.0.1", "port": 22},
            traffic={"bytes_out": 7},
            status_id=2,
        )
    )
    assert (read.source, read.destination, read.port, read.bytes_out) == ("203.0.113.9", "shop/host/web", 22, 7)
    assert (read.asset, read.owner, read.uid, read.success) == ("shop/host/web", "shop", "e1", False)


def test_an_asset_may_be_named_by_resources_and_the_owner_by_its_id() -> None:
    """API Activity names resources; without a tenant the owner is the first part of the asset's id."""
    content = event(resources=[{"uid": "edge/host/gw"}], metadata={"product": {"name": "p"}})
    del content["device"]
    assert (parse_event(content).asset, parse_event(content).owner) == ("edge/host/gw", "edge")


def test_unknown_classes_are_read() -> None:
    """A class that no detector looks at is no error."""
    assert parse_event(event(class_uid=6007)).class_uid == 6007
    assert 6007 not in set(EventClass)


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b'{"class_uid": 4001, "class_uid": 4002}', "line 1: not JSON (key 'class_uid' stands twice"),
        (b'{"time": NaN}', "NaN"),
        (b"{} \xff", "not UTF-8"),
        (b"[1]", "event 0: not a JSON object"),
        (b'"text"', "line 1: not a JSON object"),
        (ndjson(event(), event(time=1.5)), "line 2, field time"),
        (ndjson(event(time=-1)), "field time"),
        (ndjson(event(class_uid="4001")), "field class_uid"),
        (ndjson(event(metadata={})), "field metadata.product"),
        (ndjson(event(device={"uid": "edge/host/gw"})), "field metadata.tenant_uid: 'shop', but 'edge/host/gw' is"),
        (ndjson(event(device=None)), "field device.uid: missing"),
        (ndjson(event(device={"uid": "x" * 600})), "field device.uid"),
        (ndjson(event(dst_endpoint={"port": 70_000})), "field dst_endpoint.port"),
        (b"[" * 100_000, "nested too deeply"),
        (ndjson(event(control={"value": 1e999})), "field control.value"),
    ],
)
def test_what_is_wrong_is_named(payload: bytes, says: str) -> None:
    """Every refusal names place and field."""
    with pytest.raises(EventError) as error:
        read_events(payload.replace(b"Infinity", b"1e999"))
    assert says in str(error.value)


def test_limits_hold() -> None:
    """Bytes, events and depth are bounded."""
    with pytest.raises(EventError, match="at most 10 at once"):
        read_events(ndjson(event()), max_bytes=10)
    with pytest.raises(EventError, match="line 3: more than 2 events"):
        read_events(ndjson(event(), event(), event()), max_events=2)
    deep: dict[str, Any] = {}
    for _ in range(MAX_DEPTH):
        deep = {"a": deep}
    with pytest.raises(EventError, match="nested deeper"):
        parse_event(event(unmapped=deep))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine draws slowly; the law is the same
@given(st.dictionaries(st.sampled_from([*event(), "src_endpoint", "traffic", "process", "user"]), json_values))
def test_any_object_is_an_event_or_an_event_error(odd: dict[str, Any]) -> None:
    """No object breaks the reader otherwise."""
    with contextlib.suppress(EventError):
        assert isinstance(parse_event(event() | odd), Event)


@given(st.binary(max_size=200))
def test_any_bytes_are_events_or_an_event_error(payload: bytes) -> None:
    """No bytes break the reader otherwise."""
    with contextlib.suppress(EventError):
        read_events(payload)
