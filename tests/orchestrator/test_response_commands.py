"""An owner sees, signs and undoes from the command line, against a served node."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tocsin.orchestrator import cli
from tocsin.orchestrator.api import create_app
from tocsin.tests.orchestrator.fakes import GATEWAY, House, house, isolate
from tocsin.tests.orchestrator.openc2_consumer import serving

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path) -> House:
    """Make a node with one response that awaits edge's consent."""
    made = house(tmp_path)
    made.advisor.proposals = [isolate()]
    made.tick()
    made.advisor.proposals = []
    return made


@pytest.fixture
def run(home: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Serve the node and give a way to call `tocsin response ...` as edge's approver."""
    target = "tocsin.orchestrator.response_commands:response"
    monkeypatch.setattr(cli, "_entry_points", lambda: {"response": target})
    monkeypatch.setenv("TOCSIN_TOKEN_FILE", str(home.path / "tokens" / "edge.approver.token"))
    monkeypatch.delenv("TOCSIN_TOKEN", raising=False)

    def call(*arguments: Any) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["response", *(str(argument) for argument in arguments)])
            sys.exit(0)
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    with serving(create_app(home.node)) as url:
        monkeypatch.setenv("TOCSIN_URL", url)
        yield call


def the_id(run: Run) -> str:
    """Give the id of the one response."""
    (row,) = json.loads(run("list", "--json")[1])
    return str(row["id"])


def test_list_and_show(run: Run) -> None:
    """List and show say what awaits consent, why, and what it is worth, for people and as JSON."""
    id_ = the_id(run)
    code, out, _ = run("list")
    assert code == 0 and "awaiting" in out
    code, out, _ = run("show", id_)
    assert code == 0 and GATEWAY in out and "it beacons" in out and "nothing" in out
    assert json.loads(run("show", id_, "--json")[1])["state"] == "awaiting_consent"


def test_consent_then_undo(run: Run, home: House) -> None:
    """An approver signs, the response is carried out, and the approver has it undone."""
    id_ = the_id(run)
    key = home.path / "keys" / "edge.jwk"
    assert run("consent", id_, "--owner", "edge", "--key", key)[:2] == (0, f"{id_}: edge consented\n")
    home.tick()
    assert home.actuator.actions == ["deny", "set"]
    assert run("undo", id_)[0] == 0
    home.tick()
    assert home.actuator.actions == ["deny", "set", "restore", "allow"]


def test_wrong_key_and_unknown_response_are_one_line(run: Run, home: House) -> None:
    """A consent with another owner's key, or to what is not there, is exit code 2 with a name and nothing done."""
    id_, key = the_id(run), home.path / "keys" / "shop.jwk"
    code, _, err = run("consent", id_, "--owner", "shop", "--key", key)
    assert code == 2 and "not_an_owner_of_targets" in err and len(err.splitlines()) == 1
    code, _, err = run("show", "response--none")
    assert code == 2 and "not_found" in err and len(err.splitlines()) == 1
    home.tick()
    assert home.actuator.sent == []


def test_a_consent_holds_a_year_at_most(run: Run, home: House) -> None:
    """A length that no date can hold is bad usage, and nothing is signed."""
    key = home.path / "keys" / "edge.jwk"
    code, _, err = run("consent", the_id(run), "--owner", "edge", "--key", key, "--valid-s", "1e300")
    assert code == 2 and "--valid-s" in err
    assert json.loads(run("show", the_id(run), "--json")[1])["state"] == "awaiting_consent"


def test_denial(run: Run, home: House) -> None:
    """`--deny` says no."""
    id_ = the_id(run)
    assert run("consent", id_, "--owner", "edge", "--key", home.path / "keys" / "edge.jwk", "--deny")[0] == 0
    home.tick()
    assert json.loads(run("show", id_, "--json")[1])["state"] == "denied"


def test_propose_by_name_and_as_json(run: Run, home: House) -> None:
    """An approver proposes a playbook of the shelf by its name; the same again is refused in one line."""
    code, out, _ = run("propose", "isolate", "edge/service/controller", "--reason", "it beacons", "--json")
    row = json.loads(out)
    assert code == 0 and (row["state"], row["owners"], row["reason"]) == ("proposed", ["edge"], "it beacons")
    code, _, err = run("propose", "isolate", "edge/service/controller")
    assert code == 2 and "already_there" in err and len(err.splitlines()) == 1
    home.tick()
    assert json.loads(run("show", row["id"], "--json")[1])["state"] == "awaiting_consent"


def test_propose_of_an_unknown_playbook_names_the_known_ones(run: Run) -> None:
    """By the names that people use."""
    code, _, err = run("propose", "isolate-it", GATEWAY)
    assert code == 2 and "unknown_playbook" in err and "cut link, isolate" in err
