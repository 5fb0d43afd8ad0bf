"""Orders as OpenC2 1.0 commands over HTTP(S).

Flows in: orders; per owner an address and a bearer token. Flows out: outcomes. The idempotency key travels as the
OpenC2 `request_id`, by which the consumer removes duplicates. Source: OASIS "Specification for Transfer of OpenC2
Messages via HTTPS" v1.1 (POST, media type, message of headers and body) and "OpenC2 Language Specification" v1.0.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import httpx
import rfc8785

from ..addresses import check_url
from ..openc2.tocsin_profile import normalised
from .base import Malformed, Order, Outcome, Refused, Unavailable

CONTENT_TYPE: Final = "application/openc2+json;version=1.0"
PAUSES_S: Final = (0.1, 0.5)  # seconds before the second and the third try; assumed
MAX_ANSWER: Final = 1_000_000  # bytes
PROFILE: Final = "x-tocsin"  # whose results fill a step's variables
NOT_IMPLEMENTED: Final = 501  # as HTTP and as OpenC2 status; no repetition mends it
DONE: Final = frozenset({102, 200})  # processing, OK: OpenC2 Language Specification v1.0, section 3.3.2.2
NOT_NOW: Final = frozenset({408, 425, 429})  # "try later" among the 4xx codes (RFC 9110, RFC 8470, RFC 6585)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one owner takes orders."""

    url: str
    token: str = field(repr=False)  # bearer token; never logged


@dataclass(slots=True)
class OpenC2Http:
    """Sends orders to owners' OpenC2 consumers, each over a connection of its own; lives as long as its node."""

    endpoints: Mapping[str, Endpoint]  # by owner id
    timeout_s: float = 5.0  # for one try as a whole: connecting, headers, body
    ca_file: str | None = None  # trust these certificates instead of the system's
    sleep: Callable[[float], None] = time.sleep
    _verify: ssl.SSLContext = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for owner, endpoint in self.endpoints.items():
            check_url(endpoint.url, f"OpenC2 address of owner {owner!r},")
        self._verify = ssl.create_default_context(cafile=self.ca_file)

    @property
    def is_shared(self) -> bool:
        """True: several threads may use it at once."""
        return True

    @property
    def removes_duplicates(self) -> bool:
        """True: a consumer answers a repeated request_id with the first outcome."""
        return True

    def carry_out(self, order: Order) -> Outcome:
        """Send the command, up to three times with the same request_id.

        Raises:
            Refused: no address for the owner, a 4xx answer or an OpenC2 status 4xx.
            Unavailable: no connection, a timeout or a 5xx answer on every try.
            Malformed: an answer that is no OpenC2 response.
        """
        endpoint = self.endpoints.get(order.owner)
        if endpoint is None:
            raise Refused(f"order {order.key}: no OpenC2 address for owner {order.owner!r}; add one to the terms file")
        for pause in PAUSES_S:
            try:
                return self._send(endpoint, order)
            except Unavailable:
                self.sleep(pause)
        return self._send(endpoint, order)

    def read(self, order: Order) -> Outcome | None:
        """None: OpenC2 has no such question, and none is needed where the consumer removes duplicates."""
        return None

    def _send(self, endpoint: Endpoint, order: Order) -> Outcome:
        place = f"order {order.key} to {order.owner!r}"
        try:
            code, content = asyncio.run(self._exchange(endpoint, order, place))
        except TimeoutError:
            raise Unavailable(
                f"{place}: its answer took longer than {self._patience(order):g} s; try again later"
            ) from None
        except httpx.HTTPError as error:
            raise Unavailable(f"{place}: not reached ({type(error).__name__}); is it running?") from None
        outcome = _read_answer(place, code, content)
        return replace(outcome, arguments=_asked_for(order, outcome.results))

    def _patience(self, order: Order) -> float:
        """Seconds for one try: ours, or what is left of the step's time where that is less."""
        return self.timeout_s if order.timeout_s is None else max(min(self.timeout_s, order.timeout_s), 0.01)

    async def _exchange(self, endpoint: Endpoint, order: Order, place: str) -> tuple[int, bytes]:
        """Status and body as they came, within a size and a time: who drips, headers too, must not hold up others."""
        headers = {
            "Content-Type": CONTENT_TYPE,
            "Accept": CONTENT_TYPE,
            "Accept-Encoding": "identity",  # a small answer must not unpack to a large one
            "Authorization": f"Bearer {endpoint.token}",
            "X-Request-ID": order.key.encode("ascii", "replace").decode(),  # beside the message's own, as 3.3.3 asks
        }
        body, content = rfc8785.dumps(request_message(order)), bytearray()
        async with (
            asyncio.timeout(self._patience(order)),
            httpx.AsyncClient(verify=self._verify, timeout=self._patience(order), trust_env=False) as client,
            client.stream("POST", endpoint.url, content=body, headers=headers) as answer,
        ):
            async for chunk in answer.aiter_raw():
                content += chunk
                if len(content) > MAX_ANSWER:
                    raise Malformed(f"{place}: an OpenC2 answer of more than {MAX_ANSWER} bytes")
            return answer.status_code, bytes(content)


def request_message(order: Order) -> dict[str, Any]:
    """Give the OpenC2 request message of an order: equal for every try, so that it carries no time of its own.

    It sets no `command_id`, which has at most 36 characters: the consumer takes the request_id in its place (Language
    Specification v1.0, 3.3.1).
    """
    return {
        "headers": {"request_id": order.key, "from": "tocsin", "to": [order.owner]},
        "body": {"openc2": {"request": dict(normalised(order.command))}},
    }


def _read_answer(place: str, code: int, answer: bytes) -> Outcome:
    if code == NOT_IMPLEMENTED:
        raise Refused(f"{place}: not implemented there: {_told(answer)!r}; mend the playbook's command")
    if code >= 500 or code in NOT_NOW:
        raise Unavailable(f"{place}: HTTP {code}; try again later")
    if code in (401, 403):
        raise Refused(f"{place}: HTTP {code}; give the node a token that the owner takes")
    if code >= 400:
        raise Refused(f"{place}: HTTP {code}: {_told(answer)!r}; mend the playbook's command")
    stranger = Malformed(f"{place}: HTTP {code} without an OpenC2 response; is it an OpenC2 consumer?")
    if code != 200:
        raise stranger
    try:
        content = json.loads(answer)["body"]["openc2"]["response"]
        status, text = content["status"], _plain(content.get("status_text", ""))
        results = content.get("results") or {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise stranger from None
    if type(status) is not int:  # true would pass for a number
        raise stranger
    if not isinstance(results, dict):
        raise Malformed(f"{place}: OpenC2 results are no JSON object")
    if status >= 500 and status != NOT_IMPLEMENTED:
        raise Unavailable(f"{place}: OpenC2 status {status} {text}; try again later")
    if status >= 400:
        raise Refused(f"{place}: OpenC2 status {status} {text}; mend the playbook's command")
    if status not in DONE:
        raise Malformed(f"{place}: OpenC2 status {status} is none that it may answer a command with; mend the consumer")
    return Outcome(status, text, results)


def _asked_for(order: Order, results: Mapping[str, Any]) -> dict[str, str]:
    """The values that a step asks back, told under our profile by the names of its variables."""
    part = results.get(PROFILE)
    told = part.get("values") if isinstance(part, dict) else None
    if not isinstance(told, dict):
        return {}
    return {name: _plain(told[name]) for name in order.returns if isinstance(told.get(name), (str, int, float))}


def _told(answer: bytes) -> str:
    """Why a consumer says no: its OpenC2 status text, else the beginning of what came."""
    try:
        return _plain(json.loads(answer)["body"]["openc2"]["response"]["status_text"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return _plain(answer[:200].decode(errors="replace"))


def _plain(text: object) -> str:
    """What a consumer says, as text that can be stored and signed: no lone surrogates, not long."""
    return str(text)[:500].encode("utf-8", "replace").decode()
