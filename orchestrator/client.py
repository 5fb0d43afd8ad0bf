"""A caller of the node's API: what commands and the demo use.

Flows in: a URL and a token. Flows out: JSON, or one clear error. It signs consents for a person whose key is here; the
node never sees the key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import httpx
from joserfc.jwk import OKPKey

from .addresses import check_url
from .clock import parse_iso
from .consent import Binding, Decision, forecast_digest, sign

TIMEOUT_S = 120.0  # a tick may rehearse several proposals


class ApiError(ValueError):
    """The node said no, or was not reached; `status` is the HTTP status (0: not reached), `reason` a name."""

    def __init__(self, message: str, *, status: int, reason: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Client:
    """One owner's way to a node; lives as long as its caller wants, one connection pool.

    The token goes out by TLS, or in plain on loopback only: any other URL is an `AddressError`.
    """

    def __init__(self, url: str, token: str, *, http: httpx.Client | None = None) -> None:
        if http is None:
            check_url(url, "node")
        self._http = http or httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._url = url

    def get(self, path: str) -> Any:
        """Read a route.

        Raises:
            ApiError: not reached, or refused.
        """
        return self._call("GET", path)

    def post(self, path: str, body: Any) -> Any:
        """Post a JSON body.

        Raises:
            ApiError: not reached, or refused.
        """
        return self._call("POST", path, json=body)

    def post_events(self, events: Iterable[Mapping[str, Any]]) -> int:
        """Post OCSF events as NDJSON; give how many the node took.

        Raises:
            ApiError: not reached, or refused.
        """
        lines = "\n".join(json.dumps(event) for event in events)
        headers = {"Content-Type": "application/x-ndjson"}
        return int(self._call("POST", "/v1/events", content=lines.encode(), headers=headers)["accepted"])

    def tick(self, time: str | None = None) -> Any:
        """Bring the node on by one tick, at `time` (UTC, ISO 8601) if its clock is in lockstep.

        Raises:
            ApiError: not reached, or refused.
        """
        return self.post("/v1/tick", {"time": time} if time else None)

    def _call(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **content: Any) -> Any:
        try:
            answer = self._http.request(method, path, headers={**self._headers, **(headers or {})}, **content)
        except httpx.HTTPError as error:
            mend = "start it with tocsin serve or mend --url"
            raise ApiError(f"{self._url}: not reached ({error}); {mend}", status=0, reason="unreached") from None
        try:
            body = answer.json()
        except ValueError:
            body = {}
        if answer.is_success:
            return body
        said = body if isinstance(body, dict) else {}
        reason, mend = str(said.get("error", "http")), str(said.get("mend", answer.reason_phrase))
        message = f"{method} {path}: {answer.status_code} {reason}: {mend}"
        raise ApiError(message, status=answer.status_code, reason=reason)


def binding_of(response: Mapping[str, Any]) -> Binding:
    """Give what a consent to a response is bound to, from what the node showed of it.

    Raises:
        ApiError: the node did not show it all, because your owner is not asked.
    """
    try:
        return Binding(
            response=response["id"],
            playbook_digest=response["playbook_digest"],
            targets=tuple(response["targets"]),
            twin_part=response["twin_part"],
            forecast=forecast_digest(response["forecast"]),
        )
    except KeyError as error:
        raise ApiError(
            f"response {response.get('id')}: its {error.args[0]} is not yours to see; only owners of its targets sign",
            status=403,
            reason="not_an_owner_of_targets",
        ) from None


def sign_for(
    client: Client, response: str, decision: Decision, key: OKPKey, *, owner: str, person: str, valid: timedelta
) -> str:
    """Read a response and sign an answer to it as it stands, at the node's time; give the JWS.

    Raises:
        ApiError: not reached, or the response is not the caller's to see.
    """
    binding = binding_of(client.get(f"/v1/responses/{response}"))
    now = parse_iso(client.get("/v1/health")["time"])
    return sign(binding, decision, key, owner=owner, person=person, time=now, expiry=now + valid)
