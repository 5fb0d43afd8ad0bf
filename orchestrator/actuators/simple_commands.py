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
        for words in _Reader(text).commands():
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


class _Reader:
    """Reads a text sign by sign into the words of its simple commands; used once."""

    def __init__(self, text: str) -> None:
        self._text, self._position = text, 0
        self._words: list[_Word] = []
        self._word: _Word | None = None
        self._awaits_target = False

    def commands(self) -> Iterator[list[_Word]]:
        """The simple commands, each its words.

        Raises:
            _NotPlainError: a sign that is more than that.
        """
        while self._position < len(self._text):
            sign = self._text[self._position]
            if self._is_word(sign) or self._is_space(sign) or self._is_redirection():
                continue
            if sign not in ";&|\n":
                raise _NotPlainError(f"the sign {sign!r} is no plain one; put it into quotes where it is meant as such")
            yield from self._ended()
            self._position += 1
        yield from self._ended()

    def _is_word(self, sign: str) -> bool:
        """Take what belongs to a word, if that is next."""
        if found := VALUE.match(self._text, self._position):
            self._opened().has_value = True
            self._position = found.end()
        elif PLAIN.match(sign):
            self._opened().text += sign
            self._position += 1
        elif sign in "'\"":
            self._position = _quoted(self._text, self._position, self._opened())
        elif sign == "\\":
            escaped = self._text[self._position + 1 : self._position + 2]
            if escaped in ("", "\n"):
                raise _NotPlainError("a line goes on behind a backslash")
            self._opened().text += escaped
            self._opened().is_bare = False
            self._position += 2
        elif sign in "*?~^!" and not (self._word is None and sign == "!"):
            self._opened().text += sign
            self._opened().is_bare = False
            self._position += 1
        else:
            return False
        return True

    def _is_space(self, sign: str) -> bool:
        """Take what parts words, a comment too, if that is next."""
        if sign in " \t":
            self._word = None
            self._position += 1
        elif sign == "#" and self._word is None:
            end = self._text.find("\n", self._position)
            self._position = len(self._text) if end < 0 else end
        else:
            return False
        return True

    def _is_redirection(self) -> bool:
        """Take a redirection's sign, if that is next; the word behind it is its target."""
        found = REDIRECTION.match(self._text, self._position)
        if found is None:
            return False
        word = self._word
        if word is not None and word.is_bare and word.text.isdecimal() and not word.has_value:
            self._words.remove(word)  # the number of what is redirected, no argument
        self._word = None
        self._awaits_target = "&" not in found[0][1:]
        self._position = found.end()
        return True

    def _opened(self) -> _Word:
        if self._word is None:
            self._word = _Word()
            self._word.is_target, self._awaits_target = self._awaits_target, False
            self._words.append(self._word)
        return self._word

    def _ended(self) -> Iterator[list[_Word]]:
        if self._awaits_target:
            raise _NotPlainError("a redirection leads nowhere")
        if self._words:
            yield self._words
        self._words, self._word = [], None


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
