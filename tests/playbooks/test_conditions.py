"""Conditions: the comparison expressions of STIX patterning, read into a tree or refused at a column."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stix2patterns.validator import run_validator
from tocsin.playbooks.conditions import (
    MAX_LENGTH,
    And,
    Comparison,
    Condition,
    ConditionFault,
    Constant,
    Exists,
    Not,
    Or,
    Reference,
    comparisons,
    parse_condition,
    variables_of,
)

A, B = Reference("__a__"), Reference("__b__")


def test_and_binds_closer_than_or() -> None:
    """As in STIX; brackets say otherwise."""
    first, second, third = (Comparison(A, "=", Constant("integer", str(number))) for number in (1, 2, 3))
    text = "__a__:value = 1 OR __a__:value = 2 AND __a__:value = 3"
    assert parse_condition(text) == Or((first, And((second, third))))
    assert parse_condition("(__a__:value = 1 OR __a__:value = 2) AND __a__:value = 3") == And(
        (Or((first, second)), third)
    )


@pytest.mark.parametrize(("written", "meant"), [("=", "="), ("==", "="), ("!=", "!="), ("<>", "!="), ("<=", "<=")])
def test_operators_have_two_spellings(written: str, meant: str) -> None:
    """Both of STIX."""
    assert parse_condition(f"__a__:value {written} 5") == Comparison(A, meant, Constant("integer", "5"))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("__a__:value NOT LIKE 'a%'", Comparison(A, "LIKE", Constant("string", "a%"), negated=True)),
        ("__a__:value IN ('x', 'y')", Comparison(A, "IN", (Constant("string", "x"), Constant("string", "y")))),
        ("__a__:value MATCHES '^a\\\\.b'", Comparison(A, "MATCHES", Constant("string", "^a\\.b"))),
        ("__a__:value = 'it\\'s'", Comparison(A, "=", Constant("string", "it's"))),
        ("__a__:value = 'a AND b'", Comparison(A, "=", Constant("string", "a AND b"))),
        ("__a__:value = __b__:value", Comparison(A, "=", B)),
        ("__a__:value = .5", Comparison(A, "=", Constant("float", ".5"))),
        ("__a__:value = +1", Comparison(A, "=", Constant("integer", "+1"))),
        ("__a__:value = h'0F'", Comparison(A, "=", Constant("h", "0F"))),
        ("-1.5 < __a__:value", Comparison(Constant("float", "-1.5"), "<", A)),
        ("__a__:value = true", Comparison(A, "=", Constant("boolean", "true"))),
        ("__a__:value = t'2026-01-01T00:00:00Z'", Comparison(A, "=", Constant("t", "2026-01-01T00:00:00Z"))),
        ("__a__:value ISSUBSET '10.0.0.0/8'", Comparison(A, "ISSUBSET", Constant("string", "10.0.0.0/8"))),
        ("[EXISTS __a__:value]", Exists("__a__")),
        ("NOT EXISTS __a__:value", Not(Exists("__a__"))),
    ],
)
def test_reads(text: str, tree: object) -> None:
    """Each form of the grammar."""
    assert parse_condition(text) == tree


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "column 1: found 'the end'"),
        ("__a__:value", "column 12: found 'the end'; write an operator"),
        ("__a__:value = user", "column 15: found 'user'"),
        ("__a__ = 1", "column 1"),
        ("__a__:value = 'open", "close quotes"),
        ("__a__:value = 1 __b__:value = 2", "AND, OR or the end"),
        ("(__a__:value = 1", "write \\)"),
        ("__a__:value IN ()", "column 17"),
        ("__a__:value IN (__b__:value)", "a literal"),
        ("__a__:value = 10.0.0.1", "column 15"),
        ("__a__:value = 007", "column 15"),
        ("__a__:valueLIKE 'x'", "column 1: found '__a__:valueLIKE'"),
        ("__a__:value = h'f'", "found 'h'"),
        ("__a__:value = b'YQ='", "found 'b'"),
        ("__a__:value = t'2026'", "found 't'"),
        ("__a__:value = t'2026-13-01T00:00:00Z'", "found 't'"),
        ("__a__:value and 1", "operator"),
        ("__a__:value LIKE 5", "as LIKE asks"),
        ("__a__:value < true", "has an order"),
        ("(" * 40 + "__a__:value = 1" + ")" * 40, "nested deeper"),
        ("NOT " * 40 + "__a__:value = 1", "nested deeper"),
        ("x" * (MAX_LENGTH + 1), "characters"),
    ],
)
def test_refuses_with_column_and_mend(text: str, said: str) -> None:
    """What is no comparison expression."""
    with pytest.raises(ConditionFault, match=said):
        parse_condition(text)


def test_tells_variables_and_comparisons() -> None:
    """Of every part."""
    condition = parse_condition("NOT (__a__:value = 1 OR EXISTS __b__:value) AND 'x' = __c__:value")
    assert variables_of(condition) == {"__a__", "__b__", "__c__"}
    assert [one.operator for one in comparisons(condition)] == ["=", "="]


TOKENS = [
    "__a__:value",
    "'x'",
    "5",
    "1.5",
    "true",
    "AND",
    "OR",
    "NOT",
    "(",
    ")",
    "[",
    "]",
    ",",
    "=",
    "IN",
    "LIKE",
    "EXISTS",
]


@given(st.lists(st.sampled_from(TOKENS), max_size=14))
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    """No sequence of tokens brings forth anything else, and what is read names its variables."""
    try:
        condition = parse_condition(" ".join(words))
    except ConditionFault:
        return
    assert variables_of(condition) <= {"__a__"}


STIX = [
    "__a__:value",
    "'x'",
    "''",
    "5",
    "-0",
    "+1",
    ".5",
    "h'f'",
    "t'2026'",
    "!=",
    "ISSUBSET",
    "[",
    "]",
    "1.5",
    "true",
    "AND",
    "OR",
    "NOT",
    "(",
    ")",
    ",",
    "=",
    "<",
    "IN",
    "LIKE",
    "EXISTS",
]


@st.composite
def _near_conditions(draw: st.DrawFn) -> str:
    """Comparisons joined, with a word exchanged now and then."""
    words: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        right = draw(
            st.sampled_from(
                [
                    ["=", "'x'"],
                    ["NOT", "IN", "(", "'x'", ",", "5", ")"],
                    ["LIKE", "'x'"],
                    ["<", "5"],
                    ["NOT", "MATCHES", "'^x'"],
                    ["ISSUBSET", "'10.0.0.0/8'"],
                    ["NOT", "ISSUPERSET", "'10.0.0.0/8'"],
                    ["!=", "t'2026-01-01T00:00:00Z'"],
                    ["<>", "h'0f'"],
                    [">=", "-1.5"],
                    ["==", "b'YQ=='"],
                    ["=", "'it\\'s'"],
                ]
            )
        )
        words += [*([draw(st.sampled_from(["AND", "OR"]))] if words else []), "__a__:value", *right]
    if draw(st.booleans()):
        words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(STIX))
    return " ".join(words)


def _is_stix(condition: Condition) -> bool:
    """Whether a tree uses nothing that only we read: other orders of operands, NOT before a comparison."""
    match condition:
        case Not(inner):
            return isinstance(inner, Exists)
        case And(parts) | Or(parts):
            return all(_is_stix(part) for part in parts)
        case Comparison(left, _, right, _):
            return isinstance(left, Reference) and not isinstance(right, Reference)
        case Exists():
            return True


@settings(deadline=None, max_examples=500)
@given(_near_conditions())
def test_a_parser_of_stix_patterns_agrees(text: str) -> None:
    """With object paths for variables, OASIS's own validator accepts what we accept, and nothing else."""
    faults = run_validator(f"[{text.replace('__a__:value', 'file:name')}]", stix_version="2.1")
    try:
        condition = parse_condition(text)
    except ConditionFault:
        assert faults
        return
    assert bool(faults) != _is_stix(condition)
