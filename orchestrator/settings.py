"""Where a node or a caller finds its files: flags first, then the environment, then a default.

Flows in: flags and environment variables. Flows out: paths and a token, which is read from a file or the environment
and never shown.

    TOCSIN_HOME        folder of keys, tokens and store (default: the user's data folder)
    TOCSIN_STORE       URL of the store (default: SQLite file HOME/store.sqlite)
    TOCSIN_URL         where the API is, for commands that call it (default http://127.0.0.1:8300)
    TOCSIN_TOKEN       the caller's token; or
    TOCSIN_TOKEN_FILE  a file that holds it
    TOCSIN_INSIDERS    share of attackers that a node assumes to begin inside, 0 to 1 (default 0.1)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8300
DEFAULT_URL = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"


INSIDERS = 0.1  # of attackers [0, 0.5]; assumed, settled by an owner's own record of incidents


class SettingsError(ValueError):
    """Something needed was not given; the message names where to give it."""


@dataclass(frozen=True, slots=True)
class Home:
    """The files of one node."""

    path: Path
    store_url: str = field(repr=False)  # may hold a password

    @property
    def tokens(self) -> Path:
        """Tokens as hashes."""
        return self.path / "tokens.json"

    @property
    def trust(self) -> Path:
        """Folder of the owners' trust stores."""
        return self.path / "trust"


@dataclass(frozen=True, slots=True)
class PolicyChoice:
    """What `tocsin serve` was told of the policy."""

    path: Path | None = None  # None: the home's current policy, or the tuned threshold rule where there is none
    unsigned: bool = False  # a policy that nobody vouches for may be used: trials, demonstrations


def home_of(flag: Path | None, environ: Mapping[str, str] = os.environ) -> Home:
    """Give the node's home, from the flag, TOCSIN_HOME or the user's data folder."""
    if flag is not None:
        path = flag
    elif environ.get("TOCSIN_HOME"):
        path = Path(environ["TOCSIN_HOME"])
    else:
        from platformdirs import user_data_path

        path = user_data_path("tocsin")
    path = path.expanduser().absolute()
    return Home(path, environ.get("TOCSIN_STORE") or f"sqlite:///{path / 'store.sqlite'}")


def insiders_of(environ: Mapping[str, str] = os.environ) -> float:
    """Give the share of attackers that belief and forecasts take to begin at some machine inside, 0..1.

    Raises:
        SettingsError: TOCSIN_INSIDERS is no number within 0..1.
    """
    text = environ.get("TOCSIN_INSIDERS") or str(INSIDERS)
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise SettingsError(f"TOCSIN_INSIDERS {text!r}: give a share of attackers, 0 to 1")
    return share


def token_of(flag: Path | None, environ: Mapping[str, str] = os.environ) -> str:
    """Give the caller's token, from the file of the flag, TOCSIN_TOKEN or the file of TOCSIN_TOKEN_FILE.

    Raises:
        SettingsError: none of them is given, or what is given can be no token.
        IdentityError: the file is missing or empty.
    """
    from .keys import read_token

    if flag is not None:
        return _token(read_token(flag), str(flag))
    if environ.get("TOCSIN_TOKEN"):
        return _token(environ["TOCSIN_TOKEN"].strip(), "TOCSIN_TOKEN")
    if environ.get("TOCSIN_TOKEN_FILE"):
        path = environ["TOCSIN_TOKEN_FILE"]
        return _token(read_token(Path(path)), path)
    raise SettingsError("no token; give --token-file, or set TOCSIN_TOKEN or TOCSIN_TOKEN_FILE")


def _token(text: str, place: str) -> str:
    """The token, if it can stand in a header of HTTP."""
    if not text or not all("!" <= letter <= "~" for letter in text):
        raise SettingsError(f"{place}: holds no token, which is letters, digits and signs of ASCII; copy it anew")
    return text
