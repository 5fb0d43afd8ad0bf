"""Worlds drawn from a belief: whole attacks that agree with the marginals.

Flows in: one belief lane and the public state of one world. Flows out: a batch of worlds, each with access bits drawn
so that every held asset has a held predecessor or is an entry (unless the way it was likeliest reached by was closed or
cleaned since, as modes show), and with the share of worlds that hold an asset as believed. An entry is an external, or
where the assumed game has attackers begin inside one machine a world, if one has come so there. Draws come from a seed
of the forecast, never from the key of the plant or environment, so forecasts do not see its future.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..compiled import Compiled
from ..rulebook.effects import EffectTable
from ..rulebook.parameters import Parameters
from ..rulebook.rules import BLOCKING, CLEANED
from ..rulebook.state import COUNTS, WorldState, copy_worlds, rekey
from ..rulebook.worlds import STREAM_FORECAST, Worlds
from ..sensing.arriving import held_shares
from ..sensing.belief import BeliefState
from ..vocabulary import Access, AssetKind, Gain
from .comers import ANYWHERE, NOBODY, bits_of

Bools = npt.NDArray[np.bool_]
LEAST = 1e-9  # belief at which an asset still explains another, if nothing else does
WAYS = 4  # into one asset that are looked at to explain it; half as many into each asset that explains it
DEPTH = 16  # longest chain of predecessors added to explain one held asset


@dataclass
class _Draw:
    """The attack states drawn so far; lives for one call of `draw_worlds`."""

    compiled: Compiled
    held_share: npt.NDArray[np.float64]  # [N] believed P(any access)
    admin_share: npt.NDArray[np.float64]  # [N] believed P(admin)
    blocked: Bools  # [N]
    cleaned: Bools  # [N] restored or revoked lately: whoever came through it may be further in by now
    rng: np.random.Generator
    user: Bools  # [worlds, N] any access
    admin: Bools  # [worlds, N]
    begin: npt.NDArray[np.float32]  # [N] where one from inside begins; [0]: nobody does
    began: npt.NDArray[np.int64]  # [worlds] the machine, or NOBODY or ANYWHERE
    ways_in: dict[int, list[int]] = field(default_factory=dict)  # steps into an asset that give access
    drawn: Bools = field(init=False)  # [N] its share of worlds is drawn

    def __post_init__(self) -> None:
        self.drawn = np.zeros(len(self.held_share), bool)

    def holds(self, asset: int, need: int) -> Any:
        """bool[worlds]: access `need` at an asset, for a segment through its unblocked members."""
        record = self.compiled.arrays.asset[asset]
        if record["kind"] != AssetKind.SEGMENT:
            return self.admin[:, asset] if need == Access.ADMIN else self.user[:, asset]
        parts = self.compiled.arrays.part[record["part_first"] : record["part_last"]]
        open_parts = parts[~self.blocked[parts]]
        return self.user[:, open_parts].any(axis=1)

    def was_held(self, asset: int) -> float:
        """P(held), now or before it was cleaned; never nothing, so that some way explains what is held."""
        return 1.0 if self.cleaned[asset] else max(float(self.held_share[asset]), LEAST)

    def is_reachable(self, asset: int) -> Bools:
        """bool[worlds]: some step into the asset has its source and identity held."""
        reachable = np.zeros(len(self.user), bool)
        for step in self.ways_in[asset]:
            record = self.compiled.arrays.step[step]
            one = self.holds(int(record["src"]), int(record["need"])).copy()
            if record["identity"] >= 0:
                one &= self.user[:, record["identity"]]
            reachable |= one
        return reachable


def draw_worlds(
    compiled: Compiled,
    effects: EffectTable,
    parameters: Parameters,
    *,
    belief: BeliefState,
    view: int,
    state: WorldState,
    world: int,
    count: int,
    seed: int,
) -> Worlds:
    """Draw `count` worlds from a belief.

    Args:
        compiled: the twin.
        effects: what playbooks do.
        parameters: the assumed game.
        belief: beliefs; lane `view` is used.
        view: which lane.
        state: worlds, of whose row `world` only the public part is copied.
        world: which row.
        count: worlds to draw, >= 1.
        seed: equal seeds give equal worlds.
    """
    rows = copy_worlds(state, np.full(count, world, np.int64))
    modes = state.asset["modes"][world].astype(np.int64)
    blocked, cleaned = (modes & BLOCKING) != 0, (modes & CLEANED) != 0
    held = held_shares(parameters, belief)[view].astype(np.float64)
    admin = belief.asset["admin"][view].astype(np.float64)
    size = (count, len(held))
    rng = np.random.Generator(np.random.Philox(key=[STREAM_FORECAST, seed]))
    begin, began = parameters.begin, np.full(count, NOBODY)
    draw = _Draw(compiled, held, admin, blocked, cleaned, rng, np.zeros(size, bool), np.zeros(size, bool), begin, began)
    insider = belief.insider[view]
    _draw_attacks(draw, belief.active[view, : belief.active_n[view]], float(insider["come"]), len(parameters.attacker))
    _hide(draw, float(insider["hidden"]))
    return Worlds(compiled, effects, parameters, _write(rows, draw, parameters, seed, rng))


def _draw_attacks(draw: _Draw, active: npt.NDArray[np.int32], inside: float, attackers: int) -> None:
    kinds = draw.compiled.arrays.asset["kind"]
    order = sorted((int(a) for a in active if kinds[a] != AssetKind.SEGMENT), key=lambda a: (-draw.held_share[a], a))
    order.sort(key=lambda a: kinds[a] != AssetKind.EXTERNAL)
    for asset in range(len(kinds)):
        draw.ways_in[asset] = _ways_in(draw.compiled, asset)
    externals = sum(kinds[a] == AssetKind.EXTERNAL for a in order)
    for asset in order[:externals]:
        _fill(draw, asset)
    _let_in(draw, inside, attackers)
    for asset in order[externals:]:
        _fill(draw, asset)


def _let_in(draw: _Draw, inside: float, attackers: int) -> None:
    """Let one come from inside in as many worlds as believed; a single attacker comes one way."""
    if len(draw.begin):
        free: Bools = np.ones(len(draw.user), bool)
        if attackers == 1:
            free &= ~draw.user.any(axis=1)
        draw.began[_some(np.flatnonzero(free), _round(inside * len(free), draw.rng), draw.rng)] = ANYWHERE


def _hide(draw: _Draw, hidden: float) -> None:
    """Put those from inside whom no finding has shown where they may have begun, but for assets drawn by themselves."""
    if not len(draw.begin):
        return
    begin = np.where(draw.drawn, 0.0, draw.begin).astype(np.float64)
    count = _round(hidden * float(begin.sum()) * len(draw.user), draw.rng)
    chosen = _some(np.flatnonzero(draw.began == ANYWHERE), count, draw.rng)
    if len(chosen):
        even = (np.arange(len(chosen)) + draw.rng.random()) / len(chosen)  # so that each place has its share of worlds
        place = np.searchsorted(np.cumsum(begin) / begin.sum(), draw.rng.permutation(even))
        asset = np.minimum(place, np.flatnonzero(begin)[-1])
        draw.began[chosen] = asset
        draw.user[chosen, asset] = True


def _ways_in(compiled: Compiled, asset: int) -> list[int]:
    arrays = compiled.arrays
    record = arrays.asset[asset]
    rows = arrays.in_step[record["in_first"] : record["in_last"]]
    return [
        int(step)
        for step in rows
        if arrays.step[step]["gain"] in (Gain.USER, Gain.ADMIN) and arrays.step[step]["src"] != asset
    ]


def _fill(draw: _Draw, asset: int) -> None:
    """Hold the asset in as many worlds as believed."""
    missing = _round(draw.held_share[asset] * len(draw.user), draw.rng) - int(draw.user[:, asset].sum())
    draw.drawn[asset] = True
    _add(draw, asset, missing, np.ones(len(draw.user), bool), frozenset())
    wanted = _round(draw.admin_share[asset] * len(draw.user), draw.rng) - int(draw.admin[:, asset].sum())
    chosen = _some(np.flatnonzero(draw.user[:, asset] & ~draw.admin[:, asset]), wanted, draw.rng)
    draw.admin[chosen, asset] = True


def _add(draw: _Draw, asset: int, count: int, within: Bools, above: frozenset[int]) -> Bools:
    """Hold the asset in `count` more of the worlds `within`; gives the worlds in which it is held now.

    First where it can be reached; then where one from inside may have begun there; then where a likely predecessor can
    be added, which is added too. An asset with a
    way in that was closed or cleaned since is held without one where that does not do; so is one, at the last, that
    is no predecessor itself.
    """
    free = within & ~draw.user[:, asset]
    if count <= 0 or not free.any():
        return within & draw.user[:, asset]
    entry = draw.compiled.arrays.asset["kind"][asset] == AssetKind.EXTERNAL
    reachable = free if entry else free & draw.is_reachable(asset)
    chosen = _some(np.flatnonzero(reachable), count, draw.rng)
    draw.user[chosen, asset] = True
    deficit = count - len(chosen)
    deficit -= _begin(draw, asset, deficit, free)
    if deficit > 0 and not entry:
        steps, is_changed = _likely_ways(draw, asset, above | {asset})
        for step in steps:
            rest = free & ~draw.user[:, asset] & ~reachable
            explained = _explain(draw, step, deficit, rest, above | {asset})
            chosen = _some(np.flatnonzero(explained), deficit, draw.rng)
            draw.user[chosen, asset] = True
            deficit -= len(chosen)
        if is_changed or not above:
            rest = free & ~draw.user[:, asset] & ~reachable
            draw.user[_some(np.flatnonzero(rest), deficit, draw.rng), asset] = True
    return within & draw.user[:, asset]


def _begin(draw: _Draw, asset: int, count: int, free: Bools) -> int:
    """Let those from inside whose machine is not drawn yet have begun here, in at most `count` of the worlds `free`."""
    if not len(draw.begin) or draw.begin[asset] <= 0.0:
        return 0
    may = free & ~draw.user[:, asset] & (draw.began == ANYWHERE)
    chosen = _some(np.flatnonzero(may), count, draw.rng)
    draw.user[chosen, asset], draw.began[chosen] = True, asset
    return len(chosen)


def _explain(draw: _Draw, step: int, count: int, within: Bools, above: frozenset[int]) -> Bools:
    """Make the step possible in `count` of the worlds `within`; gives the worlds in which it is."""
    record = draw.compiled.arrays.step[step]
    source, identity = _member(draw, int(record["src"])), int(record["identity"])
    worlds = within & draw.user[:, source]
    worlds |= _add(draw, source, count - int(worlds.sum()), within & ~worlds, above)
    if identity >= 0:
        known = worlds & draw.user[:, identity]
        worlds = known | _add(draw, identity, count - int(known.sum()), worlds & ~known, above)
    if record["need"] == Access.ADMIN and source == record["src"]:
        able = worlds & draw.admin[:, source]
        chosen = _some(np.flatnonzero(worlds & ~able), count - int(able.sum()), draw.rng)
        draw.admin[chosen, source] = True
        worlds &= draw.admin[:, source]
    return worlds


def _likely_ways(draw: _Draw, asset: int, above: frozenset[int]) -> tuple[list[int], bool]:
    """The likeliest steps into an asset, up to the first whose start was cleaned since; whether one was, or is closed.

    The further from what is to be explained, the fewer, so that the search stays small.
    """
    ways: list[tuple[float, int, bool]] = []
    is_changed = False
    for step in draw.ways_in[asset]:
        record = draw.compiled.arrays.step[step]
        source, identity = _member(draw, int(record["src"])), int(record["identity"])
        is_changed |= bool(draw.blocked[source])
        if source in above or draw.blocked[source]:
            continue
        odds = draw.was_held(source) * record["probability"]
        odds *= draw.was_held(identity) if identity >= 0 else 1.0
        ways.append((-odds, step, bool(draw.cleaned[source] or (identity >= 0 and draw.cleaned[identity]))))
    ways.sort()
    most = 0 if len(above) > DEPTH else max(1, WAYS >> len(above) - 1)
    cleaned = next((row for row, (_, _, is_cleaned) in enumerate(ways) if is_cleaned), len(ways))
    return [step for _, step, _ in ways[: min(cleaned, most)]], is_changed or cleaned < len(ways)


def _member(draw: _Draw, asset: int) -> int:
    """The asset itself, or of a segment the unblocked member most likely held."""
    record = draw.compiled.arrays.asset[asset]
    if record["kind"] != AssetKind.SEGMENT:
        return asset
    parts = draw.compiled.arrays.part[record["part_first"] : record["part_last"]]
    open_parts = parts[~draw.blocked[parts]]
    return int(open_parts[np.argmax(draw.held_share[open_parts])]) if len(open_parts) else asset


def _round(expected: float, rng: np.random.Generator) -> int:
    """Round at random, so that the mean is kept."""
    return int(np.floor(expected + rng.random()))


def _some(candidates: npt.NDArray[np.int64], count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    if count <= 0 or len(candidates) == 0:
        return candidates[:0]
    return np.sort(rng.permutation(candidates)[:count])


def _write(rows: WorldState, draw: _Draw, parameters: Parameters, seed: int, rng: np.random.Generator) -> WorldState:
    """Write the drawn attacks over copies of the public state; counters that depend on hidden truth start anew."""
    count, arrays = len(rows.world), draw.compiled.arrays
    rows.world["stream"] = STREAM_FORECAST
    rows.world["id"] = np.arange(count) + seed * 1_000_003
    rows.world["episode"] = 0  # part of every key, and the plant's or environment's own
    tick = int(rows.world["tick"][0])
    bits, states = bits_of(draw.user, draw.began, arrays.external, parameters, tick, rng)
    rows = rows._replace(attacker=states)
    rows.asset["user"] = bits
    rows.asset["admin"] = np.where(draw.admin, bits, 0)
    rows.asset["persist"] = 0
    rows.asset["modes"] &= COUNTS
    for name in ("held_n", "hurt_n", "unserved_n", "overflow", "finding_n", "trace_n", "cleaned_n"):
        rows.world[name] = 0
    for name in ("pending_n", "late_n"):
        rows.world[name] = 0
    rows.loss[:] = 0
    rows.rate["service"] = 0
    rows.rate["harm"] = 0
    rows.world["dirty"] = 1
    segments = np.flatnonzero(arrays.asset["kind"] == AssetKind.SEGMENT)
    for segment in segments:
        record = arrays.asset[segment]
        parts = arrays.part[record["part_first"] : record["part_last"]]
        rows.asset["user"][:, segment] = np.bitwise_or.reduce(bits[:, parts[~draw.blocked[parts]]], axis=1)
        rows.asset["admin"][:, segment] = rows.asset["user"][:, segment]  # as belief: a held segment is mapped
    _enlist(rows, arrays.asset)
    rekey(rows)
    return rows


def _enlist(rows: WorldState, assets: npt.NDArray[np.void]) -> None:
    """Fill the lists of held assets and the harm rates from the access bits."""
    for world in range(len(rows.world)):
        held = np.flatnonzero(rows.asset["user"][world] | rows.asset["admin"][world])[: rows.held.shape[1]]
        rows.held[world, : len(held)] = held
        rows.world["held_n"][world] = len(held)
        hurting = np.flatnonzero(rows.asset["user"][world] | rows.asset["admin"][world])
        np.add.at(rows.rate["harm"][world], assets["owner"][hurting], assets["harm"][hurting])
