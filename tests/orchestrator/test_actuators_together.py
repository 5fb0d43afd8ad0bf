"""One playbook, three kinds of real systems: a program, an HTTP interface and a person, through a node."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from tocsin.orchestrator.actuators.manual import Tasks
from tocsin.orchestrator.actuators.openc2_http import OpenC2Http
from tocsin.orchestrator.actuators.router import build
from tocsin.orchestrator.lifecycle import State
from tocsin.tests.orchestrator.openc2_consumer import serving
from tocsin.tests.orchestrator.test_carrying_out import kinds, node, only, propose
from tocsin.tests.playbooks.flows import act, flow

CONTENT = '{"case": "__case__:value"}'
VARIABLES = {name: {"type": "string", "value": "none"} for name in ("__case__", "__ticket__", "__name__")}


def test_values_go_from_a_program_to_an_interface_to_a_person(tmp_path: Path) -> None:
    """Each is asked once, over restarts of the node; what one gives back the next is told, as it was given."""
    seen: list[bytes] = []
    app = FastAPI()

    @app.post("/api/cases")
    async def cases(request: Request) -> dict[str, str]:
        seen.append(await request.body())
        return {"ticket": "T-7"}

    lines = tmp_path / "lines"
    given = tmp_path / "given"
    given.write_text("__case__=c 1'; $(id)\n")
    program = f"echo __target__:value >> {lines}; cat {given}"
    digest = hashlib.sha256(program.encode()).hexdigest()
    steps: dict[str, Any] = {
        "a1": act(
            1,
            commands=[{"type": "bash", "command": program}],
            on_completion="a2",
            out_args=["__case__"],
        ),
        "a2": act(
            2,
            commands=[{"type": "http-api", "command": "POST /api/cases HTTP/1.1", "content": CONTENT}],
            on_completion="a3",
            out_args=["__ticket__"],
        ),
        "a3": act(
            3,
            commands=[{"type": "manual", "command": "Call the vendor about __ticket__:value"}],
            on_completion="e0",
            out_args=["__name__"],
        ),
    }
    playbook = flow(steps, variables=VARIABLES)
    with serving(app) as url:
        (tmp_path / "actuators.yaml").write_text(
            f"bash: {{allow: ['{digest}']}}\nhttp-api: {{owners: {{edge: {{url: '{url}'}}}}}}\n"
        )
        home = node(tmp_path, playbook, build(tmp_path, OpenC2Http({})))
        propose(home, playbook)
        home = node(tmp_path, playbook, build(tmp_path, OpenC2Http({})))
        home.tick(2)
        assert only(home).state is State.EXECUTING
        tasks = Tasks(tmp_path / "actuators" / "manual.sqlite")
        (task,) = tasks.all()
        assert task.text == "Call the vendor about T-7" and task.owner == "edge"
        tasks.answer(task.key, "done", person="ada", values={"__name__": "Eve"})
        home.tick(3)
    assert only(home).state is State.SUCCEEDED
    assert lines.read_text() == "edge/host/gateway\n"
    assert json.loads(seen[0]) == {"case": "c 1'; $(id)"} and len(seen) == 1
    assert kinds(home).count("outcome") == 3
