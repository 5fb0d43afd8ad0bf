"""The orchestrator's commands: serve, keys, audit, response.

Flows in: arguments. Flows out: what the rooms behind them say, for people or as JSON. Heavy imports stand inside the
functions, so that listing commands stays quick.
"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .settings import DEFAULT_HOST, DEFAULT_PORT, PolicyChoice, home_of

HomeFlag = Annotated[Path | None, typer.Option("--home", help="Folder of keys, tokens and store (TOCSIN_HOME).")]
ChainFlag = Annotated[Path | None, typer.Option("--chain", help="The chain's folder; default: the shipped example.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class ClockKind(StrEnum):
    """Where the node reads the time."""

    SYSTEM = "system"
    LOCKSTEP = "lockstep"


class SigningRole(StrEnum):
    """What a signature of a person may count for, as `playbooks.vetting.VettingRole` has it."""

    AUTHOR = "author"
    REVIEWER = "reviewer"
    APPROVER = "approver"
    POLICY_PROMOTER = "policy-promoter"


def serve(
    home: HomeFlag = None,
    host: Annotated[str, typer.Option(help="Address; other than loopback needs TLS.")] = DEFAULT_HOST,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = DEFAULT_PORT,
    terms: Annotated[
        Path | None, typer.Option(help="YAML: budgets, never-touch list, OpenC2 addresses; default HOME/terms.yaml.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Promoted policy file; default: the home's current one, else a tuned rule.")
    ] = None,
    unsigned_policy: Annotated[
        bool, typer.Option("--unsigned-policy", help="Use a policy that nobody vouches for: trials only.")
    ] = False,
    chain: ChainFlag = None,
    clock: Annotated[ClockKind, typer.Option(help="lockstep: time is set by POST /v1/tick.")] = ClockKind.SYSTEM,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key of the certificate, PEM.")] = None,
) -> None:
    """Serve the orchestrator's API. Example: tocsin serve --home node"""
    from .assemble import Parts, build_node
    from .serve import Listen, bind, check
    from .serve import serve as run

    listen = Listen(host, port, tls_cert, tls_key)
    check(listen)
    taken = bind(listen)
    try:
        node = build_node(
            home_of(home),
            Parts(
                chain=chain,
                terms=terms,
                policy=PolicyChoice(policy, unsigned=unsigned_policy),
                lockstep=clock is ClockKind.LOCKSTEP,
            ),
        )
        port = taken.getsockname()[1]
        typer.echo(f"tocsin serves {listen.scheme}://{host}:{port} (docs at /docs); end it with Ctrl-C", err=True)
        run(node, listen, taken)
    finally:
        taken.close()


keys = typer.Typer(help="Make keys and tokens of owners and persons.", no_args_is_help=True)


@keys.callback()
def _keys() -> None:
    """Make keys and tokens of owners and persons."""


@keys.command("new")
def keys_new(
    home: HomeFlag = None,
    owner: Annotated[list[str] | None, typer.Option(help="An owner, repeated; default: those of the chain.")] = None,
    operator: Annotated[str, typer.Option(help="Owner that runs the node; default: the first.")] = "",
    chain: ChainFlag = None,
) -> None:
    """Make a home: keys, trust stores and tokens for every owner. Example: tocsin keys new --home node"""
    from .keys import make_home

    owners = owner or _owners_of(chain)
    place = home_of(home)
    make_home(place.path, owners, operator=operator or sorted(owners)[0])
    typer.echo(f"{place.path}: keys, trust stores and tokens for {', '.join(sorted(owners))} (readable by you only)")


@keys.command("person")
def keys_person(
    person: Annotated[str, typer.Argument(help="Name, as trust files are to spell it.")],
    out: Annotated[Path, typer.Option(help="File for the private key; must not be there.")],
    role: Annotated[list[SigningRole], typer.Option(help="What owners may count the key for; repeated.")],
) -> None:
    """Make a key to sign playbooks with; print its entry for trust files.

    Example: tocsin keys person ada --role author --out ada.jwk
    """
    from ..playbooks.vetting import VettingRole
    from .keys import make_person

    entry = make_person(out, person, [VettingRole(one.value) for one in role])
    try:
        typer.echo(json.dumps(entry))
    except OSError:
        out.unlink()  # nobody has its public part
        raise
    typer.echo(f"{out}: private key (readable by you only); the line above goes into owners' trust files", err=True)


def _owners_of(chain: Path | None) -> list[str]:
    from .assemble import load_twin

    return [owner.id for owner in load_twin(chain).owners]


audit = typer.Typer(help="The audit log.", no_args_is_help=True)


@audit.callback()
def _audit() -> None:
    """Check the audit log."""


@audit.command("verify")
def audit_verify(
    home: HomeFlag = None,
    store: Annotated[Path | None, typer.Option(help="SQLite file of the store; default: the home's store.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Check that no record, and no row they tell of, was changed; else exit code 1. Example: tocsin audit verify"""
    from . import audit as log
    from .store import open_existing, reading

    engine = open_existing(home_of(home).store_url if store is None else store)
    with reading(engine) as conn:
        verdict = log.verify(conn)
    if as_json:
        found = {"verified": verdict.is_whole, "records": verdict.records, "head": verdict.head.hash}
        typer.echo(json.dumps({**found, "broken": verdict.broken_seq, "reason": verdict.reason}))
    elif verdict.is_whole:
        typer.echo(f"{verdict.records} records, all whole, and the tables as they say; head {verdict.head.hash}")
    else:
        typer.echo(f"record {verdict.broken_seq} does not hold: {verdict.reason}", err=True)
    if not verdict.is_whole:
        raise typer.Exit(1)
