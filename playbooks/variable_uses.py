"""Where a playbook uses its variables: in steps, decoded bodies, agents, targets and authentication.

Flows in: a `Playbook`. Flows out: `Use` values, in the order of the document. It judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .cacao import Playbook, PlaybookError
from .cacao_commands import decoded
from .effects import EXTENSION_ID
from .execute import REFERENCE
from .lint_identity import entries
from .lint_words import Place

PARTIES = ("agent_definitions", "target_definitions", "authentication_info_definitions")
ENCODED = ("command_b64", "content_b64")
OWN_WORDS = ("step_variables", "in_args", "out_args", "description", "name")  # texts and declarations, not uses


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a variable."""

    name: str
    place: Place
    step: str | None  # the step that it stands in
    steps: tuple[str, ...] = ()  # or the steps that use the agent, target or authentication it stands in


def uses_of(playbook: Playbook) -> list[Use]:
    """Every use of a variable, one a place and name."""
    uses: dict[tuple[Place, str], Use] = {}
    for name, step in entries(playbook, "workflow").items():
        if isinstance(step, dict) and name in playbook.workflow:
            for place, variable in _in_step(step, ("workflow", name)):
                uses.setdefault((place, variable), Use(variable, place, name))
    users = _users(playbook)
    for part in PARTIES:
        for key, party in entries(playbook, part).items():
            for place, variable in references(party, (part, key)):
                use = Use(variable, place, None, tuple(users.get((part, key), ())))
                uses.setdefault((place, variable), use)
    return list(uses.values())


def references(content: Any, place: Place) -> Iterator[tuple[Place, str]]:
    """Variables in the strings of a JSON value, base64 bodies decoded; keys are no uses."""
    if isinstance(content, dict):
        for key, item in content.items():
            if key in ENCODED and isinstance(item, str):
                yield from ((((*place, key)), variable) for variable in REFERENCE.findall(_opened(item)))
            else:
                yield from references(item, (*place, key))
    elif isinstance(content, list):
        for index, item in enumerate(content):
            yield from references(item, (*place, index))
    elif isinstance(content, str):
        yield from ((place, variable) for variable in REFERENCE.findall(content))


def _in_step(step: dict[str, Any], place: Place) -> Iterator[tuple[Place, str]]:
    for key, item in step.items():
        if key == "step_extensions":
            if isinstance(item, dict):  # of an extension unknown to us nobody says that its texts are references
                yield from references(item.get(EXTENSION_ID), (*place, key, EXTENSION_ID))
        elif key not in OWN_WORDS:
            yield from references(item, (*place, key))


def _users(playbook: Playbook) -> dict[tuple[str, str], list[str]]:
    """Steps that use an agent, target, or the authentication of one."""
    users: dict[tuple[str, str], list[str]] = {}
    for name, step in playbook.workflow.items():
        if step.type != "action":
            continue
        named = [("agent_definitions", step.agent), *(("target_definitions", target) for target in step.targets)]
        for part, key in named:
            users.setdefault((part, key), []).append(name)
            secret = getattr(getattr(playbook, part).get(key), "authentication_info", None)
            if isinstance(secret, str):
                users.setdefault(("authentication_info_definitions", secret), []).append(name)
    return users


def _opened(text: str) -> str:
    try:
        return decoded(text, "").decode("utf-8", "replace")
    except PlaybookError:
        return ""  # told by lint_commands
