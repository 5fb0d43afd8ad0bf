"""Careful access to parsed YAML: the value of the expected shape, or an error that names the place.

Flows in: values of `safe_yaml`. Flows out: sections, lists, texts. None stands for empty, as it does in YAML.
"""

from __future__ import annotations

from typing import Any

from ..graph import TwinError
from .safe_yaml import Section


def section_at(parent: Section, key: str) -> Section:
    """The mapping under a key; an empty one if there is none.

    Raises:
        TwinError: something else stands there.
    """
    value = parent.get(key)
    if value is None:
        return Section(parent.file, parent.key_lines.get(key, parent.line))
    if isinstance(value, Section):
        return value
    raise TwinError(f"{parent.place_of(key)}: {key!r} must be a mapping, not {_kind(value)}; write key: value lines")


def list_at(parent: Section, key: str) -> list[Any]:
    """The list under a key; an empty one if there is none.

    Raises:
        TwinError: something else stands there.
    """
    value = parent.get(key)
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise TwinError(f"{parent.place_of(key)}: {key!r} must be a list, not {_kind(value)}; write '- ' before each item")


def sections_at(parent: Section, key: str) -> list[Section]:
    """The list of mappings under a key; an empty one if there is none.

    Raises:
        TwinError: something else stands there.
    """
    items = list_at(parent, key)
    for item in items:
        if not isinstance(item, Section):
            raise TwinError(f"{parent.place_of(key)}: {key!r} must hold mappings, not {_kind(item)}; write key: value")
    return items


def text_at(parent: Section, key: str) -> str:
    """The scalar under a key as text; empty if there is none.

    Raises:
        TwinError: a list or mapping stands there.
    """
    value = parent.get(key)
    if isinstance(value, list | dict):
        raise TwinError(f"{parent.place_of(key)}: {key!r} must be a plain value, not {_kind(value)}; write one value")
    return as_text(value)


def as_text(value: Any) -> str:
    """A scalar as it is written in YAML; empty for none."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else f"{str(value)[:40]!r}"
