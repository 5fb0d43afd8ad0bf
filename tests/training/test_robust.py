"""Only what is robust is claimed: shares of draws, orders, and long runs that go on where they stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tocsin.orchestrator.cli import BAD_INPUT, load_command, main
from tocsin.tests.training.small_suites import SMALL, small_suite
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.training import robust as module
from tocsin.training.contenders import BASELINES, CLAIRVOYANT, NOTHING
from tocsin.training.evaluate import EvaluationError
from tocsin.training.robust import DEFAULT, Extent, cells_of, concluded
from tocsin.training.robust_commands import _print, as_object
from tocsin.training.robust_keeping import add, read_kept
from tocsin.training.suites import read_suite


def run(*arguments: str) -> None:
    load_command("robust", "tocsin.training.robust_commands:robust").main(args=list(arguments), standalone_mode=False)


def test_a_claim_stands_where_its_sign_holds_in_95_of_100_draws() -> None:
    """One of two pairs does; the order and its agreement are of competitors alone."""
    assumed = {"b": 2.0, "a": 1.0, "c": 3.0, CLAIRVOYANT: 0.5}
    same, swapped = dict(assumed), {"a": 2.0, "b": 1.0, "c": 3.0, CLAIRVOYANT: 9.0}
    found = concluded(assumed, [same] * 94 + [swapped] * 6)
    holds = {(claim.better, claim.worse): (claim.holds, claim.stands) for claim in found.claims}
    assert holds["a", "b"] == (0.94, False) and holds["a", "c"] == (1.0, True)
    assert holds[CLAIRVOYANT, "a"] == (0.94, False) and len(holds) == 6
    assert [one.policy for one in found.spreads] == [CLAIRVOYANT, "a", "b", "c"]
    assert found.tau == pytest.approx(0.94 + 0.06 / 3) and found.tau_low == pytest.approx(1 / 3)
    claim = next(one for one in found.claims if one.better == "a" and one.worse == "c")
    assert claim.gap == 2.0
    a = found.spreads[1]
    assert (a.assumed, a.median, a.low, a.high) == (1.0, 1.0, 1.0, 2.0)


def test_draws_take_chains_in_turn(tmp_path: Path) -> None:
    """Each of the suite's comes; with all as assumed the whole suite is played."""
    suite = read_suite(small_suite(tmp_path))
    extent = Extent(draws=4, chains=1, attacks=2)
    chains = [{place.chain for place in cells_of(suite, extent, number)} for number in range(4)]
    assert chains[0] == chains[2] != chains[1] == chains[3] and all(len(one) == 1 for one in chains)
    assert cells_of(suite, extent, DEFAULT) == suite.judged


def test_a_run_goes_on_where_it_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept draws are not played again, a line that was cut off is; results and picture are those of one run."""
    suite, keep, chart = small_suite(tmp_path), tmp_path / "draws.jsonl", tmp_path / "robust.png"
    arguments = ("--suite", suite, "--draws", "3", "--chains", "1", "--attacks", "2", "--keep", str(keep), "--json")
    run(*arguments, "--chart", str(chart))
    first = json.loads(capsys.readouterr().out)
    assert chart.read_bytes().startswith(b"\x89PNG")
    assert {one["policy"] for one in first["losses"]} == set(BASELINES) and first["draws"] == 3
    assert len(first["claims"]) == len(BASELINES) * (len(BASELINES) - 1) // 2
    lines = keep.read_text().splitlines()
    assert [json.loads(line)["draw"] for line in lines[1:]] == [0, 1, 2, DEFAULT]
    assert json.loads(lines[1])["means"][NOTHING] != json.loads(lines[3])["means"][NOTHING]
    keep.write_text("\n".join(lines[:4]) + "\n" + lines[4][:30])
    played: list[int] = []
    play_draw = module.play_draw
    monkeypatch.setattr(module, "play_draw", lambda *a: played.append(a[-1]) or play_draw(*a))
    run(*arguments)
    assert json.loads(capsys.readouterr().out) == first and played == [DEFAULT]
    for more in (("--seed", "4"), ("--suite", small_suite(tmp_path, SMALL.replace("assets: 14", "assets: 15")))):
        with pytest.raises(ValueError, match="another run"):
            run(*arguments, *more)
    small_suite(tmp_path, SMALL.replace("restore: 0.4", "restore: 0.41"))
    with pytest.raises(ValueError, match="another run"):
        run(*arguments)
    assert len(keep.read_text().splitlines()) == 5


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "7",
        '{"draw": 0, "means": {"b": 1.0}}',
        '{"draw": 0, "means": {"a": NaN}}',
        '{"draw": "0", "means": {"a": 1.0}}',
        '{"draw": -2, "means": {"a": 1.0}}',
        '{"draw": 0, "means": [1.0]}',
    ],
)
def test_a_line_that_is_no_draw_is_named(tmp_path: Path, line: str) -> None:
    """Nothing of the file is used or changed."""
    path, header = tmp_path / "draws.jsonl", {"suite": "small", "stops": (0.1, 0.2)}
    assert read_kept(path, header, {"a"}) == {}
    add(path, 0, {"a": 1.5})
    assert read_kept(path, header, {"a"}) == {0: {"a": 1.5}}
    with path.open("a") as file:
        file.write(line + "\n")
    before = path.read_bytes()
    with pytest.raises(EvaluationError, match="line 3"):
        read_kept(path, header, {"a"})
    assert path.read_bytes() == before


def test_where_all_lose_alike_there_is_no_order() -> None:
    """Tau is null in JSON, not NaN, and the table says why."""
    apart, alike = {"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 1.0}
    for assumed, draws in ((alike, [apart] * 2), (apart, [alike, apart])):
        found = concluded(assumed, draws)
        told = json.loads(json.dumps(as_object(found), allow_nan=False))
        assert told["tau"] is None and told["tau_low"] is None
        _print(found)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--draws", "1"), "--draws 1"),
        (("--attacks", "1"), "--attacks 1"),
        (("--seed", "-1"), "--seed -1"),
        (("--suite", "none-such"), "none-such"),
        (("--policy", "absent.tocsin"), "absent.tocsin"),
        (("--chart", "absent/chart.png"), "absent"),
        (("--chart", "chart.xyz"), "chart.xyz"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, one line that names what is wrong, before anything is played."""
    with pytest.raises(SystemExit) as left:
        main(["robust", *arguments])
    out, err = capsys.readouterr()
    assert left.value.code == BAD_INPUT and out == ""
    assert len(err.strip().splitlines()) == 1 and named in err
