"""Every version of a playbook that a node has met: kept in its store, found by digest, or by id and
version where these name one content.

Flows in: playbooks that are there now (library, home), the store. Flows out: playbooks. A run goes on with the version
that it began with, and is taken back by it, whatever lies on the shelf meanwhile. What may start is not said here:
only a version on the shelf starts, and only where it is active.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from ..playbooks.cacao import Playbook, PlaybookError, digest, read_playbook
from ..playbooks.cacao_reading import canonical
from ..playbooks.execute import among, the_one
from .store import playbooks, reading


class Versions:
    """Playbooks by digest; lives as long as its node."""

    def __init__(self, current: Iterable[Playbook] = ()) -> None:
        """Begin with those that are there now; only they are found as the latest of their id."""
        self._current = among(current := tuple(current))
        self._all: dict[str, Playbook] = {digest(playbook): playbook for playbook in current}
        self._spoiled: set[str] = set()  # digests

    def keep(self, engine: sa.Engine, more: Iterable[Playbook] = ()) -> None:
        """Write those that are there now into the store, and take back from it those that are not any more.

        Args:
            engine: the node's store.
            more: playbooks beside those that it began with.

        A row whose content is not what its digest says is passed over: nothing is run or undone by it. It is written
        anew where the content is there, so that putting a file back mends the store.
        """
        self._all = {digest(playbook): playbook for playbook in more} | self._all
        with reading(engine) as conn:
            rows = conn.execute(sa.select(playbooks.c.digest, playbooks.c.body)).all()
        found = {row.digest: _read(row.digest, row.body) for row in rows}
        spoiled = {name for name, playbook in found.items() if playbook is None}
        wanted = [name for name in self._all if name not in found or name in spoiled]
        if wanted:
            new = [
                {"digest": name, "playbook": one.id, "modified": one.modified, "body": _text(one)}
                for name, one in self._all.items()
                if name in wanted
            ]
            with engine.begin() as conn:
                conn.execute(sa.delete(playbooks).where(playbooks.c.digest.in_(wanted)))
                conn.execute(sa.insert(playbooks), new)
        self._all = {name: playbook for name, playbook in found.items() if playbook is not None} | self._all
        self._spoiled = spoiled - set(self._all)

    def of(self, name: str) -> Playbook | None:
        """The playbook of this digest."""
        return self._all.get(name)

    def why_not(self, name: str) -> str:
        """Say why there is no playbook of this digest, and the mend."""
        fault = "was spoiled in the store" if name in self._spoiled else "is not known here"
        return f"content {name} {fault}; put its file back into HOME/vetting/playbooks, and start the node again"

    def resolve(self, name: str, version: str | None) -> Playbook | None:
        """The version that is named, also one that is gone; else the latest of those that are there now.

        Raises:
            StepFault: several contents have this id and version.
        """
        found = self._current(name, version)
        if found is not None or version is None:
            return found
        return the_one([one for one in self._all.values() if (one.id, one.modified) == (name, version)])


def _text(playbook: Playbook) -> str:
    return canonical(playbook.raw, without_signatures=False).decode()


def _read(name: str, body: str) -> Playbook | None:
    try:
        found = read_playbook(body.encode(), f"store, playbook {name}")
    except PlaybookError:
        return None
    return found if digest(found) == name else None
