"""Kept results: a run of today gives them again, and what differs is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tocsin import envs as shelf
from tocsin.orchestrator.cli import BAD_INPUT, load_command, main
from tocsin.tests.training.small_suites import SMALL, small_suite
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.training import judging, suites
from tocsin.training import reproduce as module
from tocsin.training.contenders import BASELINES, CLAIRVOYANT, THRESHOLD
from tocsin.training.freezing import digest_of
from tocsin.training.reproduce import read_results, table_names
from tocsin.training.reproduce_page import rewritten, tables
from tocsin.training.suites import read_suite, shipped_suites


def run(*arguments: str) -> int | None:
    code: int | None = load_command("reproduce", "tocsin.training.reproduce_commands:reproduce").main(
        args=list(arguments), standalone_mode=False
    )
    return code


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small frozen suite that is shipped, with results to be kept in a folder of its own; its name."""
    for name in ("kept", "suites"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(module, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(module, "SHIPPED_POLICIES", tmp_path / "none")
    monkeypatch.setattr(suites, "SHIPPED", tmp_path / "suites")
    digest = digest_of(read_suite(small_suite(tmp_path / "suites")))
    small_suite(tmp_path / "suites", SMALL + f"digest: {digest}\n")
    return "small"


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
    path.write_text(json.dumps(kept))
    assert run(suite, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    gap = max(told["policies"], key=lambda one: one["largest"])
    assert not told["equal"] and told["not_run"] == []
    assert gap["policy"] == THRESHOLD and gap["place"] == "01 (14 assets).downtime"
    assert run(suite, "--tolerance", "1e-5") is None
    assert ": equal (" in capsys.readouterr().out


def test_equal_is_said_of_all_that_is_kept_alone(suite: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A policy that was not run, and one of another file than the results are of, are named; it ends with 1."""
    given = ("--policy", f"mine={next((Path(shelf.__file__).parent / 'data' / 'policies').glob('*.tocsin'))}")
    run(suite, "--write", *given)
    path = module.KEPT / "small.json"
    assert run(suite, *given) is None and ": equal (" in capsys.readouterr().out
    assert run(suite) == 1
    out = capsys.readouterr().out
    assert "NOT ALL RUN" in out and "not run, give their files by --policy: mine" in out
    kept = json.loads(path.read_text())
    kept["files"]["mine"] = "0" * 64
    path.write_text(json.dumps(kept))
    assert run(suite, *given) == 1
    out = capsys.readouterr().out
    assert "DIFFERS" in out and "another file than the results were kept with: mine" in out


def test_results_are_kept_of_frozen_shipped_suites_alone(
    suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of one's own, even under a shipped name, one that is not frozen and another digest change nothing kept."""
    monkeypatch.setattr(judging, "judge", lambda *a, **k: pytest.fail("played first"))
    own, path = small_suite(tmp_path), module.KEPT / "small.json"
    path.write_text(json.dumps({"digest": "0" * 64, "policies": {}, "files": {}}))
    before = path.read_bytes()
    for table, named in ((own, "no frozen suite that comes"), (suite, "another benchmark has another name")):
        with pytest.raises(ValueError, match=named):
            run(table, "--write")
    with pytest.raises(ValueError, match="another benchmark has another name"):
        run(suite)
    small_suite(tmp_path / "suites")
    with pytest.raises(ValueError, match="no frozen suite"):
        run(suite, "--write")
    assert path.read_bytes() == before and [one.name for one in module.KEPT.iterdir()] == ["small.json"]


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


@pytest.mark.parametrize("shape", ["../{}", "{}/", "./{}", "kept/../{}", "{absolute}", "{}\0", ""])
def test_a_name_is_never_a_path(shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the right form beside the kept ones is not read, by --show or else, nor is a page written from it."""
    (tmp_path / "kept").mkdir()
    monkeypatch.setattr(module, "KEPT", tmp_path / "kept")
    page, before = tmp_path / "page.md", "<!-- secret -->\n<!-- end -->\n"
    page.write_text(before)
    (tmp_path / "secret.json").write_text('{"policies": {}}')
    name = shape.format("secret", absolute=tmp_path / "secret")
    for arguments in (("--show",), ("--show", "--page", str(page)), ()):
        with pytest.raises(ValueError, match="no results are kept under this name|suite"):
            run(name, *arguments)
    assert page.read_text() == before


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--show", "../small"), "../small"),
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
