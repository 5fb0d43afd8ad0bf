"""Campaigns from files: the shape of a real one, laid on a chain; hostile and broken files refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.envs.fitting import Fit, fit_campaign
from tocsin.envs.game import load_game
from tocsin.envs.generate import generate_twin
from tocsin.envs.lateral import (
    MAX_BYTES,
    MAX_HOPS,
    CampaignError,
    CampaignShape,
    Hop,
    parse_lateral_edges,
    read_lateral_edges,
)
from tocsin.envs.scenario import Generator, ScenarioError, read_scenario
from tocsin.envs.vector import UnseenWorlds
from tocsin.tests.playbooks.makers import test_data
from tocsin.tests.twin.played import chain
from tocsin.twin.attack.steps import derive_steps
from tocsin.twin.compiled import Compiled, compile_twin
from tocsin.twin.vocabulary import Access, AssetKind, Gain

HEAD = "# how it came\ntime_local,source,target,how\n"
ROWS = "2019-09-23T10:00:00,a,b,wmi\n2019-09-23T10:10:00,b,c,wmi\n2019-09-23T10:10:00,b,d,rdp\n"


def optc() -> Path:
    """The real file."""
    return test_data("telemetry", "optc", "optc_lateral_edges.csv")


@pytest.fixture(scope="module")
def large() -> Compiled:
    """A generated chain with more machines than the real campaign took."""
    twin = generate_twin(Generator(assets=150, owners=5, seed=2, weak=0.8, local=0.8))
    return compile_twin(twin, derive_steps(twin))


def is_playable(fit: Fit, compiled: Compiled) -> bool:
    """Whether each stage in turn is a step whose source, access and identity the stages before it gave."""
    held = dict.fromkeys((compiled.twin.assets[a].id for a in compiled.arrays.external), int(Access.USER))
    parts: dict[str, list[str]] = {}
    for number, row in enumerate(compiled.arrays.asset):
        if row.kind == AssetKind.SEGMENT:
            inside = compiled.arrays.part[row.part_first : row.part_last]
            parts[compiled.twin.assets[number].id] = [compiled.twin.assets[a].id for a in inside]

    def has(asset: str, need: int) -> bool:
        return held.get(asset, 0) >= need or any(one in held for one in parts.get(asset, ()))

    for stage in fit.stages:
        able = [
            step
            for step in compiled.steps
            if (step.technique, step.target) == (stage.technique, stage.target)
            and has(step.source, step.needs)
            and (step.identity is None or has(step.identity, Access.USER))
        ]
        if not able:
            return False
        gained = max(int(step.gains) for step in able if step.gains in (Gain.USER, Gain.ADMIN))
        held[able[0].target] = max(held.get(able[0].target, 0), gained)
    return True


def test_the_real_campaign_has_the_shape_that_its_readers_know() -> None:
    """Three hops to the domain controller, fourteen out of it at once, a second day; 26 hours in all."""
    shape = read_lateral_edges(optc())
    assert len(shape.hops) == 27 and shape.machines == 27 and shape.fan_out == 21
    assert [hop.target for hop in shape.hops[:3]] == [1, 2, 3] and shape.hops[3].source == 3
    assert shape.gaps_s[:4] == (646.0, 1763.0, 2428.0, 0.0)
    assert sum(gap == 0 for gap in shape.gaps_s[:17]) == 13
    assert shape.hops[-1].after_s == 94_680.0


def test_the_real_campaign_fits_a_chain_that_is_large_enough(large: Compiled) -> None:
    """All machines find one of the chain's own, in the campaign's times, by steps that are possible in turn."""
    shape = read_lateral_edges(optc())
    fit = fit_campaign(shape, large, speed=10.0)
    assert fit.left_out == 0 and len(set(fit.machines)) == shape.machines
    assert is_playable(fit, large)
    times = [stage.after_s for stage in fit.stages]
    assert times == sorted(times) and times[-1] <= 9_468.0
    assert fit_campaign(shape, large, speed=10.0) == fit


def test_on_a_small_chain_what_finds_no_machine_is_left_out_and_counted() -> None:
    """The shipped chain has room for the whole campaign, one of two sites has not."""
    shape = read_lateral_edges(optc())
    whole = fit_campaign(shape, chain())
    assert whole.left_out == 0 and is_playable(whole, chain())
    twin = generate_twin(Generator(assets=26, owners=2, weak=0.8))
    small = compile_twin(twin, derive_steps(twin))
    fit = fit_campaign(shape, small)
    assert 0 < fit.left_out < 27 and is_playable(fit, small)


def test_fan_out_is_kept_where_the_chain_allows_it(large: Compiled) -> None:
    """Hops out of one machine start there if it gives a step to a machine not taken yet."""
    shape = CampaignShape((Hop(0.0, 0, 1), *(Hop(60.0, 1, 2 + n) for n in range(3))))
    fit = fit_campaign(shape, large)
    assert len(fit.machines) == 5 and is_playable(fit, large)


def test_the_real_campaign_is_played(tmp_path: Path) -> None:
    """From a scenario file that names it: attackers go on to take what the script says, in its order."""
    path = tmp_path / "optc.yaml"
    attacker = "{onset_s: [0, 0], absent: 0, tries_per_hour: 600, campaign_speed: 24, campaign_file: edges.csv}"
    path.write_text(f"name: optc\ngenerate: {{assets: 150, owners: 5, seed: 2, weak: 0.8}}\nattackers: [{attacker}]\n")
    (tmp_path / "edges.csv").write_bytes(optc().read_bytes())
    game = load_game(read_scenario(path))
    worlds = UnseenWorlds(game, range(16))
    worlds.reset()
    worlds.worlds.roll(240)
    stages = worlds.worlds.state.attacker["stage"][:, 0]
    assert len(game.parameters.stage) > 27 and (stages > 10).all()
    held = worlds.worlds.state.asset["user"] | worlds.worlds.state.asset["admin"]
    wanted = np.unique(game.parameters.stage["asset"])
    kinds = game.compiled.arrays.asset["kind"]
    others = np.setdiff1d(np.flatnonzero((kinds != AssetKind.EXTERNAL) & (kinds != AssetKind.SEGMENT)), wanted)
    assert held[:, wanted].any() and not held[:, others].any()
    assert game.assumed.attacker["stage_last"][0] == game.assumed.attacker["stage_first"][0]


def test_stages_in_a_file_are_the_same_as_inline(tmp_path: Path) -> None:
    """Times divided by the speed."""
    stages = "[{technique: T1190}, {after_s: 600, kind: container, grace_s: 60}]"
    (tmp_path / "c.yaml").write_text(f"stages: {stages}\n")
    for name, said in (("one", f"campaign: {stages}"), ("two", "campaign_file: c.yaml, campaign_speed: 2")):
        (tmp_path / f"{name}.yaml").write_text(f"name: x\nattackers: [{{{said}}}]\n")
    one, two = (load_game(read_scenario(tmp_path / f"{name}.yaml")).parameters.stage for name in ("one", "two"))
    assert one["after"].tolist() == [0, 10] and two["after"].tolist() == [0, 5]
    assert one["kind"].tolist() == two["kind"].tolist() == [-1, AssetKind.CONTAINER]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", ":1: the header"),
        ("a,b\n1,2\n", ":1: the header"),
        ("source,target,time_local,how\n", "the header must be time_local,source,target,how"),
        (HEAD, "no movement"),
        (f"{HEAD}yesterday,a,b,x\n", "s.csv:3: time 'yesterday'"),
        (f"{HEAD}2019-09-23T10:00:00+02:00,a,b,x\n", ":3: .*zone"),
        (f"{HEAD}2019-09-23T10:00:00,a,b\n", ":3: 3 cells"),
        (f"{HEAD}2019-09-23T10:00:00,a,a,x\n", ":3: source and target"),
        (f"{HEAD}2019-09-23T10:00:00,,b,x\n", ":3: source and target"),
        (f"{HEAD}2019-09-23T10:00:00,{'a' * 300},b,x\n", ":3: source and target"),
        (f'{HEAD}2019-09-23T10:00:00,"a,b,x\n', ":3: "),
        (HEAD + ROWS * (MAX_HOPS // 3 + 1), "over the limit of 1000"),
    ],
)
def test_what_is_no_list_of_movements_is_refused_with_its_place(text: str, fault: str) -> None:
    """One line: file, line, mend."""
    with pytest.raises(CampaignError, match=fault) as caught:
        parse_lateral_edges(text, "s.csv")
    assert "\n" not in str(caught.value) and str(caught.value).startswith("s.csv")


def test_huge_binary_and_missing_files_are_refused(tmp_path: Path) -> None:
    """No more than the limit is read; what is not UTF-8 is named."""
    (tmp_path / "huge.csv").write_bytes(b"x" * (MAX_BYTES + 1))
    (tmp_path / "binary.csv").write_bytes(b"time_local,source\xff\x00")
    for name, fault in (("huge", "over the limit"), ("binary", "not UTF-8"), ("none", "No such file")):
        with pytest.raises(CampaignError, match=fault):
            read_lateral_edges(tmp_path / f"{name}.csv")


@given(st.text(max_size=200))
@settings(max_examples=30, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but a campaign error comes out."""
    for content in (text, HEAD + text, HEAD + ROWS + text):
        try:
            assert parse_lateral_edges(content, "s.csv").hops
        except CampaignError as error:
            assert str(error).startswith("s.csv")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("stages: []\n", "stages"),
        ("stages: [{}]\n", "neither technique nor target nor kind"),
        ("stages: [{technique: T9}]\n", "technique 'T9' is none"),
        ("stages: [{kind: moon}]\n", "unknown AssetKind 'moon'"),
        ("stages: [{technique: T1190, after_s: -1}]\n", "stages.0.after_s"),
        ("steps: []\n", "stages: is not there"),
        ("- 1\n", "top"),
    ],
)
def test_a_file_of_stages_that_is_wrong_is_named(tmp_path: Path, content: str, fault: str) -> None:
    """The file, the place, the mend."""
    (tmp_path / "c.yaml").write_text(content)
    (tmp_path / "s.yaml").write_text("name: x\nattackers: [{campaign_file: c.yaml}]\n")
    with pytest.raises(ValueError, match="c.yaml") as caught:
        load_game(read_scenario(tmp_path / "s.yaml"))
    assert fault in str(caught.value)


def test_campaign_and_file_exclude_each_other(tmp_path: Path) -> None:
    """One of both."""
    (tmp_path / "s.yaml").write_text("name: x\nattackers: [{campaign_file: c, campaign: [{technique: T1190}]}]\n")
    with pytest.raises(ScenarioError, match="leave one out"):
        read_scenario(tmp_path / "s.yaml")
