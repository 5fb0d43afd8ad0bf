"""What is tuned on and what is judged on are kept apart."""

from __future__ import annotations

import pytest
from tocsin.envs.scenario import Scenario, parse_scenario
from tocsin.training.chains import HELD_OUT, ChainsError, kept_for_judging, trials

MADE = {"name": "made", "generate": {"assets": 12, "owners": 2}, "horizon_ticks": 4}


def made(**more: object) -> Scenario:
    return parse_scenario({**MADE, **more}, "test")


def test_generated_chains_are_judged_on_seeds_that_are_kept_apart() -> None:
    """As many are tuned on; no seed is in both, and every judged chain is another."""
    found = trials([made()], 3)
    judged = [trial.judged.scenario.made for trial in found]
    tuned = [game.scenario.made for game in found[0].tuned]
    assert [one.seed for one in judged if one] == [HELD_OUT, HELD_OUT + 1, HELD_OUT + 2]
    assert [one.seed for one in tuned if one] == [0, 1, 2]
    assert len({trial.name for trial in found}) == 3 and all(trial.tuned == found[0].tuned for trial in found)


def test_a_chain_from_a_file_is_tuned_and_judged_on_with_other_attacks() -> None:
    """It is one chain; the streams differ, see `playing`."""
    (trial,) = trials([parse_scenario({"name": "one"}, "test")], 1)
    assert trial.tuned == (trial.judged,) and trial.name == "one"


@pytest.mark.parametrize(
    ("scenario", "chains", "named"),
    [
        (made(), 0, "--chains 0"),
        (made(), 1001, "--chains 1001"),
        (parse_scenario({"name": "one"}, "test"), 2, "scenario one has one"),
        (made(generate={"assets": 12, "owners": 2, "seed": HELD_OUT}), 1, f"from {HELD_OUT} on are kept"),
    ],
)
def test_what_cannot_be_kept_apart_is_refused(scenario: Scenario, chains: int, named: str) -> None:
    """The message names the setting and the mend."""
    with pytest.raises(ChainsError, match=named):
        trials([scenario], chains)


def test_two_scenarios_of_one_name_are_refused() -> None:
    """Their chains could not be told apart in the results."""
    with pytest.raises(ChainsError, match="twice"):
        trials([made(), made(generate={"assets": 16, "owners": 2})], 1)


def test_chains_kept_for_judging_are_not_trained_on() -> None:
    """The fault names the seed; other seeds and chains of files have none."""
    kept = made(generate={"assets": 12, "owners": 2, "seed": HELD_OUT})
    assert str(HELD_OUT) in kept_for_judging(kept)
    assert kept_for_judging(made()) == kept_for_judging(parse_scenario({"name": "one"}, "test")) == ""
