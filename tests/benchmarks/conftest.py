"""One table of all figures at the end of `make bench`, each beside what was wanted, with the machine named."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import pytest
from tocsin.tests.benchmarks.figures import Figures

FIGURES = pytest.StashKey[Figures]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin an empty table."""
    config.stash[FIGURES] = Figures()


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    """The table of this run."""
    return pytestconfig.stash[FIGURES]


def machine() -> str:
    """Processor, cores, load, Python and what compiles."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    python = f"Python {platform.python_version()}, numba {version('numba')}, numpy {version('numpy')}"
    return f"{name}, {os.cpu_count()} cores, {python}; load over 1, 5 and 15 minutes at the end: {load}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table, if anything was measured."""
    rows = [("figure", "found", "wanted"), *config.stash[FIGURES].rows]
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        rows.append((report.nodeid.rpartition("::")[2], "NOT MEASURED", reason.removeprefix("Skipped: ")))
    if len(rows) == 1:
        return
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    terminalreporter.section("figures")
    terminalreporter.write_line(machine())
    for what, found, wanted in rows:
        terminalreporter.write_line(f"{what:<{widths[0]}}  {found:>{widths[1]}}  {wanted}".rstrip())
