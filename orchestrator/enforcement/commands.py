"""`tocsin actuator`: run the enforcement point, list its rules, take its table away.

Flows in: arguments. Flows out: a serving process, or text. Heavy imports stand inside the functions.
"""

from __future__ import annotations

import json
import logging
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..openc2.consumer import Gate

DEFAULT_LISTEN = "127.0.0.1:8450"
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
StateFlag = Annotated[Path, typer.Option("--state", help="SQLite file of rules and answers; made where it is not.")]
KeptFlag = Annotated[Path, typer.Option("--state", help="State file that the actuator was started with.")]

actuator = typer.Typer(help="Actuators on the owner's side: an OpenC2 packet filter on nftables.", no_args_is_help=True)


class ArgumentError(ValueError):
    """An argument that cannot be used; the message names it and the mend."""


@actuator.callback()
def _group() -> None:
    """Actuators on the owner's side: an OpenC2 packet filter on nftables."""


@actuator.command(
    epilog="Example: tocsin actuator nftables --token-file token --state filter.db --netns edge --map names.yaml"
)
def nftables(
    token_file: Annotated[Path, typer.Option(help="A bearer token, or JSON: producers, hashes, addresses.")],
    state: StateFlag,
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0 takes a free one.")] = DEFAULT_LISTEN,
    netns: Annotated[str, typer.Option(help="Network namespace to filter in; default: this process's.")] = "",
    names: Annotated[Path | None, typer.Option("--map", help="File from names of the twin to addresses.")] = None,
    inside: Annotated[
        list[str] | None, typer.Option(help="Interface that leads inside, or `local`; needed for directions.")
    ] = None,
    asset_id: Annotated[str, typer.Option(help="By which producers may name this filter.")] = "",
    table: Annotated[str, typer.Option(help="Name of the nftables table that is ours alone.")] = "tocsin",
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain, PEM; needed beyond loopback.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key of the certificate, PEM.")] = None,
) -> None:
    """Take OpenC2 commands of the packet filter and write them as nftables rules. Needs root."""
    from ..serve import Listen, bind, check
    from .nft import Place
    from .serving import build

    host, port = _address(listen)
    where = Listen(host, port, tls_cert, tls_key)
    check(where)
    _check_name("--table", table)
    if netns:
        _check_name("--netns", netns)
    taken = bind(where)
    try:
        port = taken.getsockname()[1]
        place = Place(table, netns, tuple(inside or ()), management=None if netns else port)
        gate = build(place, token_file=token_file, state=state, names=names, asset_id=asset_id)
        typer.echo(f"packet filter at {where.scheme}://{host}:{port}/.well-known/openc2; end it with Ctrl-C", err=True)
        _serve(gate, taken, tls_cert, tls_key)
    finally:
        taken.close()


@actuator.command(epilog="Example: tocsin actuator rules --state filter.db --json")
def rules(state: KeptFlag, as_json: JsonFlag = False) -> None:
    """List the rules that an enforcement point keeps, top-down."""
    from dataclasses import asdict

    from ...playbooks.cacao_reading import one_line
    from .store import read_rules

    if not state.is_file():
        raise ArgumentError(f"--state {state}: no such file; name the one that the actuator was started with")
    kept = read_rules(state)
    if as_json:
        typer.echo(json.dumps([{**asdict(rule), "producer": rule.producer} for rule in kept], indent=2))
        return
    for rule in kept:
        flows = "; ".join(f"{f.src or 'any'} -> {f.dst or 'any'}{f':{f.dport}' if f.dport else ''}" for f in rule.flows)
        typer.echo(one_line(f"{rule.number:>9} {rule.producer} {rule.verb:<5} {flows} {rule.subject}".rstrip()))


@actuator.command(epilog="Example: tocsin actuator lift --state filter.db --producer edge --json")
def lift(
    state: KeptFlag,
    producer: Annotated[str, typer.Option(help="Whose rules; also one that has left the token file.")],
    as_json: JsonFlag = False,
) -> None:
    """Take away all rules of one producer, here and in the kernel, while the actuator does not run. Needs root."""
    from dataclasses import asdict

    from .lifting import lift as lift_of

    if not state.is_file():
        raise ArgumentError(f"--state {state}: no such file; name the one that the actuator was started with")
    done = lift_of(state, producer)
    if as_json:
        typer.echo(json.dumps(asdict(done)))
        return
    kernel = "and from the kernel" if done.kernel else "our table is not in the kernel"
    typer.echo(f"lifted {len(done.rules)} rules of {done.producer}, {kernel}")


@actuator.command(epilog="Example: tocsin actuator remove --netns edge")
def remove(
    netns: Annotated[str, typer.Option(help="Network namespace; default: this process's.")] = "",
    table: Annotated[str, typer.Option(help="Name of the table.")] = "tocsin",
) -> None:
    """Take our table out of the kernel, whatever it holds; the state file stays. Nothing else is touched."""
    from .nft import Place, removal, run

    _check_name("--table", table)
    if netns:
        _check_name("--netns", netns)
    place = Place(table, netns)
    run(removal(place), place)


def _serve(gate: Gate, taken: socket.socket, tls_cert: Path | None, tls_key: Path | None) -> None:
    import uvicorn

    from ..openc2.consumer import create_consumer

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    config = uvicorn.Config(
        create_consumer(gate),
        log_level="warning",
        lifespan="off",
        server_header=False,
        ssl_certfile=str(tls_cert) if tls_cert else None,
        ssl_keyfile=str(tls_key) if tls_key else None,
    )
    uvicorn.Server(config).run(sockets=[taken])


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ArgumentError(f"--listen {listen!r}: write HOST:PORT, for example {DEFAULT_LISTEN}")
    return host.strip("[]"), int(port)


def _check_name(option: str, name: str) -> None:
    import re

    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", name):
        raise ArgumentError(f"{option} {name!r}: write letters, digits, - and _, a letter first")
