"""Training as a job: a cluster of another virtual environment, without checkout or install of ours, trains a policy."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tocsin import envs
from tocsin.envs.policy_file import load_policy
from tocsin.training.runs import commit

pytestmark = pytest.mark.systems

CONFIG = """
iterations: 2
seconds: 0
workers: 2
worlds: 4
steps: 6
minibatches: 2
imitation_worlds: 2
imitation_passes: 1
validation_worlds: 4
validations: 2
scenario: short.yaml
"""
SIDE = "iterations: 1, worlds: 4, steps: 6, minibatches: 2, validation_worlds: 4, validations: 2"
LEAGUE = f"""
rounds: 1
tempo: unbound
attacks: 2
presets_of_attackers: ''
attackers: {{{SIDE}}}
defenders: {{{SIDE}, imitation_worlds: 2, imitation_passes: 1}}
"""
SCENARIO = "name: short\nhorizon_ticks: 20\n"
UP_S = 120.0


@dataclass(frozen=True)
class Running:
    """A cluster: a head and a worker, one processor each."""

    address: str  # of the dashboard
    python: Path
    environment: dict[str, str]


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in held]
    for one in held:
        one.close()
    return ports


def _second_environment(folder: Path) -> Path:
    """A virtual environment with the packages of this one, linked, and nothing of ours; gives its python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    site = next((folder / "lib").glob("python*/site-packages"))
    for place in [Path(one) for one in sys.path if one.endswith("site-packages")]:
        for entry in place.iterdir():
            ours = "tocsin" in entry.name.lower() or entry.suffix == ".pth"
            if not ours and not (site / entry.name).exists():
                (site / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    python = _second_environment(tmp_path_factory.mktemp("second") / "venv")
    without = subprocess.run([str(python), "-c", "import tocsin"], cwd="/", capture_output=True, text=True, check=False)
    assert "No module named 'tocsin'" in without.stderr
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "PYTHON"))},
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "NUMBA_DISABLE_JIT": "1",  # it would compile all anew, as the sources lie elsewhere; a short game bears it
    }
    port, dashboard, client, *agents = _free_ports(7)
    common = ["--num-cpus=1", "--min-worker-port=0", "--max-worker-port=0", "--disable-usage-stats", "--block"]
    ray = [str(python), "-m", "ray.scripts.scripts", "start", *common]
    started = []
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as scratch:
        log = (Path(scratch) / "log").open("w")
        head = [f"--port={port}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}"]
        head += ["--head", "--node-ip-address=127.0.0.1", f"--temp-dir={scratch}/t"]
        head += [f"--dashboard-agent-listen-port={agents[0]}", f"--dashboard-agent-grpc-port={agents[1]}"]
        worker = [f"--address=127.0.0.1:{port}", "--node-ip-address=127.0.0.1", f"--temp-dir={scratch}/w"]
        worker += [f"--dashboard-agent-listen-port={agents[2]}", f"--dashboard-agent-grpc-port={agents[3]}"]
        try:
            for arguments in (head, worker):
                started.append(
                    subprocess.Popen(
                        [*ray, *arguments],
                        env=environment,
                        cwd="/",
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
                _wait_for_all(started, Path(log.name))
            yield Running(f"http://127.0.0.1:{dashboard}", python, environment)
        finally:
            for process in reversed(started):
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
            log.close()


def _wait_for_all(started: list[subprocess.Popen[bytes]], log: Path) -> None:
    last = time.monotonic() + UP_S
    while time.monotonic() < last and all(process.poll() is None for process in started):
        if log.read_text().count("Ray runtime started") == len(started):
            return
        time.sleep(0.2)
    raise AssertionError(f"the cluster did not come up:\n{log.read_text()[-3000:]}")


def _submitted(
    cluster: Running, config: Path, *more: str, verb: str = "train", **environment: str
) -> subprocess.CompletedProcess[str]:
    given = ["--config", str(config), *more, "--submit", cluster.address, "--json"]
    command = [sys.executable, "-m", "tocsin", verb, *given]
    here = {**os.environ, **{name: cluster.environment[name] for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")}}
    return subprocess.run(
        command, env=here | environment, capture_output=True, text=True, timeout=900, check=False, cwd=config.parent
    )


def test_a_job_trains_where_nothing_of_ours_is_installed(cluster: Running, tmp_path: Path) -> None:
    """The submitted run ends, both nodes' workers count, and what it kept names the sender's commit."""
    config, run = tmp_path / "train.yaml", tmp_path / "run"
    (tmp_path / "short.yaml").write_text(SCENARIO)
    config.write_text(f"{CONFIG}run: {run}\n")
    sent = commit()
    done = _submitted(cluster, config)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["run"] == str(run)
    made = json.loads((run / "run.json").read_text())
    assert made["commit"] == sent
    assert "working_dir_files" in made["sources"], "the sources that ran are those that the job brought"
    figures = [json.loads(line) for line in (run / "figures.jsonl").read_text().splitlines()]
    assert [line["samples"] for line in figures] == [48, 96], "two workers, one on each node"
    card = load_policy(run / "policy.tocsin").card
    assert (card["iterations"], card["scenario"]) == (2, "short")


def test_a_league_runs_as_a_job(cluster: Running, tmp_path: Path) -> None:
    """Both sides learn on both nodes, with a policy that went along; the table lies in the folder that was named."""
    config, scenario, out = tmp_path / "league.yaml", tmp_path / "short.yaml", tmp_path / "league"
    scenario.write_text(SCENARIO)
    config.write_text(LEAGUE)
    policy = next((Path(envs.__file__).parent / "data" / "policies").glob("*.tocsin"))
    given = ["--scenario", str(scenario), "--policy", f"shipped={policy}", "--out", str(out)]
    done = _submitted(cluster, config, *given, verb="league")
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["out"] == str(out)
    told = json.loads((out / "league.json").read_text())
    assert told["defenders"] == {
        "restore above belief": "script",
        "evict by worth": "script",
        "shipped": "learned",
        "defender 1": "learned",
    }
    figures = [json.loads(line) for line in (out / "attacker-1" / "figures.jsonl").read_text().splitlines()]
    assert [line["samples"] for line in figures] == [48], "two workers, one on each node"


def test_a_wrong_token_and_a_failing_job_are_told(cluster: Running, tmp_path: Path) -> None:
    """Both leave with exit code 2 and say why in the last line."""
    config = tmp_path / "train.yaml"
    (tmp_path / "short.yaml").write_text(SCENARIO)
    config.write_text(f"{CONFIG}run: {tmp_path / 'run'}\n")
    refused = _submitted(cluster, config, RAY_AUTH_TOKEN="0" * 64)
    assert refused.returncode == 2 and "--submit" in refused.stderr.splitlines()[-1]
    config.write_text(f"{CONFIG}run: /proc/none\n")
    failed = _submitted(cluster, config)
    assert failed.returncode == 2 and "failed" in failed.stderr.splitlines()[-1]
