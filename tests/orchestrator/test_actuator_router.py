"""One door for all command types, and how others add theirs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import pytest
import tocsin
from tocsin.orchestrator.actuators.base import Order, Outcome, Refused
from tocsin.orchestrator.actuators.openc2_http import OpenC2Http
from tocsin.orchestrator.actuators.router import TYPES, Router, build, installed, usable, why_not
from tocsin.orchestrator.actuators.setup import SetupError
from tocsin.orchestrator.sending import Sending

ROOT = Path(tocsin.__file__).parent
EXAMPLE = ROOT / "docs" / "examples" / "tocsin-sigma"
RULE = "title: t\ndetection:\n  a: {b: c}\n  condition: a\n"
USE = """
import json, sys
from pathlib import Path
from tocsin.orchestrator.actuators import Order, OpenC2Http, Refused
from tocsin.orchestrator.actuators.router import build
router = build(Path(sys.argv[1]), OpenC2Http({}))
order = Order("k", "edge", {"text": sys.argv[2]}, "sigma")
said = [router.carry_out(order).text for _ in range(2)]
try:
    router.carry_out(Order("k2", "edge", {"text": "nothing"}, "sigma"))
except Refused as error:
    said.append(str(error))
print(json.dumps(said))
"""


@pytest.mark.parametrize("kind", ["sigma", "yara", "caldera-cmd", "elastic", "jupyter", "kestrel"])
def test_types_without_an_actuator_are_refused_with_the_reason(tmp_path: Path, kind: str) -> None:
    """It says what to install, and where to read on."""
    router = build(tmp_path, OpenC2Http({}))
    with pytest.raises(Refused, match=f"{kind}.*no actuator.*entry point"):
        router.carry_out(Order("k", "edge", {"text": "x"}, kind))
    assert router.read(Order("k", "edge", {}, kind)) is None


def test_types_that_are_not_set_up_say_so(tmp_path: Path) -> None:
    """Installed, but without settings at this node nothing runs; tasks for people need none."""
    router = build(tmp_path, OpenC2Http({}))
    assert set(router.actuators) == {"openc2-http", "manual"}
    for kind in ("bash", "powershell", "ssh", "http-api"):
        assert "not set up at this node" in why_not(kind, router.actuators)
        with pytest.raises(Refused, match="not set up"):
            router.carry_out(Order("k", "edge", {"text": "true"}, kind))
    assert why_not("manual", router.actuators) == "" and usable(tmp_path) == set(router.actuators)


def test_settings_set_them_up(tmp_path: Path) -> None:
    """HOME/actuators.yaml, by command type; a type nobody installed or broken settings are told at the start."""
    (tmp_path / "actuators.yaml").write_text("bash: {programs: {}}\n")
    assert "bash" in build(tmp_path, OpenC2Http({})).actuators and "bash" in usable(tmp_path)
    for text, told in (
        ("sigma: {}", "no actuator"),
        ("bash: {x: 1}", "bash.x"),
        ("- 1", "mapping"),
        ("bash: [", "mend it"),
    ):
        (tmp_path / "actuators.yaml").write_text(text)
        with pytest.raises(SetupError, match=told):
            build(tmp_path, OpenC2Http({}))


def test_every_type_of_the_standard_is_known_here() -> None:
    """The list is that of the model of playbooks; what we bring is installed."""
    assert len(set(TYPES)) == 12 and {"http-api", "ssh", "bash", "powershell", "manual"} <= set(installed())
    for kind in TYPES:
        assert kind in (ROOT / "playbooks" / "cacao_commands.py").read_text()


def test_an_actuator_that_does_not_remove_duplicates_is_asked_first() -> None:
    """The router reads before it writes again."""
    from tocsin.orchestrator.actuators.router import Router

    class Plain:
        removes_duplicates = False
        done = 0

        def carry_out(self, order: Order) -> Outcome:
            self.done += 1
            return Outcome(200)

        def read(self, order: Order) -> Outcome | None:
            return Outcome(200) if self.done else None

    plain = Plain()
    router = Router({"bash": plain})
    for _ in range(2):
        assert router.carry_out(Order("k", "edge", {}, "bash")).status == 200
    assert plain.done == 1


def test_a_package_of_others_adds_a_type(tmp_path: Path) -> None:
    """The example of the docs: under 50 lines, installed by pip, found by its entry point, used by a node's router."""
    lines = sum(len(path.read_text().splitlines()) for path in EXAMPLE.iterdir() if path.is_file())
    assert lines < 50
    site, rules, home = tmp_path / "site", tmp_path / "rules", tmp_path / "home"
    source = tmp_path / "source"
    source.mkdir()
    for path in EXAMPLE.iterdir():
        if path.is_file():
            (source / path.name).write_bytes(path.read_bytes())
    words = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site)]
    if int(version("setuptools").split(".")[0]) > 70:  # it builds wheels by itself, so nothing need be fetched
        words.append("--no-build-isolation")
    subprocess.run([*words, str(source)], check=True, capture_output=True)
    rules.mkdir()
    home.mkdir()
    (home / "actuators.yaml").write_text(f"sigma: {{folder: {rules}}}\n")
    done = subprocess.run(
        [sys.executable, "-c", USE, str(home), RULE],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    first, again, refusal = json.loads(done.stdout)
    assert first == again and "no Sigma rule" in refusal
    (rule,) = rules.iterdir()
    assert rule.read_text() == RULE


@dataclass
class Alone:
    """An actuator for one thread at a time, that notes when two were there."""

    removes_duplicates: bool = True
    there: int = 0
    most: int = 0
    gone: list[str] = field(default_factory=list)

    def carry_out(self, order: Order) -> Outcome:
        """Take a while."""
        with self._here():
            time.sleep(0.2)
        return Outcome(200)

    def read(self, order: Order) -> Outcome | None:
        """Know nothing."""
        return None

    def give_up(self, key: str) -> bool:
        """Note it."""
        with self._here():
            self.gone.append(key)
        return True

    @contextmanager
    def _here(self) -> Iterator[None]:
        self.there += 1
        self.most = max(self.most, self.there)
        yield
        self.there -= 1


@pytest.mark.parametrize("routed", [True, False], ids=["behind the router", "by itself"])
def test_an_actuator_for_one_thread_is_given_up_by_one_at_a_time(routed: bool) -> None:
    """What nobody waits for is told when the order under way has ended, not into it."""
    alone = Alone()
    router = Router({"sigma": alone})
    order = Order("k", "edge", {"text": "x"}, "sigma")
    with Sending(router if routed else alone) as sending:
        sending.send(order, was_sent=False)
        while not alone.there:
            time.sleep(0.001)
        sending.forget("k")
        assert sending.give_up("k") is True
    assert (alone.most, alone.gone) == (1, ["k"])
