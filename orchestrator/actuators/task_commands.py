"""`tocsin task`: what people are asked to do by playbooks, and their answers.

Flows in: arguments. Flows out: lines or JSON. Heavy imports stand inside the functions.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from .manual import Task, Tasks

LAST = 253_402_300_799.0  # end of the year 9999, the last that a date can show
HomeFlag = Annotated[Path | None, typer.Option("--home", help="The node's folder (TOCSIN_HOME).")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]

task = typer.Typer(help="Tasks that playbooks give to people.", no_args_is_help=True)


@task.command("list", epilog="Example: tocsin task list --home node --json")
def show(
    home: HomeFlag = None, all_: Annotated[bool, typer.Option("--all")] = False, as_json: JsonFlag = False
) -> None:
    """List the tasks that are open; with --all those that were answered, expired or withdrawn too."""
    tasks = _tasks(home)
    now = time.time()
    shown = [_shown(one, now) for one in tasks.all() if all_ or (one.state == "open" and not one.is_over(now))]
    tasks.close()
    if as_json:
        typer.echo(json.dumps(shown, indent=2))
        return
    for one in shown:
        _say(f"{one['key']}  {one['state']}, until {one['deadline']}, {one['owner']}: {one['text']}")
        for name, kind in one["returns"].items():
            _say(f"    wants {name} ({kind})")
    if not shown:
        typer.echo("no tasks")


@task.command(epilog="Example: tocsin task answer KEY --person ada --value __ticket__=T-17")
def answer(
    key: Annotated[str, typer.Argument(help="The task's key, from tocsin task list.")],
    person: Annotated[str, typer.Option(help="Who answers.")],
    value: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE that the task wants back; may be repeated.")
    ] = None,
    text: Annotated[str, typer.Option(help="What was done, or why not.")] = "",
    decline: Annotated[bool, typer.Option("--decline", help="Say that it will not be done.")] = False,
    home: HomeFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Answer a task once: done, with the values it wants, or declined."""
    from .manual import TaskError

    values = {}
    for one in value or ():
        name, sign, given = one.partition("=")
        if not sign:
            raise TaskError(f"--value {one!r}: write NAME=VALUE")
        values[name] = given
    tasks = _tasks(home)
    done = tasks.answer(key, "declined" if decline else "done", person=person, answer=text, values=values)
    tasks.close()
    typer.echo(json.dumps(_shown(done, time.time()), indent=2) if as_json else f"{done.key}: {done.state}")


def _say(line: str) -> None:
    """A playbook's text is a stranger's: no sign of it steers the terminal, and it stays one line."""
    typer.echo("".join(sign if sign.isprintable() else " " if sign == "\n" else "?" for sign in line))


def _tasks(home: Path | None) -> Tasks:
    from ..settings import home_of
    from .manual import TaskError, Tasks

    path = home_of(home).path / "actuators" / "manual.sqlite"
    if not path.is_file():
        raise TaskError(f"{path}: no tasks were ever given there; name the node's home with --home")
    return Tasks(path)


def _shown(one: Task, now: float) -> dict[str, Any]:
    from datetime import UTC, datetime

    return {
        "key": one.key,
        "owner": one.owner,
        "text": one.text,
        "returns": dict(one.returns),
        "deadline": datetime.fromtimestamp(min(max(one.deadline, 0.0), LAST), UTC).isoformat(timespec="seconds"),
        "state": "expired" if one.is_over(now) else one.state,
        "answer": one.answer,
        "values": dict(one.values or {}),
        "person": one.person,
    }
