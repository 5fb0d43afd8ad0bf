"""The commands about responses: list, show, propose, consent, deny, undo; they call the API as one owner.

Flows in: arguments, a token, for consents a signing key. Flows out: what the node says. The signature is made here: the
key never leaves this machine.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .settings import DEFAULT_URL

if TYPE_CHECKING:
    from .client import Client

Url = Annotated[str, typer.Option("--url", envvar="TOCSIN_URL", help="Where the node's API is.")]
TokenFile = Annotated[Path | None, typer.Option("--token-file", help="File of your token (TOCSIN_TOKEN_FILE).")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Id = Annotated[str, typer.Argument(help="Id of the response.")]

MAX_VALID_S = 365 * 86_400.0  # a yes that holds longer than a year is no answer to an incident

response = typer.Typer(help="See responses, propose them, consent to them, have them undone.", no_args_is_help=True)


@response.command("list")
def list_all(url: Url = DEFAULT_URL, token_file: TokenFile = None, as_json: JsonFlag = False) -> None:
    """List the responses in your view. Example: tocsin response list --token-file node/tokens/edge.viewer.token"""
    rows = _client(url, token_file).get("/v1/responses")
    if as_json:
        typer.echo(json.dumps(rows))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("id", "state", "targets", "owners", "reason")
    for row in rows:
        targets = "\n".join(_line(one) for one in row["targets"])
        cells = (_line(row["id"]), _state(row), targets, _line(", ".join(row["owners"])), _line(row.get("reason", "")))
        table.add_row(*(Text(cell) for cell in cells))  # its markup would be read, too
    Console().print(table)


@response.command()
def show(id_: Id, url: Url = DEFAULT_URL, token_file: TokenFile = None, as_json: JsonFlag = False) -> None:
    """Show one response, its forecast and its history. Example: tocsin response show response--..."""
    row = _client(url, token_file).get(f"/v1/responses/{id_}")
    if as_json:
        typer.echo(json.dumps(row))
        return
    for name, value in row.items():
        typer.echo(f"{_line(name)}: {_line(value)}")


@response.command()
def propose(
    playbook: Annotated[str, typer.Argument(help="Name or id of a playbook, see tocsin playbook list.")],
    targets: Annotated[list[str], typer.Argument(help="Asset ids, boundary links as the node names them, or owners.")],
    reason: Annotated[str, typer.Option(help="Why, for those who are asked.")] = "",
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Propose a response; it is rehearsed, then asked for. Example: tocsin response propose notify-contact shop"""
    body = {"playbook": playbook, "targets": targets, "reason": reason}
    row = _client(url, token_file).post("/v1/responses", body)
    typer.echo(json.dumps(row) if as_json else f"{row['id']}: {row['state']}; asked: {', '.join(row['owners'])}")


@response.command()
def consent(
    id_: Id,
    owner: Annotated[str, typer.Option(help="Owner for whom you sign.")],
    key: Annotated[Path, typer.Option(help="Your private signing key, a JWK file.")],
    person: Annotated[str, typer.Option(help="Your name in the owner's trust store; default approver@OWNER.")] = "",
    deny: Annotated[bool, typer.Option("--deny", help="Say no instead of yes.")] = False,
    valid_s: Annotated[
        float, typer.Option(min=1, max=MAX_VALID_S, help="Seconds for which the answer holds.")
    ] = 3600.0,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
) -> None:
    """Sign your owner's answer to a response. Example: tocsin response consent ID --owner edge --key edge.jwk"""
    from datetime import timedelta

    from .client import sign_for
    from .consent import Decision
    from .keys import load_key

    client = _client(url, token_file)
    jws = sign_for(
        client,
        id_,
        Decision.DENY if deny else Decision.APPROVE,
        load_key(key),
        owner=owner,
        person=person or f"approver@{owner}",
        valid=timedelta(seconds=valid_s),
    )
    client.post(f"/v1/responses/{id_}/consent", {"jws": jws})
    typer.echo(f"{id_}: {owner} {'denied' if deny else 'consented'}")


@response.command()
def undo(id_: Id, url: Url = DEFAULT_URL, token_file: TokenFile = None) -> None:
    """Have a response undone at the next tick. Example: tocsin response undo ID"""
    _client(url, token_file).post(f"/v1/responses/{id_}/undo", None)
    typer.echo(f"{id_}: will be undone")


def _client(url: str, token_file: Path | None) -> Client:
    from .client import Client
    from .settings import token_of

    return Client(url, token_of(token_file))


def _state(row: dict[str, Any]) -> str:
    return f"{row['state']}, undo overdue" if row.get("undo_overdue") else str(row["state"])


def _line(value: Any) -> str:
    """A value on one line: whoever proposed it wrote its reason, and steers no terminal of who is asked."""
    from ..playbooks.cacao_reading import printable

    return printable(value) if isinstance(value, str) else json.dumps(value)
