"""What a learner and production alike see of a chain: public state, evidence and belief of a view, in small numbers.

Flows in: the public part of a world and one belief lane. Flows out: uint8[T, FEATURES] per view, and the static
float32[T, STATIC] of a twin, which travels once. Both lists are versioned by `OBSERVATION_VERSION`, the digest that a
policy file names. Hidden truth is never read.
"""

from __future__ import annotations

import hashlib
import math

import numba
import numpy as np
import numpy.typing as npt

from ..compiled import Compiled, CompiledTwin
from ..rulebook.jit import compiled_parallel, inner
from ..rulebook.rules import BITS, COUNT
from ..rulebook.state import UNSERVED, WorldState
from ..vocabulary import AssetKind, ConsentMode, LinkKind, Mode, RunState, SensorClass
from .belief import BeliefState, held_probability
from .evidence import decayed

FEATURES = (
    "held",  # log-odds that an attacker has any access: 128 + 18 * logit
    "admin",  # log-odds of admin access
    "threat",  # log-odds of being gained in this tick, as predicted
    "evidence",  # 48 * log2(1 + decayed weight of findings)
    "age",  # ticks since the last finding, 255: longer or never
    "peak",  # 85 * highest confidence seen, plus one
    "isolated",  # 255 while any response holds the mode
    "patched",
    "credential_reset",
    "monitored",
    "restoring",  # or down
    "unserved",
    "pending",  # 255: a response on this target awaits consent
    "working",  # 255: a response on this target is at work
    "near",  # links: log-odds that the source is held; assets: highest `held` among sources of steps into it
    "cut",  # links: 255 while cut; owners: share of its assets out of service
)
STATIC_FEATURES = (
    *(f"is_{kind.word}" for kind in AssetKind),
    *(f"is_{kind.word}_link" for kind in (LinkKind.REACHES, LinkKind.MANAGES, LinkKind.SUPPLIES, LinkKind.CAN_LOG_IN)),
    "is_owner",
    "share",  # loss per hour while it alone does not serve, in owners' values
    "carried",  # the same for all that depends on it
    "harm",  # loss per hour while held
    "jewel",
    "toward",  # fourth root of the best odds from here to a crown jewel
    "steps_out",  # log2(1 + attack steps)
    "steps_in",
    *(f"sensor_{sensor.word}" for sensor in SensorClass),
    "consent",  # of its owners to containment asked by others: 0 never to 1 at once, the lowest side
)
OBSERVATION_VERSION = hashlib.sha256("|".join((*FEATURES, "/", *STATIC_FEATURES)).encode()).hexdigest()[:16]

_WAITING, _WORKING = int(RunState.AWAITING_CONSENT), int(RunState.WORKING)
_MODES = (int(Mode.ISOLATED), int(Mode.PATCHED), int(Mode.CREDENTIAL_RESET), int(Mode.MONITORED))


@compiled_parallel
def observe_all(
    which: npt.NDArray[np.int64], t: CompiledTwin, s: WorldState, v: BeliefState, out: npt.NDArray[np.uint8]
) -> None:
    """Write what each view sees: out uint8[V, T, FEATURES]; which: int64[V], the world each view looks at."""
    for i in numba.prange(len(which)):
        observe(i, which[i], t, s, v, out[i])


@inner
def observe(i: int, b: int, t: CompiledTwin, s: WorldState, v: BeliefState, out: npt.NDArray[np.uint8]) -> None:
    """Write what view `i` sees of world `b`."""
    assets, links = len(t.asset), len(t.link)
    out[:, :] = 0
    for a in range(assets):
        _observe_asset(i, b, a, t, s, v, out[a])
    for link in range(links):
        row = out[assets + link]
        row[0] = log_odds(held_probability(i, b, t.link_end[link, 1], 1, t, s, v))
        row[4] = 255
        row[14] = log_odds(held_probability(i, b, t.link_end[link, 0], 1, t, s, v))
        row[15] = 255 if s.cut[b, link] > 0 else 0
    for owner in range(len(t.hourly)):
        lost = s.rate[b, owner].service * 60.0 / max(float(t.hourly[owner]), 1.0)
        out[assets + links + owner, 15] = int(min(255.0, 255.0 * lost))
    for r in range(s.run.shape[1]):
        if s.run[b, r].state == _WAITING:
            out[s.run[b, r].target, 12] = 255
        elif s.run[b, r].state == _WORKING:
            out[s.run[b, r].target, 13] = 255


@inner
def _observe_asset(
    i: int, b: int, a: int, t: CompiledTwin, s: WorldState, v: BeliefState, row: npt.NDArray[np.uint8]
) -> None:
    held, evidence, modes = v.asset[i, a], v.evidence[i, a], int(s.asset[b, a].modes)
    age = s.world[b].tick - evidence.last
    row[0] = log_odds(held_probability(i, b, a, 1, t, s, v))
    row[1] = log_odds(float(held.admin))
    row[2] = log_odds(float(held.threat))
    row[3] = int(min(255.0, 48.0 * math.log2(1.0 + decayed(float(evidence.count), age))))
    row[4] = min(255, age)
    row[5] = 85 * evidence.peak
    for n in range(4):
        row[6 + n] = 255 if (modes >> (BITS * _MODES[n])) & COUNT else 0
    row[10] = 255 if (modes >> (BITS * Mode.DOWN)) & COUNT or (modes >> (BITS * Mode.RESTORING)) & COUNT else 0
    row[11] = 255 if s.asset[b, a].status & UNSERVED else 0
    near = 0.0
    for j in range(t.asset[a].in_first, t.asset[a].in_last):
        src = t.step[t.in_step[j]].src
        near = max(near, float(v.asset[i, src].user + v.asset[i, src].admin))
    row[14] = log_odds(near)


@inner
def log_odds(probability: float) -> int:
    """A probability as 0..255: 128 + 18 times its logit, so that 0.001 and 0.999 stay apart from 0 and 1."""
    if probability <= 1e-3:
        return 0
    if probability >= 0.999:
        return 255
    return int(min(255.0, max(0.0, 128.0 + 18.0 * math.log(probability / (1.0 - probability)))))


def static_observation(compiled: Compiled) -> npt.NDArray[np.float32]:
    """float32[T, STATIC_FEATURES] of a twin: what does not change while it is defended."""
    t = compiled.arrays
    assets, links, _ = compiled.sizes
    out = np.zeros((compiled.targets, len(STATIC_FEATURES)), np.float32)
    column = {name: number for number, name in enumerate(STATIC_FEATURES)}
    per_hour = 3600.0 / compiled.tick_s / 1e9
    out[np.arange(assets), t.asset["kind"]] = 1.0
    for number, link in enumerate(compiled.links):
        out[assets + number, column[f"is_{link.kind.word}_link"]] = 1.0
    out[assets + links :, column["is_owner"]] = 1.0
    out[:assets, column["share"]] = t.asset["share"] * per_hour
    out[:assets, column["carried"]] = _carried(t) * per_hour
    out[:assets, column["harm"]] = t.asset["harm"] * per_hour
    out[:assets, column["jewel"]] = t.asset["jewel"]
    out[:assets, column["toward"]] = np.sqrt(np.sqrt(t.asset["toward"]))
    out[assets : assets + links, column["toward"]] = np.sqrt(np.sqrt(t.asset["toward"][t.link_end[:, 1]]))
    out[:assets, column["steps_out"]] = np.log2(1.0 + t.asset["out_last"] - t.asset["out_first"]) / 4.0
    out[:assets, column["steps_in"]] = np.log2(1.0 + t.asset["in_last"] - t.asset["in_first"]) / 4.0
    for sensor in SensorClass:
        out[:assets, column[f"sensor_{sensor.word}"]] = (t.asset["sensors"] >> sensor) & 1
    out[:, column["consent"]] = [_readiness(compiled, target) for target in range(compiled.targets)]
    return out


def _carried(t: CompiledTwin) -> npt.NDArray[np.float64]:
    """Loss rate, nano per tick, of all that would not serve if this asset alone did not."""
    carried = np.zeros(len(t.asset))
    for start in range(len(t.asset)):
        failed, queue = {start}, [start]
        for a in queue:
            for group in t.member_group[t.asset["member_first"][a] : t.asset["member_last"][a]]:
                first, last = t.group["first"][group], t.group["last"][group]
                failing = sum(int(m) in failed for m in t.member["asset"][first:last])
                dependent = int(t.group["asset"][group])
                if failing > t.group["tolerance"][group] and dependent not in failed:
                    failed.add(dependent)
                    queue.append(dependent)
        carried[start] = t.asset["share"][list(failed)].sum()
    return carried


def _readiness(compiled: Compiled, target: int) -> float:
    """How readily the owners of a target consent to containment asked by others: 0 never, 1 at once."""
    owners = compiled.owners_of(target)
    modes = {
        rule.owner: int(rule.mode)
        for rule in compiled.twin.consent
        if rule.consent_class.word == "contain" and rule.proposer.word == "other"
    }
    return min(modes.get(owner, int(ConsentMode.NEVER)) for owner in owners) / int(ConsentMode.AT_ONCE)


def new_observation(compiled: Compiled, views: int) -> npt.NDArray[np.uint8]:
    """An empty observation, uint8[V, T, FEATURES]."""
    return np.zeros((views, compiled.targets, len(FEATURES)), np.uint8)
