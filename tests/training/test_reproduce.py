"""Kept results: a run of today gives them again, and what differs is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tocsin.orchestrator.cli import BAD_INPUT, load_command, main
from tocsin.tests.training.small_suites import small_suite
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.training import reproduce as module
from tocsin.training.contenders import BASELINES, CLAIRVOYANT, THRESHOLD
from tocsin.training.reproduce import read_results, table_names
from tocsin.training.reproduce_page import rewritten, tables
from tocsin.training.suites import read_suite, shipped_suites


def run(*arguments: str) -> None:
    load_command("reproduce", "tocsin.training.reproduce_commands:reproduce").main(
        args=list(arguments), standalone_mode=False
    )


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small suite, with results to be kept in a folder of its own."""
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr(module, "KEPT", kept)
    monkeypatch.setattr(module, "SHIPPED_POLICIES", tmp_path / "none")
    return small_suite(tmp_path)


@pytest.mark.parametrize("name", [name for name in shipped_suites() if read_suite(name).said.digest])
def test_results_of_frozen_suites_are_kept(name: str) -> None:
    """All baselines, on all chains, under the digest of the suite."""
    kept, suite = read_results(name), read_suite(name)
    assert name in table_names() and kept["digest"] == suite.said.digest
    assert set(BASELINES) <= set(kept["policies"])
    best = kept["policies"][CLAIRVOYANT]["chains"]
    for row in kept["policies"].values():
        assert len(row["chains"]) == len(suite.said.judged.chains)
        assert all(best[chain]["mean"] <= one["mean"] + 1e-9 for chain, one in row["chains"].items())


def test_what_is_kept_comes_again(suite: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Written once, equal to the last bit afterwards, over all chains and over some; a changed figure is named."""
    run(suite, "--write")
    capsys.readouterr()
    path = module.KEPT / "small.json"
    assert [one.name for one in module.KEPT.iterdir()] == ["small.json"], "no draft is left"
    for more in ((), ("--quick",)):
        run(suite, "--json", *more)
        told = json.loads(capsys.readouterr().out)
        assert told["equal"] and told["chains"] == 2 and told["not_run"] == []
        assert all(one["largest"] == 0 and one["figures"] > 10 for one in told["policies"])
    kept = json.loads(path.read_text())
    kept["policies"][THRESHOLD]["chains"]["01 (14 assets)"]["downtime"] += 1e-6
    kept["policies"]["gone"] = kept["policies"][THRESHOLD]
    path.write_text(json.dumps(kept))
    assert load_command("reproduce", "tocsin.training.reproduce_commands:reproduce").main(
        args=[suite, "--json"], standalone_mode=False
    ) in (1, None)
    told = json.loads(capsys.readouterr().out)
    gap = max(told["policies"], key=lambda one: one["largest"])
    assert not told["equal"] and told["not_run"] == ["gone"]
    assert gap["policy"] == THRESHOLD and gap["place"] == "01 (14 assets).downtime"
    run(suite, "--tolerance", "1e-5")
    assert "equal" in capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name in shipped_suites() if read_suite(name).said.digest])
def test_the_page_shows_what_is_kept(name: str) -> None:
    """Tables of the page are those of the kept results: tocsin reproduce NAME --show --page docs/benchmark.md."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "benchmark.md").read_text()
    assert rewritten(page, name, tables(read_results(name))) == page


def test_a_table_is_written_between_its_marks(suite: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What stands around it stays; a page without marks is refused and stays as it is."""
    run(suite, "--write")
    page = tmp_path / "page.md"
    page.write_text("# Before\n<!-- small -->\nold\n<!-- end -->\nafter\n")
    for _ in range(2):
        run("small", "--show", "--page", str(page))
        told = page.read_text()
        assert told.startswith("# Before\n<!-- small -->\n| policy |") and told.endswith("\n<!-- end -->\nafter\n")
        assert "old" not in told and told.count("| do nothing |") == 2
    capsys.readouterr()
    run("small", "--show")
    assert capsys.readouterr().out.strip() in told
    page.write_text("no marks")
    with pytest.raises(ValueError, match="small"):
        run("small", "--show", "--page", str(page))
    assert page.read_text() == "no marks"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--quick", "--write"), "--quick"),
        (("none-such",), "none-such"),
        (("charging",), "charging"),
        (("--tolerance", "-1"), "--tolerance"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one line, before anything is played."""
    with pytest.raises(SystemExit) as left:
        main(["reproduce", *arguments])
    out, err = capsys.readouterr()
    assert left.value.code == BAD_INPUT and out == ""
    assert len(err.strip().splitlines()) == 1 and named in err
