"""YAML from strangers: what is read, and what is refused with place and mend."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.twin.graph import TwinError
from tocsin.twin.sources.safe_yaml import MAX_BYTES, Section, read_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
)


def test_scalars_follow_the_core_schema() -> None:
    """Ports with a colon, `on` and dates stay text; numbers and booleans are read."""
    [found] = read_yaml(b"[22:22, on, 2020-01-01, 0x10, 0o17, 1.5e3, ~, true, '7', 08]", "f.yaml")
    assert found == ["22:22", "on", "2020-01-01", 16, 15, 1500.0, None, True, "7", 8]


def test_mappings_know_their_lines() -> None:
    """Each mapping and key tells file and line, merged keys the mapping's."""
    [found] = read_yaml(b"a: &a {x: 1}\nb:\n  <<: *a\n  y: 2\n", "f.yaml")
    assert isinstance(found["b"], Section)
    assert (found.place_of("b"), found["b"].place_of("y")) == ("f.yaml:2", "f.yaml:4")
    assert found["b"] == {"x": 1, "y": 2}


def test_several_documents_are_read_and_empty_ones_left_out() -> None:
    """As kubectl does."""
    assert read_yaml(b"a: 1\n---\n---\nb: 2\n", "f.yaml") == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: !!python/object/apply:os.system [id]", "f.yaml:1:4: tag !!python/object/apply:os.system"),
        ("a: !reset null", "f.yaml:1:4: tag !reset"),
        ("a: 1\nb: 2\na: 3", "f.yaml:3:1: key 'a' is there twice"),
        ("a: {b: 1, b: 2}", "f.yaml:1:11: key 'b' is there twice"),
        ("a: &x [*x]", "f.yaml:1:8: alias *x refers to what contains it"),
        (BOMB, "aliases expand to more than 100000 nodes"),
        ("[" * 101, "f.yaml:1:101: nested deeper than 100"),
        ("a: [1, 2", "f.yaml:"),
        ("a: *nowhere", "undefined alias"),
        ("? [1]\n: 2", "a key must be plain"),
        ("a: \x01", "is not allowed"),
        ("a: !!int seven", "'seven' is no number"),
        ("a: " + "9" * 5000, "the number is too long"),
        ("a: !!bool perhaps", "neither true nor false"),
    ],
)
def test_hostile_yaml_is_refused_with_place_and_mend(text: str, told: str) -> None:
    """One line that names file, line, column, problem and mend."""
    with pytest.raises(TwinError) as refusal:
        read_yaml(text.encode(), "f.yaml")
    message = str(refusal.value)
    assert told in message and "\n" not in message and message.startswith("f.yaml:")


def test_bytes_that_are_not_utf_8_are_refused_where_they_stand() -> None:
    """Line and column of the first bad byte."""
    with pytest.raises(TwinError, match="f.yaml:2:4: not UTF-8"):
        read_yaml(b"a: 1\nb: \xff\n", "f.yaml")


def test_a_file_over_the_limit_is_refused_before_it_is_parsed() -> None:
    """16 MB is the limit."""
    with pytest.raises(TwinError, match="over the limit"):
        read_yaml(b"#" * (MAX_BYTES + 1), "f.yaml")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_values_or_a_refusal(data: bytes) -> None:
    """Nothing but TwinError ever comes out."""
    try:
        read_yaml(data, "f.yaml")
    except TwinError as refusal:
        assert str(refusal).startswith("f.yaml:")


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(st.characters(codec="ascii"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(plain)
def test_what_pyyaml_writes_is_read_back(value: object) -> None:
    """Plain values survive a round trip."""
    text = yaml.safe_dump({"value": value}, allow_unicode=True, default_flow_style=None)
    assert read_yaml(text.encode(), "f.yaml") == [{"value": value}]
