"""Checkpoints: whole or not at all, on any file system, refused when they are not what was written."""

from __future__ import annotations

import io
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import torch
from tocsin.training.checkpoint import CheckpointError, Shelf, packed, put_whole, unpacked
from tocsin.training.runs import RunFolder, commit, origin
from tocsin.training.settings import TrainError, TrainSettings

STATE = {
    "learner": {"w": torch.arange(3.0)},
    "played": {"0": {"tick": np.arange(4, dtype=np.int32)}},
    "n": 3,
    "f": [1.5],
}


def _shelves(tmp_path: Path) -> list[Shelf]:
    return [Shelf.at(str(tmp_path / "run")), Shelf.at(f"memory://runs/{tmp_path.name}")]


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    """On disk and in memory the newest is read; arrays come back as tensors, plain values as they were."""
    for shelf in _shelves(tmp_path):
        assert shelf.newest() is None
        shelf.write(2, {**STATE, "n": 2}, keep=3)
        shelf.write(10, STATE, keep=3)
        found = shelf.newest()
        assert found["n"] == 3 and found["f"] == [1.5]
        assert torch.equal(found["learner"]["w"], STATE["learner"]["w"])  # type: ignore[index]
        assert found["played"]["0"]["tick"].tolist() == [0, 1, 2, 3]


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    """After each writing no more than `keep` are left, and no parts of any."""
    for shelf in _shelves(tmp_path):
        for number in (1, 5, 20, 100):
            shelf.write(number, STATE, keep=2)
        assert shelf.numbers() == [20, 100]
        assert len(shelf.fs.ls(shelf.folder)) == 2


def test_a_writing_that_is_cut_off_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk is full before the last byte, the file of that name is the one before."""
    shelf = Shelf.at(str(tmp_path))
    put_whole(shelf.fs, f"{shelf.folder}/figures.jsonl", b"old")

    def full(path: str, content: bytes, **_: Any) -> None:
        Path(path).write_bytes(content[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shelf.fs, "pipe_file", full)
    with pytest.raises(TrainError, match="No space left"):
        put_whole(shelf.fs, f"{shelf.folder}/figures.jsonl", b"new")
    assert (tmp_path / "figures.jsonl").read_bytes() == b"old"


@pytest.mark.parametrize("fault", ["cut", "changed", "empty", "version", "other"])
def test_a_checkpoint_that_is_not_what_was_written_is_refused(tmp_path: Path, fault: str) -> None:
    """Truncated, changed, of another version or no checkpoint: named with its path and the mend, and left there."""
    shelf = Shelf.at(str(tmp_path))
    data = packed(STATE)
    broken = {
        "cut": data[:-10],
        "changed": data[:-1] + bytes([data[-1] ^ 1]),
        "empty": b"",
        "version": data.replace(b'"version": "', b'"version": "9', 1),
        "other": b"PK\x03\x04 something else",
    }[fault]
    path = Path(shelf.path(4))
    path.write_bytes(broken)
    with pytest.raises(CheckpointError, match="checkpoint-000000004.*(remove it|go on with)"):
        shelf.newest()
    assert path.read_bytes() == broken


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    """A file with the right digest whose content would call a function is refused, and nothing is called."""

    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "called"),)

    import hashlib
    import json

    buffer = io.BytesIO()
    torch.save({"a": Evil()}, buffer, pickle_module=pickle)
    head = json.loads(packed(STATE).split(b"\n", 1)[0])
    head["sha256"] = hashlib.sha256(buffer.getvalue()).hexdigest()
    with pytest.raises(CheckpointError, match="holds what checkpoints do not"):
        unpacked(json.dumps(head).encode() + b"\n" + buffer.getvalue(), "x")
    assert not (tmp_path / "called").exists()


def test_a_run_keeps_what_made_it(tmp_path: Path) -> None:
    """Settings as resolved, versions, commit and seed lie in the run's folder; figures come with the checkpoint."""
    settings = TrainSettings(run=f"memory://kept/{tmp_path.name}", seed=8)
    folder = RunFolder(settings, resume=False)
    folder.begin()
    folder.note(1, {"loss": 0.5})
    folder.note(2, {"loss": 0.25})
    folder.keep(2, STATE)
    fs, path = fsspec.core.url_to_fs(settings.run)
    assert b"seed: 8" in fs.cat_file(f"{path}/settings.yaml")
    assert b'"commit"' in fs.cat_file(f"{path}/run.json")
    assert fs.cat_file(f"{path}/figures.jsonl").count(b"\n") == 2
    with pytest.raises(TrainError, match="--resume"):
        RunFolder(settings, resume=False)
    again = RunFolder(settings, resume=True)
    again.note(3, {"loss": 0.125})
    again.keep(3, STATE)
    assert fs.cat_file(f"{path}/figures.jsonl").count(b"\n") == 3


def test_the_origin_names_versions_and_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's commit comes from its sender, a checkout's from git."""
    assert {"ray", "torch", "tocsin"} <= set(origin(TrainSettings())["packages"])
    monkeypatch.setenv("TOCSIN_COMMIT", "abc")
    assert commit() == "abc"


def test_places_that_cannot_be_runs_are_refused(tmp_path: Path) -> None:
    """A file, and a file system that nobody serves, are named."""
    (tmp_path / "file").write_text("")
    for place in (str(tmp_path / "file"), "nosuch://bucket/run"):
        with pytest.raises(TrainError, match="run .*name a folder"):
            RunFolder(TrainSettings(run=place), resume=False)


def test_events_for_tensorboard_hold_the_figures(tmp_path: Path) -> None:
    """TensorBoard's own reader finds each figure at its iteration."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = RunFolder(TrainSettings(run=str(tmp_path), tensorboard=True), resume=False)
    folder.begin()
    folder.note(1, {"episode loss": 4.0})
    folder.note(2, {"episode loss": 2.0})
    folder.keep(2, STATE)
    folder.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(one.step, one.value) for one in events.Scalars("episode_loss")] == [(1, 4.0), (2, 2.0)]


def test_events_after_the_checkpoint_count_once(tmp_path: Path) -> None:
    """A run that goes on from its checkpoint draws over what its first life noted after it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = TrainSettings(run=str(tmp_path), tensorboard=True)
    for resume, values in ((False, {1: 4.0, 2: 3.0, 3: 9.0, 4: 9.0}), (True, {3: 2.0})):
        folder = RunFolder(settings, resume=resume)
        folder.begin()
        for iteration, value in values.items():
            folder.note(iteration, {"loss": value})
            if iteration == 2:
                folder.keep(2, STATE)
        folder.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(one.step, one.value) for one in events.Scalars("loss")] == [(1, 4.0), (2, 3.0), (3, 2.0)]


def test_events_without_their_package_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the extra to install."""
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(TrainError, match=r"tocsin\[tensorboard\]"):
        RunFolder(TrainSettings(run=str(tmp_path), tensorboard=True), resume=False).begin()
