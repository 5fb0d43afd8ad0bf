"""`tocsin openc2 check`: is this an OpenC2 command or response?

Flows in: files. Flows out: a line each, or JSON. Exit code 0 where all are accepted, 1 where one is not.
"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

openc2 = typer.Typer(help="OpenC2: check commands and responses.", no_args_is_help=True)


class CheckError(ValueError):
    """A file that cannot be read; the message names it."""


class Kind(StrEnum):
    """What the content must be."""

    AUTO = "auto"
    COMMAND = "command"
    RESPONSE = "response"


@openc2.callback()
def _group() -> None:
    """OpenC2: check commands and responses."""


@openc2.command(epilog="Example: tocsin openc2 check command.json --json")
def check(
    files: Annotated[list[Path], typer.Argument(help="Files of one command, response or message each.")],
    kind: Annotated[
        Kind, typer.Option(help="auto: what a folder `commands` or `responses` says, else the properties.")
    ] = Kind.AUTO,
    profile: Annotated[list[str] | None, typer.Option(help="Only these profiles count; default: all known.")] = None,
    open_profiles: Annotated[
        bool, typer.Option("--open", help="Let unknown x- profiles pass where they are well formed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say whether OpenC2 language 1.0 and the known profiles accept the content, and why not."""
    from ...playbooks.cacao_reading import one_line
    from ...playbooks.given_file import read_given
    from .check import check as judge
    from .check import kind_of_path
    from .language import Language
    from .profiles import known_profiles
    from .reading import MAX_BYTES

    profiles = known_profiles(samples=True)
    for name in profile or ():
        if name not in profiles:
            raise CheckError(f"--profile {name!r}: not known; known are {', '.join(profiles)}")
    language = Language({n: p for n, p in profiles.items() if not profile or n in profile}, open=open_profiles)
    shown = []
    for path in files:
        try:
            data = read_given(path, MAX_BYTES)
        except OSError as error:
            raise CheckError(f"{path}: {error.strerror or error}; name a file that can be read") from None
        verdict = judge(data, language, kind_of_path(path.resolve()) if kind is Kind.AUTO else kind.value)
        shown.append(
            {
                "file": str(path),
                "kind": verdict.kind,
                "accepted": verdict.accepted,
                "path": verdict.place,
                "reason": verdict.reason,
            }
        )
    if as_json:
        typer.echo(json.dumps(shown[0] if len(shown) == 1 else shown, indent=2))
    else:
        for one in shown:
            where = f"{one['path']}: " if one["path"] else ""
            told = "accepted" if one["accepted"] else f"refused: {where}{one['reason']}"
            typer.echo(one_line(f"{one['file']}: {told}"))  # names and content are a stranger's
    raise typer.Exit(0 if all(one["accepted"] for one in shown) else 1)
