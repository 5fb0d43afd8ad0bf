"""Telemetry on its way to the orchestrator, per owner and collector with that collector's sensor token.

Flows in: an owner and events. Flows out: a POST to the node's API. It neither retries nor keeps anything: the plant's
outbox does. An owner has as many collectors as tokens: what is seen on the network comes by the last one, what is seen
on hosts, of identities and of processes by the first, so that a node can tell independent sources by their credential.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import httpx

from ..client import ApiError, Client
from .plant import Deliver, DeliveryFailed
from .shapes import Json, is_of_network


def to_orchestrator(url: str, sensor: Mapping[str, Sequence[str]], *, http: httpx.Client | None = None) -> Deliver:
    """Give a way to deliver to the node at `url` with the sensor tokens of the owners, over `http` if given."""
    clients = {owner: [Client(url, token, http=http) for token in tokens] for owner, tokens in sensor.items()}

    def deliver(owner: str, events: Sequence[Json]) -> None:
        try:
            clients[owner][-1 if is_of_network(events[0]) else 0].post_events(events)
        except ApiError as error:
            raise DeliveryFailed(f"telemetry of {owner!r} was not taken: {error}") from None

    return deliver


def nowhere(owner: str, events: Sequence[Json]) -> None:
    """Drop the events: a plant that nobody listens to."""
