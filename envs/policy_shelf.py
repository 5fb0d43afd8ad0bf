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
from .policy_file import NumpyPolicy, policy_of_bytes, read_whole, write_whole
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
class Verified:
    """A policy whose promotion holds."""

    policy: NumpyPolicy
    content: bytes  # of its file, which was verified

    @property
    def digest(self) -> str:
        """SHA-256 of its file."""
        return digest_of(self.content)


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
            taken = read_verified(path, self.trusted(), now)
            policy, digest, standing = taken.policy, taken.digest, self.standing()
            place = self.place_of(digest)
            is_current = standing.stack[-1:] == (digest,)
            if is_current and place.is_file() and digest_of(read_whole(place)) == digest:
                raise ShelfError(f"{path}: is the current policy already; nothing to do")
            place.parent.mkdir(exist_ok=True)
            write_whole(place, taken.content)
            if is_current:
                return policy  # the file on the shelf was another; it is mended
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
            policy = self._used(digest, now).policy
            self._write(replace(standing, stack=standing.stack[:-1]), Happened(_iso(now), "rollback", digest))
            return place, policy

    def current_verified(self, now: datetime) -> Verified | None:
        """The current policy, None if there is none.

        Raises:
            ShelfError: the pointer cannot be read, or the file is not the one that was used.
            PolicyFileError, PromotionRefused, PlaybookError: its promotion does not hold.
        """
        stack = self.standing().stack
        return self._used(stack[-1], now) if stack else None

    def _used(self, digest: str, now: datetime) -> Verified:
        """What lies on the shelf for a digest, verified, and of that digest."""
        place = self.place_of(digest)
        found = read_verified(place, self.trusted(), now)
        if found.digest != digest:
            raise ShelfError(f"{place}: is not the file that was used; use the right one: tocsin policy use")
        return found

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
    return read_verified(path, trusted, now).policy


def read_verified(path: Path, trusted: Mapping[str, Signatory], now: datetime) -> Verified:
    """As `verified`, with the very bytes that were verified: the file is read once.

    Raises:
        PolicyFileError, PromotionRefused: as there.
    """
    content = read_whole(path)
    policy = policy_of_bytes(path, content)
    check_promoted(policy, trusted, now, where=str(path))
    return Verified(policy, content)


def digest_of(content: bytes) -> str:
    """SHA-256 of a file's content, 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
