"""Suites: files that say what is judged on, frozen ones that cannot change unseen, judged and tuned chains apart."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tocsin.tests.training.small_suites import SMALL, small_suite
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.training import contenders as tuning
from tocsin.training.chains import HELD_OUT, kept_for_judging
from tocsin.training.contenders import BASELINES, CLAIRVOYANT, NOTHING, THRESHOLD
from tocsin.training.costs import Budget
from tocsin.training.evaluate import EvaluationError
from tocsin.training.freezing import check, digest_of
from tocsin.training.judging import judge
from tocsin.training.suites import SuiteError, read_suite, shipped_suites

FROZEN = ("tocsin-bench-1", "tocsin-bench-1-large")


@pytest.mark.parametrize("name", FROZEN)
def test_frozen_suites_play_what_they_were_frozen_with(name: str) -> None:
    """The digest in the file is that of what would be played today, on this machine."""
    suite = read_suite(name)
    assert suite.said.digest is not None and suite.tuned is not None
    check(suite)


def test_the_benchmark_is_what_it_says() -> None:
    """20 chains of 50 to 200 assets x 4 attackers x 50 attacks, on seeds that no training may use."""
    suite = read_suite("tocsin-bench-1")
    assert len(suite.judged) == 80 and len({place.chain for place in suite.judged}) == 20 and suite.said.episodes == 50
    sizes = [place.scenario.made.assets for place in suite.judged if place.scenario.made]
    assert min(sizes) == 50 and max(sizes) == 200
    assert all(kept_for_judging(place.scenario) for place in suite.judged)
    assert not any(kept_for_judging(place.scenario) for place in suite.tuned_on)
    seeds = {place.scenario.made.seed for place in suite.judged if place.scenario.made}
    assert len(seeds) == 20 and min(seeds) >= HELD_OUT


def test_the_digest_is_of_what_is_played_and_not_of_the_file(tmp_path: Path) -> None:
    """Another folder, name or comment changes nothing; each thing that decides results does."""
    suite = read_suite(small_suite(tmp_path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    same = read_suite(small_suite(elsewhere, "# a comment\n" + SMALL.replace("name: small", "name: other")))
    digest = digest_of(suite)
    assert digest_of(same) == digest
    for old, new in (
        ("episodes: 4", "episodes: 5"),
        ("horizon_ticks: 40", "horizon_ticks: 42"),
        ("tries_per_hour: 300", "tries_per_hour: 301"),
        ("assets: 14", "assets: 15"),
        ("judged: {first_seed: 7", "judged: {first_seed: 8"),
        ("restore: 0.4", "restore: 0.41"),
    ):
        assert digest_of(read_suite(small_suite(elsewhere, SMALL.replace(old, new)))) != digest, new


def test_a_frozen_suite_that_has_changed_is_refused(tmp_path: Path) -> None:
    """It names both digests and says that this is another benchmark; nothing is played."""
    digest = digest_of(read_suite(small_suite(tmp_path)))
    check(read_suite(small_suite(tmp_path, SMALL + f"digest: {digest}\n")))
    changed = read_suite(small_suite(tmp_path, SMALL.replace("episodes: 4", "episodes: 6") + f"digest: {digest}\n"))
    with pytest.raises(SuiteError, match="another benchmark") as refused:
        judge(changed, {})
    assert digest in str(refused.value) and digest_of(changed) in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("assets: 14", "assets: 14, seed: 3", "seed"),
        ("episodes: 4", "episodes: 1", "episodes"),
        ("episodes: 4", "episode: 4", "episode"),
        ("preset: insider", "preset: nobody", "nobody"),
        ("assets: 12, owners: 2}, ", "assets: 3, owners: 2}, ", "assets"),
        ("name: small", "name: small\nplaybooks: [none-such]", "none-such"),
        ("name: small", "name: small\ndigest: abc", "digest"),
        ("name: small", "name: ../small", "name"),
        ("name: small", "name: Small one", "name"),
        ("{assets: 14, owners: 2}", "{chain: charging, horizon_ticks: 10}", "horizon_ticks stands beside chain"),
        ("{assets: 14, owners: 2}", "{chain: charging, attackers: []}", "attackers stands beside chain"),
        ("name: small", f"name: small\ndigest: {'a' * 64}", "tuned"),
    ],
)
def test_a_suite_that_says_what_cannot_be_is_refused(tmp_path: Path, old: str, new: str, named: str) -> None:
    """The message names the place."""
    text = SMALL.replace(old, new)
    if named == "tuned":
        text = text[: text.index("tuned: {restore")]
    with pytest.raises(ValueError, match=named):
        digest_of(read_suite(small_suite(tmp_path, text)))


def test_a_suite_that_is_not_there_names_those_that_are() -> None:
    """The shipped ones."""
    with pytest.raises(SuiteError, match="tocsin-bench-1"):
        read_suite("none-such")
    assert set(FROZEN) < set(shipped_suites())
    for path in shipped_suites().values():
        assert yaml.safe_load(path.read_text())["name"] == path.stem


def test_all_play_every_cell_and_chains_are_told_apart(tmp_path: Path) -> None:
    """Figures per policy and chain, per attacker, and over all; the clairvoyant is nowhere worse than a baseline."""
    suite = read_suite(small_suite(tmp_path))
    found = judge(suite, {}, budget=Budget(false=0.5))
    assert tuple(score.name for score in found.scores) == BASELINES
    by_name = {score.name: score for score in found.scores}
    for score in found.scores:
        assert score.episodes == 16 and list(score.chains) == ["00 (12 assets)", "01 (14 assets)"]
        assert score.mean == pytest.approx(sum(one.mean for one in score.chains.values()) / 2)
        assert score.mean == pytest.approx(sum(score.by_attacker.values()) / 2)
        for chain, one in score.chains.items():
            assert one.low <= one.mean <= one.high and one.episodes == 8
            assert one.mean == pytest.approx(sum(one.by_cause.values()))
            assert by_name[CLAIRVOYANT].chains[chain].mean <= one.mean + 1e-12
        assert (score.over_budget == ("false",)) == (score.false_containments > 0.5)
    assert by_name[NOTHING].over_budget == ()
    assert len(found.bound) == 4 and found.tuned["small"] == suite.tuned


def test_a_chain_alone_has_the_figures_that_it_has_among_others(tmp_path: Path) -> None:
    """So a few chains can be compared with kept results of all."""
    suite = read_suite(small_suite(tmp_path))
    whole, part = judge(suite, {}), judge(suite, {}, chains=1)
    for one, alone in zip(whole.scores, part.scores, strict=True):
        chain = next(iter(alone.chains))
        assert list(alone.chains) == [chain] and alone.chains[chain] == one.chains[chain]


def test_baselines_are_tuned_where_the_suite_says_no_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On its training chains, whose seeds are not those of the judged ones."""
    monkeypatch.setattr(tuning, "LEVELS", (0.3, 0.6))
    suite = read_suite(small_suite(tmp_path, SMALL[: SMALL.index("tuned: {restore")]))
    assert suite.tuned is None
    seen = []
    lost = tuning.lost
    monkeypatch.setattr(
        tuning, "lost", lambda game, *a, **k: seen.append(game.scenario.made.seed) or lost(game, *a, **k)
    )
    found = judge(suite, {}, chains=1, episodes=2)
    assert set(seen) == {7} and found.tuned["small"].restore in (0.3, 0.6)
    assert found.differences[0].reference == THRESHOLD


def test_more_chains_than_there_are_is_refused(tmp_path: Path) -> None:
    """The message names how many there are."""
    with pytest.raises(EvaluationError, match="has 2 chains"):
        judge(read_suite(small_suite(tmp_path)), {}, chains=3)
