"""What a policy meets, in small counts: histograms of its observations, how far two are apart, how far chance goes.

Flows in: rows of active views, window by window (a window is as long as an episode). Flows out: `Window`s of counts, a
`Profile` of many for a policy card, and distances of what came later. Observations themselves are never kept.

Decisions are sorted into two strata, *quiet* (no evidence on any slot) and *alert*: in training every episode holds an
attack, in production few windows do, and how many do is no drift. Within a stratum two things are measured per feature:

- the population stability index, sum (p - q) ln(p / q) over bins, of what changes with time. Up to 0.1 counts as
  little, above 0.25 as a major shift (Siddiqi 2006, "Credit Risk Scorecards", chapter 7). It grows by chance when
  samples are few, alike within a window, or of one chain (Yurdakul and Naranjo 2020, "Statistical properties of the
  population stability index", Journal of Risk Model Validation 14(4)), so the profile keeps what chance makes of it;
- of every feature, the share of what was never seen in training (novelty).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..twin.sensing.observe import FEATURES
from .active import ACTIVE_FEATURES, BUSY, COMING, INPUTS, PRESENT

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

VERSION = 1
BINS = 9  # 0 alone, then eight equal ranges of 1 to 255
STRATA = ("quiet", "alert")
COUNTED = ACTIVE_FEATURES[:-1]  # all but `present`
CHANGING = [*range(len(FEATURES)), COMING, BUSY]  # columns that change with time; the others are the chain's
LITTLE, MAJOR = 0.1, 0.25  # of the index, see above
FLOOR = 1e-4  # of a share, so that the index stays finite; usual in practice
NOVEL = 0.05  # share of a feature's values never seen in training that is too much; assumed
SIZES = (10, 20, 50, 100)  # windows for which chance is kept; fewer than the first cannot tell
DRAWS, CHANCE, SEED = 200, 0.99, 20264  # of samples by chance, and which quantile of them is kept
_EVIDENCE = FEATURES.index("evidence")


class ProfileError(ValueError):
    """Counts that do not belong to this version; the message names the mend."""


@dataclass(frozen=True, slots=True)
class Window:
    """Counts of some decisions of one chain."""

    decisions: Int64  # [strata]
    counts: Int64  # [strata, COUNTED, BINS] of filled slots

    @classmethod
    def empty(cls) -> Window:
        """Of no decision."""
        return cls(np.zeros(len(STRATA), np.int64), np.zeros((len(STRATA), len(COUNTED), BINS), np.int64))

    def __add__(self, other: Window) -> Window:
        return Window(self.decisions + other.decisions, self.counts + other.counts)

    def as_object(self) -> dict[str, Any]:
        """As JSON values."""
        return {"decisions": self.decisions.tolist(), "counts": self.counts.tolist()}

    @classmethod
    def of_object(cls, content: Any) -> Window:
        """From JSON values.

        Raises:
            ProfileError: they are no window's.
        """
        try:
            made = cls(np.array(content["decisions"], np.int64), np.array(content["counts"], np.int64))
        except (KeyError, TypeError, ValueError, OverflowError):
            raise ProfileError("a window holds no counts; take them from a node's store of this version") from None
        shapes = (len(STRATA),), (len(STRATA), len(COUNTED), BINS)
        if (made.decisions.shape, made.counts.shape) != shapes or made.counts.min() < 0 or made.decisions.min() < 0:
            raise ProfileError(f"a window's counts are not of {shapes}; take them from a node's store of this version")
        return made


def counted(rows: npt.NDArray[np.uint8]) -> Window:
    """Count what V active views uint8[V, K, width] show, one decision each."""
    filled = rows[:, :, PRESENT] > 0
    stratum: Int64 = np.asarray((filled & (rows[:, :, _EVIDENCE] > 0)).any(axis=1), np.int64)
    view, slot = np.nonzero(filled)
    values = rows[view, slot, : INPUTS - 1].astype(np.int64)
    bins = (values + 31) // 32  # 0, then 1 to 32, 33 to 64, ... 225 to 255
    strata = stratum[view]
    place = (strata[:, None] * len(COUNTED) + np.arange(len(COUNTED))) * BINS + bins
    shape = (len(STRATA), len(COUNTED), BINS)
    counts = np.bincount(place.ravel(), minlength=int(np.prod(shape))).reshape(shape)
    return Window(np.bincount(stratum, minlength=len(STRATA)).astype(np.int64), counts.astype(np.int64))


@dataclass(frozen=True, slots=True)
class Stratum:
    """What training showed of one stratum."""

    windows: int  # that hold decisions of it
    decisions: float  # mean of them in a window
    counts: Int64  # [COUNTED, BINS]
    index: Mapping[int, float]  # by number of windows: how far the index of any feature goes by chance
    novelty: Mapping[int, float]  # the same of novelty


@dataclass(frozen=True, slots=True)
class Profile:
    """What a policy met in training; goes into its card."""

    length: int  # decisions of a window
    strata: Mapping[str, Stratum]

    def as_object(self) -> dict[str, Any]:
        """As JSON values."""
        strata = {
            name: {
                "windows": one.windows,
                "decisions": round(one.decisions, 3),
                "counts": one.counts.tolist(),
                "index": {str(size): round(value, 4) for size, value in one.index.items()},
                "novelty": {str(size): round(value, 4) for size, value in one.novelty.items()},
            }
            for name, one in self.strata.items()
        }
        return {"version": VERSION, "length": self.length, "strata": strata}

    @classmethod
    def of_object(cls, content: Any) -> Profile:
        """From a card's JSON values.

        Raises:
            ProfileError: there is none, or it is of another version.
        """
        try:
            if content["version"] != VERSION:
                raise ProfileError(f"profile of version {content['version']}, this is {VERSION}; promote it again")
            strata = {
                name: Stratum(
                    int(one["windows"]),
                    float(one["decisions"]),
                    np.array(one["counts"], np.int64).reshape(len(COUNTED), BINS),
                    {int(size): float(value) for size, value in one["index"].items()},
                    {int(size): float(value) for size, value in one["novelty"].items()},
                )
                for name, one in content["strata"].items()
            }
            return cls(int(content["length"]), strata)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            if isinstance(error, ProfileError):
                raise
            raise ProfileError("the card holds no profile of observations; promote the policy again") from None


def profile_of(chains: Sequence[Sequence[Window]], length: int) -> Profile:
    """The profile of windows, one list per chain; each window is `length` decisions long."""
    return Profile(length, {name: _stratum(chains, number) for number, name in enumerate(STRATA)})


def _stratum(chains: Sequence[Sequence[Window]], number: int) -> Stratum:
    kept = [[one for one in windows if one.decisions[number]] for windows in chains]
    kept = [windows for windows in kept if windows]
    every = [one for windows in kept for one in windows]
    total = sum((one.counts[number] for one in every), np.zeros((len(COUNTED), BINS), np.int64))
    decisions = float(np.mean([one.decisions[number] for one in every])) if every else 0.0
    index, novelty = _by_chance([np.stack([one.counts[number] for one in windows]) for windows in kept], total)
    return Stratum(len(every), decisions, total, index, novelty)


def _by_chance(chains: Sequence[Int64], total: Int64) -> tuple[dict[int, float], dict[int, float]]:
    """Windows drawn from one chain against all others (of a single chain: against all of it)."""
    rng, index, novelty = np.random.default_rng(SEED), {}, {}
    for size in SIZES if chains else ():
        found = []
        for _ in range(DRAWS):
            chain = chains[int(rng.integers(len(chains)))]
            drawn = chain[rng.integers(len(chain), size=size)].sum(axis=0)
            rest = total - chain.sum(axis=0) if len(chains) > 1 else total
            found.append((indices(drawn, rest)[CHANGING].max(), novelties(drawn, rest).max()))
        of_index, of_novelty = np.quantile(np.array(found), CHANCE, axis=0)
        index[size], novelty[size] = float(of_index), float(of_novelty)
    return index, novelty


def indices(counts: Int64, reference: Int64) -> Float64:
    """float64[features]: population stability index of counts int64[features, bins] against a reference."""
    p, q = _shares(counts), _shares(reference)
    found: Float64 = ((p - q) * np.log(p / q)).sum(axis=1)
    return found


def novelties(counts: Int64, reference: Int64) -> Float64:
    """float64[features]: share of counts in bins where the reference has next to nothing."""
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    unseen = reference <= FLOOR * reference.sum(axis=1, keepdims=True)
    found: Float64 = (share * unseen).sum(axis=1)
    return found


def _shares(counts: Int64) -> Float64:
    floored = np.maximum(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), FLOOR)
    shares: Float64 = floored / floored.sum(axis=1, keepdims=True)
    return shares
