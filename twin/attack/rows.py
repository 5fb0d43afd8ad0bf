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
    return row_of(
        technique, source=asset.id, target=asset.id, needs=Access.ADMIN, gains=gains, facts=(key_of(asset), *facts)
    )


def row_of(
    technique: str,
    weakness: Weakness | None = None,
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
    """A step by a weakness, whose key is added to the facts, or by the technique's own probability where there is none.

    Raises:
        TwinError: the weakness has a bad CVSS vector or EPSS; names it, its asset and the mend.
    """
    probability, parameter = success_of(technique) if weakness is None else probability_of_exploit(weakness)
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
        weakness=None if weakness is None else weakness.id,
        parameter=parameter,
        facts=facts if weakness is None else (*facts, key_of(weakness)),
        seen_at=seen_at,
    )
