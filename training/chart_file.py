"""Where a picture may go, checked before anything is played.

Flows in: a path. Flows out: nothing, or what is wrong with it.
"""

from __future__ import annotations

from pathlib import Path

from .evaluate import EvaluationError


def check_chart(chart: Path | None) -> None:
    """Refuse a file that no picture can be written to; pictures are PNG whatever the name says.

    Raises:
        EvaluationError: names the file and the mend.
    """
    if chart is None:
        return
    if chart.is_dir():
        raise EvaluationError(f"--chart {chart}: is a folder; name a file")
    if not chart.parent.is_dir():
        raise EvaluationError(f"--chart {chart}: folder {chart.parent} is not there; make it first")
    if chart.suffix.lower() != ".png":
        raise EvaluationError(f"--chart {chart}: pictures are PNG; give a name that ends in .png")
