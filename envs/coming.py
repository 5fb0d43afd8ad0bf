"""How fast an attacker is assumed to move on: gains a minute of each asset, while another is held.

Flows in: a compiled twin and the assumed game. Flows out: a sparse matrix of rates, which an active view sums over what
is believed held. So a policy sees where nobody is yet. It is an overestimate where many assets are held: each of them
is taken to be worked from as if it were the only one. In return it grows with every belief, by public facts alone.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from ..twin.compiled import Compiled
from ..twin.rulebook.parameters import Parameters
from ..twin.vocabulary import Gain

_FOOTHOLDS = (Gain.USER, Gain.ADMIN)


def coming(compiled: Compiled, assumed: Parameters) -> csr_array:
    """[N, N] mean footholds gained on an asset (row) a minute from one that is held (column).

    The tries of the mean assumed attacker, shared among the steps from the asset by its mean tastes, each taken with
    its probability.
    """
    assets, step = len(compiled.arrays.asset), np.asarray(compiled.arrays.step)
    taste = np.asarray(assumed.weight, np.float64).mean(axis=0)
    of_source = np.bincount(step["src"], taste, minlength=assets)
    share = taste / np.maximum(of_source, 1e-9)[step["src"]]
    tries = float(np.asarray(assumed.attacker["try_p"], np.float64).mean()) * 60.0 / assumed.tick_s
    foothold = np.isin(step["gain"], _FOOTHOLDS)
    rate = (tries * share * step["probability"])[foothold]
    return csr_array((rate, (step["dst"][foothold], step["src"][foothold])), shape=(assets, assets))
