"""The page of `tocsin viz` in a real browser: it renders, steps, hides the truth, is reset.

It needs Chromium with its driver and the extra `viz`. `make test-systems` installs the extra and `.ci/run` the browser:
there their absence is a failure; elsewhere the tests are skipped and say why.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
from tocsin.tests.systems.browser import Browser, browser, free_port, wait_for

pytestmark = pytest.mark.systems
SHORT = "name: short\nhorizon_ticks: 4\nattackers: [{tries_per_hour: 300, onset_s: [0, 0], absent: 0}]\n"


@pytest.fixture(scope="module", autouse=True)
def needs() -> None:
    """Fail in CI, skip elsewhere, where the extra is missing; `browser` does so for the browser."""
    if find_spec("solara") is not None:
        return
    missing = "the extra viz (pip install 'tocsin[viz]')"
    if os.environ.get("CI"):
        pytest.fail(f"CI must install {missing}")
    pytest.skip(f"needs {missing}")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a served page with two scenarios."""
    file, port = tmp_path_factory.mktemp("viz") / "short.yaml", free_port()
    file.write_text(SHORT)
    command = [sys.executable, "-m", "tocsin", "viz", str(file), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    address = f"http://127.0.0.1:{port}/"
    try:
        wait_for("the server", lambda: answers(address), 90)
        yield address
    finally:
        os.killpg(server.pid, 15)
        server.wait(20)


def answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5.0).status_code == 200
    except httpx.HTTPError:
        return False


def pictures(one: Browser) -> list[str]:
    """The sources of the pictures that are really there, with their width."""
    found: list[str] = one.run(
        "return [...document.querySelectorAll('img')].filter(i => i.naturalWidth > 1000).map(i => i.src)"
    )
    return found


def step_and_wait(one: Browser, step: int) -> list[str]:
    """Press Step; the pictures after it."""
    before = pictures(one)
    one.push("Step")
    wait_for(f"step {step}", lambda: f"Step: {step}" in one.shown())
    return list(wait_for("new pictures", lambda: (now := pictures(one)) != before and len(now) == 2 and now))


def test_the_page_renders_and_steps(page: str, tmp_path: Path) -> None:
    """Controls, parameters, chain and course are there; Step brings the model on; the horizon ends it; no errors."""
    with browser(tmp_path) as one:
        one.open(page)
        wait_for("two pictures", lambda: len(pictures(one)) == 2)
        for word in ("World id", "Attacker", "Defender", "Seats", "Show the hidden truth"):
            assert word in one.shown()
        for step in (1, 2, 3, 4):
            step_and_wait(one, step)
        assert one.run(
            "return [...document.querySelectorAll('button')].filter(b => /step/i.test(b.innerText))[0].disabled"
        )
        before = pictures(one)
        one.run("document.querySelectorAll('input[type=checkbox]')[1].click()")
        wait_for("pictures without the truth", lambda: (now := pictures(one)) != before and len(now) == 2)
        one.push("Reset")
        wait_for("a model anew", lambda: "Step: 0" in one.shown())
        assert one.complaints("SEVERE") == []
        assert len(one.screenshot()) > 50_000


def test_two_visitors_have_models_of_their_own(page: str, tmp_path: Path) -> None:
    """What one steps stands still for the other."""
    with browser(tmp_path / "a") as one, browser(tmp_path / "b") as other:
        for visitor in (one, other):
            visitor.open(page)
            wait_for("two pictures", lambda visitor=visitor: len(pictures(visitor)) == 2)
        step_and_wait(one, 1)
        assert "Step: 0" in other.shown()
