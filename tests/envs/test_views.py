"""An owner's view: what it holds, and the law that nothing hidden from it makes a difference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.envs.attackers import Attacker
from tocsin.envs.game import Game, make_game
from tocsin.envs.owners import OwnerWorlds, seated
from tocsin.envs.scenario import Calls, Scenario
from tocsin.envs.vector import ResponseWorlds
from tocsin.envs.views import REST, ViewLanes, seen_twin, view_of
from tocsin.playbooks.actions import load_library
from tocsin.tests.envs.games import short_game
from tocsin.tests.twin.random_twins import FEW, one_thread, random_twin  # noqa: F401  (a fixture of the module)
from tocsin.twin.graph import Asset, Link, Sharing, Twin, Weakness
from tocsin.twin.rulebook.state import IMPACTED, UNSERVED, WorldState, copy_worlds
from tocsin.twin.sensing.observe import FEATURES
from tocsin.twin.vocabulary import AssetKind, LinkKind

WORLDS, TICKS = 2, 12
SCENARIO = Scenario(
    name="law",
    attackers=(Attacker(tries_per_hour=400.0, onset_s=(0, 0), absent=0.0),),
    horizon_ticks=TICKS,
    decide_every=1,
)
CALLING = SCENARIO.model_copy(update={"between_owners": "phone", "phone": Calls(call_h=0.05, late_s=120.0, part=0.8)})
seeds = st.integers(0, 2**16)


def sharing_twin(rng: np.random.Generator) -> Twin:
    """A random twin whose owners share findings or assets with some of the others."""
    twin = random_twin(rng)
    rules = [
        Sharing(one.id, other.id, tuple(what for what in ("findings", "assets") if rng.random() < 0.4))
        for one in twin.owners
        for other in twin.owners
        if one is not other
    ]
    return replace(twin, sharing=tuple(rules))


def game_of(twin: Twin, *, by_phone: bool = False) -> Game:
    return make_game(CALLING if by_phone else SCENARIO, twin, load_library())


def some_owner(twin: Twin, rng: np.random.Generator) -> str:
    return str(rng.choice(seated(twin)))


def legal_actions(masks: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """int32[B, S]: each seat acts in half of the steps."""
    return np.array(
        [
            [rng.choice(np.flatnonzero(row)) if rng.random() < 0.5 else 0 for row in rows]
            for rows in zip(*masks, strict=True)
        ],
        np.int32,
    )


@FEW
@given(seed=seeds, by_phone=st.booleans())
def test_what_an_owner_cannot_see_changes_nothing_in_its_view(seed: int, by_phone: bool) -> None:
    """Scrambled truth, modes, cuts, findings, responses and outages of others: equal observations and masks."""
    rng = np.random.default_rng(seed)
    game = game_of(sharing_twin(rng), by_phone=by_phone)
    owner = some_owner(game.compiled.twin, rng)
    worlds = OwnerWorlds(game, range(WORLDS))
    worlds.reset()
    lanes = worlds.lanes[worlds.owners.index(owner)]
    blind = ViewLanes(game, lanes.view, worlds.worlds.state, seat=worlds.owners.index(owner))
    blind.reset(worlds.worlds.state)
    for _ in range(TICKS):
        worlds.step(legal_actions(worlds.legal, rng))
        blind.follow(scrambled(worlds.worlds.state, game, owner, rng))
        assert (blind.observe() == lanes.observe()).all()
        assert (blind.masks() == lanes.masks()).all()


@FEW
@given(seed=seeds)
def test_hidden_findings_crowd_no_seen_ones_out(seed: int) -> None:
    """Three hundred false findings a tick over all owners: each view counts every one that falls where it may look."""
    rng = np.random.default_rng(seed)
    game = game_of(sharing_twin(rng))
    worlds = OwnerWorlds(replace(game, parameters=game.parameters._replace(false_total=300.0)), range(WORLDS))
    worlds.reset()
    state, twin = worlds.worlds.state, game.compiled.twin
    for _ in range(TICKS):
        before = state.world["finding_count"].copy()
        worlds.step(legal_actions(worlds.legal, rng))
        assert (state.world["finding_n"] == state.world["finding_count"] - before).all()
        for lanes in worlds.lanes:
            heard, visible = twin.visible_findings(lanes.view.owner), twin.visible_assets(lanes.view.owner)
            for world in range(WORLDS):
                found = {int(row[0]) for row in state.finding[world, : state.world["finding_n"][world]]}
                new = {a for a in found if twin.assets[a].id in heard & visible}
                ages = lanes.observe()[world, : lanes.view.compiled.sizes[0], FEATURES.index("age")]
                assert {int(one) for one in lanes.view.targets[np.flatnonzero(ages == 1)]} - {-1} == new
    assert (state.world["finding_count"] > 64 * TICKS).all() and not state.world["dropped"].any()


def scrambled(state: WorldState, game: Game, owner: str, rng: np.random.Generator) -> WorldState:
    """The same worlds with everything changed that the owner has no right to see."""
    other, twin, (assets, links, owners) = (
        copy_worlds(state, np.arange(WORLDS)),
        game.compiled.twin,
        game.compiled.sizes,
    )
    visible = twin.visible_assets(owner)
    unseen = np.array([asset.id not in visible for asset in twin.assets])
    for name in ("user", "admin", "persist"):
        other.asset[name] = rng.integers(0, 2, other.asset.shape)
    other.asset["modes"] ^= np.where(rng.random(other.asset.shape) < 0.5, IMPACTED, 0).astype(np.uint32)
    counts = rng.choice([0, 1, 1 << 4, 1 << 20, 1 << 24], (WORLDS, unseen.sum()))
    other.asset["modes"][:, unseen] = counts | rng.choice([0, IMPACTED, UNSERVED], counts.shape)
    foreign = np.array([is_foreign(link, twin, owner, visible) for link in game.compiled.links], bool)
    other.cut[:, foreign] = rng.integers(0, 2, (WORLDS, foreign.sum()))
    silent = np.array([all(a.owner != one.id or a.id not in visible for a in twin.assets) for one in twin.owners])
    other.rate["service"][:, silent] = rng.integers(0, 10**9, (WORLDS, silent.sum()))
    hidden = np.concatenate([unseen, foreign, np.ones(owners, bool)])
    hide_runs(other, hidden, np.flatnonzero(hidden[: assets + links]), rng)
    for world in range(WORLDS):
        scramble_findings(other, world, game, owner, rng)
    return other


def is_foreign(link: Link, twin: Twin, owner: str, visible: frozenset[str]) -> bool:
    """Whether the owner has no part in a link, and does not see both its ends."""
    ends = {twin.asset_by_id[link.source].owner, twin.asset_by_id[link.target].owner}
    return owner not in ends and not {link.source, link.target} <= visible


def hide_runs(state: WorldState, hidden: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> None:
    """Responses on hidden targets go on otherwise, and new ones start there; contacts of owners are left alone."""
    run = state.run
    on_hidden = hidden[run["target"]] & (run["target"] < len(hidden)) & (run["state"] > 0)
    contacts = run["target"] > targets.max(initial=-1)
    run["state"][on_hidden & ~contacts] = rng.integers(0, 4)
    free = np.argwhere(run["state"] == 0)
    if len(targets) and len(free):
        for world, slot in rng.permutation(free)[:4]:
            run[world, slot] = (rng.choice(targets), 0, 3, rng.integers(0, 2), rng.integers(1, 4), 0, 3)


def scramble_findings(
    state: WorldState,
    world: int,
    game: Game,
    owner: str,
    rng: np.random.Generator,
) -> None:
    """Findings out of sight come and go, now and then until no more are kept; shared ones of hidden assets move.

    Between owners who call, findings on others' assets are out of sight until they are told, and what others are told
    of one's own is no news.
    """
    twin = game.compiled.twin
    visible, heard = twin.visible_assets(owner), twin.visible_findings(owner)
    own = {asset.id for asset in twin.assets if asset.owner == owner}
    by_phone = game.parameters.is_by_phone
    count, late = int(state.world["finding_n"][world]), int(state.world["late_n"][world])
    at_once, told = state.finding[world, : count - late].copy(), state.finding[world, count - late : count].copy()
    parts = [
        kept_findings(part, twin, visible, shown, rng)
        for part, shown in ((at_once, heard & own if by_phone else heard), (told, heard - own))
    ]
    room = state.finding.shape[1] - sum(len(rows) for rows, _ in parts)
    for rows, deaf in parts:
        wanted = room if rng.random() < 0.2 else min(room, int(rng.integers(0, 6)))
        for _ in range(wanted if deaf and (by_phone or rows is parts[0][0]) else 0):
            hidden = np.array([rng.choice(deaf), 0, rng.integers(0, 10), 2], np.int32)
            rows.insert(int(rng.integers(0, len(rows) + 1)), hidden)
            room -= 1
    rows = [row for part, _ in parts for row in part]
    state.finding[world, : len(rows)] = np.array(rows, np.int32).reshape(-1, 4)
    state.world["finding_n"][world], state.world["late_n"][world] = len(rows), len(parts[1][0])


def kept_findings(
    part: np.ndarray, twin: Twin, visible: frozenset[str], shown: frozenset[str], rng: np.random.Generator
) -> tuple[list[np.ndarray], list[int]]:
    """The rows that are shown, those of hidden assets moved to others of the same owner; numbers of all not shown."""
    rows = [row for row in part if twin.assets[row[0]].id in shown]
    for row in rows:
        asset = twin.assets[row[0]]
        if asset.id not in visible:
            row[0] = rng.choice([n for n, one in enumerate(twin.assets) if one.owner == asset.owner])
    return rows, [number for number, one in enumerate(twin.assets) if one.id not in shown]


@FEW
@given(seed=seeds)
def test_hidden_findings_on_their_way_crowd_nothing_out(seed: int) -> None:
    """Between owners who call, findings out of sight that wait to be told, within the room for them."""
    rng = np.random.default_rng(seed)
    game = game_of(sharing_twin(rng), by_phone=True)
    owner = some_owner(game.compiled.twin, rng)
    heard = game.compiled.twin.visible_findings(owner)
    deaf = [number for number, one in enumerate(game.compiled.twin.assets) if one.id not in heard]
    plain, crowded = (OwnerWorlds(game, range(WORLDS)) for _ in range(2))
    plain.reset(), crowded.reset()
    seat = plain.owners.index(owner)
    for _ in range(TICKS - 1):
        for world in range(WORLDS):
            tell_more(crowded.worlds.state, world, game, deaf, rng)
        actions = legal_actions(plain.legal, rng)
        one, other = plain.step(actions), crowded.step(actions)
        assert (one.observations[seat] == other.observations[seat]).all() and (one.loss == other.loss).all()
        assert (plain.legal[seat] == crowded.legal[seat]).all()


def tell_more(state: WorldState, world: int, game: Game, deaf: list[int], rng: np.random.Generator) -> None:
    """Put some hidden findings at the end of those on their way, to be told when they were made now."""
    row = state.world[world]
    for _ in range(int(rng.integers(0, 9)) if deaf else 0):
        place = (int(row.pending_first) + int(row.pending_n)) % state.pending.shape[1]
        due = int(row.tick) + int(game.parameters.told_after)
        state.pending[world, place] = (rng.choice(deaf), 0, rng.integers(0, 10), 2, due)
        row.pending_n += 1
    assert row.pending_n < state.pending.shape[1]


@FEW
@given(seed=seeds)
def test_hidden_parts_of_the_chain_leave_no_trace_in_a_view(seed: int) -> None:
    """Assets, links and weaknesses added out of sight give the very same twin, so the same spaces and numbers."""
    rng = np.random.default_rng(seed)
    twin = sharing_twin(rng)
    owner = some_owner(twin, rng)
    visible = twin.visible_assets(owner)
    unseen = [asset for asset in twin.assets if asset.id not in visible and asset.owner != "net"]
    if not unseen:
        return
    there = unseen[rng.integers(len(unseen))]
    new = Asset(f"{there.owner}/host/hidden", AssetKind.HOST, there.owner, "hidden", criticality=3.0)
    larger = replace(
        twin,
        assets=tuple(sorted((*twin.assets, new), key=lambda one: one.id)),
        links=(*twin.links, Link(LinkKind.REACHES, there.id, new.id, port=99)),
        weaknesses=(*twin.weaknesses, Weakness("CWE-306", new.id)),
    )
    assert seen_twin(larger, owner).digest == seen_twin(twin, owner).digest
    assert (view_of(game_of(larger), owner).static == view_of(game_of(twin), owner).static).all()


@FEW
@given(seed=seeds)
def test_a_views_mask_allows_what_the_rules_accept(seed: int) -> None:
    """On targets that an owner sees, its mask is the whole world's; it has no action elsewhere."""
    rng = np.random.default_rng(seed)
    worlds = OwnerWorlds(game_of(sharing_twin(rng)), range(WORLDS))
    worlds.reset()
    for _ in range(TICKS):
        masks, whole = worlds.legal, worlds.worlds.masks()
        for lanes, mask in zip(worlds.lanes, masks, strict=True):
            stands_for = np.tile(lanes.view.targets < 0, mask.shape[1] // lanes.view.compiled.targets)
            assert not mask[:, 1:][:, stands_for].any()
            actions = np.flatnonzero(np.concatenate([[True], ~stands_for]))
            for world in range(WORLDS):
                there = lanes.whole(actions.astype(np.int32))
                assert (mask[world, actions] == whole[world, there]).all()
        worlds.step(legal_actions(masks, rng))


@FEW
@given(seed=seeds)
def test_who_sees_everything_sees_what_the_coalition_sees(seed: int) -> None:
    """Where all share all, a view's observation is that of `ResponseWorlds`, byte for byte."""
    rng = np.random.default_rng(seed)
    twin = random_twin(rng)
    shared = replace(twin, sharing=tuple(Sharing(one.id, "*", ("findings", "assets")) for one in twin.owners))
    game = game_of(shared)
    owners, coalition = OwnerWorlds(game, range(WORLDS)), ResponseWorlds(game, range(WORLDS))
    owners.reset(), coalition.reset()
    wait = np.zeros((WORLDS, len(owners.owners)), np.int32)
    for _ in range(TICKS - 1):
        step = owners.step(wait)
        seen = coalition.step(wait[:, 0]).observation
        assert all((one == seen).all() for one in step.observations)


def test_a_view_of_the_charging_chain_is_its_own_and_what_is_shared() -> None:
    """The fleet sees its own; of the charging operator, which shares findings, one opaque asset and link ends."""
    view = view_of(short_game(), "fleet")
    own = [asset for asset in view.compiled.twin.assets if asset.owner == "fleet"]
    others = [asset for asset in view.compiled.twin.assets if asset.owner != "fleet"]
    assert len(own) == sum(asset.owner == "fleet" for asset in short_game().compiled.twin.assets)
    assert {asset.kind for asset in others} == {AssetKind.EXTERNAL, AssetKind.OPAQUE}
    assert f"csms/{REST}" in {asset.id for asset in others}
    assert view.compiled.targets < short_game().compiled.targets


def test_an_unknown_owner_is_named() -> None:
    """With those that there are."""
    with pytest.raises(KeyError, match="fleet"):
        view_of(short_game(), "nobody")
