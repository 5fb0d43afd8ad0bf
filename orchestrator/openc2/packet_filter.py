"""The Stateless Packet Filtering profile v1.0 (`slpf`, OASIS committee specification 01, 11 July 2019).

Flows in: JSON values below `slpf`. Flows out: typed values, and what a command of this profile may hold (tables 2.3-1
and 2.3-2 of the specification, sections 2.3.1 to 2.3.5).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from .profiles import Profile
from .types import Filled, Integer, Part

NSID: Final = "slpf"
RULE_NUMBER: Final = "slpf:rule_number"
FILTERED: Final = frozenset({"ipv4_net", "ipv6_net", "ipv4_connection", "ipv6_connection"})
TEMPORAL: Final = frozenset({"start_time", "stop_time", "duration"})


class FilterArgs(Filled):
    """Arguments of deny and allow."""

    drop_process: Literal["none", "reject", "false_ack"] | None = None  # absent: none
    persistent: Annotated[bool, Field(strict=True)] | None = None  # absent: true
    direction: Literal["both", "ingress", "egress"] | None = None  # absent: both
    insert_rule: Integer | None = None


class FilterSpecifiers(Part):
    """Which packet filter is meant; empty: any."""

    hostname: str | None = None
    named_group: str | None = None
    asset_id: str | None = None
    asset_tuple: Annotated[list[str], Field(max_length=10)] | None = None


class FilterResults(Part):
    """The number of a rule made by deny or allow."""

    rule_number: Integer | None = None


SLPF: Final = Profile(
    NSID,
    targets={RULE_NUMBER: TypeAdapter(Integer)},
    args=TypeAdapter(FilterArgs),
    specifiers=TypeAdapter(FilterSpecifiers),
    results=TypeAdapter(FilterResults),
    pairs={
        "query": frozenset({"features"}),
        "deny": FILTERED,
        "allow": FILTERED,
        "delete": frozenset({RULE_NUMBER}),
        "update": frozenset({"file"}),
    },
    arguments={
        "query": frozenset({"response_requested"}),
        "deny": TEMPORAL
        | {"response_requested", "slpf.drop_process", "slpf.persistent", "slpf.direction", "slpf.insert_rule"},
        "allow": TEMPORAL | {"response_requested", "slpf.persistent", "slpf.direction", "slpf.insert_rule"},
        "delete": frozenset({"response_requested", "start_time"}),
        "update": frozenset({"response_requested", "start_time"}),
    },
)
