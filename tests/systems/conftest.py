"""One range for all tests of a run that need one, and an enforcement point on its router."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tocsin.orchestrator.assemble import load_twin
from tocsin.orchestrator.range.machine import call, lacking
from tocsin.orchestrator.range.running import down, up
from tocsin.orchestrator.range.topology import Plan
from tocsin.tests.systems.real_filter import RealFilter
from tocsin.tests.systems.real_range import into
from tocsin.twin.graph import Twin


@pytest.fixture(scope="session")
def plan() -> Plan:
    """A range of this test run alone."""
    reason = lacking()
    if reason:
        if os.environ.get("CI") == "true" and not reason.startswith("the kernel"):  # CI can install, not permit
            pytest.fail(f"no range: {reason}")
        pytest.skip(f"NO RANGE, nothing real was tested: {reason}")
    return Plan(f"tt{os.getpid()}")


@pytest.fixture(scope="session")
def place(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The range, up; its folder."""
    folder = tmp_path_factory.mktemp("range") / "files"
    up(plan, folder)
    yield folder
    down(plan, folder)


@pytest.fixture(scope="session")
def twin(place: Path) -> Twin:
    """What Tocsin reads out of the chain that the range wrote."""
    return load_twin(place / "chain")


@pytest.fixture
def wall(plan: Plan, place: Path, tmp_path: Path) -> Iterator[RealFilter]:
    """An enforcement point on the range's router; afterwards its table is gone."""
    found = RealFilter(
        tmp_path / "wall", plan.router, place / "names.json", ("--inside", plan.host("edge/gateway").wire)
    )
    found.start()
    yield found
    found.stop()
    call([*into(plan.router), "nft", "delete", "table", "inet", "tocsin"])
