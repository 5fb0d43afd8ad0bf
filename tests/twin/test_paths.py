"""Best attack paths: examples, laws, and agreement with brute force."""

from __future__ import annotations

import math
import random
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.twin.analysis.paths import best_paths
from tocsin.twin.attack.holding import members
from tocsin.twin.attack.step import AttackStep
from tocsin.twin.attack.steps import derive_steps
from tocsin.twin.graph import Asset, Link, Owner, Twin, Weakness
from tocsin.twin.vocabulary import Access, AssetKind, Gain, LinkKind, StepClass

REMOTE = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
LOCAL = "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"
WORLD = "net/external/world"


def asset(id: str, *, jewel: bool = False) -> Asset:
    owner, kind, name = id.split("/")
    return Asset(id, AssetKind[kind.upper()], owner, name, crown_jewel=jewel)


def build(assets: list[Asset], links: list[Link], weaknesses: list[Weakness]) -> Twin:
    owners = [Owner(name) for name in sorted({one.owner for one in assets})]
    return Twin.build(owners=owners, assets=assets, links=links, weaknesses=weaknesses)


def step(
    source: str, target: str, probability: float, *, identity: str | None = None, needs: int = 1, gains: int = 1
) -> AttackStep:
    return AttackStep(
        "T1210", StepClass.EXPLOIT, source, target, Access(needs), Gain(gains), probability, identity=identity
    )


def hosts(names: str, *, jewel: str) -> Twin:
    assets = [asset(f"o/host/{name}", jewel=name == jewel) for name in names]
    return build([asset(WORLD), *assets], [], [])


def test_the_likelier_way_comes_first_and_the_other_after_it() -> None:
    """Two ways into the jewel."""
    steps = [
        step(WORLD, "o/host/a", 0.9),
        step("o/host/a", "o/host/j", 0.9),
        step(WORLD, "o/host/b", 0.5),
        step("o/host/b", "o/host/j", 0.9),
    ]
    paths = best_paths(hosts("abj", jewel="j"), steps, count=5, across_owners=False)
    assert [[s.target for s in path.steps] for path in paths] == [["o/host/a", "o/host/j"], ["o/host/b", "o/host/j"]]
    assert [round(path.probability, 6) for path in paths] == [0.81, 0.45]


def test_the_identity_a_step_needs_is_paid_for() -> None:
    """A login without its identity is no way; obtaining it multiplies in, and comes before its use."""
    twin = build([asset(WORLD), asset("o/host/a"), asset("o/host/j", jewel=True), asset("o/identity/i")], [], [])
    login = step("o/host/a", "o/host/j", 0.9, identity="o/identity/i")
    entry = step(WORLD, "o/host/a", 0.5)
    assert best_paths(twin, [entry, login], count=1, across_owners=False) == []
    theft = step("o/host/a", "o/identity/i", 0.4)
    [path] = best_paths(twin, [entry, login, theft], count=1, across_owners=False)
    assert path.steps == (entry, theft, login)
    assert math.isclose(path.probability, 0.5 * 0.4 * 0.9)  # the entry once, though it serves twice


def test_a_foothold_that_serves_twice_beats_two_likelier_ones() -> None:
    """Where the sum of costs misleads, each step is still paid once."""
    twin = build(
        [asset(WORLD), *(asset(f"o/host/{n}") for n in "ab"), asset("o/host/j", jewel=True), asset("o/identity/i")],
        [],
        [],
    )
    steps = [
        step(WORLD, "o/host/a", 0.5),
        step("o/host/a", "o/identity/i", 0.99),
        step(WORLD, "o/host/b", 0.6),
        step("o/host/b", "o/identity/i", 0.99),
        step("o/host/a", "o/host/j", 0.99, identity="o/identity/i"),
    ]
    [path, *_] = best_paths(twin, steps, count=1, across_owners=False)
    assert math.isclose(path.probability, 0.5 * 0.99 * 0.99)


def test_paths_across_owners_are_found_behind_better_ones_that_cross_none() -> None:
    """The direct way in is likelier, but the question is who gets there through another owner."""
    twin = build([asset(WORLD), asset("p/host/a"), asset("o/host/j", jewel=True)], [], [])
    steps = [
        step(WORLD, "o/host/j", 0.9),
        step(WORLD, "p/host/a", 0.5),
        step("p/host/a", "o/host/j", 0.5),
    ]
    [path] = best_paths(twin, steps, count=3)
    assert path.owners == ("p", "o")
    assert len(best_paths(twin, steps, count=3, across_owners=False)) == 2


def test_every_jewel_has_its_best_path_before_alternatives_are_told() -> None:
    """Two jewels and two paths: one each."""
    twin = build(
        [asset(WORLD), asset("o/host/a"), asset("o/host/x", jewel=True), asset("o/host/y", jewel=True)], [], []
    )
    steps = [
        step(WORLD, "o/host/x", 0.9),
        step(WORLD, "o/host/a", 0.9),
        step("o/host/a", "o/host/x", 0.9),
        step(WORLD, "o/host/y", 0.1),
    ]
    assert [path.jewel for path in best_paths(twin, steps, count=2, across_owners=False)] == ["o/host/x", "o/host/y"]


def test_a_member_opens_its_segment_for_nothing_and_maps_it_first() -> None:
    """The world gets into a member, looks around, and the segment reaches the jewel; what is mapped is not taken."""
    twin = build(
        [asset(WORLD), asset("o/container/m"), asset("o/segment/lan"), asset("o/host/j", jewel=True)],
        [
            Link(LinkKind.REACHES, WORLD, "o/container/m"),
            Link(LinkKind.REACHES, "o/container/m", "o/segment/lan"),
            Link(LinkKind.REACHES, "o/segment/lan", "o/host/j"),
        ],
        [Weakness("CVE-1", "o/container/m", REMOTE), Weakness("CVE-1", "o/host/j", REMOTE)],
    )
    [path] = best_paths(twin, derive_steps(twin), count=1, across_owners=False)
    lan = "o/segment/lan"
    assert [(s.technique, s.source) for s in path.steps] == [("T1190", WORLD), ("T1046", lan), ("T1210", lan)]
    assert {"reaches o/segment/lan o/host/j 0", "reaches o/container/m o/segment/lan 0"} <= set(path.facts)


def test_like_chargers_are_told_once() -> None:
    """A hundred devices that differ in their names make one path, not a hundred."""
    chargers = [f"o/device/d{number:03}" for number in range(100)]
    twin = build([asset(WORLD), asset("o/process/p", jewel=True), *map(asset, chargers)], [], [])
    steps = [step(WORLD, one, 0.5) for one in chargers] + [step(one, "o/process/p", 0.5, gains=4) for one in chargers]
    [path] = best_paths(twin, steps, count=9, across_owners=False)
    assert [s.target for s in path.steps] == ["o/device/d000", "o/process/p"]


def test_a_charger_with_a_better_lock_is_not_alike() -> None:
    """One differing probability is a difference."""
    twin = build([asset(WORLD), asset("o/process/p", jewel=True), asset("o/device/a"), asset("o/device/b")], [], [])
    steps = [step(WORLD, "o/device/a", 0.5), step(WORLD, "o/device/b", 0.4)]
    steps += [step(f"o/device/{one}", "o/process/p", 0.5, gains=4) for one in "ab"]
    assert len(best_paths(twin, steps, count=9, across_owners=False)) == 2


def test_a_detour_over_all_stepping_stones_is_no_alternative() -> None:
    """world > a > j is told; world > a > b > j adds nothing to it."""
    steps = [
        step(WORLD, "o/host/a", 0.9),
        step("o/host/a", "o/host/j", 0.9),
        step("o/host/a", "o/host/b", 0.9),
        step("o/host/b", "o/host/j", 0.9),
    ]
    assert len(best_paths(hosts("abj", jewel="j"), steps, count=9, across_owners=False)) == 1


def test_no_jewel_or_no_way_gives_no_path() -> None:
    """Nothing to find is an empty list."""
    assert best_paths(hosts("aj", jewel="none"), [step(WORLD, "o/host/j", 0.5)], count=3) == []
    assert best_paths(hosts("aj", jewel="j"), [step("o/host/a", "o/host/j", 0.5)], count=3, across_owners=False) == []


# --- laws on random twins

ASSETS = [
    asset(WORLD),
    asset("a/host/h"),
    asset("a/container/c"),
    asset("a/service/s"),
    asset("a/segment/lan"),
    asset("b/host/h"),
    asset("b/identity/i"),
    asset("b/device/j", jewel=True),
]
IDS = [one.id for one in ASSETS]
PLAUSIBLE = [
    *(Link(LinkKind.REACHES, s, t) for s in IDS for t in IDS if s != t and "identity" not in s + t and t != WORLD),
    *(
        Link(LinkKind.CAN_LOG_IN, "b/identity/i", t, access=Access.ADMIN)
        for t in IDS
        if "/host/" in t or "/device/" in t
    ),
    *(Link(LinkKind.HOLDS_CREDENTIAL, s, "b/identity/i") for s in IDS if s != WORLD and "identity" not in s),
    *(Link(LinkKind.MANAGES, s, t) for s in IDS for t in IDS if "/host/" in s and "/device/" in t),
    *(Link(LinkKind.SUPPLIES, s, t) for s in IDS for t in IDS if "/host/" in s and "/container/" in t),
    Link(LinkKind.RUNS_ON, "a/service/s", "a/container/c"),
    Link(LinkKind.RUNS_ON, "a/container/c", "a/host/h"),
]
HOLES = [
    Weakness(id, at, vector, access=access)
    for at in IDS
    if at.split("/")[1] in ("host", "container", "service", "device")
    for id, vector, access in (
        ("CVE-1", REMOTE, Access.USER),
        ("CVE-2", LOCAL, Access.ADMIN),
        ("CWE-250", "", Access.USER),
    )
]
# A way in for certain, so that the laws are about something: web, container, its host and key, the jewel.
BASE = [
    Link(LinkKind.REACHES, WORLD, "a/service/s"),
    Link(LinkKind.RUNS_ON, "a/service/s", "a/container/c"),
    Link(LinkKind.HOLDS_CREDENTIAL, "a/container/c", "b/identity/i"),
    Link(LinkKind.REACHES, "a/container/c", "b/device/j"),
    Link(LinkKind.CAN_LOG_IN, "b/identity/i", "b/device/j", access=Access.ADMIN),
]
ENTRY = Weakness("CVE-1", "a/service/s", REMOTE)
some_links = st.lists(st.sampled_from(PLAUSIBLE), max_size=12).map(
    lambda links: list({one.key: one for one in [*links, *BASE]}.values())
)
some_holes = st.lists(st.sampled_from(HOLES), max_size=8).map(lambda holes: list(dict.fromkeys([*holes, ENTRY])))


def best(links: list[Link], holes: list[Weakness]) -> float:
    twin = build(ASSETS, links, holes)
    paths = best_paths(twin, derive_steps(twin), count=1, across_owners=False)
    return paths[0].probability if paths else 0.0


@given(some_links, some_holes, st.sampled_from([*PLAUSIBLE, *BASE]))
@settings(deadline=None)
def test_a_further_link_never_lowers_the_best_probability(links: list[Link], holes: list[Weakness], more: Link) -> None:
    """More ways cannot hinder an attacker whom nobody watches."""
    without = [one for one in links if one.key != more.key]
    assert best([*without, more], holes) >= best(without, holes) - 1e-12


@given(some_links, some_holes)
@settings(deadline=None)
def test_a_weakness_removed_never_raises_the_best_probability(links: list[Link], holes: list[Weakness]) -> None:
    """A patch cannot help the attacker."""
    assert best(links, holes[1:]) <= best(links, holes) + 1e-12


@given(some_links, some_holes)
@settings(deadline=None)
def test_every_step_is_sound(links: list[Link], holes: list[Weakness]) -> None:
    """Probabilities are probabilities; sources, targets and identities are assets; boundary links exist and cross."""
    twin = build(ASSETS, links, holes)
    by_key = {one.key: one for one in twin.links}
    for one in derive_steps(twin):
        assert 0 < one.probability <= 1 and one.gains is not Gain.NONE and one.needs is not Access.NONE
        assert {one.source, one.target} <= set(IDS) and (one.identity is None or "identity" in one.identity)
        assert one.link is None or twin.is_boundary(by_key[one.link])
        assert one.facts and one.parameter


def holds(twin: Twin, chosen: tuple[AttackStep, ...]) -> set[tuple[str, int]]:
    """Everything that follows when exactly the chosen steps succeed."""
    inside = members(twin)
    held = {(one.id, 1) for one in twin.assets if one.kind is AssetKind.EXTERNAL}
    while True:
        more = {(asset, 1) for asset, level in held if level == 2}
        more |= {(segment, 1) for segment, of in inside.items() if any((member, 1) in held for member in of)}
        for one in chosen:
            if (one.source, int(one.needs)) in held and (one.identity is None or (one.identity, 1) in held):
                more.add((one.target, int(one.gains)))
        if more <= held:
            return held
        held |= more


def brute_force(twin: Twin, steps: tuple[AttackStep, ...], jewel: str) -> float:
    """Greatest product over all sets of steps that reach the jewel."""
    top = 0.0
    for size in range(1, len(steps) + 1):
        for chosen in combinations(steps, size):
            product = math.prod(one.probability for one in chosen)
            if product > top and holds(twin, chosen) & {(jewel, 1), (jewel, 4)}:
                top = product
    return top


SMALL = ["o/host/a", "o/host/b", "o/identity/i", "o/identity/k", "o/host/j"]
FEET, KEYS, ODDS = ["o/host/a", "o/host/b"], ["o/identity/i", "o/identity/k"], [0.1, 0.3, 0.5, 0.6, 0.9]


def random_steps(seed: int) -> tuple[AttackStep, ...]:
    """Entries, moves, thefts of identities and ends that need one: dense enough for shared footholds to matter."""
    chance = random.Random(seed)
    odds = lambda: chance.choice(ODDS)  # noqa: E731
    maybe = lambda: chance.choice([None, None, *KEYS])  # noqa: E731
    rows = [step(WORLD, foot, odds()) for foot in FEET]
    rows += [step(*chance.sample(FEET, 2), odds(), identity=maybe()) for _ in range(chance.randrange(2))]
    rows += [
        step(chance.choice(FEET), chance.choice(KEYS), odds(), identity=maybe()) for _ in range(chance.randrange(1, 5))
    ]
    rows += [
        step(chance.choice(FEET), "o/host/j", odds(), identity=chance.choice(KEYS))
        for _ in range(chance.randrange(1, 3))
    ]
    return tuple(dict.fromkeys(rows))


def test_the_best_path_is_the_best_of_all_sets_of_steps() -> None:
    """Search and brute force agree on 1,000 attack graphs with identities (3 % of which mislead a plain sum)."""
    twin = build([asset(WORLD), *(asset(id, jewel=id == "o/host/j") for id in SMALL)], [], [])
    for seed in range(1_000):
        steps = random_steps(seed)
        paths = best_paths(twin, steps, count=1, across_owners=False)
        found = paths[0].probability if paths else 0.0
        assert math.isclose(found, brute_force(twin, steps, "o/host/j"), abs_tol=1e-12), seed
        assert all(("o/host/j", 1) in holds(twin, path.steps) for path in paths), seed


@given(some_links, some_holes)
@settings(deadline=None, max_examples=60)
def test_derived_twins_agree_with_brute_force_too(links: list[Link], holes: list[Weakness]) -> None:
    """The same on steps that the rules derive, where there are few enough to enumerate."""
    twin = build(ASSETS, links[-9:], holes[-3:])
    steps = tuple(one for one in derive_steps(twin) if one.gains is not Gain.PERSISTENCE)[:11]
    paths = best_paths(twin, steps, count=4, across_owners=False)
    assert math.isclose(paths[0].probability if paths else 0.0, brute_force(twin, steps, "b/device/j"), abs_tol=1e-12)
    assert [path.probability for path in paths] == sorted((path.probability for path in paths), reverse=True)
    assert len({path.steps for path in paths}) == len(paths)
