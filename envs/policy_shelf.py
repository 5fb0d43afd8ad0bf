"""Promoted policies side by side, one of them current: `use` puts one on top, `rollback` goes back to the one before.

Flows in: policy files, the owner's trust file. Flows out: the path of the current policy. In the folder:

    trust.json                  whom the node's owner trusts as policy promoters (see playbooks.trust)
    promoted/DIGEST.tocsin      files as they were promoted, by the start of their SHA-256
    current.json                which is current, those before it, and what was done when; replaced in one step

A file is taken in, and gone back to, only while its promotion holds. Nothing is ever removed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ..playbooks.trust import read_trust
from ..playbooks.vetting import Signatory
from .policy_file import NumpyPolicy, load_policy, write_whole
from .promotion import check_promoted

DIGITS = 16  # of a digest, in file names
MOST_EVENTS = 10_000  # kept in the history


class ShelfError(ValueError):
    """A folder of policies that cannot be used so; the message names it and the mend."""


@dataclass(frozen=True, slots=True)
class Happened:
    """What was done."""

    time: str  # UTC
    action: str  # use, rollback
    policy: str  # SHA-256 of the file that became current


@dataclass(frozen=True, slots=True)
class Standing:
    """Which policies are used."""

    stack: tuple[str, ...] = ()  # SHA-256 of files, the current one last
    history: tuple[Happened, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyShelf:
    """A folder of promoted policies; see above."""

    folder: Path

    @property
    def trust(self) -> Path:
        """The trust file."""
        return self.folder / "trust.json"

    @property
    def pointer(self) -> Path:
        """The file that says which policy is current."""
        return self.folder / "current.json"

    def place_of(self, digest: str) -> Path:
        """Where a promoted file lies."""
        return self.folder / "promoted" / f"{digest[:DIGITS]}.tocsin"

    def standing(self) -> Standing:
        """Which policies are used; none where nothing was ever used.

        Raises:
            ShelfError: the pointer cannot be read.
        """
        try:
            content = json.loads(self.pointer.read_text("utf-8"))
            history = tuple(Happened(**one) for one in content["history"])
            stack = tuple(content["stack"])
            if not all(isinstance(one, str) and len(one) == 64 and one.isalnum() for one in stack):
                raise TypeError
            return Standing(stack, history)
        except FileNotFoundError:
            return Standing()
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise ShelfError(f"{self.pointer}: cannot be read; move it away and use a policy anew") from None

    def current(self) -> Path | None:
        """The file of the current policy, None if there is none.

        Raises:
            ShelfError: the pointer cannot be read.
        """
        stack = self.standing().stack
        return self.place_of(stack[-1]) if stack else None

    def use(self, path: Path, now: datetime) -> NumpyPolicy:
        """Take a promoted file in and make it current.

        Raises:
            PolicyFileError, PromotionRefused, PlaybookError: file or trust file do not count; nothing changed.
            ShelfError: it is current already, or the folder cannot be written.
        """
        with self._locked():
            policy = verified(path, self.trusted(), now)
            content = path.read_bytes()
            digest, standing = hashlib.sha256(content).hexdigest(), self.standing()
            if standing.stack[-1:] == (digest,):
                raise ShelfError(f"{path}: is the current policy already; nothing to do")
            place = self.place_of(digest)
            place.parent.mkdir(exist_ok=True)
            write_whole(place, content)
            verified(place, self.trusted(), now)  # what lies there now, whatever happened to the file meanwhile
            self._write(replace(standing, stack=(*standing.stack, digest)), Happened(_iso(now), "use", digest))
            return policy

    def rollback(self, now: datetime) -> tuple[Path, NumpyPolicy]:
        """Make the policy before the current one current again; gives it.

        Raises:
            ShelfError: there is none before it, or it is not the file that was used.
            PolicyFileError, PromotionRefused: its promotion holds no longer; nothing changed.
        """
        with self._locked():
            standing = self.standing()
            if len(standing.stack) < 2:
                raise ShelfError(f"{self.folder}: no policy was used before the current one; see tocsin policy use")
            digest = standing.stack[-2]
            place = self.place_of(digest)
            policy = verified(place, self.trusted(), now)
            if hashlib.sha256(place.read_bytes()).hexdigest() != digest:
                raise ShelfError(f"{place}: is not the file that was used; use the right one: tocsin policy use")
            self._write(replace(standing, stack=standing.stack[:-1]), Happened(_iso(now), "rollback", digest))
            return place, policy

    def trusted(self) -> Mapping[str, Signatory]:
        """Whom the trust file lists.

        Raises:
            PlaybookError: it is missing or broken.
        """
        return read_trust(self.trust)

    def _write(self, standing: Standing, happened: Happened) -> None:
        history = [*standing.history, happened][-MOST_EVENTS:]
        rows = [{"time": one.time, "action": one.action, "policy": one.policy} for one in history]
        part = self.pointer.with_name(self.pointer.name + ".part")
        try:
            with part.open("w", encoding="utf-8") as file:
                file.write(json.dumps({"stack": list(standing.stack), "history": rows}, indent=1) + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, self.pointer)
        except OSError as error:
            raise ShelfError(f"{self.pointer}: {error.strerror or error}; choose a folder you may write") from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One change at a time, of whatever process."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise ShelfError(f"{self.folder}: {error.strerror or error}; choose a folder you may write") from None


def verified(path: Path, trusted: Mapping[str, Signatory], now: datetime) -> NumpyPolicy:
    """A policy file whose promotion holds.

    Raises:
        PolicyFileError: it is no intact file of this version.
        PromotionRefused: its promotion does not count.
    """
    policy = load_policy(path)
    check_promoted(policy, trusted, now, where=str(path))
    return policy


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
