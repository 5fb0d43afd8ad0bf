"""What is usual around each asset: who talks to it, who logs in from where, who commands it.

Flows in: a twin's baseline. Flows out: one `Place` per asset, from which ordinary telemetry is made and against which
attackers stand out. Nothing is drawn here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...twin.graph import Twin
from ...twin.sensing.detector_memory import Baseline
from ...twin.sensing.detectors import baseline_of
from ...twin.vocabulary import AssetKind, SensorClass

ANY_PORT = 443  # where a link names no port


@dataclass(frozen=True, slots=True)
class Place:
    """One asset as its sensors know it."""

    asset: str
    number: int
    owner: str
    sensors: tuple[SensorClass, ...]
    callers: tuple[tuple[str, int], ...]  # source, port: flows to the asset
    called: tuple[tuple[str, int], ...]  # destination, port: flows from it
    logons: tuple[tuple[str, str], ...]  # identity, source
    stations: tuple[str, ...]  # who commands it
    neighbours: tuple[str, ...]  # other assets of the same owner that have an address


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All places, by asset number, and what is normal."""

    places: tuple[Place, ...]
    baseline: Baseline


def survey(twin: Twin) -> Surroundings:
    """Look up what is usual around each asset of a twin."""
    baseline = baseline_of(twin)
    callers: dict[str, list[tuple[str, int]]] = {}
    called: dict[str, list[tuple[str, int]]] = {}
    logons: dict[str, list[tuple[str, str]]] = {}
    stations: dict[str, list[str]] = {}
    for source, target, port in sorted(baseline.flows):
        callers.setdefault(target, []).append((source, port or ANY_PORT))
        called.setdefault(source, []).append((target, port or ANY_PORT))
    for user, asset, source in sorted(baseline.logons):
        logons.setdefault(asset, []).append((user, source))
    for station, asset in sorted(baseline.stations):
        stations.setdefault(asset, []).append(station)
    neighbours = _neighbours(twin)
    places = tuple(
        Place(
            asset.id,
            number,
            asset.owner,
            tuple(sorted(set(asset.sensors))),
            tuple(callers.get(asset.id, ())),
            tuple(called.get(asset.id, ())),
            tuple(logons.get(asset.id, ())),
            tuple(stations.get(asset.id, ())),
            tuple(one for one in neighbours.get(asset.owner, ()) if one != asset.id),
        )
        for number, asset in enumerate(twin.assets)
    )
    return Surroundings(places, baseline)


def _neighbours(twin: Twin) -> Mapping[str, list[str]]:
    addressed = (AssetKind.HOST, AssetKind.CONTAINER, AssetKind.DEVICE, AssetKind.SERVICE)
    neighbours: dict[str, list[str]] = {}
    for asset in twin.assets:
        if asset.kind in addressed:
            neighbours.setdefault(asset.owner, []).append(asset.id)
    return neighbours
