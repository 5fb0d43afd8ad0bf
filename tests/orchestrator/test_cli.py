"""The command line: quick to list, one clear line on bad input, never a swallowed fault."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from tocsin.orchestrator import cli, response_commands
from tocsin.orchestrator.cli import GROUP, load_command, main
from tocsin.orchestrator.commands import SigningRole
from tocsin.playbooks.vetting import VettingRole
from tocsin.tests.orchestrator.fakes import at_once, chain, house, isolate

TOCSIN = [sys.executable, "-c", "from tocsin.orchestrator.cli import main; main()"]
COMMANDS = {
    "serve": "tocsin.orchestrator.commands:serve",
    "keys": "tocsin.orchestrator.commands:keys",
    "audit": "tocsin.orchestrator.commands:audit",
    "response": "tocsin.orchestrator.response_commands:response",
}
LIMIT_S = 0.5


@pytest.fixture(autouse=True)
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the orchestrator's commands also where the installed entry points are older than the tree."""
    installed = cli._entry_points()
    monkeypatch.setattr(cli, "_entry_points", lambda: {**installed, **COMMANDS})


def run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    """Run the command line here; give exit code, output and errors."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
        sys.exit(0)
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_help_is_quick() -> None:
    """`tocsin --help` takes under half a second of the processor, and lists every command with its line of help."""
    before = os.times()
    text = subprocess.run([*TOCSIN, "--help"], capture_output=True, text=True, check=True).stdout
    after = os.times()  # of the processor, not of the clock: other work on the machine is not ours
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < LIMIT_S, f"{spent:.2f} s"
    for entry in metadata.entry_points(group=GROUP):
        assert entry.name.partition(".")[0] in text


def test_commands_load_nothing_heavy() -> None:
    """Loading the orchestrator's commands imports neither numerics nor the server."""
    heavy = ["numpy", "numba", "torch", "fastapi", "sqlalchemy", "pydantic", "httpx", "joserfc"]
    modules = sorted({target.split(":")[0] for target in COMMANDS.values()})
    code = f"import sys, {', '.join(modules)}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`tocsin --version` says it."""
    assert run(capsys, "--version")[1].startswith("tocsin 0.")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Each command, or each of a group's, says what it does and shows an example."""
    command = load_command(name, COMMANDS[name])
    for one in getattr(command, "commands", {name: command}).values():
        assert one.help and "Example:" in one.help
    assert run(capsys, name, "--help")[0] == 0


def test_our_error_is_one_line_and_exit_two(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Bad input ends with exit code 2 and one line that names the file."""
    code, _, err = run(capsys, "audit", "verify", "--store", tmp_path / "none.sqlite")
    assert code == 2 and len(err.splitlines()) == 1 and "none.sqlite" in err


@pytest.mark.parametrize("is_buffered", [True, False])
@pytest.mark.parametrize("words", ["playbook lint --rules", "playbook show isolate-asset", "--help", "--version"])
def test_output_that_finds_no_room_is_one_line(words: str, is_buffered: bool) -> None:
    """Whatever command it is of; nothing is written twice at the end."""
    how = os.environ | {"PYTHONUNBUFFERED": "" if is_buffered else "1"}
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*TOCSIN, *words.split()], stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=how
        )
    assert (done.returncode, done.stderr) == (
        2, "tocsin: output: No space left on device; write it where there is room\n",
    )  # fmt: skip


def test_a_fault_of_ours_is_not_taken_for_one_of_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write elsewhere that finds no room shows itself whole."""

    def breaks(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(typer.main, "get_command", lambda _app: SimpleNamespace(main=breaks))
    with pytest.raises(OSError, match="No space"):
        main([])


def test_a_name_that_is_refused_steers_no_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A file's name is anybody's: its signs that do not print are escaped."""
    code, _, err = run(capsys, "audit", "verify", "--store", tmp_path / "no\x07ne\n.sqlite")
    assert code == 2 and err.endswith("\n") and err[:-1].isprintable() and r"no\x07ne" in err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("audit", "verify", "--dance"), "--dance"),
        (("audit", "dance"), "dance"),
        (("serve", "--port", "many"), "--port"),
        (("serve", "--clock", "sun"), "--clock"),
        (("--dance",), "--dance"),
    ],
)
def test_bad_usage_is_one_line_too(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], named: str) -> None:
    """A flag, command or value that there is not: exit code 2 and one line that names it."""
    code, out, err = run(capsys, *arguments)
    assert code == 2 and out == "" and named in err
    assert len(err.splitlines()) == 1 and err.startswith("tocsin")


def test_fault_of_the_code_shows_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ValueError that is not a class of ours is a bug, and is not made a polite line."""

    def broken() -> None:
        """Break."""
        int("x")

    monkeypatch.setattr(cli, "load_command", lambda _name, _target: _single(broken))
    with pytest.raises(ValueError, match="invalid literal"):
        main(["audit"])


def _single(function: Any) -> Any:
    app = typer.Typer()
    app.command("audit")(function)
    return typer.main.get_command(app)


def test_broken_command_takes_no_other_with_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that cannot be loaded is listed as such, and shows its error when it is used."""
    monkeypatch.setattr(cli, "_entry_points", lambda: {**COMMANDS, "bad": "tocsin.none:bad"})
    assert "Cannot be loaded" in run(capsys, "--help")[1]
    with pytest.raises(ModuleNotFoundError, match=r"tocsin\.none"):
        main(["bad"])


def test_rooms_add_to_a_group_of_another(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`GROUP.SUB` is a command of the group, listed and run as its own are."""
    more = {**COMMANDS, "audit.keys": COMMANDS["keys"]}
    monkeypatch.setattr(cli, "_entry_points", lambda: more)
    assert "keys" in run(capsys, "audit", "--help")[1] and "audit.keys" not in run(capsys, "--help")[1]
    assert "Example: tocsin keys new" in " ".join(run(capsys, "audit", "keys", "new", "--help")[1].split())


def test_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that is not there is exit code 2."""
    code, _, err = run(capsys, "dance")
    assert code == 2 and "dance" in err


def test_keys_make_a_private_home_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Keys, trust stores and tokens are readable by their user only, and never overwritten."""
    home = tmp_path / "home"
    arguments = ("keys", "new", "--home", home, "--owner", "edge", "--owner", "shop", "--operator", "shop")
    assert run(capsys, *arguments)[0] == 0
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) == 2 * 2 + 2 * 4 + 1 + 1
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    token = (home / "tokens" / "edge.viewer.token").read_text().strip()
    assert token not in (home / "tokens.json").read_text()
    code, _, err = run(capsys, *arguments)
    assert code == 2 and "holds tokens already" in err


def test_persons_make_keys_sign_and_a_playbook_is_active(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """As docs/playbooks.md says: three keys, their lines in a trust file, three signatures; nothing by hand."""
    assert [one.value for one in SigningRole] == [one.value for one in VettingRole]
    trusted = []
    for person, role in (("ada", "author"), ("bob", "reviewer"), ("cyd", "approver")):
        code, out, _ = run(capsys, "keys", "person", person, "--role", role, "--out", tmp_path / f"{person}.jwk")
        assert code == 0 and (tmp_path / f"{person}.jwk").stat().st_mode & 0o777 == 0o600
        trusted.append(json.loads(out))
        assert "d" not in trusted[-1]["jwk"]
    trust, signed = tmp_path / "shop.json", tmp_path / "signatures"
    trust.write_text(json.dumps({"owner": "shop", "keys": trusted}))
    for person, verb in (("ada", "sign"), ("bob", "sign"), ("cyd", "approve")):
        words = (verb, "isolate-asset", "--key", tmp_path / f"{person}.jwk", "--person", person, "--out", signed)
        assert run(capsys, "playbook", *words)[0] == 0
    verify = ("verify", "isolate-asset", "--owner", "shop", "--trust", trust, "--signatures", signed)
    assert run(capsys, "playbook", *verify)[0] == 0


def test_a_persons_key_is_never_overwritten(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A file that is there, no folder, no name, no role: one line, and nothing is written."""
    path = tmp_path / "ada.jwk"
    path.write_text("mine")
    for person, out, named in (
        ("ada", path, "move it away"),
        (" ", tmp_path / "x", "no name"),
        ("a\nb", tmp_path / "x", "no name"),
        ("ada", tmp_path / "no" / "x", "No such file"),
    ):
        code, _, err = run(capsys, "keys", "person", person, "--role", "author", "--out", out)
        assert code == 2 and named in err and len(err.splitlines()) == 1
    assert run(capsys, "keys", "person", "ada", "--role", "king", "--out", tmp_path / "x")[0] == 2
    assert run(capsys, "keys", "person", "ada", "--out", tmp_path / "x")[0] == 2
    assert path.read_text() == "mine" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("script", ['ulimit -f 0; "$@"', '"$@" >/dev/full'])
def test_a_persons_key_that_finds_no_room_is_not_left_behind(tmp_path: Path, script: str) -> None:
    """Neither half a key, nor one whose public part nobody was told: it can be made once more."""
    words = ["bash", "-c", script, "bash", *TOCSIN, "keys", "person", "ada", "--role", "author", "--out", "ada.jwk"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["list", "show"])
def test_a_reason_that_another_owner_wrote_steers_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Who is asked for consent reads it as it is: no sequence, no line that it forges, no markup."""
    row = {"id": "response--1", "state": "proposed", "targets": ["a"], "owners": ["edge"]}
    row["reason"] = "\x1b]0;x\x07\nx: [bold]y[/bold]"
    answer = [row] if verb == "list" else row
    monkeypatch.setattr(response_commands, "_client", lambda *_: SimpleNamespace(get=lambda _path: answer))
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = run(capsys, "response", verb, *(["response--1"] if verb == "show" else []))
    assert code == 0 and out.replace("\n", "").isprintable() and r"\x1b]0;x\x07\nx: [bold]y[/bold]" in out


@pytest.mark.parametrize("owner", ["../x", "", "a b", ".x", "x" * 99])
def test_owner_ids_cannot_escape_the_home(capsys: pytest.CaptureFixture[str], tmp_path: Path, owner: str) -> None:
    """An owner id that is no plain name is refused before anything is written."""
    assert run(capsys, "keys", "new", "--home", tmp_path / "home", "--owner", owner)[0] == 2
    assert not (tmp_path / "home").exists()


def test_audit_verify_sees_a_changed_byte(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A whole log is exit code 0; after one byte changed in the file it is 1, and the record is named."""
    home = house(tmp_path, twin=chain(at_once("edge")))
    home.advisor.proposals = [isolate()]
    home.tick()
    home.engine.dispose()
    path = tmp_path / "store.sqlite"
    code, out, _ = run(capsys, "audit", "verify", "--store", path, "--json")
    assert code == 0 and json.loads(out)["verified"] is True
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    content = bytearray(path.read_bytes())
    place = content.index(b'"event":"approve"')
    content[place + 10] ^= 1
    path.write_bytes(content)
    code, out, _ = run(capsys, "audit", "verify", "--home", tmp_path, "--json")
    found = json.loads(out)
    assert code == 1 and found["verified"] is False and found["broken"] >= 1
    assert run(capsys, "audit", "verify", "--store", path)[2].startswith("record")


def test_no_token_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A command that calls the API says where to give the token."""
    for name in ("TOCSIN_TOKEN", "TOCSIN_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    code, _, err = run(capsys, "response", "list")
    assert code == 2 and "TOCSIN_TOKEN" in err and len(err.splitlines()) == 1
    code, _, err = run(capsys, "response", "list", "--token-file", tmp_path / "none")
    assert code == 2 and "none" in err


def test_node_that_is_not_there_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An API that is not reached is named."""
    monkeypatch.setenv("TOCSIN_TOKEN", "tocsin_x")
    code, _, err = run(capsys, "response", "list", "--url", "http://127.0.0.1:9")
    assert code == 2 and "127.0.0.1:9" in err and len(err.splitlines()) == 1 and "tocsin_x" not in err
