"""Showing a playbook: its flow as a tree and as a picture, and whom it touches in a twin."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from tocsin.playbooks.actions import load_library
from tocsin.playbooks.cacao import Playbook, PlaybookError
from tocsin.playbooks.commands import playbook as commands
from tocsin.playbooks.show import flow, flow_rows
from tocsin.playbooks.show_layout import GAP_X, layout
from tocsin.playbooks.show_picture import MAX_STEPS, picture
from tocsin.playbooks.show_touched import touched_by
from tocsin.tests.playbooks.full import full, ref, step, uid
from tocsin.tests.playbooks.makers import content, read
from tocsin.twin import load_example
from tocsin.twin.graph import Twin
from typer.testing import CliRunner

CHAIN = Path(__file__).resolve().parents[2] / "twin" / "data" / "charging"


@pytest.fixture(scope="module")
def twin() -> Twin:
    """The shipped example chain."""
    return load_example().twin


def _library(name: str) -> Playbook:
    library = load_library()
    return library.playbooks[library.index_of(name)]


def test_branches_stand_inside_and_what_follows_below() -> None:
    """The tree of the full playbook, in short."""
    rows = [(row.depth, row.arrow, row.kind) for row in flow_rows(read(full()))]
    assert rows[:8] == [
        (0, "", "start"),
        (0, "on_completion", "parallel"),
        (1, "branch 1", "action"),
        (2, "on_completion", "end"),
        (1, "branch 2", "action"),
        (3, "on_failure", "action"),
        (4, "on_completion", "end"),
        (2, "on_success", "end"),
    ]
    assert rows[8] == (0, "on_completion", "if-condition")
    assert ("workflow_exception", "action") in [row[1:] for row in rows]


def test_a_line_tells_commands_agent_targets_condition_and_times() -> None:
    """Everything that a reader asks of a step."""
    told = "\n".join(flow(read(full())))
    assert "(bash; by Box; on Walls, Net; within 60 s)" in told
    assert "(__count__:value > 0)" in told
    assert "after 5 s" in told
    assert f"({ref('called')}, version 2026-11-25T00:00:00.000Z)" in told


def test_touches_what_is_of_its_kinds_by_owner(twin: Twin) -> None:
    """Every host, container and device, each with its owner, that owner's consent, and what depends on it."""
    touched = {one.owner: one for one in touched_by(_library("isolate-asset"), twin)}
    kinds = {"host", "container", "device"}
    expected = {asset.id for asset in twin.assets if asset.kind.word in kinds}
    assert {target for one in touched.values() for target in one.targets} == expected
    for owner, one in touched.items():
        assert {twin.asset_by_id[target].owner for target in one.targets} <= {owner}
        assert not set(one.feels) & expected
    depending = {
        link.source for link in twin.links if link.kind.word in ("depends_on", "runs_on") and link.target in expected
    }
    assert depending - expected <= {asset for one in touched.values() for asset in one.feels}
    assert any(one.consent for one in touched.values())


def test_a_link_touches_the_owners_of_both_ends(twin: Twin) -> None:
    """Either is asked."""
    touched = {one.owner: set(one.targets) for one in touched_by(_library("block-link"), twin)}
    counts: dict[str, int] = {}
    for targets in touched.values():
        for target in targets:
            counts[target] = counts.get(target, 0) + 1
    assert counts
    assert set(counts.values()) == {2}


def _boxes(svg: str) -> set[str]:
    root = ElementTree.fromstring(svg)
    return {title.text or "" for title in root.iter("{http://www.w3.org/2000/svg}title")}


def test_the_picture_holds_every_step_once_and_is_sound_xml(twin: Twin) -> None:
    """Also those that no step leads to, and a missing one as missing."""
    changed = full()
    step(changed, "cut")["on_completion"] = f"end--{uid(900)}"
    svg = picture(read(changed))
    assert _boxes(svg) == {*changed["workflow"], f"end--{uid(900)}"}
    assert "workflow_exception" in svg
    assert "case identity" in svg
    reach = touched_by(_library("isolate-asset"), twin)
    assert "energy: 8 targets" in picture(_library("isolate-asset"), reach, "charging")


def test_a_description_that_is_cut_in_the_picture_is_said_to_be() -> None:
    """Its first paragraph, in at most four lines: no sentence ends in the middle unseen."""
    changed = full()
    shown = []
    for text in ("\n\n short\n\n", "first\n\n**Second.** more", " ".join(["word"] * 300)):
        changed["description"] = text
        lines = [one.text or "" for one in ElementTree.fromstring(picture(read(changed))).iter() if one.text]
        shown.append(lines[lines.index(changed["name"]) + 1 :][:6])
    assert shown[0][0] == "short" and shown[0][1] != "..."
    assert shown[1][:2] == ["first", "..."]
    assert [one.partition(" ")[0] for one in shown[2][:5]] == ["word"] * 4 + ["..."]


def test_words_of_a_stranger_do_not_become_markup() -> None:
    """Names are text, whatever they hold."""
    evil = "</text><script>alert(1)</script>\x1b&"
    changed = full()
    changed["name"] = changed["description"] = evil
    step(changed, "cut")["name"] = evil
    svg = picture(read(changed))
    assert "<script" not in svg
    assert "\x1b" not in svg
    ElementTree.fromstring(svg)


def test_a_picture_of_too_many_steps_is_refused() -> None:
    """With the number."""
    changed = full()
    changed["workflow"] |= {f"end--{uid(10_000 + number)}": {"type": "end"} for number in range(MAX_STEPS)}
    with pytest.raises(PlaybookError, match=f"a picture holds {MAX_STEPS}"):
        picture(read(changed))


def test_boxes_never_overlap_and_arrows_go_down() -> None:
    """A wide fork, a long arrow, a cycle."""
    sizes = {name: (80.0 + 30 * index, 30.0) for index, name in enumerate("abcdefg")}
    arrows = [("a", "b"), ("a", "c"), ("a", "d"), ("b", "e"), ("a", "e"), ("e", "f"), ("f", "a"), ("g", "g")]
    drawn = layout(sizes, arrows, after=[("d", "f")])
    spots = list(drawn.spots.values())
    for index, one in enumerate(spots):
        for other in spots[:index]:
            apart_x = abs(one.x - other.x) >= (one.width + other.width) / 2 + GAP_X - 1e-6
            apart_y = abs(one.y - other.y) >= (one.height + other.height) / 2
            assert apart_x or apart_y
        assert one.x - one.width / 2 >= 0
        assert one.x + one.width / 2 <= drawn.width + 1e-6
    assert drawn.spots["a"].y < drawn.spots["b"].y < drawn.spots["e"].y < drawn.spots["f"].y
    assert drawn.spots["d"].y < drawn.spots["f"].y
    assert len(drawn.bends[4]) == 2


def test_show_draws_a_file_and_tells_whom_it_touches(tmp_path: Path) -> None:
    """For people as text and picture, for machines as JSON."""
    svg = tmp_path / "isolate.svg"
    told = CliRunner().invoke(commands, ["show", "isolate-asset", "--twin", str(CHAIN), "--svg", str(svg)])
    assert told.exit_code == 0
    assert "energy: 8 targets, 5 assets that depend on some; consent own: ask, other: ask" in told.stdout
    assert _boxes(svg.read_text()) == set(content()["workflow"])
    found = CliRunner().invoke(commands, ["show", "isolate-asset", "--twin", str(CHAIN), "--json"])
    touches = {one["owner"]: one for one in json.loads(found.stdout)["touches"]}
    assert touches["energy"]["feels"][0].startswith("energy/")


def test_show_refuses_a_twin_that_is_none(tmp_path: Path) -> None:
    """In one line."""
    told = CliRunner().invoke(commands, ["show", "isolate-asset", "--twin", str(tmp_path / "none")])
    assert (told.exit_code, len(told.stderr.splitlines())) == (2, 1)
    unwritable = CliRunner().invoke(commands, ["show", "isolate-asset", "--svg", str(tmp_path / "no" / "x.svg")])
    assert unwritable.exit_code == 2


def test_a_playbook_without_our_extension_is_shown_too(tmp_path: Path) -> None:
    """Of whatever commands."""
    path = tmp_path / "full.json"
    path.write_text(json.dumps(full()))
    told = CliRunner().invoke(commands, ["show", str(path)])
    assert told.exit_code == 0
    assert "declares no effect" in told.stdout
    assert "sends: collect __address__:value" in told.stdout
