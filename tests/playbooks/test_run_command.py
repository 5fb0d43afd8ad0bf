"""`tocsin playbook run`: the trace of steps without anything sent, for people and machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tocsin.playbooks.cacao import Playbook
from tocsin.playbooks.cacao_words import CommandType, StepType
from tocsin.playbooks.commands import playbook as group
from tocsin.tests.playbooks.flows import act, flow, ref, sends, short
from tocsin.tests.playbooks.full import full
from tocsin.tests.playbooks.makers import step_id
from typer.testing import CliRunner

COUNT = {"__count__": {"type": "integer", "value": "0"}}
CHAIN = {
    "a1": {**act(1, undo=True, on_success="a2", on_failure="a3"), "name": "cut it"},
    "a2": act(2, undo=True, on_completion="e0", delay=600_000),
    "a3": act(3, on_completion="e3"),
}
TARGET = ("--var", "target=shop/host/web")


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, ["run", *(str(argument) for argument in arguments)])


def _file(folder: Path, playbook: Playbook, name: str = "mine.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(playbook.raw))
    return path


def _rows(told: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(told.stdout)
    return found


def _words(told: Result) -> list[str]:
    return [("-" if row["undo"] else "") + short(row["step"]) for row in _rows(told)]


def test_it_prints_a_record_a_step_and_exits_with_0(tmp_path: Path) -> None:
    """In order, with type, outcome, times (delays pass at once) and what would be sent."""
    told = _run(_file(tmp_path, flow(CHAIN)), "--actuator", "dry-run", *TARGET, "--json")
    assert (told.exit_code, _words(told)) == (0, ["s0", "a1", "a2", "e0"])
    row = _rows(told)[2]
    assert (row["type"], row["outcome"], row["begin_s"], row["end_s"]) == ("action", "succeeded", 600.0, 600.0)
    assert row["commands"][0]["command"]["target"] == {"x-tocsin": {"asset": "shop/host/web", "do": 2}}
    assert row["commands"][0]["answer"] == "done"


def test_it_tells_people_the_same(tmp_path: Path) -> None:
    """As lines; how it ended on stderr."""
    told = _run(_file(tmp_path, flow(CHAIN)), *TARGET)
    assert len([line for line in told.stdout.splitlines() if ": succeeded" in line]) == 4
    assert "cut it: succeeded" in told.stdout and "- openc2-http by The owner's actuator" in told.stdout
    assert "succeeded (nothing was sent: dry-run)" in told.stderr


@pytest.mark.parametrize("step", [ref("a1"), "cut it"])
def test_a_step_that_is_told_to_fail_fails_and_the_exit_code_is_1(tmp_path: Path, step: str) -> None:
    """By id or by name; its way of failure is walked."""
    told = _run(_file(tmp_path, flow(CHAIN)), *TARGET, "--fail", step, "--json")
    assert (told.exit_code, _words(told)) == (1, ["s0", "a1", "a3", "e3"])
    assert [row["outcome"] for row in _rows(told)] == ["succeeded", "failed", "succeeded", "succeeded"]
    assert "ACTION_FAILED" in _rows(told)[1]["text"] and "ACTION_FAILED" in told.stderr


def test_what_was_done_is_seen_taken_back(tmp_path: Path) -> None:
    """After a failure by itself; of a success with --undo."""
    path = _file(tmp_path, flow({**CHAIN, "a2": {**act(2, undo=True, on_completion="e0"), "name": "second"}}))
    assert _words(_run(path, *TARGET, "--fail", "second", "--json"))[-2:] == ["a2", "-a1"]
    told = _run(path, *TARGET, "--undo", "--json")
    assert (told.exit_code, _words(told)) == (0, ["s0", "a1", "a2", "e0", "-a2", "-a1"])
    assert {row["outcome"] for row in _rows(told)[-2:]} == {"taken back"}


def test_loops_branches_and_calls_are_told_with_their_paths(tmp_path: Path) -> None:
    """What conditions came to, how often, and which playbook a step is of."""
    other = step_id("playbook", 501)
    called = flow({"a7": act(7, commands=[sends(7, "x")], on_completion="e7")}, "a7", id=other, variables={
        "__target__": {"type": "string", "value": "t"}, "__actuator__": {"type": "uri", "value": "urn:x:y"},
    })  # fmt: skip
    steps = {
        "w1": {"type": "while-condition", "condition": "__count__:value < 2", "on_true": "a1", "on_completion": "c1"},
        "a1": act(1, on_completion="e1", out_args=["__count__"]),
        "c1": {"type": "playbook-action", "playbook_id": other, "on_completion": "e0"},
    }
    path = _file(tmp_path, flow(steps, "w1", variables=COUNT))
    told = _run(path, *TARGET, "--with", _file(tmp_path, called, "other.json"), "--return", "count=1", "--return",
                "__count__=2", "--json")  # fmt: skip
    assert _words(told) == ["s0", "w1", "a1", "e1", "a1", "e1", "c1", "s0", "a7", "e7", "e0"]
    rows = _rows(told)
    assert rows[1]["chose"] == ["true", "true", "false"]
    assert [row["path"].rpartition("[")[2] for row in rows if short(row["step"]) == "a1"] == ["1]/", "2]/"]
    assert [row["playbook"] for row in rows if short(row["step"]) == "a7"] == [other]


def test_steps_of_two_versions_of_a_playbook_are_told_apart(tmp_path: Path) -> None:
    """Both are called; each step is told with its type and its version, not with those of the other's."""
    other, early, late = step_id("playbook", 501), "2025-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z"
    taken = {name: {"type": "string", "value": "x"} for name in ("__target__", "__actuator__", "__response__")}
    files = [
        _file(tmp_path, flow({f"a{number}": act(number, on_completion="e7")}, f"a{number}", variables=taken, id=other,
                             modified=modified), f"{number}.json")
        for number, modified in ((7, early), (8, late))
    ]  # fmt: skip
    steps = {
        "c1": {"type": "playbook-action", "playbook_id": other, "playbook_version": early, "on_completion": "c2"},
        "c2": {"type": "playbook-action", "playbook_id": other, "on_completion": "e0"},
    }
    told = _run(_file(tmp_path, flow(steps, "c1")), *TARGET, "--with", files[0], "--with", files[1], "--json")
    rows = {short(row["step"]): (row["type"], row["version"]) for row in _rows(told)}
    assert (rows["a7"], rows["a8"]) == (("action", early), ("action", late))


def test_every_step_and_command_type_of_the_standard_is_walked(tmp_path: Path) -> None:
    """The playbook with all of CACAO in it; the playbook that it calls is not there, so it fails, by its exception."""
    content = full()
    for step in content["workflow"].values():
        step.pop("targets", None)  # abstract ones need a twin
    path = tmp_path / "full.json"
    path.write_text(json.dumps({**content, "valid_from": "2020-01-01T00:00:00Z"}))
    variables = [f"--var={name}={value}" for name, value in FULL_VALUES.items()]
    told = _run(path, *variables, *(f"--return=count={count}" for count in (2, 1, 0)), "--json")
    rows = _rows(told)
    assert {row["type"] for row in rows} == set(StepType.__args__)  # type: ignore[attr-defined]
    types = {command["type"] for row in rows for command in row["commands"]}
    assert types == set(CommandType.__args__) - {"powershell", "http-api"}  # type: ignore[attr-defined]
    assert told.exit_code == 1 and "is not known here" in told.stderr


FULL_VALUES = {"kind": "host", "address": "192.0.2.1", "secret": "s", "user": "u"}


def _refused(told: Result, *said: str) -> None:
    assert (told.exit_code, told.stdout, len(told.stderr.splitlines())) == (2, "", 1)
    assert all(word in told.stderr for word in said), told.stderr


def test_bad_input_is_refused_in_one_line(tmp_path: Path) -> None:
    """Missing, unknown, doubled, ill-typed or inner variables, unknown steps, a playbook that is not valid now."""
    path = _file(tmp_path, flow(CHAIN, variables=COUNT))
    _refused(_run(path), "__target__", "--var")
    _refused(_run(path, "--var", "target"), "NAME=VALUE")
    _refused(_run(path, "--var", "nobody=1"), "nobody", "__target__")
    _refused(_run(path, *TARGET, *TARGET), "twice")
    _refused(_run(path, *TARGET, "--var", "count=1"), "not external")
    _refused(_run(path, "--var", "target=two\nlines"), "__target__")
    _refused(_run(path, *TARGET, "--fail", "nothing"), "nothing", ref("a1"))
    _refused(_run(path, *TARGET, "--return", "x=1"), "x")
    _refused(_run(_file(tmp_path, flow(CHAIN, revoked=True)), *TARGET), "revoked")
    _refused(_run(tmp_path / "none.json", *TARGET), "none.json")
    assert _run(path, *TARGET, "--actuator", "nftables").exit_code == 2


def test_the_library_runs_dry() -> None:
    """Every playbook of it, with a target of its type alone."""
    from tocsin.playbooks.actions import load_library

    library = load_library()
    for one, effect in zip(library.playbooks, library.effects, strict=True):
        link = ("--var", "target=supplies cloud/host/registry shop/container/web 0")
        told = _run(one.name, *(link if effect.target_type.word == "link" else TARGET), "--json")
        assert told.exit_code == 0, told.stderr
        assert any(row["commands"] for row in _rows(told))


def test_abstract_targets_are_resolved_in_a_chain(tmp_path: Path) -> None:
    """With --twin; without one the step fails, and says so."""
    wall = {step_id("security-category", 1): {"type": "security-category", "name": "w", "category": ["orchestrator"]}}
    path = _file(tmp_path, flow({"a1": act(1, on_completion="e0", targets=list(wall))}, target_definitions=wall))
    twin = Path(__file__).resolve().parents[2] / "twin" / "data" / "charging"
    told = _run(path, *TARGET, "--twin", twin, "--json")
    assert [one["target"] for one in _rows(told)[1]["commands"]] == ["fleet/node/tocsin"]
    assert "no twin" in _run(path, *TARGET, "--json").stderr
    _refused(_run(path, *TARGET, "--twin", tmp_path / "nowhere"), "--twin")
