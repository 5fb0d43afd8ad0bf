"""Derive the attack graph of a twin: one small rule per way of getting on, each giving rows with the facts they use.

Flows in: a `Twin`. Flows out: sorted `AttackStep`s. Nothing is drawn, searched or compiled here.

A service is held through its runner (see `holding.holder`), so steps start and end at runners. What a segment reaches
is a step from the segment, which is held while a member is: members times services are never written out. A link into
a segment is membership and no step. Opaque assets give no steps: their own node's summary will.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..facts import key_of
from ..graph import Asset, Link, Twin, Weakness
from ..vocabulary import Access, AssetKind, Gain, LinkKind
from .ground import MACHINES, Ground, LinkKey
from .step import AttackStep
from .techniques import TECHNIQUES, success_of
from .weaknesses import is_local, is_remote, opens_host, probability_of_exploit

# What knows one level of access only: whoever holds it at all may do with it what it may do.
ONE_LEVEL = frozenset(
    {AssetKind.IDENTITY, AssetKind.EXTERNAL, AssetKind.SEGMENT, AssetKind.DATA_STORE, AssetKind.PROCESS}
)
NEVER_HELD_BY_STEPS = frozenset({AssetKind.SEGMENT, AssetKind.EXTERNAL, AssetKind.OPAQUE})


def derive_steps(twin: Twin) -> tuple[AttackStep, ...]:
    """Give every attack step of the twin, sorted by source, target, technique, identity and weakness.

    Rows that differ only in the facts behind them (two ports into one container) are one row, the more probable.

    Raises:
        TwinError: a weakness has a bad CVSS vector or EPSS; names it, its asset and the mend.
    """
    ground = Ground(twin)
    best: dict[tuple[str, ...], AttackStep] = {}
    for rule in RULES:
        for step in rule(ground):
            key = _order(step)
            if _leads_on(step) and (key not in best or step.probability > best[key].probability):
                best[key] = step
    return tuple(best[key] for key in sorted(best))


Rule = Callable[[Ground], Iterator[AttackStep]]


def exploits(ground: Ground) -> Iterator[AttackStep]:
    """T1190, T1210: what is reached has a weakness that a network opens (AV:A not from the outside: not adjacent)."""
    for link, source, target in _reached(ground):
        adjacent = ground.kind(source) is not AssetKind.EXTERNAL
        for asset in ground.exposed(link):
            for weakness in ground.weaknesses.get(asset, ()):
                if is_remote(weakness, adjacent=adjacent):
                    yield _by_weakness(
                        "T1190" if source in ground.outside else "T1210",
                        weakness,
                        source=source,
                        target=target,
                        needs=Access.USER,
                        gains=Gain(weakness.access),
                        link=ground.boundary(link),
                        facts=(key_of(link),),
                    )


def valid_accounts(ground: Ground) -> Iterator[AttackStep]:
    """T1078, T1021: an identity that the attacker holds may log in at what is reached."""
    for link, source, target in _reached(ground):
        for asset in ground.exposed(link):
            for login in ground.logins.get(asset, ()):
                yield _by_success(
                    "T1078" if ground.kind(source) is AssetKind.EXTERNAL else "T1021",
                    source=source,
                    target=target,
                    needs=Access.USER,
                    gains=Gain(login.access),
                    identity=login.source,
                    link=ground.boundary(link, login),
                    facts=(key_of(link), key_of(login)),
                )


def credential_access(ground: Ground) -> Iterator[AttackStep]:
    """T1003 on hosts, T1552 elsewhere: the asset keeps a secret of an identity."""
    for link in ground.links(LinkKind.HOLDS_CREDENTIAL):
        source = ground.held_as[link.source]
        yield _by_success(
            "T1003" if ground.kind(link.source) is AssetKind.HOST else "T1552",
            source=source,
            target=link.target,
            needs=_at_least_user(ground, source, link.access),
            gains=Gain.USER,
            facts=(key_of(link),),
        )


def privilege_escalation(ground: Ground) -> Iterator[AttackStep]:
    """T1068: a local weakness, of the asset or of a service on it, makes a user an administrator."""
    for weakness in ground.twin.weaknesses:
        asset = ground.held_as[weakness.asset]
        if ground.kind(asset) in MACHINES and is_local(weakness):
            yield _by_weakness(
                "T1068", weakness, source=asset, target=asset, needs=Access.USER, gains=Gain.ADMIN, link=None, facts=()
            )


def escapes(ground: Ground) -> Iterator[AttackStep]:
    """T1611: an administrator of a container gets out to its host, by a weakness of either."""
    for link in ground.containers:
        for asset in (link.source, link.target):
            for weakness in ground.weaknesses.get(asset, ()):
                if opens_host(weakness):
                    yield _by_weakness(
                        "T1611",
                        weakness,
                        source=link.source,
                        target=link.target,
                        needs=Access.ADMIN,
                        gains=Gain.ADMIN,
                        link=None,
                        facts=(key_of(link),),
                    )


def container_administration(ground: Ground) -> Iterator[AttackStep]:
    """T1609: an administrator of a host is one of every container on it."""
    for link in ground.containers:
        yield _by_success(
            "T1609",
            source=link.target,
            target=link.source,
            needs=Access.ADMIN,
            gains=Gain.ADMIN,
            facts=(key_of(link),),
        )


def management(ground: Ground) -> Iterator[AttackStep]:
    """T1072 inside an owner, T1199 across owners, T0831 into a physical process: the managed obeys its manager."""
    for link in ground.links(LinkKind.MANAGES):
        source, target = ground.held_as[link.source], ground.held_as[link.target]
        if ground.kind(target) in NEVER_HELD_BY_STEPS:
            continue
        technique, gains = "T1072", Gain(link.access)
        if ground.kind(target) is AssetKind.PROCESS:
            technique, gains = "T0831", Gain.IMPACT
        elif ground.twin.is_boundary(link):
            technique = "T1199"
        yield _by_success(
            technique,
            source=source,
            target=target,
            needs=_at_least_user(ground, source, Access.ADMIN),
            gains=gains,
            link=ground.boundary(link),
            facts=(key_of(link),),
        )


def supply(ground: Ground) -> Iterator[AttackStep]:
    """T1195: what is supplied carries what its supplier's attacker put in."""
    for link in ground.links(LinkKind.SUPPLIES):
        source, target = ground.held_as[link.source], ground.held_as[link.target]
        if ground.kind(target) not in NEVER_HELD_BY_STEPS:
            yield _by_success(
                "T1195",
                source=source,
                target=target,
                needs=_at_least_user(ground, source, Access.ADMIN),
                gains=Gain.USER,
                link=ground.boundary(link),
                facts=(key_of(link),),
            )


def stored_data(ground: Ground) -> Iterator[AttackStep]:
    """T1213, T1486: who is on what stores data reads them; its administrator encrypts them."""
    for link in ground.links(LinkKind.STORES):
        source, facts = ground.held_as[link.source], (key_of(link),)
        admin = _at_least_user(ground, source, Access.ADMIN)
        yield _by_success("T1213", source=source, target=link.target, needs=Access.USER, gains=Gain.USER, facts=facts)
        yield _by_success("T1486", source=source, target=link.target, needs=admin, gains=Gain.IMPACT, facts=facts)


def persistence(ground: Ground) -> Iterator[AttackStep]:
    """T1547: an administrator of a machine plants something that survives."""
    for asset in ground.twin.assets:
        if asset.kind in MACHINES:
            yield _in_place("T1547", asset, Gain.PERSISTENCE, ())


def service_stop(ground: Ground) -> Iterator[AttackStep]:
    """T1489, on devices T0826: an administrator stops a machine that something critical runs on."""
    for asset in ground.twin.assets:
        if asset.kind in MACHINES:
            facts = _critical_load(ground, asset)
            if facts is not None:
                yield _in_place("T0826" if asset.kind is AssetKind.DEVICE else "T1489", asset, Gain.IMPACT, facts)


RULES: tuple[Rule, ...] = (
    exploits,
    valid_accounts,
    credential_access,
    privilege_escalation,
    escapes,
    container_administration,
    management,
    supply,
    stored_data,
    persistence,
    service_stop,
)


def _leads_on(step: AttackStep) -> bool:
    """Whether the step gives more than it needs; a container that reaches its own service may gain nothing."""
    in_place = step.source == step.target
    return step.gains is not Gain.NONE and not (in_place and int(step.gains) <= int(step.needs))


def _reached(ground: Ground) -> Iterator[tuple[Link, str, str]]:
    """`reaches` links that are no membership, with what is held at either end."""
    for link in ground.links(LinkKind.REACHES):
        source, target = ground.held_as[link.source], ground.held_as[link.target]
        if ground.kind(target) not in NEVER_HELD_BY_STEPS:
            yield link, source, target


def _critical_load(ground: Ground, machine: Asset) -> tuple[str, ...] | None:
    """Facts that something with criticality runs on the machine, itself included; None if nothing does."""
    waiting: list[tuple[str, tuple[str, ...]]] = [(machine.id, ())]
    seen = {machine.id}
    while waiting:
        asset, facts = waiting.pop()
        if ground.twin.asset_by_id[asset].criticality > 0:
            return facts
        for link in (*ground.runs.get(asset, ()), *ground.on_machine.get(asset, ())):
            if link.source not in seen:
                seen.add(link.source)
                waiting.append((link.source, (*facts, key_of(link))))
    return None


def _at_least_user(ground: Ground, asset: str, access: Access) -> Access:
    """The access needed at the asset, as far as its kind knows such levels; never none."""
    return Access.USER if ground.kind(asset) in ONE_LEVEL else max(access, Access.USER)


def _in_place(technique: str, asset: Asset, gains: Gain, facts: tuple[str, ...]) -> AttackStep:
    return _by_success(
        technique, source=asset.id, target=asset.id, needs=Access.ADMIN, gains=gains, facts=(key_of(asset), *facts)
    )


def _by_success(
    technique: str,
    *,
    source: str,
    target: str,
    needs: Access,
    gains: Gain,
    facts: tuple[str, ...],
    identity: str | None = None,
    link: LinkKey | None = None,
) -> AttackStep:
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
    )


def _by_weakness(
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


def _order(step: AttackStep) -> tuple[str, ...]:
    """What tells two steps apart, in the order steps are sorted by."""
    link = () if step.link is None else (step.link[0], step.link[1], step.link[2], f"{step.link[3]:05d}")
    rest = (step.identity or "", step.weakness or "", str(int(step.needs)), str(int(step.gains)))
    return (step.source, step.target, step.technique, *rest, *link)
