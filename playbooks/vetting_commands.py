"""Command line of vetting: sign, approve, retire, verify, status.

Flows in: playbooks, keys, trust files, folders of detached signatures. Flows out: signatures as files, what they come
to. What a signature stands for is said by each owner's trust file, never by the signature.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .command_files import JsonFlag, Named, find, playbook, refusals, say

if TYPE_CHECKING:
    from .cacao import Playbook

UNSIGNABLE = ("not-executable", "effect-missing", "step-time")  # warnings of CACAO, yet no owner's node could run it

KeyFlag = Annotated[Path, typer.Option("--key", help="Your private key: JWK, Ed25519.")]
PersonFlag = Annotated[str, typer.Option("--person", help="Your name as the owners' trust files spell it.")]
OutFlag = Annotated[Path, typer.Option("--out", help="Folder of signatures to write into.")]
UntilFlag = Annotated[str | None, typer.Option("--valid-until", help="UTC time, e.g. 2027-01-01T00:00:00.000Z.")]


@playbook.command("sign", epilog="Example: tocsin playbook sign mine.json --key ada.jwk --person ada --out signatures")
def sign_(
    name: Named,
    key: KeyFlag,
    person: PersonFlag,
    out: OutFlag,
    valid_until: UntilFlag = None,
    countersign: Annotated[
        Path | None, typer.Option("--countersign", help="A signature of it, to be signed with it; written anew there.")
    ] = None,
) -> None:
    """Sign a playbook; what your signature stands for (author, reviewer, approver) is said by each owner's trust."""
    with refusals():
        _sign(name, key, person, out, valid_until, countersign)


@playbook.command("approve", epilog="Example: tocsin playbook approve isolate-asset --key k.jwk --person bo --out sigs")
def approve(name: Named, key: KeyFlag, person: PersonFlag, out: OutFlag, valid_until: UntilFlag = None) -> None:
    """Sign a playbook as approver: the same signature; the owner's trust file must give your key that role."""
    with refusals():
        _sign(name, key, person, out, valid_until)


@playbook.command("retire", epilog="Example: tocsin playbook retire isolate-asset --key k.jwk --person bo --out sigs")
def retire(name: Named, key: KeyFlag, person: PersonFlag, out: OutFlag) -> None:
    """Take a version out of use for the owners whose trust file makes you an approver; it does not come back."""
    from .signatures import sign
    from .trust import read_key, write_signature

    with refusals():
        one = find(name)
        made = sign(one.raw, read_key(key), signee=_named(person), created=_now(), retires=True)
        path = write_signature(out, made)
    counts = "it counts with owners whose trust file makes you an approver, see tocsin playbook status"
    say(f"{path}: {person} asks to retire {one.name}, version {one.modified}; {counts}")


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
    from .execute import installed
    from .trust import read_signatures, read_trust
    from .vetting import standing

    with refusals():
        one = find(name)
        trusted = read_trust(trust, owner=owner)
        found = standing(one, owner, read_signatures(signatures), trusted, datetime.now(UTC), installed())
        why = found.refusal
    if as_json:
        told: dict[str, Any] = {"playbook": one.name, "id": one.id, "digest": digest(one), "owner": owner}
        told |= {"state": found.state.value, "active": why is None}
        told |= {"refusal": why and why.name, "message": why and why.message}
        typer.echo(json.dumps(told))
    elif why is None:
        say(f"playbook {one.name} is active for owner {owner}")
    else:
        say(f"{why.name}: {why.message}", err=True)
    if why is not None:
        raise typer.Exit(1)


@playbook.command("status", epilog="Example: tocsin playbook status block-link --trust t --signatures s --json")
def status(
    names: Annotated[list[str], typer.Argument(metavar="NAME|FILE...", help="Playbooks, several versions too.")],
    trust: Annotated[list[Path], typer.Option("--trust", help="An owner's trust file, or a folder of such.")],
    signatures: Annotated[Path, typer.Option("--signatures", help="Folder of signatures.")],
    as_json: JsonFlag = False,
) -> None:
    """Say how far each version has come with each owner: draft, reviewed, active, retired, and what is missing."""
    with refusals():
        rows = _standings(names, trust, signatures)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        why = f" ({row['message']})" if row["message"] else ""
        say(f"{row['playbook']}, version {row['version']}, owner {row['owner']}: {row['state']}{why}")


def _standings(names: list[str], trust: list[Path], signatures: Path) -> list[dict[str, Any]]:
    from datetime import UTC, datetime

    from .cacao import digest
    from .execute import installed
    from .trust import read_signatures, read_trust_of
    from .vetting import standing

    now, signed = datetime.now(UTC), read_signatures(signatures)
    owners = [read_trust_of(path) for place in trust for path in _files(place)]
    rows = []
    for one in [find(name) for name in names]:
        for owner, trusted in owners:
            found = standing(one, owner, signed, trusted, now, installed())
            rows.append({
                "playbook": one.name,
                "id": one.id,
                "version": one.modified,
                "digest": digest(one),
                "owner": owner,
                "state": found.state.value,
                "refusal": found.refusal and found.refusal.name,
                "message": found.refusal and found.refusal.message,
                "signed": {role.value: sorted(persons) for role, persons in found.persons.items()},
            })  # fmt: skip
    return rows


def _files(place: Path) -> list[Path]:
    return sorted(place.glob("*.json")) if place.is_dir() else [place]


def _sign(
    name: str, key: Path, person: str, out: Path, valid_until: str | None, countersign: Path | None = None
) -> None:
    from datetime import UTC, datetime

    from .cacao import PlaybookError
    from .signatures import innermost, sign, with_countersignature
    from .trust import read_key, read_signature, write_signature

    one = find(name)
    _check_signable(name, one)
    if valid_until is not None and _moment(valid_until) <= datetime.now(UTC):
        raise PlaybookError(f"--valid-until {valid_until}: is over already; give a time to come")
    first = None if countersign is None else read_signature(countersign)
    if first is not None and (first.get("related_to"), first.get("related_version")) != (one.id, one.modified):
        raise PlaybookError(f"{countersign}: is a signature of another playbook or version; give one of {one.name}")
    made = sign(
        one.raw,
        read_key(key),
        signee=_named(person),
        created=_now(),
        valid_until=valid_until,
        countersigned=None if first is None else innermost(first),
    )
    path = write_signature(out, made if first is None else with_countersignature(first, made))
    say(f"{path}: {person} {'signed' if first is None else 'countersigned'} {one.name}")


def _check_signable(name: str, one: Playbook) -> None:
    from .cacao import PlaybookError
    from .lint import lint

    errors = [finding for finding in lint(one) if finding.severity == "error" or finding.rule in UNSIGNABLE]
    if errors:
        raise PlaybookError(f"{name}: {errors[0].path}: {errors[0].message}; mend it before you sign: {errors[0].mend}")


def _named(person: str) -> str:
    from .cacao import PlaybookError

    if not person.strip():
        raise PlaybookError("--person: is empty; give your name as the owners' trust files spell it")
    return person


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(text: str) -> Any:
    from datetime import datetime

    from pydantic import TypeAdapter, ValidationError

    from .cacao import PlaybookError, Timestamp

    try:
        return datetime.fromisoformat(TypeAdapter(Timestamp).validate_python(text))
    except (ValidationError, ValueError):
        raise PlaybookError(f"--valid-until {text}: is no CACAO time; write e.g. 2027-01-01T00:00:00.000Z") from None
