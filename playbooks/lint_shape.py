"""Lint of shape: each part of a document against the model, and what can be saved of it for the other rules.

Flows in: a JSON object of any shape. Flows out: findings for all that the model refuses or does not know, and a
`Playbook` in which the faulty parts are left out, so that one wrong word does not hide every other fault. Such a
salvaged playbook is for the linter alone: required strings may be empty in it.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from .cacao import Playbook
from .lint_words import Finding, Place, found, shown

SECTIONS = {
    "workflow": "4", "playbook_variables": "10.18", "agent_definitions": "7", "target_definitions": "7",
    "authentication_info_definitions": "6", "extension_definitions": "8", "data_marking_definitions": "9",
    "signatures": "10.15", "playbook_processing_summary": "10.14",
}  # fmt: skip
STEP_SECTIONS = {
    "start": "4.3", "end": "4.4", "action": "4.5", "playbook-action": "4.6", "parallel": "4.7", "if-condition": "4.8",
    "while-condition": "4.9", "switch-condition": "4.10",
}  # fmt: skip
MENDS = {
    "required": "write it",
    "property-type": "write a value of that kind",
    "property-range": "keep within the bounds",
    "type-known": "use a type of the standard",
    "id-form": "write type--UUID, e.g. action-- and a UUID of version 4",
    "time-form": "write e.g. 2026-01-31T12:00:00.000Z",
    "variable-name": "name it __name__",
}
RANGES = {"greater_than_equal", "less_than_equal", "too_short", "too_long", "string_too_long"}


def shape_findings(content: Mapping[str, Any]) -> Iterator[Finding]:
    """Findings about types, required properties and unknown properties."""
    try:
        Playbook.model_validate(content)
    except ValidationError as error:
        seen = set()
        for fault in error.errors(include_url=False, include_input=False):
            one = _finding(content, fault)
            if (one.rule, one.path) not in seen:  # a union tells a fault once for each member
                seen.add((one.rule, one.path))
                yield one
    for one, place in _unknown(Playbook, content, ()):
        yield dataclasses.replace(one, section=section_of(content, place))


def salvage(content: Mapping[str, Any]) -> Playbook:
    """The playbook, faulty parts left out; whole where nothing is wrong."""
    try:
        playbook = Playbook.model_validate(content)
    except ValidationError:
        playbook = _hollow(Playbook, content)
    playbook._raw = content
    return playbook


def section_of(content: Mapping[str, Any], place: Place) -> str:
    """The section of the standard that is about a place."""
    if len(place) > 1 and place[0] == "workflow":
        step = content["workflow"].get(place[1]) if isinstance(content["workflow"], dict) else None
        kind = step.get("type") if isinstance(step, dict) else None
        if "step_variables" in place:
            return "10.18"
        return "5" if len(place) > 3 and "commands" in place else STEP_SECTIONS.get(str(kind), "4.1")
    return SECTIONS.get(str(place[0]), "3.1") if place else "3.1"


def _finding(content: Mapping[str, Any], fault: Any) -> Finding:
    place = _place(content, fault)
    rule, said = _rule(place, fault)
    name = place[-1] if place else "the document"
    message = f"{name} is missing" if rule == "required" else f"{name}: {said}"
    return found(rule, place, message, MENDS[rule], section=section_of(content, place))


def _rule(place: Place, fault: Any) -> tuple[str, str]:
    kind, said = fault["type"], str(fault["msg"])
    if kind == "missing":
        return "required", said
    if kind in RANGES:
        return ("variable-name" if fault["loc"][-1] == "[key]" else "property-range"), said
    if kind.startswith("union_tag") or (kind == "literal_error" and place and place[-1] == "type"):
        return "type-known", "is no type that the standard has here"
    if kind == "string_pattern_mismatch":
        pattern = fault["ctx"]["pattern"]
        if pattern.startswith("^__"):
            return "variable-name", "is no name of a variable"
        return ("time-form", "is no time stamp of UTC") if pattern.startswith("^[0-9]") else _id_form(pattern)
    return "property-type", said


def _id_form(pattern: str) -> tuple[str, str]:
    return ("id-form", "is no identifier") if "--" in pattern else ("property-type", "has signs that are not allowed")


def _place(content: Any, fault: Any) -> Place:
    """Where the fault is: pydantic's location without the tags of unions, which name no place."""
    place: list[str | int] = []
    here = content
    for part in fault["loc"]:
        inside = part in here if isinstance(here, dict) else isinstance(here, list) and part in range(len(here))
        if inside:
            here = here[part]
            place.append(part)
    if fault["type"] == "missing":
        return (*place, fault["loc"][-1])
    return (*place, "type") if fault["type"].startswith("union_tag") else tuple(place)


def _unknown(annotation: Any, value: Any, place: Place) -> Iterator[tuple[Finding, Place]]:
    origin, arguments = _parts(annotation)
    if origin is list and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown(arguments[0], item, (*place, index))
    elif _is_mapping(origin) and isinstance(value, dict):
        for key, item in value.items():
            yield from _unknown(arguments[1], item, (*place, key))
    elif isinstance(value, dict):
        model = _class_of(annotation, value)
        if model is None or model.__name__.startswith("Other"):
            return
        fields = {info.alias or name: info for name, info in model.model_fields.items()}
        for key, item in value.items():
            if key in fields:
                yield from _unknown(fields[key].annotation, item, (*place, key))
            elif not (key == "modified" and model.__name__.endswith("Marking")):  # told by its own rule
                near = difflib.get_close_matches(key, fields, 1)
                mend = f"write {near[0]}" if near else "remove it, or put it into an extension"
                said = f"{shown(key)} is no property of CACAO v2.0 here"
                yield found("property-unknown", (*place, key), said, mend), (*place, key)


def _hollow(model: Any, value: Mapping[str, Any]) -> Any:
    """An object of the model with each property that is right by itself; required ones are empty where they are not."""
    values: dict[str, Any] = {}
    written: set[str] = set()
    for name, info in model.model_fields.items():
        key = info.alias or name
        if key in value:
            is_right, kept = _salvaged(info.annotation, tuple(info.metadata), value[key])
            if is_right:
                values[name] = kept
                written.add(name)
        if name not in values and info.is_required():
            origin, _ = _parts(info.annotation)
            values[name] = [] if origin is list else {} if _is_mapping(origin) else ""
    rest = {name: make() for name, make in _defaults(model).items() if name not in values}
    return model.model_construct(written, **rest, **values)


@cache
def _defaults(model: Any) -> dict[str, Callable[[], Any]]:
    """Makers of the values that nobody wrote; pydantic looks at each maker's signature every time, which is slow."""
    makers: dict[str, Callable[[], Any]] = {}
    for name, info in model.model_fields.items():
        if info.default_factory is not None:
            makers[name] = info.default_factory
        elif not info.is_required():
            makers[name] = partial(info.get_default)
    return makers


def _salvaged(annotation: Any, metadata: tuple[Any, ...], value: Any) -> tuple[bool, Any]:
    try:
        return True, _adapter(annotation, metadata).validate_python(value, strict=True)
    except ValidationError:
        pass
    origin, arguments = _parts(annotation)
    if origin is list and isinstance(value, list):
        items = [_salvaged(arguments[0], (), item) for item in value]
        return True, [item for is_right, item in items if is_right]
    if _is_mapping(origin) and isinstance(value, dict):
        pairs = {
            key: _salvaged(arguments[1], (), item) for key, item in value.items() if _salvaged(arguments[0], (), key)[0]
        }
        return True, {key: item for key, (is_right, item) in pairs.items() if is_right}
    model = _class_of(annotation, value) if isinstance(value, dict) else None
    return (False, None) if model is None else (True, _hollow(model, value))


@cache
def _adapter(annotation: Any, metadata: tuple[Any, ...]) -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[(annotation, *metadata)] if metadata else annotation)


def _plain(annotation: Any) -> Any:
    """Without Annotated, and the other half of an optional."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        if len(members) == 1:
            return _plain(members[0])
    return annotation


@cache
def _parts(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Origin and arguments of what an annotation says, without Annotated and None."""
    plain = _plain(annotation)
    return get_origin(plain), get_args(plain)


@cache
def _is_mapping(origin: Any) -> bool:
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _class_of(annotation: Any, value: Mapping[str, Any]) -> type[BaseModel] | None:
    """The model that an object would be of: by its type in a union, else the one."""
    models, other = _models(annotation)
    kind = value.get("type")
    return models.get(kind, other) if isinstance(kind, str) else other


@cache
def _models(annotation: Any) -> tuple[dict[str, type[BaseModel]], type[BaseModel] | None]:
    """The models of a union by their types, and that of any other type; of one model only the latter."""
    plain = _plain(annotation)
    if isinstance(plain, type) and issubclass(plain, BaseModel):
        return {}, plain
    models: dict[str, type[BaseModel]] = {}
    other = None
    for member in get_args(plain) if get_origin(plain) in (Union, UnionType) else ():
        model = _plain(member)
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            continue
        kinds = model.model_fields["type"].annotation
        if get_origin(kinds) is Literal:
            models |= dict.fromkeys(get_args(kinds), model)
        elif model.__name__.startswith("Other"):
            other = model
    return models, other
