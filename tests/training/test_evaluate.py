"""Evaluation: the same attacks for all on every chain, and figures that add up."""

from __future__ import annotations

import pytest
from tocsin.envs.game import load_game
from tocsin.envs.policy_file import NumpyPolicy
from tocsin.envs.scenario import Generator, Scenario
from tocsin.envs.scripted import Clairvoyant, Defender, Threshold, nothing
from tocsin.tests.envs.games import short_game
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.training import contenders as tuning
from tocsin.training.chains import Trial
from tocsin.training.contenders import (
    CLAIRVOYANT,
    NOTHING,
    PHONE,
    STOPPING,
    THRESHOLD,
    Contender,
    by_phone,
    contenders,
    tune,
)
from tocsin.training.evaluate import Evaluation, EvaluationError, compare, evaluate

EPISODES = 24


def policies() -> dict[str, Contender]:
    game = short_game()
    found: dict[str, Defender] = {NOTHING: nothing, THRESHOLD: Threshold(game, 0.3), CLAIRVOYANT: Clairvoyant(game)}
    return {name: Contender(game, policy) for name, policy in found.items()}


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate({"short": policies()}, episodes=EPISODES)


def test_scores_add_up(evaluation: Evaluation) -> None:
    """Means lie in their intervals and are the sums over causes and over owners, and the mean over chains."""
    assert [score.name for score in evaluation.scores] == [NOTHING, THRESHOLD, CLAIRVOYANT]
    for score in evaluation.scores:
        assert score.low <= score.mean <= score.high and score.episodes == EPISODES
        assert score.iqm.low <= score.iqm.value <= score.iqm.high
        assert sum(score.by_cause.values()) == pytest.approx(score.mean)
        assert sum(score.by_owner.values()) == pytest.approx(score.mean)
        assert score.by_chain == {"short": pytest.approx(score.mean)}


def test_what_is_saved_is_a_share_of_what_the_upper_bound_saves(evaluation: Evaluation) -> None:
    """Doing nothing saves 0, the bound 1; where the bound saves nothing there is no share."""
    first, *_, bound = evaluation.scores
    assert (first.saved, bound.saved) == (0, 1)
    names, game = (NOTHING, THRESHOLD, CLAIRVOYANT), short_game()
    swapped = dict(zip(names, [Contender(game, one) for one in (Clairvoyant(game), nothing, nothing)], strict=True))
    assert [score.saved for score in evaluate({"short": swapped}, episodes=EPISODES).scores] == [None, None, None]


def test_responses_are_told_by_playbook(evaluation: Evaluation) -> None:
    """Doing nothing proposes nothing; the clairvoyant restores."""
    by_name = {score.name: score for score in evaluation.scores}
    assert set(by_name[NOTHING].responses.values()) == {0.0}
    assert by_name[CLAIRVOYANT].responses["restore-asset"] > 0


def test_differences_are_paired(evaluation: Evaluation) -> None:
    """A mean of differences is the difference of means, and pairing makes its interval no wider than their sum."""
    by_name = {score.name: score for score in evaluation.scores}
    for difference in evaluation.differences:
        one, other = by_name[difference.policy], by_name[difference.reference]
        assert difference.mean == pytest.approx(one.mean - other.mean)
        assert difference.low <= difference.mean <= difference.high
        assert difference.high - difference.low <= (one.high - one.low) + (other.high - other.low) + 1e-9
        assert 0.0 <= difference.improvement.low <= difference.improvement.value <= difference.improvement.high <= 1.0


def test_the_same_chain_twice_changes_no_mean(evaluation: Evaluation) -> None:
    """Chains are weighed alike, and owners of equal id are taken together."""
    twice = evaluate({"one": policies(), "other": policies()}, episodes=EPISODES)
    for one, both in zip(evaluation.scores, twice.scores, strict=True):
        assert both.mean == pytest.approx(one.mean) and both.episodes == 2 * one.episodes
        assert both.by_owner == pytest.approx(one.by_owner) and both.minutes == one.minutes
        assert both.high - both.low <= one.high - one.low + 1e-9


def test_an_owners_loss_is_the_mean_over_the_chains_it_is_on() -> None:
    """Chains without that owner do not thin it out."""
    made = Generator(assets=20, owners=2, seed=5)
    games = [short_game(), load_game(Scenario(name="other", horizon_ticks=30, generate=made))]
    owners = [{owner.id for owner in game.compiled.twin.owners} for game in games]
    assert owners[0] & owners[1] == {"internet"}
    fields = [{name: Contender(game, nothing) for name in (NOTHING, THRESHOLD, CLAIRVOYANT)} for game in games]
    both = evaluate(dict(zip("ab", fields, strict=True)), episodes=4).scores[0].by_owner
    alone = [evaluate({"a": field}, episodes=4).scores[0].by_owner for field in fields]
    assert both["internet"] == pytest.approx((alone[0]["internet"] + alone[1]["internet"]) / 2)
    assert any(loss for owner, loss in alone[0].items() if owner != "internet")
    for one in alone:
        assert {owner: both[owner] for owner in one if owner != "internet"} == pytest.approx(
            {owner: loss for owner, loss in one.items() if owner != "internet"}
        )


def test_owners_who_call_are_slower() -> None:
    """The same chain and attacks by phone: doing nothing costs the same, defending comes to something else."""
    calling = by_phone(short_game())
    assert calling.parameters.is_by_phone and by_phone(calling) is calling
    field = {**policies(), PHONE: Contender(calling, nothing), "calling": Contender(calling, Threshold(calling, 0.3))}
    scores = {score.name: score for score in evaluate({"short": field}, episodes=EPISODES).scores}
    assert scores[PHONE].mean == scores[NOTHING].mean
    assert scores["calling"].mean != scores[THRESHOLD].mean, "calls change what a defence comes to"


def test_tuning_knows_training_attacks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every number is the best of its candidates on the training stream."""
    monkeypatch.setattr(tuning, "TUNING_WORLDS", 4)
    monkeypatch.setattr(tuning, "LEVELS", (0.3, 0.6))
    monkeypatch.setattr(tuning, "CUT_LEVELS", (0.9,))
    streams = []
    lost = tuning.lost
    monkeypatch.setattr(tuning, "lost", lambda *a, stream: streams.append(stream) or lost(*a, stream=stream))
    tuned = tune([short_game()])
    assert set(streams) == {tuning.STREAM_ENVIRONMENT}
    assert tuned.restore in (0.3, 0.6) and tuned.isolate == 0.9 and all(0 < level < 1 for level in tuned.stops)
    assert {STOPPING, PHONE} <= set(contenders(short_game(), tuned, {}))


def test_what_cannot_be_compared_is_refused() -> None:
    """Fewer than two episodes, or without the policies that bound the saving, or under a baseline's name."""
    with pytest.raises(EvaluationError, match="2 or more"):
        evaluate({"short": policies()}, episodes=1)
    incomplete = {name: one for name, one in policies().items() if name != CLAIRVOYANT}
    with pytest.raises(EvaluationError, match="clairvoyant"):
        evaluate({"short": incomplete}, episodes=5)
    with pytest.raises(EvaluationError, match="baseline"):
        compare([Trial(short_game(), (short_game(),))], {NOTHING: NumpyPolicy({}, {})}, episodes=2)
