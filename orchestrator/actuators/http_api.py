"""Orders of type `http-api`: one request to an owner's HTTP interface, if the owner's settings name it.

Flows in: orders of method, path, headers and content. Flows out: outcomes. Where a request may go is the owner's
setting, not the playbook's: the agent's address must lie below the owner's base URL, which is https, or http on
loopback. Redirections are not followed. The key travels as `Idempotency-Key`; a request that may have changed something
and whose answer was lost is repeated only where the method is idempotent (RFC 9110, 9.2.2) or the owner says that its
interface keeps that header.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import httpx
from pydantic import Field

from ..addresses import AddressError, check_url
from .base import Malformed, Order, Outcome, Refused, Unavailable
from .journal import Journal, NotSent
from .saying import why_it_failed
from .setup import Part, Setup, SetupError

IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
METHODS: Final = IDEMPOTENT | {"POST", "PATCH"}
NOT_NOW: Final = frozenset({425, 429, 503})  # turned away before anything was done (RFC 8470, RFC 6585, RFC 9110)
MAX_ANSWER: Final = 1_000_000  # bytes
TIMEOUT_S: Final = 30.0  # where the step names none; assumed
HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.1
HEADER_VALUE: Final = re.compile(r"(?:[\x21-\x7e](?:[ \t\x21-\x7e]*[\x21-\x7e])?)?")  # RFC 9110, 5.5
OWN_HEADERS: Final = frozenset(  # ours to set, whatever a playbook says
    {"authorization", "host", "content-length", "connection", "transfer-encoding", "idempotency-key", "cookie"}
)


class OwnerPart(Part):
    """One owner's interface."""

    url: str  # base: requests go below it
    token_file: str = ""  # of a bearer token
    keeps_keys: bool = False  # whether it answers a repeated Idempotency-Key with the first answer


class HttpSettings(Part):
    """Whose interfaces may be called."""

    owners: dict[str, OwnerPart] = Field(default_factory=dict)
    ca_file: str = ""  # trust these certificates instead of the system's


@dataclass(frozen=True, slots=True)
class _Request:
    """What leaves, whole and encoded before anything is written down."""

    method: str
    url: str
    headers: list[tuple[str, str]] = field(repr=False)
    content: bytes = field(repr=False)


@dataclass(slots=True)
class HttpApi:
    """Sends requests; lives as long as its node."""

    settings: HttpSettings
    tokens: dict[str, str] = field(repr=False)  # by owner
    journal: Journal
    verify: ssl.SSLContext

    @property
    def is_shared(self) -> bool:
        """True: several threads may use it at once."""
        return True

    @property
    def removes_duplicates(self) -> bool:
        """True: by its journal."""
        return True

    def carry_out(self, order: Order) -> Outcome:
        """Send the request once.

        Raises:
            Refused: no such owner or address in the settings, or a 3xx or 4xx answer.
            Unavailable: not reached, 5xx, or begun before and not to be repeated.
            Malformed: an answer that is too large.
        """
        place = f"order {order.key} to {order.owner!r}"
        owner = self.settings.owners.get(order.owner)
        if owner is None:
            raise Refused(
                f"{place}: no HTTP interface for this owner; add http-api.owners.{order.owner} to the settings"
            )
        method = str(order.command.get("method", "")).upper()
        if method not in METHODS:
            raise Refused(f"{place}: method {method[:20]!r} is not one of {', '.join(sorted(METHODS))}")
        url = _url(order, owner.url, place)
        request = _Request(method, url, self._headers(order, place), _content(order, place))
        again = method in IDEMPOTENT or owner.keeps_keys
        return self.journal.once(order, lambda: self._send(order, request, place), repeatable=again)

    def read(self, order: Order) -> Outcome | None:
        """Give what came of it before."""
        return self.journal.read(order)

    def _send(self, order: Order, request: _Request, place: str) -> Outcome:
        timeout = order.timeout_s or TIMEOUT_S
        try:
            code, content = asyncio.run(self._exchange(request, timeout, place))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotSent(f"{place}: not reached ({type(error).__name__}); is it running?") from None
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise Unavailable(f"{place}: no answer within {timeout:g} s ({type(error).__name__})") from None
        told = why_it_failed(content.decode("utf-8", "replace"), order, first=True)
        if code in NOT_NOW:
            raise NotSent(f"{place}: HTTP {code}; try again later")
        if code >= 500 or code == 408:
            raise Unavailable(f"{place}: HTTP {code}{told}")
        if code >= 300:
            raise Refused(f"{place}: HTTP {code}{told}; mend the playbook's command or the owner's settings")
        return Outcome(200, f"HTTP {code}", {"status": code}, _values(content, order.returns))

    async def _exchange(self, sent: _Request, timeout_s: float, place: str) -> tuple[int, bytes]:
        body = bytearray()
        async with (
            asyncio.timeout(timeout_s),
            httpx.AsyncClient(verify=self.verify, timeout=timeout_s, trust_env=False) as client,
            client.stream(sent.method, sent.url, content=sent.content, headers=sent.headers) as answer,
        ):
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise Malformed(f"{place}: an answer of more than {MAX_ANSWER} bytes")
            return answer.status_code, bytes(body)

    def _headers(self, order: Order, place: str) -> list[tuple[str, str]]:
        found = [
            (str(name), str(value))
            for name, values in dict(order.command.get("headers") or {}).items()
            for value in values
            if str(name).lower() not in OWN_HEADERS
        ]
        for name, value in found:
            if not HEADER_NAME.fullmatch(name) or not HEADER_VALUE.fullmatch(value):
                raise Refused(f"{place}: header {name[:40]!r} holds signs that a header may not; mend the playbook")
        found += [("Idempotency-Key", f'"{order.key}"'), ("Accept-Encoding", "identity")]
        token = self.tokens.get(order.owner)
        return [*found, ("Authorization", f"Bearer {token}")] if token else found


def _content(order: Order, place: str) -> bytes:
    given = order.command.get("content")
    try:
        return b"" if given is None else str(given).encode()
    except UnicodeEncodeError:
        raise Refused(f"{place}: the content is no Unicode text; mend the playbook's command") from None


def _url(order: Order, base: str, place: str) -> str:
    """The agent's address with the command's path, below the owner's base."""
    path = str(order.command.get("path", ""))
    if not path.startswith("/"):
        raise Refused(f"{place}: path {path[:80]!r} must start with /")
    allowed, base_path = base.rstrip("/"), urlsplit(base).path.rstrip("/")
    unnamed = f"urn:tocsin:actuator:{quote(order.owner, safe='')}"  # the library's "as the owner's settings say"
    addresses = dict(order.agent.get("address") or {}).get("url", ())
    named = [str(url).rstrip("/") for url in addresses if url != unnamed]
    for url in named or [allowed]:
        if url == allowed or url.startswith(allowed + "/"):
            return _checked(url + path, place)
        if base_path and url == _origin(allowed) and path.startswith(base_path + "/"):
            return _checked(url + path, place)  # the agent names the host, the command the whole path
    raise Refused(f"{place}: the agent's address {named[0][:120]!r} is not below the owner's {allowed}")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _checked(url: str, place: str) -> str:
    """A URL that cannot climb out of where it begins."""
    if any(ord(sign) <= 32 or ord(sign) > 126 for sign in url) or "\\" in url:
        raise Refused(f"{place}: {url[:120]!r} must be percent-encoded")
    if any(part.split(";")[0] in (".", "..") for part in _bare(urlsplit(url).path).replace("\\", "/").split("/")):
        raise Refused(f"{place}: {url[:120]!r} holds dots for folders; write the path without them")
    try:
        check_url(url, "address")
    except AddressError as error:
        raise Refused(f"{place}: {error}") from None
    return url


def _bare(path: str) -> str:
    """A path without any percent-encoding, however often it was encoded: some servers decode twice."""
    while (decoded := unquote(path)) != path:
        path = decoded
    return path


def _values(content: bytes, wanted: Any) -> dict[str, str]:
    """Values to give back: of a JSON object's property `__name__`, or `name`."""
    if not wanted:
        return {}
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    given = {name: found.get(name, found.get(name.strip("_"))) for name in wanted}
    return {n: v if isinstance(v, str) else json.dumps(v) for n, v in given.items() if v is not None}


def make_http_api(setup: Setup) -> HttpApi:
    """Factory of the entry point `http-api`.

    Raises:
        SetupError: settings, token or certificate files that cannot be used.
    """
    settings: HttpSettings = setup.read(HttpSettings)
    tokens = {}
    for name, owner in settings.owners.items():
        check_url(owner.url, f"http-api.owners.{name}.url")
        if owner.token_file:
            tokens[name] = _secret(setup, owner.token_file)
    try:
        verify = ssl.create_default_context(cafile=str(setup.path(settings.ca_file)) if settings.ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise SetupError(f"http-api.ca_file {settings.ca_file}: {error}; give certificates in PEM form") from None
    return HttpApi(settings, tokens, Journal(setup.state), verify)


def _secret(setup: Setup, name: str) -> str:
    try:
        return setup.path(name).read_text("utf-8").strip()
    except OSError as error:
        raise SetupError(f"http-api: token_file {name}: {error.strerror}; name a file that can be read") from None
