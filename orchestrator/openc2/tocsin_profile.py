"""Our own actuator profile `x-tocsin`: commands on what the twin names, for enforcement points that know the names.

Flows in: JSON values below `x-tocsin`. Flows out: typed values. Targets are `x-tocsin:asset`, `x-tocsin:link` and
`x-tocsin:owner`, each a name in the twin; the arguments say which playbook and response the command belongs to.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter

from .profiles import Profile
from .types import Filled, Part

NSID: Final = "x-tocsin"
ASSET: Final = "x-tocsin:asset"
LINK: Final = "x-tocsin:link"
OWNER: Final = "x-tocsin:owner"
Name = Annotated[str, Field(min_length=1, max_length=512)]


class TocsinArgs(Filled):
    """Which playbook and response a command belongs to, and whether it takes back what the response did."""

    playbook: Name | None = None
    response: Annotated[str, Field(max_length=512)] = ""
    undo: bool = False
    what: Name | None = None  # which of several things of its kind, e.g. the evidence memory


class TocsinSpecifiers(Part):
    """Which enforcement point is meant; empty: any."""

    asset_id: Name | None = None


class TocsinResults(Part):
    """Numbers of the rules that an order made or took away; what a step asked for, by the names of its variables."""

    rules: list[int] = Field(default_factory=list)
    values: dict[str, str] = Field(default_factory=dict)


TOCSIN: Final = Profile(
    NSID,
    targets={name: TypeAdapter(Name) for name in (ASSET, LINK, OWNER)},
    args=TypeAdapter(TocsinArgs),
    specifiers=TypeAdapter(TocsinSpecifiers),
    results=TypeAdapter(TocsinResults),
)


def normalised(content: Any) -> Any:
    """Give a command's content with our target written as the language asks (3.1.4): profile, colon, name.

    Playbooks before this rule was kept write `{"x-tocsin": {"asset": NAME}}`; that means `{"x-tocsin:asset": NAME}`.
    """
    target = content.get("target") if isinstance(content, dict) else None
    inner = target.get(NSID) if isinstance(target, dict) and len(target) == 1 else None
    if not isinstance(inner, dict) or len(inner) != 1:
        return content
    name, value = next(iter(inner.items()))
    return {**content, "target": {f"{NSID}:{name}": value}}
