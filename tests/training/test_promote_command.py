"""`tocsin policy promote` on a real, small suite: refused with every reason, or a signed file that a node takes."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tocsin.envs.policy_shelf import verified
from tocsin.envs.profile import Profile
from tocsin.envs.promotion import evaluated_with
from tocsin.orchestrator.cli import main
from tocsin.tests.envs.promoting import ROLE, policy
from tocsin.tests.playbooks.makers import Person, trust
from tocsin.tests.training.test_promote import GOOD
from tocsin.training import candidate
from tocsin.training.freezing import digest_of
from tocsin.training.suites import read_suite

SUITE = """
name: small
episodes: 2
horizon_ticks: 20
playbooks: [isolate-asset, raise-monitoring, release-asset, restore-asset, revoke-credentials]
attackers: {opportunist: {preset: opportunist, tries_per_hour: 300, onset_s: [0, 0]}}
judged: {chains: [{chain: charging}]}
tuned_on: {chains: [{chain: charging}]}
tuned: {restore: 0.3, isolate: 0.8, worth: 1.0, watchful: 1.0, stops: [0.5]}
"""


@pytest.fixture
def grace() -> Person:
    return Person("grace", ROLE)


@pytest.fixture
def place(tmp_path: Path, grace: Person) -> Path:
    """A folder with suite, key and a policy that acts wherever it may."""
    (tmp_path / "loose.yaml").write_text(SUITE)
    digest = digest_of(read_suite(str(tmp_path / "loose.yaml")))
    (tmp_path / "suite.yaml").write_text(SUITE + f"digest: {digest}\n")
    (tmp_path / "key.jwk").write_text(json.dumps(grace.jwk.as_dict(private=True)))
    policy(tmp_path)
    return tmp_path


def _run(capsys: pytest.CaptureFixture[str], place: Path, **change: Any) -> tuple[int, str, str]:
    given = {"suite": place / "suite.yaml", "key": place / "key.jwk", "out": place / "out.tocsin", "person": "grace"}
    given |= {"downtime": 100, "false": 100, **change}
    flags = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    with pytest.raises(SystemExit) as ended:
        main(["policy", "promote", str(place / "trained-0.tocsin"), *flags, "--json"])
        sys.exit(0)
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_a_policy_that_beats_nobody_is_refused_with_every_reason(
    capsys: pytest.CaptureFixture[str], place: Path
) -> None:
    """Exit code 1, the baselines and budgets named, nothing written."""
    code, out, _ = _run(capsys, place, downtime=0, false=0)
    told = json.loads(out)
    names = [reason["name"] for reason in told["reasons"]]
    assert code == 1 and not told["promoted"] and names.count("not_better") >= 2 and "false_containments" in names
    assert "do nothing" in json.dumps(told["shown"]) and not (place / "out.tocsin").exists()


def test_what_may_go_is_signed_with_its_card(
    capsys: pytest.CaptureFixture[str], place: Path, grace: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file verifies, may propose what the suite has alone, and knows what it met in training."""
    monkeypatch.setattr(candidate, "shown_on", lambda *_: GOOD)  # a policy that wins takes longer to train than a test
    code, out, _ = _run(capsys, place)
    assert code == 0 and json.loads(out)["promoted"]
    found = verified(place / "out.tocsin", trust([grace]), datetime.now(UTC))
    assert {one.name for one in evaluated_with(found)} == {
        "isolate-asset",
        "raise-monitoring",
        "release-asset",
        "restore-asset",
        "revoke-credentials",
    }
    promotion = found.card["promotion"]
    assert promotion["suite"]["name"] == "held-out" and promotion["judged_by"]["packages"]["numpy"]
    profile = Profile.of_object(promotion["observations"])
    assert profile.length == 10
    strata = profile.strata
    assert sum(one.windows * one.decisions for one in strata.values()) == pytest.approx(candidate.WORLDS * 10, abs=0.1)


def test_a_policy_of_another_version_is_a_reason(
    capsys: pytest.CaptureFixture[str], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that reads another observation is refused by that name, without an evaluation."""
    from tocsin.envs import policy_file

    monkeypatch.setattr(policy_file, "OBSERVATION_VERSION", "0" * 16)
    code, out, _ = _run(capsys, place)
    assert code == 1 and [reason["name"] for reason in json.loads(out)["reasons"]] == ["another_version"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"suite": "none"}, "none"),
        ({"key": "none.jwk"}, "none.jwk"),
        ({"out": "none/out.tocsin"}, "none"),
        ({"suite": "loose.yaml"}, "not frozen"),
        ({"downtime": -1}, "--downtime"),
        ({"downtime": "inf"}, "--downtime"),
        ({"false": "nan"}, "--false"),
        ({"person": ""}, "--person"),
        ({"person": "a" * 201}, "--person"),
        ({"person": "ada\n"}, "--person"),
        ({"false": "few"}, "--false"),
    ],
)
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str],
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    named: str,
) -> None:
    """Exit code 2, nothing written, nothing played."""
    monkeypatch.setattr(candidate, "shown_on", lambda *_: pytest.fail("was played"))
    if change.get("suite") == "loose.yaml":
        change = {"suite": place / "loose.yaml"}
    code, out, err = _run(capsys, place, **change)
    assert code == 2 and out == "" and named in err and len(err.strip().splitlines()) == 1
    assert not (place / "out.tocsin").exists()
