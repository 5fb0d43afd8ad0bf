"""Command line of the playbooks: lint, list, show here; vetting and dry runs in modules of their own.

Flows in: files of playbooks. Flows out: text, JSON, pictures. What the commands say is made in `lint` and `show`,
imported on use, so that help stays quick.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import run_commands, vetting_commands  # whose commands join the group
from .command_files import JsonFlag, Named, content_of, find, playbook, read_twin, refusals, say

if TYPE_CHECKING:
    from .cacao import Playbook
    from .show_touched import Touched

__all__ = ["playbook", "run_commands", "vetting_commands"]


@playbook.command("lint", epilog="Example: tocsin playbook lint mine/*.json")
def lint_(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Playbook files; those that call each other, together.")
    ] = None,
    rules: Annotated[bool, typer.Option("--rules", help="Print the table of rules instead.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Find faults before anybody signs; exit code 1 if there is an error, 2 if a file cannot be read as JSON."""
    from dataclasses import asdict

    from .lint import lint_contents

    if rules:
        _rules(as_json)
        return
    with refusals():
        found = list(zip(files or [], lint_contents([content_of(path) for path in _some(files)]), strict=True))
    if as_json:
        rows = [{"file": str(path), **asdict(finding)} for path, findings in found for finding in findings]
        typer.echo(json.dumps(rows, indent=2))
    else:
        for path, findings in found:
            for finding in findings:
                say(f"{path}: {finding}")
    errors = sum(finding.severity == "error" for _, findings in found for finding in findings)
    if not as_json:
        warnings = sum(len(findings) for _, findings in found) - errors
        typer.echo(f"{len(found)} files, {errors} errors, {warnings} warnings", err=True)
    if errors:
        raise typer.Exit(1)


def _some(files: list[Path] | None) -> list[Path]:
    from .cacao import PlaybookError

    if not files:
        raise PlaybookError("no file is named; name playbooks, or ask for --rules")
    return files


def _rules(as_json: bool) -> None:
    from dataclasses import asdict

    from .lint_rules import RULES

    if as_json:
        typer.echo(json.dumps([asdict(rule) for rule in RULES.values()], indent=2))
        return
    for rule in RULES.values():
        say(f"{rule.id}: {rule.severity}: {rule.text} (CACAO v2.0, {rule.section})")


@playbook.command("list", epilog="Example: tocsin playbook list --json")
def list_(as_json: JsonFlag = False) -> None:
    """List the shipped library: what each playbook acts on, does, and needs consent for."""
    from .actions import load_library
    from .show import summary

    with refusals():
        rows = [summary(one) for one in load_library().playbooks]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        on = ", ".join(row["kinds"]) or row["target_type"]
        undo = "has an undo" if row["undo"] else "no undo"
        does = ", ".join(row["verbs"]) or "changes nothing"
        say(f"{row['name']}: {row['summary']}")
        say(f"    {does} on {on}; consent class {row['consent_class']}; {undo}")


@playbook.command("show", epilog="Example: tocsin playbook show isolate-asset --twin chain/ --svg isolate.svg")
def show(
    name: Named,
    twin: Annotated[Path | None, typer.Option("--twin", help="Folder of a chain: whom would it touch there?")] = None,
    svg: Annotated[Path | None, typer.Option("--svg", help="Draw the flow into this file.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show one playbook: flow, effect, undo, consent class, commands; with --twin also whom it touches."""
    from dataclasses import asdict

    from .show import details

    with refusals():
        one = find(name)
        told = details(one)
        touched = None if twin is None else _touched(one, twin)
        if svg is not None:
            from .show_picture import picture

            _write(svg, picture(one, touched, str(twin)))
    if as_json:
        reach = {} if touched is None else {"touches": [asdict(owner) for owner in touched]}
        typer.echo(json.dumps(told | reach, indent=2))
        return
    from .show_terminal import print_shown

    print_shown(one, told, touched)


def _touched(one: Playbook, folder: Path) -> list[Touched]:
    from .show_touched import touched_by

    return touched_by(one, read_twin(folder))


def _write(path: Path, text: str) -> None:
    from .cacao import PlaybookError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PlaybookError(f"{path}: {error.strerror or error}; name a file that you may write") from None
