"""`tocsin plant`: run the simulated plant; `tocsin plant measure`: measure the detectors on its telemetry.

Flows in: arguments. Flows out: a serving process, or a table. Heavy imports stand inside the functions.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...twin.rulebook.effects import Effect
    from .plant import Plant
    from .world import PlantWorld

DEFAULT_LISTEN = "127.0.0.1:8400"
log = logging.getLogger("tocsin.plant")

plant = typer.Typer(help="The simulated plant: a stand-in for the owners' real systems.", invoke_without_command=True)


class ArgumentError(ValueError):
    """An argument that cannot be used; the message names it and the mend."""


@plant.callback(epilog="Example: tocsin plant --tokens plant.json --attack-seed 7 --lockstep")
def run(
    context: typer.Context,
    tokens: Annotated[Path | None, typer.Option(help="JSON file: operator, actuator and sensor tokens.")] = None,
    chain: Annotated[Path | None, typer.Option(help="The chain's folder; default: the shipped example.")] = None,
    attack_seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Which attack.")] = 0,
    listen: Annotated[str, typer.Option(help="HOST:PORT, loopback only; port 0 takes a free one.")] = DEFAULT_LISTEN,
    orchestrator: Annotated[str, typer.Option(help="URL of the node that takes telemetry; none: dropped.")] = "",
    lockstep: Annotated[bool, typer.Option("--lockstep", help="Stand still until POST /step.")] = False,
    tick_seconds: Annotated[float, typer.Option(min=0.01, max=3600, help="Real seconds per tick, running free.")] = 1.0,
) -> None:
    """Run one attack on a chain, post telemetry, obey OpenC2. Nothing here is real."""
    if context.invoked_subcommand is not None:
        return
    if tokens is None:
        raise ArgumentError("--tokens FILE is missing; give the plant's token file")
    from ..serve import Listen, bind, check
    from .delivery import nowhere, to_orchestrator
    from .plant import Plant
    from .server import create_app
    from .tokens import read_tokens

    host, port = _address(listen)
    check(Listen(host, port))
    world = build_world(chain, attack_seed)
    known = read_tokens(tokens, owners=frozenset(world.compiled.twin.owner_by_id))
    taken = bind(Listen(host, port))
    try:
        world.warm_up()
        running = Plant(world, to_orchestrator(orchestrator, known.sensor) if orchestrator else nowhere)
        app = create_app(running, known, tick_s=world.compiled.tick_s, lockstep=lockstep)
        place = f"http://{host}:{taken.getsockname()[1]}"
        typer.echo(f"the simulated plant runs at {place}, attack {attack_seed}; end it with Ctrl-C", err=True)
        _serve(app, taken, None if lockstep else (running, tick_seconds))
    finally:
        taken.close()


@plant.command(epilog="Example: tocsin plant measure --out twin/data/detectors.json")
def measure(
    out: Annotated[Path | None, typer.Option(help="File to write the table to; default: standard output.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of the plant's draws.")] = 1,
    tries: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Per technique class; 20000 take a minute.")
    ] = 20_000,
) -> None:
    """Measure the detectors' confusion table on simulated telemetry."""
    from rich.console import Console

    from .measure import measure_confusion, to_json

    with Console(stderr=True).status(f"sending {tries} tries per class through the detectors"):
        table = measure_confusion(seed, tries)
    source = f"measured: tocsin plant measure --seed {seed} --tries {tries} (shipped detectors, simulated telemetry)"
    text = to_json(table, source)
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text)
    except OSError as error:
        raise ArgumentError(f"--out {out}: {error.strerror or error}; give a file that can be written") from None


def build_world(chain: Path | None, attack_seed: int) -> PlantWorld:
    """Give the world of one attack on a chain, with the shipped library's effects."""
    from ...twin.attack.steps import derive_steps
    from ...twin.compiled import compile_twin
    from ..assemble import load_twin
    from .world import PlantWorld

    twin = load_twin(chain)
    return PlantWorld(compile_twin(twin, derive_steps(twin)), _effects(), seed=attack_seed)


def _effects() -> tuple[Effect, ...]:
    from ...playbooks.actions import load_library

    return load_library().effects


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ArgumentError(f"--listen {listen!r}: write HOST:PORT, for example {DEFAULT_LISTEN}")
    return host.strip("[]"), int(port)


def _serve(app: object, taken: object, free: tuple[Plant, float] | None) -> None:
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, server_header=False))  # type: ignore[arg-type]
    ending = threading.Event()
    runner = threading.Thread(target=_run_free, args=(*free, ending), daemon=True) if free else None
    if runner:
        runner.start()
    try:
        server.run(sockets=[taken])  # type: ignore[list-item]
    finally:
        ending.set()
        if runner:
            runner.join()


def _run_free(running: Plant, tick_seconds: float, ending: threading.Event) -> None:
    from .plant import DeliveryFailed, PlantError

    while not ending.wait(tick_seconds):
        try:
            running.step(1)
        except DeliveryFailed as error:
            log.warning("%s", error)
        except PlantError:
            return
