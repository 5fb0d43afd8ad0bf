"""`tocsin replay`.

Flows in: arguments. Flows out: one HTML file, a line or JSON. Heavy imports stand inside the functions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from .game import Game
    from .scripted import Defender


def replay(
    out: Annotated[Path, typer.Option(help="HTML file to write.")],
    scenario: Annotated[Path | None, typer.Option(help="Scenario file; default: the shipped one.")] = None,
    world: Annotated[int, typer.Option(help="Number of the world: another number, another attack.")] = 0,
    defender: Annotated[
        str,
        typer.Option(help="nothing, random, isolate-on-finding, isolate-on-belief, threshold, book or clairvoyant."),
    ] = "threshold",
    policy: Annotated[Path | None, typer.Option(help="Policy file that defends instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write an episode as one HTML page to scrub through. Example: tocsin replay --out r.html --world 3"""
    from .game import load_game
    from .replay import ReplayError, page_of, record_episode, summary_of
    from .scenario import read_scenario

    if not out.absolute().parent.is_dir():
        raise ReplayError(f"--out {out}: folder {out.parent} is not there; make it first")
    game = load_game(read_scenario(scenario))
    name, decide = _chosen(game, defender, policy)
    record = record_episode(game, decide, world=world, defended_by=name)
    try:
        out.write_text(page_of(record), "utf-8")
    except OSError as error:
        raise ReplayError(f"--out {out}: {error.strerror or error}; name a file that can be written") from None
    summary = {"file": str(out), "bytes": out.stat().st_size, **summary_of(record)}
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        lost = f"{summary['loss']:.2f} owner-hours lost in {summary['ticks']} ticks"
        typer.echo(f"{out}: {game.scenario.name}, world {world}, defended by {name}: {lost}. Open it in a browser.")


def _chosen(game: Game, defender: str, policy: Path | None) -> tuple[str, Defender]:
    """Name and rule of who defends."""
    from .learned import Learned
    from .policy_file import load_policy
    from .scripted import defender as scripted

    if policy is None:
        return defender, scripted(game, defender)
    return f"policy {policy.name}", Learned(game, load_policy(policy))
