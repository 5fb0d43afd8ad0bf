"""What responses cost: downtime that is theirs alone, consents that people give, and budgets."""

from __future__ import annotations

import numpy as np
import pytest
from tocsin.envs.attackers import Attacker
from tocsin.envs.game import Game, load_game
from tocsin.envs.scenario import Scenario
from tocsin.envs.scripted import Threshold, at_random, nothing
from tocsin.envs.vector import ResponseWorlds
from tocsin.playbooks.actions import encode
from tocsin.tests.envs.games import EVERY, TICKS, short_game
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.training.contenders import by_phone
from tocsin.training.costs import Budget, Costs, Meter
from tocsin.training.playing import play
from tocsin.twin.rulebook.worlds import STREAM_EVALUATION
from tocsin.twin.vocabulary import ConsentMode, LossCause, Proposer

SERVICE = int(LossCause.parse("service"))


def unattacked() -> Game:
    """The shipped chain, and nobody comes."""
    attacker = Attacker(absent=1.0)
    return load_game(Scenario(name="calm", attackers=(attacker,), horizon_ticks=TICKS, decide_every=EVERY))


def test_what_an_attacker_stops_is_no_downtime_of_responses() -> None:
    """Who does nothing has none, whatever is lost."""
    played = play(short_game(), nothing, range(20), stream=STREAM_EVALUATION)
    assert played.loss[:, :, SERVICE].sum() > 0 and (played.downtime == 0).all()


def test_without_an_attacker_all_that_is_lost_is_downtime() -> None:
    """Downtime is the service that was lost, but for the last interval, after which nobody looks."""
    game = unattacked()
    played = play(game, at_random, range(10), stream=STREAM_EVALUATION)
    lost = played.loss[:, :, SERVICE].sum(axis=1)
    assert lost.max() > 0
    assert (played.downtime <= lost + 1e-9).all()
    assert (played.downtime >= lost * (1 - 2 * EVERY / TICKS) - 0.1).all()


def test_downtime_is_part_of_the_service_that_is_lost() -> None:
    """Under attack and defence: between 0 and what is lost, and less than all where the attacker stops things too."""
    played = play(short_game(), Threshold(short_game(), 0.3), range(30), stream=STREAM_EVALUATION)
    lost = played.loss[:, :, SERVICE].sum(axis=1)
    assert (played.downtime >= 0).all() and played.downtime.sum() > 0
    assert played.downtime.mean() <= lost.mean() + 1e-9


@pytest.mark.parametrize("calls", [False, True])
def test_consents_are_those_that_the_table_asks_for(calls: bool) -> None:
    """Every action: a side whose owner is asked counts, and by phone each that does not sit at the desk."""
    game = by_phone(short_game()) if calls else short_game()
    twin, compiled = game.compiled.twin, game.compiled
    modes = {(r.owner, r.consent_class): r.mode for r in twin.consent if r.proposer is Proposer.OWN}
    desk = twin.owners[game.parameters.desk].id if calls else ""
    actions = np.flatnonzero(game.always)[1:]
    expected = []
    for action in actions:
        playbook, target = divmod(int(action) - 1, compiled.targets)
        effect = game.library.effects[playbook]
        owners = compiled.owners_of(target)
        expected.append(
            sum(modes.get((o, effect.consent_class)) is ConsentMode.ASK or (calls and o != desk) for o in owners)
        )
    assert Meter(game).consents(actions.astype(np.int32)).tolist() == expected
    assert max(expected) > 0 and Meter(game).consents(np.zeros(1, np.int32)).tolist() == [0]


def test_costs_are_counted_per_attack() -> None:
    """Proposals that need an answer add up over an episode."""
    game = short_game()
    restore = encode(game.library.index_of("restore-asset"), 0, game.compiled.targets)

    def once(worlds: ResponseWorlds) -> np.ndarray:
        first = worlds.worlds.state.world["tick"] == 0
        legal = np.flatnonzero(worlds.masks()[0, restore : restore + len(game.compiled.assets)])
        return np.where(first, restore + legal[0], 0).astype(np.int32)

    played = play(game, once, range(3), stream=STREAM_EVALUATION)
    first = np.flatnonzero(game.always[restore : restore + len(game.compiled.assets)])[0]
    asked = Meter(game).consents(np.array([restore + first], np.int32))[0]
    assert (played.consents == asked).all()


def test_a_budget_names_what_breaks_it() -> None:
    """Bounds that are not set are never broken; those that are no bound are refused."""
    costs = Costs(downtime=1.0, false=2.0, consents=3.0)
    assert Budget().broken(costs) == () and not Budget().is_bound
    assert Budget(downtime=1.0, false=1.9).broken(costs) == ("false",)
    assert Budget(downtime=0.5, consents=1.0).broken(costs) == ("downtime", "consents")
    with pytest.raises(ValueError, match="downtime"):
        Budget(downtime=-1.0)
    with pytest.raises(ValueError, match="false"):
        Budget(false=float("nan"))
