"""`make coverage`: whether the tests of parser and linter take the branches of every module of theirs.

Flows in: the data that `coverage run` left, by the settings in pyproject.toml. Flows out: a table; exit code 1 where a
module, or all together, has fewer than `LEAST` of its branches taken.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

LEAST = 0.9


def main() -> int:
    """Print the table and judge it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.json"
        subprocess.run([sys.executable, "-m", "coverage", "json", "-q", "--fail-under=0", "-o", str(path)], check=True)
        files = {name: one["summary"] for name, one in json.loads(path.read_text())["files"].items()}
    taken, poor = [0, 0], []
    for name, one in sorted(files.items()):
        taken[0] += one["covered_branches"]
        taken[1] += one["num_branches"]
        if one["covered_branches"] < LEAST * one["num_branches"]:
            poor.append(name)
        sys.stdout.write(f"{one['covered_branches']:4} of {one['num_branches']:4} branches  {name}\n")
    if not taken[1]:
        sys.stdout.write("nothing was measured; run the tests under coverage first\n")
        return 1
    sys.stdout.write(f"{taken[0]} of {taken[1]} branches, {taken[0] / taken[1]:.1%}\n")
    for name in poor:
        sys.stdout.write(f"{name}: under {LEAST:.0%}; test what `coverage report` says is missing\n")
    return 1 if poor or taken[0] < LEAST * taken[1] else 0


if __name__ == "__main__":
    sys.exit(main())
