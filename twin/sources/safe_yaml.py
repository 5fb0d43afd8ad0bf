"""YAML from strangers: bytes in, plain values that know their lines out.

Refused with `file:line:column: problem; mend`: more than 16 MB, not UTF-8, tags that build objects, aliases that
multiply or refer to themselves, duplicate keys, nesting deeper than 100. Scalars follow the YAML 1.2 core schema, as
Docker and Kubernetes read them: `22:22`, `on` and dates stay text. Nothing here knows what the values mean.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from typing import Any

import yaml

from ..graph import TwinError

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 100
MAX_ALIASED_NODES = 100_000  # nodes that aliases expand to, together
MAX_DIGITS = 100  # of one number

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where it is built in: ten times as fast
_CORE = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(
    {None, "!"} | {_CORE + name for name in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp")}
)


class Section(dict[Any, Any]):
    """A mapping that knows where it stands: `place` is `file:line`."""

    __slots__ = ("file", "key_lines", "line")

    def __init__(self, file: str = "", line: int = 0) -> None:
        super().__init__()
        self.file, self.line = file, line
        self.key_lines: dict[Any, int] = {}

    @property
    def place(self) -> str:
        """Where the mapping starts."""
        return f"{self.file}:{self.line}"

    def place_of(self, key: Any) -> str:
        """Where a key stands; the mapping's place if it came in by a merge or is not there."""
        return f"{self.file}:{self.key_lines.get(key, self.line)}"


def read_yaml(data: bytes, file: str) -> list[Any]:
    """Give the documents of a YAML (or JSON) file; empty documents are left out.

    Raises:
        TwinError: the file is broken or hostile; one line with file, line, column and mend.
    """
    if len(data) > MAX_BYTES:
        raise TwinError(f"{file}:1:1: {len(data)} bytes are over the limit of {MAX_BYTES}; split the file")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise TwinError(f"{file}:{line}:{column}: not UTF-8; save the file as UTF-8") from None
    try:
        _inspect(text, file)
        return [document for document in _construct(text, file) if document is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(error.problem or error.context or "broken YAML").split())
        raise TwinError(f"{_at(file, mark, text)}: {problem}; mend the YAML") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise TwinError(f"{file}:{line}:1: character {error.character!r} is not allowed; remove it") from None
    except yaml.YAMLError as error:
        raise TwinError(f"{file}:1:1: {' '.join(str(error).split())}; mend the YAML") from None


def _inspect(text: str, file: str) -> None:
    """Walk the events, without building anything, and refuse what would build too much."""
    stack: list[tuple[str | None, int]] = []  # anchor of each open collection, and nodes before it
    sizes: dict[str, int] = {}
    nodes = aliased = 0
    for event in yaml.parse(text, Loader=_BASE):
        if isinstance(event, yaml.DocumentStartEvent):
            sizes.clear()
        elif isinstance(event, yaml.AliasEvent):
            _refuse_loop(event, stack, file)
            size = sizes.get(event.anchor or "", 0)
            nodes, aliased = nodes + size, aliased + size
            if aliased > MAX_ALIASED_NODES:
                raise _refusal(file, event, f"aliases expand to more than {MAX_ALIASED_NODES} nodes", "write less")
        elif isinstance(event, yaml.ScalarEvent):
            _check_tag(event, file)
            nodes += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            _check_tag(event, file)
            stack.append((event.anchor, nodes))
            nodes += 1
            if len(stack) > MAX_DEPTH:
                raise _refusal(file, event, f"nested deeper than {MAX_DEPTH}", "flatten it")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = stack.pop()
            if anchor is not None:
                sizes[anchor] = nodes - before


def _refuse_loop(event: Any, stack: list[tuple[str | None, int]], file: str) -> None:
    if any(anchor == event.anchor for anchor, _ in stack):
        raise _refusal(file, event, f"alias *{event.anchor} refers to what contains it", "write the values out")


def _check_tag(event: Any, file: str) -> None:
    if event.tag not in _PLAIN_TAGS:
        tag = " ".join(event.tag.replace(_CORE, "!!").split())
        raise _refusal(file, event, f"tag {tag} would build an object", "remove the tag and write plain values")


def _refusal(file: str, event: Any, problem: str, mend: str) -> TwinError:
    return TwinError(f"{_at(file, event.start_mark)}: {problem}; {mend}")


def _at(file: str, mark: Any, text: str = "") -> str:
    """File, line and column of a mark; one behind the last line of the text is put at its end."""
    if mark is None:
        return f"{file}:1:1"
    lines = text.splitlines()
    if lines and mark.line >= len(lines):
        return f"{file}:{len(lines)}:{len(lines[-1]) + 1}"
    return f"{file}:{mark.line + 1}:{mark.column + 1}"


def _construct(text: str, file: str) -> Iterator[Any]:
    loader = _Loader(text)
    loader.file = file
    try:
        while loader.check_data():
            yield loader.get_data()
    finally:
        loader.dispose()


class _Loader(_BASE):  # type: ignore[misc]  # the base is chosen at run time
    """Builds `Section`s, lists and core scalars, nothing else; lives for one file."""

    file = ""
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


def _mapping(loader: _Loader, node: Any) -> Iterator[Section]:
    section = Section(loader.file, node.start_mark.line + 1)
    yield section
    if not isinstance(node, yaml.MappingNode):
        raise yaml.constructor.ConstructorError(None, None, "a mapping was expected", node.start_mark)
    seen: set[Hashable] = set()
    for key_node, _ in node.value:
        if key_node.tag == _CORE + "merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(None, None, "a key must be plain", key_node.start_mark)
        if key in seen:
            problem = f"key {key!r} is there twice, remove one"
            raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
        seen.add(key)
        section.key_lines[key] = key_node.start_mark.line + 1
    loader.flatten_mapping(node)
    for key_node, value_node in node.value:
        section[loader.construct_object(key_node, deep=True)] = loader.construct_object(value_node, deep=True)


def _integer(loader: _Loader, node: Any) -> int:
    text = loader.construct_scalar(node)
    if len(text) > MAX_DIGITS:
        raise yaml.constructor.ConstructorError(None, None, "the number is too long", node.start_mark)
    base = {"0x": 16, "0o": 8}.get(text[:2], 10)
    return _number(text, lambda: int(text, base), node)  # type: ignore[no-any-return]


def _float(loader: _Loader, node: Any) -> float:
    text = loader.construct_scalar(node)
    plain = text.lower().replace(".inf", "inf").replace(".nan", "nan")
    return _number(text, lambda: float(plain), node)  # type: ignore[no-any-return]


def _boolean(loader: _Loader, node: Any) -> bool:
    text = loader.construct_scalar(node).lower()
    if text not in ("true", "false"):
        raise yaml.constructor.ConstructorError(None, None, f"{text!r} is neither true nor false", node.start_mark)
    return bool(text == "true")


def _number(text: str, read: Any, node: Any) -> Any:
    try:
        return read()
    except ValueError:
        problem = f"{text[:40]!r} is no number"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


def _resolve(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(_CORE + tag, re.compile(f"^(?:{pattern})$"), list(first))


_Loader.add_constructor(_CORE + "map", _mapping)
_Loader.add_constructor(_CORE + "int", _integer)
_Loader.add_constructor(_CORE + "float", _float)
_Loader.add_constructor(_CORE + "bool", _boolean)
_Loader.add_constructor(_CORE + "timestamp", lambda loader, node: loader.construct_scalar(node))
# YAML 1.2.2, section 10.3.2, core schema; and the merge key of 1.1, which compose files use
_resolve("bool", "true|True|TRUE|false|False|FALSE", "tTfF")
_resolve("int", "[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789")
_resolve(
    "float",
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    "-+.0123456789",
)
_Loader.add_implicit_resolver(_CORE + "null", re.compile("^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_resolve("merge", "<<", "<")
