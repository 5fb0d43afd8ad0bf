"""What joins the owners of a generated chain: tiers, service contracts, supplied software, managed machines, sharing.

Flows in: a draft with the sites of every owner. Flows out: links and identities across owners, added to the draft, and
the owners' agreements. Who has to do with whom is kept as partners: partial sharing is with them alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..twin.graph import ConsentRule, Sharing
from ..twin.vocabulary import Access, AssetKind, ConsentClass, ConsentMode, LinkKind, Proposer
from .generated_sites import AT_LOGIN, OUTSIDE, Draft, Site
from .ranges import value_of

# Tiers, each depending on the next that is there; customers first.
CUSTOMER, OPERATOR, EDGE, VENDOR, CLOUD = TIERS = ("customer", "operator", "edge", "vendor", "cloud")
PROVIDERS = (EDGE, CLOUD)  # run machines of others; where there are none, vendors do
# Tiers of the first to the twentieth owner: never fewer of one than of the next, so that every owner finds a customer.
_COMING = (OPERATOR, VENDOR, CUSTOMER, CLOUD, EDGE, CUSTOMER, OPERATOR, CUSTOMER, EDGE, VENDOR, CUSTOMER, OPERATOR)
COMING = (*_COMING, CLOUD, CUSTOMER, OPERATOR, EDGE, VENDOR, CUSTOMER, OPERATOR, CUSTOMER)


@dataclass
class Contracts:
    """Owners of a draft by tier, with their sites; lives for one call of `generate_twin`."""

    draft: Draft
    sites: Mapping[str, Sequence[Site]]  # by owner, in the order of tiers
    whole: bool  # sites are whole ones: identities and a build service have room
    partners: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def sign(self) -> None:
        """Join each owner's sites, and the owners."""
        for sites in self.sites.values():
            self._join(sites)
        self._serve()
        self._supply()
        self._manage()

    def expose(self) -> None:
        """Let the internet reach the fronts of some sites, of one at least, make those weak, and let them out."""
        sites = [site for row in self.sites.values() for site in row]
        drawn = self.draft.rng.random(len(sites)) < self.draft.settings.exposed
        drawn[int(self.draft.rng.integers(len(sites)))] = True
        for site, is_exposed in zip(sites, drawn, strict=True):
            if is_exposed:
                self.draft.link(LinkKind.REACHES, OUTSIDE, site.front, port=443)
                self.draft.link(LinkKind.REACHES, site.segment, OUTSIDE, port=443)
                if site.front not in self.draft.opened:
                    self.draft.open(site.front, hard=False)

    def sharing(self) -> list[Sharing]:
        """Agreements: some owners share all with all, some findings with their partners, the rest nothing."""
        settings, owners = self.draft.settings, list(self.sites)
        drawn = [owners[row] for row in self.draft.rng.permutation(len(owners))]
        full = round(settings.open * len(drawn))
        part = min(len(drawn), full + round(settings.partial * len(drawn)))
        rules = [Sharing(owner, "*", ("findings", "assets")) for owner in drawn[:full]]
        return rules + [
            Sharing(owner, partner, ("findings",))
            for owner in drawn[full:part]
            for partner in sorted(self.partners[owner])
        ]

    def _tier(self, *tiers: str) -> list[str]:
        return [owner for owner in self.sites if tier_of(owner) in tiers]

    def _join(self, sites: Sequence[Site]) -> None:
        """Let each site of an owner reach the next one's desk; one ring, so that no owner falls apart."""
        for site, following in zip(sites, (*sites[1:], sites[0]), strict=True):
            if site is following:
                return
            operator = f"{site.owner}/identity/operator-{site.number}"
            self.draft.link(LinkKind.REACHES, site.segment, following.desk, port=3389)
            self.draft.link(LinkKind.CAN_LOG_IN, operator, following.desk, access=Access.ADMIN)

    def _serve(self) -> None:
        """Let every owner but the last depend on one of the next tier, the last tier's on its own last."""
        tiers = [row for row in map(self._tier, TIERS) if row]
        for customers, suppliers in zip(tiers, tiers[1:], strict=False):
            for row, place in enumerate(self.draft.rng.permutation(len(customers))):
                self._contract(customers[place], suppliers[row % len(suppliers)])
        for customer in tiers[-1][:-1]:
            self._contract(customer, tiers[-1][-1])

    def _contract(self, customer: str, supplier: str) -> None:
        """Let one site of a customer depend on the supplier's front and hold an account there."""
        draft, front = self.draft, self.sites[supplier][0].front
        account = draft.asset(supplier, AssetKind.IDENTITY, f"account-{customer}", sensors=AT_LOGIN)
        site = self.sites[customer][int(draft.rng.integers(len(self.sites[customer])))]
        draft.link(LinkKind.REACHES, site.segment, front, port=443)
        draft.link(LinkKind.HOLDS_CREDENTIAL, site.front, account)
        draft.link(LinkKind.CAN_LOG_IN, account, front)
        draft.link(LinkKind.DEPENDS_ON, site.front, front)
        self._meet(customer, supplier)

    def _supply(self) -> None:
        """Let vendors' build services supply the software of a container at some sites of others."""
        vendors = self._tier(VENDOR)
        builds = [self._build(self.sites[vendor][0]) for vendor in vendors]
        users = [owner for owner in self.sites if owner not in vendors]
        chosen = self._chosen([site for owner in users for site in self.sites[owner]], self.draft.settings.supplied)
        vendor_of = dict(zip(users, self.draft.rng.integers(len(vendors), size=len(users)).tolist(), strict=True))
        for site in chosen:
            number = vendor_of[site.owner]
            self.draft.link(LinkKind.SUPPLIES, builds[number], site.software, port=443)
            self._meet(site.owner, vendors[number])

    def _build(self, site: Site) -> str:
        """The container that builds and delivers a vendor's software; at a small site the last there is."""
        if not self.whole:
            return site.software
        draft = self.draft
        build = draft.container(site.owner, f"build-{site.number}", site.engine)
        draft.link(LinkKind.REACHES, build, site.segment)
        draft.link(LinkKind.REACHES, site.segment, build, port=22)
        operator = f"{site.owner}/identity/operator-{site.number}"
        draft.link(LinkKind.CAN_LOG_IN, operator, build, access=Access.ADMIN)
        return build

    def _manage(self) -> None:
        """Let providers run machines of others: their desks manage these, by a way in and an account of their own."""
        providers = self._tier(*PROVIDERS) or self._tier(VENDOR)
        owners = [owner for owner in self.sites if owner not in providers and tier_of(owner) != VENDOR]
        chosen = self._chosen([site for owner in owners for site in self.sites[owner]], self.draft.settings.managed)
        numbers = self.draft.rng.integers(len(providers), size=len(owners)).tolist()
        provider_of = dict(zip(owners, (providers[number] for number in numbers), strict=True))
        accounts: dict[str, str] = {}
        for site in chosen:
            desks = self.sites[provider_of[site.owner]]
            self._run(site, desks[site.number % len(desks)], accounts)
            self._meet(site.owner, provider_of[site.owner])

    def _run(self, site: Site, helper: Site, accounts: dict[str, str]) -> None:
        draft = self.draft
        draft.link(LinkKind.MANAGES, helper.desk, site.engine, access=Access.ADMIN)
        if not self.whole:
            return
        if site.owner not in accounts:
            name = f"support-{helper.owner}"
            accounts[site.owner] = draft.asset(site.owner, AssetKind.IDENTITY, name, sensors=AT_LOGIN)
            draft.link(LinkKind.HOLDS_CREDENTIAL, helper.desk, accounts[site.owner], access=Access.ADMIN)
        draft.link(LinkKind.REACHES, helper.segment, site.engine, port=22)
        draft.link(LinkKind.CAN_LOG_IN, accounts[site.owner], site.engine, access=Access.ADMIN)

    def _chosen(self, sites: Sequence[Site], share: float) -> list[Site]:
        """So large a share of sites by chance; one at least, unless the share is 0."""
        drawn = self.draft.rng.random(len(sites)) < share
        drawn[int(self.draft.rng.integers(len(sites)))] |= share > 0
        return [site for site, is_drawn in zip(sites, drawn, strict=True) if is_drawn]

    def _meet(self, one: str, other: str) -> None:
        self.partners[one].add(other)
        self.partners[other].add(one)


def owners_of(count: int) -> list[str]:
    """Ids of so many owners, 2 to 20, tier by tier."""
    coming = sorted(COMING[:count], key=TIERS.index)
    return [f"{tier}-{number:02d}" for number, tier in enumerate(coming)]


def tier_of(owner: str) -> str:
    """The tier of a generated owner, as its id says."""
    return owner.rpartition("-")[0]


def consent_of(owner: str) -> list[ConsentRule]:
    """Own proposals: at once, but recovery asks; others' are asked, and never recover. Assumed."""
    rules = []
    for one in ConsentClass:
        asks = one in (ConsentClass.RECOVER, ConsentClass.SAFETY)
        own, other = (ConsentMode.ASK, ConsentMode.NEVER) if asks else (ConsentMode.AT_ONCE, ConsentMode.ASK)
        for proposer, mode in ((Proposer.OWN, own), (Proposer.OTHER, other)):
            latency, refusal = (value_of(f"generate.consent.{proposer.word}.{n}") for n in ("latency_s", "refusal"))
            rules.append(ConsentRule(owner, one, proposer, mode, latency_s=latency, refusal=refusal))
    return rules
