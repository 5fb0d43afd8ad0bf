"""Who may command an enforcement point: a file of bearer tokens.

Flows in: one file, either a token on one line (its producer is called `node`) or JSON, `{"PRODUCER": "TOKEN"}`. Flows
out: `Tokens`. A token is 16 to 512 printable characters. Tokens are never logged.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from ..openc2.consumer import Tokens
from ..openc2.reading import OpenC2Error, read_json

TOKEN: Final = re.compile(r"[\x21-\x7e]{16,512}")


class TokenFileError(ValueError):
    """A token file that cannot be used; the message names it, never what it holds."""


def read_token_file(path: Path) -> Tokens:
    """Read the file.

    Raises:
        TokenFileError: it cannot be read, is not of this form, or gives one token to two.
    """
    mend = "write one token of 16 characters or more, or JSON {PRODUCER: TOKEN}"
    try:
        data = path.read_bytes().strip()
    except OSError as error:
        raise TokenFileError(f"--token-file {path}: {error.strerror or error}; name a file that can be read") from None
    try:
        content = read_json(data) if data.startswith(b"{") else {"node": data.decode("ascii", "replace")}
    except OpenC2Error:
        raise TokenFileError(f"--token-file {path}: broken JSON; {mend}") from None
    tokens = {str(name): token for name, token in content.items() if isinstance(token, str) and TOKEN.fullmatch(token)}
    if not tokens or len(tokens) != len(content):
        raise TokenFileError(f"--token-file {path}: a token is missing, too short or not plain; {mend}")
    if len(set(tokens.values())) != len(tokens):
        raise TokenFileError(f"--token-file {path}: two producers have one token; give each its own")
    return Tokens.of(tokens)
