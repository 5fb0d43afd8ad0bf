"""Ways of failure of the library's longer playbooks, walked without sending anything."""

from __future__ import annotations

import json
from typing import Any

from tocsin.playbooks.commands import playbook as commands
from typer.testing import CliRunner

VALUES = {"target": "shop/host/web", "response": "r-1", "actuator": "https://shop.example/openc2"}


def run(name: str, *more: str, **values: str) -> tuple[int, list[str]]:
    """Exit code of a dry run, and what it would send: OpenC2 actions in order."""
    given = [part for key, value in (VALUES | values).items() for part in ("--var", f"{key}={value}")]
    told = CliRunner().invoke(commands, ["run", name, *given, *more, "--json"])
    rows: list[dict[str, Any]] = json.loads(told.stdout)
    if isinstance(rows, dict):
        rows = rows["steps"]
    sent = [one["command"].get("action", "task") for row in rows for one in row.get("commands", ())]
    return told.exit_code, sent


def test_without_evidence_nothing_is_isolated() -> None:
    """Memory and logs are both tried; where one cannot be copied the run fails and isolates nothing."""
    assert run("preserve-and-isolate") == (0, ["copy", "copy", "contain"])
    for step in ("Copy volatile memory", "Copy logs"):
        assert run("preserve-and-isolate", "--fail", step) == (1, ["copy", "copy"])


def test_a_reboot_that_does_not_end_fails_in_time() -> None:
    """Half an hour of asking once a minute, not more."""
    asked = [part for _ in range(100) for part in ("--return", "progress=working")]
    code, sent = run("patch-and-reboot", *asked)
    assert code == 1 and sent[0] == "update" and 25 <= sent.count("query") <= 32


def test_a_reboot_that_ends_is_no_longer_asked_about() -> None:
    """As soon as the owner's system says so."""
    code, sent = run("patch-and-reboot", "--return", "progress=working", "--return", "progress=done")
    assert (code, sent) == (0, ["update", "query", "query"])


def test_only_a_supply_link_is_suspended() -> None:
    """On another link no order is due."""
    assert run("suspend-update-channel", target="supplies a/host/r b/container/c 0") == (0, ["deny"])
    assert run("suspend-update-channel", target="reaches a/host/r b/container/c 443") == (0, [])


def test_each_kind_has_its_decoy() -> None:
    """By the kind that is told; a service where nothing is told."""
    for more in ((), ("--return", "kind=identity"), ("--return", "kind=data_store")):
        assert run("deploy-decoy", *more) == (0, ["query", "create"])
