"""The node's policy: promoted by somebody it trusts, with playbooks it was evaluated with, and watched in counts."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from tocsin.envs.game import Game, make_game
from tocsin.envs.policy_file import load_policy
from tocsin.envs.policy_shelf import PolicyShelf, ShelfError
from tocsin.envs.profile import Profile, Window, profile_of
from tocsin.envs.promotion import PromotionRefused, listed
from tocsin.envs.scenario import read_scenario
from tocsin.envs.vector import ResponseWorlds
from tocsin.orchestrator import watching
from tocsin.orchestrator.advise import Situation
from tocsin.orchestrator.assemble import Parts, build_node
from tocsin.orchestrator.keys import make_home
from tocsin.orchestrator.node_policy import NodePolicy, PolicyChoiceError, node_policy
from tocsin.orchestrator.proposals import Outlook, Proposal
from tocsin.orchestrator.rules_policy import ThresholdPolicy
from tocsin.orchestrator.settings import Home, PolicyChoice, home_of
from tocsin.orchestrator.store import audit_records, open_store, outlooks, policy_windows, reading, sqlite_url
from tocsin.orchestrator.watching import Counts, Watcher
from tocsin.playbooks.actions import load_library
from tocsin.tests.envs.promoting import ROLE, policy, promoted_file
from tocsin.tests.orchestrator.fakes import ISOLATE, START, WEB, house
from tocsin.tests.playbooks.makers import Person, write_trust
from tocsin.twin.sources import load_example

LENGTH = 30


@pytest.fixture(scope="module")
def game() -> Game:
    return make_game(read_scenario(), load_example().twin, load_library())


@pytest.fixture
def grace() -> Person:
    return Person("grace", ROLE)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_of(tmp_path / "home")


def _trusting(home: Home, *people: Person) -> PolicyShelf:
    shelf = PolicyShelf(home.path / "policies")
    shelf.folder.mkdir(parents=True, exist_ok=True)
    write_trust(shelf.trust, "shop", people)
    return shelf


def _profile() -> Profile:
    empty = Window.empty()
    return profile_of([[Window(empty.decisions + 1, empty.counts + 1)] * 3], LENGTH)


def _situation(game: Game) -> Situation:
    """Six worlds in which an attacker and responses are at work."""
    worlds, rng = ResponseWorlds(game, range(6)), np.random.default_rng(0)
    for _ in range(12):
        worlds.step(np.array([rng.choice(np.flatnonzero(mask)) for mask in worlds.masks()], np.int32))
    return Situation(worlds.observation, worlds.masks(), worlds.held(), worlds.worlds.state)


def test_without_a_policy_the_rule_proposes(game: Game, home: Home) -> None:
    """A home that names none decides as the tuned threshold rule does, and may propose whatever the library has."""
    chosen, situation = node_policy(game, home, PolicyChoice()), _situation(game)
    rule = ThresholdPolicy(game.compiled, game.effects, game.library)(situation)
    assert rule.any()
    np.testing.assert_array_equal(chosen(situation), rule)
    assert all(chosen.may_propose(one.id) for one in game.library.playbooks)


def test_a_first_use_reaches_a_running_node(game: Game, home: Home, tmp_path: Path, grace: Person) -> None:
    """Started with the rule, the node takes the first policy that is used at its next decision."""
    shelf, path, situation = _trusting(home, grace), promoted_file(tmp_path, grace), _situation(game)
    chosen = node_policy(game, home, PolicyChoice())
    before = chosen(situation)
    shelf.use(path, datetime.now().astimezone())
    expected = load_policy(path).act(situation.observation, situation.masks, game.graph, game.effects)
    assert (before != expected).any()
    np.testing.assert_array_equal(chosen(situation), expected)


def test_an_unsigned_policy_decides_no_more_once_there_is_trust(
    game: Game, home: Home, tmp_path: Path, grace: Person
) -> None:
    """A trust file that appears beside a running trial counts from the next decision on: the policy waits."""
    policy(tmp_path)
    chosen = node_policy(game, home, PolicyChoice(tmp_path / "trained-0.tocsin", unsigned=True))
    situation = _situation(game)
    assert chosen(situation).any()
    _trusting(home, grace)
    assert not chosen(situation).any()


def test_another_file_than_the_pointer_names_is_not_loaded(
    game: Game, home: Home, tmp_path: Path, grace: Person
) -> None:
    """A promoted policy put under the current one's name is refused at the start, and by a node that reads anew."""
    shelf, situation = _trusting(home, grace), _situation(game)
    shelf.use(promoted_file(tmp_path, grace), datetime.now().astimezone())
    chosen = node_policy(game, home, PolicyChoice())
    assert chosen(situation).any()
    shelf.place_of(shelf.standing().stack[0]).write_bytes(promoted_file(tmp_path, grace, 1).read_bytes())
    with pytest.raises(ShelfError, match="not the file that was used"):
        node_policy(game, home, PolicyChoice())
    write_trust(shelf.trust, "shop", [grace, Person("ada", ROLE)])
    assert not chosen(situation).any()


def test_who_trusts_nobody_uses_an_unsigned_policy_only_when_told(game: Game, home: Home, tmp_path: Path) -> None:
    """Without a trust file a policy is refused, and used where the setting says so."""
    policy(tmp_path)
    path = tmp_path / "trained-0.tocsin"
    with pytest.raises(PolicyChoiceError, match="--unsigned-policy"):
        node_policy(game, home, PolicyChoice(path))
    assert isinstance(node_policy(game, home, PolicyChoice(path, unsigned=True)), NodePolicy)


def test_who_trusts_somebody_uses_promoted_policies_alone(
    game: Game, home: Home, tmp_path: Path, grace: Person
) -> None:
    """With a trust file an unsigned policy is refused, also with the setting; so is one by another key."""
    _trusting(home, grace)
    policy(tmp_path)
    path = tmp_path / "trained-0.tocsin"
    with pytest.raises(PromotionRefused, match="not promoted"):
        node_policy(game, home, PolicyChoice(path))
    with pytest.raises(PolicyChoiceError, match=r"trust\.json"):
        node_policy(game, home, PolicyChoice(path, unsigned=True))
    with pytest.raises(PromotionRefused, match="not trusted"):
        node_policy(game, home, PolicyChoice(promoted_file(tmp_path, Person("eve", ROLE))))
    assert isinstance(node_policy(game, home, PolicyChoice(promoted_file(tmp_path, grace))), NodePolicy)


def test_only_evaluated_playbooks_are_proposed(
    game: Game, home: Home, tmp_path: Path, grace: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """The policy chooses the best of what it was evaluated with; the others are named when it is loaded."""
    _trusting(home, grace)
    situation, everything = _situation(game), promoted_file(tmp_path, grace)
    free = load_policy(everything).act(situation.observation, situation.masks, game.graph, game.effects)
    used = {int(action - 1) // game.compiled.targets for action in free if action}
    assert used
    allowed = [row for index, row in enumerate(listed(game.library)) if index not in used]
    path = promoted_file(tmp_path, grace, shown={"playbooks": allowed})
    chosen = node_policy(game, home, PolicyChoice(path))
    assert isinstance(chosen, NodePolicy)
    actions = chosen(situation)
    assert not {int(action - 1) // game.compiled.targets for action in actions if action} & used
    for index, playbook in enumerate(game.library.playbooks):
        assert chosen.may_propose(playbook.id) == (index not in used)
        assert (f"playbook {playbook.name}:" in caplog.text) == (index in used)


def test_a_rollback_counts_from_the_next_decision_on(game: Game, home: Home, tmp_path: Path, grace: Person) -> None:
    """A running node takes what is current; trust taken back leaves no policy, so it waits."""
    shelf, now = _trusting(home, grace), datetime.now().astimezone()
    files = [promoted_file(tmp_path, grace, seed) for seed in (0, 1)]
    for path in files:
        shelf.use(path, now)
    chosen, situation = node_policy(game, home, PolicyChoice()), _situation(game)
    one, other = (
        load_policy(path).act(situation.observation, situation.masks, game.graph, game.effects) for path in files
    )
    assert (one != other).any()
    np.testing.assert_array_equal(chosen(situation), other)
    shelf.rollback(now)
    np.testing.assert_array_equal(chosen(situation), one)
    write_trust(shelf.trust, "shop", [Person("ada", ROLE)])
    assert not chosen(situation).any()


def test_a_promotion_that_ends_leaves_no_policy(
    game: Game, home: Home, tmp_path: Path, grace: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `valid_until` the policy waits, also in a node that was started before."""
    from tocsin.orchestrator import node_policy as module

    _trusting(home, grace)
    end = datetime.now().astimezone() + timedelta(hours=1)
    chosen, situation = (
        node_policy(game, home, PolicyChoice(promoted_file(tmp_path, grace, valid_until=end))),
        _situation(game),
    )
    assert chosen(situation).any()

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return end + timedelta(seconds=1)

    monkeypatch.setattr(module, "datetime", Later)
    assert not chosen(situation).any()


def test_a_node_refuses_by_name_what_its_policy_was_not_evaluated_with(tmp_path: Path) -> None:
    """Whatever the policy says, the proposal becomes no response, and the log names the playbook."""
    ours = house(tmp_path)
    node = ours.node
    node.may_propose = lambda playbook: playbook != ISOLATE
    ours.advisor.proposals = [Proposal(ISOLATE, 0, (WEB,), ("shop",), "held")]
    assert node.tick(START).proposed == ()
    with reading(node.engine) as conn:
        (body,) = conn.execute(sa.select(audit_records.c.body).where(audit_records.c.kind == "proposal_refused")).one()
    assert "not_evaluated" in body and "isolate" in body


def test_a_running_node_counts_what_its_policy_meets(
    home: Home, tmp_path: Path, grace: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real node on the shipped chain: windows of the profile's length lie in the store, in counts, bounded."""
    monkeypatch.setattr(watching, "MOST_WINDOWS", 2)
    twin = load_example().twin
    make_home(home.path, [owner.id for owner in twin.owners], operator=twin.owners[0].id)
    shelf = _trusting(home, grace)
    shelf.use(
        promoted_file(tmp_path, grace, shown={"observations": _profile().as_object()}), datetime.now().astimezone()
    )
    node = build_node(home, Parts(lockstep=True))
    for minute in range(3 * LENGTH + watching.EVERY):
        node.tick(START + timedelta(minutes=minute))
        node.tick(START + timedelta(minutes=minute))  # the twin stands still: nothing new is met
    with reading(node.engine) as conn:
        rows = conn.execute(sa.select(policy_windows).order_by(policy_windows.c.id)).all()
    assert [int(Window.of_object(row.body).decisions.sum()) for row in rows] == [LENGTH, watching.EVERY]
    assert {row.policy for row in rows} == {shelf.standing().stack[-1]}
    found = Window.of_object(rows[0].body)
    assert found.counts[0].sum() + found.counts[1].sum() >= LENGTH  # slots of what is dearest are always filled


@pytest.fixture
def watched(tmp_path: Path) -> tuple[Watcher, sa.Engine, list[float]]:
    """A watcher, its store, and the service lost per hour that it is told."""
    rate = [0.0]
    return Watcher(Counts("p"), lambda: rate[0]), open_store(sqlite_url(tmp_path / "store.sqlite")), rate


def _rows(engine: sa.Engine) -> dict[str, tuple[str, str, float]]:
    with reading(engine) as conn:
        return {row.response: (row.option, row.state, row.came) for row in conn.execute(sa.select(outlooks))}


OUTLOOK = Outlook(3600.0, (0.0, 0.0, 1.0, 2.0, 3.0), (0.0, 0.0, 0.5, 1.0, 2.0))


def _look(watcher: Watcher, engine: sa.Engine, minutes: int) -> None:
    with engine.begin() as conn:
        watcher.look(conn, START + timedelta(minutes=minutes))


def _through(watcher: Watcher, engine: sa.Engine, first: int, last: int) -> None:
    for minute in range(first, last + 1):
        _look(watcher, engine, minute)


def test_what_came_is_the_service_lost_over_the_horizon(watched: tuple[Watcher, sa.Engine, list[float]]) -> None:
    """Half an hour at two per hour within the horizon is one; what was lost before does not count."""
    watcher, engine, rate = watched
    rate[0] = 7.0
    _through(watcher, engine, 0, 5)
    with engine.begin() as conn:
        watcher.rehearsed(conn, "r", OUTLOOK, START + timedelta(minutes=5))
    rate[0] = 2.0
    _look(watcher, engine, 5)
    _through(watcher, engine, 6, 34)
    rate[0] = 0.0
    _through(watcher, engine, 35, 64)
    assert _rows(engine)["r"][1] == "open"
    _look(watcher, engine, 65)
    option, state, came = _rows(engine)["r"]
    assert (option, state) == ("nothing", "came") and came == pytest.approx(1.0, abs=1e-9)


def test_a_start_begins_its_own_outlook_and_disturbs_others(watched: tuple[Watcher, sa.Engine, list[float]]) -> None:
    """From the start on it stands for the response; what others expected of doing nothing is not what was done."""
    watcher, engine, rate = watched
    _look(watcher, engine, 0)
    with engine.begin() as conn:
        for name in ("r", "other"):
            watcher.rehearsed(conn, name, OUTLOOK, START)
    rate[0] = 1.0
    _through(watcher, engine, 0, 10)
    with engine.begin() as conn:
        watcher.started(conn, "r", START + timedelta(minutes=10))
    _through(watcher, engine, 11, 70)
    assert _rows(engine) == {"r": ("this", "came", pytest.approx(1.0)), "other": ("nothing", "disturbed", 0.0)}


@pytest.mark.parametrize("break_it", ["undo", "pause", "restart"])
def test_what_was_not_watched_whole_says_nothing(
    watched: tuple[Watcher, sa.Engine, list[float]], break_it: str
) -> None:
    """An undo, a pause or a new start of the node meanwhile leaves an outlook disturbed."""
    watcher, engine, _ = watched
    _look(watcher, engine, 0)
    with engine.begin() as conn:
        watcher.rehearsed(conn, "r", OUTLOOK, START)
        if break_it == "undo":
            watcher.undone(conn)
    if break_it == "restart":
        watcher = Watcher(Counts("p"), lambda: 0.0)
    _through(watcher, engine, 11 if break_it == "pause" else 1, 70)
    assert _rows(engine)["r"][1] == "disturbed"


def test_no_more_outlooks_are_kept_than_the_bound(
    watched: tuple[Watcher, sa.Engine, list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest go first."""
    monkeypatch.setattr(watching, "MOST_OUTLOOKS", 3)
    watcher, engine, _ = watched
    with engine.begin() as conn:
        for minute in range(6):
            watcher.rehearsed(conn, f"r{minute}", OUTLOOK, START + timedelta(minutes=minute))
    assert set(_rows(engine)) == {"r3", "r4", "r5"}
