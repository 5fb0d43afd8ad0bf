"""The picture of what stands: in how many draws each policy loses less than each other.

Flows in: a `Robustness`. Flows out: a PNG.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from .evaluate import EvaluationError
from .robust import STANDS, Robustness


def draw(found: Robustness, chart: Path) -> None:
    """Write a square of shares; those that stand are framed.

    Raises:
        EvaluationError: the file cannot be written.
    """
    names = [one.policy for one in found.spreads]
    shares = np.full((len(names), len(names)), np.nan)
    for claim in found.claims:
        shares[names.index(claim.better), names.index(claim.worse)] = claim.holds
    figure = Figure(figsize=(0.75 * len(names) + 3.5, 0.6 * len(names) + 2.5), layout="constrained")
    axes = figure.add_subplot()
    shown = axes.imshow(shares, vmin=0.0, vmax=1.0, cmap="RdYlGn")
    for row, column in zip(*np.nonzero(~np.isnan(shares)), strict=True):
        weight = "bold" if shares[row, column] >= STANDS else "normal"
        axes.text(column, row, f"{shares[row, column]:.0%}", ha="center", va="center", fontsize=8, weight=weight)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_title(f"share of {found.draws} draws in which the row loses less than the column; bold: stands")
    figure.colorbar(shown, ax=axes, shrink=0.7)
    try:
        figure.savefig(chart, dpi=110, format="png")
    except OSError as error:
        raise EvaluationError(f"--chart {chart}: {error.strerror or error}; name a file that can be written") from None
