"""The range as Tocsin sees it: a chain file, a map from names to addresses, and what reachability it predicts.

Flows in: a plan, a twin. Flows out: plain values to write to files, and sets of (source, target, port).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ...twin.graph import Twin
from ...twin.vocabulary import LinkKind
from .topology import ALLOWED, CROWN, HELD, HTTP, IDENTITY, OPENED, OWNERS, SSH, Plan

Reach = tuple[str, str, int]  # source asset, target asset, port


def chain_of(plan: Plan) -> dict[str, Any]:
    """Give the content of the `chain.yaml` that is the range's twin."""
    assets: list[dict[str, Any]] = [
        {
            "id": host.asset,
            "sensors": ["host", "network"],
            "attributes": {"ports": f"{SSH}, {HTTP}", "ipv4": host.ipv4, "ipv6": host.ipv6},
            **(
                {"crown_jewel": True, "criticality": 3, "harm_per_hour": 2.0}
                if host.place == CROWN
                else {"criticality": 1}
            ),
        }
        for host in plan.hosts
    ]
    assets.append({"id": IDENTITY})
    inside, across = _reaches(plan)
    links = [
        *inside,
        *({"kind": "holds_credential", "source": plan.host(p).asset, "target": IDENTITY} for p in HELD),
        *({"kind": "can_log_in", "source": IDENTITY, "target": plan.host(p).asset, "access": "admin"} for p in OPENED),
    ]
    return {
        "tocsin": 1,
        "name": f"range {plan.prefix}",
        "owners": {owner: {"name": name, "contact": f"soc@{owner}.example"} for owner, name in OWNERS.items()},
        "assets": assets,
        "links": links,
        "contracts": across,
        "sharing": [{"owner": owner, "peers": ["*"], "what": ["findings", "assets"]} for owner in OWNERS],
    }


def _reaches(plan: Plan) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Links within owners, and contracts across them."""
    inside: list[dict[str, Any]] = []
    across: list[dict[str, Any]] = []
    for source, target, port in ALLOWED:
        ends = {"source": plan.host(source).asset, "target": plan.host(target).asset, "port": port}
        if source.split("/")[0] == target.split("/")[0]:
            inside.append({"kind": "reaches", **ends})
        else:
            across.append(ends)
    return inside, across


def names_of(plan: Plan) -> dict[str, Any]:
    """Give the content of the enforcement point's map of names."""
    return {"assets": {host.asset: [host.ipv4, host.ipv6] for host in plan.hosts}}


def predicted(twin: Twin, *, isolated: Collection[str] = (), cut: Collection[Reach] = ()) -> set[Reach]:
    """Give who reaches which port of whom, by the twin's `reaches` links.

    Args:
        twin: the range's.
        isolated: assets that no packet leaves or enters.
        cut: links that are blocked.
    """
    return {
        (link.source, link.target, link.port)
        for link in twin.links
        if link.kind is LinkKind.REACHES and link.port is not None
        if link.source not in isolated and link.target not in isolated
        if (link.source, link.target, link.port) not in cut
    }
