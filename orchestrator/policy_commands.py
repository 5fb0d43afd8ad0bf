"""`tocsin policy`: verify, card, use, rollback, watch; the training room adds promote.

Flows in: policy files, the home's folder of policies, a node's store. Flows out: text, JSON, exit codes. Heavy imports
stand inside the functions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .settings import home_of

if TYPE_CHECKING:
    from ..envs.policy_file import NumpyPolicy
    from ..envs.policy_shelf import PolicyShelf
    from .fitness import Fitness
    from .met import Met

HomeFlag = Annotated[Path | None, typer.Option("--home", help="Folder of keys, tokens and store (TOCSIN_HOME).")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="Policy file.")]
CANNOT_TELL = 2

policy = typer.Typer(help="Policies: promote, verify, use, roll back, watch.", no_args_is_help=True)


@policy.callback()
def _policy() -> None:
    """Promote policies, verify them, use them, go back, and see whether they are still fit."""


@policy.command("verify")
def verify(
    file: FileArgument,
    trust: Annotated[
        Path | None, typer.Option(help="Trust file with policy promoters; default: HOME/policies/trust.json.")
    ] = None,
    home: HomeFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Check file, version and promotion; exit code 1 if its promotion does not count, 2 if it is no intact policy file.

    Example: tocsin policy verify policy.tocsin --trust trust.json
    """
    from ..envs.policy_file import load_policy
    from ..envs.promotion import PromotionRefused, check_promoted
    from ..playbooks.trust import read_trust

    trusted = read_trust(trust or _shelf(home).trust)
    found = load_policy(file)
    try:
        signatory = check_promoted(found, trusted, datetime.now(UTC), where=str(file))
    except PromotionRefused as refused:
        if as_json:
            typer.echo(json.dumps({"verified": False, "refusal": refused.reason, "reason": str(refused)}))
        else:
            typer.echo(f"{refused.reason}: {refused}", err=True)
        raise typer.Exit(1) from None
    told = {"verified": True, "by": signatory.person, "id": found.card["id"], "promoted": found.card["modified"]}
    if as_json:
        typer.echo(json.dumps(told))
    else:
        typer.echo(f"{file}: {told['id']}, promoted by {signatory.person} at {told['promoted']}")


@policy.command("card")
def card(file: FileArgument, as_json: JsonFlag = False) -> None:
    """Print what a policy's card says; it is checked against the file, not whether anybody vouches for it.

    Example: tocsin policy card policy.tocsin
    """
    from ..envs.policy_file import PolicyFileError, load_policy

    found = load_policy(file)
    if as_json:
        typer.echo(json.dumps({"card": found.card, "signature": found.signature}, indent=1))
        return
    try:
        lines = card_lines(found)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise PolicyFileError(f"{file}: its card is of another form; see it with --json") from None
    for line in lines:
        typer.echo("".join(letter if letter.isprintable() else "?" for letter in line))  # the card is a stranger's


@policy.command("use")
def use(file: FileArgument, home: HomeFlag = None, as_json: JsonFlag = False) -> None:
    """Make a promoted policy the node's current one; a running node takes it. Example: tocsin policy use p.tocsin"""
    shelf = _shelf(home)
    found = shelf.use(file, datetime.now(UTC))
    _say_current(shelf, found, as_json)


@policy.command("rollback")
def rollback(home: HomeFlag = None, as_json: JsonFlag = False) -> None:
    """Go back to the policy before the current one; a running node takes it. Example: tocsin policy rollback"""
    shelf = _shelf(home)
    _, found = shelf.rollback(datetime.now(UTC))
    _say_current(shelf, found, as_json)


@policy.command("history")
def history(home: HomeFlag = None, as_json: JsonFlag = False) -> None:
    """Print which policies were used and gone back to, oldest first. Example: tocsin policy history"""
    standing = _shelf(home).standing()
    rows = [{"time": one.time, "action": one.action, "policy": one.policy} for one in standing.history]
    if as_json:
        typer.echo(json.dumps({"stack": list(standing.stack), "history": rows}))
        return
    for row in rows:
        typer.echo(f"{row['time']} {row['action']} {row['policy']}")
    typer.echo(f"current: {standing.stack[-1]}" if standing.stack else "no policy is used")


@policy.command("watch")
def watch(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Promoted policy; default: current.")] = None,
    node_store: Annotated[
        str | None, typer.Option(help="SQLite file or URL of a node's store; default: the home's store.")
    ] = None,
    from_file: Annotated[Path | None, typer.Option("--from", help="JSON of what was met, instead of a store.")] = None,
    home: HomeFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Compare what a policy meets with what it was trained on: exit code 0 fit, 1 train again, 2 cannot tell.

    Example: tocsin policy watch --home node
    """
    from ..envs.policy_shelf import ShelfError, read_verified
    from ..envs.profile import Profile
    from ..envs.promotion import PROMOTION
    from .fitness import Verdict, fitness
    from .met import MetError

    if node_store is not None and from_file is not None:
        raise MetError("--node-store and --from: give one of them")
    shelf, now = _shelf(home), datetime.now(UTC)
    place = file or shelf.current()
    found = shelf.current_verified(now) if file is None else read_verified(file, shelf.trusted(), now)
    if place is None or found is None:
        raise ShelfError(f"{shelf.folder}: no policy is used; name a FILE, or use one: tocsin policy use")
    profile = Profile.of_object(found.policy.card[PROMOTION].get("observations"))
    met = _met(home, node_store, from_file, found.digest)
    judged = fitness(profile, met.windows, met.outlooks, met.outcomes)
    if as_json:
        typer.echo(json.dumps(_told(judged, met)))
    else:
        _print(judged, place)
    code = {Verdict.FIT: 0, Verdict.TRAIN_AGAIN: 1, Verdict.CANNOT_TELL: CANNOT_TELL}[judged.verdict]
    if code:
        raise typer.Exit(code)


def _met(home: Path | None, node_store: str | None, from_file: Path | None, digest: str) -> Met:
    from ..playbooks.actions import load_library
    from .met import met_in_file, met_in_store
    from .store import open_existing

    if from_file is not None:
        return met_in_file(from_file)
    given = home_of(home).store_url if node_store is None else node_store
    return met_in_store(open_existing(given if "://" in given else Path(given)), digest, load_library())


def _told(judged: Fitness, met: Met) -> dict[str, Any]:
    from dataclasses import asdict

    return {"verdict": judged.verdict.value, "parts": [asdict(part) for part in judged.parts], "met": met.as_object()}


def _print(judged: Fitness, place: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("what", "verdict", "says", title=f"{place.name}: {judged.verdict}")
    for part in judged.parts:
        moved = "".join(f"\n{one.feature}: index {one.index:.2f}, never seen {one.novelty:.0%}" for one in part.moved)
        table.add_row(part.name, part.verdict.value, part.says + moved)
    Console().print(table)


def _shelf(home: Path | None) -> PolicyShelf:
    from ..envs.policy_shelf import PolicyShelf

    return PolicyShelf(home_of(home).path / "policies")


def _say_current(shelf: PolicyShelf, found: NumpyPolicy, as_json: bool) -> None:
    told = {"current": shelf.standing().stack[-1], "id": found.card["id"], "file": str(shelf.current())}
    typer.echo(json.dumps(told) if as_json else f"current: {told['id']}, {told['file']}")


def card_lines(found: NumpyPolicy) -> list[str]:
    """A card for people: what, how, figures with intervals, limits, suite."""
    from ..envs.promotion import PROMOTION

    content = found.card
    promotion: Mapping[str, Any] = content.get(PROMOTION) or {}
    lines = [f"policy {content.get('id', '(not promoted)')}, made by Tocsin {content.get('tocsin', '?')}"]
    lines += [f"trained: {content.get('how', '?')}; scenario {content.get('scenario', '?')}"]
    lines += [f"  {name}: {content[name]}" for name in ("samples", "iterations", "validation_loss") if name in content]
    made = content.get("made") or {}
    lines += [f"  {name}: {made[name]}" for name in ("commit", "seed", "python") if name in made]
    settings = content.get("settings") or {}
    lines += ["  settings: " + ", ".join(f"{name} {value}" for name, value in settings.items())] if settings else []
    if not promotion:
        return [*lines, "not promoted: no figures, nobody vouches for it"]
    suite, figures = promotion.get("suite", {}), promotion.get("figures", {})
    lines += [
        f"promoted by {promotion.get('by')} at {content.get('modified')} (whether that counts: tocsin policy verify)"
    ]
    if suite:
        lines += [f"suite {suite['name']}: {len(suite['chains'])} chains, {suite['attacks']} attacks"]
        lines += [f"  digest {suite['digest']}"]
    if figures:
        lines += ["loss per attack, owner-hours, 95 % intervals:", _row("policy", figures["loss"])]
        lines += [_row(name, one) for name, one in sorted(figures["baselines"].items(), key=lambda row: row[1]["mean"])]
        lines += [_row("clairvoyant", figures["clairvoyant"])] if figures.get("clairvoyant") else []
        spent = ", ".join(f"{name} {figures[name]:.2f}" for name in ("downtime", "false_containments", "consents"))
        lines += [f"per attack: {spent}; budget {promotion.get('budget')}"]
    lines += ["may propose: " + ", ".join(one["name"] for one in promotion.get("playbooks", []))]
    return [*lines, *(f"limit: {one}" for one in promotion.get("limits", []))]


def _row(name: str, one: Mapping[str, float]) -> str:
    return f"  {name}: {one['mean']:.2f} ({one['low']:.2f} to {one['high']:.2f})"
