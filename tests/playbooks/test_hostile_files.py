"""Hostile files: refused in one line, quickly, without the memory that they ask for."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tocsin.playbooks.cacao import MAX_BYTES, PlaybookError, read_canonical
from tocsin.playbooks.commands import playbook
from tocsin.playbooks.lint import lint_contents
from tocsin.tests.playbooks.full import Object, full, ref, step, uid
from typer.testing import CliRunner

QUICK_S = 20.0  # of processor time, on a loaded machine; each takes well under two


def _lint(path: Path) -> Result:
    return CliRunner().invoke(playbook, ["lint", str(path)])


def _in_time(began: float) -> bool:
    return time.process_time() - began < QUICK_S


def test_a_hundred_megabytes_are_refused_unread(tmp_path: Path) -> None:
    """By the size of the file; the process does not grow by it."""
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told = _lint(path)
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert (told.exit_code, "100000000 bytes" in told.stderr, len(told.stderr.splitlines())) == (2, True, 1)
    assert grown_kb < 50_000


def test_an_endless_file_is_refused() -> None:
    """/dev/zero has no size and no end, and is no regular file."""
    told = _lint(Path("/dev/zero"))
    assert (told.exit_code, "is no regular file" in told.stderr) == (2, True)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[" * 2_000_000, "nested deeper"),
        (b'{"a":' * 600_000, "nested deeper"),
        (b'["' + b'\\"' * 1_900_000, "1:2"),  # quotes that never close
        (b"[" + b"0," * 1_900_000 + b"0", "Expecting"),
        (b'{"n": ' + b"9" * 3_900_000 + b"}", "digits"),
        (b'{"n": 1' + b"0" * 400 + b"}", "canonical|digits"),
        (b'{"n": 1e999999999}', "1e999999999"),
        (b'{"s": "\\udfff"}', "canonical"),
        (b'{"\\ud800": 1}', "canonical"),
        (b"\xef\xbb\xbf{}", "BOM|UTF-8"),
        (b"\x00" * 1000, "Expecting"),
    ],
)
def test_bombs_are_refused_in_one_line_and_in_time(data: bytes, said: str) -> None:
    """Depth, width, digits, quotes, surrogates."""
    began = time.process_time()
    with pytest.raises(PlaybookError, match=said) as caught:
        read_canonical(data, "bomb.json")
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 500
    assert _in_time(began)


def _with(**fields: Any) -> Object:
    return {**full(), **fields}


def _steps(count: int, kind: str, **fields: Any) -> Object:
    """A workflow of very many steps of one kind in a row."""
    names = [f"{kind}--{uid(10_000 + number)}" for number in range(count)]
    last = f"end--{uid(9_999)}"
    steps = {
        name: {"type": kind, "on_completion": after, **fields}
        for name, after in zip(names, [*names[1:], last], strict=True)
    }
    return {f"start--{uid(1)}": {"type": "start", "on_completion": names[0]}, **steps, last: {"type": "end"}}


def _circle(count: int) -> Object:
    changed = full()
    changed["workflow"] = _steps(count, "action", agent=ref("team"), commands=[{"type": "manual", "command": "x"}])
    names = [name for name in changed["workflow"] if name.startswith("action")]
    changed["workflow"][names[-1]]["on_completion"] = names[0]
    return changed


HOSTILE: dict[str, Any] = {
    "a circle of steps": lambda: _circle(3_000),
    "conditions in conditions": lambda: _with(
        workflow=_steps(3_000, "if-condition", condition="__kind__:value = 'a'", on_true=f"end--{uid(9_999)}")
    ),
    "a fork of thousands": lambda: _with(
        workflow={**full()["workflow"], ref("fork"): {"type": "parallel", "next_steps": [ref("collect")] * 30_000}}
    ),
    "unknown properties": lambda: full() | {f"x{number}": {"y": [1]} for number in range(60_000)},
    "wrong everywhere": lambda: _with(labels=[7] * 100_000, signatures=[{}] * 20_000),
    "a variable used everywhere": lambda: _with(description="", name="__kind__:value" * 100_000),
    "many names in many steps": lambda: _with(
        playbook_variables={f"__v{number}__": {"type": "string", "external": True} for number in range(5_000)},
        workflow=_steps(
            5_000,
            "action",
            agent=ref("team"),
            commands=[{"type": "bash", "command": "__v1__:value"}],
            in_args=["__v1__"],
        ),
        agent_definitions={
            ref("team"): {
                "type": "group",
                "name": "x",
                "contact": {"email": {f"k{n}": f"__v{n}__:value" for n in range(5_000)}},
            }
        },
    ),
    "arguments without end": lambda: _with(
        workflow={**full()["workflow"], ref("scan"): {**step(full(), "scan"), "out_args": ["__count__"] * 150_000}}
    ),
    "playbooks that call each other": lambda: _with(id=ref("called"), playbook_version=[[]]),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_playbooks_are_linted_in_time(name: str) -> None:
    """With findings, and never more than can be read."""
    content = HOSTILE[name]()
    assert len(json.dumps(content)) <= 2 * MAX_BYTES
    began = time.process_time()
    found = lint_contents([content])[0]
    assert 0 < len(found) <= 501
    assert _in_time(began)


def test_a_condition_of_four_thousand_brackets_is_refused() -> None:
    """Depth of a condition is bounded too."""
    changed = full()
    step(changed, "decide")["condition"] = "(" * 4_000
    assert "condition-form" in {one.rule for one in lint_contents([changed])[0]}


def test_lint_lives_within_bounded_memory(tmp_path: Path) -> None:
    """Four megabytes of nested lists are linted in a process that may have a gigabyte."""
    path = tmp_path / "wide.json"
    path.write_text(json.dumps(full() | {"x": [[[]]] * 500_000}))
    assert path.stat().st_size <= MAX_BYTES
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30));"
    code = f"{limit} from tocsin.playbooks.commands import playbook; playbook(['lint', {str(path)!r}])"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=300)
    assert (done.returncode, "property-unknown" in done.stdout) == (1, True), done.stderr[-500:]
