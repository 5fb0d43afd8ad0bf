"""What an attacker has discovered: rows in the order of discovery, sizes that are settings, nothing of the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.envs.attack import AttackEnv
from tocsin.envs.attack_picture import AttackPicture, in_words
from tocsin.envs.attackers import Attacker
from tocsin.envs.checks import EnvError
from tocsin.envs.discovery import ASSET_COLUMNS, ENDS, STEP_COLUMNS, Discovery, Seen
from tocsin.envs.game import Game, make_game
from tocsin.envs.scenario import Scenario
from tocsin.playbooks.actions import load_library
from tocsin.tests.envs.games import TICKS, short_game
from tocsin.tests.twin.random_twins import FEW, one_thread, random_twin  # noqa: F401  (a fixture of the module)
from tocsin.twin.attack.steps import derive_steps
from tocsin.twin.graph import Asset, Link, Owner, Twin, Weakness
from tocsin.twin.rulebook.rules import BLOCKING
from tocsin.twin.rulebook.state import CARRIED_OUT, IMPACTED, UNSERVED, WorldState
from tocsin.twin.rulebook.worlds import STREAM_ENVIRONMENT, Worlds
from tocsin.twin.vocabulary import AssetKind, LinkKind

SCENARIO = Scenario(name="law", attackers=(Attacker(onset_s=(0, 0), absent=0.0),), horizon_ticks=20, decide_every=1)
PLAYED, TRIED = 14, 10  # ticks; links and weaknesses that may be taken away
HAD = ASSET_COLUMNS.index("had")
MARKS = (0, IMPACTED, UNSERVED, CARRIED_OUT, IMPACTED | UNSERVED)
seeds = st.integers(0, 2**16)


def game_of(twin: Twin) -> Game:
    return make_game(SCENARIO, twin, load_library())


def same(one: Seen, other: Seen) -> bool:
    return one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


def attack(env: AttackEnv, rng: np.random.Generator) -> Seen:
    """One tick: an open step at random where there is one."""
    seen, *_ = env.step(int(rng.choice(np.flatnonzero(env.action_masks())[1:])) if env.action_masks()[1:].any() else 0)
    return seen


@FEW
@given(seed=seeds)
def test_what_is_not_discovered_changes_nothing_that_is_seen(seed: int) -> None:
    """Two chains and worlds that differ in all that the attacker has not found: equal rows, names, text and picture."""
    rng = np.random.default_rng(seed)
    game = game_of(random_twin(rng))
    env = AttackEnv(game=game, world=1, defender="random")
    ticks = [(env.reset()[0], copied(env))]
    for _ in range(PLAYED):
        ticks.append((attack(env, rng), copied(env)))
    known, had = frozenset(env.asset_names()), had_by(env, ticks[-1][0])
    other = game_of(changed_out_of_sight(game.compiled.twin, known, had, rng))
    twins_sight = Discovery(other, 0)
    twins_sight.begin(SCENARIO.stream(STREAM_ENVIRONMENT), 1, 0)
    for seen, state in ticks:
        worlds = transplanted(state, game, other, had, rng)
        assert same(twins_sight.look(worlds.state, worlds.open_steps(0)[0]), seen)
    assert twins_sight.asset_names == env.asset_names() and twins_sight.step_names == env.step_names()
    assert twins_sight.left_out == env._discovery.left_out
    assert in_words(seen, twins_sight, "here") == in_words(seen, env._discovery, "here")
    pictures = [AttackPicture().draw(seen, one.asset_names, one.owner_names) for one in (twins_sight, env._discovery)]
    assert (pictures[0] == pictures[1]).all()


@FEW
@given(seed=seeds)
def test_hidden_parts_of_the_chain_leave_spaces_and_the_first_sight_as_they_are(seed: int) -> None:
    """A larger chain behind the same entries: the same spaces, first observation and mask."""
    rng = np.random.default_rng(seed)
    game = game_of(random_twin(rng))
    env = AttackEnv(game=game, defender="nothing")
    first, _ = env.reset(seed=3)
    known, had = frozenset(env.asset_names()), had_by(env, first)
    larger = AttackEnv(game=game_of(changed_out_of_sight(game.compiled.twin, known, had, rng)), defender="nothing")
    seen, _ = larger.reset(seed=3)
    assert larger.observation_space == env.observation_space and larger.action_space == env.action_space
    assert same(seen, first) and (larger.action_masks() == env.action_masks()).all()


def copied(env: AttackEnv) -> WorldState:
    return env._worlds.worlds.fork([0]).state


def had_by(env: AttackEnv, seen: Seen) -> frozenset[str]:
    """Ids of what the attacker holds or has held."""
    return frozenset(name for name, row in zip(env.asset_names(), seen["assets"], strict=False) if row[HAD])


def changed_out_of_sight(twin: Twin, known: frozenset[str], had: frozenset[str], rng: np.random.Generator) -> Twin:
    """Another twin: a new owner with assets, others' worth and sensors, some links and weaknesses more or fewer.

    What a step out of anything held rests on stays: it could be seen from there.
    """
    new = [Asset(f"aa/host/h{number}", AssetKind.HOST, "aa", f"h{number}") for number in range(rng.integers(1, 5))]
    unseen = [one.id for one in twin.assets if one.id not in known] or [new[0].id]
    changed = Twin.build(
        owners=[*twin.owners, Owner("aa", value_per_hour=5.0)],
        assets=[*twin.assets, *new],
        links=list(twin.links),
        weaknesses=[*twin.weaknesses, *(Weakness("CWE-306", one.id) for one in new)],
        consent=list(twin.consent),
    )
    valued = tuple(
        one if one.id in known else replace(one, criticality=9.0 * rng.random(), sensors=()) for one in changed.assets
    )
    if from_held(replace(changed, assets=valued), had) == from_held(twin, had):
        changed = replace(changed, assets=valued)
    more = [Link(LinkKind.REACHES, str(rng.choice(unseen)), one.id, port=7) for one in new[1:]]
    things: list[Link | Weakness] = [*changed.links, *changed.weaknesses]
    for thing in [*more, *(things[place] for place in rng.permutation(len(things))[:TRIED])]:
        other = toggled(changed, thing)
        if from_held(other, had) == from_held(twin, had):
            changed = other
    return changed


def toggled(twin: Twin, thing: Link | Weakness) -> Twin:
    """The twin without a link or weakness that it has, or with one that it has not."""
    if isinstance(thing, Weakness):
        return replace(twin, weaknesses=tuple(one for one in twin.weaknesses if one != thing))
    kept = [one for one in twin.links if one != thing]
    return replace(
        twin, links=tuple(kept if len(kept) < len(twin.links) else sorted([*kept, thing], key=lambda one: one.key))
    )


def from_held(twin: Twin, had: frozenset[str]) -> list[tuple[tuple[str, ...], float]]:
    """The steps out of what was held: all that the attacker may have seen to be open are among them."""
    return sorted((step.order, step.probability) for step in derive_steps(twin) if step.source in had)


def transplanted(state: WorldState, game: Game, other: Game, had: frozenset[str], rng: np.random.Generator) -> Worlds:
    """A world of the other game: what steps out of held assets rest on stands as in the first, the rest anyhow."""
    steps = [step for step in game.compiled.steps if step.source in had]
    near = {name for step in steps for name in (step.source, step.target, step.identity) if name is not None} | had
    crossed = {step.link for step in steps}
    worlds = Worlds.make(other.compiled, other.effects, other.parameters, world_ids=[1], stream=STREAM_ENVIRONMENT)
    there, rows = worlds.state, worlds.state.asset[0]
    for name in ("tick", "id", "episode"):
        there.world[name] = state.world[name]
    there.attacker["onset"] = state.attacker["onset"]
    for name in ("user", "admin", "persist"):
        rows[name] = rng.integers(0, 2, len(rows)) << 1  # another attacker's
    rows["modes"] = rng.choice([0, 1, BLOCKING & 0xF, 1 << 8], len(rows)) | rng.choice(MARKS, len(rows))
    for one in near:
        rows[other.compiled.asset_number[one]] = state.asset[0][game.compiled.asset_number[one]]
    held = rng.permutation(state.held[0, : state.world["held_n"][0]])
    there.held[0, : len(held)] = [other.compiled.asset_number[game.compiled.twin.assets[a].id] for a in held]
    there.world["held_n"] = len(held)
    cuts = {link.key: int(cut) for link, cut in zip(game.compiled.links, state.cut[0], strict=True)}
    for number, link in enumerate(other.compiled.links):
        there.cut[0, number] = cuts[link.key] if link.key in crossed else rng.integers(0, 2)
    return worlds


def test_what_befalls_a_held_asset_is_seen() -> None:
    """The control: cut off, lost and persistent, each shows in its own column."""
    env = AttackEnv(game=short_game(), defender="nothing")
    env.reset(seed=6)
    rng = np.random.default_rng(0)
    for _ in range(12):
        seen = attack(env, rng)
    inside = seen["assets"][:, ASSET_COLUMNS.index("user")] & (1 - seen["assets"][:, ASSET_COLUMNS.index("entry")])
    slot = int(np.flatnonzero(inside)[0])
    row = env._worlds.worlds.state.asset[0, env.game.compiled.asset_number[env.asset_names()[slot]]]
    row.modes |= 1
    assert env._see()["assets"][slot, ASSET_COLUMNS.index("cut_off")] == 1
    row.user, row.admin, row.persist = 0, 0, 1
    told = dict(zip(ASSET_COLUMNS, env._see()["assets"][slot], strict=True))
    assert (told["user"], told["had"], told["cut_off"], told["persists"]) == (0, 1, 0, 1)


def test_rows_are_the_open_steps_and_say_what_they_are() -> None:
    """By the rulebook, each once; ends, needs, gains, technique and chance are the step's."""
    env = AttackEnv(game=short_game(), defender="nothing")
    seen, _ = env.reset(seed=6)
    rng, compiled = np.random.default_rng(1), env.game.compiled
    for _ in range(TICKS - 1):
        listed, names = env._discovery.listed, env.asset_names()
        assert sorted(listed) == np.flatnonzero(env._worlds.worlds.open_steps(0)[0]).tolist()
        assert env.observation_space.contains(seen) and env.action_masks().sum() == 1 + len(listed)
        for row, number in enumerate(listed):
            step, columns = compiled.steps[int(number)], dict(zip(STEP_COLUMNS, seen["steps"][row], strict=True))
            ends = dict(zip(ENDS, seen["ends"][row], strict=True))
            assert (names[ends["source"] - 1], names[ends["target"] - 1]) == (step.source, step.target)
            assert (names[ends["identity"] - 1] if ends["identity"] else None) == step.identity
            assert (
                columns[step.technique] and columns[f"gains_{step.gains.word}"] and columns[f"needs_{step.needs.word}"]
            )
            assert sum(columns.values()) == 4 and seen["chances"][row] == np.float32(step.probability)
        for slot, name in enumerate(names):
            columns = dict(zip(ASSET_COLUMNS, seen["assets"][slot], strict=True))
            assert columns["known"] and columns[compiled.twin.asset_by_id[name].kind.word]
            into = {
                compiled.steps[int(one)].step_class.word for one in listed if compiled.steps[int(one)].target == name
            }
            assert columns["in_reach"] == bool(into) and all(columns[word] for word in into)
        assert not seen["assets"][len(names) :].any() and not seen["steps"][len(listed) :].any()
        seen = attack(env, rng)


def test_slots_are_kept_and_rows_keep_their_order() -> None:
    """A slot is never given anew within an episode; open steps stay in the order in which they were found."""
    env = AttackEnv(game=short_game())
    env.reset(seed=6)
    rng, names, order = np.random.default_rng(1), env.asset_names(), list(env._discovery.listed)
    for _ in range(TICKS - 1):
        attack(env, rng)
        assert env.asset_names()[: len(names)] == names
        listed, names = list(env._discovery.listed), env.asset_names()
        assert [one for one in listed if one in order] == [one for one in order if one in listed]
        order += [one for one in listed if one not in order]


def test_what_is_found_together_comes_in_an_order_of_the_episode() -> None:
    """Not by number: episodes differ, an episode that is played again does not."""
    env = AttackEnv(game=short_game(), defender="nothing")
    orders = []
    for seed in (0, 1, 2, 3, 0):
        env.reset(seed=seed)
        orders.append(tuple(env.asset_names()))
    assert orders[0] == orders[4] and len(set(orders)) > 2
    assert len({frozenset(order) for order in orders}) == 1


def test_what_does_not_fit_is_told_and_the_newest_steps_are_listed() -> None:
    """Few rows: the last found; few slots: steps that name what has none are left out; both are counted."""
    small, full = (AttackEnv(game=short_game(), defender="nothing", **size) for size in ({"rows": 3}, {}))
    (_, told), _ = small.reset(seed=6), full.reset(seed=6)
    assert len(full._discovery.listed) > 3
    assert list(small._discovery.listed) == list(full._discovery.listed[-3:])
    assert told["left_out"] == {"assets": 0, "steps": len(full._discovery.listed) - 3}
    assert small.action_space.n == 4 and small.action_masks().tolist() == [True] * 4
    narrow = AttackEnv(game=short_game(), defender="nothing", slots=2)
    seen, told = narrow.reset(seed=6)
    assert narrow.asset_names() == full.asset_names()[:2] and narrow.observation_space.contains(seen)
    assert told["left_out"]["assets"] == len(full.asset_names()) - 2
    named = {seen["ends"][row].max() for row in range(len(narrow._discovery.listed))}
    assert named <= {1, 2}
    assert told["left_out"]["steps"] == len(full._discovery.listed) - len(narrow._discovery.listed)
    assert narrow.step(1)[4]["refused"] == (not len(narrow.step_names()) and True)


@pytest.mark.parametrize("size", [{"slots": 0}, {"rows": 5000}])
def test_a_size_out_of_range_is_refused(size: dict[str, int]) -> None:
    """Naming which, and the range."""
    with pytest.raises(EnvError, match=f"{next(iter(size))} .*give 1..4096"):
        AttackEnv(game=short_game(), **size)  # type: ignore[arg-type]
