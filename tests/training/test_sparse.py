"""Sparse products and the highest of each column: what torch gives with dense matrices and its own `amax`."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.envs.active import INPUTS
from tocsin.envs.active_worlds import ActiveWorlds
from tocsin.envs.game import load_game
from tocsin.envs.scenario import read_scenario
from tocsin.envs.vector import ResponseWorlds
from tocsin.training.network import Nodes
from tocsin.training.sparse import Sparse, highest, plus_product


@settings(deadline=None)
@given(rows=st.integers(1, 8), columns=st.integers(1, 8), share=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_products_and_gradients_are_those_of_a_dense_matrix(rows: int, columns: int, share: float, seed: int) -> None:
    """base + matrix @ dense, and what both get of the gradient, for matrices of any shape and filling."""
    draws = torch.Generator().manual_seed(seed)
    matrix = torch.rand(rows, columns, generator=draws) * (torch.rand(rows, columns, generator=draws) < share)
    row, column = torch.nonzero(matrix).unbind(1)
    sparse = Sparse.of(row, column, matrix[row, column], (rows, columns))
    base, dense = (torch.rand(n, 3, generator=draws, requires_grad=True) for n in (rows, columns))
    found, expected = plus_product(base, sparse, dense), base + matrix @ dense
    torch.testing.assert_close(found, expected)
    for one, other in zip(
        torch.autograd.grad((found**2).sum(), (base, dense)),
        torch.autograd.grad((expected**2).sum(), (base, dense)),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_picking_copies_rows() -> None:
    """Each row of the product is the row that was picked; its gradient goes back there, summed."""
    picked, dense = torch.tensor([0, 2, 2, 3]), torch.arange(8.0).view(4, 2).requires_grad_()
    found = plus_product(torch.zeros(4, 2), Sparse.picking(picked, torch.bincount(picked, minlength=4)), dense)
    torch.testing.assert_close(found, dense[picked])
    found.sum().backward()
    assert dense.grad is not None and dense.grad.tolist() == [[1, 1], [0, 0], [2, 2], [1, 1]]


def test_no_transpose_is_made_where_no_gradient_is_wanted() -> None:
    """Roll-outs do without it."""
    one = torch.zeros(1, dtype=torch.int64)
    with torch.no_grad():
        assert Sparse.of(one, one, torch.ones(1), (1, 1)).transpose is None
    assert Sparse.of(one, one, torch.ones(1), (1, 1)).transpose is not None


def test_ties_share_the_gradient_of_the_highest() -> None:
    """Value and gradient are those of torch's `amax`, also where several slots are highest."""
    torch.manual_seed(0)
    dense = torch.randint(0, 3, (5, 6, 4)).float().requires_grad_()  # three values in six slots: ties
    weights = torch.rand(5, 4)
    found, expected = highest(dense), dense.amax(dim=1)
    torch.testing.assert_close(found, expected)
    for one, other in zip(
        torch.autograd.grad((found * weights).sum(), dense),
        torch.autograd.grad((expected * weights).sum(), dense),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_a_nodes_row_averages_its_neighbours_by_their_odds() -> None:
    """Rows of `Nodes.near` against a loop over an active view's bytes; each world's nodes have only its own nodes."""
    seen = ActiveWorlds(ResponseWorlds(load_game(read_scenario()), range(4)))
    for _ in range(40):
        seen.step(np.zeros(4, np.int64))
    rows, most = seen.active.rows, seen.settings.neighbours
    nodes = Nodes.of(torch.from_numpy(rows))
    counts = (seen.active.target >= 0).sum(axis=1)
    expected = np.zeros((counts.sum(), 2 * counts.sum()))
    for world, first in enumerate(np.cumsum(counts) - counts):
        for slot in range(counts[world]):
            for way in range(2):
                begin = INPUTS + 2 * most * way
                others, odds = rows[world, slot, begin : begin + most], rows[world, slot, begin + most :][:most]
                for other, chance in zip(others.tolist(), odds.tolist(), strict=True):
                    if chance:
                        expected[first + slot, 2 * (first + other) + way] += chance / odds.sum(dtype=int)
    assert (expected > 0).sum() > 10
    np.testing.assert_allclose(nodes.near.matrix.to_dense().numpy(), expected, atol=1e-6)
    torch.testing.assert_close(nodes.near.matrix.to_dense().T, nodes.near.transpose.to_dense())
    torch.testing.assert_close(nodes.world.matrix.to_dense().T, nodes.world.transpose.to_dense())
