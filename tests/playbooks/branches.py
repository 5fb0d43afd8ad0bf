"""`make coverage`: whether the tests of parser and linter take the branches of every module of theirs.

Flows in: the data that `coverage run` left, by the settings in pyproject.toml. Flows out: a table; exit code 1 where a
module, or all together, has fewer than `LEAST` of its branches taken.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

LEAST = 0.9


def main() -> int:
    """Print the table and judge it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.json"
        subprocess.run([sys.executable, "-m", "coverage", "json", "-q", "--fail-under=0", "-o", str(path)], check=True)
        files = json.loads(path.read_text())["files"]
    lines, is_enough = judged({name: one["summary"] for name, one in files.items()})
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if is_enough else 1


def judged(files: Mapping[str, Mapping[str, int]]) -> tuple[list[str], bool]:
    """The table, and whether each module and all together have enough; of nothing at all there is not enough."""
    lines, is_enough = [], True
    for name, one in sorted(files.items()):
        taken, there = one["covered_branches"], one["num_branches"]
        lines.append(f"{taken:4} of {there:4} branches  {name}")
        if taken < LEAST * there:
            is_enough = False
            lines.append(f"     under {LEAST:.0%}: test what `coverage report` says is missing there")
    taken, there = (sum(one[key] for one in files.values()) for key in ("covered_branches", "num_branches"))
    if there == 0:
        return ["nothing was measured; run the tests under coverage first"], False
    return [*lines, f"{taken} of {there} branches, {taken / there:.1%}"], is_enough and taken >= LEAST * there


if __name__ == "__main__":
    sys.exit(main())
