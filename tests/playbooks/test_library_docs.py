"""The page of the library says what the files say, and every link leads to something that exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tocsin.playbooks.actions import load_library
from tocsin.playbooks.cacao import HttpCommand, Playbook
from tocsin.playbooks.effects import declaration_of
from tocsin.playbooks.execute import undo_of
from tocsin.playbooks.lint_commands import openc2_of
from tocsin.tests.playbooks.makers import test_data
from tocsin.twin.attack.techniques import TECHNIQUES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "library.md").read_text()
LIBRARY = load_library().playbooks
EVERY = pytest.mark.parametrize("playbook", LIBRARY, ids=lambda one: one.name)
SECTIONS = ("does", "When", "costs", "can go wrong", "undone", "assumed")  # what an approver has to know
ENDS = ("release-asset", "unblock-link")  # they end a containment and answer no technique

# Techniques of MITRE D3FEND that the library names, by id; checked by hand against the matrix of D3FEND 1.x.
D3FEND = {
    "D3-AL": "Account Locking",
    "D3-ANCI": "Authentication Cache Invalidation",
    "D3-CR": "Credential Revocation",
    "D3-CRO": "Credential Rotation",
    "D3-DF": "Decoy File",
    "D3-DNR": "Decoy Network Resource",
    "D3-DNSDL": "DNS Denylisting",
    "D3-DUC": "Decoy User Credential",
    "D3-FA": "File Analysis",
    "D3-FRDDL": "Forward Resolution Domain Denylisting",
    "D3-HR": "Host Reboot",
    "D3-ITF": "Inbound Traffic Filtering",
    "D3-NI": "Network Isolation",
    "D3-NTF": "Network Traffic Filtering",
    "D3-OAM": "Operational Activity Mapping",
    "D3-OM": "Organization Mapping",
    "D3-OPR": "Operating Mode Restriction",
    "D3-OTF": "Outbound Traffic Filtering",
    "D3-OVAR": "OT Variable Access Restriction",
    "D3-PM": "Platform Monitoring",
    "D3-RDI": "Restore Disk Image",
    "D3-RNA": "Restore Network Access",
    "D3-RO": "Restore Object",
    "D3-ST": "Session Termination",
    "D3-SU": "Software Update",
}
# ATT&CK techniques that the twin's attack steps do not have, or only as presence.
BEYOND = {
    "T1071": "Application Layer Protocol",
    "T1110": "Brute Force",
    "T1563": "Remote Service Session Hijacking",
    "T1568": "Dynamic Resolution",
}


def links(playbook: Playbook, source: str) -> dict[str, str]:
    """References of one source: id -> name."""
    found: dict[str, str] = {}
    for reference in playbook.raw["external_references"]:
        if reference["source"] == source:
            found[reference["external_id"]] = reference["name"]
    return found


def rows(heading: str) -> dict[str, list[str]]:
    """Rows of the page's table whose header begins so, by their first cell."""
    table = PAGE.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in table]
    return {row[0].strip("`"): row[1:] for row in cells}


def row_of(playbook: Playbook) -> list[str]:
    """The row that the page has of a playbook."""
    declared = declaration_of(playbook)
    ids = [", ".join(links(playbook, source)) or "-" for source in ("MITRE D3FEND", "RE&CT", "MITRE ATT&CK")]
    return [
        re.split(r"[.:] ", f"{playbook.description} ", maxsplit=1)[0],
        ", ".join(declared["kinds"]) or declared["target_type"],
        declared["consent_class"],
        "yes" if declared["undo"]["possible"] else "no",
        lasting(declared["hold_s"]),
        *ids,
    ]


def lasting(hold_s: float) -> str:
    """A time to live in words."""
    return "-" if hold_s == 0 else f"{hold_s / 3600:g} h" if hold_s < 100_000 else f"{hold_s / 86400:g} days"


def commands_of(playbook: Playbook) -> list[str]:
    """Actions, target type and undo, as the page has them."""
    does: list[str] = []
    undoes: list[str] = []
    for name, step in playbook.workflow.items():
        for command in step.commands if step.type == "action" else ():
            does.append(openc2_of(command)[0] if isinstance(command, HttpCommand) else command.type)
            undoes += [openc2_of(one)[0] for one in undo_of(playbook, name) if isinstance(one, HttpCommand)]
        if step.type == "playbook-action":
            does.append("isolate-asset")
            undoes.append("isolate-asset")
    return [_unique(does), declaration_of(playbook)["target_type"], _unique(undoes) or "-"]


def _unique(words: list[str]) -> str:
    return ", ".join(f"`{word}`" for word in dict.fromkeys(words))


def test_the_table_is_the_library() -> None:
    """Every playbook by name, with all that the page says of it."""
    assert rows("playbook | does") == {playbook.name: row_of(playbook) for playbook in sorted(LIBRARY, key=_name)}


def test_the_table_of_commands_is_the_library() -> None:
    """What an owner's actuator is told."""
    assert rows("playbook | sends") == {playbook.name: commands_of(playbook) for playbook in sorted(LIBRARY, key=_name)}


def _name(playbook: Playbook) -> str:
    return playbook.name


@EVERY
def test_a_page_for_the_approver_is_inside_the_signed_document(playbook: Playbook) -> None:
    """One line that sums it up, then what it does, when, cost, risk, undo, assumptions: 120 to 230 words."""
    assert playbook.description is not None
    summary, *parts = playbook.description.split("\n\n")
    assert len(summary) <= 150 and "\n" not in summary and summary.endswith(".")
    assert len(parts) == len(SECTIONS)
    for part, word in zip(parts, SECTIONS, strict=True):
        title = re.match(r"\*\*([^*]+)\.\*\* ", part)
        assert title is not None and word in title[1], part
    assert 120 <= len(playbook.description.split()) <= 230


@EVERY
def test_techniques_of_d3fend_exist(playbook: Playbook) -> None:
    """At least one, by its id and its name."""
    found = links(playbook, "MITRE D3FEND")
    assert found and found.items() <= D3FEND.items()


@EVERY
def test_techniques_of_attack_exist(playbook: Playbook) -> None:
    """As the twin's attack steps name them; what ends a containment answers none."""
    found = links(playbook, "MITRE ATT&CK")
    known = {id_: technique.name for id_, technique in TECHNIQUES.items()} | BEYOND
    assert {id_: f"Answers {known[id_]}" for id_ in found} == found
    assert bool(found) == (playbook.name not in ENDS)


@EVERY
def test_response_actions_of_react_exist(playbook: Playbook) -> None:
    """At least one, by its id and its title in the RE&CT repository."""
    folder = test_data("react", "response_actions")
    titles = {}
    for file in folder.glob("RA_*.yml"):
        text = file.read_text()
        id_, title = (re.search(rf"^{field}: *(\S+)", text, re.MULTILINE) for field in ("id", "title"))
        if id_ and title:
            titles[id_[1]] = re.sub(r"^RA_\d+_", "", title[1]).replace("_", " ").lower()
    found = links(playbook, "RE&CT")
    assert found
    for action, name in found.items():
        assert titles[action] == name.lower()


def test_every_need_of_the_issue_has_a_playbook() -> None:
    """What a multi-owner chain needs, by name."""
    needed: dict[str, Any] = {
        "isolate and release": {"isolate-asset", "release-asset"},
        "quarantine": {"quarantine-container"},
        "block and unblock": {"block-link", "unblock-link"},
        "rate limit": {"rate-limit-service"},
        "credentials": {"revoke-credentials"},
        "identity": {"disable-identity"},
        "safe state": {"put-process-in-safe-state"},
        "sessions": {"kill-sessions"},
        "restore": {"restore-asset"},
        "patch": {"patch-and-reboot"},
        "monitoring": {"raise-monitoring"},
        "decoy": {"deploy-decoy"},
        "sinkhole": {"sinkhole-domain"},
        "failover": {"fail-over-service"},
        "updates": {"suspend-update-channel"},
        "contact": {"notify-contact"},
        "another owner": {"request-action"},
        "evidence": {"preserve-and-isolate"},
    }
    assert set().union(*needed.values()) <= {playbook.name for playbook in LIBRARY}
