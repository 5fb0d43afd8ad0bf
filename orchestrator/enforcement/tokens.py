"""Who may command an enforcement point, and on which addresses: a file of bearer tokens.

Flows in: one file. Flows out: `Producers`. The file is JSON, a list with an entry per token, as in a node's
`tokens.json`: hashes only, so that who reads it commands nothing.

    [{"producer": "edge", "sha256": "HEX OF THE TOKEN", "addresses": ["10.77.0.0/16", "fd77::/48"]}]

Without `addresses` a producer may ask, and decide nothing. Several tokens may stand for one producer, with one list of
addresses. Where one producer commands the whole filter, the file may hold its token alone, on one line; its name is
`node`. A token is 16 to 512 printable characters. Tokens are never logged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from ..openc2.consumer import Tokens
from ..openc2.reading import OpenC2Error, read_json
from .reach import EVERYWHERE, Reach

TOKEN: Final = re.compile(r"[\x21-\x7e]{16,512}")
ALONE: Final = "node"  # the producer of a file that holds one token
MEND: Final = 'write one token of 16 characters or more, or [{"producer": NAME, "sha256": HEX, "addresses": [RANGE]}]'


class TokenFileError(ValueError):
    """A token file that cannot be used; the message names it, never what it holds."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    producer: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$")]
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    addresses: list[str] = []


_ENTRIES: Final = TypeAdapter(list[_Entry])


@dataclass(frozen=True, slots=True)
class Producers:
    """Who may command, and what each may decide."""

    tokens: Tokens
    reaches: Mapping[str, Reach]  # by producer


def read_token_file(path: Path) -> Producers:
    """Read the file.

    Raises:
        TokenFileError: it cannot be read, is not of this form, or gives one token to two.
    """
    try:
        data = path.read_bytes().strip()
    except OSError as error:
        raise TokenFileError(f"--token-file {path}: {error.strerror or error}; name a file that can be read") from None
    if data[:1] not in (b"[", b"{"):
        token = data.decode("ascii", "replace")
        if TOKEN.fullmatch(token) is None:
            raise TokenFileError(f"--token-file {path}: the token is missing, too short or not plain; {MEND}")
        return Producers(Tokens.of({ALONE: token}), {ALONE: EVERYWHERE})
    return _listed(path, data)


def _listed(path: Path, data: bytes) -> Producers:
    try:
        entries = _ENTRIES.validate_python(read_json(data))
    except OpenC2Error:
        raise TokenFileError(f"--token-file {path}: broken JSON; {MEND}") from None
    except ValidationError as error:  # says places and kinds, and never a value
        place = ".".join(str(part)[:80] for part in error.errors(include_input=False)[0]["loc"]) or "the file"
        raise TokenFileError(f"--token-file {path}: {place} is not as it must be; {MEND}") from None
    producers = {entry.sha256: entry.producer for entry in entries}
    if len(producers) != len(entries):
        raise TokenFileError(f"--token-file {path}: two entries have one token; give each its own")
    if not entries:
        raise TokenFileError(f"--token-file {path}: lists nobody; {MEND}")
    reaches: dict[str, Reach] = {}
    for entry in entries:
        reach = _reach(path, entry)
        if reaches.setdefault(entry.producer, reach) != reach:
            raise TokenFileError(
                f"--token-file {path}: {entry.producer} has two lists of addresses; write one at each of its tokens"
            )
    return Producers(Tokens(producers), reaches)


def _reach(path: Path, entry: Any) -> Reach:
    try:
        return Reach.of(entry.addresses)
    except ValueError as error:
        raise TokenFileError(
            f"--token-file {path}: {entry.producer}: {error}; write ranges such as 10.77.0.0/16 or fd77::/48"
        ) from None
