"""Promoted policy files: what is not proven is refused by name; nothing in a file can vouch for itself."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tocsin.envs.policy_file import PolicyFileError, load_policy, packed_policy
from tocsin.envs.policy_shelf import PolicyShelf, ShelfError, verified
from tocsin.envs.promotion import VERSION, PromotionRefused, may_propose, promoted
from tocsin.playbooks.actions import load_library
from tocsin.playbooks.signatures import sign
from tocsin.tests.envs.promoting import NOW, ROLE, policy, promoted_file
from tocsin.tests.playbooks.makers import Person, trust, write_trust

LATER = NOW + timedelta(days=1)


@pytest.fixture
def grace() -> Person:
    return Person("grace", ROLE)


def test_a_promoted_file_is_verified_and_keeps_what_was_shown(tmp_path: Path, grace: Person) -> None:
    """The signature of a trusted promoter counts, and card and weights come back."""
    path = promoted_file(tmp_path, grace, shown={"suite": {"name": "held-out"}})
    found = verified(path, trust([grace]), LATER)
    assert found.card["promotion"]["suite"] == {"name": "held-out"} and found.card["promotion"]["by"] == "grace"
    trained = policy(tmp_path)
    assert all(np.array_equal(found.weights[name], trained.weights[name]) for name in trained.weights)


def test_every_changed_byte_is_refused(tmp_path: Path, grace: Person) -> None:
    """One flipped byte anywhere, also where nothing is read from, one byte more or less: never verified."""
    path, trusted = promoted_file(tmp_path, grace), trust([grace])
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    places = [*rng.integers(0, len(whole), 60), *range(40), *range(len(whole) - 120, len(whole))]
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(changed))
        with pytest.raises((PolicyFileError, PromotionRefused), match=r"promoted-0\.tocsin"):
            verified(path, trusted, LATER)
    for wrong in (whole + b"\0", b"\0" + whole, whole[:-1], whole[: len(whole) // 2], b""):
        path.write_bytes(wrong)
        with pytest.raises(PolicyFileError, match=r"promoted-0\.tocsin"):
            verified(path, trusted, LATER)


@pytest.mark.parametrize(
    "change",
    [
        lambda card, signature: signature.update(signature={"type": "jss", "signee": "anybody"}),
        lambda card, signature: signature.update(value=signature["value"] + "!!!!"),
        lambda card, signature: signature.update(value=signature["value"] + "=="),
        lambda card, signature: card.update(signatures=[{"type": "jss"}]),
        lambda card, signature: card.update(samples=100.0),  # the same number in canonical JSON
    ],
)
def test_what_the_signature_leaves_out_cannot_be_changed(
    tmp_path: Path, grace: Person, change: Callable[[dict[str, Any], dict[str, Any]], None]
) -> None:
    """Packed again with a countersignature, another way to write value or number, a key that signing skips: refused."""
    from dataclasses import replace

    trained = replace(policy(tmp_path), card={**policy(tmp_path).card, "samples": 100})
    made = promoted(trained, {"playbooks": []}, grace.key, person="grace", now=NOW)
    path = tmp_path / "packed.tocsin"
    path.write_bytes(packed_policy(made))
    verified(path, trust([grace]), LATER)
    card, signature = dict(made.card), dict(made.signature or {})
    change(card, signature)
    path.write_bytes(packed_policy(replace(made, card=card, signature=signature)))
    with pytest.raises((PolicyFileError, PromotionRefused), match=r"packed\.tocsin"):
        verified(path, trust([grace]), LATER)


@pytest.mark.parametrize("kind", ["retires", "revoked"])
def test_a_signature_that_takes_out_of_use_promotes_nothing(tmp_path: Path, grace: Person, kind: str) -> None:
    """A retirement by a trusted promoter fits the card, and is the contrary of a promotion."""
    from dataclasses import replace

    made = load_policy(promoted_file(tmp_path, grace))
    said = {"signee": "grace", "created": str(made.card["modified"])}
    retiring = sign(made.card, grace.key, **said, retires=True)
    if kind == "revoked":
        retiring = {name: one for name, one in retiring.items() if name != "retires"}
    path = tmp_path / "retired.tocsin"
    path.write_bytes(packed_policy(replace(made, signature=retiring)))
    with pytest.raises(PromotionRefused, match="grace") as refused:
        verified(path, trust([grace]), LATER)
    assert refused.value.reason == "retired"


@pytest.mark.parametrize(
    ("trusted", "reason"),
    [
        (lambda grace: [], "untrusted"),
        (lambda grace: [Person("grace", ROLE)], "untrusted"),  # the same name, another key
        (lambda grace: [_with_roles(grace, "approver")], "not_promoter"),
    ],
)
def test_who_is_not_trusted_promotes_nothing(
    tmp_path: Path, grace: Person, trusted: Callable[[Person], list[Person]], reason: str
) -> None:
    """A key that the trust file does not list, or lists for something else, is named and refused."""
    with pytest.raises(PromotionRefused, match="grace") as refused:
        verified(promoted_file(tmp_path, grace), trust(trusted(grace)), LATER)
    assert refused.value.reason == reason


def _with_roles(person: Person, *roles: str) -> Person:
    made = Person(person.name, *roles)
    made.key, made.jwk = person.key, person.jwk
    return made


def test_what_nobody_promoted_is_refused(tmp_path: Path, grace: Person) -> None:
    """A trained file is no promoted one, and a signature taken from another policy does not fit."""
    from dataclasses import replace

    policy(tmp_path)
    with pytest.raises(PromotionRefused, match="tocsin policy promote") as refused:
        verified(tmp_path / "trained-0.tocsin", trust([grace]), LATER)
    assert refused.value.reason == "unsigned"
    one, other = (load_policy(promoted_file(tmp_path, grace, seed)) for seed in (0, 1))
    path = tmp_path / "mixed.tocsin"
    path.write_bytes(packed_policy(replace(one, signature=other.signature)))
    with pytest.raises(PromotionRefused, match=r"mixed\.tocsin") as refused:
        verified(path, trust([grace]), LATER)
    assert refused.value.reason == "changed"
    path.write_bytes(packed_policy(replace(one, card={**one.card, "promotion": {"version": VERSION, "playbooks": []}})))
    with pytest.raises(PromotionRefused) as refused:
        verified(path, trust([grace]), LATER)
    assert refused.value.reason == "changed"


def test_a_promotion_holds_for_its_time(tmp_path: Path, grace: Person) -> None:
    """Before it was made and after it ends it does not count."""
    path, trusted = promoted_file(tmp_path, grace, valid_until=LATER), trust([grace])
    verified(path, trusted, NOW)
    for moment in (NOW - timedelta(seconds=1), LATER):
        with pytest.raises(PromotionRefused) as refused:
            verified(path, trusted, moment)
        assert refused.value.reason == "expired"


def test_only_listed_the_same_content_may_be_proposed(tmp_path: Path, grace: Person) -> None:
    """A playbook that was not evaluated, or was evaluated with another content, is not on the list."""
    from tocsin.envs.promotion import listed

    library = load_library()
    rows = listed(library)
    rows = [{**rows[0], "digest": "0" * 64}, *rows[2:]]
    found = load_policy(promoted_file(tmp_path, grace, shown={"playbooks": rows}))
    assert may_propose(found, library) == {playbook.id for playbook in library.playbooks[2:]}


class _Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("executed"),))


def test_nothing_in_a_file_is_executed(tmp_path: Path, grace: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle in the place of file, card, signature or array is refused and leaves no trace."""
    monkeypatch.chdir(tmp_path)
    path = promoted_file(tmp_path, grace)
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    bomb = pickle.dumps(_Bomb())
    variants = [bomb]
    for name in ("card.json", "signature.json", "wait.bias"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for entry, data in {**content, name: bomb}.items():
                archive.writestr(entry, data)
        variants.append(buffer.getvalue())
    for variant in variants:
        path.write_bytes(variant)
        with pytest.raises(PolicyFileError, match=r"promoted-0\.tocsin"):
            load_policy(path)
    assert not (tmp_path / "executed").exists()


def test_a_signature_that_swells_is_refused_unread(tmp_path: Path, grace: Person) -> None:
    """Sizes are looked at before anything is unpacked, of the signature too; and nothing may be compressed."""
    path = promoted_file(tmp_path, grace)
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    for compression, swollen in ((zipfile.ZIP_STORED, b" " * 5000), (zipfile.ZIP_DEFLATED, b" " * 3_000_000)):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            for entry, data in {**content, "signature.json": swollen}.items():
                archive.writestr(entry, data)
        path.write_bytes(buffer.getvalue())
        with pytest.raises(PolicyFileError, match=r"promoted-0\.tocsin"):
            load_policy(path)


def _shelf(folder: Path, *people: Person) -> PolicyShelf:
    shelf = PolicyShelf(folder / "policies")
    shelf.folder.mkdir(exist_ok=True)
    write_trust(shelf.trust, "shop", people)
    return shelf


def test_rollback_goes_back_one_by_one(tmp_path: Path, grace: Person) -> None:
    """Each use goes on top; each rollback takes it off again; what was done stays in the history."""
    shelf = _shelf(tmp_path, grace)
    files = [promoted_file(tmp_path, grace, seed) for seed in range(3)]
    assert shelf.current() is None
    for path in files:
        shelf.use(path, LATER)
    for path in (files[1], files[0]):
        place, _ = shelf.rollback(LATER)
        assert place == shelf.current() and place.read_bytes() == path.read_bytes()
    with pytest.raises(ShelfError, match="no policy was used before"):
        shelf.rollback(LATER)
    assert [one.action for one in shelf.standing().history] == ["use"] * 3 + ["rollback"] * 2
    with pytest.raises(ShelfError, match="already"):
        shelf.use(files[0], LATER)


def test_what_is_refused_changes_nothing(tmp_path: Path, grace: Person) -> None:
    """An unpromoted file, or one whose promoter is trusted no longer, does not become current."""
    shelf = _shelf(tmp_path, grace)
    shelf.use(promoted_file(tmp_path, grace, 0), LATER)
    shelf.use(promoted_file(tmp_path, grace, 1), LATER)
    before = shelf.pointer.read_bytes()
    policy(tmp_path, 2)
    with pytest.raises(PromotionRefused):
        shelf.use(tmp_path / "trained-2.tocsin", LATER)
    write_trust(shelf.trust, "shop", [Person("ada", ROLE)])
    with pytest.raises(PromotionRefused, match="grace"):
        shelf.rollback(LATER)
    assert shelf.pointer.read_bytes() == before


def test_a_file_exchanged_on_the_shelf_is_not_gone_back_to(tmp_path: Path, grace: Person) -> None:
    """Another promoted policy under the name of the one before is told apart."""
    shelf = _shelf(tmp_path, grace)
    for seed in (0, 1):
        shelf.use(promoted_file(tmp_path, grace, seed), LATER)
    first = shelf.place_of(shelf.standing().stack[0])
    first.write_bytes(promoted_file(tmp_path, grace, 2).read_bytes())
    with pytest.raises(ShelfError, match="is not the file that was used"):
        shelf.rollback(LATER)


def test_a_file_exchanged_on_the_shelf_is_not_used(tmp_path: Path, grace: Person) -> None:
    """Another promoted policy under the current one's name is refused; using the right file again mends it."""
    shelf = _shelf(tmp_path, grace)
    right = promoted_file(tmp_path, grace, 0)
    shelf.use(right, LATER)
    place = shelf.place_of(shelf.standing().stack[0])
    place.write_bytes(promoted_file(tmp_path, grace, 1).read_bytes())
    with pytest.raises(ShelfError, match="is not the file that was used"):
        shelf.current_verified(LATER)
    shelf.use(right, LATER)
    found = shelf.current_verified(LATER)
    assert found is not None and found.content == right.read_bytes() and len(shelf.standing().stack) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"stack": ["../x"], "history": []}', '{"stack": 3}'])
def test_a_broken_pointer_is_named(tmp_path: Path, content: str) -> None:
    """Whatever lies there, no policy is guessed."""
    shelf = PolicyShelf(tmp_path)
    shelf.pointer.write_text(content)
    with pytest.raises(ShelfError, match=r"current\.json"):
        shelf.current()
