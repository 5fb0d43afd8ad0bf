"""What cooperation is worth: the table adds up, the rule reads its own view alone, one network sits in all seats."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tocsin.envs.active import OWN, PRESENT
from tocsin.envs.cooperation import with_cooperation
from tocsin.envs.game import load_game
from tocsin.envs.kinds import ARMS
from tocsin.envs.owners import OwnerWorlds
from tocsin.envs.policy_file import load_policy
from tocsin.envs.scenario import Generator, Scenario
from tocsin.orchestrator.cli import BAD_INPUT, main
from tocsin.tests.envs.games import STEPS, short_game
from tocsin.tests.training.in_process import without_ray
from tocsin.training import cooperation, family
from tocsin.training import train as module
from tocsin.training.chains import Trial
from tocsin.training.checkpoint import CheckpointError
from tocsin.training.cooperation import NEITHER, NOTHING, ONE_SEAT, RULE, CooperationError, compare
from tocsin.training.cooperation_commands import networks_of
from tocsin.training.cooperation_told import as_dict
from tocsin.training.family import Chain, Curriculum
from tocsin.training.imitate import watch
from tocsin.training.owners_rule import OwnersThreshold
from tocsin.training.seat_play import OwnersLearned, play_seats
from tocsin.training.settings import AS_WRITTEN, COALITION, OWNERS, TrainError, TrainSettings

SEATS = TrainSettings(
    seats="owners",
    cooperation="mixed",
    worlds=4,
    steps=6,
    workers=1,
    iterations=4,
    seconds=0,
    minibatches=2,
    epochs=1,
    imitation_worlds=4,
    imitation_passes=1,
    validation_worlds=8,
    validations=2,
)
SEATED = (OWNERS, COALITION)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    without_ray(monkeypatch)
    monkeypatch.setattr(family, "load_game", lambda scenario: short_game())


@pytest.fixture
def policy(short: None, tmp_path: Path) -> Path:
    out = tmp_path / "owners.tocsin"
    module.train(Scenario(name="short"), SEATS, out)
    return out


def test_the_rule_keeps_to_what_is_legal_and_minds_its_own_first() -> None:
    """Every proposal is legal in its view; without asking others none leaves one's own assets."""
    worlds = OwnerWorlds(with_cooperation(short_game(), ARMS["both"]), range(6))
    helping, minding = OwnersThreshold(0.2), OwnersThreshold(0.2, helps=False)
    asked = 0
    for _ in range(STEPS):
        chosen, own_only = helping(worlds), minding(worlds)
        for seat, lane in enumerate(worlds.lanes):
            assert worlds.legal[seat][np.arange(6), chosen[:, seat]].all()
            owner = lane.view.compiled.arrays.asset["owner"]
            target = (np.maximum(own_only[:, seat] - 1, 0)) % lane.view.compiled.targets
            mine = owner[np.minimum(target, len(owner) - 1)] == lane.view.compiled.owner_number[lane.view.owner]
            assert mine[own_only[:, seat] > 0].all()
            assert (chosen[:, seat] == own_only[:, seat])[own_only[:, seat] > 0].all()
        asked += int(((chosen > 0) & (own_only == 0)).sum())
        worlds.step(chosen)
    assert asked


def test_a_network_in_all_seats_plays_from_its_file(policy: Path) -> None:
    """What the file decides for each seat is legal in its view, and its card says where it was trained."""
    learned = OwnersLearned(load_policy(policy))
    worlds = OwnerWorlds(short_game(), range(3))
    for _ in range(STEPS):
        chosen = learned(worlds)
        for seat, mask in enumerate(worlds.legal):
            assert mask[np.arange(3), chosen[:, seat]].all()
        worlds.step(chosen)
    settings = learned.policy.card["settings"]
    assert settings["seats"] == "owners" and settings["own_share"] == 0.0


@pytest.mark.usefixtures("short")
def test_a_run_with_seats_ends_as_one_that_was_not_killed(tmp_path: Path) -> None:
    """Killed and resumed, it ends with equal weights; another objective is refused."""

    class KilledError(Exception):
        pass

    def kill(report: Any) -> None:
        if report.iterations == 3:
            raise KilledError

    def run(folder: str, **more: Any) -> dict[str, Any]:
        settings = replace(SEATS, run=str(tmp_path / folder), checkpoint_every=2)
        module.train(Scenario(name="short"), settings, tmp_path / folder / "out", **more)
        return dict(load_policy(tmp_path / folder / "out").weights)

    whole = run("whole")
    with pytest.raises(KilledError):
        run("cut", progress=kill)
    resumed = run("cut", resume=True)
    assert all(np.array_equal(whole[name], resumed[name]) for name in whole)
    other = replace(SEATS, run=str(tmp_path / "cut"), own_share=1.0)
    with pytest.raises(CheckpointError, match=r"own_share 0\.0, this run 1\.0"):
        module.train(Scenario(name="short"), other, None, resume=True)


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"seats": "coalition", "cooperation": "as-written", "own_share": 0.5}, "own_share 0.5: is for owners' seats"),
        ({"seats": "coalition"}, "cooperation mixed: is for owners' seats"),
        ({"false_budget": 1.0}, "false_budget 1.0: is for the coalition's seat"),
        ({"own_share": 1.5}, "own_share 1.5: give 0 to 1"),
        ({"seats": "nobody"}, "seats 'nobody': give one of coalition, owners"),
    ],
)
def test_settings_of_seats_that_cannot_be_are_named(said: dict[str, Any], named: str) -> None:
    """With the mend."""
    with pytest.raises(TrainError, match=named):
        replace(SEATS, **said)


def test_every_kind_of_cooperation_is_trained_on() -> None:
    """One chain is played in all four kinds; generated chains take turns."""
    four = Curriculum(Scenario(name="charging", horizon_ticks=30), SEATS).chains(0)
    assert len({chain.game.compiled.twin.digest for chain in four}) == len(ARMS) == len(four)
    settings = replace(SEATS, chains=4, judges=4, smallest=30, largest=30)
    drawn = Curriculum(Scenario(name="family", generate=Generator(assets=30), horizon_ticks=30), settings).chains(0)
    shares = [len(chain.game.compiled.twin.sharing) > 0 for chain in drawn]
    assert shares == [how.shares for how in ARMS.values()]


@pytest.fixture
def quick_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cooperation, "LEVELS", (0.4,))
    monkeypatch.setattr(cooperation, "TUNING_ATTACKS", 6)


def test_one_kind_is_trained_on_alone() -> None:
    """The chain is played in that kind and no other, and all worlds of the validation are of it."""
    scenario = Scenario(name="charging", horizon_ticks=30)
    for kind, how in ARMS.items():
        curriculum = Curriculum(scenario, replace(SEATS, cooperation=kind))
        (chain,) = curriculum.chains(0)
        wanted = with_cooperation(load_game(scenario), how).compiled.twin.digest
        assert chain.game.compiled.twin.digest == wanted
        assert curriculum.judged_worlds == SEATS.validation_worlds


@pytest.mark.usefixtures("quick_tuning")
def test_the_table_adds_up(policy: Path) -> None:
    """Worth is the loss under neither less the loss, the mean of a row is that of its chains, owners sum to it."""
    trial, everywhere = Trial(short_game(), (short_game(),)), dict.fromkeys(ARMS, load_policy(policy))
    learned = {"trained": everywhere, "one kind": {"both": everywhere["both"]}}
    table = compare("short", [trial], learned, 6, against="trained")
    rows = {(row.policy, row.kind): row for row in table.rows}
    names = [(name, kind) for name in (RULE, "trained") for kind in ARMS]
    assert set(rows) == {*names, ("one kind", "both"), (NOTHING, ""), (ONE_SEAT, "")}
    for (name, kind), row in rows.items():
        assert row.loss.low <= row.loss.value <= row.loss.high
        total = sum(one.value for one in row.by_owner.values())
        assert row.loss.value == pytest.approx(total) == pytest.approx(row.by_chain["short"])
        assert (row.worth is None) == (not kind or name == "one kind")
        if row.worth is not None:
            assert row.worth.value == pytest.approx(rows[name, NEITHER].loss.value - row.loss.value)
        assert (row.more is None) == (not kind or name == "trained")
        if row.more is not None and row.more_by_owner is not None:
            other = rows["trained", kind]
            assert row.more.value == pytest.approx(row.loss.value - other.loss.value)
            for owner, one in row.more_by_owner.items():
                assert one.value == pytest.approx(row.by_owner[owner].value - other.by_owner[owner].value)
    same = rows["one kind", "both"]
    assert same.loss == rows["trained", "both"].loss and same.more is not None
    assert (same.more.value, same.more.low, same.more.high) == (0.0, 0.0, 0.0)
    assert rows[NOTHING, ""].asked == 0.0 and rows[ONE_SEAT, ""].asked is None
    again = play_seats(
        with_cooperation(short_game(), ARMS["both"]),
        table.tuned["both"],
        range(6),
        stream=cooperation.STREAM_EVALUATION,
    )
    assert again.loss.sum(axis=1).mean() == pytest.approx(rows[RULE, "both"].loss.value)
    told = as_dict(table, learned)
    assert json.loads(json.dumps(told)) == told and len(told["rows"]) == len(rows)
    trained = {row["policy"]: row["trained"] for row in told["rows"] if row["cooperation"] == "both"}
    assert trained == {
        RULE: None,
        "trained": {"cooperation": "mixed", "own_share": 0.0, "seed": 0},
        "one kind": {"cooperation": "mixed", "own_share": 0.0, "seed": 0},
    }


def test_owners_are_taught_to_ask_where_consent_is_quick() -> None:
    """In a row, what is called its own is one owner's; the lesson acts on others' only where they agreed to it."""
    for kind, how in ARMS.items():
        chain = Chain(with_cooperation(short_game(), how))
        lesson, whole = (watch(chain, 6, 0.05, replace(SEATS, seats=of, cooperation=AS_WRITTEN)) for of in SEATED)
        own, there = (lesson.observations[:, :, column] > 0 for column in (OWN, PRESENT))
        wanted = lesson.chances[:, 1:].reshape(len(own), -1, own.shape[1]).sum(axis=1)
        assert 0 < own.sum() < there.sum() == (whole.observations[:, :, OWN] > 0).sum() and not own[~there].any()
        assert wanted[own].sum() > 0 and (wanted[there & ~own].sum() > 0) == how.agrees, kind
        np.testing.assert_allclose(lesson.chances.sum(axis=1), 1.0, rtol=1e-4)
        if how.agrees:
            np.testing.assert_array_equal(lesson.chances, whole.chances)


def test_who_minds_its_own_asks_nobody() -> None:
    """Proposals on others' assets are counted, one's own are not."""
    game = with_cooperation(short_game(), ARMS["both"])
    alone, helping = (
        play_seats(game, OwnersThreshold(0.2, helps), range(6), stream=0).asked for helps in (False, True)
    )
    assert alone.sum() == 0 < helping.sum()


@pytest.mark.usefixtures("quick_tuning")
def test_owners_that_not_every_chain_has_are_told_from_those_that_do() -> None:
    """An owner's loss is the mean over the chains with it; the coalition's over all chains."""
    made = [
        load_game(Scenario(name=name, generate=Generator(assets=30, owners=owners, seed=owners), horizon_ticks=20))
        for name, owners in (("few", 2), ("more", 4))
    ]
    trials = [Trial(game, (game,)) for game in made]
    table = compare("two", trials, {}, 3)
    assert set(table.rows[0].by_owner) == {one.id for game in made for one in game.compiled.twin.owners}
    alone = compare("more", trials[1:], {}, 3)
    last = next(one.id for one in made[1].compiled.twin.owners if one.id not in made[0].compiled.owner_number)
    idle, idle_alone = (next(r for r in one.rows if r.policy == NOTHING) for one in (table, alone))
    assert idle.by_owner[last].value == idle_alone.by_owner[last].value
    assert idle.loss.value == pytest.approx(np.mean(list(idle.by_chain.values())))


def test_networks_are_named_for_all_kinds_or_for_one(policy: Path) -> None:
    """FILE, NAME=FILE, KIND=FILE and NAME:KIND=FILE may stand beside each other."""
    given = (f"both={policy}", f"neither={policy}", f"all={policy}", f"selfish:both={policy}")
    found = networks_of(given)
    assert {name: list(of) for name, of in found.items()} == {
        "trained": ["both", "neither"],
        "selfish": ["both"],
        "all": list(ARMS),
    }
    assert set(networks_of([str(policy)])) == {"trained"}
    for wrong, named in (
        ((f"selfish:neighbours={policy}",), "'neighbours' is no kind"),
        ((f":both={policy}",), "its name is empty"),
        ((f"both={policy}", f"both={policy}"), "has a network for both already"),
        ((f"both={policy}", f"trained={policy}"), "is given for all kinds and for one"),
    ):
        with pytest.raises(CooperationError, match=named):
            networks_of(wrong)


def test_the_command_refuses_bad_input(policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line with the mend, exit code 2."""
    for arguments, named in (
        (["--attacks", "1"], "--attacks 1: give 2 or more"),
        (["--scenario", str(tmp_path / "absent.yaml")], "absent.yaml"),
        (["--policy", str(tmp_path / "absent.tocsin")], "absent.tocsin"),
        (["--policy", f"{RULE}={policy}"], f"policy name {RULE!r} is taken"),
        (["--policy", f"{ONE_SEAT}={policy}"], f"policy name {ONE_SEAT!r} is taken"),
        (["--policy", f"selfish:friends={policy}"], "'friends' is no kind"),
        (["--policy", f"both={tmp_path / 'absent.tocsin'}"], "absent.tocsin"),
        (["--policy", f"mine={policy}", "--against", "yours"], "--against 'yours': is no policy here"),
        (["--keep", str(tmp_path / "draws.jsonl")], "--keep: keeps draws; give --draws too"),
        (["--draws", "1"], "--draws 1: give 2 to"),
        (["--draws", "4", "--draw-attacks", "1"], "--draw-attacks 1: give 2 or more"),
        (["--draws", "4", "--draw-seed", "-1"], "--draw-seed -1: give 0 or more"),
        (["--draws", "4", "--keep", str(tmp_path)], "is a folder"),
        (["--draws", "4", "--keep", str(tmp_path / "no" / "draws.jsonl")], "is not there"),
        (["--chains", "4"], "--chains 4"),
        (["--chains", "0"], "--chains 0"),
    ):
        with pytest.raises(SystemExit) as left:
            main(["cooperation", *arguments])
        out, err = capsys.readouterr()
        assert left.value.code == BAD_INPUT and out == "" and len(err.strip().splitlines()) == 1 and named in err
    assert not list(tmp_path.glob("*.jsonl"))
