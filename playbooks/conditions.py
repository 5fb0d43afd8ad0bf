"""Conditions of CACAO v2.0: the comparison expressions of STIX patterning over variables, as a tree.

Flows in: the text of a condition. Flows out: a tree of frozen values, or a fault with its column. It evaluates nothing.

The grammar is written here by hand: CACAO takes from STIX patterning (v2.1, section 9) only comparison expressions, and
in them variables (`__x__:value`) stand where STIX has object paths. A parser of full STIX patterns refuses those, so a
library would need its input rewritten; a test compares both with that of OASIS, `stix2-patterns`. The h, b and t of
literals are no words of ours: hex in pairs, base64 in fours, times of UTC.

    or         := and ("OR" and)*
    and        := unary ("AND" unary)*
    unary      := "NOT" unary | "(" or ")" | "[" or "]" | "EXISTS" variable | comparison
    comparison := operand "NOT"? operator operand        IN takes a list: ("a", "b") in round brackets
    operator   := = == != <> < <= > >= IN LIKE MATCHES ISSUBSET ISSUPERSET     the last four take a text

AND binds closer than OR, as in STIX. NOT before a whole comparison is no STIX; it is read, and the linter warns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal as Word

MAX_LENGTH = 4_096  # characters
MAX_NESTING = 32

TOKEN = re.compile(
    r"""\s*(?:
      (?P<variable>__[a-zA-Z_][a-zA-Z0-9_-]{0,199}__:value(?!\w))
    | (?P<typed>h'(?:[0-9a-fA-F]{2})*'
        | b'(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)'
        | t'[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T
            (?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?Z')
    | (?P<string>'(?:[^'\\]|\\['\\])*')
    | (?P<number>[+-]?(?:[0-9]*\.[0-9]+|0|[1-9][0-9]*)(?![\w.]))
    | (?P<word>[A-Za-z_][\w.:-]*)
    | (?P<sign>==|!=|<>|<=|>=|=|<|>|\(|\)|\[|\]|,)
    )""",
    re.VERBOSE | re.ASCII,
)
OPERATORS = {
    "=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "IN": "IN", "LIKE": "LIKE",
    "MATCHES": "MATCHES", "ISSUBSET": "ISSUBSET", "ISSUPERSET": "ISSUPERSET",
}  # fmt: skip
TEXT_ONLY = dict.fromkeys(("LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"), ("number", "word", "typed"))  # refused there


class ConditionFault(ValueError):  # noqa: N818
    """A text that is no condition; the message says what was expected and at which column."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A variable, by its name without `:value`."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal as written: a string without its quotes, a number, a truth; h, t and b are STIX's hex, time, binary."""

    kind: Word["string", "integer", "float", "boolean", "h", "t", "b"]
    text: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left operator right`, turned round if `negated`; the right of IN is a tuple."""

    left: Reference | Constant
    operator: str  # a value of OPERATORS
    right: Reference | Constant | tuple[Constant, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Exists:
    """The variable has a value."""

    name: str


@dataclass(frozen=True, slots=True)
class Not:
    """The other way round."""

    inner: Condition


@dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of them."""

    parts: tuple[Condition, ...]


Condition = Comparison | Exists | Not | And | Or


def parse_condition(text: str) -> Condition:
    """The tree of a condition.

    Raises:
        ConditionFault: too long or deep, or not of the grammar above; names column and mend.
    """
    if len(text) > MAX_LENGTH:
        raise ConditionFault(f"has {len(text)} characters; at most {MAX_LENGTH}, split it into several steps")
    return _Parser(text).whole()


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """Every comparison of a condition, from left to right."""
    match condition:
        case Comparison():
            yield condition
        case Not(inner):
            yield from comparisons(inner)
        case And(parts) | Or(parts):
            for part in parts:
                yield from comparisons(part)
        case Exists():
            return


def variables_of(condition: Condition) -> set[str]:
    """Names of the variables that a condition asks for."""
    match condition:
        case Comparison(left, _, right, _):
            return {one.name for one in (left, right) if isinstance(one, Reference)}
        case Exists(name):
            return {name}
        case Not(inner):
            return variables_of(inner)
        case And(parts) | Or(parts):
            return set().union(*(variables_of(part) for part in parts))


def has_prefix_not(condition: Condition) -> bool:
    """Whether NOT stands before a whole comparison somewhere, which STIX does not know; NOT EXISTS it does."""
    match condition:
        case Not(inner):
            return not isinstance(inner, Exists)
        case And(parts) | Or(parts):
            return any(has_prefix_not(part) for part in parts)
        case _:
            return False


class _Parser:
    """Recursive descent over the tokens of one text; it lives for one call."""

    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.at = 0
        self.depth = 0

    def whole(self) -> Condition:
        condition = self._or()
        if self._kind() != "end":
            raise self._fault("AND, OR or the end")
        return condition

    def _or(self) -> Condition:
        parts = [self._and()]
        while self._take("word", "OR"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _and(self) -> Condition:
        parts = [self._unary()]
        while self._take("word", "AND"):
            parts.append(self._unary())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _unary(self) -> Condition:
        if self._take("word", "NOT"):
            return Not(self._deeper(self._unary))
        for opening, closing in (("(", ")"), ("[", "]")):
            if self._take("sign", opening):
                inner = self._deeper(self._or)
                if not self._take("sign", closing):
                    raise self._fault(closing)
                return inner
        if self._take("word", "EXISTS"):
            operand = self._operand()
            if not isinstance(operand, Reference):
                raise self._fault("a variable")
            return Exists(operand.name)
        return self._comparison()

    def _deeper(self, rule: Callable[[], Condition]) -> Condition:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise ConditionFault(f"is nested deeper than {MAX_NESTING}; flatten it")
        inner = rule()
        self.depth -= 1
        return inner

    def _comparison(self) -> Comparison:
        left = self._operand()
        negated = self._take("word", "NOT")
        operator = OPERATORS.get(self.tokens[self.at][1])
        if operator is None:
            raise self._fault("an operator such as =, !=, <, IN, LIKE or MATCHES")
        self.at += 1
        if operator == "IN":
            return Comparison(left, operator, self._list(), negated)
        if self._kind() in TEXT_ONLY.get(operator, ()):
            raise self._fault(f"a text such as 'a' or a variable, as {operator} asks")
        right = self._operand()
        if operator in ("<", "<=", ">", ">=") and "boolean" in (getattr(left, "kind", ""), getattr(right, "kind", "")):
            self.at -= 1
            raise self._fault("what has an order")
        return Comparison(left, operator, right, negated)

    def _list(self) -> tuple[Constant, ...]:
        if not self._take("sign", "("):
            raise self._fault("a list in round brackets")
        items: list[Constant] = []
        while True:
            item = self._operand()
            if not isinstance(item, Constant):
                raise self._fault("a literal")
            items.append(item)
            if self._take("sign", ")"):
                return tuple(items)
            if not self._take("sign", ","):
                raise self._fault("a comma or )")

    def _operand(self) -> Reference | Constant:
        kind, text, _ = self.tokens[self.at]
        found: Reference | Constant
        if kind == "variable":
            found = Reference(text.removesuffix(":value"))
        elif kind == "string":
            found = Constant("string", re.sub(r"\\(.)", r"\1", text[1:-1]))
        elif kind == "typed":
            found = Constant(text[0], text[2:-1])  # type: ignore[arg-type]
        elif kind == "number":
            found = Constant("float" if "." in text else "integer", text)
        elif kind == "word" and text in ("true", "false"):
            found = Constant("boolean", text)
        else:
            raise self._fault("a variable such as __name__:value, or a literal such as 'text' or 5")
        self.at += 1
        return found

    def _kind(self) -> str:
        return self.tokens[self.at][0]

    def _take(self, kind: str, text: str) -> bool:
        if self.tokens[self.at][:2] != (kind, text):
            return False
        self.at += 1
        return True

    def _fault(self, expected: str) -> ConditionFault:
        _, text, column = self.tokens[self.at]
        return ConditionFault(f"column {column}: found {text[:40] or 'the end'!r}; write {expected} there")


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """(kind, text, column from 1) of each token, and one of kind `end`."""
    at = 0
    stripped = len(text.rstrip())
    while at < stripped:
        found = TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            column = at + 1 + len(text[at:]) - len(text[at:].lstrip())
            raise ConditionFault(f"column {column}: cannot read {text[at:].lstrip()[:20]!r}; close quotes, remove it")
        yield found.lastgroup, found[found.lastgroup], found.start(found.lastgroup) + 1
        at = found.end()
    yield "end", "", len(text) + 1
