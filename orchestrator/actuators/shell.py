"""Orders of type `bash` and `powershell`: programs on the node's own machine, if the owner's list has them.

Flows in: orders whose text is a program. Flows out: outcomes. Nothing runs that is not on the list, which is empty by
default: `programs` gives names to files, and the text is such a name with arguments, run without any shell; `allow`
holds SHA-256 digests of whole texts, which a shell runs. Values travel as arguments or environment variables, never in
the program's text (see `program_text`). A line `__name__=value` on standard output gives a value back, where the step
asks for it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from pydantic import Field

from .base import Malformed, Order, Outcome, Refused
from .journal import Journal
from .program_text import REFERENCE, for_posix, for_powershell, used
from .running import Limits, run
from .saying import why_it_failed
from .setup import Part, Setup

TIMEOUT_S: Final = 60.0  # where the step names none; assumed
DIGEST: Final = r"^[0-9a-f]{64}$"


class LimitsPart(Part):
    """Bounds on one program."""

    cpu_s: Annotated[int, Field(ge=1, le=3_600)] = 60
    memory_bytes: Annotated[int, Field(ge=10_000_000)] = 1_000_000_000
    file_bytes: Annotated[int, Field(ge=0)] = 100_000_000
    files: Annotated[int, Field(ge=16, le=65_536)] = 256


class ShellSettings(Part):
    """What may run."""

    programs: dict[str, str] = Field(default_factory=dict)  # name -> absolute path
    allow: tuple[Annotated[str, Field(pattern=DIGEST)], ...] = ()  # SHA-256 of texts, as their authors wrote them
    owners: tuple[str, ...] | None = None  # whose orders may run here; none given: any owner's
    interpreter: str = ""  # path of the shell; default: found on the machine
    limits: LimitsPart = Field(default_factory=LimitsPart)


@dataclass(slots=True)
class Shell:
    """Runs programs; lives as long as its node."""

    kind: Literal["bash", "powershell"]
    settings: ShellSettings
    journal: Journal
    _limits: Limits = field(init=False)

    def __post_init__(self) -> None:
        self._limits = Limits(**self.settings.limits.model_dump())

    @property
    def is_shared(self) -> bool:
        """True: several threads may use it at once."""
        return True

    @property
    def removes_duplicates(self) -> bool:
        """True: by its journal."""
        return True

    def carry_out(self, order: Order) -> Outcome:
        """Run the program once.

        Raises:
            Refused: not on the list, or a value that cannot be passed.
            Malformed: an exit code other than 0, or the end by a signal; it may have done a part.
            Unavailable: it took too long, or was begun before and never ended.
        """
        return self.journal.once(order, lambda: self._run(order))

    def read(self, order: Order) -> Outcome | None:
        """Give what came of it before."""
        return self.journal.read(order)

    def _run(self, order: Order) -> Outcome:
        place = f"order {order.key} ({self.kind})"
        if self.settings.owners is not None and order.owner not in self.settings.owners:
            raise Refused(f"{place}: nothing runs here for owner {order.owner!r}; add it to the settings")
        words, values = self._words(order, place)
        environment = {"TOCSIN_ORDER": order.key, "TOCSIN_OWNER": order.owner, **values}
        ran = run(words, environment, timeout_s=order.timeout_s or TIMEOUT_S, limits=self._limits, place=place)
        if ran.code != 0:  # it ran, and may have done a part before it failed
            raise Malformed(f"{place}: exit code {ran.code}{why_it_failed(ran.errors or ran.output, order)}")
        return Outcome(200, "exit code 0", arguments=returned(ran.output, order.returns))

    def _words(self, order: Order, place: str) -> tuple[list[str], dict[str, str]]:
        text = str(order.command.get("text", ""))
        name = text.split(maxsplit=1)[0] if text.strip() else ""
        if name in self.settings.programs:
            return self._program(name, text, order.arguments, place), {}
        digest = hashlib.sha256(text.encode()).hexdigest()
        if digest not in self.settings.allow:
            raise Refused(
                f"{place}: not on the owner's list of commands; add the program, or the digest {digest} of the text"
            )
        values = {one: order.arguments[one] for one in used(text) if one in order.arguments}
        if self.kind == "bash":
            program = for_posix(text, order.arguments, place)
            return [self._interpreter("bash", place), "--noprofile", "--norc", "-c", program], values
        program = for_powershell(text, order.arguments, place)
        return [self._interpreter("pwsh", place), "-NoProfile", "-NonInteractive", "-Command", program], values

    def _program(self, name: str, text: str, arguments: Mapping[str, str], place: str) -> list[str]:
        """A listed program: words split as a shell does, values put in afterwards, so that none becomes two."""
        path = self.settings.programs[name]
        if not os.path.isabs(path) or not os.access(path, os.X_OK):
            raise Refused(f"{place}: program {name!r} is not at {path!r}, or may not be run; mend the settings")
        try:
            words = shlex.split(text)[1:]
        except ValueError as error:
            raise Refused(f"{place}: {error} in {text[:80]!r}; mend the playbook's command") from None
        missing = [one for one in used(text) if one not in arguments]
        if missing:
            raise Refused(f"{place}: no value for {missing[0]}; name it in the step's in_args")
        if any("\0" in value for value in arguments.values()):
            raise Refused(f"{place}: a value holds a zero byte")
        return [path, *(REFERENCE.sub(lambda found: arguments[found[1]], word) for word in words)]

    def _interpreter(self, default: str, place: str) -> str:
        path = self.settings.interpreter or shutil.which(default)
        if not path:
            raise Refused(f"{place}: {default} is not installed on this machine; install it or name an interpreter")
        return path


def returned(output: str, wanted: Mapping[str, str]) -> dict[str, str]:
    """The values that a program gives back: lines `__name__=value` of names that the step asks for; the last counts."""
    lines = re.findall(r"^(__[a-zA-Z_][a-zA-Z0-9_-]{0,199}__)=(.{0,4096})$", output, re.MULTILINE)
    return {name: value for name, value in lines if name in wanted}


def make_bash(setup: Setup) -> Shell:
    """Factory of the entry point `bash`."""
    return Shell("bash", setup.read(ShellSettings), Journal(setup.state))


def make_powershell(setup: Setup) -> Shell:
    """Factory of the entry point `powershell`."""
    return Shell("powershell", setup.read(ShellSettings), Journal(setup.state))
