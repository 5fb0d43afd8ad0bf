"""Our producer drives a consumer that others made: otupy's. It is no dependency of ours, so the test may be absent.

`TOCSIN_OTUPY_PYTHON` names an interpreter that has otupy, and gunicorn, which otupy 1.1.13 imports and does not name;
by default it is this one.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tocsin.orchestrator.actuators.base import Order, Refused, Unavailable
from tocsin.orchestrator.actuators.openc2_http import Endpoint, OpenC2Http
from tocsin.orchestrator.openc2.message import ENDPOINT

PYTHON = os.environ.get("TOCSIN_OTUPY_PYTHON", sys.executable)
PROGRAM = Path(__file__).with_name("otupy_consumer.py")
ACTUATOR = {"slpf": {"asset_id": "fw-1"}}
COMPLETE = {"response_requested": "complete"}


@pytest.fixture(scope="module")
def producer() -> Iterator[OpenC2Http]:
    """Our producer, with otupy's consumer at the other end."""
    tried = subprocess.run([PYTHON, "-c", "import otupy.transfers.http"], capture_output=True, text=True)
    if tried.returncode != 0 and "TOCSIN_OTUPY_PYTHON" in os.environ:
        told = tried.stderr.strip().rpartition("\n")[2]
        pytest.fail(f"TOCSIN_OTUPY_PYTHON {PYTHON}: {told}; install otupy and gunicorn there")
    if tried.returncode != 0:
        pytest.skip("OTUPY IS ABSENT: nothing was driven; set TOCSIN_OTUPY_PYTHON to an interpreter that has it")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [PYTHON, str(PROGRAM), str(port)]
    process = subprocess.Popen(words, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        found = OpenC2Http({"edge": Endpoint(f"http://127.0.0.1:{port}{ENDPOINT}", "token")}, sleep=lambda _s: None)
        deadline = time.monotonic() + 30
        while not _listens(port):
            assert time.monotonic() < deadline, "otupy's consumer does not listen"
            time.sleep(0.1)
        yield found
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # werkzeug's reloader has a child
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("command", "understood"),
    [
        (
            {
                "action": "deny",
                "target": {"ipv4_connection": {"protocol": "tcp", "dst_addr": "10.0.0.7", "dst_port": 445}},
                "args": {**COMPLETE, "slpf": {"direction": "ingress", "drop_process": "none"}},
            },
            "deny IPv4Connection",
        ),
        ({"action": "allow", "target": {"ipv4_net": "10.0.0.0/8"}, "args": COMPLETE}, "allow IPv4Net"),
        ({"action": "delete", "target": {"slpf:rule_number": 1}, "args": COMPLETE}, "delete RuleID"),
    ],
)
def test_otupy_understands_what_we_send(producer: OpenC2Http, command: dict[str, Any], understood: str) -> None:
    """Status, text and rule number come back as it gave them."""
    outcome = producer.carry_out(Order(f"otupy-{understood}", "edge", {**command, "actuator": ACTUATOR}))
    assert (outcome.status, outcome.text) == (200, understood)
    assert outcome.results["slpf"]["rule_number"] >= 1


def test_otupys_refusal_is_a_refusal(producer: OpenC2Http) -> None:
    """Another actuator is meant: it says no, and we say why."""
    command = {"action": "deny", "target": {"ipv4_net": "10.0.0.0/8"}, "actuator": {"slpf": {"asset_id": "fw-2"}}}
    with pytest.raises((Refused, Unavailable), match="404|No actuator"):
        producer.carry_out(Order("otupy-2", "edge", command))
