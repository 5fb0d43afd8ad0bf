"""What a chain of 100,000 assets costs to build, to derive attack steps of, to compile, and to compile one change of.

`make bench` prints them; nothing here fails for being slow. Seconds of the processor are told beside the clock's, which
other work on the machine makes longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from tocsin.envs.generate import OUTSIDE, generate_twin
from tocsin.envs.scenario import Generator
from tocsin.tests.benchmarks.figures import Figures
from tocsin.twin.attack.step import AttackStep
from tocsin.twin.attack.steps import derive_steps
from tocsin.twin.changes import Change
from tocsin.twin.compiled import compile_twin
from tocsin.twin.graph import Link, Twin
from tocsin.twin.recompile import recompile
from tocsin.twin.vocabulary import AssetKind, LinkKind

ASSETS, REPEATS = 100_000, 15
Result = TypeVar("Result")


def timed(figures: Figures, what: str, run: Callable[[], Result], wanted: str = "", *, repeats: int = 1) -> Result:
    """Run, put the quickest into the table, and give what the last run gave."""
    quickest: list[tuple[float, float]] = []
    for _ in range(repeats):
        clock, processor = time.perf_counter(), time.process_time()
        result = run()
        quickest.append((time.process_time() - processor, time.perf_counter() - clock))
    processor, clock = (1e3 * seconds for seconds in min(quickest))
    figures.add(what, f"{processor:,.1f} ms of the processor, {clock:,.1f} by the clock", wanted)
    return result


def rebuilt(twin: Twin) -> Twin:
    """The same twin, sorted and checked anew."""
    names = ("owners", "assets", "links", "weaknesses", "sharing", "consent")
    return Twin.build(**{name: list(getattr(twin, name)) for name in names})


def test_compile_and_recompile(figures: Figures) -> None:
    """The whole, and then one fact at a time: its steps are known to whoever changes it."""
    twin = generate_twin(Generator(assets=ASSETS))
    size = f"{len(twin.assets):,} assets"
    timed(figures, f"build of a twin of {size}, {len(twin.links):,} links", lambda: rebuilt(twin))
    steps = timed(figures, "derivation of its attack steps", lambda: derive_steps(twin))
    what = f"compile of {size} with {len(steps):,} attack steps"
    compiled = timed(figures, what, lambda: compile_twin(twin, steps), "under 2 s", repeats=3)
    hole = twin.weaknesses[len(twin.weaknesses) // 2]
    mended = tuple(step for step in steps if f"{hole.id} on {hole.asset}" in step.facts)
    asset = next(one for one in twin.assets if one.criticality > 0)
    way = next(one for one in compiled.links if one.kind is LinkKind.REACHES and one.source != OUTSIDE)
    crossing = tuple(step for step in steps if step.link == way.key)
    rule = twin.consent[0]
    host = next(one for one in twin.assets if one.kind is AssetKind.HOST)
    segment = next(one for one in twin.assets if one.kind is AssetKind.SEGMENT and one.owner == host.owner)
    newcomer = replace(host, id=f"{host.owner}/host/newcomer", name="newcomer")
    joining = (
        Link(LinkKind.REACHES, newcomer.id, segment.id),
        Link(LinkKind.DEPENDS_ON, newcomer.id, host.id),
    )
    leaving = next(one for one in twin.assets if one.kind is AssetKind.IDENTITY and "service" in one.id)
    need = next(one for one in twin.links if one.kind is LinkKind.DEPENDS_ON and not twin.is_boundary(one))
    member = next(one for one in twin.links if one.kind is LinkKind.REACHES and one.target == segment.id)
    changes = {
        f"weakness mended ({len(mended)} steps go)": Change(gone=(hole,), steps_gone=mended),
        f"boundary link closed ({len(crossing)} steps go)": Change(gone=(way,), steps_gone=crossing),
        "boundary link opened": Change(come=(replace(way, port=9),)),
        "dependency ended": Change(gone=(need,)),
        "member left a segment": Change(gone=(member,)),
        "criticality changed": Change(gone=(asset,), come=(replace(asset, criticality=0.9),)),
        "consent changed": Change(gone=(rule,), come=(replace(rule, quorum=2),)),
        "host came, with a segment and a dependency": Change(come=(newcomer, *joining)),
        "identity went": _leaving(twin, steps, leaving.id),
    }
    for what, change in changes.items():
        again = partial(recompile, compiled, change)
        timed(figures, f"compile of one change, {what}", again, "under 10 ms", repeats=REPEATS)


def _leaving(twin: Twin, steps: Sequence[AttackStep], asset: str) -> Change:
    """An asset goes with all that refers to it."""
    gone = [twin.asset_by_id[asset], *(one for one in twin.links if asset in (one.source, one.target))]
    return Change(
        tuple(gone), (), tuple(step for step in steps if asset in (step.source, step.target, step.identity)), ()
    )
