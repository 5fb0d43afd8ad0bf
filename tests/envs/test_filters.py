"""Filters see what is public and nothing else, learn from other worlds, and are judged alike."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.envs.bench_belief import Settings, cases, check, counted_assets
from tocsin.envs.bench_commands import bench as bench_app
from tocsin.envs.filter_training import belief_of, calibrate, fit_logistic, train
from tocsin.envs.filters import HALF_LIVES, Counts, Filter
from tocsin.envs.game import Game
from tocsin.envs.scores import CAP, Score
from tocsin.orchestrator import cli
from tocsin.twin.rulebook.worlds import STREAM_EVALUATION, Worlds
from typer.testing import CliRunner

SMALL = Settings(assets=40, worlds=3, ticks=40)


@pytest.fixture(scope="module")
def game() -> Game:
    return next(iter(cases(SMALL).values()))


@pytest.fixture(scope="module")
def trained(game: Game) -> Any:
    return train(game, counted_assets(game), worlds=SMALL.worlds, ticks=SMALL.ticks, say=lambda _: None)


def filters(game: Game, trained: Any, worlds: int) -> dict[str, Filter]:
    """All of them."""
    return {"belief": belief_of(game, worlds), **trained.filters(worlds)}


def play(game: Game, ids: range) -> Worlds:
    """Worlds under attack."""
    return Worlds.make(game.compiled, game.effects, game.parameters, world_ids=ids, stream=STREAM_EVALUATION)


def test_no_filter_sees_the_truth(game: Game, trained: Any) -> None:
    """The same findings with other hidden access give the same probabilities."""
    seeing, blind = filters(game, trained, 3), filters(game, trained, 3)
    worlds = play(game, range(3))
    for _ in range(30):
        worlds.roll(1)
        hidden = worlds.fork(range(3)).state
        for field in ("user", "admin", "persist"):
            hidden.asset[field] = 0
        hidden.held[:], hidden.world["held_n"][:] = 0, 0
        for name in seeing:
            seeing[name].update(worlds.state)
            blind[name].update(hidden)
    for name in seeing:
        assert np.array_equal(seeing[name].held(), blind[name].held()), name


def test_a_world_is_followed_alike_alone_and_among_others(game: Game, trained: Any) -> None:
    """Probabilities do not depend on the batch."""
    some, alone = filters(game, trained, 3), filters(game, trained, 1)
    together, single = play(game, range(3)), play(game, range(2, 3))
    for _ in range(20):
        together.roll(1)
        single.roll(1)
        for name in some:
            some[name].update(together.state)
            alone[name].update(single.state)
    for name in some:
        assert np.allclose(some[name].held()[2], alone[name].held()[0], atol=1e-6), name


def test_counts_fade_by_half_in_a_half_life(game: Game) -> None:
    """A finding counts by its confidence, and half of that a half-life later."""
    state = play(game, range(1)).state
    counts = Counts(1, len(game.compiled.twin.assets), HALF_LIVES)
    state.finding[0, 0] = (5, 0, 0, 2)
    state.world["finding_n"][0] = 1
    counts.add(state)
    assert counts.value[:, 0, 5].tolist() == [3.0, 3.0, 3.0]
    state.world["finding_n"][0] = 0
    for _ in range(HALF_LIVES[0]):
        counts.add(state)
    assert counts.value[0, 0, 5] == pytest.approx(1.5, rel=1e-4)
    assert counts.value.sum() == counts.value[:, 0, 5].sum()


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=50))
def test_scores_are_bounded_and_add_up(said: list[tuple[float, bool]]) -> None:
    """Whatever is said, losses are within their bounds, and do not depend on how cases are batched."""
    probability = np.array([p for p, _ in said], np.float32)
    truth: npt.NDArray[np.bool_] = np.array([t for _, t in said], np.bool_)
    whole, parts = Score(), Score()
    whole.add(probability, truth)
    for p, t in zip(probability, truth, strict=True):
        parts.add(np.array([p]), np.array([t]))
    means = whole.means()
    assert 0 < means["log_loss"] <= -np.log(CAP) + 1e-9 and 0 <= means["brier"] <= 1
    assert 0 <= means["calibration_error"] <= 1
    assert means == pytest.approx(parts.means())


def test_the_best_score_is_the_true_probability() -> None:
    """Log loss of what is true is below that of more and of less, and its calibration error is none."""
    truth = np.zeros(1000, np.bool_)
    truth[:250] = True
    means = {}
    for said in (0.15, 0.25, 0.35):
        score = Score()
        score.add(np.full(1000, said), truth)
        means[said] = score.means()
    assert means[0.25]["log_loss"] < min(means[0.15]["log_loss"], means[0.35]["log_loss"])
    assert means[0.25]["calibration_error"] == pytest.approx(0.0, abs=1e-9)


def test_a_calibration_gives_the_share_held() -> None:
    """Scores that were held half of the time are worth a half, at each time by itself."""
    score = np.tile(np.array([0.0, 1.0], np.float32), 2_000)
    tick = np.repeat([10, 90], 2_000)
    truth = (score > 0) & (np.arange(4_000) % 4 == 1)
    made = calibrate(score, tick, truth, np.ones(4_000), np.array([50.0]))
    for when in (10, 90):
        assert made(np.array([0.0, 1.0], np.float32), when) == pytest.approx([0.0, 0.5], abs=0.01)


def test_a_logistic_fit_finds_the_weights() -> None:
    """Cases drawn by known weights give these back."""
    rng = np.random.default_rng(3)
    rows = np.column_stack([np.ones(40_000), rng.normal(2.0, 3.0, 40_000), rng.normal(size=40_000)]).astype(np.float32)
    weight = np.array([-1.0, 0.5, -0.25])
    truth = rng.random(40_000) < 1 / (1 + np.exp(-rows @ weight))
    assert fit_logistic(rows, truth, np.ones(40_000)) == pytest.approx(weight, abs=0.06)


def test_the_command_prints_every_filter_of_every_case() -> None:
    """JSON with log loss, calibration error and time per tick, of the cases that are as assumed and not."""
    done = CliRunner().invoke(bench_app, ["belief", "--assets", "40", "--worlds", "2", "--ticks", "12", "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    wrong = {"rates_times_3", "rates_divided_by_3", "unknown_technique"}
    assert set(result["cases"]) == {"right", "insider", "insider_anywhere", "two_attackers"} | wrong
    assert {"belief_insiders", "belief_told", "belief_informed"} <= set(result["cases"]["insider"]["filters"])
    for case in result["cases"].values():
        assert {"belief", "counts", "counts_spread", "logistic"} <= set(case["filters"])
        for figures in case["filters"].values():
            assert {"log_loss", "calibration_error", "us_per_tick"} <= set(figures)


@pytest.mark.parametrize("bad", [["--assets", "9"], ["--worlds", "0"], ["--ticks", "9"], ["--seed", "-1"]])
def test_bad_sizes_are_refused_in_one_line(
    bad: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, the option and its range."""
    monkeypatch.setattr(cli, "_entry_points", lambda: {"bench": "tocsin.envs.bench_commands:bench"})
    with pytest.raises(SystemExit) as left:
        cli.main(["bench", "belief", *bad])
    error = capsys.readouterr().err
    assert left.value.code == 2 and len(error.splitlines()) == 1 and bad[0] in error


def test_the_largest_chain_has_a_size() -> None:
    """Before anything is generated."""
    with pytest.raises(ValueError, match="give 10 to 100000"):
        check(Settings(assets=10**9))


def test_the_smallest_chain_can_be_measured() -> None:
    """Ten assets of two owners have every case."""
    assert all(len(game.compiled.twin.assets) == 10 for game in cases(Settings(assets=10)).values())
