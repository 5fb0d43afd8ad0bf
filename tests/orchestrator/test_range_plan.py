"""The range on paper: its chain is a twin that Tocsin reads, and its attack is one that Tocsin sees."""

from __future__ import annotations

from pathlib import Path

import pytest
from tocsin.orchestrator.assemble import load_twin
from tocsin.orchestrator.enforcement.names import read_map
from tocsin.orchestrator.range import running
from tocsin.orchestrator.range.running import write_twin
from tocsin.orchestrator.range.topology import SSH, Plan, RangeError
from tocsin.orchestrator.range.twin_of import predicted
from tocsin.twin.attack.steps import derive_steps
from tocsin.twin.compiled import compile_twin

PLAN = Plan("paper")


def test_its_chain_is_read_as_any_other(tmp_path: Path) -> None:
    """Three owners, six hosts, links across owners; the map of names knows every host."""
    write_twin(PLAN, tmp_path)
    twin = load_twin(tmp_path / "chain")
    assert set(twin.owner_by_id) == {"shop", "edge", "cloud"}
    assert any(twin.is_boundary(link) for link in twin.links)
    assert set(read_map(tmp_path / "names.json").assets) == {host.asset for host in PLAN.hosts}


def test_the_reused_key_is_an_attack_that_the_twin_sees(tmp_path: Path) -> None:
    """Steps lead from the web host to the gateway and on to the app."""
    write_twin(PLAN, tmp_path)
    twin = load_twin(tmp_path / "chain")
    steps = derive_steps(twin)
    assert compile_twin(twin, steps).arrays is not None
    moves = {(step.source, step.target) for step in steps}
    assert {("shop/host/web", "edge/host/gateway"), ("edge/host/gateway", "cloud/host/app")} <= moves


def test_prediction_follows_isolation_and_cuts(tmp_path: Path) -> None:
    """An isolated host is in no pair; a cut link is gone alone."""
    write_twin(PLAN, tmp_path)
    twin = load_twin(tmp_path / "chain")
    all_of_them, gateway = predicted(twin), "edge/host/gateway"
    assert all(gateway not in reach[:2] for reach in predicted(twin, isolated={gateway}))
    cut = ("shop/host/web", gateway, SSH)
    assert all_of_them - predicted(twin, cut={cut}) == {cut}


@pytest.mark.parametrize("prefix", ["", "x", "Tocsin", "a-b", "a/b", "1a", "a" * 17])
def test_a_prefix_that_could_name_others_is_refused(prefix: str) -> None:
    """Down takes what has the prefix, so it must be a plain one."""
    with pytest.raises(RangeError, match="--prefix"):
        Plan(prefix)


def test_a_folder_of_another_range_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither `down` nor `up` of one range removes another's files."""
    monkeypatch.setattr(running, "lacking", lambda: "no tools in this test")
    running._make_folder(PLAN, tmp_path / "it")
    for act in (running.down, running.up):
        with pytest.raises(RangeError, match="'paper'"):
            act(Plan("other"), tmp_path / "it")
        with pytest.raises(RangeError, match="no tools"):
            act(PLAN, tmp_path / "it")
    assert (tmp_path / "it" / running.MARK).is_file()


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    """A file, a file's inside, files of others, a broken mark: one line each, and all stays."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("x")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / running.MARK).write_text("{")
    for name in ("file", "full", "broken"):
        with pytest.raises(RangeError, match="--folder"):
            running.up(PLAN, tmp_path / name)
    with pytest.raises(RangeError, match="--folder"):
        running._make_folder(PLAN, tmp_path / "file" / "in")
    assert (tmp_path / "file").read_text() == "x" and (tmp_path / "full" / "mine").is_file()
