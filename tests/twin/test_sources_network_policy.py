"""NetworkPolicy semantics: small clusters drawn by hand, and the laws."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.twin.sources.network_policy import Peer, Pod, Policies, Policy, PolicyPort, Requirement, Rule, Selector

WEB = Pod("web", "default", {"app": "web", "tier": "front"}, {"http": 8080})
DB = Pod("db", "default", {"app": "db"}, {"sql": 5432})
OPS = Pod("ops", "ops", {"app": "ops"})
ALL = Selector()


def app(name: str) -> Selector:
    return Selector((("app", name),))


def admit(*peers: Peer, ports: tuple[PolicyPort, ...] = ()) -> Policies:
    return Policies((Policy("db", "default", app("db"), ingress=(Rule(peers, ports),)),), {"ops": {"team": "sre"}})


def test_without_policies_everything_may_connect() -> None:
    """The default is allow."""
    assert Policies().may_connect(OPS, DB, 5432)


def test_a_policy_that_selects_a_pod_denies_what_it_does_not_allow() -> None:
    """Selected for ingress with no rules: nothing comes in, all goes out."""
    closed = Policies((Policy("deny", "default", app("db"), ingress=()),))
    assert not closed.may_connect(WEB, DB, 5432)
    assert closed.may_connect(DB, WEB, 8080)


def test_both_ends_must_allow() -> None:
    """Ingress at the target is not enough where the source's egress is governed."""
    policies = Policies(
        (
            Policy("db", "default", app("db"), ingress=(Rule((Peer(app("web")),)),)),
            Policy("web", "default", app("web"), egress=(Rule((Peer(app("cache")),)),)),
        )
    )
    assert not policies.may_connect(WEB, DB, 5432)


@pytest.mark.parametrize(
    ("peer", "pod", "allowed"),
    [
        (Peer(app("web")), WEB, True),
        (Peer(app("web")), OPS, False),
        (Peer(app("ops")), OPS, False),  # pods alone: the policy's own namespace
        (Peer(None, Selector((("team", "sre"),))), OPS, True),
        (Peer(app("ops"), Selector((("team", "sre"),))), OPS, True),
        (Peer(app("web"), Selector((("team", "sre"),))), OPS, False),  # both selectors must match
        (Peer(None, Selector((("kubernetes.io/metadata.name", "ops"),))), OPS, True),
        (Peer(cidr="10.0.0.0/8"), WEB, False),
    ],
)
def test_peers_are_matched_by_pod_and_namespace(peer: Peer, pod: Pod, allowed: bool) -> None:
    """Selectors of one peer are joined by and; addresses match no pod."""
    assert admit(peer).may_connect(pod, DB, 5432) is allowed


@pytest.mark.parametrize(
    ("requirement", "allowed"),
    [
        (Requirement("tier", "In", ("front", "back")), True),
        (Requirement("tier", "NotIn", ("front",)), False),
        (Requirement("zone", "NotIn", ("a",)), True),
        (Requirement("tier", "Exists"), True),
        (Requirement("zone", "Exists"), False),
        (Requirement("zone", "DoesNotExist"), True),
    ],
)
def test_match_expressions(requirement: Requirement, allowed: bool) -> None:
    """A missing key satisfies NotIn and DoesNotExist."""
    assert admit(Peer(Selector((), (requirement,)))).may_connect(WEB, DB, 5432) is allowed


@pytest.mark.parametrize(
    ("port", "number", "allowed"),
    [
        (PolicyPort(5432), 5432, True),
        (PolicyPort(5432), 5433, False),
        (PolicyPort(5430, 5440), 5433, True),
        (PolicyPort("sql"), 5432, True),
        (PolicyPort("http"), 5432, False),
        (PolicyPort(None), 9, True),
        (PolicyPort(5432, protocol="UDP"), 5432, False),
    ],
)
def test_ports_are_numbers_ranges_names_or_all(port: PolicyPort, number: int, allowed: bool) -> None:
    """Names are those of the target's ports."""
    assert admit(Peer(app("web")), ports=(port,)).may_connect(WEB, DB, number) is allowed


def test_a_pod_on_the_host_network_is_not_governed() -> None:
    """Policies do not select it, and pod selectors do not see it."""
    node = replace(WEB, host_network=True)
    closed = Policies((Policy("all", "default", ALL, ingress=(), egress=()),))
    assert not closed.may_connect(WEB, DB, 5432)
    assert closed.may_connect(node, replace(node, name="other"), 1)
    assert not admit(Peer(app("web"))).may_connect(node, DB, 5432)


@pytest.mark.parametrize(
    ("peers", "open_"),
    [
        ((), True),
        ((Peer(cidr="0.0.0.0/0"),), True),
        ((Peer(cidr="0.0.0.0/0", excepts=("0.0.0.0/0",)),), False),
        ((Peer(cidr="10.1.0.0/16"),), False),
        ((Peer(cidr="203.0.113.0/24"),), True),
        ((Peer(app("web")),), False),
    ],
)
def test_the_outside_enters_where_addresses_of_the_internet_are_allowed(peers: tuple[Peer, ...], open_: bool) -> None:
    """A rule for all, or a block that is not private."""
    assert admit(*peers).may_enter(DB, 5432) is open_


names = st.sampled_from(["a", "b", "c"])
selectors = st.builds(
    Selector,
    st.lists(st.tuples(st.just("app"), names), max_size=1).map(tuple),
    st.lists(
        st.builds(
            Requirement,
            st.sampled_from(["app", "tier"]),
            st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
            st.lists(names, min_size=1, max_size=2).map(tuple),
        ),
        max_size=1,
    ).map(tuple),
)
peers_ = st.builds(Peer, st.none() | selectors, st.just(Selector())) | st.builds(Peer, selectors)
ports_ = st.builds(PolicyPort, st.sampled_from([None, 1, 2, "one"]), st.none(), st.sampled_from(["TCP", "UDP"]))
rules = st.builds(Rule, st.lists(peers_, max_size=2).map(tuple), st.lists(ports_, max_size=2).map(tuple))
sides = st.none() | st.lists(rules, max_size=2).map(tuple)
policies_ = st.builds(Policy, names, st.sampled_from(["n", "m"]), selectors, sides, sides)
pods = st.builds(
    Pod,
    names,
    st.sampled_from(["n", "m"]),
    st.dictionaries(st.sampled_from(["app", "tier"]), names, max_size=2),
    st.just({"one": 1}),
    st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(policies_, min_size=1, max_size=4), rules, st.data(), pods, pods, st.sampled_from([1, 2]))
def test_adding_an_allow_rule_never_removes_a_connection(
    policies: list[Policy], rule: Rule, data: st.DataObject, source: Pod, target: Pod, port: int
) -> None:
    """Rules only add, in the direction that a policy already governs."""
    index = data.draw(st.integers(0, len(policies) - 1))
    before = Policies(tuple(policies))
    wider = policies[index]
    if wider.ingress is not None:
        wider = replace(wider, ingress=(*wider.ingress, rule))
    if wider.egress is not None:
        wider = replace(wider, egress=(*wider.egress, rule))
    after = Policies((*policies[:index], wider, *policies[index + 1 :]))
    if before.may_connect(source, target, port):
        assert after.may_connect(source, target, port)
    if before.may_enter(target, port):
        assert after.may_enter(target, port)


@settings(max_examples=100, deadline=None)
@given(st.lists(policies_, max_size=4), pods, pods, st.sampled_from([1, 2]), st.randoms())
def test_the_order_of_policies_says_nothing(
    policies: list[Policy], source: Pod, target: Pod, port: int, random: object
) -> None:
    """Policies are a set."""
    shuffled = list(policies)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    before, after = Policies(tuple(policies)), Policies(tuple(shuffled))
    assert before.may_connect(source, target, port) == after.may_connect(source, target, port)
