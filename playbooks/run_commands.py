"""Command line of runs: `tocsin playbook run`, which sends nothing.

Flows in: a playbook, values of its variables, which steps fail. Flows out: the trace of steps, as lines or JSON. Real
runs are a node's: consent, keys and actuators are there.
"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .command_files import JsonFlag, Named, find, playbook, read, read_twin, refusals, say

if TYPE_CHECKING:
    from .cacao import Playbook
    from .executor.dry_run import DryRun, StepRecord


BY_NODE = {  # what a node gives to every run beside the target; here, unless --var says otherwise
    "__response__": "dry-run",
    "__owner__": "dry-run",
    "__actuator__": "urn:tocsin:actuator:dry-run",
}


class Means(StrEnum):
    """What commands are sent by."""

    DRY_RUN = "dry-run"


@playbook.command("run", epilog="Example: tocsin playbook run isolate-asset --var target=shop/host/web --json")
def run(
    name: Named,
    actuator: Annotated[
        Means, typer.Option("--actuator", help="dry-run: nothing is sent, commands succeed, delays pass at once.")
    ] = Means.DRY_RUN,
    var: Annotated[
        list[str] | None, typer.Option("--var", metavar="NAME=VALUE", help="Value of an external variable.")
    ] = None,
    fail: Annotated[
        list[str] | None, typer.Option("--fail", metavar="STEP", help="Id or name of a step whose commands fail.")
    ] = None,
    returns: Annotated[
        list[str] | None,
        typer.Option("--return", metavar="NAME=VALUE", help="What commands bring for an out_arg; repeat for the next."),
    ] = None,
    others: Annotated[
        list[Path] | None, typer.Option("--with", metavar="FILE", help="A playbook that it calls.")
    ] = None,
    twin: Annotated[Path | None, typer.Option("--twin", help="Folder of a chain, for abstract targets.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take a success back at the end, to see the undo.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Walk a playbook and tell its steps; exit code 0 if it succeeded, 1 if it failed, 2 if it cannot begin."""
    with refusals():
        one = find(name)
        done = _dry_run(one, var or [], fail or [], returns or [], [read(path) for path in others or []], twin, undo)
    if as_json:
        from dataclasses import asdict

        typer.echo(json.dumps([asdict(record) for record in done.records], indent=2))
    else:
        for record in done.records:
            _tell(record)
    failure = done.state.failure
    why = "" if failure is None else f": {failure.code} at {failure.step}: {failure.text}"
    say(f"{one.name}: {done.state.phase}{why} (nothing was sent: {actuator})", err=True)
    if failure is not None or done.state.phase == "stuck":
        raise typer.Exit(1)


def _dry_run(
    one: Playbook,
    var: list[str],
    fail: list[str],
    returns: list[str],
    others: list[Playbook],
    twin: Path | None,
    undo: bool,
) -> DryRun:
    from datetime import UTC, datetime

    from .actions import load_library
    from .cacao_words import CommandType
    from .execute import Program, among, without_twin
    from .executor.dry_run import dry_run
    from .targets import expand_in

    brings: dict[str, list[str]] = {}
    for text in returns:
        key, value = _pair(text, "--return", one)
        brings.setdefault(key, []).append(value)
    program = Program(
        one,
        among([*load_library().playbooks, *others, one]),
        without_twin if twin is None else expand_in(read_twin(twin)),
        frozenset(CommandType.__args__),  # type: ignore[attr-defined]
    )
    given = _given(one, var)
    _check_steps(fail, [one, *others])
    now = round(datetime.now(UTC).timestamp() * 1000)
    return dry_run(program, given, now, fails=frozenset(fail), brings=brings, undoes=undo)


def _given(one: Playbook, var: list[str]) -> dict[str, str]:
    """Values of external variables.

    Raises:
        PlaybookError: one is unknown, not external, given twice, or missing.
    """
    from .cacao import PlaybookError

    given: dict[str, str] = {}
    by_node = {key: value for key, value in BY_NODE.items() if key in one.playbook_variables}
    for text in var:
        key, value = _pair(text, "--var", one)
        if key in given:
            raise PlaybookError(f"--var {key}: is given twice; give it once")
        if not one.playbook_variables[key].external:
            raise PlaybookError(f"--var {key}: is not external, its value is in the playbook; leave it out")
        given[key] = value
    declared = one.playbook_variables.items()
    given = {**by_node, **given}
    missing = [key for key, variable in declared if variable.external and variable.value is None and key not in given]
    if missing:
        options = " ".join(f"--var {key}=VALUE" for key in missing)
        have = "has" if len(missing) == 1 else "have"
        raise PlaybookError(f"{one.name}: {', '.join(missing)} {have} no value; give {options}")
    return given


def _pair(text: str, option: str, one: Playbook) -> tuple[str, str]:
    """NAME=VALUE, the name as declared or without its underscores."""
    from .cacao import PlaybookError

    name, sign, value = text.partition("=")
    known = {*one.playbook_variables, *(key for step in one.workflow.values() for key in step.step_variables)}
    found = next((key for key in (name, f"__{name}__") if key in known), None)
    if not sign:
        raise PlaybookError(f"{option} {text[:60]}: has no =; write NAME=VALUE")
    if found is None or (option == "--var" and found not in one.playbook_variables):
        declared = ", ".join(one.playbook_variables) or "none"
        raise PlaybookError(f"{option} {name[:60]}: is no variable of {one.name}; it has {declared}")
    return found, value


def _check_steps(fail: list[str], playbooks: list[Playbook]) -> None:
    from .cacao import PlaybookError

    known = {word for one in playbooks for key, step in one.workflow.items() for word in (key, step.name)}
    for step in fail:
        if step not in known:
            names = ", ".join(key for key, one in playbooks[0].workflow.items() if one.type == "action")
            raise PlaybookError(f"--fail {step[:80]}: is no step; the actions are {names or 'none'}")


def _tell(record: StepRecord) -> None:
    depth = "  " * record.path.count("/")
    chose = f" [{'; '.join(record.chose)}]" if record.chose else ""
    why = f": {record.text}" if record.text else ""
    what = f"undo of {record.name or record.step}" if record.undo else record.name or record.step
    say(f"{record.begin_s:10.1f} s  {depth}{record.type} {what}{chose}: {record.outcome}{why}")
    for command in record.commands:
        on = f" on {command['target']}" if command["target"] else ""
        say(f"              {depth}- {command['type']} by {command['agent']}{on}: {_brief(command['command'])}")


def _brief(command: dict[str, Any]) -> str:
    text = command.get("text") or json.dumps(command, separators=(",", ":"))
    return text if len(text) <= 160 else f"{text[:157]}..."
