"""What the benchmarks of one run found, each figure beside what was wanted."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Figures:
    """What the benchmarks of one run found, in the order they ran."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, what: str, found: str, wanted: str = "") -> None:
        """Put one figure into the table.

        Args:
            what: is measured, on what.
            found: the figure with its unit.
            wanted: the bound it was to keep, and the aim beyond; empty where none was set.
        """
        self.rows.append((what, found, wanted))
