"""Trust files, keys and folders of signatures: read strictly, written whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tocsin.playbooks.cacao import PlaybookError
from tocsin.playbooks.trust import MAX_FILE_BYTES, read_key, read_signatures, read_trust, write_signature
from tocsin.playbooks.vetting import VettingRole
from tocsin.tests.playbooks.makers import Person, content, read, write_trust

ADA = Person("ada", "author", "reviewer")
SIGNED = ADA.signs(read(content()))


def test_reads_who_may_do_what_by_thumbprint(tmp_path: Path) -> None:
    """Person, roles and key as written."""
    found = read_trust(write_trust(tmp_path / "shop.json", "shop", [ADA]), owner="shop")
    signatory = found[str(SIGNED["thumbprint"])]
    assert (signatory.person, signatory.roles) == ("ada", {VettingRole.AUTHOR, VettingRole.REVIEWER})


def _entry(**fields: Any) -> dict[str, Any]:
    return {"person": "ada", "roles": ["author"], "jwk": ADA.public(), **fields}


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ([], "top"),
        ({"keys": []}, "owner"),
        ({"owner": "shop", "keys": [_entry(roles=[])]}, "roles"),
        ({"owner": "shop", "keys": [_entry(roles=["king"])]}, "roles"),
        ({"owner": "shop", "keys": [_entry(person=" ")]}, "person"),
        ({"owner": "shop", "keys": [_entry(), _entry(person="eve")]}, "stands twice"),
        ({"owner": "shop", "keys": [_entry(jwk={**ADA.public(), "d": "AAAA"})]}, "jwk.d"),
        ({"owner": "shop", "keys": [_entry(jwk={**ADA.public(), "crv": "X25519"})]}, "crv"),
        ({"owner": "shop", "keys": [_entry(jwk={**ADA.public(), "x": "AAAA"})]}, "32 bytes"),
        ({"owner": "shop", "keys": [_entry(jwk={**ADA.public(), "x": "?"})]}, "base64url"),
        ({"owner": "edge", "keys": []}, "owner edge"),
    ],
)
def test_refuses_a_wrong_trust_file(tmp_path: Path, file: Any, said: str) -> None:
    """The message names the file and the place."""
    path = tmp_path / "trust.json"
    path.write_text(json.dumps(file))
    with pytest.raises(PlaybookError, match=said) as caught:
        read_trust(path, owner="shop")
    assert str(caught.value).startswith(str(path))


def test_a_folder_that_is_a_file_is_refused_by_name(tmp_path: Path) -> None:
    """And what is in it stays."""
    file = tmp_path / "signatures"
    file.write_text("mine")
    with pytest.raises(PlaybookError, match="choose a folder"):
        write_signature(file, SIGNED)
    with pytest.raises(PlaybookError, match="choose a folder"):
        write_signature(file / "below", SIGNED)
    with pytest.raises(PlaybookError, match="is no folder"):  # else nobody would seem to have signed
        read_signatures(file)
    assert file.read_text() == "mine" and list(tmp_path.iterdir()) == [file]


def test_signatures_come_back_as_written(tmp_path: Path) -> None:
    """One file each, named by id; a folder that is not there holds none."""
    folder = tmp_path / "signatures"
    assert read_signatures(folder) == []
    assert write_signature(folder, SIGNED) == folder / f"{SIGNED['id']}.json"
    write_signature(folder, SIGNED)
    assert read_signatures(folder) == [SIGNED]
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("name", ["../../etc/x", "jss--1", "", None, pytest.param(f"{SIGNED['id']}/../x", id="climbs")])
def test_an_id_cannot_lead_out_of_the_folder(tmp_path: Path, name: str | None) -> None:
    """Only jss ids become file names."""
    with pytest.raises(PlaybookError, match="jss--UUID"):
        write_signature(tmp_path / "signatures", {**SIGNED, "id": name})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1, "a": 2}', '"' + "x" * MAX_FILE_BYTES + '"'])
def test_refuses_a_broken_signature_file(tmp_path: Path, text: str) -> None:
    """By name, so that it can be moved away."""
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(PlaybookError, match="bad.json"):
        read_signatures(tmp_path)


def test_reads_private_keys_only(tmp_path: Path) -> None:
    """A public key, another curve, no key or no file are refused by name."""
    path = tmp_path / "ada.jwk"
    path.write_text(json.dumps(ADA.jwk.as_dict(private=True)))
    assert read_key(path).public_key() == ADA.key.public_key()
    for wrong in (ADA.public(), {}, [], {"kty": "oct", "k": "AAAA"}, {**ADA.public(), "d": 1}):
        path.write_text(json.dumps(wrong))
        with pytest.raises(PlaybookError, match="ada.jwk"):
            read_key(path)
    with pytest.raises(PlaybookError, match="none.jwk"):
        read_key(tmp_path / "none.jwk")
