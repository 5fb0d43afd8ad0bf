"""Which assets are interchangeable for an attacker: the hundred chargers behind one management system.

Flows in: a `Twin` and its attack steps. Flows out: for each asset the least id among those like it. It
searches nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ..attack.holding import members
from ..attack.step import AttackStep
from ..graph import Twin

Feature = tuple[str, ...]


def representatives(twin: Twin, steps: Sequence[AttackStep]) -> dict[str, str]:
    """Give for each asset id the least id of the assets alike: same owner, kind and steps from, to and with it.

    Steps are the same if technique, weakness, levels, probability, boundary and the *other* assets in them are. Two
    assets that reach each other are therefore not alike, which errs on the side of showing both.
    """
    features: dict[str, list[Feature]] = {
        asset.id: [("is", asset.owner, asset.kind.word, str(asset.crown_jewel))] for asset in twin.assets
    }
    for segment, inside in members(twin).items():
        for member in inside:
            features[member].append(("member", segment))
    for step in steps:
        for asset in {step.source, step.target, *filter(None, [step.identity])}:
            features[asset].append(_seen_from(step, asset))
    groups: dict[tuple[Feature, ...], list[str]] = defaultdict(list)
    for asset, seen in features.items():
        groups[tuple(sorted(seen))].append(asset)
    return {asset: min(group) for group in groups.values() for asset in group}


def _seen_from(step: AttackStep, asset: str) -> Feature:
    ends = ["" if end == asset else f"={end}" for end in (step.source, step.target, step.identity)]
    what = (step.technique, step.weakness or "", step.needs.word, step.gains.word, repr(step.probability))
    return ("step", *ends, *what, str(step.link is not None))
