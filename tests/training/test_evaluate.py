"""Evaluation: the same attacks for all, intervals that hold what they should, nothing that depends on batches."""

from __future__ import annotations

import numpy as np
import pytest
from tocsin.envs.vector import ResponseWorlds
from tocsin.playbooks.actions import encode
from tocsin.tests.envs.games import short_game
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.training import evaluate as module
from tocsin.training.baselines import BatchPolicy, Clairvoyant, Threshold, at_random, nothing
from tocsin.training.evaluate import (
    CLAIRVOYANT,
    NOTHING,
    THRESHOLD,
    Evaluation,
    EvaluationError,
    evaluate,
    interval,
    play,
    resampled_means,
)
from tocsin.twin.rulebook.worlds import STREAM_ENVIRONMENT, STREAM_EVALUATION

EPISODES = 24


def policies() -> dict[str, BatchPolicy]:
    game = short_game()
    return {NOTHING: nothing, THRESHOLD: Threshold(game, 0.3), CLAIRVOYANT: Clairvoyant(game)}


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(short_game(), policies(), episodes=EPISODES)


def test_scores_add_up(evaluation: Evaluation) -> None:
    """Means lie in their intervals and are the sums over causes and over owners."""
    assert [score.name for score in evaluation.scores] == [NOTHING, THRESHOLD, CLAIRVOYANT]
    for score in evaluation.scores:
        assert score.low <= score.mean <= score.high and score.episodes == EPISODES
        assert sum(score.by_cause.values()) == pytest.approx(score.mean)
        assert sum(score.by_owner.values()) == pytest.approx(score.mean)


def test_what_is_saved_is_a_share_of_what_the_upper_bound_saves(evaluation: Evaluation) -> None:
    """Doing nothing saves 0, the bound 1; where the bound saves nothing there is no share."""
    first, *_, bound = evaluation.scores
    assert (first.saved, bound.saved) == (0, 1)
    swapped = {NOTHING: Clairvoyant(short_game()), THRESHOLD: nothing, CLAIRVOYANT: nothing}
    assert [score.saved for score in evaluate(short_game(), swapped, episodes=EPISODES).scores] == [None, None, None]


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


def test_results_do_not_depend_on_how_many_play_side_by_side(
    evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven lanes or all at once: the same numbers, and the same again."""
    monkeypatch.setattr(module, "LANES", 7)
    assert evaluate(short_game(), policies(), episodes=EPISODES).scores == evaluation.scores


@pytest.mark.parametrize("name", ["nothing", "random", "clairvoyant"])
def test_blind_policies_play_the_same_without_belief(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left out for them changes no loss."""
    policy = {"nothing": nothing, "random": at_random, "clairvoyant": Clairvoyant(short_game())}[name]
    fast = play(short_game(), policy, range(6), stream=STREAM_EVALUATION)
    monkeypatch.setattr(module, "is_blind", lambda _: False)
    slow = play(short_game(), policy, range(6), stream=STREAM_EVALUATION)
    assert (fast.loss == slow.loss).all() and (fast.proposed == slow.proposed).all()


def test_evaluation_plays_other_attacks_than_training() -> None:
    """The stream makes the worlds: equal ids in both streams are different attacks."""
    trained, evaluated = (
        play(short_game(), nothing, range(8), stream=stream).loss.sum(axis=(1, 2))
        for stream in (STREAM_ENVIRONMENT, STREAM_EVALUATION)
    )
    assert (trained != evaluated).any()


def test_proposals_are_counted_by_playbook() -> None:
    """A policy that proposes one thing once per episode is counted as one of that playbook."""
    game = short_game()
    number = game.library.index_of("raise-monitoring")
    asset = int(np.flatnonzero(game.always[encode(number, 0, game.compiled.targets) :])[0])
    action = encode(number, asset, game.compiled.targets)

    def once(worlds: ResponseWorlds) -> np.ndarray:
        tick = worlds.worlds.state.world["tick"]
        return np.where(tick == 0, action, 0).astype(np.int32)

    counted = play(game, once, range(5), stream=STREAM_EVALUATION).proposed
    assert counted[number] == 1 and counted.sum() == 1


def test_intervals_cover_as_often_as_they_say() -> None:
    """Over 200 samples of 100 skewed losses the 95 % interval holds the true mean in 88 to 99 % of them."""
    rng = np.random.default_rng(5)
    samples = rng.exponential(1.0, (100, 200))
    means = resampled_means(samples)
    covers = [low <= 1.0 <= high for low, high in (interval(column) for column in means.T)]
    assert 0.88 <= np.mean(covers) <= 0.99


def test_what_cannot_be_compared_is_refused() -> None:
    """Fewer than two episodes, or without the policies that bound the saving."""
    with pytest.raises(EvaluationError, match="2 or more"):
        evaluate(short_game(), policies(), episodes=1)
    with pytest.raises(EvaluationError, match="clairvoyant"):
        evaluate(short_game(), {NOTHING: nothing, THRESHOLD: nothing}, episodes=5)
