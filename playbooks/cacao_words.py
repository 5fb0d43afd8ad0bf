"""The words of CACAO v2.0: forms of identifiers, times and variable names, and the vocabularies of the standard.

Flows in: nothing. Flows out: types for the model and sets for the linter. Open vocabularies (`-ov` in the standard) may
be exceeded by an author, which the linter tells; enumerations may not, which the model refuses. Source: OASIS CACAO
Security Playbooks v2.0, Committee Specification 01, 27 November 2023; the section stands beside each.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

Identifier = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9-]*[a-z0-9]--[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"),
]  # 10.10
Timestamp = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        r"T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]{1,30})?Z$"
    ),
]  # 10.17, RFC 3339 in UTC; digits bounded by us
VariableName = Annotated[
    str, StringConstraints(pattern=r"^__[a-zA-Z_][a-zA-Z0-9_-]{0,199}__$", max_length=250)
]  # 10.18
Key = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,250}$")]  # of a dictionary, 10.7

VariableType = Literal[
    "bool", "dictionary", "float", "hexstring", "integer", "ipv4-addr", "ipv6-addr", "long", "mac-addr", "hash",
    "md5-hash", "sha256-hash", "string", "uri", "uuid",
]  # 10.18  # fmt: skip
CommandType = Literal[
    "manual", "bash", "powershell", "ssh", "http-api", "openc2-http", "caldera-cmd", "elastic", "jupyter", "kestrel",
    "sigma", "yara",
]  # 5.2  # fmt: skip
StepType = Literal[
    "start", "end", "action", "playbook-action", "parallel", "if-condition", "while-condition", "switch-condition"
]  # 4.2, an enumeration
PartyType = Literal[
    "group", "individual", "organization", "location", "sector", "security-category", "http-api", "ssh", "linux",
    "net-address",
]  # 7.2  # fmt: skip
AuthenticationType = Literal["http-basic", "oauth2", "user-auth"]  # 6.2

PLAYBOOK_TYPES = frozenset({
    "attack", "detection", "engagement", "investigation", "mitigation", "notification", "prevention", "remediation",
})  # 3.1.1  # fmt: skip
ACTIVITIES = frozenset({
    "compose-content", "deliver-content", "identify-audience", "identify-channel", "scan-system", "match-indicator",
    "analyze-collected-data", "identify-indicators", "scan-vulnerabilities", "configure-systems", "restrict-access",
    "disconnect-system", "eliminate-risk", "revert-system", "restore-data", "restore-capabilities", "map-network",
    "identify-steps", "step-sequence", "prepare-engagement", "execute-operation", "analyze-engagement-results",
})  # 3.1.2  # fmt: skip
SECTORS = frozenset({
    "aerospace", "aviation", "agriculture", "automotive", "biotechnology", "chemical", "commercial", "consulting",
    "construction", "cosmetics", "critical-infrastructure", "dams", "defense", "education", "emergency-services",
    "energy", "non-renewable-energy", "renewable-energy", "media", "financial", "food", "gambling", "government",
    "local-government", "national-government", "regional-government", "public-services", "healthcare",
    "information-communications-technology", "electronics-hardware", "software", "telecommunications",
    "legal-services", "lodging", "manufacturing", "maritime", "metals", "mining", "non-profit", "humanitarian-aid",
    "human-rights", "nuclear", "petroleum", "pharmaceuticals", "research", "transportation", "logistics-shipping",
    "utilities", "video-game", "water",
})  # 7.7.1  # fmt: skip
CATEGORIES = frozenset({
    "aaa", "analytics", "caldera", "content-gateway", "desktop", "endpoint", "firewall", "handset", "ids", "ips",
    "kali", "manx", "orchestrator", "os-linux", "os-mac", "os-windows", "redcanary-atomicred", "ragdoll", "router",
    "sandcat", "server", "siem", "switch", "ticketing", "tip", "wireless",
})  # 7.11.1  # fmt: skip
ALGORITHMS = frozenset({
    "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "Ed25519", "Ed448",
    "XMSS-SHA2_10_256", "XMSS-SHA2_16_256", "XMSS-SHA2_20_256", "LMS_SHA256_M32_H5", "LMS_SHA256_M32_H10",
    "LMS_SHA256_M32_H15", "LMS_SHA256_M32_H20", "LMS_SHA256_M32_H25",
})  # 10.15  # fmt: skip
REGIONS = frozenset({
    "africa", "eastern-africa", "middle-africa", "northern-africa", "southern-africa", "western-africa", "americas",
    "caribbean", "central-america", "latin-america-caribbean", "northern-america", "south-america", "asia",
    "central-asia", "eastern-asia", "southern-asia", "south-eastern-asia", "western-asia", "europe", "eastern-europe",
    "northern-europe", "southern-europe", "western-europe", "oceania", "antarctica", "australia-new-zealand",
    "melanesia", "micronesia", "polynesia",
})  # 10.4.1, an enumeration  # fmt: skip


class Model(BaseModel):
    """Base of every CACAO object: strict types, frozen; properties that the standard does not know are kept."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, populate_by_name=True)


def type_tag(known: frozenset[str]) -> Any:
    """A discriminator of pydantic: the object's type where we model it, else `other`."""

    def tag(value: Any) -> str:
        kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
        return kind if isinstance(kind, str) and kind in known else "other"

    return tag
