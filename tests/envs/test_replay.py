"""Replays: the record is the episode that the environment plays, and the page holds names as data, never as markup."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tocsin.envs.game import Game, make_game
from tocsin.envs.replay import Record, ReplayError, page_of, record_episode, summary_of
from tocsin.envs.replay_commands import replay
from tocsin.envs.response import ResponseEnv
from tocsin.envs.scripted import defender
from tocsin.tests.envs.games import STEPS, TICKS, short_game
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from typer import Typer
from typer.testing import CliRunner

HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=2>\u2028<!--&amp;\"'"
runner = CliRunner()
app = Typer()
app.command()(replay)


@pytest.fixture(scope="module")
def record() -> Record:
    return record_episode(short_game(), defender(short_game(), "random"), world=3, defended_by="random")


def hostile_game() -> Game:
    """The short game with a name of every kind that would be markup if it could."""
    game = short_game()
    twin = game.compiled.twin
    owners = tuple(replace(owner, name=HOSTILE) for owner in twin.owners)
    assets = tuple(replace(asset, name=HOSTILE, id=f"{asset.id}{HOSTILE}") for asset in twin.assets)
    links = tuple(
        replace(link, source=f"{link.source}{HOSTILE}", target=f"{link.target}{HOSTILE}") for link in twin.links
    )
    weaknesses = tuple(replace(one, asset=f"{one.asset}{HOSTILE}") for one in twin.weaknesses)
    named = replace(twin, owners=owners, assets=assets, links=links, weaknesses=weaknesses)
    return make_game(game.scenario.model_copy(update={"name": HOSTILE}), named, game.library)


def test_the_record_is_the_episode_that_the_environment_plays(record: Record) -> None:
    """The same defender in `ResponseEnv` at the same seed: belief and loss agree at every decision."""
    env, rule = ResponseEnv(game=short_game()), defender(short_game(), "random")
    env.reset(seed=3)
    assert len(record["frames"]) == TICKS + 1
    total = np.zeros(len(record["owners"]))
    for step in range(STEPS):
        seen, _, _, over, told = env.step(int(rule(env._worlds)[0]))
        total += [sum(causes.values()) for causes in told["loss"].values()]
        frame = record["frames"][2 * step + 2]
        assert frame["loss"] == pytest.approx(total, abs=1e-4)
        assets = [asset for asset in range(len(record["assets"])) if seen[asset, 0] > 170]
        assert {a for a, percent in frame["believed"] if percent > 91} <= set(assets)
    assert over


def test_the_record_tells_truth_findings_and_what_happened(record: Record) -> None:
    """Something is held in truth, found, proposed and tried; all numbers are of things there are."""
    frames = record["frames"]
    assert any(frame["held"] for frame in frames) and any(frame["findings"] for frame in frames)
    happened = [row for frame in frames for row in frame["happened"]]
    assert {"try", "response"} == {row[0] for row in happened}
    for row in happened:
        assert (row[1] < len(record["steps"])) if row[0] == "try" else (row[3] < len(record["targets"]))
    summary = summary_of(record)
    assert summary["loss"] == pytest.approx(sum(frames[-1]["loss"])) and summary["ticks"] == TICKS
    assert summary["proposed"] > 0


def test_names_cannot_become_markup_or_script() -> None:
    """With hostile names the page has the template's tags and no more, and the record comes back whole."""
    game = hostile_game()
    made = record_episode(game, defender(game, "nothing"), defended_by=HOSTILE)
    page, plain = page_of(made), page_of({**made, "scenario": "x", "assets": [], "owners": [], "targets": []})
    assert HOSTILE not in page and page.count("<") == plain.count("<") and "\u2028" not in page
    [block] = re.findall(r'<script id="episode" type="application/json">(.*?)</script>', page, re.DOTALL)
    told = json.loads(block)
    assert told == json.loads(json.dumps(made)) and told["assets"][0]["name"] == HOSTILE


def test_a_name_like_a_placeholder_is_only_a_name(record: Record) -> None:
    """What the template fills in is filled in once."""
    page = page_of({**record, "scenario": "EPISODE_RECORD SCRIPT_DIGEST"})
    assert "EPISODE_RECORD SCRIPT_DIGEST" in page and "sha256-SCRIPT_DIGEST" not in page


def test_the_page_asks_nothing_of_the_network(record: Record) -> None:
    """No address but the name of SVG, and a policy that lets only the page's own script run."""
    page = page_of(record)
    assert set(re.findall(r"https?://[^\"'\s)]+", page)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in page and re.search(r"script-src 'sha256-[A-Za-z0-9+/]{43}='", page)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", page)


def test_a_chain_too_large_for_a_page_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any world is played."""
    monkeypatch.setattr("tocsin.envs.replay.MOST_ASSETS", 3)
    with pytest.raises(ReplayError, match="at most 3"):
        record_episode(short_game(), defender(short_game(), "nothing"))


def test_the_command_writes_a_page_and_tells_machines(tmp_path: Path) -> None:
    """`--json`: where it is, what was lost by whom, what was proposed."""
    scenario, out = tmp_path / "s.yaml", tmp_path / "r.html"
    scenario.write_text("name: short\nhorizon_ticks: 20\n")
    done = runner.invoke(app, ["--out", str(out), "--scenario", str(scenario), "--world", "4", "--json"])
    told = json.loads(done.stdout)
    assert done.exit_code == 0 and told["world"] == 4 and told["ticks"] == 20 and told["defended_by"] == "threshold"
    assert told["bytes"] == out.stat().st_size and told["loss"] == pytest.approx(sum(told["loss_by_owner"].values()))


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--defender", "nobody"], "take one of nothing"),
        (["--policy", "absent.tocsin"], "absent.tocsin"),
        (["--scenario", "absent.yaml"], "absent.yaml"),
        (["--world", "-1"], "give an integer within"),
    ],
)
def test_what_cannot_be_replayed_is_named_and_nothing_written(tmp_path: Path, arguments: list[str], fault: str) -> None:
    """One error of ours for each; no half page is left."""
    out = tmp_path / "r.html"
    done = runner.invoke(app, ["--out", str(out), *arguments])
    assert isinstance(done.exception, ValueError) and type(done.exception) is not ValueError  # bad input, exit code 2
    assert fault in str(done.exception) and not out.exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Before the episode is played."""
    done = runner.invoke(app, ["--out", str(tmp_path / "none" / "r.html")])
    assert isinstance(done.exception, ReplayError) and "make it first" in str(done.exception)
