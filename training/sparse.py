"""Sparse matrices that join the nodes of a batch, and operations whose gradients torch finds slowly.

Flows in: rows, columns, values. Flows out: CSR matrices with their transposes, sums and products with gradients. The
transpose is made once a batch, and only where gradients are wanted: torch itself would sort for it in every product.
Figures in `docs/bench-training.md`. What is joined, `network` says.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import torch


class Sparse(NamedTuple):
    """A matrix and its transpose."""

    matrix: torch.Tensor  # CSR [R, C]
    transpose: torch.Tensor | None  # CSR [C, R]; None where no gradient is wanted

    @classmethod
    def of(cls, rows: torch.Tensor, columns: torch.Tensor, values: torch.Tensor, shape: tuple[int, int]) -> Sparse:
        """A matrix of `values` at (row, column); rows ascend."""
        matrix = _csr(starts(torch.bincount(rows, minlength=shape[0])), columns, values, shape[1])
        if not torch.is_grad_enabled():
            return cls(matrix, None)
        order, begins = torch.argsort(columns), starts(torch.bincount(columns, minlength=shape[1]))
        return cls(matrix, _csr(begins, rows[order], values[order], shape[0]))

    @classmethod
    def picking(cls, columns: torch.Tensor, counts: torch.Tensor) -> Sparse:
        """A matrix with a 1 in each row, at columns that ascend; `counts` says how often each column is picked."""
        rows = torch.arange(len(columns) + 1, device=columns.device)
        ones = torch.ones(len(columns), device=columns.device)
        matrix = _csr(rows, columns, ones, len(counts))
        return cls(matrix, _csr(starts(counts), rows[:-1], ones, len(columns)) if torch.is_grad_enabled() else None)


def starts(counts: torch.Tensor) -> torch.Tensor:
    """int64[n + 1]: where each of n runs begins, and where the last ends."""
    return torch.nn.functional.pad(counts.cumsum(0), (1, 0))


def _csr(start: torch.Tensor, column: torch.Tensor, value: torch.Tensor, columns: int) -> torch.Tensor:
    return torch.sparse_csr_tensor(start, column, value, (len(start) - 1, columns), check_invariants=False)


with warnings.catch_warnings():  # torch says it once in a process: here, unheard
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
    _csr(torch.zeros(2, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0), 1)


def plus_product(base: torch.Tensor, sparse: Sparse, dense: torch.Tensor) -> torch.Tensor:
    """base [R, H] + sparse [R, C] @ dense [C, H]."""
    result: torch.Tensor = _PlusProduct.apply(base, *sparse, dense)  # type: ignore[no-untyped-call]
    return result


class _PlusProduct(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, base: torch.Tensor, matrix: torch.Tensor, transpose: torch.Tensor | None, dense: torch.Tensor
    ) -> torch.Tensor:
        ctx.transpose = transpose
        return torch.addmm(base, matrix, dense)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None, torch.Tensor]:
        gradient = gradients[0].contiguous()
        of_dense = gradient.new_empty(ctx.transpose.shape[0], gradient.shape[1])
        torch.addmm(of_dense, ctx.transpose, gradient, beta=0, out=of_dense)  # `@` would fill, compute and copy
        return gradient, None, None, of_dense


def highest(dense: torch.Tensor) -> torch.Tensor:
    """[B, H] the highest over the middle axis of [B, K, H]; as torch's `amax` ties share the gradient."""
    result: torch.Tensor = _Highest.apply(dense)  # type: ignore[no-untyped-call]
    return result


class _Highest(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dense: torch.Tensor) -> torch.Tensor:
        top = dense.amax(dim=1)
        ctx.save_for_backward(dense, top)
        return top

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        dense, top = ctx.saved_tensors
        tied = torch.eq(dense, top[:, None], out=torch.empty_like(dense))  # as floats: whole numbers sum slowly
        return tied.mul_((gradients[0] / tied.sum(dim=1))[:, None])
