"""Our CACAO extension: what a playbook does to a twin, declared in the playbook itself.

Flows in: a `Playbook`. Flows out: the rulebook's `Effect`. The extension stands under `playbook_extensions` by the id
of its definition (`data/effect-definition.json`); its JSON Schema is `data/effect-extension.json`, that of its use at
steps `data/undo-extension.json`. The set of verbs is closed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..twin.rulebook.effects import Effect, build_effect_table
from ..twin.vocabulary import Access, AssetKind, ConsentClass, Mode, StepClass, TargetType
from .cacao import Playbook, PlaybookError

EXTENSION_ID = "extension-definition--19f482cf-a97a-4f83-8dc0-8dc4157acb66"
UNDO_COMMANDS = ("openc2-http", "http-api", "ssh", "bash", "powershell")  # a person is no undo: it comes by itself
SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"

Fraction = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=315_360_000, allow_inf_nan=False)]  # ten years: a twin counts in 32 bits
Hours = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]  # fifty years of one person


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Ceiling(_Part):
    access: Literal["none", "user"]
    clears_persistence: bool = False


class _Verbs(_Part):
    set_mode: str | None = None
    set_mode_during: str | None = None
    clear_mode: str | None = None
    set_ceiling: _Ceiling | None = None
    lower_probability: dict[str, Fraction] = Field(default_factory=dict)
    raise_coverage: bool = False
    cut_link: bool = False


class _Undo(_Part):
    possible: bool
    how: Annotated[str, Field(min_length=10)]  # by which command, or why not


class _Declaration(_Part):
    type: Literal["tocsin-effect"]
    target_type: Annotated[Literal["asset", "link", "owner"], Field(description="What the playbook acts on")]
    kinds: Annotated[list[str], Field(description="Kinds of asset that it applies to")] = Field(default_factory=list)
    consent_class: Annotated[str, Field(description="By which rule the owner answers; safety is never automatic")]
    verbs: _Verbs
    work_s: Annotated[Seconds, Field(description="Latency: seconds until it takes effect")]
    hold_s: Annotated[Seconds, Field(description="Duration: seconds after which it ends by itself; 0: until undone")]
    labour_h: Annotated[Hours, Field(description="Hours of work that it costs the owner of the target")]
    success: Annotated[Fraction, Field(description="Probability that it takes effect")]
    undo: _Undo
    idempotency: Annotated[str, Field(min_length=10, description="What happens if the order arrives twice")]
    sources: Annotated[dict[str, str], Field(description="Where each number is from, by its property")]


def declaration_of(playbook: Playbook) -> dict[str, Any]:
    """The extension's object, checked.

    Raises:
        PlaybookError: it is missing or malformed; names playbook, path and mend.
    """
    content = playbook.playbook_extensions.get(EXTENSION_ID)
    if content is None:
        raise PlaybookError(
            f"playbook {playbook.name}: playbook_extensions has no {EXTENSION_ID}; declare what it does to a twin"
        )
    return _checked(playbook, content).model_dump()


def effect_of(playbook: Playbook) -> Effect:
    """The effect that a playbook declares.

    Raises:
        PlaybookError: the extension is missing, malformed or contradicts itself.
    """
    declaration_of(playbook)
    declared = _checked(playbook, playbook.playbook_extensions[EXTENSION_ID])
    verbs = declared.verbs
    try:
        effect = Effect(
            playbook=playbook.id,
            target_type=TargetType(TargetType.parse(declared.target_type)),
            kinds=tuple(AssetKind(AssetKind.parse(kind)) for kind in declared.kinds),
            consent_class=ConsentClass(ConsentClass.parse(declared.consent_class)),
            work_s=declared.work_s,
            hold_s=declared.hold_s,
            labour_h=declared.labour_h,
            success=declared.success,
            undoable=declared.undo.possible,
            mode=_mode(verbs.set_mode),
            mode_during=_mode(verbs.set_mode_during),
            clear_mode=_mode(verbs.clear_mode),
            ceiling=Access(Access.parse(verbs.set_ceiling.access)) if verbs.set_ceiling else None,
            clears_persistence=bool(verbs.set_ceiling and verbs.set_ceiling.clears_persistence),
            lower={StepClass(StepClass.parse(name)): factor for name, factor in verbs.lower_probability.items()},
            coverage=verbs.raise_coverage,
            cut=verbs.cut_link,
        )
        build_effect_table([effect])
    except ValueError as error:
        raise PlaybookError(f"playbook {playbook.name}: playbook_extensions.{EXTENSION_ID}: {error}") from None
    return effect


def _checked(playbook: Playbook, content: Any) -> _Declaration:
    try:
        return _Declaration.model_validate(content)
    except ValidationError as error:
        fault = error.errors()[0]
        path = ".".join(str(part) for part in fault["loc"]) or "top"
        raise PlaybookError(
            f"playbook {playbook.name}: playbook_extensions.{EXTENSION_ID}.{path}: {fault['msg']}; "
            "see effect-extension.json"
        ) from None


def _mode(word: str | None) -> Mode | None:
    return None if word is None else Mode(Mode.parse(word))


def extension_schema() -> dict[str, Any]:
    """The JSON Schema of the extension at a playbook, as published in `data/effect-extension.json`."""
    return {"$schema": SCHEMA_DIALECT, "$id": EXTENSION_ID, **_Declaration.model_json_schema()}


def undo_schema() -> dict[str, Any]:
    """The JSON Schema of the extension at a step, as published in `data/undo-extension.json`."""
    text = {"type": "string"}
    command = {
        "type": "object",
        "description": "A command of CACAO v2.0 that an actuator carries out",
        "properties": {
            "type": {"enum": list(UNDO_COMMANDS)},
            "command": text,
            "command_b64": text,
            "content_b64": text,
        },
        "required": ["type"],
        "if": {"properties": {"type": {"const": "openc2-http"}}},
        "then": {"required": ["command", "content_b64"]},
        "else": {"anyOf": [{"required": ["command"]}, {"required": ["command_b64"]}]},
    }
    return {
        "$schema": SCHEMA_DIALECT,
        "$id": f"{EXTENSION_ID}-undo",
        "title": "How a step is undone",
        "type": "object",
        "properties": {
            "type": {"const": "tocsin-undo"},
            "commands": {"type": "array", "minItems": 1, "items": command},
        },
        "required": ["type", "commands"],
        "additionalProperties": False,
    }
