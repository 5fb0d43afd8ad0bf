"""Cooperation under draws of all assumed numbers: they reach the worlds, add up, and go on where they stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tocsin.envs.assumptions import Assumptions
from tocsin.envs.kinds import ARMS
from tocsin.envs.ranges import ranges
from tocsin.envs.scenario import read_scenario
from tocsin.orchestrator.cli import load_command
from tocsin.tests.envs.games import short_game
from tocsin.training import cooperation, cooperation_draws
from tocsin.training.chains import Trial, trials
from tocsin.training.cooperation import NOTHING, RULE, compare
from tocsin.training.cooperation_draws import _concluded, begun_by, cooperating_under, drawings, keys_of, play_draw
from tocsin.training.cooperation_told import draws, draws_as_dict
from tocsin.training.evaluate import EvaluationError
from tocsin.training.robust import SEED, Extent
from tocsin.twin.vocabulary import ConsentMode, Proposer

EXTENT = Extent(draws=3, chains=1, attacks=2)
SCENARIO = """name: small
attackers: [{preset: opportunist, tries_per_hour: 60.0, absent: 0.0, onset_s: [0.0, 0.0]}]
horizon_ticks: 20
generate: {assets: 30, owners: 3, seed: 5}
"""


@pytest.fixture
def quick_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cooperation, "LEVELS", (0.4,))
    monkeypatch.setattr(cooperation, "TUNING_ATTACKS", 4)


def test_times_until_consent_are_drawn_with_all_else() -> None:
    """Each draw has its own, within their ranges; the world's numbers are drawn, the belief's are the table's."""
    game, seen, tries = short_game(), set(), set()
    for number in range(4):
        one = Assumptions(1, number)
        for kind, name in (("both", "quick_s"), ("findings", "slow_s")):
            drawn = cooperating_under(game, one, ARMS[kind])
            wanted, row = one.value(f"cooperation.{name}"), ranges()[f"cooperation.{name}"]
            others = [rule for rule in drawn.compiled.twin.consent if rule.proposer is Proposer.OTHER]
            changed = [rule for rule in others if rule.mode in (ConsentMode.VETO_WINDOW, ConsentMode.ASK)]
            assert any(rule.latency_s == wanted for rule in changed) and row.low <= wanted <= row.high
            assert drawn.scenario.name == game.scenario.name
            tries.add(float(drawn.parameters.attacker["try_p"][0]))
            assert (drawn.assumed.attacker["try_p"] == game.assumed.attacker["try_p"]).all()
            seen.add(wanted)
    assert len(seen) == 8 and len(tries) > 1


@pytest.mark.usefixtures("quick_tuning")
def test_draws_give_worths_by_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is the loss under neither less the loss in that draw; what is known is not played again."""
    trials = [Trial(short_game(), (short_game(),))]
    table = compare("short", trials, {}, 4)
    kept: dict[int, dict[str, float]] = {}
    found = drawings(table, trials, {}, EXTENT, keep=lambda number, means: kept.update({number: dict(means)}))
    assert set(kept) == {0, 1, 2} and {one.kind for one in found.worths} == {"both", "findings", "consent"}
    assert kept[1] == play_draw(trials, table.tuned, {}, EXTENT, 1) != kept[2]
    for one in found.worths:
        saved = sorted(means[f"{RULE}, neither"] - means[f"{RULE}, {one.kind}"] for means in kept.values())
        assert one.median == pytest.approx(saved[1]) and saved[0] <= one.low <= one.high <= saved[2]
        assert one.gains == sum(value > 0 for value in saved) / 3 and one.harms == sum(v < 0 for v in saved) / 3

    def plays(*_: Any) -> None:
        raise AssertionError("a draw that is known is played again")

    monkeypatch.setattr(cooperation_draws, "play_draw", plays)
    assert drawings(table, trials, {}, EXTENT, known=kept) == found
    told = draws_as_dict(found)
    assert json.loads(json.dumps(told)) == told
    assert draws(found).row_count == 3


def test_a_gain_or_a_harm_stands_in_95_of_100_draws() -> None:
    """By the sign that it has with all as assumed; what is never worth anything stands neither way."""

    def means(both: float, findings: float) -> dict[str, float]:
        of = {"both": both, "findings": findings, "consent": 5.0, "neither": 5.0}
        return {**{f"{RULE}, {kind}": loss for kind, loss in of.items()}, NOTHING: 6.0}

    sure, unsure = means(4.0, 6.0), means(5.5, 6.5)
    found = _concluded(sure, [sure] * 94 + [unsure] * 6, keys_of({}), Extent(100, 1, 2))
    both, findings, consent = sorted(found.worths, key=lambda one: list(ARMS).index(one.kind))
    assert (both.assumed, both.gains, both.harms, both.stands) == (1.0, 0.94, 0.06, False)
    assert (findings.assumed, findings.gains, findings.harms, findings.stands) == (-1.0, 0.0, 1.0, True)
    assert (consent.assumed, consent.gains, consent.harms, consent.stands) == (0.0, 0.0, 0.0, False)
    assert found.beats_nothing[RULE, "both"] == 1.0 and found.beats_nothing[RULE, "findings"] == 0.0


@pytest.mark.usefixtures("quick_tuning")
def test_a_run_goes_on_where_it_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Draws that are kept are not played again, the outcome is the same; a file of another run is refused."""
    scenario, keep = tmp_path / "small.yaml", tmp_path / "draws.jsonl"
    scenario.write_text(SCENARIO)

    def run(*more: str) -> str:
        arguments = ["--scenario", str(scenario), "--attacks", "3", "--draws", "2", "--draw-attacks", "2", *more]
        command = load_command("cooperation", "tocsin.training.cooperation_commands:cooperation")
        command.main(args=[*arguments, "--keep", str(keep)], standalone_mode=False)
        return capsys.readouterr().out

    first = json.loads(run("--json"))
    lines = keep.read_text().splitlines()
    assert [json.loads(line)["draw"] for line in lines[1:]] == [0, 1] and first["draws"]["draws"] == 2
    keep.write_text("\n".join(lines[:2]) + "\n")
    assert json.loads(run("--json")) == first and keep.read_text().splitlines() == lines
    assert "2 draws of all assumed numbers" in " ".join(run().split())
    with pytest.raises(EvaluationError, match="another run"):
        run("--draw-seed", "4")
    assert keep.read_text().splitlines() == lines


@pytest.mark.usefixtures("quick_tuning")
def test_a_file_that_cannot_keep_draws_is_refused_before_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another run, of other policies or no such file: nothing is played then, and the file stays as it is."""

    def never(*given: object, **more: object) -> None:
        raise AssertionError("the table was played")

    monkeypatch.setattr(cooperation, "compare", never)
    scenario, keep = tmp_path / "small.yaml", tmp_path / "draws.jsonl"
    scenario.write_text(SCENARIO)
    judged = trials([read_scenario(scenario)], 1)
    header = json.dumps({**begun_by("small", judged, {}, replace(EXTENT, seed=SEED)), "tuned": {}})
    given = ["--scenario", str(scenario), "--draws", "3", "--draw-attacks", "2", "--keep", str(keep)]
    command = load_command("cooperation", "tocsin.training.cooperation_commands:cooperation")
    for text, named, more in (
        ("{}\n", "another run", ()),
        (header, r"another run \(cooperation small", ("--draw-seed", "4")),
        (header + '\n{"draw": 0, "means": {"ghost": 1.0}}\n', "line 2 is no draw of these policies", ()),
        ("no json\n", "line 1 is no JSON", ()),
        ("[1]\n", "another run", ()),
        (b"\xff\xfe", "is no text", ()),
    ):
        keep.write_bytes(text if isinstance(text, bytes) else text.encode())
        before = keep.read_bytes()
        with pytest.raises(EvaluationError, match=named):
            command.main(args=[*given, *more], standalone_mode=False)
        assert keep.read_bytes() == before
    for text in (header, header + '\n{"draw": 0, "me', ""):  # these are of this run, one cut off, one empty
        keep.write_text(text)
        with pytest.raises(AssertionError, match="the table was played"):
            command.main(args=given, standalone_mode=False)
        assert keep.read_text() == text
