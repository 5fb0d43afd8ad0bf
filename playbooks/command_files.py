"""What the commands of `tocsin playbook` share: the group, options, how files are found and refused.

Flows in: names and paths from the command line. Flows out: playbooks and JSON objects, or one line on stderr and exit
code 2. What the commands say is made elsewhere and imported on use, so that help stays quick.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..twin.graph import Twin
    from .cacao import Playbook

playbook = typer.Typer(help="Playbooks: check, show, run dry, sign and vet them.", no_args_is_help=True)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Named = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A playbook of the library by name, or a file.")]


@playbook.callback()
def _playbook() -> None:
    """Playbooks: check, show, run dry, sign and vet them."""


def find(name: str) -> Playbook:
    """A file if there is one, else a playbook of the library by name or id."""
    from .actions import load_library
    from .cacao import PlaybookError

    if Path(name).is_file():
        return read(Path(name))
    library = load_library()
    try:
        return library.playbooks[library.index_of(name)]
    except KeyError:
        raise PlaybookError(f"{name}: is no file and no playbook; the library has {', '.join(library.names)}") from None


def read(path: Path) -> Playbook:
    """The playbook of a file.

    Raises:
        PlaybookError: it is none.
    """
    from .cacao import read_playbook

    return read_playbook(_bytes(path), str(path))


def content_of(path: Path) -> dict[str, Any]:
    """A file's JSON object, whatever its shape."""
    from .cacao import PlaybookError, read_canonical

    content = read_canonical(_bytes(path), str(path))
    if not isinstance(content, dict):
        raise PlaybookError(f"{path}: is a JSON {type(content).__name__}; a playbook is an object")
    return content


def _bytes(path: Path) -> bytes:
    """At most one byte more than a playbook may have, so that a huge file is refused and not read."""
    from .cacao import MAX_BYTES, PlaybookError
    from .given_file import read_given

    try:
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise PlaybookError(f"{path}: {path.stat().st_size} bytes; a playbook has at most {MAX_BYTES}, split it")
        return read_given(path, MAX_BYTES)
    except OSError as error:
        raise PlaybookError(f"{path}: {error.strerror or error}; name a playbook's file") from None


@contextmanager
def refusals() -> Iterator[None]:
    """One line on stderr and exit code 2 for input that cannot be used."""
    from .cacao import PlaybookError

    try:
        yield
    except PlaybookError as error:
        say(" ".join(str(error).splitlines()), err=True)
        raise typer.Exit(2) from None


def say(text: str, *, err: bool = False) -> None:
    """Echo without control characters: a playbook of a stranger does not steer the terminal."""
    typer.echo("".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in text), err=err)


def read_twin(folder: Path) -> Twin:
    """The twin of a chain's folder.

    Raises:
        PlaybookError: it holds no chain.
    """
    from ..twin.facts import merge
    from ..twin.graph import TwinError
    from ..twin.sources import read_paths
    from .cacao import PlaybookError

    try:
        return merge(read_paths([folder], None).facts).twin
    except TwinError as error:
        raise PlaybookError(f"--twin {folder}: {error}") from None
