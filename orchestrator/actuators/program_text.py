"""Programs of playbooks with their values beside them: no value is ever pasted into a program.

Flows in: the text of a bash or PowerShell command as its author wrote it, with `__name__:value` where a value belongs.
Flows out: the text with a reference to an environment variable in each such place, or a refusal where a shell would not
read it as one. In a text with values, a shell's grammar is bounded (`simple_commands`). Source of the quoting rules:
POSIX.1-2017, Shell Command Language, 2.2; PowerShell's about_Quoting_Rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .base import Refused
from .simple_commands import fault_of

REFERENCE: Final = re.compile(r"(__[a-zA-Z_][a-zA-Z0-9_-]{0,199}__):value")
NAME: Final = re.compile(r"__[a-zA-Z_][a-zA-Z0-9_]{0,199}__")  # of those, what a shell takes as a variable's name
AGAIN_POWERSHELL: Final = re.compile(  # calls by name or text, expansions of our own, blocks, definitions
    r"(?i)[`$@{}&%]|(?:^|[\s;|(=])\.(?=\s)|(?:alias|function|variable|env):|-(?:encoded)?command"
    r"|(?<![\w-])(?:iex|icm|saps|start|sajb|sal|nal|si|ni|sc|sv|nv|cmd|powershell|pwsh|bash|sh|foreach|where"
    r"|invoke-\w+|start-\w+|add-type|(?:set|new)-(?:alias|item|content|variable)|foreach-object|where-object)(?![\w-])"
    r"|scriptblock|::create"
)
MAX_VALUE: Final = 4_096  # characters; a longer one belongs in a file


@dataclass(frozen=True, slots=True)
class _Language:
    """How a shell quotes, and how it reads an environment variable."""

    escape: str  # the sign that takes the next one as it is, but in single quotes
    outside: str  # a value outside quotes
    inside: str  # a value in double quotes
    comments: bool  # whether what is behind `#` is left out where it names values


POSIX: Final = _Language("\\", '"${{{}}}"', "${{{}}}", comments=True)
POWERSHELL: Final = _Language("`", "${{env:{}}}", "${{env:{}}}", comments=False)


def for_posix(text: str, arguments: Mapping[str, str], place: str) -> str:
    """Give a shell program whose values are environment variables, each read as one word.

    Raises:
        Refused: a value is missing, or stands where a shell would not read it as one word.
    """
    fault = fault_of(text) if REFERENCE.search(text) else None
    if fault is not None:
        raise Refused(f"{place}: {fault}; with values, write simple commands, or make it a program on the owner's list")
    return _with_references(text, arguments, place, POSIX)


def for_powershell(text: str, arguments: Mapping[str, str], place: str) -> str:
    """Give a PowerShell program whose values are environment variables.

    Raises:
        Refused: a value is missing, or stands where PowerShell would not put one in.
    """
    again = AGAIN_POWERSHELL.search(text) if REFERENCE.search(text) else None
    if again is not None:
        raise Refused(
            f"{place}: {again[0]!r} may read a value as a program; write the command without it, or make it a "
            "program on the owner's list"
        )
    return _with_references(text, arguments, place, POWERSHELL)


def _with_references(text: str, arguments: Mapping[str, str], place: str, language: _Language) -> str:
    """Give the text with a reference to an environment variable wherever a value belongs."""
    found: list[str] = []
    quote, position = "", 0
    while position < len(text):
        sign, reference = text[position], REFERENCE.match(text, position)
        if reference is not None:
            name = _known(reference[1], arguments, place)
            if quote == "'":
                raise Refused(f"{place}: {name} stands in single quotes, where a shell puts no value; use double ones")
            piece, after = (language.inside if quote else language.outside).format(name), reference.end()
        elif sign == language.escape and quote != "'":
            piece, after = text[position : position + 2], position + 2
        elif language.comments and not quote and sign == "#" and _begins_word(text, position):
            end = text.find("\n", position)
            after = len(text) if end < 0 else end
            piece = "#" if REFERENCE.search(text, position, after) else text[position:after]
        else:
            if sign in "'\"" and quote in ("", sign):
                quote = "" if quote else sign
            piece, after = sign, position + 1
        found.append(piece)
        position = after
    return "".join(found)


def _begins_word(text: str, position: int) -> bool:
    return position == 0 or text[position - 1] in " \t\n;&|"


def used(text: str) -> list[str]:
    """The names of the values that a text asks for, each once, in their order."""
    return list(dict.fromkeys(REFERENCE.findall(text)))


def posix_assignments(names: list[str], arguments: Mapping[str, str]) -> str:
    """Shell lines that set variables for a far shell, written in octal: nothing but digits and backslashes.

    A far sshd takes no environment from us, so the values travel with the program, in an alphabet that no shell reads.
    """
    lines = []
    for name in names:
        octal = "".join(f"\\{byte:03o}" for byte in arguments[name].encode())
        lines.append(f"{name}=$(printf '{octal}x'); {name}=${{{name}%x}}; ")
    return "".join(lines)


def _known(name: str, arguments: Mapping[str, str], place: str) -> str:
    value = arguments.get(name)
    if value is None:
        raise Refused(f"{place}: no value for {name}; name it in the step's in_args")
    if not NAME.fullmatch(name):
        raise Refused(f"{place}: {name} is no name of an environment variable; leave the hyphens out")
    if "\0" in value or len(value) > MAX_VALUE:
        raise Refused(f"{place}: the value of {name} is longer than {MAX_VALUE} characters or holds a zero byte")
    return name
