"""`tocsin policy promote`: judge a policy on a held-out suite, and sign it if nothing speaks against it.

Flows in: a trained policy file, a suite, a budget, the promoter's key. Flows out: a promoted file, or every reason
against it. Heavy imports stand inside the functions.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..envs.policy_file import NumpyPolicy
    from .promote import Bounds, Reason, Shown
    from .suites import Suite


def promote(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Trained policy file.")],
    suite: Annotated[str, typer.Option(help="Held-out, frozen suite: a shipped one by name, or a file.")],
    key: Annotated[Path, typer.Option(help="Your private key: JWK, Ed25519.")],
    person: Annotated[str, typer.Option(help="Your name as the node's trust file spells it.")],
    out: Annotated[Path, typer.Option(help="Promoted policy file to write.")],
    downtime: Annotated[float, typer.Option(min=0, help="Budget: owner-hours per attack lost to responses alone.")],
    false: Annotated[float, typer.Option(min=0, help="Budget: containments per attack of what no attacker held.")],
    valid_days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="Days that it holds; default: no end.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Judge a policy on a held-out suite and sign it; exit code 1 with every reason if it must not be promoted.

    Example: tocsin policy promote p.tocsin --suite tocsin-bench-1 --downtime 0.5 --false 2 --key k.jwk --person ada
    --out promoted.tocsin
    """
    from ..envs.policy_file import OtherVersion, load_policy
    from ..playbooks.trust import read_key
    from .promote import Bounds, Reason, check_bounds, check_person, reasons_against
    from .settings import check_place
    from .suites import read_suite

    check_place("--out", out)
    bounds = check_bounds(Bounds(downtime, false))
    private, judged_on, person = read_key(key), read_suite(suite), check_person(person)
    _check_frozen(judged_on)
    try:
        policy = load_policy(file)
    except OtherVersion as error:
        _refuse((Reason("another_version", str(error)),), None, as_json)
        return
    shown = _shown(judged_on, policy, bounds, as_json)
    reasons = reasons_against(shown, bounds)
    if reasons:
        _refuse(reasons, shown, as_json)
        return
    _write(policy, judged_on, shown, bounds, private, person, out, valid_days, as_json)


def _check_frozen(suite: Suite) -> None:
    from .suites import SuiteError

    if suite.said.digest is None:
        raise SuiteError(
            f"--suite {suite.name}: is not frozen, so its figures prove nothing to others; write its digest into it, "
            "or take a shipped suite"
        )


def _shown(suite: Suite, policy: NumpyPolicy, bounds: Bounds, quiet: bool) -> Shown:
    from rich.console import Console
    from rich.progress import Progress

    from .candidate import shown_on

    with Progress(console=Console(stderr=True), disable=quiet, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        return shown_on(suite, policy, bounds, lambda name, share: bar.update(task, completed=share, description=name))


def _refuse(reasons: tuple[Reason, ...], shown: Shown | None, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        figures = None if shown is None else asdict(shown)
        typer.echo(json.dumps({"promoted": False, "reasons": [asdict(one) for one in reasons], "shown": figures}))
    else:
        for reason in reasons:
            typer.echo(f"{reason.name}: {reason.message}", err=True)
    raise typer.Exit(1)


def _write(
    policy: NumpyPolicy,
    suite: Suite,
    shown: Shown,
    bounds: Bounds,
    key: Any,
    person: str,
    out: Path,
    valid_days: int | None,
    as_json: bool,
) -> None:
    from datetime import timedelta

    from ..envs.game import playbooks_of
    from ..envs.policy_file import packed_policy, write_whole
    from ..envs.promotion import listed, promoted
    from .candidate import met_in_training
    from .promote import told
    from .runs import commit, packages

    now = datetime.now(UTC)
    content = told(
        shown,
        bounds,
        playbooks=listed(playbooks_of(suite.judged[0].scenario)),
        observations=met_in_training(suite, policy).as_object(),
        judged_by={"commit": commit(), "packages": packages()},
    )
    until = None if valid_days is None else now + timedelta(days=valid_days)
    write_whole(out, packed_policy(promoted(policy, content, key, person=person, now=now, valid_until=until)))
    if as_json:
        typer.echo(json.dumps({"promoted": True, "policy": str(out), "figures": content["figures"]}))
    else:
        typer.echo(f"{out}: promoted by {person}; it loses {shown.loss} owner-hours per attack on {shown.suite}")
