"""Values put into commands, agents and targets, each within its own place, so that none can break out.

Flows in: a command or definition, a scope. Flows out: what an actuator gets: plain values and, where the command is a
program, the variables beside it. Where values go:

    openc2-http   strings of the parsed JSON body
    http-api      percent-encoded parts of the path; header values without line ends; content by its media type: JSON
                  as above, forms percent-encoded, XML escaped, plain text as it is, any other not at all
    manual        the text that a person reads
    others        nowhere: the text goes out as written, its variables as `arguments`
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

import rfc8785

from ..cacao import AnyCommand, HttpCommand, Playbook, PlaybookError, TextCommand, read_json
from ..cacao_commands import EncodedCommand, OpenC2Command
from .values import REFERENCE, Scope, StepFault, names_in

MAX_FILLED = 1_000_000  # characters of a command with its values in; assumed
START_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) +(\S+)( +HTTP/\d(\.\d)?)?")
SECRETS = ("user_id", "username", "password", "token")  # of an authentication; ignored with kms (CACAO v2.0, 6)

FOUND = ("asset", "owner", "actuators")  # what a twin says of a party, see `targets.Found`: no playbook may say so


@dataclass(frozen=True, slots=True)
class Filled:
    """A command as an actuator gets it."""

    type: str
    command: Mapping[str, Any]
    arguments: Mapping[str, str] = field(default_factory=dict)  # of programs: values by variable


def fill_command(command: AnyCommand, scope: Scope, handed: tuple[str, ...] = ()) -> Filled:
    """A command with its values.

    Args:
        command: of a step, or of its undo.
        scope: what names mean there.
        handed: the step's in_args, given to programs beside the variables that their text names.

    Raises:
        StepFault: a value is missing or cannot stand where it is used, or the command is malformed.
    """
    try:
        match command:
            case OpenC2Command():
                return Filled(command.type, _openc2(command, scope))
            case HttpCommand():
                return Filled(command.type, _http(command, scope))
            case TextCommand() if command.type == "manual":
                return Filled(command.type, {"text": fill_text(command.text(), scope)})
            case TextCommand() | EncodedCommand():
                text = command.text()
                names = dict.fromkeys((*REFERENCE.findall(text), *handed))
                return Filled(command.type, {"text": text}, {name: scope.text(name) for name in names})
    except StepFault:
        raise
    except PlaybookError as fault:
        raise StepFault(str(fault)) from None
    raise StepFault(f"a command of type {command.type[:40]!r} is none of the standard; use one that is")


def openc2_request(body: Any) -> Any:
    """The command in a message of OpenC2 over HTTPS v1.1, which wraps it; else the body itself."""
    for key in ("body", "openc2", "request"):
        if not isinstance(body, dict) or key not in body:
            return body
        body = body[key]
    return body


def fill_text(text: str, scope: Scope, form: Callable[[str], str] = str) -> str:
    """A text with values in the place of their names, each in the given form."""
    filled = REFERENCE.sub(lambda found: form(scope.text(found.group(1))), text)
    if len(filled) > MAX_FILLED:
        raise StepFault(f"a command of {len(filled)} characters; at most {MAX_FILLED}, shorten its values")
    return filled


def fill_json(content: Any, scope: Scope) -> Any:
    """A JSON value with values put into its strings; a value cannot break out of its string."""
    if isinstance(content, dict):
        return {key: fill_json(item, scope) for key, item in content.items()}
    if isinstance(content, list):
        return [fill_json(item, scope) for item in content]
    return fill_text(content, scope) if isinstance(content, str) else content


def fill_party(playbook: Playbook, part: str, name: str, scope: Scope, handed: frozenset[str] | None) -> dict[str, Any]:
    """The definition of an agent or target with its values, its `id`, and its authentication in place.

    What only a twin may say of it (`FOUND`) is left out: a playbook does not choose whose system its order goes to.

    Args:
        playbook: whose definitions are meant.
        part: agent_definitions or target_definitions.
        name: its key there.
        scope: what names mean.
        handed: names that may be used in it (in_args of the step); None: any.

    Raises:
        StepFault: it is not defined, uses a variable that is not handed over, or a value is missing or malformed.
    """
    party = getattr(playbook, part).get(name)
    if party is None:
        raise StepFault(f"{name} is not among the {part}; define it there")
    written = party.model_dump(by_alias=True, exclude_unset=True)
    content = {key: value for key, value in written.items() if key not in FOUND}
    secret = content.get("authentication_info")
    if secret is not None:
        content["authentication_info"] = _authentication(playbook, str(secret))
    used = set(names_in(content))
    if handed is not None and used - handed:
        raise StepFault(f"{name} uses {min(used - handed)}, which is not among in_args; list it there")
    filled: dict[str, Any] = {"id": name, **fill_json(content, scope)}
    for kind, addresses in (filled.get("address") or {}).items():
        for address in addresses:
            if not str(address).strip() or re.search(r"\s", str(address)):
                raise StepFault(f"{name}: {kind} {str(address)[:40]!r} is no address; mend its value")
    return filled


def _authentication(playbook: Playbook, name: str) -> dict[str, Any]:
    one = playbook.authentication_info_definitions.get(name)
    if one is None:
        raise StepFault(f"{name} is not among the authentication_info_definitions; define it there")
    content: dict[str, Any] = one.model_dump(by_alias=True, exclude_unset=True)
    left_out = SECRETS if content.get("kms") else ()
    return {"id": name, **{key: value for key, value in content.items() if key not in left_out}}


def _openc2(command: OpenC2Command, scope: Scope) -> Mapping[str, Any]:
    content = openc2_request(read_json(command.body(), "body of its command"))
    if not isinstance(content, dict) or "action" not in content or "target" not in content:
        raise StepFault("the command's body is no OpenC2 command; give action and target")
    filled: dict[str, Any] = fill_json(content, scope)
    return filled


def _http(command: HttpCommand, scope: Scope) -> Mapping[str, Any]:
    line = START_LINE.fullmatch(command.command)
    if line is None:
        raise StepFault(f"{command.command[:60]!r} is no start line; write method, path and version: GET /x HTTP/1.1")
    path = fill_text(line[2], scope, lambda value: quote(value, safe=""))
    if not path.startswith("/"):
        raise StepFault(f"path {path[:60]!r} does not begin with /; the agent's address says where it goes")
    headers = {key: [_header(key, value, scope) for value in values] for key, values in command.headers.items()}
    filled: dict[str, Any] = {"method": line[1], "path": path, "headers": headers}
    text = command.body().decode("utf-8")
    if command.content is not None or command.content_b64 is not None:
        kinds = [value for key, values in headers.items() if key.lower() == "content-type" for value in values]
        filled["content"] = _content(text, kinds[0] if kinds else "", scope)
    return filled


def _header(key: str, value: str, scope: Scope) -> str:
    filled = fill_text(value, scope)
    if not filled.isprintable():
        raise StepFault(f"header {key}: holds a line end or control sign; mend the value")
    return filled


def _content(text: str, media: str, scope: Scope) -> str:
    """Content with its values, by its media type; without one JSON where it is such."""
    media = media.partition(";")[0].strip().lower()
    if REFERENCE.search(text) is None:
        return text
    if media.endswith(("/json", "+json")) or media == "":
        try:
            content = read_json(text.encode(), "content")
        except PlaybookError as fault:
            raise StepFault(f"{fault}; quote variables as strings, or give another Content-Type") from None
        return rfc8785.dumps(fill_json(content, scope)).decode()
    if media == "application/x-www-form-urlencoded":
        return fill_text(text, scope, quote_plus)
    if media.endswith(("/xml", "+xml")):
        return fill_text(text, scope, lambda value: escape(value, {'"': "&quot;", "'": "&apos;"}))
    if media == "text/plain":
        return fill_text(text, scope)
    raise StepFault(f"no value is put into content of type {media[:60]!r}; send JSON, a form, XML or plain text")
