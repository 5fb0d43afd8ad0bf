"""Generated chains: twins of any size whose structure is that of real ones, for training and measuring.

Flows in: `Generator`. Flows out: a `Twin`, equal for equal settings. Owners stand in tiers: customers depend on
operators, these on the edge of a telecom, that on vendors, these on clouds, by contracts; vendors supply software that
others run, and providers run machines of others (`generated_contracts`). An owner is a row of sites of about a dozen
assets (`generated_sites`). Weaknesses are drawn from classes with real CVSS vectors; every site has one at least that
opens it from within. No rule of the world is here: attack steps are derived as for any twin.
"""

from __future__ import annotations

import numpy as np

from ..twin.graph import Asset, Owner, Twin
from ..twin.vocabulary import AssetKind
from .generated_contracts import Contracts, consent_of, owners_of
from .generated_sites import OUTSIDE, Draft, Site
from .scenario import SITE, Generator

__all__ = ["OUTSIDE", "generate_twin"]


def generate_twin(settings: Generator) -> Twin:
    """Make the chain that the settings describe."""
    draft = Draft(settings, np.random.Generator(np.random.Philox(key=[settings.seed, 0x70C51])))
    names = owners_of(settings.owners)
    small = settings.assets < settings.owners * SITE
    whole = round((settings.assets - 1) / (SITE + 2 * settings.devices))
    count = settings.owners if small else max(settings.owners, whole)
    draft.assets.append(Asset(OUTSIDE, AssetKind.EXTERNAL, "internet", "internet"))
    sites: dict[str, list[Site]] = {name: [] for name in names}
    for number in range(count):
        owner = names[number * settings.owners // count]
        row = len(sites[owner])
        sites[owner].append(draft.small_site(owner, _share(settings, number)) if small else draft.site(owner, row))
    contracts = Contracts(draft, sites, whole=not small)
    contracts.expose()
    contracts.sign()
    return Twin.build(
        owners=[*(Owner(name) for name in names), Owner("internet", value_per_hour=0.0)],
        assets=draft.assets,
        links=draft.links,
        weaknesses=draft.weaknesses,
        sharing=contracts.sharing(),
        consent=[rule for name in names for rule in consent_of(name)],
    )


def _share(settings: Generator, number: int) -> int:
    """Assets of a small site: all but the internet and the accounts of contracts, shared out evenly."""
    each, rest = divmod(settings.assets - settings.owners, settings.owners)
    return each + (number < rest)
