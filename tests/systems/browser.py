"""A headless Chromium for tests, driven by Selenium and the chromedriver of the machine.

Flows in: pages on disk or loopback, scripts, keys. Flows out: what the page says. It lives as long as its `with` block;
its profile is thrown away and nothing is fetched from anywhere.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

FLAGS = (  # without those against background traffic, a closed network sees refused connections at every start
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1600,1400",
)
KEYS = {"Right": Keys.RIGHT, "Left": Keys.LEFT, "Home": Keys.HOME, "End": Keys.END, "Space": " ", "Tab": Keys.TAB}


class Browser:
    """One window."""

    def __init__(self, driver: Chrome) -> None:
        """Show nothing yet."""
        self._driver = driver

    def open(self, address: str) -> None:
        """Load a page."""
        self._driver.get(address)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns, as JSON values."""
        return self._driver.execute_script(script, *arguments)

    def click(self, selector: str) -> None:
        """Click what a selector finds first, as a person would."""
        self._driver.find_element(By.CSS_SELECTOR, selector).click()

    def press(self, *names: str) -> None:
        """Press keys one after the other, by their names in `KEYS`."""
        ActionChains(self._driver, duration=0).send_keys(*(KEYS[name] for name in names)).perform()

    def push(self, label: str) -> None:
        """Push the button with a label, however the theme writes it."""
        found = self.run(
            "const all = [...document.querySelectorAll('button')]"
            ".filter(b => b.innerText.trim().toLowerCase() === arguments[0]);"
            "if (all.length) all[0].click(); return all.length",
            label.lower(),
        )
        assert found, f"no button {label!r}"

    def text(self, selector: str) -> str:
        """The text of what a selector finds first, shown or not."""
        return str(self.run("return document.querySelector(arguments[0]).textContent", selector))

    def shown(self) -> str:
        """All text that the page shows."""
        return str(self.run("return document.body.innerText"))

    def screenshot(self) -> bytes:
        """The window as a PNG."""
        return bytes(self._driver.get_screenshot_as_png())

    def complaints(self, *levels: str) -> list[str]:
        """What the page's console holds since it was asked last: of all levels, or of those named."""
        entries = self._driver.get_log("browser")
        return [entry["message"] for entry in entries if not levels or entry["level"] in levels]


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with an empty profile in `folder`; skips where there is none, which in CI is a failure."""
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or chromium is None:
        if os.environ.get("CI"):
            pytest.fail("chromium and chromium-driver are not installed; .ci/run installs them")
        pytest.skip("needs chromium and chromium-driver")
    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = ChromeService(executable_path=driver, port=free_port())  # named: Selenium looks for no driver elsewhere
    with mock.patch.dict(os.environ, {"no_proxy": "localhost,127.0.0.1"}):
        window = Chrome(options=options, service=service)
    try:
        yield Browser(window)
    finally:
        window.quit()


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def wait_for(what: str, is_so: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true value that `is_so` gives; fails by name if none comes in time."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        found = is_so()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
