"""Every version of a playbook that a node has met: kept in its store, found by digest, or by id and version.

Flows in: playbooks that are there now (library, home), the store. Flows out: playbooks. A run goes on with the version
that it began with, and is taken back by it, whatever lies on the shelf meanwhile. What may start is not said here:
only a version on the shelf starts, and only where it is active.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from ..playbooks.cacao import Playbook, PlaybookError, digest, read_playbook
from ..playbooks.cacao_reading import canonical
from ..playbooks.execute import among
from .store import playbooks, reading


class Versions:
    """Playbooks by digest; lives as long as its node."""

    def __init__(self, current: Iterable[Playbook] = ()) -> None:
        """Begin with those that are there now; only they are found as the latest of their id."""
        self._current = among(current := tuple(current))
        self._all: dict[str, Playbook] = {digest(playbook): playbook for playbook in current}
        self._by_key = {(playbook.id, playbook.modified): playbook for playbook in current}

    def keep(self, engine: sa.Engine, more: Iterable[Playbook] = ()) -> None:
        """Write those that are there now into the store, and take back from it those that are not any more.

        Args:
            engine: the node's store.
            more: playbooks beside those that it began with.

        A row whose content is not what its digest says is passed over: nothing is run or undone by it.
        """
        self._add(more)
        with reading(engine) as conn:
            kept = {row.digest: row.body for row in conn.execute(sa.select(playbooks.c.digest, playbooks.c.body))}
        new = [
            {"digest": name, "playbook": one.id, "modified": one.modified, "body": _text(one)}
            for name, one in self._all.items()
            if name not in kept
        ]
        if new:
            with engine.begin() as conn:
                conn.execute(sa.insert(playbooks), new)
        self._add(found for name, body in kept.items() if (found := _read(name, body)) is not None)

    def of(self, name: str) -> Playbook | None:
        """The playbook of this digest."""
        return self._all.get(name)

    def of_key(self, key: str) -> Playbook | None:
        """The playbook of an id and version, as `shelf.version_key` names it."""
        name, _, modified = key.partition(" ")
        return self._by_key.get((name, modified))

    def resolve(self, name: str, version: str | None) -> Playbook | None:
        """The version that is named, also one that is gone; else the latest of those that are there now."""
        found = self._current(name, version)
        return found if found is not None or version is None else self._by_key.get((name, version))

    def _add(self, more: Iterable[Playbook]) -> None:
        for playbook in more:
            self._all.setdefault(digest(playbook), playbook)
            self._by_key.setdefault((playbook.id, playbook.modified), playbook)


def _text(playbook: Playbook) -> str:
    return canonical(playbook.raw, without_signatures=False).decode()


def _read(name: str, body: str) -> Playbook | None:
    try:
        found = read_playbook(body.encode(), f"store, playbook {name}")
    except PlaybookError:
        return None
    return found if digest(found) == name else None
