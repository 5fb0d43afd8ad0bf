"""Derive the attack graph of a twin: one small rule per way of getting on, each giving rows with the facts they use.

Flows in: a `Twin`. Flows out: sorted `AttackStep`s. Nothing is drawn, searched or compiled here.

A service is held through its runner (see `holding.holder`), so steps start and end at runners. What a segment reaches
is a step from the segment, which is held while a member is: members times services are never written out. It needs
the segment mapped first, by a discovery in it. A link into a segment is membership and no step. Opaque assets give no
steps: their own node's summary will.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..facts import key_of
from ..graph import Asset, Link, Twin
from ..vocabulary import Access, AssetKind, Gain, LinkKind, SensorClass
from .ground import MACHINES, Ground
from .rows import in_place, row_of
from .step import AttackStep
from .weaknesses import is_local, is_remote, opens_host

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
            key = step.order
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
                    yield row_of(
                        "T1190" if source in ground.outside else "T1210",
                        weakness,
                        source=source,
                        target=target,
                        needs=_to_reach_on(ground, source),
                        gains=Gain(weakness.access),
                        link=ground.boundary(link),
                        facts=(key_of(link),),
                    )


def valid_accounts(ground: Ground) -> Iterator[AttackStep]:
    """T1078, T1021: an identity that the attacker holds may log in at what is reached."""
    for link, source, target in _reached(ground):
        for asset in ground.exposed(link):
            for login in ground.logins.get(asset, ()):
                yield row_of(
                    "T1078" if ground.kind(source) is AssetKind.EXTERNAL else "T1021",
                    source=source,
                    target=target,
                    needs=_to_reach_on(ground, source),
                    gains=Gain(login.access),
                    identity=login.source,
                    link=ground.boundary(link, login),
                    facts=(key_of(link), key_of(login)),
                )


def credential_access(ground: Ground) -> Iterator[AttackStep]:
    """T1003 on hosts, T1552 elsewhere: the asset keeps a secret of an identity."""
    for link in ground.links(LinkKind.HOLDS_CREDENTIAL):
        source = ground.held_as[link.source]
        yield row_of(
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
            yield row_of(
                "T1068", weakness, source=asset, target=asset, needs=Access.USER, gains=Gain.ADMIN, link=None, facts=()
            )


def escapes(ground: Ground) -> Iterator[AttackStep]:
    """T1611: an administrator of a container gets out to its host, by a weakness of either."""
    for link in ground.containers:
        for asset in (link.source, link.target):
            for weakness in ground.weaknesses.get(asset, ()):
                if opens_host(weakness):
                    yield row_of(
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
        yield row_of(
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
        yield row_of(
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
            yield row_of(
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
        yield row_of("T1213", source=source, target=link.target, needs=Access.USER, gains=Gain.USER, facts=facts)
        yield row_of("T1486", source=source, target=link.target, needs=admin, gains=Gain.IMPACT, facts=facts)


def exfiltration(ground: Ground) -> Iterator[AttackStep]:
    """T1041: who has the data of a store carries them out from what stores it, over a link of that to the outside.

    A segment's way out is its members'. Carrying data out through other footholds is left out.
    """
    for link in ground.links(LinkKind.STORES):
        source = ground.held_as[link.source]
        for place in (source, *ground.around.get(source, ())):
            for way in ground.ways_out.get(place, ()):
                yield row_of(
                    "T1041",
                    source=source,
                    target=link.target,
                    needs=Access.USER,
                    gains=Gain.EXFILTRATION,
                    link=ground.boundary(way),
                    facts=(key_of(link), key_of(way)),
                )


def discovery(ground: Ground) -> Iterator[AttackStep]:
    """T1046: who is in a segment maps what it reaches; a network sensor on that, else on a member, may see it."""
    reached: dict[str, list[Link]] = {}
    for link, source, _ in _reached(ground):
        if ground.kind(source) is AssetKind.SEGMENT:
            reached.setdefault(source, []).append(link)
    for segment, links in reached.items():
        ends = sorted({asset for link in links for asset in (link.target, ground.held_as[link.target])})
        places = (*ends, *ground.members[segment])
        watched = (one for one in places if SensorClass.NETWORK in ground.twin.asset_by_id[one].sensors)
        yield row_of(
            "T1046",
            source=segment,
            target=segment,
            needs=Access.USER,
            gains=Gain.ADMIN,
            facts=tuple(key_of(link) for link in links),
            seen_at=next(watched, None),
        )


def persistence(ground: Ground) -> Iterator[AttackStep]:
    """T1547, and T1136 where identities log in: an administrator of a machine leaves something that survives."""
    for asset in ground.twin.assets:
        if asset.kind in MACHINES:
            yield in_place("T1547", asset, Gain.PERSISTENCE, ())
            doors = (asset.id, *(run.source for run in ground.runs.get(asset.id, ())))
            logins = [key_of(login) for door in doors for login in ground.logins.get(door, ())]
            if logins:
                yield in_place("T1136", asset, Gain.PERSISTENCE, tuple(logins))


def service_stop(ground: Ground) -> Iterator[AttackStep]:
    """T1489, on devices T0826: an administrator stops a machine that something critical runs on."""
    for asset in ground.twin.assets:
        if asset.kind in MACHINES:
            facts = _critical_load(ground, asset)
            if facts is not None:
                yield in_place("T0826" if asset.kind is AssetKind.DEVICE else "T1489", asset, Gain.IMPACT, facts)


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
    exfiltration,
    discovery,
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
    """Facts that something with criticality runs on the machine, or a process needs it; itself included; else None."""
    waiting: list[tuple[str, tuple[str, ...]]] = [(machine.id, ())]
    seen = {machine.id}
    while waiting:
        asset, facts = waiting.pop()
        if ground.twin.asset_by_id[asset].criticality > 0:
            return facts
        loads = (ground.runs, ground.on_machine, ground.processes)
        for link in (link for load in loads for link in load.get(asset, ())):
            if link.source not in seen:
                seen.add(link.source)
                waiting.append((link.source, (*facts, key_of(link))))
    return None


def _to_reach_on(ground: Ground, source: str) -> Access:
    """The access needed at the start of a `reaches` link: of a segment the attacker must know what it reaches."""
    return Access.ADMIN if ground.kind(source) is AssetKind.SEGMENT else Access.USER


def _at_least_user(ground: Ground, asset: str, access: Access) -> Access:
    """The access needed at the asset, as far as its kind knows such levels; never none."""
    return Access.USER if ground.kind(asset) in ONE_LEVEL else max(access, Access.USER)
