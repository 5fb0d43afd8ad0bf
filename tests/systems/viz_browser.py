"""A headless Chromium for tests, driven over the W3C WebDriver protocol by plain HTTP.

Flows in: addresses, scripts. Flows out: what a page shows. One browser a test; its profile is thrown away.
"""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

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


def is_there() -> bool:
    """Whether Chromium and its driver are installed."""
    return shutil.which("chromium") is not None and shutil.which("chromedriver") is not None


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


class Browser:
    """One session of a driver; lives as long as the `with` that opened it."""

    def __init__(self, driver: str, profile: Path) -> None:
        """Open a window with a new profile."""
        self._http = httpx.Client(base_url=driver, timeout=60.0)
        arguments = [*FLAGS, f"--user-data-dir={profile}"]
        wanted = {"goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}}
        session = self._http.post("/session", json={"capabilities": {"alwaysMatch": wanted}}).json()["value"]
        self._base = f"/session/{session['sessionId']}"

    def open(self, address: str) -> None:
        """Load a page."""
        self._post("url", {"url": address})

    def run(self, script: str) -> Any:
        """What a script gives that runs in the page."""
        return self._post("execute/sync", {"script": script, "args": []})

    def text(self) -> str:
        """All text of the page."""
        return str(self.run("return document.body.innerText"))

    def press(self, label: str) -> None:
        """Press the button with a label, however the theme writes it."""
        wanted = json.dumps(label.lower())
        found = self.run(
            "const all = [...document.querySelectorAll('button')]"
            f".filter(b => b.innerText.trim().toLowerCase() === {wanted});"
            "if (all.length) all[0].click(); return all.length"
        )
        assert found, f"no button {label!r}"

    def screenshot(self) -> bytes:
        """The window as a PNG."""
        return base64.b64decode(self._http.get(f"{self._base}/screenshot").json()["value"])

    def errors(self) -> list[str]:
        """What the page logged as severe."""
        rows = self._post("se/log", {"type": "browser"})
        return [row["message"] for row in rows if row["level"] == "SEVERE"]

    def close(self) -> None:
        """Close the window."""
        self._http.delete(self._base)
        self._http.close()

    def _post(self, what: str, body: dict[str, Any]) -> Any:
        answer = self._http.post(f"{self._base}/{what}", json=body).json()["value"]
        if isinstance(answer, dict) and "error" in answer:
            raise AssertionError(f"{what}: {answer['message']}")
        return answer


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser whose profile lies in a folder."""
    port = free_port()
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for("chromedriver", lambda: _answers(f"{address}/status"))
        one = Browser(address, folder / "profile")
        try:
            yield one
        finally:
            one.close()
    finally:
        driver.terminate()
        driver.wait(20)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=2.0).status_code == 200
    except httpx.HTTPError:
        return False
