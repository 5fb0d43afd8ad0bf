"""`tocsin policy`: what each command says, its exit codes, and that bad input is one line and changes nothing."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from tocsin.envs.active import INPUTS, PRESENT
from tocsin.envs.policy_shelf import PolicyShelf
from tocsin.envs.profile import Window, counted, profile_of
from tocsin.orchestrator.cli import main
from tocsin.orchestrator.store import open_store, outlooks, policy_windows, responses, sqlite_url
from tocsin.tests.envs.promoting import ROLE, policy, promoted_file
from tocsin.tests.orchestrator.fakes import house, isolate
from tocsin.tests.playbooks.makers import Person, write_trust


@pytest.fixture
def grace() -> Person:
    return Person("grace", ROLE)


@pytest.fixture
def home(tmp_path: Path, grace: Person) -> Path:
    """A home that trusts her."""
    shelf = PolicyShelf(tmp_path / "home" / "policies")
    shelf.folder.mkdir(parents=True)
    write_trust(shelf.trust, "shop", [grace])
    return tmp_path / "home"


def _run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["policy", *(str(one) for one in arguments)])
        sys.exit(0)
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_verify_tells_who_promoted_or_why_it_does_not_count(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, home: Path, grace: Person
) -> None:
    """0: promoted by whom; 1: the refusal by name; 2: no intact file, in one line."""
    path = promoted_file(tmp_path, grace)
    code, out, _ = _run(capsys, "verify", path, "--home", home)
    assert code == 0 and "grace" in out
    policy(tmp_path)
    code, out, _ = _run(capsys, "verify", tmp_path / "trained-0.tocsin", "--home", home, "--json")
    assert code == 1 and json.loads(out)["refusal"] == "unsigned"
    eve = Person("eve", ROLE)
    code, _, err = _run(capsys, "verify", path, "--trust", write_trust(tmp_path / "eve.json", "shop", [eve]))
    assert code == 1 and err.startswith("untrusted") and "grace" in err
    whole = path.read_bytes()
    for wrong in (whole[:-1], whole[:3000] + bytes([whole[3000] ^ 1]) + whole[3001:], b""):
        path.write_bytes(wrong)
        code, out, err = _run(capsys, "verify", path, "--home", home)
        assert code in (1, 2) and out == "" and path.name in err and len(err.strip().splitlines()) == 1


def test_the_card_is_shown_to_people_and_machines(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, grace: Person
) -> None:
    """What was shown with intervals, limits and playbooks; what a stranger wrote there moves no cursor."""
    loss = {"mean": 2.0, "low": 1.8, "high": 2.2}
    figures = {
        "loss": loss,
        "baselines": {"do\x1b[2Jnothing": {**loss, "mean": 9.0}},
        "clairvoyant": None,
        "downtime": 0.1,
        "false_containments": 0.2,
        "consents": 0.3,
    }
    suite = {"name": "held-out", "chains": ["one"], "attacks": 40, "digest": "0" * 64}
    path = promoted_file(tmp_path, grace, shown={"figures": figures, "suite": suite, "limits": ["simulation"]})
    code, out, _ = _run(capsys, "card", path)
    assert code == 0 and "2.00 (1.80 to 2.20)" in out and "held-out" in out and "limit: simulation" in out
    assert "\x1b" not in out and "restore-asset" not in out.split("may propose")[0] and "restore-asset" in out
    shown = json.loads(_run(capsys, "card", path, "--json")[1])
    assert shown["card"]["promotion"]["figures"]["loss"] == loss and shown["signature"]["signee"] == "grace"
    path = promoted_file(tmp_path, grace, shown={"figures": 3})
    code, _, err = _run(capsys, "card", path)
    assert code == 2 and "--json" in err and len(err.strip().splitlines()) == 1


def test_use_and_rollback(capsys: pytest.CaptureFixture[str], tmp_path: Path, home: Path, grace: Person) -> None:
    """One command each; the history tells both; there is nothing before the first."""
    files = [promoted_file(tmp_path, grace, seed, now=datetime(2026, 1, 1, tzinfo=UTC)) for seed in (0, 1)]
    for path in files:
        assert _run(capsys, "use", path, "--home", home)[0] == 0
    code, out, _ = _run(capsys, "rollback", "--home", home, "--json")
    assert code == 0 and Path(json.loads(out)["file"]).read_bytes() == files[0].read_bytes()
    code, _, err = _run(capsys, "rollback", "--home", home)
    assert code == 2 and len(err.strip().splitlines()) == 1
    told = json.loads(_run(capsys, "history", "--home", home, "--json")[1])
    assert [row["action"] for row in told["history"]] == ["use", "use", "rollback"] and len(told["stack"]) == 1
    policy(tmp_path, 3)
    assert _run(capsys, "use", tmp_path / "trained-3.tocsin", "--home", home)[0] == 2


def _window(seed: int, high: int = 200) -> Window:
    rows = np.random.default_rng(seed).integers(0, high, (12, 4, INPUTS)).astype(np.uint8)
    rows[:, :, PRESENT] = 255
    rows[6:, :, 3] = 0  # evidence: half the decisions are quiet
    return counted(rows)


@pytest.fixture
def used(tmp_path: Path, home: Path, grace: Person) -> Path:
    """A home whose current policy has a profile."""
    observations = profile_of([[_window(seed) for seed in range(30)]], 12).as_object()
    shelf = PolicyShelf(home / "policies")
    shelf.use(promoted_file(tmp_path, grace, shown={"observations": observations}), datetime.now(UTC))
    return home


@pytest.mark.parametrize(
    ("high", "windows", "held", "verdict", "exit_code"),
    [
        (200, 12, 1.0, "fit", 0),
        (60, 12, 1.0, "train again", 1),
        (200, 12, 9.0, "train again", 1),
        (200, 3, 1.0, None, 2),
    ],
)
def test_watch_reads_a_nodes_store(
    capsys: pytest.CaptureFixture[str],
    used: Path,
    tmp_path: Path,
    high: int,
    windows: int,
    held: float,
    verdict: str | None,
    exit_code: int,
) -> None:
    """Windows and outlooks of this policy alone count; what `--json` prints is read by `--from` to the same verdict."""
    store, digest = tmp_path / "store.sqlite", PolicyShelf(used / "policies").standing().stack[-1]
    engine = open_store(sqlite_url(store))
    body = {"horizon_s": 3600.0, "nothing": [0.0, 0.2, 0.5, 1.0, 2.0], "this": [0.0] * 5}
    with engine.begin() as conn:
        for number in range(windows):
            for policy_of, top in ((digest, high), ("another", 10)):
                row = {"policy": policy_of, "begun": "2026", "body": _window(100 + number, top).as_object()}
                conn.execute(sa.insert(policy_windows).values(row))
        for number in range(25):
            row = {"response": f"r{number}", "policy": digest, "option": "nothing", "due": "2026", "body": body}
            conn.execute(sa.insert(outlooks).values({**row, "state": "came", "before": 0.0, "came": held}))
    code, out, _ = _run(capsys, "watch", "--home", used, "--node-store", store, "--json")
    told = json.loads(out)
    parts = {part["name"]: part["verdict"] for part in told["parts"]}
    assert parts["outcomes"] == "cannot tell", "no response ended"
    told["met"]["outcomes"] = [{"declared": 0.9, "succeeded": number % 10 != 0} for number in range(40)]
    kept = tmp_path / "met.json"
    kept.write_text(json.dumps(told))
    code, out, _ = _run(capsys, "watch", "--home", used, "--from", kept)
    assert code == exit_code and (verdict or "cannot tell") in out


def test_watch_counts_verified_responses_of_the_node(
    capsys: pytest.CaptureFixture[str], used: Path, tmp_path: Path
) -> None:
    """What this policy proposed and telemetry confirmed counts as success, by what the library's playbook declares."""
    from tocsin.orchestrator.met import met_in_store
    from tocsin.playbooks.actions import load_library
    from tocsin.tests.orchestrator.fakes import ISOLATE, at_once, chain

    ours, library = house(tmp_path / "node", twin=chain(at_once("edge"))), load_library()
    ours.advisor.proposals = [isolate()]
    for _ in range(8):
        ours.tick()
    with ours.engine.begin() as conn:  # as the watcher of a node keeps it at the rehearsal
        (response,) = conn.execute(sa.select(responses.c.id)).scalars()
        row = {"response": response, "policy": "p", "option": "this", "state": "open", "due": "2026", "before": 0.0}
        conn.execute(sa.insert(outlooks).values({**row, "came": 0.0, "body": {}}))
    assert met_in_store(ours.engine, "p", library).outcomes == (), "the library has no such playbook"
    known = type("Library", (), {"playbooks": [type("P", (), {"id": ISOLATE})], "effects": library.effects[:1]})
    assert met_in_store(ours.engine, "p", known()).outcomes == ((library.effects[0].success, True),)  # type: ignore[arg-type]
    assert met_in_store(ours.engine, "q", known()).outcomes == (), "another policy's"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"windows": [{}], "outlooks": [], "outcomes": []}', '{"windows": [], "outlooks": [3]}']
)
def test_watch_refuses_what_it_cannot_read(
    capsys: pytest.CaptureFixture[str], used: Path, tmp_path: Path, content: str
) -> None:
    """Exit code 2 and one line that names the file."""
    (tmp_path / "met.json").write_text(content)
    code, out, err = _run(capsys, "watch", "--home", used, "--from", tmp_path / "met.json")
    assert code == 2 and out == "" and "met.json" in err and len(err.strip().splitlines()) == 1


def test_watch_needs_a_profile(capsys: pytest.CaptureFixture[str], tmp_path: Path, home: Path, grace: Person) -> None:
    """A promotion without a profile cannot be watched, and a policy that nobody promoted is not."""
    path = promoted_file(tmp_path, grace)
    code, _, err = _run(capsys, "watch", path, "--home", home, "--from", path)
    assert code == 2 and "promote" in err
