"""Chance, keyed: the same key gives the same number, whoever asks and in whatever order.

Flows in: (stream, world id, episode, tick) make a tick key; (purpose, entity) pick a number under it. Flows out:
uniforms in (0, 1). Nothing is consumed, so results do not depend on batch, order or threads. The mixing function is
SplitMix64's finaliser (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators", section 4).
"""

from __future__ import annotations

import math

import numpy as np

from .jit import compiled

# Purposes: append, never renumber.
TRY = 1
CHOOSE = 2
SUCCEED = 3
DETECT = 4
SENSOR = 5
CONFIDENCE = 6
PRESENCE = 7
FALSE_COUNT = 8
FALSE_PLACE = 9
FALSE_CLASS = 10
REPAIR = 11
REGAIN = 12
TAKE_EFFECT = 13
CONSENT_DELAY = 14
CONSENT_ANSWER = 15
ONSET = 16
ABSENT = 17
RANDOM_DEFENDER = 18
START_HOUR = 19
FORGE_COUNT = 40
FORGE_PLACE = 41
FORGE_SENSOR = 42
FORGE_CLASS = 43
FORGE_CONFIDENCE = 44
SHARED = 45
CALL = 46
BEGIN = 47
CROWD_TIME = 48
CROWD_STEP = 49

POISSON_PART = 32.0  # mean of the Poisson numbers that a larger one is the sum of: exp(-mean) must not underflow

_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_G1 = np.uint64(0x9E3779B97F4A7C15)
_G2 = np.uint64(0xD1B54A32D192ED03)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


@compiled
def mix(value: np.uint64) -> np.uint64:
    """Scramble 64 bits: a bijection that leaves no visible pattern."""
    value = (value ^ (value >> _S30)) * _M1
    value = (value ^ (value >> _S27)) * _M2
    return value ^ (value >> _S31)


@compiled
def tick_key(stream: int, world: int, episode: int, tick: int) -> np.uint64:
    """Key of one tick of one world."""
    key = mix(np.uint64(stream) + _G1)
    key = mix(key ^ (np.uint64(world) + _G2))
    key = mix(key ^ (np.uint64(episode) * _G1 + _G2))
    return mix(key ^ (np.uint64(tick) * _G2 + _G1))


@compiled
def uniform(key: np.uint64, purpose: int, entity: int) -> float:
    """A number in the open interval (0, 1) for one purpose and one entity under a tick key."""
    bits = mix(np.uint64(key) + np.uint64(purpose) * _G1 + np.uint64(entity) * _G2) >> _S11
    return (float(bits) + 0.5) * 1.1102230246251565e-16


@compiled
def poisson(key: np.uint64, purpose: int, entity: int, mean: float) -> int:
    """A Poisson number, by products of uniforms from `entity` on (Knuth, TAOCP vol. 2, section 3.4.1).

    Above `POISSON_PART` it is a sum of Poisson numbers of at most that mean. Reads as many uniforms as it counts, and
    one for each of the sum's parts.
    """
    count, drawn, left = 0, 0, mean
    while left > 0.0:
        threshold, product = math.exp(-min(left, POISSON_PART)), uniform(key, purpose, entity + drawn)
        drawn += 1
        while product > threshold:
            count += 1
            product *= uniform(key, purpose, entity + drawn)
            drawn += 1
        left -= POISSON_PART
    return count
