"""Learned attackers as files: plain arrays and a JSON card in numpy's `.npz`, read without pickle.

Flows in: a file (untrusted). Flows out: a `NumpyAttacker`. Nothing in a file is executed. Sizes are looked at before
anything is unpacked; the card holds a digest of the arrays, which finds accidents, not forgers.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .attack_network import SHAPES, Float32, NumpyAttacker

FORMAT = 1
MAX_FILE = 1_000_000  # bytes; ours are 40 kB
MAX_CARD = 100_000
CARD = "card"


class AttackerFileError(ValueError):
    """A file of an attacker that cannot be used; the message names file, fault and mend."""


def save_attacker(path: Path, weights: Mapping[str, Float32], card: Mapping[str, Any]) -> None:
    """Write a file, whole or not at all; format and digest are added to the card.

    Raises:
        AttackerFileError: weights that are not the network's, or a folder that cannot be written.
    """
    fault = _fault(weights)
    if fault:
        raise AttackerFileError(f"{path}: {fault}; save the weights of this network")
    told = json.dumps({**card, "format": FORMAT, "sha256": _digest(weights)}, sort_keys=True).encode()
    buffer, partial = io.BytesIO(), path.with_name(path.name + ".part")
    arrays: dict[str, Any] = {CARD: np.frombuffer(told, np.uint8), **{name: weights[name] for name in SHAPES}}
    np.savez(buffer, **arrays)
    try:
        partial.write_bytes(buffer.getvalue())
        os.replace(partial, path)
    except OSError as error:
        raise AttackerFileError(f"{path}: {error.strerror or error}; name a file that can be written") from None


def load_attacker(path: Path) -> NumpyAttacker:
    """Read a file and check all of it before any of it is used.

    Raises:
        AttackerFileError: missing, truncated, changed, of another format, or holding what is no array.
    """
    mend = "train it again with tocsin league"
    try:
        if path.stat().st_size > MAX_FILE:
            raise AttackerFileError(f"{path}: larger than {MAX_FILE} bytes; it is no attacker's file")
        data = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_FILE:
                raise AttackerFileError(f"{path}: unpacks to more than {MAX_FILE} bytes; it is no attacker's file")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        card = json.loads(bytes(found.pop(CARD)[:MAX_CARD].astype(np.uint8)))
    except OSError as error:
        raise AttackerFileError(f"{path}: {error.strerror or error}; tocsin league writes attackers' files") from None
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, RecursionError, NotImplementedError) as error:
        if isinstance(error, AttackerFileError):
            raise
        raise AttackerFileError(f"{path}: {error}; it is truncated or no attacker's file, {mend}") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise AttackerFileError(f"{path}: has another format than {FORMAT}; {mend}")
    fault = _fault(found) or ("" if card.get("sha256") == _digest(found) else "its arrays are not what the card says")
    if fault:
        raise AttackerFileError(f"{path}: {fault}; {mend}")
    return NumpyAttacker({name: found[name].astype(np.float32) for name in SHAPES}, card)


def _fault(weights: Mapping[str, npt.NDArray[Any]]) -> str:
    if set(weights) != set(SHAPES):
        return f"arrays {', '.join(sorted(set(weights) ^ set(SHAPES)))} are missing or unknown"
    for name, shape in SHAPES.items():
        if weights[name].shape != shape or weights[name].dtype != np.float32:
            return f"{name} is {weights[name].dtype}{list(weights[name].shape)}, not float32{list(shape)}"
        if not np.isfinite(weights[name]).all():
            return f"{name} holds what is no number"
    return ""


def _digest(weights: Mapping[str, npt.NDArray[Any]]) -> str:
    found = hashlib.sha256()
    for name in SHAPES:
        found.update(name.encode() + np.ascontiguousarray(weights[name], "<f4").tobytes())
    return found.hexdigest()
