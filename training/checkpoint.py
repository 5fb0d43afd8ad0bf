"""Checkpoints: one file each, written whole or not at all, read without executing anything.

Flows in: nested dictionaries and lists of tensors, arrays and plain values. Flows out: the same, arrays as tensors. A
file is one line of JSON (format, version, digest) and what `torch.save` wrote, read with `weights_only=True`; it lies
anywhere fsspec reaches. What the values mean is others' business.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import re
import secrets
from dataclasses import dataclass
from typing import Any

import fsspec
import numpy as np
import torch

from .settings import TrainError

FORMAT = 1
NAME = re.compile(r"checkpoint-(\d{9})\.tocsin$")
MAX_HEAD = 1000  # bytes of the first line


class CheckpointError(TrainError):
    """A checkpoint that cannot be used; the message names file, fault and mend."""


@dataclass(frozen=True)
class Shelf:
    """A folder of checkpoints; numbers grow."""

    fs: Any  # an fsspec file system
    folder: str

    @classmethod
    def at(cls, url: str) -> Shelf:
        """The folder behind a path or fsspec URL; made if it is not there.

        Raises:
            TrainError: no file system serves it, or it cannot be written.
        """
        try:
            fs, folder = fsspec.core.url_to_fs(url)
            fs.makedirs(folder, exist_ok=True)
        except (OSError, ValueError, ImportError) as error:
            raise TrainError(f"run {url}: {error}; name a folder that can be written") from None
        return cls(fs, folder.rstrip("/"))

    def numbers(self) -> list[int]:
        """Numbers of the checkpoints that are there, sorted."""
        self.fs.invalidate_cache()
        found = [NAME.search(path) for path in self.fs.ls(self.folder, detail=False)]
        return sorted(int(one[1]) for one in found if one)

    def path(self, number: int) -> str:
        """Where a checkpoint lies."""
        return f"{self.folder}/checkpoint-{number:09d}.tocsin"

    def write(self, number: int, state: Any, *, keep: int) -> None:
        """Put a checkpoint there, then remove all but the newest `keep`."""
        put_whole(self.fs, self.path(number), packed(state))
        for old in self.numbers()[:-keep]:
            self.fs.rm(self.path(old))

    def newest(self) -> Any | None:
        """What the newest checkpoint holds; None if there is none.

        Raises:
            CheckpointError: it is truncated, changed or of another version; nothing is removed.
        """
        numbers = self.numbers()
        if not numbers:
            return None
        path = self.path(numbers[-1])
        return unpacked(self.fs.cat_file(path), path)


def put_whole(fs: Any, path: str, content: bytes) -> None:
    """Write a file so that readers see the old one or the new one, never a part: beside it, then renamed over it."""
    beside = f"{path}.{secrets.token_hex(4)}.part"
    try:
        fs.pipe_file(beside, content)
        fs.mv(beside, path)
    except OSError as error:
        raise TrainError(f"{path}: {error}; give a run folder that can be written") from None


def packed(state: Any) -> bytes:
    """The bytes of a checkpoint."""
    from .. import __version__

    buffer = io.BytesIO()
    torch.save(_as_tensors(state), buffer)
    body = buffer.getvalue()
    head = {"tocsin_checkpoint": FORMAT, "version": __version__, "sha256": hashlib.sha256(body).hexdigest()}
    return json.dumps(head).encode() + b"\n" + body


def unpacked(data: bytes, name: str) -> Any:
    """What `packed` was given.

    Raises:
        CheckpointError: as `Shelf.newest`.
    """
    from .. import __version__

    head_line, _, body = data.partition(b"\n")
    mend = "remove it to go on from the one before, or begin a new run"
    try:
        head = json.loads(head_line[:MAX_HEAD])
    except (ValueError, RecursionError):
        head = None
    if not isinstance(head, dict) or "tocsin_checkpoint" not in head:
        raise CheckpointError(f"{name}: is no checkpoint; {mend}")
    if head["tocsin_checkpoint"] != FORMAT or head.get("version") != __version__:
        made = f"format {head['tocsin_checkpoint']} by version {head.get('version')}"
        raise CheckpointError(f"{name}: has {made}, this is {FORMAT} by {__version__}; go on with that version")
    if hashlib.sha256(body).hexdigest() != head.get("sha256"):
        raise CheckpointError(f"{name}: is truncated or was changed; {mend}")
    try:
        return torch.load(io.BytesIO(body), weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise CheckpointError(f"{name}: holds what checkpoints do not ({str(error).splitlines()[0]}); {mend}") from None


def _as_tensors(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.array(value))
    if isinstance(value, dict):
        return {key: _as_tensors(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_tensors(part) for part in value]
    return value
