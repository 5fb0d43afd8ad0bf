"""Who is assumed to come, in small numbers: what a policy may know of the threat beside what it observes.

Flows in: a compiled twin and the assumed game. Flows out: `THREAT_FEATURES`, each 0 to 255. They are of the game that
belief is computed by, never of the one that is played, and depend neither on the chain's size nor on hidden truth.
"""

from __future__ import annotations

import numpy as np

from ..twin.compiled import Compiled, UInt8
from ..twin.rulebook.parameters import Parameters
from ..twin.vocabulary import StepClass

THREAT_FEATURES = ("threat_tempo", "threat_patience", "threat_impact", "threat_inside")
OCTAVE = 24.0  # steps of 255 per halving or doubling; a try in every tick is 255, one in 1,600 is 0
PATIENCE_OCTAVE = 20.0  # steps of 255 per doubling of patience, from one tick (0) to 6,900 (255)
MIDDLE = 128  # of the taste for impact: as great as for any other step


def threat_features(compiled: Compiled, assumed: Parameters) -> UInt8:
    """uint8[THREAT_FEATURES] of the mean assumed attacker.

    Tempo: probability of a try per tick. Patience: ticks from its coming to its first impact. Impact: mean taste for a
    step that stops, encrypts or manipulates, over the mean taste for any other. Inside: probability that it begins at a
    machine inside. All but the last on a scale of octaves.
    """
    attacker = assumed.attacker
    step_class = np.asarray(compiled.arrays.step["step_class"])
    is_impact = step_class == StepClass.IMPACT
    taste = np.asarray(assumed.weight, np.float64).mean(axis=0)
    impact = MIDDLE
    if is_impact.any() and taste[~is_impact].sum() > 0:
        share = max(taste[is_impact].mean() / taste[~is_impact].mean(), 1e-9)
        impact = MIDDLE + OCTAVE * np.log2(share)
    told = (
        255.0 + OCTAVE * np.log2(max(float(attacker["try_p"].mean()), 1e-9)),
        PATIENCE_OCTAVE * np.log2(1.0 + max(float(attacker["patience"].mean()), 0.0)),
        impact,
        255.0 * float(attacker["inside"].mean()),
    )
    return np.clip(np.rint(told), 0, 255).astype(np.uint8)
