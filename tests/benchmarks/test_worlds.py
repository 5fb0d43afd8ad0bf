"""World-ticks a second by what goes on in a tick and by size: the figures that README quotes.

`make bench` prints them; nothing here fails for being slow. The chain of a million assets takes some minutes to make.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from tocsin.envs.bench_worlds import PARTS, Settings, bench
from tocsin.tests.benchmarks.figures import Figures

WANTED = {
    "rules": "2,000,000 or more, aim 4,000,000",
    "observation": "1,000,000 or more, aim 2,000,000",
    "belief": "300,000 or more, aim 1,000,000",
}
EQUAL = Settings(worlds=8, threads=1, active=8, ticks=2_000)  # as many worlds and as much activity at every size


@pytest.mark.parametrize("act_every", [10, 1])
@pytest.mark.parametrize("part", PARTS)
def test_world_ticks(part: str, act_every: int, figures: Figures) -> None:
    """A thousand worlds of a hundred assets, a random legal action in one tick of ten, and in every tick."""
    found = bench(Settings(part=part, act_every=act_every))
    acts = "in every tick" if act_every == 1 else f"in one tick of {act_every}"
    what = f"{found['assets']} assets, {found['worlds']:,} worlds, {found['threads']} threads, acting {acts}"
    figures.add(f"{part}: {what}", f"{found['world_ticks_per_s']:,} world-ticks/s", WANTED[part])
    figures.add(
        f"{part}: held, running, findings a tick; bytes changed a tick",
        f"{found['mean_active']}, {found['mean_running']}, {found['findings_per_tick']}; "
        f"{found['bytes_written_per_tick']} bytes",
    )


@pytest.mark.parametrize("act_every", [10, 1])
def test_a_tick_of_equal_activity_at_a_hundred_and_at_a_million_assets(act_every: int, figures: Figures) -> None:
    """Eight worlds on one thread, at most eight assets held in each, as many false findings at both sizes."""
    settings = replace(EQUAL, act_every=act_every)
    small, large = bench(settings), bench(replace(settings, assets=1_000_000))
    acts = "in every tick" if act_every == 1 else f"in one tick of {act_every}"
    for one in (small, large):
        figures.add(
            f"a tick of {one['worlds']} worlds of {one['assets']:,} assets, one thread, acting {acts}",
            f"{one['tick_ns']:,.0f} ns, {one['mean_active']} held, {one['mean_running']} running",
        )
    figures.add("the larger beside the smaller", f"{large['tick_ns'] / small['tick_ns']:.1f} times", "at most 4 times")
    figures.add(f"a world of {large['assets']:,} assets", f"{large['bytes_per_world']:,} bytes", "at most 8,000,000")
    figures.add("what all its worlds share", f"{large['shared_bytes']:,} bytes")
    figures.add("a reset of one of its worlds", f"{large['reset_us']:,.0f} us")
