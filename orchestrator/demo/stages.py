"""The stages of the demonstration, each a command of its own, and what each gives.

Flows in: settings, a folder. Flows out: one JSON object, grown stage by stage. Stages that other rooms own run as their
commands (`tocsin twin import`, `attack paths`, `train`, `evaluate`); the incident and its worth are here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from .home import make_demo_home, write_terms
from .incident import Incident, Owners, PlantClient, play
from .processes import running

INTERNET = "internet"  # whose only asset is the outside
OPERATOR = "csms"  # the owner that runs the one node of the demonstration
PROBE_OWNER = "csms"
# Where its person has monitoring raised, to have it undone: on the first that the policy does not watch already.
PROBE_ASSETS = tuple(f"{PROBE_OWNER}/container/{name}" for name in ("desk", "db", "amqp", "api"))
Say = Callable[[str], None]


class StageError(ValueError):
    """A stage that did not do its work; the message says which and why."""


@dataclass(frozen=True)
class Settings:
    """What the demonstration does."""

    folder: Path  # everything it writes
    seconds: int = 60  # of training
    episodes: int = 500  # of evaluation
    pairs: int = 200  # of attacks in simulation
    attack_seed: int = 7  # the attack that the plant runs
    ticks: int = 240  # of the incident


@dataclass
class Demo:
    """The demonstration so far; `result` is what --json prints."""

    settings: Settings
    say: Say
    result: dict[str, Any] = field(default_factory=lambda: {"seconds": {}})

    @property
    def policy(self) -> Path:
        """The policy file that training writes."""
        return self.settings.folder / "policy.tocsin"

    def run(self) -> None:
        """All stages in order.

        Raises:
            StageError: one did not do its work; later ones are not tried.
        """
        for name, stage in (
            ("twin", self.twin),
            ("attack_paths", self.attack_paths),
            ("train", self.train),
            ("evaluate", self.evaluate),
            ("incident", self.incident),
            ("worth", self.worth),
        ):
            started = time.monotonic()
            self.say(name)
            stage()
            self.result["seconds"][name] = round(time.monotonic() - started, 1)

    def twin(self) -> None:
        """Read the shipped chain into a twin."""
        place = Path(str(files("tocsin.twin").joinpath("data/charging")))
        store = self.settings.folder / "twin.db"
        counts = _command("twin", "import", str(place), "--store", str(store))
        self.result["twin"] = _twin_counts(counts)

    def attack_paths(self) -> None:
        """Derive attack steps and draw the best paths."""
        picture = self.settings.folder / "paths.png"
        store = self.settings.folder / "twin.db"
        found = _command("attack", "paths", "--store", str(store), "--picture", str(picture))
        self.result["twin"]["attack_steps"] = found["twin"]["attack_steps"]
        self.result["paths"] = found["paths"]

    def train(self) -> None:
        """Learn a policy on Ray."""
        chart = self.settings.folder / "learning.png"
        self.result["training"] = _command(
            "train", "--seconds", str(self.settings.seconds), "--out", str(self.policy), "--chart", str(chart)
        )

    def evaluate(self) -> None:
        """Compare it with the baselines on episodes not trained on."""
        chart = self.settings.folder / "policies.png"
        evaluation = _command(
            "evaluate", "--policy", str(self.policy), "--episodes", str(self.settings.episodes), "--chart", str(chart)
        )
        self.result["policies"] = evaluation["policies"]

    def incident(self) -> None:
        """One attack with Tocsin and the same without.

        Raises:
            StageError: something that the demonstration shows did not happen.
        """
        self.play_incident()
        _check_incident(self.result)

    def play_incident(self) -> None:
        """Play both, whatever comes of it."""
        from rich.progress import Progress

        from ..audit import verify
        from ..store import open_store

        home = self.settings.folder / "home"
        owners = _make_home(home)
        with Progress(transient=True, disable=bool(self.result.get("quiet")), console=_stderr()) as bar:
            task = bar.add_task("incident, ticks", total=self.settings.ticks)
            incident, truth = _with_node(
                home, owners, self.policy, self.settings, lambda tick: bar.update(task, completed=tick)
            )
        without = _without_node(home, self.settings)
        engine = open_store(f"sqlite:///{home / 'store.sqlite'}")
        with engine.begin() as conn:
            verdict = verify(conn)
        self.result |= _told(incident)
        self.result["loss_with"], self.result["loss_without"] = _truth(truth), _truth(without)
        self.result["audit_verified"] = verdict.is_whole

    def worth(self) -> None:
        """The same comparison over many other attacks, in simulation."""
        self.result["pairs"] = _command("worth", "--policy", str(self.policy), "--pairs", str(self.settings.pairs))


def _command(*arguments: str) -> Any:
    """Run a command of ours with --json and give what it printed.

    Raises:
        StageError: it failed; the message is its own.
    """
    done = subprocess.run(  # noqa: S603  (our own command, no shell)
        [sys.executable, "-m", "tocsin", *arguments, "--json"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        raise StageError(f"tocsin {' '.join(arguments[:2])} failed with exit code {done.returncode}: {last}")
    return json.loads(done.stdout)


def _twin_counts(counts: Mapping[str, Any]) -> dict[str, Any]:
    """Totals of what `tocsin twin import --json` counts by kind; the internet is no owner of the chain."""
    owners = [owner for owner in counts["owners"] if owner != INTERNET]
    return {"owners": len(owners), **{name: sum(counts[name].values()) for name in ("assets", "links", "weaknesses")}}


def _make_home(home: Path) -> tuple[str, ...]:
    from ...playbooks.actions import load_library
    from ...twin.sources import load_example

    owners = tuple(owner.id for owner in load_example().twin.owners)
    make_demo_home(home, owners, load_library(), operator=OPERATOR)
    return tuple(owner for owner in owners if owner != INTERNET)


def _with_node(
    home: Path, owners: tuple[str, ...], policy: Path, settings: Settings, progress: Callable[[int], None]
) -> tuple[Incident, Mapping[str, Any]]:
    """The attack with a node: it is started first, told where the plant is, and the plant where it is."""
    from socket import socket

    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    write_terms(home, (*owners, INTERNET), f"http://127.0.0.1:{port}")
    # Without a file: the tuned threshold rule. Nobody has promoted the demonstration's policy.
    learned = ("--policy", str(policy), "--unsigned-policy") if policy.exists() else ()
    serve = ("serve", "--home", str(home), "--port", "0", "--clock", "lockstep", *learned)
    with running(*serve, log=home / "node.log") as node:
        plant = _plant_arguments(home, settings, f"127.0.0.1:{port}", "--orchestrator", node)
        with running(*plant, log=home / "plant.log") as place:
            people = Owners(home, node, owners, OPERATOR)
            incident = play(_operator(home, place), people, settings.ticks, probe=_probe(), progress=progress)
            return incident, _operator(home, place).truth()


def _without_node(home: Path, settings: Settings) -> Mapping[str, Any]:
    """The same attack, same keys, nobody answers."""
    plant = _plant_arguments(home, settings, "127.0.0.1:0")
    with running(*plant, log=home / "plant-alone.log") as place:
        operator = _operator(home, place)
        for _ in range(settings.ticks):
            operator.step()
        return operator.truth()


def _plant_arguments(home: Path, settings: Settings, listen: str, *more: str) -> tuple[str, ...]:
    tokens, seed = str(home / "plant.json"), str(settings.attack_seed)
    return ("plant", "--tokens", tokens, "--attack-seed", seed, "--listen", listen, "--lockstep", *more)


def _operator(home: Path, place: str) -> PlantClient:
    return PlantClient(place, json.loads((home / "plant.json").read_text())["operator"])


def _probe() -> dict[str, Any]:
    from ...playbooks.actions import load_library

    library = load_library()
    playbook = library.playbooks[library.index_of("raise-monitoring")].id
    reason = "a person wants a closer look; undone again by the demonstration"
    return {
        "owner": PROBE_OWNER,
        "bodies": [{"playbook": playbook, "targets": [asset], "reason": reason} for asset in PROBE_ASSETS],
    }


def _told(incident: Incident) -> dict[str, Any]:
    from ...playbooks.actions import load_library

    names = {playbook.id: playbook.name for playbook in load_library().playbooks}
    rows = [
        {
            "id": row["id"],
            "state": row["state"],
            "proposer": row["proposer"],
            "verified": any(step["to"] == "succeeded" for step in row["transitions"]),
            "playbook": names[row["playbook"]],
            "targets": row["targets"],
            "owners": row["owners"],
            "consents": row["consents"],
            "reason": row.get("reason", ""),
            "forecast": row.get("forecast"),
        }
        for row in incident.responses.values()
    ]
    shown = [row["forecast"] for row in rows if row["forecast"]]
    undone = [row["id"] for row in rows if row["state"] == "undone"]
    return {
        "responses": rows,
        "forecast": shown[0] if shown else None,
        "refused_consent": incident.refused_consent,
        "undone": undone,
    }


def _truth(truth: Mapping[str, Any]) -> dict[str, Any]:
    names = ("loss_total", "held", "ever_held", "contained", "time_to_contain_s", "way_in_closed", "eradicated")
    per_owner = {owner: round(sum(causes.values()), 4) for owner, causes in truth["loss"].items()}
    return {"per_owner": per_owner, **{name: truth[name] for name in names}}


def _check_incident(result: Mapping[str, Any]) -> None:
    """Say what did not happen that had to.

    Raises:
        StageError: no response of the policy succeeded, none was undone, a wrong owner's consent counted, or the audit
            log is broken.
    """
    from ..records import BY_NODE

    own = [row for row in result["responses"] if row["proposer"] == BY_NODE]
    faults = [
        (
            f"no response that the policy proposed was verified as carried out (it proposed {len(own)})",
            any(row["verified"] for row in own),
        ),
        ("no response was undone", bool(result["undone"])),
        ("no response was rehearsed", result["forecast"] is not None),
        (
            "a wrong owner's consent was not refused",
            bool(result["refused_consent"]) and result["refused_consent"]["status"] in (403, 404),
        ),
        ("the audit log does not verify", bool(result["audit_verified"])),
    ]
    broken = [fault for fault, is_fine in faults if not is_fine]
    if broken:
        raise StageError(f"incident: {'; '.join(broken)}")


def _stderr() -> Any:
    from rich.console import Console

    return Console(stderr=True)
