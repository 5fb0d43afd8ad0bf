"""What an attacker has to hold to hold an asset: runners of services, members of segments.

Flows in: a `Twin`. Flows out: for each asset the asset that is held in its place, for each segment its members. Attack
steps, their compiler and path analysis all use these, so that "held" means one thing. Nothing here knows of attacks.
"""

from __future__ import annotations

from ..graph import Twin
from ..vocabulary import AssetKind, LinkKind


def holder(twin: Twin) -> dict[str, str]:
    """Give for every asset id the id of the asset that is held in its place.

    A service is held through what runs it (a container, a host, a device), directly or through other services; with
    several runners the first by id stands for all. Everything else, and a service that nothing runs, is held itself.
    """
    runner: dict[str, str] = {}
    for link in twin.links:  # sorted, so the first runner is the least id
        if link.kind is LinkKind.RUNS_ON and twin.asset_by_id[link.source].kind is AssetKind.SERVICE:
            runner.setdefault(link.source, link.target)
    return {asset.id: _follow(asset.id, runner) if asset.id in runner else asset.id for asset in twin.assets}


def members(twin: Twin) -> dict[str, tuple[str, ...]]:
    """Give for every segment id the sorted ids of the assets that hold it while they are held.

    A member is what `reaches` the segment, services in the person of their runner; a segment that reaches a segment
    brings its own members along.
    """
    held_as = holder(twin)
    segments = {asset.id for asset in twin.assets if asset.kind is AssetKind.SEGMENT}
    direct: dict[str, set[str]] = {segment: set() for segment in segments}
    for link in twin.links:
        if link.kind is LinkKind.REACHES and link.target in segments:
            direct[link.target].add(link.source if link.source in segments else held_as[link.source])
    return {segment: tuple(sorted(_gather(segment, direct) - segments)) for segment in sorted(segments)}


def _follow(asset: str, runner: dict[str, str]) -> str:
    seen = {asset}
    while asset in runner and runner[asset] not in seen:
        asset = runner[asset]
        seen.add(asset)
    return asset


def _gather(segment: str, direct: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [segment]
    while waiting:
        for member in direct[waiting.pop()]:
            if member not in found:
                found.add(member)
                if member in direct:
                    waiting.append(member)
    return found
