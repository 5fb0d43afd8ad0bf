"""World-ticks a second by what goes on in a tick and by size: the figures that README quotes, with the machine named.

`make bench` prints them; nothing here fails for being slow. The chain of a million assets takes some minutes to make.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest
from tocsin.envs.bench_worlds import PARTS, Settings, bench

EQUAL = Settings(worlds=8, active=8, ticks=500)  # as many worlds and as much activity at every size


def machine() -> str:
    """Processor, cores and Python."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}"


@pytest.mark.parametrize("part", PARTS)
def test_world_ticks(part: str) -> None:
    """A thousand worlds of a hundred assets."""
    found = bench(Settings(part=part))
    print(
        f"\n{machine()}\n{found['assets']} assets, {found['worlds']} worlds, {found['threads']} threads, with {part}: "
        f"{found['world_ticks_per_s']:,} world-ticks/s, {found['bytes_written_per_tick']} bytes changed a tick, "
        f"{found['mean_active']} assets held and {found['mean_running']} responses running in the mean"
    )


def test_a_tick_of_equal_activity_at_a_hundred_and_at_a_million_assets() -> None:
    """Few worlds, at most eight assets held in each."""
    small = bench(EQUAL)
    large = bench(Settings(assets=1_000_000, worlds=EQUAL.worlds, active=EQUAL.active, ticks=EQUAL.ticks))
    slower = small["world_ticks_per_s"] / large["world_ticks_per_s"]
    print(
        f"\n{small['assets']} assets: {small['world_ticks_per_s']:,} world-ticks/s; {large['assets']:,} assets: "
        f"{large['world_ticks_per_s']:,}, {slower:.1f} times as long a tick; one world takes "
        f"{large['bytes_per_world']:,} bytes beside {large['shared_bytes']:,} shared"
    )
