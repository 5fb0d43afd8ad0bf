"""Each rule that derives attack steps, on twins drawn by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tocsin.twin.attack.holding import holder, members
from tocsin.twin.attack.step import AttackStep
from tocsin.twin.attack.steps import derive_steps
from tocsin.twin.facts import key_of
from tocsin.twin.graph import Asset, Link, Owner, Twin, TwinError, Weakness
from tocsin.twin.vocabulary import Access, AssetKind, Gain, LinkKind, SensorClass, StepClass

REMOTE = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
ADJACENT = "CVSS:3.1/AV:A/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
LOCAL = "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"
ESCAPE = "CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:C/C:H/I:H/A:H"


def asset(id: str, *, criticality: float = 0.0) -> Asset:
    owner, kind, name = id.split("/")
    return Asset(id, AssetKind[kind.upper()], owner, name, criticality=criticality)


def link(text: str, *, port: int | None = None, access: Access = Access.USER) -> Link:
    source, kind, target = text.split()
    return Link(LinkKind[kind.upper()], source, target, port=port, access=access)


def draw(links: list[Link], weaknesses: list[Weakness] | None = None, critical: tuple[str, ...] = ()) -> Twin:
    ids = {end for one in links for end in (one.source, one.target)} | {w.asset for w in weaknesses or []}
    assets = [asset(id, criticality=float(id in critical)) for id in sorted(ids)]
    return Twin.build(
        owners=[Owner(name) for name in sorted({one.owner for one in assets})],
        assets=assets,
        links=links,
        weaknesses=weaknesses,
    )


def only(twin: Twin, technique: str) -> list[AttackStep]:
    return [step for step in derive_steps(twin) if step.technique == technique]


def test_a_service_reached_from_outside_is_exploited_into_its_container() -> None:
    """The row is T1190 into the runner, with boundary link, weakness, parameter and facts."""
    way = link("net/external/world reaches shop/service/web", port=443)
    hole = Weakness("CVE-1", "shop/service/web", REMOTE, kev=True, access=Access.ADMIN)
    twin = draw([way, link("shop/service/web runs_on shop/container/web")], [hole])
    [step] = only(twin, "T1190")
    assert (step.source, step.target) == ("net/external/world", "shop/container/web")
    assert (step.needs, step.gains, step.step_class) == (Access.USER, Gain.ADMIN, StepClass.EXPLOIT)
    assert (step.link, step.weakness, step.parameter) == (way.key, "CVE-1", "exploit.kev")
    assert step.facts == (key_of(way), key_of(hole))


def test_inside_the_chain_the_same_is_t1210_and_crosses_no_boundary() -> None:
    """A container that reaches a service whose container has the weakness."""
    twin = draw(
        [link("shop/container/a reaches shop/service/b"), link("shop/service/b runs_on shop/container/b")],
        [Weakness("CVE-1", "shop/container/b", REMOTE)],
    )
    [step] = only(twin, "T1210")
    assert (step.source, step.target, step.link) == ("shop/container/a", "shop/container/b", None)


def test_steps_start_where_a_service_is_held() -> None:
    """A service that reaches another does so from its runner."""
    twin = draw(
        [
            link("shop/service/a runs_on shop/container/a"),
            link("shop/service/a reaches shop/container/b"),
        ],
        [Weakness("CVE-1", "shop/container/b", REMOTE)],
    )
    assert [step.source for step in only(twin, "T1210")] == ["shop/container/a"]


def test_an_adjacent_weakness_is_not_open_to_the_internet() -> None:
    """AV:A works from a neighbour, not from an external (CVSS v3.1, 2.1.1)."""
    links = [link("net/external/world reaches shop/host/h"), link("shop/host/n reaches shop/host/h")]
    twin = draw(links, [Weakness("CVE-1", "shop/host/h", ADJACENT)])
    assert [(s.technique, s.source) for s in derive_steps(twin) if s.weakness] == [("T1210", "shop/host/n")]


def test_a_segment_is_the_source_and_members_are_not_multiplied() -> None:
    """Three members, one segment, one service: one step, from the segment."""
    twin = draw(
        [link(f"shop/container/{name} reaches shop/segment/lan") for name in "abc"]
        + [link("shop/segment/lan reaches shop/host/h")],
        [Weakness("CVE-1", "shop/host/h", REMOTE)],
    )
    assert [step.source for step in only(twin, "T1210")] == ["shop/segment/lan"]
    assert members(twin) == {"shop/segment/lan": ("shop/container/a", "shop/container/b", "shop/container/c")}


def test_members_of_a_segment_in_a_segment_are_members() -> None:
    """Nested segments, in a loop too, are flattened; services stand for their runner."""
    twin = draw(
        [
            link("a/service/s runs_on a/host/h"),
            link("a/service/s reaches a/segment/in"),
            link("a/segment/in reaches a/segment/out"),
            link("a/segment/out reaches a/segment/in"),
        ]
    )
    assert members(twin) == {"a/segment/in": ("a/host/h",), "a/segment/out": ("a/host/h",)}


def test_a_service_in_a_loop_of_runners_is_no_trap() -> None:
    """Services that run on each other come to an end."""
    twin = draw([link("a/service/s runs_on a/service/t"), link("a/service/t runs_on a/service/s")])
    assert holder(twin) == {"a/service/s": "a/service/t", "a/service/t": "a/service/s"}
    assert derive_steps(twin) == ()


@pytest.mark.parametrize(("source", "technique"), [("net/external/world", "T1078"), ("shop/host/h", "T1021")])
def test_who_holds_an_identity_logs_in_where_it_reaches(source: str, technique: str) -> None:
    """Valid accounts need the identity and gain what the login gives."""
    twin = draw(
        [
            link(f"{source} reaches shop/service/ssh", port=22),
            link("shop/service/ssh runs_on shop/host/t"),
            link("shop/identity/root can_log_in shop/host/t", access=Access.ADMIN),
        ]
    )
    [step] = only(twin, technique)
    assert (step.source, step.target, step.identity, step.gains) == (
        source,
        "shop/host/t",
        "shop/identity/root",
        Gain.ADMIN,
    )


def test_an_identity_of_another_owner_makes_the_login_cross_the_boundary() -> None:
    """With no boundary on the way, the login is the boundary link."""
    login = link("msp/identity/tech can_log_in shop/host/t")
    twin = draw([link("shop/host/h reaches shop/host/t"), login])
    assert [step.link for step in only(twin, "T1021")] == [login.key]


@pytest.mark.parametrize(("holds", "technique"), [("shop/host/h", "T1003"), ("shop/container/c", "T1552")])
def test_credentials_are_read_with_the_access_they_need(holds: str, technique: str) -> None:
    """T1003 on hosts, T1552 elsewhere."""
    twin = draw([link(f"{holds} holds_credential shop/identity/root", access=Access.ADMIN)])
    [step] = only(twin, technique)
    assert (step.target, step.needs, step.gains) == ("shop/identity/root", Access.ADMIN, Gain.USER)


def test_an_identity_reads_what_it_may_read() -> None:
    """An identity knows one level, so no step asks it for admin."""
    twin = draw([link("a/identity/x holds_credential a/identity/y", access=Access.ADMIN)])
    assert [step.needs for step in only(twin, "T1552")] == [Access.USER]


def test_only_a_local_weakness_escalates() -> None:
    """T1068 in place, from user to admin; a remote weakness gives none."""
    twin = draw([], [Weakness("CVE-1", "a/host/h", LOCAL), Weakness("CVE-2", "a/host/h", REMOTE)])
    [step] = only(twin, "T1068")
    assert (step.source, step.target, step.weakness) == ("a/host/h", "a/host/h", "CVE-1")
    assert (step.needs, step.gains) == (Access.USER, Gain.ADMIN)


@pytest.mark.parametrize(
    "hole",
    [
        Weakness("CWE-250", "a/container/c"),
        Weakness("CVE-1", "a/container/c", ESCAPE),
        Weakness("CVE-1", "a/host/h", ESCAPE),
    ],
)
def test_a_container_is_escaped_by_what_opens_its_host(hole: Weakness) -> None:
    """T1611 from admin to admin."""
    [step] = only(draw([link("a/container/c runs_on a/host/h")], [hole]), "T1611")
    assert (step.source, step.target) == ("a/container/c", "a/host/h")
    assert (step.needs, step.gains, step.weakness) == (Access.ADMIN, Gain.ADMIN, hole.id)


def test_without_such_a_weakness_there_is_no_escape_but_the_way_down() -> None:
    """T1609 goes from the host to each container."""
    twin = draw([link("a/container/c runs_on a/host/h")], [Weakness("CVE-1", "a/container/c", LOCAL)])
    assert only(twin, "T1611") == []
    assert [(step.source, step.target) for step in only(twin, "T1609")] == [("a/host/h", "a/container/c")]


@pytest.mark.parametrize(("owner", "technique"), [("a", "T1072"), ("b", "T1199")])
def test_the_managed_obeys_its_manager(owner: str, technique: str) -> None:
    """Management gains the link's access, across owners as a trusted relationship."""
    way = link(f"a/host/m manages {owner}/device/d", access=Access.ADMIN)
    [step] = only(draw([way]), technique)
    assert (step.needs, step.gains) == (Access.ADMIN, Gain.ADMIN)
    assert step.link == (way.key if owner == "b" else None)


def test_a_device_that_manages_a_process_manipulates_it() -> None:
    """T0831 in place of T1072."""
    twin = draw([link("a/device/d manages a/process/charging")])
    [step] = only(twin, "T0831")
    assert (step.target, step.gains) == ("a/process/charging", Gain.IMPACT)
    assert only(twin, "T1072") == []


def test_supply_reaches_into_the_runner() -> None:
    """T1195 from the supplier's admin to user at what runs the supplied service."""
    way = link("vendor/host/build supplies shop/service/web")
    [step] = only(draw([way, link("shop/service/web runs_on shop/container/web")]), "T1195")
    assert (step.target, step.needs, step.gains, step.link) == (
        "shop/container/web",
        Access.ADMIN,
        Gain.USER,
        way.key,
    )


def test_stored_data_are_read_by_users_and_encrypted_by_admins() -> None:
    """T1213 and T1486 from what stores them."""
    twin = draw([link("a/container/db stores a/data_store/orders")])
    assert [(s.needs, s.gains) for s in only(twin, "T1213")] == [(Access.USER, Gain.USER)]
    assert [(s.needs, s.gains) for s in only(twin, "T1486")] == [(Access.ADMIN, Gain.IMPACT)]


@pytest.mark.parametrize(
    "way",
    [
        ["a/container/db reaches net/external/world"],
        ["a/service/api runs_on a/container/db", "a/service/api reaches net/external/world"],
        ["net/external/world reaches a/container/db"],
        ["a/container/db reaches a/segment/lan", "a/segment/lan reaches net/external/world"],
        ["a/container/db reaches a/segment/dmz", "net/external/world reaches a/segment/dmz"],
    ],
)
def test_data_leave_over_a_link_to_the_outside(way: list[str]) -> None:
    """T1041 from what stores them: over its own link, a service's, one that the outside opens, or a segment's."""
    twin = draw([link("a/container/db stores a/data_store/orders"), *(link(text) for text in way)])
    [step] = only(twin, "T1041")
    assert (step.source, step.target, step.gains) == ("a/container/db", "a/data_store/orders", Gain.EXFILTRATION)
    assert step.link is None or "net/external/world" in step.link
    assert step.facts[0] == key_of(twin.links[-1])


def test_data_stay_where_no_link_leads_outside() -> None:
    """A neighbour with a way out is none of its own."""
    twin = draw([link("a/host/h stores a/data_store/d"), link("a/host/n reaches net/external/world")])
    assert only(twin, "T1041") == []


def test_a_segment_is_mapped_before_what_it_reaches_is_attacked() -> None:
    """T1046 in place from user to admin, seen first at a watched target, else a watched member; others need admin."""
    links = [link("a/host/m reaches a/segment/lan"), link("a/segment/lan reaches a/host/t")]
    twin = draw(links, [Weakness("CVE-1", "a/host/t", REMOTE)])
    [scan] = only(twin, "T1046")
    assert (scan.source, scan.target, scan.needs, scan.gains) == (
        "a/segment/lan",
        "a/segment/lan",
        Access.USER,
        Gain.ADMIN,
    )
    assert [step.needs for step in only(twin, "T1210")] == [Access.ADMIN] and scan.seen_at is None
    for watched, seen_at in (("a/host/m", "a/host/m"), ("a/host/t", "a/host/t"), ("all", "a/host/t")):
        assets = [
            replace(one, sensors=(SensorClass.NETWORK,)) if watched in (one.id, "all") else one for one in twin.assets
        ]
        assert [step.seen_at for step in only(replace(twin, assets=tuple(assets)), "T1046")] == [seen_at]


def test_a_segment_that_reaches_nothing_is_not_mapped() -> None:
    """Membership alone gives nothing to find."""
    assert only(draw([link("a/host/m reaches a/segment/lan")]), "T1046") == []


def test_accounts_are_made_where_identities_log_in() -> None:
    """T1136 on a machine, or on what runs a service, that somebody may log in at."""
    twin = draw(
        [
            link("a/identity/i can_log_in a/service/s"),
            link("a/service/s runs_on a/container/c"),
            link("a/container/c runs_on a/host/h"),
        ]
    )
    [step] = only(twin, "T1136")
    assert (step.source, step.target, step.needs, step.gains) == (
        "a/container/c",
        "a/container/c",
        Access.ADMIN,
        Gain.PERSISTENCE,
    )


def test_a_device_that_a_critical_process_needs_is_worth_stopping() -> None:
    """T0826 where the process depends on the device, though nothing critical runs on it."""
    links = [link("a/process/p depends_on a/device/d"), link("a/device/idle manages a/process/p")]
    twin = draw(links, critical=("a/process/p",))
    assert [step.source for step in only(twin, "T0826")] == ["a/device/d"]


def test_machines_are_persisted_on_and_only_critical_ones_stopped() -> None:
    """A critical service deep inside makes container and host worth stopping; devices are lost as ICS says."""
    twin = draw(
        [
            link("a/service/s runs_on a/container/c"),
            link("a/container/c runs_on a/host/h"),
            link("a/container/idle runs_on a/host/h"),
            link("a/host/h reaches a/device/d"),
        ],
        critical=("a/service/s", "a/device/d"),
    )
    assert {s.source for s in only(twin, "T1547")} == {"a/container/c", "a/container/idle", "a/device/d", "a/host/h"}
    assert {s.source for s in only(twin, "T1489")} == {"a/container/c", "a/host/h"}
    assert {s.source for s in only(twin, "T0826")} == {"a/device/d"}


def test_opaque_assets_give_no_steps() -> None:
    """What another node does not disclose is left to its summary."""
    twin = draw(
        [link("a/host/h reaches b/opaque/rest"), link("b/opaque/rest manages a/host/h")],
        [Weakness("CVE-1", "b/opaque/rest", REMOTE)],
    )
    assert {step.technique for step in derive_steps(twin)} == {"T1547"}


def test_two_ports_into_one_container_are_one_step() -> None:
    """The attacker gets no second try for a second port, unless they cross by different boundary links."""
    links = [link("a/host/h reaches a/container/c", port=port) for port in (80, 443)]
    links += [link("b/host/h reaches a/container/c", port=port) for port in (80, 443)]
    twin = draw(links, [Weakness("CVE-1", "a/container/c", REMOTE)])
    assert [(s.source, s.link[3] if s.link else None) for s in only(twin, "T1210")] == [
        ("a/host/h", None),
        ("b/host/h", 80),
        ("b/host/h", 443),
    ]


def test_steps_are_sorted_and_do_not_depend_on_the_order_of_what_is_given() -> None:
    """Equal twins give equal rows."""
    links = [
        link("a/host/h reaches a/host/t"),
        link("a/identity/i can_log_in a/host/t"),
        link("a/host/h holds_credential a/identity/i"),
    ]
    holes = [Weakness("CVE-1", "a/host/t", REMOTE), Weakness("CVE-2", "a/host/t", REMOTE)]
    steps = derive_steps(draw(links, holes))
    assert steps == derive_steps(draw(links[::-1], holes[::-1]))
    order = [(s.source, s.target, s.technique, s.identity or "", s.weakness or "") for s in steps]
    assert order == sorted(order)


def test_a_bad_vector_is_told() -> None:
    """The message names weakness, asset and the mend."""
    with pytest.raises(TwinError, match=r"weakness CVE-1 on a/host/t.*write CVSS:3.1"):
        derive_steps(draw([link("a/host/h reaches a/host/t")], [Weakness("CVE-1", "a/host/t", "10.0")]))
