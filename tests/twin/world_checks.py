"""What must hold in any world at any time, recomputed from scratch in plain Python."""

from __future__ import annotations

import numpy as np
from tocsin.twin.rulebook.rules import is_blocked
from tocsin.twin.rulebook.state import COUNTS, IMPACTED, UNSERVED, WorldState
from tocsin.twin.rulebook.worlds import Worlds
from tocsin.twin.vocabulary import AssetKind, RunState


def live(state: WorldState, b: int) -> dict[str, object]:
    """Everything about world `b` that means something, free of stale rows."""
    world = state.world[b]
    run = state.run[b]
    return {
        "asset": state.asset[b].tobytes(),
        "runs": [tuple(one) for one in run[run["state"] != RunState.FREE]],
        "rate": state.rate[b].tobytes(),
        "loss": state.loss[b].tobytes(),
        "cut": state.cut[b].tobytes(),
        "held": sorted(state.held[b, : world["held_n"]]),
        "hurt": sorted(state.hurt[b, : world["hurt_n"]]),
        "unserved": sorted(state.unserved[b, 0, : world["unserved_n"]]),
        "findings": state.finding[b, : world["finding_n"]].tobytes(),
        "late": int(world["late_n"]),
        "pending": [
            tuple(state.pending[b, (world["pending_first"] + i) % state.pending.shape[1]])
            for i in range(world["pending_n"])
        ],
        "attackers": state.attacker[b][["onset", "stage", "since"]].tolist(),
        "trace": state.trace[b, : world["trace_n"]].tobytes(),
        "tick": int(world["tick"]),
        "count": int(world["finding_count"]),
    }


def blocked(worlds: Worlds, b: int) -> np.ndarray:
    """bool[N]: which assets are blocked."""
    return np.array([bool(is_blocked(int(modes))) for modes in worlds.state.asset[b]["modes"]])


def unserved(worlds: Worlds, b: int) -> set[int]:
    """What does not serve: the complement of the greatest set that keeps itself up."""
    arrays, state = worlds.compiled.arrays, worlds.state
    impacted = (state.asset[b]["modes"] & IMPACTED) != 0
    serving = ~(blocked(worlds, b) | impacted)
    changed = True
    while changed:
        changed = False
        for group in arrays.group:
            members = arrays.member[group.first : group.last]
            failing = sum(
                1 for one in members if not serving[one.asset] or (one.link >= 0 and state.cut[b, one.link] > 0)
            )
            if serving[group.asset] and failing > group.tolerance:
                serving[group.asset] = False
                changed = True
    return set(np.flatnonzero(~serving).tolist())


def check_lists(worlds: Worlds, b: int) -> None:
    """The lists of held, hurt and unserved assets name exactly those whose bits say so."""
    state, world = worlds.state, worlds.state.world[b]
    asset = state.asset[b]
    bits = asset["user"] | asset["admin"] | asset["persist"]
    assert sorted(state.held[b, : world["held_n"]]) == np.flatnonzero(bits).tolist()
    assert sorted(state.hurt[b, : world["hurt_n"]]) == np.flatnonzero(asset["modes"] & IMPACTED).tolist()
    assert sorted(state.unserved[b, 0, : world["unserved_n"]]) == np.flatnonzero(asset["modes"] & UNSERVED).tolist()


def check_service(worlds: Worlds, b: int) -> None:
    """What is out of service is what the greatest fixpoint says."""
    assert set(np.flatnonzero(worlds.state.asset[b]["modes"] & UNSERVED).tolist()) == unserved(worlds, b)


def check_rates(worlds: Worlds, b: int) -> None:
    """Rates of lost service and harm equal sums over assets."""
    arrays, asset = worlds.compiled.arrays.asset, worlds.state.asset[b]
    harmed = ((asset["user"] | asset["admin"]) != 0) | ((asset["modes"] & IMPACTED) != 0)
    out = (asset["modes"] & UNSERVED) != 0
    for owner, rate in enumerate(worlds.state.rate[b]):
        mine = arrays["owner"] == owner
        assert rate.service == arrays["share"][mine & out].sum()
        assert rate.harm == arrays["harm"][mine & harmed].sum()


def check_wholes(worlds: Worlds, b: int) -> None:
    """A segment is held by whom its unblocked members are; nobody has more of a whole than its parts support."""
    arrays, asset = worlds.compiled.arrays, worlds.state.asset[b]
    free = ~blocked(worlds, b)
    for whole, row in enumerate(arrays.asset):
        parts = arrays.part[row.part_first : row.part_last]
        bits = 0
        for part in parts[free[parts]]:
            bits |= int(asset["user"][part] | asset["admin"][part])
        if row.kind == AssetKind.SEGMENT:
            assert asset["user"][whole] == bits and int(asset["admin"][whole]) & ~bits == 0
        elif row.kind in (AssetKind.DATA_STORE, AssetKind.PROCESS) and len(parts):
            assert int(asset["user"][whole] | asset["admin"][whole]) & ~bits == 0


def check_counts(worlds: Worlds, b: int) -> None:
    """Modes and cuts count exactly the responses that hold them."""
    state, playbooks, assets = worlds.state, worlds.effects.playbook, worlds.compiled.sizes[0]
    modes, cut = np.zeros((assets, 8), int), np.zeros(worlds.compiled.sizes[1], int)
    for run in state.run[b]:
        mode = {RunState.WORKING: "mode_during", RunState.HOLDING: "mode"}.get(RunState(int(run.state)))
        if mode is None:
            continue
        if run.target < assets and playbooks[run.playbook][mode] >= 0:
            modes[run.target, playbooks[run.playbook][mode]] += 1
        if mode == "mode" and playbooks[run.playbook].cut:
            cut[run.target - assets] += 1
    packed = (modes << (4 * np.arange(8))).sum(axis=1)
    assert (state.asset[b]["modes"] & COUNTS).tolist() == packed.tolist() and state.cut[b].tolist() == cut.tolist()


CHECKS = (check_lists, check_service, check_rates, check_wholes, check_counts)
