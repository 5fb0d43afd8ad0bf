"""A twin as a graph over targets: what an active view reads of it beside the observation.

Flows in: a compiled twin, and who is assumed to come. Flows out: a `TargetGraph`: static features in small numbers,
ties along attack steps and boundary links with their odds, and what is dearest. It travels once, by twin; nothing here
changes while it is played.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from ..twin.compiled import NANO, Compiled, CompiledTwin, Int32, UInt8
from ..twin.rulebook.parameters import Parameters
from ..twin.sensing.observe import STATIC_FEATURES, static_observation
from ..twin.vocabulary import AssetKind
from .coming import coming
from .threat import THREAT_FEATURES, threat_features

Float32 = npt.NDArray[np.float32]

_LOGGED = ("share", "carried", "harm")  # told once more on a scale of octaves: shares of large owners are small
TARGET_FEATURES = (*STATIC_FEATURES, *(f"{name}_octaves" for name in _LOGGED), *THREAT_FEATURES, "assets")
OCTAVE = 16.0  # steps of 255 per halving; one owner-hour an hour is 255, so shares from 2e-5 on are told
ASSETS_OCTAVE = 15.0  # steps of 255 per doubling of the chain's assets, from one on
DEAREST = 64  # targets listed by worth; an active view keeps room for some of them
SCALE_OF = {"steps_out": 0.25, "steps_in": 0.25}  # columns of `static_observation` that pass 1


class TargetGraph(NamedTuple):
    """Arrays over T targets and M ties; ties of a target lie likeliest first."""

    static: UInt8  # [T, TARGET_FEATURES]
    owner: Int32  # [T, 2] owners of its sides, twice the same unless it is a boundary link
    first_link: int  # N, the number of the first target that is a boundary link
    first_owner: int  # N + L, the number of the first target that is an owner
    dearest: Int32  # [<= DEAREST] targets by what is lost through them, dearest first
    source_first: Int32  # [T + 1] rows of `source`: where ties into a target come from
    source: Int32  # [M]
    source_odds: UInt8  # [M] square root of the odds of the likeliest step, 1..255
    source_rate: Float32  # [M] mean footholds gained a minute along the tie while its source is held, see `coming`
    follower_first: Int32  # [T + 1] rows of `follower`: where ties out of a target lead
    follower: Int32  # [M]
    follower_odds: UInt8  # [M]


def target_graph(compiled: Compiled, assumed: Parameters) -> TargetGraph:
    """Read the graph off a compiled twin and the assumed game."""
    t = compiled.arrays
    source, target, odds = _ties(t)
    rate = coming(compiled, assumed)
    source_first, by_target = _grouped(target, source, odds, compiled.targets)
    follower_first, by_source = _grouped(source, target, odds, compiled.targets)
    owner = np.empty((compiled.targets, 2), np.int32)
    assets, links, owners = compiled.sizes
    owner[:assets] = t.asset["owner"][:, None]
    owner[assets : assets + links] = t.link_owner
    owner[assets + links :] = np.arange(owners)[:, None]
    return TargetGraph(
        static=_static(compiled, threat_features(compiled, assumed)),
        owner=owner,
        first_link=assets,
        first_owner=assets + links,
        dearest=_dearest(t),
        source_first=source_first,
        source=source[by_target],
        source_odds=odds[by_target],
        source_rate=_along(rate, source[by_target], target[by_target]),
        follower_first=follower_first,
        follower=target[by_source],
        follower_odds=odds[by_source],
    )


def hourly_scale(t: CompiledTwin) -> float:
    """Mean value per hour of the owners that have any: losses over it do not depend on the currency."""
    valued = t.hourly[t.hourly > 0]
    return float(valued.mean()) / NANO if len(valued) else 1.0


def _static(compiled: Compiled, threat: UInt8) -> UInt8:
    plain = static_observation(compiled).astype(np.float64)
    column = {name: number for number, name in enumerate(STATIC_FEATURES)}
    for name, scale in SCALE_OF.items():
        plain[:, column[name]] *= scale
    values = plain[:, [column[name] for name in _LOGGED]] / hourly_scale(compiled.arrays)
    plain[:, [column[name] for name in _LOGGED]] = values
    with np.errstate(divide="ignore"):
        octaves = 255.0 + OCTAVE * np.log2(values)
    told = np.clip(np.rint(np.concatenate([255.0 * plain, octaves], axis=1)), 0, 255).astype(np.uint8)
    size = np.clip(np.rint(ASSETS_OCTAVE * np.log2(max(compiled.sizes[0], 1))), 0, 255).astype(np.uint8)
    shared = np.append(threat, size)  # the same for every target
    return np.concatenate([told, np.broadcast_to(shared, (len(told), len(shared)))], axis=1)


def _ties(t: CompiledTwin) -> tuple[Int32, Int32, UInt8]:
    """Source, target and odds of every tie: the likeliest attack step of a pair; a boundary link and its ends."""
    assets, links = len(t.asset), len(t.link)
    step = np.asarray(t.step)
    moving = step[step["src"] != step["dst"]]
    link = assets + np.arange(links)
    source = np.concatenate([moving["src"], t.link_end[:, 0], link]).astype(np.int64)
    target = np.concatenate([moving["dst"], link, t.link_end[:, 1]]).astype(np.int64)
    odds = np.concatenate([moving["probability"], np.ones(2 * links, np.float32)])
    order = np.lexsort((-odds, target, source))
    source, target, odds = source[order], target[order], odds[order]
    first = np.ones(len(source), np.bool_)
    first[1:] = (source[1:] != source[:-1]) | (target[1:] != target[:-1])
    told = np.clip(np.rint(255.0 * np.sqrt(odds[first])), 1, 255).astype(np.uint8)
    return source[first].astype(np.int32), target[first].astype(np.int32), told


def _along(rate: csr_array, source: Int32, target: Int32) -> Float32:
    """float32[M] entries of [N, N] for ties; 0 where an end is no asset."""
    count = rate.shape[0]
    within = (source < count) & (target < count)
    found = np.zeros(len(source), np.float32)
    if within.any():
        found[within] = np.asarray(rate[target[within], source[within]]).ravel()
    return found


def _grouped(by: Int32, other: Int32, odds: UInt8, targets: int) -> tuple[Int32, npt.NDArray[np.int64]]:
    """Rows of each target, and the order that puts them there: likeliest first, then by number."""
    order = np.lexsort((other, -odds.astype(np.int32), by))
    first = np.searchsorted(by[order], np.arange(targets + 1)).astype(np.int32)
    return first, order


def _dearest(t: CompiledTwin) -> Int32:
    """Assets by harm and service at stake; none that lie outside."""
    worth = (t.asset["harm"] + t.asset["share"]).astype(np.float64) * (1.0 + t.asset["jewel"])
    worth[t.asset["kind"] == AssetKind.EXTERNAL] = 0.0
    order = np.lexsort((np.arange(len(worth)), -worth))[:DEAREST]
    return order[worth[order] > 0].astype(np.int32)
