"""`tocsin openc2 check`: a verdict for machines and people."""

from __future__ import annotations

import json
from pathlib import Path

from tocsin.orchestrator.openc2.commands import openc2
from typer.testing import CliRunner

GOOD = '{"action": "deny", "target": {"ipv6_net": "2001:db8::/32"}, "actuator": {"slpf": {}}}'


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(openc2, ["check", *arguments])
    return result.exit_code, result.output


def test_a_good_command_is_accepted_with_zero(tmp_path: Path) -> None:
    """Exit code 0, and JSON that says so."""
    path = tmp_path / "command.json"
    path.write_text(GOOD)
    code, output = run(str(path), "--json")
    assert code == 0
    assert json.loads(output) == {"file": str(path), "kind": "command", "accepted": True, "path": "", "reason": ""}


def test_what_a_stranger_wrote_steers_no_terminal(tmp_path: Path) -> None:
    """Neither its file's name nor what stands in it: one line a file, of signs that print."""
    path = tmp_path / "a\n\x07b.json"
    for content in ("{", '{"action": "deny", "target": {"\\u0007\\nx": 1}}', '{"action": "\\u001b]0;x\\u0007"}', GOOD):
        path.write_text(content)
        _, output = run(str(path))
        assert output.endswith("\n") and output[:-1].isprintable() and r"a\n\x07b.json" in output


def test_a_bad_response_is_refused_with_one_and_a_reason(tmp_path: Path) -> None:
    """Exit code 1, with place and reason."""
    path = tmp_path / "response.json"
    path.write_text('{"status": 201}')
    code, output = run(str(path), "--json")
    told = json.loads(output)
    assert code == 1 and told["kind"] == "response" and told["path"] == "status" and "201" in told["reason"]


def test_a_message_is_opened(tmp_path: Path) -> None:
    """Headers and body around a command are checked with it."""
    path = tmp_path / "message.json"
    path.write_text(f'{{"headers": {{"request_id": "1"}}, "body": {{"openc2": {{"request": {GOOD}}}}}}}')
    assert run(str(path))[0] == 0
    path.write_text(f'{{"headers": {{"request_id": "1"}}, "body": {{"openc2": {{"order": {GOOD}}}}}}}')
    assert run(str(path))[0] == 1


def test_the_kind_can_be_asked_for(tmp_path: Path) -> None:
    """A response is no command; the folder of OASIS's cases says which is meant, or a flag."""
    folder = tmp_path / "commands"
    folder.mkdir()
    (folder / "one.json").write_text('{"status": 200}')
    assert run(str(folder / "one.json"))[0] == 1
    assert run(str(folder / "one.json"), "--kind", "response")[0] == 0


def test_one_bad_file_of_several_gives_one(tmp_path: Path) -> None:
    """Each file has its verdict."""
    (tmp_path / "a.json").write_text(GOOD)
    (tmp_path / "b.json").write_text("{}")
    code, output = run(str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--json")
    assert code == 1 and [one["accepted"] for one in json.loads(output)] == [True, False]


def test_a_file_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    """No verdict: the error names the file (exit code 2 at the command line)."""
    result = CliRunner().invoke(openc2, ["check", str(tmp_path / "none.json")])
    assert isinstance(result.exception, ValueError) and "none.json" in str(result.exception)
