"""The library as an action space: locked, lint-clean, numbered."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.playbooks.actions import LOCK, Library, decode, encode, load_library, write_lock
from tocsin.playbooks.cacao import Playbook, PlaybookError
from tocsin.playbooks.effects import declaration_of, effect_of
from tocsin.playbooks.execute import check_executable, installed, undo_of
from tocsin.playbooks.lint import lint
from tocsin.tests.playbooks.makers import LIBRARY, content


@pytest.fixture(scope="module")
def library() -> Library:
    """The shipped one."""
    return load_library()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped library."""
    return Path(shutil.copytree(LIBRARY, tmp_path / "library"))


def test_the_lock_file_is_what_the_files_give(folder: Path) -> None:
    """Writing the lock anew changes no byte."""
    before = (folder / LOCK).read_bytes()
    write_lock(folder)
    assert (folder / LOCK).read_bytes() == before


def test_playbooks_are_ordered_by_id_with_their_effects(library: Library) -> None:
    """Row p of the table is playbook p."""
    ids = [playbook.id for playbook in library.playbooks]
    assert ids == sorted(ids)
    assert [effect.playbook for effect in library.effects] == ids
    assert len(library.effect_table().playbook) == len(ids) >= 16


def test_every_playbook_is_lint_clean_and_executable(library: Library) -> None:
    """Nothing ships that the linter has a word against."""
    for playbook in library.playbooks:
        assert lint(playbook) == []
        check_executable(playbook, installed())


def test_every_playbook_declares_its_effect_and_its_undo_or_why_not(library: Library) -> None:
    """An undo that is possible has commands; one that is not has a reason."""
    for playbook in library.playbooks:
        assert effect_of(playbook).playbook == playbook.id
        undo = declaration_of(playbook)["undo"]
        commands = [command for name in playbook.workflow for command in undo_of(playbook, name)]
        calls = any(step.type == "playbook-action" for step in playbook.workflow.values())  # and is undone as they are
        assert bool(commands or calls) == undo["possible"]
        assert len(undo["how"]) >= 20


def test_finds_a_playbook_by_name_or_id(library: Library) -> None:
    """An unknown name is told the known ones."""
    index = library.index_of("isolate-asset")
    assert library.index_of(library.playbooks[index].id) == index
    with pytest.raises(KeyError, match="isolate-asset"):
        library.index_of("isolate")


@given(st.integers(1, 2_000), st.data())
def test_actions_are_numbered_one_to_one(targets: int, data: st.DataObject) -> None:
    """Action 0 waits, every other is one pair, and back."""
    playbook, target = data.draw(st.integers(0, 200)), data.draw(st.integers(0, targets - 1))
    action = encode(playbook, target, targets)
    assert action == 1 + playbook * targets + target
    assert decode(action, targets) == (playbook, target)
    assert decode(0, targets) is None


@given(st.integers(0, 10**6), st.integers(1, 2_000))
def test_every_number_is_an_action(action: int, targets: int) -> None:
    """Decoding and encoding give the number back."""
    pair = decode(action, targets)
    assert action == (0 if pair is None else encode(*pair, targets))


@pytest.mark.parametrize(("playbook", "target", "targets"), [(0, 3, 3), (-1, 0, 3), (0, -1, 3), (0, 0, 0)])
def test_refuses_pairs_outside(playbook: int, target: int, targets: int) -> None:
    """No number is given to what is not there."""
    with pytest.raises(ValueError, match="targets"):
        encode(playbook, target, targets)


@pytest.mark.parametrize(("action", "targets"), [(-1, 3), (1, 0)])
def test_refuses_numbers_outside(action: int, targets: int) -> None:
    """Nor a pair to such a number."""
    with pytest.raises(ValueError, match="actions"):
        decode(action, targets)


def _edit(folder: Path, **fields: Any) -> None:
    (folder / "isolate-asset.json").write_text(json.dumps({**content(), **fields}))


def test_refuses_a_changed_file(folder: Path) -> None:
    """One changed word and the lock does not fit."""
    _edit(folder, description="Isolate nothing.")
    with pytest.raises(PlaybookError, match="isolate-asset is not what the lock says"):
        load_library(folder)


def test_refuses_a_missing_file(folder: Path) -> None:
    """The lock names who is missing."""
    (folder / "block-link.json").unlink()
    with pytest.raises(PlaybookError, match="block-link is missing"):
        load_library(folder)


def test_refuses_a_file_that_the_lock_does_not_know(folder: Path) -> None:
    """Until the lock is written anew; then it is an action."""
    other = {**content(), "id": "playbook--11111111-1111-4111-8111-111111111111", "name": "isolate-twice"}
    (folder / "isolate-twice.json").write_text(json.dumps(other))
    with pytest.raises(PlaybookError, match="does not know isolate-twice"):
        load_library(folder)
    write_lock(folder)
    assert "isolate-twice" in load_library(folder).names


def test_refuses_two_files_with_one_id(folder: Path) -> None:
    """Neither of two playbooks with one id silently wins."""
    (folder / "another.json").write_text(json.dumps(content()))
    with pytest.raises(PlaybookError, match="has the id of another.json"):
        load_library(folder)


@pytest.mark.parametrize("lock", ["{}", "[1]", '[{"id": 1, "name": "a", "digest": "b"}]', "["])
def test_refuses_a_malformed_lock(folder: Path, lock: str) -> None:
    """By name, with the mend."""
    (folder / LOCK).write_text(lock)
    with pytest.raises(PlaybookError, match=LOCK):
        load_library(folder)


def test_refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """Told as a fault of the folder's name."""
    with pytest.raises(PlaybookError, match="name a folder"):
        load_library(tmp_path / "none")


def test_the_digest_names_the_whole(folder: Path, library: Library) -> None:
    """A change anywhere gives another digest."""
    assert load_library(folder).digest == library.digest
    _edit(folder, description="Isolate an asset.")
    write_lock(folder)
    changed: tuple[Playbook, ...] = load_library(folder).playbooks
    assert len(changed) == len(library.playbooks)
    assert load_library(folder).digest != library.digest
