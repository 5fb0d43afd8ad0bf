"""The picture of an evaluation: losses by cause, with the interval of their sum.

Flows in: an `Evaluation`. Flows out: a PNG.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from .contenders import CLAIRVOYANT
from .evaluate import Evaluation, EvaluationError

COLOURS = ("tab:blue", "tab:red", "tab:grey")  # service, harm, labour


def draw(evaluation: Evaluation, chart: Path) -> None:
    """Write a chart of stacked bars, a policy each.

    Raises:
        EvaluationError: the file cannot be written.
    """
    scores = evaluation.scores[::-1]
    names = [score.name for score in scores]
    figure = Figure(figsize=(8, 0.5 * len(scores) + 2.0), layout="constrained")
    axes, left = figure.add_subplot(), np.zeros(len(scores))
    for cause, colour in zip(scores[0].by_cause, COLOURS, strict=True):
        widths = np.array([score.by_cause[cause] for score in scores])
        bars = axes.barh(names, widths, left=left, color=colour, label=cause)
        bars[names.index(CLAIRVOYANT)].set_alpha(0.4)
        left += widths
    spans = [[score.mean - score.low for score in scores], [score.high - score.mean for score in scores]]
    axes.errorbar(left, names, xerr=spans, fmt="none", ecolor="black", capsize=4)
    chains = len(scores[0].by_chain)
    axes.set(
        xlabel="mean loss per attack, owner-hours, with 95 % interval",
        title=f"{scores[0].episodes} attacks not trained on, {chains} chain{'s' if chains > 1 else ''} (simulation)",
    )
    axes.legend(loc="lower right")
    try:
        figure.savefig(chart, dpi=120, format="png")
    except OSError as error:
        raise EvaluationError(f"--chart {chart}: {error.strerror or error}; name a file that can be written") from None
