"""An enforcement point put together from files: tokens, names, state, and the kernel behind it.

Flows in: paths and a place. Flows out: a `Gate` whose rules stand in the kernel. Bad files are told before anything is
written.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Final

from ..openc2.consumer import Gate
from ..openc2.memory import Memory
from .kernel import Kernel
from .names import NameMap, read_map
from .nft import Place, run
from .point import EnforcementPoint
from .store import RuleStore, StoreError, check_state
from .tokens import read_token_file

NOTHING: Final[dict[str, Any]] = {"nftables": []}  # commands that change nothing


class InUse(ValueError):  # noqa: N818
    """Another process serves this state."""


def place_of(state: Path, place: Place) -> Place:
    """A place with the mark of a state file, by its real path: a copy of the file is another one."""
    mark = hashlib.sha256(os.path.realpath(state).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return replace(place, mark=mark)


def take(state: Path) -> IO[bytes]:
    """Take the state file, by whatever name, for this process; it is given back when that ends, however it ends.

    Raises:
        InUse: another process has it.
        StoreError: there is no such folder, or it may not be written.
    """
    try:
        real = Path(os.path.realpath(state))
        lock = real.with_name(real.name + ".lock").open("ab")
    except OSError as error:
        raise StoreError(f"--state {state}: {error.strerror}; name a file in a folder that can be written") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise InUse(f"--state {state}: another actuator serves it; end that one, or give this one a file") from None
    return lock


def build(place: Place, *, token_file: Path, state: Path, names: Path | None = None, asset_id: str = "") -> Gate:
    """Give the gate in front of an enforcement point that has taken up its rules.

    Raises:
        TokenFileError, MapError, StoreError, NoMemory, InUse, NftError: naming the file or tool and the mend.
    """
    producers = read_token_file(token_file)
    check_state(state)
    known = read_map(names) if names is not None else NameMap()
    run(NOTHING, place)  # is it there, may we write to it? else no file is made
    lock, place = take(state), place_of(state, place)
    store = RuleStore(state)
    point = EnforcementPoint(
        store,
        Kernel(place, run).write,
        known,
        producers.reaches,
        asset_id,
        has_inside=bool(place.inside),
    )
    point.start()
    with store.change():
        store.note_place(place)
    return Gate(point, producers.tokens, Memory(state), name=asset_id or place.table, held=lock)
