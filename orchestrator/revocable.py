"""Files that say who counts, read again as soon as they change: what is taken back there counts no longer.

Flows in: where the files are, and how to read them. Flows out: what they say at this moment. Files that cannot be read
any more say that nobody counts until they are mended; the log says which. Nothing here runs by itself: every use looks.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from .identity import Caller, Signer, TokenStore, TrustStore

log = logging.getLogger("tocsin.revocable")
Said = TypeVar("Said")


@dataclass(slots=True)
class Fresh(Generic[Said]):
    """What some files say now; lives as long as its node, and may be used by many threads."""

    files: Callable[[], Iterable[Path]]
    read: Callable[[], Said]
    nobody: Said  # what counts while they cannot be read
    _mark: object = field(default=None, init=False)
    _said: Said | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def now(self) -> Said:
        """Give what the files say, read anew if one was changed, added or removed since the last look."""
        with self._lock:
            mark = _mark(self.files())
            if self._said is None or mark != self._mark:
                self._mark, self._said = mark, self._read()
            return self._said

    def _read(self) -> Said:
        try:
            return self.read()
        except Exception as error:  # noqa: BLE001  (whatever is wrong with a file: nobody counts by it)
            log.error("nobody counts until this is mended: %s", str(error) or type(error).__name__)
            return self.nobody


class LiveTokens:
    """The tokens that `tokens.json` lists at this moment, of owners of the chain."""

    def __init__(self, path: Path, owners: Iterable[str]) -> None:
        self._owners = frozenset(owners)
        self._fresh = Fresh(lambda: (path,), lambda: TokenStore.load(path), TokenStore(()))

    def caller(self, token: str) -> Caller | None:
        """Give who the token stands for now."""
        found = self._fresh.now().caller(token)
        return found if found is not None and found.owner in self._owners else None


class LiveTrust:
    """The keys that the owners' trust stores hold at this moment."""

    def __init__(self, folder: Path) -> None:
        self._fresh = Fresh(lambda: folder.glob("*.json"), lambda: TrustStore.load(folder), TrustStore({}))

    def signer(self, kid: str) -> Signer | None:
        """Give whose key it is now."""
        return self._fresh.now().signer(kid)


def _mark(paths: Iterable[Path]) -> tuple[tuple[str, int, int, int, int], ...]:
    """What changes with the files: names, inodes, sizes, times of content and of status."""
    marks = []
    for path in sorted(paths):
        try:
            found = path.stat()
        except OSError:
            marks.append((str(path), 0, 0, 0, 0))
        else:
            marks.append((str(path), found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
    return tuple(marks)
