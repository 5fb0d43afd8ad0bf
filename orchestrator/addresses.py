"""Which addresses secrets may go to: loopback in plain, anything else by TLS.

Flows in: hosts and URLs. Flows out: yes, or a refusal that says what to use. It resolves no names.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


class AddressError(ValueError):
    """An address that a token or an order must not go to; the message names it."""


def is_loopback(host: str) -> bool:
    """Whether the host is this machine, by its name `localhost` or its number."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_url(url: str, what: str) -> None:
    """Refuse a URL that would carry secrets in plain.

    Args:
        url: where to.
        what: what the URL is, for the message.

    Raises:
        AddressError: neither https nor http on loopback, or with a user or password in it.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise AddressError(f"{what} {url!r} is no URL; write it like https://host:port/path") from None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        raise AddressError(f"{what} {url!r}: use https://, or http:// on loopback only")
    if parts.username or parts.password:
        raise AddressError(f"{what} holds a user or password; take it out, the token goes in a file of its own")
