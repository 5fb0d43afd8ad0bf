"""Shell texts so plain that a shell reads them once: simple commands, each with words as they stand.

Flows in: the text of a command as its author wrote it, with `__name__:value` where a value belongs. Flows out: nothing,
or a refusal that names what is not plain. It is a list of what is allowed, not of what is forbidden:

    text      simple commands with ; & && || | or a new line between them, comments
    command   a plain word as it stands (no quotes, no `=`), then arguments and redirections to plain places
    word      plain signs, 'single', "double" and \\escaped ones; nowhere an expansion (`$`, backticks, parentheses)
    value     in an argument, alone or beside plain signs or inside double quotes

Of the shell's own commands only those are allowed that take every argument as mere text. Programs that are shells, or
that run their arguments, are refused by name; no list of such programs is whole, so the owner who lists a text judges
what its programs make of their arguments. Source: POSIX.1-2017, Shell Command Language, 2.2, 2.3 and 2.9.1; bash(1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@%+,=-]")  # signs that no shell acts on inside a word
COMMAND: Final = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./+-]*")
ALLOWED: Final = frozenset({"echo", "printf", "cd", "pwd", "true", "false", ":", "kill", "exit", "umask"})
WORDS: Final = """
. : [ alias autoload bg bind break builtin caller case cd command compgen complete compopt continue coproc
declare dirs disown do done echo elif else emulate enable esac eval exec exit export false fc fg fi float
for function functions getopts hash help history if in integer jobs kill let local logout mapfile nameref
nocorrect noglob popd print printf pushd pwd read readarray readonly repeat return sched select set setopt
shift shopt source suspend test then time times trap true type typeset ulimit umask unalias unset until
vared wait whence while zcompile zle zmodload zparseopts
"""  # of bash, dash, ksh and zsh, with the words of their grammar
BUILT_IN: Final = frozenset(WORDS.split())
RUNS: Final = re.compile(  # programs that are shells or run what they are given
    r"(?:a|ba|c|da|fi|k|mk|pdk|r|rba|tc|ya|z)?sh[\d.]*|busybox|toybox|su|sudo|doas|pkexec|runuser|env|ssh|xargs|parallel"
    r"|find|g?awk|mawk|nawk|sed|ed|ex|vim?|perl[\d.]*|python[\d.]*|ruby[\d.]*|node|php[\d.]*|lua[\d.]*|tclsh|expect|gdb"
    r"|make|m4|dc|at|batch|crontab|watch|flock|timeout|nice|ionice|nohup|setsid|stdbuf|strace|chroot|unshare|nsenter"
    r"|systemd-run|script|screen|tmux|time|taskset|chrt|setpriv|capsh|start-stop-daemon|pwsh"
)
REDIRECTION: Final = re.compile(r"(?:>>|>\||[<>]|&>>?)(?![<>(])(?:&[0-9]+(?!\w))?")
VALUE: Final = re.compile(r"__[a-zA-Z_][a-zA-Z0-9_-]{0,199}__:value")


def fault_of(text: str) -> str | None:
    """Say what keeps a text with values from being plain; None where it is."""
    try:
        for words in _commands(text):
            _check(words)
    except _NotPlainError as error:
        return str(error)
    return None


class _NotPlainError(ValueError):
    """Something that a shell may read a second time."""


class _Word:
    """A word while it is read: what it says, whether a value is in it, whether quotes or escapes are."""

    def __init__(self) -> None:
        self.text, self.has_value, self.is_bare, self.is_target = "", False, True, False


def _check(words: list[_Word]) -> None:
    arguments = [word for word in words if not word.is_target]
    if not arguments:
        raise _NotPlainError("a redirection without a command")
    first, rest = arguments[0], arguments[1:]
    if first.has_value or not first.is_bare or not COMMAND.fullmatch(first.text):
        raise _NotPlainError(f"{first.text[:40]!r} is no plain name of a command")
    name = first.text.rsplit("/", 1)[-1]
    if (first.text in BUILT_IN and first.text not in ALLOWED) or RUNS.fullmatch(name):
        raise _NotPlainError(f"{first.text!r} may read its arguments as a program")
    if first.text == "printf" and (not rest or rest[0].has_value or rest[0].text.startswith("-")):
        raise _NotPlainError("printf needs a format as its first argument")  # `-v NAME` evaluates the name
    if any(word.has_value for word in words if word.is_target):
        raise _NotPlainError("a value names where to write or read")


def _commands(text: str) -> Iterator[list[_Word]]:
    """The simple commands of a text.

    Raises:
        _NotPlainError: a sign that is more than that.
    """
    words: list[_Word] = []
    word: _Word | None = None
    awaits_target = False
    position = 0

    def opened() -> _Word:
        nonlocal word, awaits_target
        if word is None:
            word = _Word()
            word.is_target, awaits_target = awaits_target, False
            words.append(word)
        return word

    while position < len(text):
        sign = text[position]
        found = VALUE.match(text, position)
        if found:
            opened().has_value = True
            position = found.end()
        elif PLAIN.match(sign):
            opened().text += sign
            position += 1
        elif sign in "'\"":
            position = _quoted(text, position, opened())
        elif sign == "\\":
            if text[position + 1 : position + 2] in ("", "\n"):
                raise _NotPlainError("a line goes on behind a backslash")
            opened().text += text[position + 1]
            opened().is_bare = False
            position += 2
        elif sign in " \t":
            word = None
            position += 1
        elif sign == "#" and word is None:
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
        elif redirection := REDIRECTION.match(text, position):
            if word is not None and word.is_bare and word.text.isdecimal() and not word.has_value:
                words.remove(word)  # the number of what is redirected, no argument
            word = None
            awaits_target = "&" not in redirection[0][1:]
            position = redirection.end()
        elif sign in ";&|\n":
            if awaits_target:
                raise _NotPlainError("a redirection leads nowhere")
            if words:
                yield words
            words, word = [], None
            position += 1
        elif sign in "*?~^!" and not (word is None and sign == "!"):
            opened().is_bare = False
            opened().text += sign
            position += 1
        else:
            raise _NotPlainError(f"the sign {sign!r} is no plain one; put it into quotes where it is meant as such")
    if awaits_target:
        raise _NotPlainError("a redirection leads nowhere")
    if words:
        yield words


def _quoted(text: str, position: int, word: _Word) -> int:
    """Read a quoted part into a word; give where it ends."""
    quote = text[position]
    word.is_bare = False
    position += 1
    while position < len(text):
        sign = text[position]
        found = VALUE.match(text, position)
        if found:
            if quote == "'":
                raise _NotPlainError("a value stands in single quotes, where a shell puts none; use double ones")
            word.has_value = True
            position = found.end()
        elif sign == quote:
            return position + 1
        elif quote == '"' and sign == "\\":
            word.text += text[position : position + 2]
            position += 2
        elif quote == '"' and sign in "$`":
            raise _NotPlainError(f"{sign!r} in double quotes is an expansion; use single quotes instead")
        else:
            word.text += sign
            position += 1
    raise _NotPlainError("a quote is not closed")
