"""The ten agent and target types of CACAO v2.0 (section 7) and its three kinds of authentication information (6).

Flows in: JSON objects. Flows out: `AnyParty`, `AnyAuthentication`. Objects of types that the standard does not know are
kept whole. Any string may hold a variable, so addresses are judged by the linter, not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Discriminator, Field, Tag

from .cacao_data import CivicLocation, Contact
from .cacao_words import AuthenticationType, Identifier, Model, PartyType, type_tag

AddressKind = Literal["dname", "ipv4", "ipv6", "l2mac", "vlan", "url"]
Addresses = Mapping[AddressKind, list[str | int]]  # vlan numbers may be written as numbers


class Party(Model):
    """What every agent or target has (7.1)."""

    type: str
    name: str
    description: str = ""
    location: CivicLocation | None = None
    agent_target_extensions: Mapping[Identifier, Any] = Field(default_factory=dict)


class Group(Party):
    """People together (7.3)."""

    type: Literal["group"]
    contact: Contact | None = None


class Individual(Party):
    """A person (7.4)."""

    type: Literal["individual"]
    contact: Contact | None = None


class LocationParty(Party):
    """All that is at a place (7.5)."""

    type: Literal["location"]
    logical: list[str] = Field(default_factory=list)


class Organization(Party):
    """An organisation (7.6)."""

    type: Literal["organization"]
    contact: Contact | None = None


class SectorParty(Party):
    """All of an industry sector (7.7)."""

    type: Literal["sector"]
    sector: str


class AddressedParty(Party):
    """A system by its addresses."""

    type: Literal["http-api", "ssh", "linux", "net-address"]
    address: Addresses
    authentication_info: Identifier | None = None
    category: list[str] = Field(default_factory=list)


class HttpApiParty(AddressedParty):
    """An HTTP API (7.8)."""

    type: Literal["http-api"]
    port: str = "80"


class LinuxParty(AddressedParty):
    """A Linux system (7.9)."""

    type: Literal["linux"]
    port: str | None = None


class NetAddressParty(AddressedParty):
    """Whatever answers at a network address (7.10)."""

    type: Literal["net-address"]


class SecurityCategoryParty(Party):
    """All of a kind of security infrastructure (7.11)."""

    type: Literal["security-category"]
    category: Annotated[list[str], Field(min_length=1)]


class SshParty(AddressedParty):
    """A system reached by SSH (7.12)."""

    type: Literal["ssh"]
    port: str = "22"


class OtherParty(Party):
    """An agent or target of a type that the standard does not know: kept whole, never acted on."""


AnyParty = Annotated[
    Annotated[Group, Tag("group")]
    | Annotated[Individual, Tag("individual")]
    | Annotated[LocationParty, Tag("location")]
    | Annotated[Organization, Tag("organization")]
    | Annotated[SectorParty, Tag("sector")]
    | Annotated[HttpApiParty, Tag("http-api")]
    | Annotated[LinuxParty, Tag("linux")]
    | Annotated[NetAddressParty, Tag("net-address")]
    | Annotated[SecurityCategoryParty, Tag("security-category")]
    | Annotated[SshParty, Tag("ssh")]
    | Annotated[OtherParty, Tag("other")],
    Discriminator(type_tag(frozenset(get_args(PartyType)))),
]


class Authentication(Model):
    """What every authentication information has (6.1); with `kms` the secret is looked up by the identifier."""

    type: str
    name: str | None = None
    description: str = ""
    authentication_info_extensions: Mapping[Identifier, Any] = Field(default_factory=dict)


class _Kept(Authentication):
    kms: bool = False
    kms_key_identifier: str | None = None


class HttpBasic(_Kept):
    """HTTP basic authentication (6.3)."""

    type: Literal["http-basic"]
    user_id: str | None = None
    password: str | None = None


class OAuth2(_Kept):
    """OAuth 2.0 with a bearer token (6.4)."""

    type: Literal["oauth2"]
    oauth_header: str
    token: str | None = None  # left out with kms, see the linter


class UserAuth(_Kept):
    """User name and password (6.5)."""

    type: Literal["user-auth"]
    username: str | None = None
    password: str | None = None


class OtherAuthentication(Authentication):
    """Of a type that the standard does not know: kept whole, never used."""


AnyAuthentication = Annotated[
    Annotated[HttpBasic, Tag("http-basic")]
    | Annotated[OAuth2, Tag("oauth2")]
    | Annotated[UserAuth, Tag("user-auth")]
    | Annotated[OtherAuthentication, Tag("other")],
    Discriminator(type_tag(frozenset(get_args(AuthenticationType)))),
]
