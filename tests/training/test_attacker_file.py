"""Attackers' files hold arrays alone, come back as they were, and are refused when they are not what was written."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tocsin.tests.training.duels import STREAM, some_attacker, the_game
from tocsin.training.attack_network import SHAPES
from tocsin.training.attacker_file import AttackerFileError, load_attacker, save_attacker
from tocsin.training.duel import Duel


def test_attackers_come_back_from_their_files(tmp_path: Path) -> None:
    """Weights and card are what was saved, and the file holds arrays alone."""
    attacker, path = some_attacker(4), tmp_path / "a.npz"
    save_attacker(path, attacker.weights, attacker.card)
    found = load_attacker(path)
    assert found.card["steps"] == 4 and set(found.weights) == set(SHAPES)
    assert all(np.array_equal(found.weights[name], attacker.weights[name]) for name in SHAPES)
    view = Duel(the_game(), range(2), stream=STREAM).look()
    np.testing.assert_array_equal(found(view), attacker(view))
    with pytest.raises(AttackerFileError, match=r"row\.bias"):
        save_attacker(path, {**attacker.weights, "row.bias": np.zeros(3, np.float32)}, {})
    assert load_attacker(path).card["steps"] == 4, "and the old file stays"


@pytest.mark.parametrize("fault", ["cut", "changed", "pickle", "none", "text", "format", "large", "infinite"])
def test_a_file_that_is_not_what_was_saved_is_refused(tmp_path: Path, fault: str) -> None:
    """Named with its path and the mend; nothing in it is executed."""
    attacker, path = some_attacker(), tmp_path / "a.npz"
    save_attacker(path, attacker.weights, {})
    data = path.read_bytes()
    called = tmp_path / "called"

    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(called),)

    def rewritten(**changes: Any) -> bytes:
        with np.load(io.BytesIO(data)) as arrays:
            told = {name: arrays[name] for name in arrays.files} | changes
        buffer = io.BytesIO()
        np.savez(buffer, **told)
        return buffer.getvalue()

    def with_member(name: str, content: bytes) -> bytes:
        buffer = io.BytesIO(data)
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr(name, content)
        return buffer.getvalue()

    card = np.frombuffer(json.dumps({"format": 99}).encode(), np.uint8)
    evil = io.BytesIO()
    np.lib.format.write_array(evil, np.array([Evil()], dtype=object), allow_pickle=True)
    broken = {
        "cut": lambda: data[: len(data) // 2],
        "changed": lambda: rewritten(**{"score.bias": np.ones(1, np.float32)}),
        "pickle": lambda: with_member("evil.npy", evil.getvalue()),
        "none": lambda: pickle.dumps(Evil()),
        "text": lambda: b"hello",
        "format": lambda: rewritten(card=card),
        "large": lambda: with_member("more.npy", bytes(2_000_000)),
        "infinite": lambda: rewritten(**{"wait.bias": np.full(1, np.inf, np.float32)}),
    }[fault]()
    path.write_bytes(broken)
    with pytest.raises(AttackerFileError, match=r"a\.npz: .*(tocsin league|no attacker's file)"):
        load_attacker(path)
    assert not called.exists() and path.read_bytes() == broken
