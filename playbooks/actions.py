"""The library as an action space: playbooks in the order of the lock file, actions by number.

Flows in: a folder of playbooks with its lock file. Flows out: a `Library`, and the numbering: action 0 waits, else
`1 + playbook * T + target`. A new playbook is a file and a line in the lock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from ..twin.rulebook.effects import Effect, EffectTable, build_effect_table
from .cacao import MAX_BYTES, Playbook, PlaybookError, digest, read_json, read_playbook
from .effects import effect_of
from .given_file import read_given

LOCK = "library.lock.json"


@dataclass(frozen=True)
class Library:
    """Playbooks with their effects, in lock order; the digest names the whole."""

    playbooks: tuple[Playbook, ...]
    effects: tuple[Effect, ...]
    digests: tuple[str, ...]  # SHA-256 of each playbook's content

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the digests in order, 64 hex digits."""
        return hashlib.sha256("\n".join(self.digests).encode()).hexdigest()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the playbooks, in lock order."""
        return tuple(playbook.name for playbook in self.playbooks)

    def index_of(self, name: str) -> int:
        """Number of the playbook with this name or id.

        Raises:
            KeyError: there is none; the message lists the names.
        """
        for index, playbook in enumerate(self.playbooks):
            if name in (playbook.name, playbook.id):
                return index
        raise KeyError(f"no playbook {name!r} in the library; it has {', '.join(self.names)}")

    def only(self, names: Iterable[str]) -> Library:
        """The playbooks of these names alone, in lock order.

        Raises:
            KeyError: one is not there; the message lists the names.
        """
        kept = sorted({self.index_of(name) for name in names})
        return Library(
            tuple(self.playbooks[index] for index in kept),
            tuple(self.effects[index] for index in kept),
            tuple(self.digests[index] for index in kept),
        )

    def effect_table(self, tick_s: float = 60.0) -> EffectTable:
        """The effects as arrays in ticks."""
        return build_effect_table(self.effects, tick_s=tick_s)


def load_library(folder: Path | None = None) -> Library:
    """Read a library and check every playbook against its lock.

    Args:
        folder: the shipped library if left out.

    Raises:
        PlaybookError: a file is missing, broken, or not what the lock says.
    """
    place = folder or Path(str(files("tocsin.playbooks").joinpath("library")))
    found = {playbook.id: playbook for playbook in _read_all(place)}
    rows = _rows(place / LOCK)
    playbooks = []
    for row in rows:
        playbook = found.pop(row["id"], None)
        if playbook is None:
            raise PlaybookError(
                f"{place / LOCK}: playbook {row['name']} is missing; restore its file or write the lock"
            )
        if digest(playbook) != row["digest"]:
            raise PlaybookError(f"{place}: playbook {row['name']} is not what the lock says; write the lock anew")
        playbooks.append(playbook)
    if found:
        names = ", ".join(sorted(playbook.name for playbook in found.values()))
        raise PlaybookError(f"{place / LOCK}: does not know {names}; write the lock anew")
    effects = tuple(effect_of(playbook) for playbook in playbooks)
    return Library(tuple(playbooks), effects, tuple(digest(playbook) for playbook in playbooks))


def write_lock(folder: Path) -> None:
    """Write the lock file of a folder: every playbook with its digest, ordered by id."""
    playbooks = sorted(_read_all(folder), key=lambda playbook: playbook.id)
    rows = [{"id": playbook.id, "name": playbook.name, "digest": digest(playbook)} for playbook in playbooks]
    (folder / LOCK).write_text(json.dumps(rows, indent=2) + "\n")


def encode(playbook: int, target: int, targets: int) -> int:
    """Number of the action that runs a playbook on a target.

    Raises:
        ValueError: target is outside 0..targets-1, or a negative playbook.
    """
    if not 0 <= target < targets or playbook < 0:
        raise ValueError(f"playbook {playbook}, target {target}: targets are 0..{targets - 1}, playbooks 0 and up")
    return 1 + playbook * targets + target


def decode(action: int, targets: int) -> tuple[int, int] | None:
    """(playbook, target) of an action; None for action 0, which waits.

    Raises:
        ValueError: a negative action, or no targets.
    """
    if action < 0 or targets <= 0:
        raise ValueError(f"action {action} with {targets} targets: actions are 0 and up, targets at least one")
    return None if action == 0 else divmod(action - 1, targets)


def _read_all(folder: Path) -> list[Playbook]:
    paths = sorted(path for path in folder.glob("*.json") if path.name != LOCK)
    playbooks = [read_playbook(_bytes(path), str(path)) for path in paths]
    by_id: dict[str, Path] = {}
    for path, playbook in zip(paths, playbooks, strict=True):
        if playbook.id in by_id:
            raise PlaybookError(f"{path}: has the id of {by_id[playbook.id].name}; give it an id of its own")
        by_id[playbook.id] = path
    return playbooks


def _rows(path: Path) -> list[dict[str, str]]:
    rows = read_json(_bytes(path), str(path))
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and all(isinstance(row.get(key), str) for key in ("id", "name", "digest")) for row in rows
    ):
        raise PlaybookError(f"{path}: is no list of rows with id, name and digest; write the lock anew")
    return rows


def _bytes(path: Path) -> bytes:
    try:
        return read_given(path, MAX_BYTES)
    except OSError as error:
        raise PlaybookError(f"{path}: {error.strerror}; name a folder with playbooks and {LOCK}") from None
