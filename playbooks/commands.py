"""Command line of the playbooks: lint, list, show, sign, approve, verify.

Flows in: files of playbooks, keys, trust and signatures. Flows out: text, JSON, signatures as files. What the commands
say is made in `lint`, `show`, `signatures` and `vetting`, imported on use, so that help stays quick.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from .cacao import Playbook
    from .show_touched import Touched

UNSIGNABLE = ("not-executable", "effect-missing")  # warnings of CACAO, yet no owner's node could run it

playbook = typer.Typer(help="Playbooks: check, show, sign and verify them.", no_args_is_help=True)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Named = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A playbook of the library by name, or a file.")]
KeyFlag = Annotated[Path, typer.Option("--key", help="Your private key: JWK, Ed25519.")]
PersonFlag = Annotated[str, typer.Option("--person", help="Your name as the owners' trust files spell it.")]
OutFlag = Annotated[Path, typer.Option("--out", help="Folder of signatures to write into.")]
UntilFlag = Annotated[str | None, typer.Option("--valid-until", help="UTC time, e.g. 2027-01-01T00:00:00.000Z.")]


@playbook.callback()
def _playbook() -> None:
    """Playbooks: check, show, sign and verify them."""


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
    with _refusals():
        found = list(zip(files or [], lint_contents([_content(path) for path in _some(files)]), strict=True))
    if as_json:
        rows = [{"file": str(path), **asdict(finding)} for path, findings in found for finding in findings]
        typer.echo(json.dumps(rows, indent=2))
    else:
        for path, findings in found:
            for finding in findings:
                _say(f"{path}: {finding}")
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
        _say(f"{rule.id}: {rule.severity}: {rule.text} (CACAO v2.0, {rule.section})")


@playbook.command("list", epilog="Example: tocsin playbook list --json")
def list_(as_json: JsonFlag = False) -> None:
    """List the shipped library: what each playbook acts on, does, and needs consent for."""
    from .actions import load_library
    from .show import summary

    with _refusals():
        rows = [summary(one) for one in load_library().playbooks]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        on = ", ".join(row["kinds"]) or row["target_type"]
        undo = "has an undo" if row["undo"] else "no undo"
        _say(f"{row['name']}: {', '.join(row['verbs'])} on {on}; consent class {row['consent_class']}; {undo}")


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

    with _refusals():
        one = _find(name)
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
    from ..twin.facts import merge
    from ..twin.graph import TwinError
    from ..twin.sources import read_paths
    from .cacao import PlaybookError
    from .show_touched import touched_by

    try:
        return touched_by(one, merge(read_paths([folder], None).facts).twin)
    except TwinError as error:
        raise PlaybookError(f"--twin {folder}: {error}") from None


def _write(path: Path, text: str) -> None:
    from .cacao import PlaybookError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PlaybookError(f"{path}: {error.strerror or error}; name a file that you may write") from None


@playbook.command("sign", epilog="Example: tocsin playbook sign mine.json --key ada.jwk --person ada --out signatures")
def sign_(name: Named, key: KeyFlag, person: PersonFlag, out: OutFlag, valid_until: UntilFlag = None) -> None:
    """Sign a playbook; what your signature stands for (author, reviewer, approver) is said by each owner's trust."""
    with _refusals():
        _sign(name, key, person, out, valid_until)


@playbook.command("approve", epilog="Example: tocsin playbook approve isolate-asset --key k.jwk --person bo --out sigs")
def approve(name: Named, key: KeyFlag, person: PersonFlag, out: OutFlag, valid_until: UntilFlag = None) -> None:
    """Sign a playbook as approver: the same signature; the owner's trust file must give your key that role."""
    with _refusals():
        _sign(name, key, person, out, valid_until)


@playbook.command("verify", epilog="Example: tocsin playbook verify block-link --owner shop --trust t --signatures s")
def verify(
    name: Named,
    owner: Annotated[str, typer.Option("--owner", help="For whom it would run.")],
    trust: Annotated[Path, typer.Option("--trust", help="The owner's trust file.")],
    signatures: Annotated[Path, typer.Option("--signatures", help="Folder of signatures.")],
    as_json: JsonFlag = False,
) -> None:
    """Say whether a playbook is active for an owner; exit code 0 if it is, 1 with the refusal's name if not."""
    from datetime import UTC, datetime

    from .cacao import digest
    from .trust import read_signatures, read_trust
    from .vetting import refusal

    with _refusals():
        one = _find(name)
        why = refusal(one, owner, read_signatures(signatures), read_trust(trust, owner=owner), datetime.now(UTC))
    if as_json:
        told: dict[str, Any] = {"playbook": one.name, "id": one.id, "digest": digest(one), "owner": owner}
        told |= {"active": why is None, "refusal": why and why.name, "message": why and why.message}
        typer.echo(json.dumps(told))
    elif why is None:
        _say(f"playbook {one.name} is active for owner {owner}")
    else:
        _say(f"{why.name}: {why.message}", err=True)
    if why is not None:
        raise typer.Exit(1)


def _sign(name: str, key: Path, person: str, out: Path, valid_until: str | None) -> None:
    from datetime import UTC, datetime

    from .cacao import PlaybookError
    from .lint import lint
    from .signatures import sign
    from .trust import read_key, write_signature

    one = _find(name)
    errors = [finding for finding in lint(one) if finding.severity == "error" or finding.rule in UNSIGNABLE]
    if errors:
        raise PlaybookError(f"{name}: {errors[0].path}: {errors[0].message}; mend it before you sign: {errors[0].mend}")
    if not person.strip():
        raise PlaybookError("--person: is empty; give your name as the owners' trust files spell it")
    now = datetime.now(UTC)
    if valid_until is not None and _moment(valid_until) <= now:
        raise PlaybookError(f"--valid-until {valid_until}: is over already; give a time to come")
    created = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    path = write_signature(out, sign(one.raw, read_key(key), signee=person, created=created, valid_until=valid_until))
    _say(f"{path}: {person} signed {one.name}")


def _moment(text: str) -> Any:
    from datetime import datetime

    from pydantic import TypeAdapter, ValidationError

    from .cacao import PlaybookError, Timestamp

    try:
        return datetime.fromisoformat(TypeAdapter(Timestamp).validate_python(text))
    except (ValidationError, ValueError):
        raise PlaybookError(f"--valid-until {text}: is no CACAO time; write e.g. 2027-01-01T00:00:00.000Z") from None


def _find(name: str) -> Playbook:
    """A file if there is one, else a playbook of the library by name or id."""
    from .actions import load_library
    from .cacao import PlaybookError

    if Path(name).is_file():
        return _read(Path(name))
    library = load_library()
    try:
        return library.playbooks[library.index_of(name)]
    except KeyError:
        raise PlaybookError(f"{name}: is no file and no playbook; the library has {', '.join(library.names)}") from None


def _read(path: Path) -> Playbook:
    from .cacao import read_playbook

    return read_playbook(_bytes(path), str(path))


def _content(path: Path) -> dict[str, Any]:
    """A file's JSON object, whatever its shape."""
    from .cacao import PlaybookError, read_canonical

    content = read_canonical(_bytes(path), str(path))
    if not isinstance(content, dict):
        raise PlaybookError(f"{path}: is a JSON {type(content).__name__}; a playbook is an object")
    return content


def _bytes(path: Path) -> bytes:
    """At most one byte more than a playbook may have, so that a huge file is refused and not read."""
    from .cacao import MAX_BYTES, PlaybookError

    try:
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise PlaybookError(f"{path}: {path.stat().st_size} bytes; a playbook has at most {MAX_BYTES}, split it")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PlaybookError(f"{path}: {error.strerror or error}; name a playbook's file") from None


@contextmanager
def _refusals() -> Iterator[None]:
    """One line on stderr and exit code 2 for input that cannot be used."""
    from .cacao import PlaybookError

    try:
        yield
    except PlaybookError as error:
        _say(" ".join(str(error).splitlines()), err=True)
        raise typer.Exit(2) from None


def _say(text: str, *, err: bool = False) -> None:
    """Echo without control characters: a playbook of a stranger does not steer the terminal."""
    typer.echo("".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in text), err=err)
