"""Telemetry on its way to the orchestrator, per owner with that owner's sensor token.

Flows in: an owner and events. Flows out: a POST to the node's API. It neither retries nor keeps anything: the plant's
outbox does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import httpx

from ..client import ApiError, Client
from .plant import Deliver, DeliveryFailed
from .shapes import Json


def to_orchestrator(url: str, sensor: Mapping[str, str], *, http: httpx.Client | None = None) -> Deliver:
    """Give a way to deliver to the node at `url` with the sensor tokens of the owners, over `http` if given."""
    clients = {owner: Client(url, token, http=http) for owner, token in sensor.items()}

    def deliver(owner: str, events: Sequence[Json]) -> None:
        try:
            clients[owner].post_events(events)
        except ApiError as error:
            raise DeliveryFailed(f"telemetry of {owner!r} was not taken: {error}") from None

    return deliver


def nowhere(owner: str, events: Sequence[Json]) -> None:
    """Drop the events: a plant that nobody listens to."""
