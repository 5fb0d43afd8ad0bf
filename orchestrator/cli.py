"""The command line's root: finds each room's commands by entry points and loads them on use.

Flows in: the arguments of `tocsin`. Flows out: an exit code: 0 done, 1 a check failed, 2 bad input (one line on
stderr), or output that could not be written. An error class of ours that derives from ValueError is bad input; anything
else is a fault of ours and shows itself whole.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module, metadata
from traceback import walk_tb
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

GROUP = "tocsin.commands"
BAD_INPUT = 2
WRITERS = ("typer", "rich")  # of what commands say


class LazyGroup(TyperGroup):
    """A group whose commands are entry points, loaded when used or listed (their modules load nothing heavy)."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Give the names of all commands, sorted."""
        return sorted({name.partition(".")[0] for name in _entry_points()})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load one command, with what other rooms add to it as `NAME.SUB`; None where there is none of that name."""
        entries = _entry_points()
        if cmd_name not in entries:
            return None
        command = load_command(cmd_name, entries[cmd_name])
        for name, target in entries.items():
            group, _, sub = name.partition(".")
            if sub and group == cmd_name:
                command.add_command(load_command(sub, target), sub)
        return command


def load_command(name: str, target: str) -> Any:
    """Give the command behind an entry point `module:attribute`, a typer app or a plain function.

    One that cannot be loaded is listed as such, and raises its error when it is used: it must not take others with it.
    """
    module, _, attribute = target.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        found = _broken(error)
    if isinstance(found, typer.Typer):
        app = found
    else:
        app = typer.Typer(add_completion=False)
        app.command(name)(found)
    command: Any = typer.main.get_command(app)
    command.name = name
    return command


def _broken(error: ImportError | AttributeError) -> Callable[[], None]:
    def broken() -> None:
        raise error

    broken.__doc__ = f"Cannot be loaded: {error}"
    return broken


def _entry_points() -> dict[str, str]:
    return {entry.name: entry.value for entry in metadata.entry_points(group=GROUP)}


app = typer.Typer(
    cls=LazyGroup, add_completion=False, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]}
)


@app.callback(invoke_without_command=True)
def root(
    version: bool = typer.Option(False, "--version", help="Print the version and end."),
) -> None:
    """Tocsin: sees an attack across owners, rehearses responses on a twin, carries out what the owners consent to.

    Begin with `tocsin demo`.
    """
    if version:
        from .. import __version__

        typer.echo(f"tocsin {__version__}")
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; leave with its exit code where that is not 0."""
    command: Any = typer.main.get_command(app)
    given = None if arguments is None else list(arguments)
    try:
        ended = command.main(args=given, prog_name="tocsin", standalone_mode=False)
        _flush()
    except TyperException as error:  # a flag, command or value that there is not
        _refuse(f"{_command_of(error)}: {error.format_message()}")
    except typer.Abort:
        typer.echo("tocsin: ended", err=True)
        sys.exit(1)
    except ValueError as error:
        if not is_ours(error):
            raise
        _refuse(str(error))
    except OSError as error:
        if not _is_of_output(error):
            raise
        _let_output_go()
        _refuse(f"output: {error.strerror or error}; write it where there is room")
    if isinstance(ended, int) and ended:
        sys.exit(ended)


def _refuse(message: str) -> NoReturn:
    from ..playbooks.cacao_reading import one_line

    line = one_line(" ".join(message.split()))
    typer.echo(f"tocsin: {line.removeprefix('tocsin: ')}", err=True)
    sys.exit(BAD_INPUT)


def _flush() -> None:
    if sys.stdout is not None:  # it was closed
        sys.stdout.flush()


def _is_of_output(error: OSError) -> bool:
    """Whether it was raised by what writes our output, and not by a file of ours."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    where = str(frames[-1].f_globals.get("__name__"))
    return error.filename is None and (frames[-1].f_code is _flush.__code__ or where.split(".")[0] in WRITERS)


def _let_output_go() -> None:
    """Drop what is left for standard output: Python would try once more at its end, and complain again."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _command_of(error: TyperException) -> str:
    """The command that was called, as it was typed; `tocsin` alone where none was."""
    context = getattr(error, "ctx", None)
    return "tocsin" if context is None else str(context.command_path)


def is_ours(error: ValueError) -> bool:
    """Whether the error is a class of this package, which says what to mend, and not a fault of the code."""
    return type(error).__module__.split(".")[0] == __name__.split(".")[0]
