"""Kept results of frozen suites, and whether a run of today gives them again.

Flows in: an `Evaluation` of a suite; kept results as JSON. Flows out: the same as JSON; the largest difference. What
is kept of each policy: figures over all chains and of each chain, which depend on that chain's attacks alone, so that a
few chains can be compared without the rest.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from .evaluate import Evaluation, Score
from .suites import Suite, shipped_suites

KEPT = Path(str(files("tocsin.training").joinpath("data/results")))
SHIPPED_POLICIES = Path(str(files("tocsin.envs").joinpath("data/policies")))
TOLERANCE = 1e-9  # owner-hours or counts per attack; more is another result, whatever the machine
_LEFT_OUT = ("name", "over_budget", "by_owner")  # of a score: a budget is the user's, owners differ from chain to chain


class ReproduceError(ValueError):
    """Results that cannot be compared; the message names what is wrong and the mend."""


@dataclass(frozen=True, slots=True)
class Gap:
    """How far a policy's figures of today are from the kept ones."""

    policy: str
    figures: int  # compared
    largest: float  # absolute difference, owner-hours or counts per attack
    place: str  # of the largest


def table_names() -> list[str]:
    """Names of the results that are kept."""
    return sorted(path.stem for path in KEPT.glob("*.json"))


def shipped_policies() -> dict[str, Path]:
    """Policy files that come with the package, by name."""
    return {path.stem: path for path in sorted(SHIPPED_POLICIES.glob("*.tocsin"))}


def results_of(suite: Suite, evaluation: Evaluation, policies: Mapping[str, Path]) -> dict[str, Any]:
    """What is kept of a whole run.

    Args:
        suite: what was played.
        evaluation: the run.
        policies: files of the learned policies by name.
    """
    return {
        "table": suite.name,
        "digest": suite.said.digest,
        "episodes": suite.said.episodes,
        "made_with": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("tocsin", "numpy", "numba", "scipy")},
        },
        "files": {name: digest_of_file(path) for name, path in policies.items()},
        "clairvoyant": dict(evaluation.bound),
        "differences": [asdict(one) for one in evaluation.differences],
        "policies": {score.name: _kept(score) for score in evaluation.scores},
    }


def _kept(score: Score) -> dict[str, Any]:
    return {name: value for name, value in asdict(score).items() if name not in _LEFT_OUT}


def read_results(table: str) -> dict[str, Any]:
    """The kept results of a table.

    Raises:
        ReproduceError: there are none; names those that there are.
    """
    known = table_names()
    if table not in known:  # compared with what is there, never joined to a path unseen: a name leads nowhere else
        there_are = ", ".join(known) or "none yet"
        raise ReproduceError(f"table {table[:80]!r}: no results are kept under this name; there are: {there_are}")
    path = KEPT / f"{table}.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ReproduceError(f"{path}: {error.strerror or error}; install the package again") from None
    except ValueError as error:
        raise ReproduceError(f"{path}: {error}; it was changed, install the package again") from None
    return found


def write_results(results: Mapping[str, Any], path: Path) -> None:
    """Write results beside the file and put them in its place at the end, so that no half of them is left."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    draft.replace(path)


def check_write(table: str, suite: Suite) -> None:
    """Refuse to keep results of what nobody else can play, or in place of those of another benchmark.

    Args:
        table: the suite as it was asked for.
        suite: what was read.

    Raises:
        ReproduceError: it is not shipped, not frozen, not of this name, or other results are kept under its name.
    """
    if table not in shipped_suites() or suite.name != table or suite.said.digest is None:
        raise ReproduceError(f"--write: {table} is no frozen suite that comes with the package; leave --write out")
    if table in table_names():
        check_kept(suite, read_results(table))


def check_kept(suite: Suite, kept: Mapping[str, Any]) -> None:
    """Refuse to compare with results of another benchmark.

    Raises:
        ReproduceError: the digests differ.
    """
    if kept["digest"] != suite.said.digest:
        raise ReproduceError(
            f"table {suite.name}: kept for digest {kept['digest']}, and the suite has {suite.said.digest or 'none'}; "
            "another benchmark has another name"
        )


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def gaps(kept: Mapping[str, Any], evaluation: Evaluation) -> list[Gap]:
    """Each policy of today that is kept too, on the chains that both have.

    Args:
        kept: as `read_results` gives it.
        evaluation: today's, of all chains or of some.
    """
    found = []
    for score in evaluation.scores:
        before = kept["policies"].get(score.name)
        if before is None:
            continue
        now = {chain: asdict(one) for chain, one in score.chains.items()}
        told = dict(_figures({chain: before["chains"].get(chain) for chain in now}))
        differences = {
            place: abs(value - told[place]) if place in told else float("inf") for place, value in _figures(now)
        }
        place = max(differences, key=lambda one: differences[one])
        found.append(Gap(score.name, len(differences), differences[place], place))
    return found


def _figures(value: Any, place: str = "") -> Iterator[tuple[str, float]]:
    """Numbers of nested mappings, each with where it stands."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _figures(one, f"{place}.{name}" if place else str(name))
    elif isinstance(value, int | float):
        yield place, float(value)
