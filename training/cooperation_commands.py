"""`tocsin cooperation`.

Flows in: arguments. Flows out: tables, JSON. Heavy imports stand inside the functions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..envs.policy_file import NumpyPolicy
    from .chains import Trial
    from .cooperation import Table
    from .cooperation_draws import Drawing
    from .robust import Extent


def cooperation(
    scenario: Annotated[
        list[Path] | None, typer.Option(help="Scenario file; default: the shipped one; may be repeated.")
    ] = None,
    chains: Annotated[
        int, typer.Option(help="Chains to judge on for each scenario that generates them; as many others are tuned on.")
    ] = 1,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help="Policy file for all owners' seats, or NAME=FILE; for one kind of cooperation alone KIND=FILE or "
            "NAME:KIND=FILE, with both, findings, consent or neither; may be repeated."
        ),
    ] = None,
    attacks: Annotated[int, typer.Option(help="Attacks on each chain, 2 or more.")] = 200,
    against: Annotated[str, typer.Option(help="Compare all with this policy, owner by owner.")] = "",
    draws: Annotated[int, typer.Option(help="Play the table under so many draws of all assumed numbers; 0: none.")] = 0,
    draw_attacks: Annotated[int, typer.Option(help="Attacks in each draw, 2 or more.")] = 20,
    draw_seed: Annotated[int | None, typer.Option(help="Of the draws.")] = None,
    keep: Annotated[
        Path | None, typer.Option(help="File that keeps each draw; a run with the same file goes on from there.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """What shared findings and quick consent are worth. Example: tocsin cooperation --policy owners.tocsin"""
    from ..envs.scenario import read_scenario
    from .chains import trials
    from .cooperation import CooperationError, check

    extent = _extent(draws, draw_attacks, draw_seed, keep)
    learned = networks_of(policy or [])
    check(learned, attacks, against)
    read = [read_scenario(path) for path in (scenario or (None,))]
    if extent is not None and len(read) > 1:
        raise CooperationError("--draws: are of one scenario; leave the other --scenario out")
    made = [one for one in read if one.generate is not None]
    judged = {one.name: trials([one], chains if one in made or not made else 1) for one in read}
    if len(judged) < len(read):
        raise CooperationError("two scenarios have one name; give each a name of its own")
    if extent is not None and keep is not None:
        _check_keep(keep, read[0].name, judged[read[0].name], learned, extent)
    tables = [_compare(name, of, learned, attacks, against, quiet=as_json) for name, of in judged.items()]
    drawn = None if extent is None else _draw(tables[0], judged[tables[0].scenario], learned, extent, keep, as_json)
    if as_json:
        from .cooperation_told import as_dict, draws_as_dict

        told = {"tables": [as_dict(table, learned) for table in tables]}
        typer.echo(json.dumps(told if drawn is None else {**told, "draws": draws_as_dict(drawn)}))
    else:
        _print(tables, drawn)


def networks_of(given: Sequence[str]) -> dict[str, dict[str, NumpyPolicy]]:
    """Load what `--policy` names, by policy and kind.

    Raises:
        CooperationError: a kind that there is not, or one named twice.
        EvaluationError, PolicyFileError: a name is empty or taken; a file cannot be used.
    """
    from ..envs.kinds import ARMS
    from ..envs.policy_file import load_policy
    from .contenders import TRAINED
    from .cooperation import CooperationError
    from .evaluate_commands import learned_of

    whole: list[str] = []
    found: dict[str, dict[str, NumpyPolicy]] = {}
    for one in given:
        place, equals, file = one.partition("=")
        name, colon, kind = place.rpartition(":")
        if not equals or not (colon or place in ARMS):
            whole.append(one)
            continue
        name = name if colon else TRAINED
        if kind not in ARMS:
            raise CooperationError(f"--policy {one}: {kind!r} is no kind; write NAME:KIND=FILE with {', '.join(ARMS)}")
        if not name or kind in found.get(name, {}):
            raise CooperationError(f"--policy {one}: its name is empty, or has a network for {kind} already")
        found.setdefault(name, {})[kind] = load_policy(Path(file))
    for name, policy in learned_of(whole).items():
        if name in found:
            raise CooperationError(f"--policy {name}: is given for all kinds and for one; name one of them otherwise")
        found[name] = dict.fromkeys(ARMS, policy)
    return found


def _extent(draws: int, attacks: int, seed: int | None, keep: Path | None) -> Extent | None:
    """How much is drawn; None: nothing."""
    from .cooperation import CooperationError
    from .robust import SEED, Extent
    from .settings import check_place

    if not draws:
        if keep is not None:
            raise CooperationError("--keep: keeps draws; give --draws too")
        return None
    if attacks < 2:
        raise CooperationError(f"--draw-attacks {attacks}: give 2 or more")
    if seed is not None and seed < 0:
        raise CooperationError(f"--draw-seed {seed}: give 0 or more")
    if keep is not None:
        check_place("--keep", keep)
    return Extent(draws, chains=1, attacks=attacks, seed=SEED if seed is None else seed)


def _check_keep(
    keep: Path, name: str, trials: Sequence[Trial], learned: dict[str, dict[str, NumpyPolicy]], extent: Extent
) -> None:
    """The table takes long: a file that cannot keep its draws is refused before."""
    from .cooperation_draws import begun_by, names_of
    from .robust_keeping import check_kept

    check_kept(keep, begun_by(name, trials, learned, extent), names_of(learned))


def _bar(quiet: bool) -> Any:
    from rich.console import Console
    from rich.progress import Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:-1], TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True)


def _compare(
    name: str,
    trials: Sequence[Trial],
    learned: dict[str, dict[str, NumpyPolicy]],
    attacks: int,
    against: str,
    *,
    quiet: bool,
) -> Table:
    from .cooperation import compare

    with _bar(quiet) as bar:
        task = bar.add_task(name, total=1.0)
        return compare(
            name,
            trials,
            learned,
            attacks,
            against=against,
            progress=lambda share: bar.update(task, completed=share),
        )


def _draw(
    table: Table,
    trials: Sequence[Trial],
    learned: dict[str, dict[str, NumpyPolicy]],
    extent: Extent,
    keep: Path | None,
    quiet: bool,
) -> Drawing:
    from .cooperation_draws import drawings, header_of, names_of
    from .robust_keeping import add, read_kept

    known = {} if keep is None else read_kept(keep, header_of(table, trials, learned, extent), names_of(learned))
    with _bar(quiet) as bar:
        task = bar.add_task("", total=1.0)
        return drawings(
            table,
            trials,
            learned,
            extent,
            known=known,
            keep=(lambda number, means: None) if keep is None else lambda number, means: add(keep, number, means),
            progress=lambda name, share: bar.update(task, completed=share, description=name),
        )


def _print(tables: Sequence[Table], drawn: Drawing | None) -> None:
    from rich.console import Console

    from . import cooperation_told as told

    console = Console()
    for table in tables:
        console.print(told.losses(table))
        if table.against:
            console.print(told.owners(table))
        console.print(told.tuned(table))
    if drawn is not None:
        console.print(told.draws(drawn))
