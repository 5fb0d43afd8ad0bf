"""Command line of the page: `tocsin viz`.

Flows in: scenario files. Flows out: a server of the page on loopback, until it is stopped.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

PORT = 8765
SCENARIOS = "TOCSIN_VIZ_SCENARIOS"  # environment of the server: files to choose from, os.pathsep between them

QUIET = {  # Solara tells nobody of us, and its banner stays off
    "SOLARA_TELEMETRY_MIXPANEL_ENABLE": "false",
    "SOLARA_THEME_SHOW_BANNER": "false",
}


class VizError(ValueError):
    """The page cannot be served; the message names the mend."""


def viz(
    scenarios: Annotated[
        list[Path] | None, typer.Argument(help="Scenario files to choose from; default: the shipped one.")
    ] = None,
    port: Annotated[int, typer.Option(help="Of the server, on loopback.", min=1, max=65535)] = PORT,
    opens: Annotated[bool, typer.Option("--open/--no-open", help="Open it in a browser.")] = False,
) -> None:
    """Watch agents play a scenario on an interactive page. Example: tocsin viz my-scenario.yaml"""
    from .scenario import read_scenario

    if find_spec("solara") is None:
        raise VizError("the page needs the extra viz; run pip install 'tocsin[viz]'")
    for one in scenarios or []:
        read_scenario(one)  # what cannot be played is refused before a server starts
    typer.echo(f"http://127.0.0.1:{port}")
    raise typer.Exit(serve(scenarios or [], port, opens=opens))


def serve(scenarios: list[Path], port: int, *, opens: bool) -> int:
    """Serve the page until it is stopped; gives the server's exit code."""
    from .scenario import EXAMPLE

    chosen = os.pathsep.join(str(one.absolute()) for one in scenarios) or EXAMPLE
    environment = {**os.environ, **QUIET, SCENARIOS: chosen}
    options = ["--host", "127.0.0.1", "--port", str(port), "--production", "--no-check-version"]
    options.append("--open" if opens else "--no-open")
    command = [sys.executable, "-m", "solara", "run", "tocsin.envs.page", *options]
    try:
        return subprocess.run(command, env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 0
