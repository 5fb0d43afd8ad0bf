"""A headless Chromium for tests, driven by chromedriver over the W3C WebDriver protocol.

Flows in: pages on disk or loopback, scripts, keys. Flows out: what the page says. It lives as long as its `with` block;
nothing is fetched from anywhere.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
)
KEYS = {"Right": "\ue014", "Left": "\ue012", "Home": "\ue011", "End": "\ue010", "Space": " ", "Tab": "\ue004"}
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # what the protocol calls a reference to an element


class Browser:
    """One session of chromedriver."""

    def __init__(self, client: httpx.Client, session: str) -> None:
        self._client, self._session = client, session

    def _post(self, command: str, **body: Any) -> Any:
        answer = self._client.post(f"/session/{self._session}/{command}", json=body)
        value = answer.json()["value"]
        assert answer.status_code == 200, value
        return value

    def open(self, address: str) -> None:
        """Load a page."""
        self._post("url", url=address)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns, as JSON values."""
        return self._post("execute/sync", script=script, args=list(arguments))

    def click(self, selector: str) -> None:
        """Click what a selector finds first, as a person would."""
        found = self._post("element", using="css selector", value=selector)
        self._post(f"element/{found[ELEMENT]}/click")

    def press(self, *names: str) -> None:
        """Press keys one after the other, by their names in `KEYS`."""
        presses = [{"type": kind, "value": KEYS[name]} for name in names for kind in ("keyDown", "keyUp")]
        self._post("actions", actions=[{"type": "key", "id": "keys", "actions": presses}])

    def text(self, selector: str) -> str:
        """The text of what a selector finds first."""
        return str(self.run("return document.querySelector(arguments[0]).textContent", selector))

    def complaints(self) -> list[str]:
        """What the page's console holds of warnings and errors since it was asked last."""
        entries = self._post("se/log", type="browser")
        return [entry["message"] for entry in entries]


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with an empty profile in `folder`; skips where there is none, which in CI is a failure."""
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or chromium is None:
        if os.environ.get("CI"):
            pytest.fail("chromium and chromium-driver are not installed; .ci/run installs them")
        pytest.skip("needs chromium and chromium-driver")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            _wait_for(client)
            options = {"binary": chromium, "args": [*FLAGS, f"--user-data-dir={folder / 'profile'}"]}
            wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            answer = client.post("/session", json={"capabilities": {"alwaysMatch": wanted}}).json()["value"]
            assert "sessionId" in answer, answer
            yield Browser(client, answer["sessionId"])
            client.delete(f"/session/{answer['sessionId']}")
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_for(client: httpx.Client) -> None:
    for _ in range(100):
        try:
            if client.get("/status").json()["value"]["ready"]:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError("chromedriver did not start within ten seconds")
