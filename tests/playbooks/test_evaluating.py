"""Conditions over variables: by type, never by guess, and never for long."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.playbooks.cacao import Variable
from tocsin.playbooks.conditions import parse_condition
from tocsin.playbooks.executor.evaluating import is_true
from tocsin.playbooks.executor.values import Scope, StepFault
from tocsin.tests.playbooks.makers import content, read

DECLARED = {
    "__n__": ("integer", "10"), "__l__": ("long", "9"), "__f__": ("float", "9.5"), "__s__": ("string", "Grid 7"),
    "__b__": ("bool", "true"), "__a__": ("ipv4-addr", "10.0.0.7"), "__net__": ("ipv4-addr", "10.0.0.0/8"),
    "__v6__": ("ipv6-addr", "2001:DB8::1"), "__h__": ("sha256-hash", "AB" * 32), "__x__": ("hexstring", "0xFF"),
    "__u__": ("uuid", "00000000-0000-4000-8000-0000000000AB"), "__m__": ("mac-addr", "AA-BB-CC-DD-EE-FF"),
    "__d__": ("dictionary", '{"b": 1, "a": [2]}'), "__uri__": ("uri", "https://a.example/x"), "__own__": ("mine", "z"),
    "__t__": ("string", "2026-11-25T10:00:00Z"), "__local__": ("string", "2026-11-25T11:00:00"),
    "__none__": ("string", None), "__empty__": ("string", ""),
}  # fmt: skip
PLAYBOOK = read({**content(), "playbook_variables": {k: {"type": t, "value": v} for k, (t, v) in DECLARED.items()}})
SCOPE = Scope(PLAYBOOK, {name: value for name, (_, value) in DECLARED.items() if value is not None})


def _is(text: str, scope: Scope = SCOPE) -> bool:
    return is_true(parse_condition(text), scope)


@pytest.mark.parametrize(
    "text",
    [
        "__n__:value > 9", "__n__:value > __l__:value", "__n__:value >= '10'", "__f__:value < 10", "__n__:value = 10.0",
        "9 < __f__:value", "__n__:value != 7", "__n__:value IN (1, 10)", "__n__:value NOT IN (1, 2)",
        "__s__:value = 'Grid 7'", "__s__:value < 'Grid 8'", "__s__:value LIKE 'G%_7'", "__s__:value NOT LIKE 'g%'",
        "__s__:value MATCHES '[0-9]'", "__s__:value MATCHES '^Grid'", "__s__:value IN ('x', 'Grid 7')",
        "__b__:value = true", "__b__:value != 'false'", "__b__:value IN (true)",
        "__a__:value ISSUBSET '10.0.0.0/24'", "'10.0.0.0/24' ISSUPERSET __a__:value",
        "__a__:value ISSUBSET __net__:value", "__a__:value NOT ISSUBSET '2001:db8::/32'",
        "__v6__:value = '2001:db8:0::1'", f"__h__:value = '{'ab' * 32}'", "__x__:value = h'ff'",
        "__u__:value = '00000000-0000-4000-8000-0000000000ab'", "__m__:value = 'aa:bb:cc:dd:ee:ff'",
        "__d__:value = '{\"a\": [2], \"b\": 1}'", "__uri__:value LIKE 'https://%'", "__own__:value = 'z'",
        "__t__:value < t'2026-11-25T11:00:00Z'", "__empty__:value = ''",
        "EXISTS __n__:value", "NOT EXISTS __none__:value", "EXISTS __empty__:value",
        "__n__:value = 1 OR __n__:value = 10 AND __b__:value = true", "NOT (__n__:value = 1 OR __b__:value = false)",
        "__n__:value = 10 AND NOT __s__:value = 'x'",
    ],
)  # fmt: skip
def test_holds(text: str) -> None:
    """By the type of the variables: numbers, truths, addresses, hashes, times."""
    assert _is(text)


@pytest.mark.parametrize(
    "text",
    [
        "__n__:value < 9", "__n__:value = 1 AND __b__:value = true OR __s__:value = ''", "__s__:value LIKE 'Grid'",
        "__a__:value ISSUBSET '192.0.2.0/24'", "__none__:value = 'x'", "__none__:value != 'x'",
        "__none__:value NOT = 'x'", "__none__:value LIKE '%'", "EXISTS __none__:value", "__s__:value MATCHES '^7'",
        "__a__:value = '10.0.0.8'", "__n__:value NOT IN (10)",
    ],
)  # fmt: skip
def test_does_not_hold(text: str) -> None:
    """A variable without a value compares with nothing, negated or not."""
    assert not _is(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("__n__:value = 'ten'", "is no integer"), ("__b__:value = 'yes'", "is no bool"),
        ("__a__:value = 'host'", "is no ipv4-addr"), ("__b__:value = 1", "does not compare"),
        ("__a__:value = __v6__:value", "does not compare"), ("__a__:value < '10.0.0.9'", "no order"),
        ("__b__:value < 'true'", "no order"), ("__d__:value < '{}'", "no order"), ("__uuu__:value = 1", "not declared"),
        ("__s__:value MATCHES '('", "no expression"), ("__s__:value MATCHES '(?=a)'", "no expression"),
        (r"__s__:value MATCHES '(a)\\1'", "no expression"), ("__s__:value ISSUBSET '10.0.0.0/8'", "subsets"),
        ("__n__:value < ''", "empty text"), ("EXISTS __uuu__:value", "not declared"),
        ("__local__:value < t'2026-11-25T11:00:00Z'", "zone"), ("__s__:value = t'2026-11-25T11:00:00Z'", "is no t"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_a_fault(text: str, said: str) -> None:
    """Never a false: the step fails, and on_failure is taken."""
    with pytest.raises(StepFault, match=said):
        _is(text)


def _with(kind: str, value: str) -> Scope:
    own: dict[str, Any] = {"__v__": Variable(type=kind)}
    return Scope(PLAYBOOK, {}, {"__v__": value}, own)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_integers_compare_as_numbers_exactly(left: int, right: int) -> None:
    """Not as text, not as floats."""
    scope = _with("integer", str(left))
    assert _is(f"__v__:value < {right}", scope) == (left < right)
    assert _is(f"__v__:value = '{right}'", scope) == (left == right)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9))
def test_floats_compare_exactly_with_what_is_written(value: Decimal) -> None:
    """0.1 is 0.1."""
    assert _is(f"__v__:value = {value:f}", _with("float", f"{value:f}"))


@given(st.text(max_size=20), st.text(st.sampled_from("ab%_\\.*["), max_size=10))
def test_like_is_the_rule_of_its_two_signs(text: str, pattern: str) -> None:
    """Compared with a search written out by hand."""
    scope = Scope(PLAYBOOK, {}, {"__v__": text, "__p__": pattern}, {n: Variable(type="string") for n in _NAMES})
    assert _is("__v__:value LIKE __p__:value", scope) == _like(text, pattern)


_NAMES = ("__v__", "__p__")


def _like(text: str, pattern: str) -> bool:
    reached = {0}
    for sign in pattern:
        if sign == "%":
            reached = set(range(min(reached), len(text) + 1)) if reached else set()
        else:
            reached = {at + 1 for at in reached if at < len(text) and sign in ("_", text[at])}
    return len(text) in reached


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|aa)+b", "(a*)*b", "(.*a){20}b", "((a{1,100}){1,100}){1,100}"])
def test_no_pattern_takes_long(pattern: str) -> None:
    """What hangs other engines is linear, or refused as too large."""
    scope = _with("string", "a" * 60_000)
    began = time.process_time()
    try:
        assert not _is(f"__v__:value MATCHES '{pattern}$b'", scope)
    except StepFault as fault:
        assert "no expression" in str(fault)
    assert time.process_time() - began < 2.0


def test_a_pattern_has_a_bound() -> None:
    """So that compiling takes no memory."""
    with pytest.raises(StepFault, match="1024"):
        _is(f"__s__:value MATCHES '{'a' * 2_000}'")
