"""The numbers of the game beside the twin: attackers, consent, detection, repair.

Flows in: named settings with sources and ranges. Flows out: `Parameters`, arrays in ticks that kernel, belief and
forecast read. Probabilities marked "assumed" are guesses; what would settle each is said beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..compiled import Compiled, Float32, Int32, Int64
from ..sensing.confusion import ConfusionTable
from ..sensing.prospects import prospects_of
from ..vocabulary import AssetKind, ConsentClass, Gain, Proposer
from .campaign import CampaignStage, GameError, build_stages
from .crowds import crowds_of
from .entering import beginnings

MOST_ATTACKERS = 8  # in one world: each holds assets in a bit of its own
MASKS = 16  # sensor sets: 2 ** len(SensorClass)


@dataclass(frozen=True, slots=True)
class AttackerProfile:
    """One parametric attacker; all values assumed until fitted to campaigns, ranges in brackets."""

    name: str
    tries_per_hour: float = 20.0  # tempo [2, 60]
    stealth: float = 0.5  # 0: likes sure steps only by their odds; 1: halves its taste for what sensors watch [0, 1]
    goal_drive: float = 1.0  # how much it prefers steps that lead towards crown jewels [0, 3]
    persistence: float = 0.2  # weight of steps that only make it harder to evict [0, 1]
    impact: float = 0.5  # weight of encrypting, stopping and manipulating [0, 2]
    breadth: float = 1.0  # 1: spreads by taste; 0: nearly always takes the step it likes best [0, 1]
    patience_s: float = 0.0  # so long after it came it stops, encrypts and manipulates nothing [0, 86400]
    entry: tuple[str, ...] = ()  # assets it holds as a user when it comes; empty: it comes from outside
    inside: float = 0.0  # probability that it begins inside instead, at one machine drawn by `entering.places` [0, 1]
    onset_s: tuple[float, float] = (0.0, 3600.0)  # it comes at a time drawn uniformly from this span
    absent: float = 0.1  # probability that it never comes [0, 1]
    campaign: tuple[CampaignStage, ...] = ()  # it follows these stages and then waits; empty: it chooses by taste
    forges_per_hour: float = 0.0  # findings that it forges, so that defenders hurt themselves [0, 60]
    forge_focus: float = 1.0  # how much it prefers assets of high criticality; 0: any watched one alike [0, 3]
    forges_at_once: bool = False  # from its coming on; else once it holds an asset that sensors watch


OPPORTUNIST = AttackerProfile("opportunist")


@dataclass(frozen=True, slots=True)
class Phone:
    """Today's practice between owners: calls. All assumed; settled by logs of calls between their desks."""

    call_h: float = 2.0  # mean hours until a request reaches who decides at another owner [0, 24]
    late_s: float = 5400.0  # a finding is told so long after it was made [0, 86400]
    part: float = 0.5  # probability that a finding is told at all [0, 1]
    desk: str = ""  # owner whose desk the coalition's seat is: nothing of its own is called; empty: all is


@dataclass(frozen=True, slots=True)
class GameSettings:
    """What is not the twin's and not an attacker's."""

    repair_h: float = 8.0  # mean time until an owner repairs what was stopped, once rid of the attacker; assumed
    carried_out_h: float = 1.0  # hours of harm that carrying a store's data out does at once; assumed [0.2, 24]
    regain: float = 0.05  # per tick: persistence wins admin back; assumed, settled by red-team logs
    labour_rate: float = 0.05  # loss per hour of playbook labour, in shares of the owner's value per hour; assumed
    start_hour: float = -1.0  # UTC hour of tick 0; negative: drawn per episode
    load_amplitude: float = 0.0  # of legitimate load over the day, and of false findings with it [0, 1]; assumed
    load_peak_hour: float = 13.0  # UTC hour of most load [0, 24); assumed, settled by counts of events per hour
    phone: Phone | None = None  # how owners tell and ask each other; None: findings are shared, requests come at once


ATTACKER = np.dtype(
    [
        ("try_p", "f4"),  # probability of a try per tick
        ("first", "i4"),  # first and last tick of its coming
        ("last", "i4"),
        ("absent", "f4"),  # probability that it never comes
        ("patience", "i4"),  # ticks from its coming to its first impact
        ("entry_first", "i4"),  # its rows of `entry`
        ("entry_last", "i4"),
        ("stage_first", "i4"),  # its rows of `stage`; none: it chooses by taste
        ("stage_last", "i4"),
        ("forgeries", "f4"),  # mean number of findings it forges per tick
        ("forge_first", "i4"),  # its rows of `forge`
        ("forge_last", "i4"),
        ("forges_at_once", "u1"),
        ("inside", "f4"),  # probability that it begins at one machine inside, see `begin`
    ],
    align=True,
)
CONSENT = np.dtype(
    [
        ("mode", "u1"),  # ConsentMode
        ("hour_first", "u1"),  # UTC hours in which somebody answers
        ("hour_last", "u1"),
        ("quorum", "u1"),
        ("latency", "i4"),  # ticks
        ("refusal", "f4"),  # probability
    ],
    align=True,
)
FORGE = np.dtype([("cumulative", "f8"), ("asset", "i4")])  # cumulative weight of an asset to forge findings on
FALSE_PLACE = np.dtype([("asset", "i4"), ("sensor", "i4")])


class Parameters(NamedTuple):
    """Arrays over K attackers, O owners, C consent classes, S sensors, F places of false findings."""

    attacker: npt.NDArray[Any]  # [K] of ATTACKER
    entry: npt.NDArray[np.int32]  # assets that attackers hold when they come
    begin: Float32  # [N] where one that begins inside does, each as likely as said; [0]: nobody does
    begin_cdf: npt.NDArray[np.float64]  # [C] the same, cumulative over assets where it may be
    begin_asset: npt.NDArray[np.int32]  # [C]
    quiet: float  # P(no finding in a tick | such a one is where it began); mean over where that is
    weight: Float32  # [K, E] taste for a step
    crowd_asset: Int32  # of `Crowds`
    crowd_first: Int32
    crowd_taste: npt.NDArray[np.float64]
    stage: npt.NDArray[Any]  # rows of STAGE: campaigns
    forge: npt.NDArray[Any]  # rows of FORGE, per forger; none: nobody forges
    consent: npt.NDArray[Any]  # [O, C, Proposer] of CONSENT
    hit: Float32  # [S, StepClass] finding given a try; PRESENCE: per tick held
    hit_mask: Float32  # [2, 16, StepClass] the same for a set of sensors, second row monitored
    false_rate: Float32  # [S] false findings per tick and asset
    false_mask: Float32  # [16]
    false_class: Float32  # [S, StepClass] distribution of a false finding over classes
    true_bins: Float32  # [3] distribution of a true finding over Confidence
    false_bins: Float32  # [3]
    false_total: float  # false findings per tick, whole twin
    false_cdf: npt.NDArray[np.float64]  # [F]
    false_guide: Int32  # [F] row i: the first place whose cumulative weight is i / F or more
    false_place: npt.NDArray[Any]  # [F] of FALSE_PLACE
    repair: float  # probability per tick
    regain: float  # probability per tick
    carried_out: int  # ticks of harm that carrying data out does
    labour: Int64  # [O] nano loss per hour of labour
    tick_s: float
    start_hour: float
    load_amplitude: float
    load_peak: float  # UTC hour
    is_by_phone: bool  # owners tell each other findings late and in part
    call: float  # mean ticks until a request reaches another owner; 0: at once
    told_after: int  # ticks
    told_part: float  # probability
    desk: int  # owner at whose desk the coalition sits, -1: nobody's
    ahead: npt.NDArray[Any]  # rows of AHEAD, by source: this and what follows is read by the belief alone
    behind: npt.NDArray[Any]  # rows of BEHIND, by target
    inside: npt.NDArray[np.int32]  # segments by member
    place: npt.NDArray[Any]  # [N] of PLACE


def build_parameters(
    compiled: Compiled,
    attackers: Sequence[AttackerProfile],
    confusion: ConfusionTable,
    settings: GameSettings | None = None,
) -> Parameters:
    """Turn settings into arrays for one compiled twin.

    Raises:
        GameError: no attacker or more than eight, or a number out of range; names it and the mend.
    """
    settings = settings or GameSettings()
    _check(attackers, settings)
    tick_h = compiled.tick_s / 3600.0
    weights = [_taste(compiled, attacker, confusion) for attacker in attackers]
    weight = np.array(weights, np.float32).reshape(len(attackers), len(compiled.steps))
    detection = _detection(confusion, tick_h)
    rows, begin = beginnings(compiled, _attackers(compiled, attackers), weight, detection["hit_mask"])
    if any(one.inside for one in attackers) and not len(begin.begin):
        raise GameError("an attacker is to begin inside, but the chain has no machine; leave `inside` out")
    total, cdf, places = _false_places(compiled, confusion, tick_h)
    return Parameters(
        attacker=rows,
        entry=np.array([a for one in attackers for a in _entry(compiled, one)], np.int32),
        **begin._asdict(),
        weight=weight,
        **crowds_of(compiled.arrays, weight)._asdict(),
        stage=build_stages(compiled, [(one.name, one.campaign) for one in attackers]),
        forge=_forgeries(compiled, attackers),
        consent=_consent(compiled),
        **detection,
        false_total=total,
        false_cdf=cdf,
        false_guide=np.searchsorted(cdf, np.arange(len(cdf)) / max(1, len(cdf))).astype(np.int32),
        false_place=places,
        repair=-math.expm1(-tick_h / settings.repair_h),
        regain=settings.regain,
        carried_out=round(settings.carried_out_h / tick_h),
        labour=np.round(compiled.arrays.hourly * settings.labour_rate).astype(np.int64),
        tick_s=compiled.tick_s,
        start_hour=settings.start_hour,
        load_amplitude=settings.load_amplitude,
        load_peak=settings.load_peak_hour,
        **_between_owners(compiled, settings.phone),
        **prospects_of(compiled.arrays, rows, weight, detection["hit_mask"]),
    )


def assumable(compiled: Compiled, parameters: Parameters, *, inside: float = 0.0) -> Parameters:
    """What a defender may assume of a game: attackers choose by taste, forge nothing, and come from outside.

    That one begins inside is known of a game, where is not: it may be any machine, see `entering.places`. What that
    costs is measured by `tocsin bench belief` (case `insider`).

    Args:
        compiled: the twin.
        parameters: the game that is played.
        inside: share of the attackers from outside that are assumed to begin inside all the same.

    Raises:
        GameError: `inside` is no share.
    """
    if not 0 <= inside <= 1:
        raise GameError(f"assumed share of insiders {inside}: give 0 to 1")
    attacker, outside = parameters.attacker.copy(), compiled.arrays.external
    for row in attacker:
        named = parameters.entry[row["entry_first"] : row["entry_last"]]
        is_named_inside = bool((compiled.arrays.asset["kind"][named] != AssetKind.EXTERNAL).any())
        row["inside"] = 1.0 if is_named_inside else max(float(row["inside"]), inside)
    attacker["stage_last"], attacker["forgeries"] = attacker["stage_first"], 0.0
    attacker["entry_first"], attacker["entry_last"] = 0, len(outside)
    attacker, begin = beginnings(compiled, attacker, parameters.weight, parameters.hit_mask)
    return parameters._replace(attacker=attacker, entry=outside.copy(), **begin._asdict())


def _attackers(compiled: Compiled, attackers: Sequence[AttackerProfile]) -> npt.NDArray[Any]:
    rows = np.zeros(len(attackers), ATTACKER).view(np.recarray)
    entries = np.cumsum([0, *(len(_entry(compiled, one)) for one in attackers)])
    stages = np.cumsum([0, *(len(one.campaign) for one in attackers)])
    watched = int(np.count_nonzero(compiled.arrays.asset["sensors"]))
    forged = np.cumsum([0, *(watched * (one.forges_per_hour > 0) for one in attackers)])
    for row, one in enumerate(attackers):
        first, last, patience = (round(second / compiled.tick_s) for second in (*one.onset_s, one.patience_s))
        rows[row] = (
            -math.expm1(-one.tries_per_hour * compiled.tick_s / 3600.0),
            *(first, last, one.absent, patience),
            *entries[row : row + 2],
            *stages[row : row + 2],
            one.forges_per_hour * compiled.tick_s / 3600.0 if watched else 0.0,
            *forged[row : row + 2],
            one.forges_at_once,
            one.inside,
        )
    return rows


def _forgeries(compiled: Compiled, attackers: Sequence[AttackerProfile]) -> npt.NDArray[Any]:
    """Where each forger forges: watched assets, weighted by their share of the owner's criticality (assumed form)."""
    asset = compiled.arrays.asset
    watched = np.flatnonzero(asset["sensors"])
    share = asset["share"][watched] / max(1, asset["share"].max(initial=0))
    forgers = [one for one in attackers if one.forges_per_hour > 0]
    rows = np.zeros((len(forgers), len(watched)), FORGE)
    for row, one in zip(rows, forgers, strict=True):
        cumulative = np.cumsum((share + 0.01) ** one.forge_focus)
        row["cumulative"], row["asset"] = cumulative / cumulative[-1:], watched
    return rows.reshape(-1).view(np.recarray)


def _between_owners(compiled: Compiled, phone: Phone | None) -> dict[str, Any]:
    if phone is None:
        return {"is_by_phone": False, "call": 0.0, "told_after": 0, "told_part": 1.0, "desk": -1}
    if phone.desk and phone.desk not in compiled.owner_number:
        known = ", ".join(compiled.owner_number)
        raise GameError(f"phone: desk {phone.desk!r} is no owner of the chain; take one of {known}")
    if phone.call_h < 0 or phone.late_s < 0 or not 0 <= phone.part <= 1:
        raise GameError("phone: needs call_h and late_s of 0 or more, and part within 0..1")
    return {
        "is_by_phone": True,
        "call": phone.call_h * 3600.0 / compiled.tick_s,
        "told_after": math.ceil(phone.late_s / compiled.tick_s),
        "told_part": phone.part,
        "desk": compiled.owner_number.get(phone.desk, -1),
    }


def _check(attackers: Sequence[AttackerProfile], settings: GameSettings) -> None:
    if not 1 <= len(attackers) <= MOST_ATTACKERS:
        raise GameError(f"{len(attackers)} attackers: a world has one to eight; each holds assets in a bit of its own")
    for attacker in attackers:
        low, high = attacker.onset_s
        if attacker.tries_per_hour < 0 or not 0 <= attacker.absent <= 1 or not 0 <= low <= high:
            raise GameError(
                f"attacker {attacker.name!r}: needs tries_per_hour >= 0, absent within 0..1, onset_s from low to high"
            )
        if not 0 <= attacker.breadth <= 1 or attacker.patience_s < 0:
            raise GameError(f"attacker {attacker.name!r}: needs breadth within 0..1 and patience_s >= 0")
        if not 0 <= attacker.inside <= 1 or (attacker.inside and attacker.entry):
            raise GameError(f"attacker {attacker.name!r}: needs inside within 0..1, and none of it beside an entry")
        if not 0 <= attacker.forges_per_hour <= 60 or not 0 <= attacker.forge_focus <= 3:
            raise GameError(
                f"attacker {attacker.name!r}: needs forges_per_hour within 0..60 and forge_focus within 0..3"
            )
    if settings.repair_h <= 0 or not 0 <= settings.regain <= 1 or settings.carried_out_h < 0:
        raise GameError("game settings: needs repair_h > 0, regain within 0..1 and carried_out_h >= 0")
    if not 0 <= settings.load_amplitude <= 1 or not 0 <= settings.load_peak_hour < 24:
        raise GameError("game settings: load_amplitude must be within 0..1 and load_peak_hour within 0..24")


def _entry(compiled: Compiled, attacker: AttackerProfile) -> list[int]:
    """Numbers of the assets that the attacker holds when it comes."""
    if not attacker.entry:
        return [int(a) for a in compiled.arrays.external]
    for asset in attacker.entry:
        if asset not in compiled.asset_number:
            raise GameError(f"attacker {attacker.name!r}: entry {asset!r} is no asset of the chain; mend the id")
    return [compiled.asset_number[asset] for asset in attacker.entry]


def _taste(compiled: Compiled, attacker: AttackerProfile, confusion: ConfusionTable) -> Float32:
    """Weight of each step: its odds, where it leads, and how well it is watched (assumed form); 1 in the mean."""
    asset, step = compiled.arrays.asset, compiled.arrays.step
    leads = np.maximum(asset["toward"][step["dst"]], 1e-3)
    leads = np.where(asset["kind"][step["dst"]] == AssetKind.IDENTITY, np.maximum(leads, 0.05), leads)
    weight = step["probability"] * leads**attacker.goal_drive
    watched = confusion.hit_by_mask()[0][asset["sensors"][step["seen_at"]], step["step_class"]]
    weight = weight * (1.0 - 0.5 * attacker.stealth * watched)
    weight = np.where(step["gain"] == Gain.PERSISTENCE, attacker.persistence * weight, weight)
    weight = np.where(step["gain"] == Gain.IMPACT, attacker.impact * weight, weight)
    weight = weight ** (1.0 + 3.0 * (1.0 - attacker.breadth))
    return (weight / max(float(weight.mean()), 1e-30) if len(weight) else weight).astype(np.float32)


def _consent(compiled: Compiled) -> npt.NDArray[Any]:
    shape = (len(compiled.twin.owners), len(ConsentClass), len(Proposer))
    table = np.zeros(shape, CONSENT).view(np.recarray)  # all zero is NEVER: deny by default
    for rule in compiled.twin.consent:
        table[compiled.owner_number[rule.owner], rule.consent_class, rule.proposer] = (
            rule.mode,
            *rule.hours,
            rule.quorum,
            math.ceil(rule.latency_s / compiled.tick_s),
            rule.refusal,
        )
    return table


def _detection(confusion: ConfusionTable, tick_h: float) -> dict[str, Any]:
    per_tick = np.asarray(confusion.false_per_hour) * tick_h
    bits = (np.arange(MASKS)[:, None] >> np.arange(len(per_tick))) & 1
    return {
        "hit": np.asarray(confusion.hit, np.float32),
        "hit_mask": confusion.hit_by_mask().astype(np.float32),
        "false_rate": per_tick.astype(np.float32),
        "false_mask": (bits @ per_tick).astype(np.float32),
        "false_class": np.asarray(confusion.false_class, np.float32),
        "true_bins": np.asarray(confusion.true_bins, np.float32),
        "false_bins": np.asarray(confusion.false_bins, np.float32),
    }


def _false_places(
    compiled: Compiled, confusion: ConfusionTable, tick_h: float
) -> tuple[float, npt.NDArray[np.float64], npt.NDArray[Any]]:
    """Where false findings fall: every (asset, sensor) pair, weighted by the sensor's rate."""
    rates = np.asarray(confusion.false_per_hour) * tick_h
    watched = (compiled.arrays.asset["sensors"][:, None] >> np.arange(len(rates))) & 1
    assets, sensors = np.nonzero(watched)
    weights = rates[sensors]
    total = float(weights.sum())
    cdf = np.cumsum(weights) / total if total > 0 else np.zeros(0)
    places = np.zeros(len(assets), FALSE_PLACE).view(np.recarray)
    places["asset"], places["sensor"] = assets, sensors
    return total, cdf.astype(np.float64), places
