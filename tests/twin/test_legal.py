"""Legal actions, natively and densely: one answer, whatever runs."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tocsin.tests.twin.random_twins import FEW, RandomGame, one_thread, random_games  # noqa: F401  (a fixture)
from tocsin.twin.rulebook.legal import list_legal
from tocsin.twin.rulebook.mask import is_legal


@FEW
@given(game=random_games(), runs=st.sampled_from([1, 2, 32]), seed=st.integers(0, 2**16))
def test_the_native_list_names_what_the_mask_allows(game: RandomGame, runs: int, seed: int) -> None:
    """In random play the list, the dense mask and `is_legal` agree on every action, each listed once."""
    worlds, rng = game.worlds([3, 4], runs=runs), np.random.default_rng(seed)
    targets = game.compiled.targets
    for _ in range(12):
        masks, decision = worlds.masks(), np.zeros((2, 1), np.int32)
        for b, mask in enumerate(masks):
            listed = [1 + int(playbook) * targets + int(target) for playbook, target in worlds.legal_pairs(b)]
            assert sorted(listed) == np.flatnonzero(mask)[1:].tolist()
            arrays, effects, state = game.compiled.arrays, game.effects, worlds.state
            assert all(is_legal(b, action, arrays, effects, state) == mask[action] for action in range(len(mask)))
            decision[b, 0] = rng.choice(np.flatnonzero(mask))
        worlds.tick(decision)
        list_legal(game.compiled.arrays, game.effects, worlds.state, worlds.legal)
        assert worlds.legal.legal_n.tolist() == (worlds.masks().sum(axis=1) - 1).tolist()
