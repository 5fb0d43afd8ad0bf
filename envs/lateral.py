"""The shape of a real campaign out of a list of lateral movements: who moved where, and when.

Flows in: CSV as transcribed from DARPA's OpTC ground truth: comment lines, then `time_local,source,target,how`
(untrusted). Flows out: a `CampaignShape`: hops between numbered machines, seconds after the first. Names, tools and
dates are dropped; `fitting` lays the shape on the machines of a chain.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

HEADER = ["time_local", "source", "target", "how"]
MAX_BYTES, MAX_HOPS, MAX_NAME = 1_000_000, 1_000, 256


class CampaignError(ValueError):
    """A campaign that cannot be used; the message names file, place and mend."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One movement from a machine to another, by their numbers in order of first appearance."""

    after_s: float  # since the first hop
    source: int
    target: int


@dataclass(frozen=True, slots=True)
class CampaignShape:
    """What a campaign keeps when the names are gone."""

    hops: tuple[Hop, ...]  # in order of time

    @property
    def machines(self) -> int:
        """How many machines it touches."""
        return 1 + max(max(hop.source, hop.target) for hop in self.hops)

    @property
    def gaps_s(self) -> tuple[float, ...]:
        """Seconds between hops that follow each other."""
        return tuple(later.after_s - hop.after_s for hop, later in zip(self.hops, self.hops[1:], strict=False))

    @property
    def fan_out(self) -> int:
        """Most movements out of one machine."""
        return max(Counter(hop.source for hop in self.hops).values())


def read_lateral_edges(path: Path) -> CampaignShape:
    """Read a file of lateral movements.

    Raises:
        CampaignError: missing, over the limits, without the header, or a row that is none; names line and mend.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CampaignError(f"{path}: {error.strerror or error}; name a CSV of lateral movements") from None
    if len(content) > MAX_BYTES:
        raise CampaignError(f"{path}: over the limit of {MAX_BYTES} bytes; leave out what is no lateral movement")
    try:
        return parse_lateral_edges(content.decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise CampaignError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None


def parse_lateral_edges(text: str, place: str) -> CampaignShape:
    """Read lateral movements; `place` names them in errors.

    Raises:
        CampaignError: as `read_lateral_edges`.
    """
    moves = sorted(_rows(text, place), key=lambda move: move[0])
    if not moves:
        raise CampaignError(f"{place}: holds no movement; give one row at least under {','.join(HEADER)}")
    first, numbers = moves[0][0], dict[str, int]()
    hops = []
    for time, source, target in moves:
        ends = [numbers.setdefault(name, len(numbers)) for name in (source, target)]
        hops.append(Hop((time - first).total_seconds(), *ends))
    return CampaignShape(tuple(hops))


def _rows(text: str, place: str) -> Iterator[tuple[datetime, str, str]]:
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line and not line.startswith("#")]
    if not lines or next(_cells(lines[:1], place))[1] != HEADER:
        raise CampaignError(
            f"{place}:{lines[0][0] if lines else 1}: the header must be {','.join(HEADER)}; put it first"
        )
    if len(lines) > 1 + MAX_HOPS:
        raise CampaignError(f"{place}: {len(lines) - 1} movements are over the limit of {MAX_HOPS}; leave some out")
    for number, cells in _cells(lines[1:], place):
        if len(cells) != len(HEADER):
            raise CampaignError(f"{place}:{number}: {len(cells)} cells; give {len(HEADER)}: {','.join(HEADER)}")
        when, source, target = (cell.strip() for cell in cells[:3])
        if not (0 < len(source) <= MAX_NAME and 0 < len(target) <= MAX_NAME) or source == target:
            raise CampaignError(f"{place}:{number}: source and target must be two names of 1 to {MAX_NAME} characters")
        yield _time(when, f"{place}:{number}"), source, target


def _cells(lines: list[tuple[int, str]], place: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in lines:
        try:
            yield number, next(csv.reader([line], strict=True))
        except csv.Error as error:
            raise CampaignError(f"{place}:{number}: {error}; write plain comma-separated cells") from None


def _time(text: str, place: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise CampaignError(f"{place}: time {text[:40]!r} is none; write it as 2019-09-23T13:24:36") from None
    if time.tzinfo is not None:
        raise CampaignError(f"{place}: time {text[:40]!r} has a zone; write local times without one")
    return time
