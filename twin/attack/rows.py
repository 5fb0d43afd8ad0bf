"""Making one row of the attack graph: class, probability and parameter come with the technique or the weakness.

Flows in: what a rule found. Flows out: an `AttackStep`. Which rows there are is decided in `steps`.
"""

from __future__ import annotations

from ..facts import key_of
from ..graph import Asset, Weakness
from ..vocabulary import Access, Gain
from .ground import LinkKey
from .step import AttackStep
from .techniques import TECHNIQUES, success_of
from .weaknesses import probability_of_exploit


def in_place(technique: str, asset: Asset, gains: Gain, facts: tuple[str, ...]) -> AttackStep:
    """A step of an asset's administrator on the asset itself."""
    return by_success(
        technique, source=asset.id, target=asset.id, needs=Access.ADMIN, gains=gains, facts=(key_of(asset), *facts)
    )


def by_success(
    technique: str,
    *,
    source: str,
    target: str,
    needs: Access,
    gains: Gain,
    facts: tuple[str, ...],
    identity: str | None = None,
    link: LinkKey | None = None,
    seen_at: str | None = None,
) -> AttackStep:
    """A step that needs no weakness: its probability is the technique's own parameter."""
    probability, parameter = success_of(technique)
    return AttackStep(
        technique=technique,
        step_class=TECHNIQUES[technique].step_class,
        source=source,
        target=target,
        needs=needs,
        gains=gains,
        probability=probability,
        identity=identity,
        link=link,
        parameter=parameter,
        facts=facts,
        seen_at=seen_at,
    )


def by_weakness(
    technique: str,
    weakness: Weakness,
    *,
    source: str,
    target: str,
    needs: Access,
    gains: Gain,
    link: LinkKey | None,
    facts: tuple[str, ...],
) -> AttackStep:
    """A step by a weakness, whose key is added to the facts.

    Raises:
        TwinError: the weakness has a bad CVSS vector or EPSS; names it, its asset and the mend.
    """
    probability, parameter = probability_of_exploit(weakness)
    return AttackStep(
        technique=technique,
        step_class=TECHNIQUES[technique].step_class,
        source=source,
        target=target,
        needs=needs,
        gains=gains,
        probability=probability,
        link=link,
        weakness=weakness.id,
        parameter=parameter,
        facts=(*facts, key_of(weakness)),
    )
