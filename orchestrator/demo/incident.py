"""One incident, end to end: the plant under attack, the node that answers, owners who consent.

Flows in: addresses, the home, how many ticks. Flows out: what was proposed, consented, refused, carried out and undone,
and the plant's truth after its end. The same plant without a node tells what the attack would have cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from ..client import ApiError, Client, sign_for
from ..consent import Decision
from ..keys import load_key, read_token

VALID = timedelta(hours=1)  # of a consent
Progress = Callable[[int], None]
TIMEOUT_S = 120.0


@dataclass
class Incident:
    """What happened at the node during one attack; filled while it runs."""

    responses: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    refused_consent: Mapping[str, Any] | None = None  # the attempt by a wrong owner, and the node's answer
    undo_wanted: str = ""  # id of the response that is undone
    probe: str = ""  # id of the response that a person proposed


class PlantClient:
    """The plant's operator; lives as long as one run."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_S, trust_env=False
        )

    def step(self) -> str:
        """Advance the plant by one tick; gives its time."""
        return str(self._post("/step", {"ticks": 1})["time"])

    def truth(self) -> Mapping[str, Any]:
        """End the plant and hear what really happened."""
        self._post("/end", None)
        answer = self._http.get("/truth")
        answer.raise_for_status()
        truth: Mapping[str, Any] = answer.json()
        return truth

    def _post(self, path: str, body: Any) -> Any:
        answer = self._http.post(path, json=body)
        answer.raise_for_status()
        return answer.json()


class Owners:
    """The owners' people, played by the demonstration: each with its own token and signing key."""

    def __init__(self, home: Path, node: str, owners: tuple[str, ...], operator: str) -> None:
        self._home, self.names, self.operator = home, owners, operator
        self.clients = {
            owner: Client(node, read_token(home / "tokens" / f"{owner}.approver.token")) for owner in owners
        }
        self.node = Client(node, read_token(home / "tokens" / f"{operator}.operator.token"))

    def consent(self, response: str, owner: str, *, by: str | None = None) -> None:
        """Sign yes for `owner`; `by` lets another owner's person try it with its own key.

        Raises:
            ApiError: the node refuses.
        """
        person = by or owner
        client, key = self.clients[person], load_key(self._home / "keys" / f"{person}.jwk")
        reader = self.clients[owner]
        signed = sign_for(
            reader, response, Decision.APPROVE, key, owner=person, person=f"approver@{person}", valid=VALID
        )
        client.post(f"/v1/responses/{response}/consent", {"jws": signed})

    def all_responses(self) -> dict[str, Mapping[str, Any]]:
        """Every response that any owner sees, by id."""
        return {row["id"]: row for client in self.clients.values() for row in client.get("/v1/responses")}


def play(plant: PlantClient, owners: Owners, ticks: int, *, probe: Mapping[str, Any], progress: Progress) -> Incident:
    """Play an attack in lockstep with the node.

    Args:
        plant: the plant's operator.
        owners: the owners' people and the node.
        ticks: how long.
        probe: a response that a person proposes in the first tick and has undone once it has succeeded: its owner and
            bodies of proposals, of which the first that is not there already is made.
        progress: told each tick.
    """
    incident = Incident()
    for tick in range(ticks):
        owners.node.tick(plant.step())
        if tick == 0:
            incident.probe = _proposed(owners.clients[probe["owner"]], probe["bodies"])
        incident.responses = owners.all_responses()
        for response in incident.responses.values():
            if response["state"] == "awaiting_consent":
                _answer(owners, incident, response)
        _undo_probe(owners, incident, probe["owner"])
        progress(tick + 1)
    incident.responses = {
        row["id"]: owners.clients[row["owners"][0]].get(f"/v1/responses/{row['id']}")
        for row in owners.all_responses().values()
    }
    return incident


def _proposed(client: Client, bodies: Sequence[Mapping[str, Any]]) -> str:
    """Propose the first of these that the policy has not proposed itself; gives the response's id.

    Raises:
        ApiError: the node refuses for another reason, or all are there already.
    """
    for body in bodies[:-1]:
        try:
            return str(client.post("/v1/responses", body)["id"])
        except ApiError as error:
            if error.reason != "already_there":
                raise
    return str(client.post("/v1/responses", bodies[-1])["id"])


def _answer(owners: Owners, incident: Incident, response: Mapping[str, Any]) -> None:
    """Let a wrong owner try first, once; then the owners asked sign."""
    asked = response["owners"]
    if incident.refused_consent is None:
        wrong = next(name for name in owners.names if name not in asked)
        try:
            owners.consent(response["id"], asked[0], by=wrong)
            status, reason = 200, "accepted"
        except ApiError as error:
            status, reason = error.status, error.reason
        incident.refused_consent = {
            "response": response["id"],
            "owners": list(asked),
            "attempt_by": wrong,
            "status": status,
            "reason": reason,
        }
    given = {consent["owner"] for consent in response.get("consents", ())}
    for owner in asked:
        if owner not in given:
            try:
                owners.consent(response["id"], owner)
            except ApiError as error:
                if error.status != 409:  # it went on meanwhile
                    raise


def _undo_probe(owners: Owners, incident: Incident, owner: str) -> None:
    row = incident.responses.get(incident.probe)
    if row is not None and row["state"] == "succeeded" and not incident.undo_wanted:
        incident.undo_wanted = incident.probe
        owners.clients[owner].post(f"/v1/responses/{incident.probe}/undo", {})
