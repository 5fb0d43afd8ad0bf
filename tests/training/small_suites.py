"""A suite for tests: two generated chains of a few assets, two attackers, an hour."""

from __future__ import annotations

from pathlib import Path

SMALL = """
name: small
episodes: 4
horizon_ticks: 40
attackers:
  opportunist: {tries_per_hour: 300, onset_s: [0, 0], absent: 0}
  insider: {preset: insider, inside: 1, tries_per_hour: 200, onset_s: [0, 0], absent: 0}
judged: {first_seed: 7, chains: [{assets: 12, owners: 2}, {assets: 14, owners: 2}]}
tuned_on: {first_seed: 7, chains: [{assets: 12, owners: 2}]}
tuning_attacks: 2
tuned: {restore: 0.4, isolate: 0.8, worth: 1.0, watchful: 1.0, stops: [0.4, 0.6]}
"""


def small_suite(folder: Path, text: str = SMALL) -> str:
    """Write it to a folder; gives the name of the file."""
    path = folder / "small.yaml"
    path.write_text(text)
    return str(path)
