"""Reading CACAO: what is written comes back, and hostile bytes are refused by name, quickly."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.playbooks.cacao import (
    MAX_BYTES,
    OpenC2Command,
    PlaybookError,
    canonical,
    digest,
    read_json,
    read_playbook,
)
from tocsin.tests.playbooks.full import full
from tocsin.tests.playbooks.makers import LIBRARY, content, read, test_data

PLAIN = json.dumps(content()).encode()


def test_keeps_every_field_also_of_unknown_extensions() -> None:
    """The object comes back as it was read, so that signatures cover all of it."""
    changed = {**content(), "x_of_others": {"deep": [1, 2.5, None]}}
    playbook = read(changed)
    assert playbook.raw == changed
    assert json.loads(canonical(playbook.raw)) == changed


def test_digest_is_blind_to_layout_and_signatures_and_to_nothing_else() -> None:
    """Order and spaces do not count, signatures neither; any other byte does."""
    changed = content()
    turned = dict(reversed(list(changed.items()))) | {"signatures": full()["signatures"]}
    assert digest(read(turned)) == digest(read(changed))
    assert digest(read({**changed, "description": changed["description"] + "."})) != digest(read(changed))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe", "UTF-8"),
        (b"[1, 2]", "valid dictionary"),
        (b"true", "valid dictionary"),
        (PLAIN.replace(b'"name"', b'"id": "x", "name"', 1), "'id' stands twice"),
        (PLAIN.replace(b"14400", b"NaN"), "NaN"),
        (PLAIN.replace(b"14400", b"-Infinity"), "Infinity"),
        (PLAIN.replace(b"14400", b"1e400"), "1e400"),
        (PLAIN.replace(b"14400", b"9" * 5000), "digits"),
        (PLAIN.replace(b"14400", b"9" * 20), "canonical"),
        (PLAIN.replace(b'"isolate-asset"', b'"\\ud800"'), "canonical|unicode"),
        (PLAIN.replace(b'["tocsin"]', b'[{"\\ud800": 1}]'), "canonical"),
        (b"[" * 100_000, "nested deeper"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "nested deeper"),
        (b" " * (MAX_BYTES + 1), "bytes"),
        (PLAIN.replace(b"cacao-2.0", b"cacao-1.1"), "spec_version"),
        (PLAIN.replace(b"2026-11-23T00:00:00.000Z", b"yesterday"), "created"),
        (PLAIN.replace(b"__target__", b"target"), "playbook_variables"),
    ],
)
def test_refuses_hostile_bytes_by_name(data: bytes, said: str) -> None:
    """Each is a PlaybookError that names the file, never another exception."""
    with pytest.raises(PlaybookError, match=said) as caught:
        read_playbook(data, "bad.json")
    assert str(caught.value).startswith("bad.json")


def test_finds_a_doubled_key_among_many_quickly() -> None:
    """A late duplicate among very many keys does not cost their square."""
    data = ("{" + ",".join(f'"k{n}":1' for n in range(100_000)) + ',"k99999":2}').encode()
    began = time.perf_counter()
    with pytest.raises(PlaybookError, match="k99999"):
        read_json(data, "many.json")
    assert time.perf_counter() - began < 5


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """No bytes bring forth anything but a value or a PlaybookError."""
    try:
        read_playbook(data, "any.json")
    except PlaybookError:
        return
    pytest.fail("two hundred bytes are no playbook")


@given(st.integers(0, len(PLAIN) - 1), st.binary(min_size=1, max_size=3))
def test_a_patched_playbook_is_read_or_refused(at: int, patch: bytes) -> None:
    """A playbook with bytes changed anywhere is still read, or refused by name."""
    try:
        digest(read_playbook(PLAIN[:at] + patch + PLAIN[at + len(patch) :], "patched.json"))
    except PlaybookError as error:
        assert "patched.json" in str(error)


def test_a_body_that_is_no_base64_is_refused() -> None:
    """content_b64 is decoded strictly."""
    with pytest.raises(PlaybookError, match="content_b64"):
        OpenC2Command(type="openc2-http", command="POST / HTTP/1.1", content_b64="%%%").body()


def test_reads_the_examples_of_the_standard() -> None:
    """The examples that OASIS publishes are playbooks to us too."""
    folder = test_data("cacao-v2", "examples-oasis-tcs")
    for name in ("basic-example-1.json", "spec-3.1-example.json"):
        assert read_playbook((folder / name).read_bytes(), name).spec_version == "cacao-2.0"


def test_every_library_file_is_read() -> None:
    """The shipped library is CACAO v2.0."""
    for path in LIBRARY.glob("*-*.json"):
        assert read_playbook(path.read_bytes(), path.name).name == path.stem
