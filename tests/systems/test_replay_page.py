"""A replay in a real browser: scrubbed, played, read, and unharmed by hostile names."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tocsin.envs.replay import Record, page_of, record_episode
from tocsin.envs.scripted import defender
from tocsin.tests.envs.games import TICKS, short_game
from tocsin.tests.envs.test_replay import HOSTILE, hostile_game
from tocsin.tests.systems.browser import Browser, browser

pytestmark = pytest.mark.systems


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as one:
        yield one


@pytest.fixture(scope="module")
def record() -> Record:
    return record_episode(short_game(), defender(short_game(), "random"), world=3, defended_by="random")


@pytest.fixture
def page(window: Browser, record: Record, tmp_path: Path) -> Browser:
    path = tmp_path / "replay.html"
    path.write_text(page_of(record), "utf-8")
    window.open(path.as_uri())
    return window


def scrub(page: Browser, tick: int) -> None:
    """Move the slider, as its own events say it."""
    page.run(
        "const s = document.getElementById('tick'); s.value = arguments[0];"
        "s.dispatchEvent(new Event('input', {bubbles: true}))",
        tick,
    )


def shown(page: Browser, state: str) -> list[int]:
    """Numbers of the assets that the chart marks with a state."""
    script = "return [...document.querySelectorAll('#chain .asset.' + arguments[0])].map(g => Number(g.dataset.asset))"
    return sorted(page.run(script, state))


def test_scrubbing_shows_each_ticks_record(page: Browser, record: Record) -> None:
    """Clock, truth, outages, findings, responses and losses are those of the tick that the slider stands on."""
    assert page.complaints() == []
    for tick in (TICKS, 0, TICKS // 2, TICKS - 3):
        scrub(page, tick)
        frame = record["frames"][tick]
        assert f"tick {tick} of {TICKS}" in page.text("#clock")
        assert shown(page, "user") == [number for number, level in frame["held"] if level == 1]
        assert shown(page, "admin") == [number for number, level in frame["held"] if level == 2]
        assert shown(page, "unserved") == [number for number, bits in frame["flags"] if bits & 32]
        assert shown(page, "finding") == sorted({row[0] for row in frame["findings"]})
        for _, target, _ in frame["responses"]:
            assert record["targets"][target] in page.text("#responses")
        losses = page.run("return [...document.querySelectorAll('#owners b')].map(b => b.textContent)")
        assert [float(one) for one in losses] == pytest.approx(frame["loss"], abs=0.0051)
    assert page.complaints() == []


def test_keys_and_buttons_step(page: Browser) -> None:
    """Arrows, Home and End; the buttons beside the slider; never beyond the ends."""
    for presses, tick in [
        (["Right", "Right"], 2),
        (["Left", "Left", "Left"], 0),
        (["End", "Right"], TICKS),
        (["Home"], 0),
    ]:
        page.press(*presses)
        assert f"tick {tick} of" in page.text("#clock")
    for button, tick in [("#next", 1), ("#last", TICKS), ("#back", TICKS - 1), ("#first", 0)]:
        page.click(button)
        assert f"tick {tick} of" in page.text("#clock")


def test_it_plays_and_pauses(page: Browser) -> None:
    """The clock goes on by itself until paused."""
    page.run("const s = document.getElementById('speed'); s.value = '20'; s.dispatchEvent(new Event('change'))")
    page.click("#play")
    assert page.text("#play") == "Pause"
    time.sleep(0.5)
    page.click("#play")
    paused = page.text("#clock")
    time.sleep(0.3)
    assert page.text("#clock") == paused and "tick 0 of" not in paused


def test_the_truth_can_be_hidden(page: Browser, record: Record) -> None:
    """Without it no mark, no label and no line tells what is held."""
    scrub(page, TICKS)
    marks = "#chain .asset.user .truth, #chain .asset.admin .truth"
    seen = f"return getComputedStyle(document.querySelector('{marks}')).display"
    assert page.run(seen) == "block" and "attacker" in page.run("return document.getElementById('happened').outerHTML")
    page.click("#truth")
    assert page.run(seen) == "none"
    assert "in truth" not in page.run("return document.getElementById('chain').textContent")
    for tick in range(TICKS + 1):
        scrub(page, tick)
        assert "attacker" not in page.text("#happened")


def test_a_selected_asset_is_told(page: Browser, record: Record) -> None:
    """Its id, kind, belief and truth; a second click lets go of it."""
    scrub(page, TICKS)
    number, _ = record["frames"][TICKS]["held"][-1]
    page.click(f"#chain [data-asset='{number}']")
    told = page.text("#picked")
    assert record["assets"][number]["id"] in told and "believed held" in told and "held as" in told
    page.click(f"#chain [data-asset='{number}']")
    assert "select a square" in page.text("#picked")


def test_hostile_names_are_only_shown(window: Browser, tmp_path: Path) -> None:
    """Markup and scripts in names of scenario, owners and assets appear as text; nothing of them runs or loads."""
    game = hostile_game()
    path = tmp_path / "hostile.html"
    path.write_text(page_of(record_episode(game, defender(game, "random"), world=3, defended_by=HOSTILE)), "utf-8")
    window.open(path.as_uri())
    for tick in range(0, TICKS + 1, 5):
        scrub(window, tick)
        window.click(f"#chain [data-asset='{tick}']")
    assert window.run("return [window.hacked, document.images.length]") == [None, 0]
    assert HOSTILE in window.text("#title") and HOSTILE in window.text("#picked")
    assert window.complaints() == []
