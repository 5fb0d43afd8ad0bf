"""The data types of the OpenC2 Language Specification v1.0 (section 3.4), as strict pydantic types.

Flows in: JSON values. Flows out: typed values; addresses become `ipaddress` interfaces. A number such as 200.0 is an
integer, as in JSON Schema; true is no number. Hexadecimal is taken in either case: OASIS's own plugfest cases write
hashes in lower case, although section 3.1.5 names the upper-case alphabet.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from ipaddress import IPv4Interface, IPv6Interface
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOSTNAME: Final = re.compile(rf"{LABEL}(?:\.{LABEL})*\.?")  # RFC 1123, 2.1
IDN_HOSTNAME: Final = re.compile(r"[^\s.@/:\\]{1,63}(?:\.[^\s.@/:\\]{1,63})*\.?")
ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
EMAIL: Final = re.compile(rf"{ATOM}(?:\.{ATOM})*@{LABEL}(?:\.{LABEL})*")  # RFC 5322, 3.4.1, without quoted forms
IDN_EMAIL: Final = re.compile(r"[^\s@]{1,64}@[^\s.@/:\\]{1,63}(?:\.[^\s.@/:\\]{1,63})*")
URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")  # RFC 3986
IRI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`\x00-\x20]+")  # RFC 3987
MAC: Final = re.compile(r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{2}:){7}[0-9A-Fa-f]{2}")  # EUI-48, EUI-64
IPV4: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?")
IPV6: Final = re.compile(r"[0-9A-Fa-f:.]+(?:/\d{1,3})?")


class Part(BaseModel):
    """A Map or Record: unknown keys are refused, nothing is coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Filled(Part):
    """A Map or Record of at least one property."""

    @model_validator(mode="before")
    @classmethod
    def _has_one(cls, value: Any) -> Any:
        if isinstance(value, dict) and not value:
            raise ValueError(f"empty; give at least one of {', '.join(cls.model_fields)}")
        if isinstance(value, dict) and None in value.values():
            raise ValueError("null is no value; leave the property out")
        return value


def _integral(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not an integer")
    if isinstance(value, float) and not value.is_integer():
        raise ValueError("not a whole number")
    return int(value)


def _matching(pattern: re.Pattern[str], what: str, longest: int) -> AfterValidator:
    def look(text: str) -> str:
        if len(text) > longest or not pattern.fullmatch(text):
            raise ValueError(f"not {what}")
        return text

    return AfterValidator(look)


def _network(pattern: re.Pattern[str], make: Callable[[str], Any], what: str) -> BeforeValidator:
    def read(value: Any) -> Any:
        if isinstance(value, str) and pattern.fullmatch(value):
            try:
                return make(value)
            except ValueError:
                pass
        raise ValueError(f"not {what}, with or without a prefix length")

    return BeforeValidator(read)


def _unique(values: list[Any]) -> list[Any]:
    if len(set(values)) != len(values):
        raise ValueError("holds a value twice; list each once")
    return values


def _hex(digits: int) -> Any:
    return Annotated[str, _matching(re.compile(rf"[0-9A-Fa-f]{{{digits}}}"), f"{digits} hexadecimal digits", digits)]


def _base64url(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]*={0,2}", text):
        raise ValueError("not Base64url (RFC 4648, section 5)")
    try:
        base64.urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except binascii.Error:
        raise ValueError("not Base64url (RFC 4648, section 5)") from None
    return text


Integer = Annotated[int, BeforeValidator(_integral)]
Natural = Annotated[int, BeforeValidator(_integral), Field(ge=0)]
Unique = AfterValidator(_unique)
Hostname = Annotated[str, _matching(HOSTNAME, "a host name (RFC 1123)", 253)]
IdnHostname = Annotated[str, _matching(IDN_HOSTNAME, "an internationalized host name", 253)]
EmailAddress = Annotated[str, _matching(EMAIL, "an email address (RFC 5322)", 320)]
IdnEmailAddress = Annotated[str, _matching(IDN_EMAIL, "an internationalized email address", 320)]
Uri = Annotated[str, _matching(URI, "a URI (RFC 3986) with a scheme", 8_192)]
Iri = Annotated[str, _matching(IRI, "an IRI (RFC 3987) with a scheme", 8_192)]
MacAddress = Annotated[str, _matching(MAC, "a MAC address, six or eight pairs with colons", 23)]
IPv4Net = Annotated[IPv4Interface, _network(IPV4, IPv4Interface, "an IPv4 address")]
IPv6Net = Annotated[IPv6Interface, _network(IPV6, IPv6Interface, "an IPv6 address")]
CommandId = Annotated[str, _matching(re.compile(r"\S{0,36}"), "a command id: at most 36 characters, no blanks", 36)]
Port = Annotated[int, BeforeValidator(_integral), Field(ge=0, le=65_535)]
Protocol = Literal["icmp", "tcp", "udp", "sctp"]
Milliseconds = Natural  # Date-Time: since 1 January 1970 UTC; Duration: a length
Action = Literal[
    "scan",
    "locate",
    "query",
    "deny",
    "contain",
    "allow",
    "start",
    "stop",
    "restart",
    "cancel",
    "set",
    "update",
    "redirect",
    "create",
    "delete",
    "detonate",
    "restore",
    "copy",
    "investigate",
    "remediate",
]
ACTIONS: Final = frozenset(get_args(Action))
Feature = Literal["versions", "profiles", "pairs", "rate_limit"]
Features = Annotated[list[Feature], Field(max_length=10), Unique]
Properties = Annotated[list[str], Field(min_length=1), Unique]
ResponseType = Literal["none", "ack", "status", "complete"]


class Hashes(Filled):
    """Cryptographic hashes."""

    md5: _hex(32) | None = None  # type: ignore[valid-type]
    sha1: _hex(40) | None = None  # type: ignore[valid-type]
    sha256: _hex(64) | None = None  # type: ignore[valid-type]


class Payload(Filled):
    """Literal content, or where to get it."""

    bin: Annotated[str, AfterValidator(_base64url)] | None = None
    url: Uri | None = None

    @model_validator(mode="after")
    def _one(self) -> Payload:
        if self.bin is not None and self.url is not None:
            raise ValueError("give bin or url, not both")
        return self


class Artifact(Filled):
    """An array of bytes or a link to it."""

    mime_type: str | None = None
    payload: Payload | None = None
    hashes: Hashes | None = None


class Device(Filled):
    """A hardware device."""

    hostname: Hostname | None = None
    idn_hostname: IdnHostname | None = None
    device_id: str | None = None


class File(Filled):
    """A file."""

    name: str | None = None
    path: str | None = None
    hashes: Hashes | None = None


class Process(Filled):
    """An instance of a program."""

    pid: Natural | None = None
    name: str | None = None
    cwd: str | None = None
    executable: File | None = None
    parent: Process | None = None
    command_line: str | None = None


class IPv4Connection(Filled):
    """Addresses, ports and protocol; what is left out is any."""

    src_addr: IPv4Net | None = None
    src_port: Port | None = None
    dst_addr: IPv4Net | None = None
    dst_port: Port | None = None
    protocol: Protocol | None = None


class IPv6Connection(Filled):
    """Addresses, ports and protocol; what is left out is any."""

    src_addr: IPv6Net | None = None
    src_port: Port | None = None
    dst_addr: IPv6Net | None = None
    dst_port: Port | None = None
    protocol: Protocol | None = None


TARGETS: Final[dict[str, Any]] = {  # section 3.3.1.2
    "artifact": Artifact,
    "command": CommandId,
    "device": Device,
    "domain_name": Hostname,
    "email_addr": EmailAddress,
    "features": Features,
    "file": File,
    "idn_domain_name": IdnHostname,
    "idn_email_addr": IdnEmailAddress,
    "ipv4_net": IPv4Net,
    "ipv6_net": IPv6Net,
    "ipv4_connection": IPv4Connection,
    "ipv6_connection": IPv6Connection,
    "iri": Iri,
    "mac_addr": MacAddress,
    "process": Process,
    "properties": Properties,
    "uri": Uri,
}
