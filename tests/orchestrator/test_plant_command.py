"""`tocsin plant` as its users run it: in its own process, and refusing what it cannot use."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import typer
from tocsin.orchestrator.assemble import load_twin
from tocsin.orchestrator.plant.commands import plant
from tocsin.orchestrator.plant.tokens import TokensError, read_tokens
from tocsin.twin.sensing.confusion import parse_confusion
from typer.testing import CliRunner

PLANT = [sys.executable, "-c", "from tocsin.orchestrator.plant.commands import plant; plant()"]
OPERATOR = "operator-token-0000"


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    owners = load_twin(None).owner_by_id
    path = tmp_path / "plant.json"
    pairs = {name: {"actuator": f"actuator-token-{name}", "sensor": [f"sensor-token-{name}"]} for name in owners}
    path.write_text(json.dumps({"operator": OPERATOR, "owners": pairs}))
    return path


@contextmanager
def started(tokens: Path, *more: str) -> Iterator[str]:
    """A plant in its own process; gives its URL."""
    arguments = ["--tokens", str(tokens), "--attack-seed", "3", "--listen", "127.0.0.1:0", *more]
    process = subprocess.Popen([*PLANT, *arguments], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    try:
        assert "simulated plant" in line, line
        yield line.split("runs at ")[1].split(",")[0]
    finally:
        process.terminate()
        process.wait(10)
        process.stderr.close()


def reached(url: str) -> dict[str, object]:
    for _ in range(100):
        try:
            return dict(httpx.get(f"{url}/clock").json())
        except httpx.ConnectError:
            time.sleep(0.05)
    raise AssertionError(f"{url} not reached")


def test_the_plant_runs_in_its_own_process(tokens: Path) -> None:
    """It stands until stepped, ends, then tells the truth."""
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    with started(tokens, "--lockstep") as url:
        assert reached(url)["tick"] == 0
        assert httpx.post(f"{url}/step", json={"ticks": 30}, headers=headers, timeout=60).json()["tick"] == 30
        httpx.post(f"{url}/end", headers=headers)
        assert httpx.get(f"{url}/truth", headers=headers).json()["attack_seed"] == 3


def test_a_free_plant_goes_on_by_itself(tokens: Path) -> None:
    """Without --lockstep its clock runs, and it stops when told."""
    with started(tokens, "--tick-seconds", "0.02") as url:
        before = reached(url)
        time.sleep(0.5)
        after = reached(url)
        assert after["mode"] == "free" and int(str(after["tick"])) > int(str(before["tick"]))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--tokens FILE is missing"),
        (("--tokens", "nowhere.json"), "nowhere.json"),
        (("--tokens", "nowhere.json", "--listen", "8400"), "write HOST:PORT"),
        (("--tokens", "nowhere.json", "--listen", "0.0.0.0:8400"), "not loopback"),
        (("--tokens", "nowhere.json", "--chain", "nowhere"), "nowhere"),
    ],
)
def test_bad_arguments_are_one_clear_error(arguments: tuple[str, ...], says: str) -> None:
    """Errors of ours, which the command line tells in a line; never anything else."""
    with pytest.raises(ValueError, match=says):
        typer.main.get_command(plant).main(list(arguments), standalone_mode=False)


def test_a_token_file_nested_too_deeply_is_named(tmp_path: Path) -> None:
    """As any other that is not of the form."""
    (tmp_path / "plant.json").write_text("[" * 100_000)
    with pytest.raises(TokensError, match=r"plant\.json: not JSON"):
        read_tokens(tmp_path / "plant.json", owners=frozenset({"edge"}))


def test_measure_writes_a_table(tmp_path: Path) -> None:
    """What it writes can be read as the detectors' table."""
    out = tmp_path / "detectors.json"
    result = CliRunner().invoke(plant, ["measure", "--tries", "20", "--out", str(out)])
    assert result.exit_code == 0, result.output
    parse_confusion(out.read_text())
    assert "--seed 1 --tries 20" in json.loads(out.read_text())["source"]
