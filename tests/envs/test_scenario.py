"""Scenario files: what is shipped, what is refused and how."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
from tocsin.envs.game import load_chain, load_game
from tocsin.envs.owners import OwnerWorlds
from tocsin.envs.scenario import Scenario, ScenarioError, parse_scenario, read_scenario
from tocsin.envs.scenario_commands import scenario
from tocsin.envs.vector import ResponseWorlds
from tocsin.twin.rulebook.campaign import GameError
from tocsin.twin.vocabulary import ConsentClass, ConsentMode, Proposer, RunState
from typer.testing import CliRunner

TINY = """
subnets: [1, 1]
topology: [[1, 1, 0], [1, 1, 1], [0, 1, 1]]
sensitive_hosts:
  (2, 0): 1
exploits:
  e_ssh: {service: ssh, os: linux, prob: 0.8, access: root}
firewall:
  (0, 1): [ssh]
  (1, 2): [ssh]
host_configurations:
  (1, 0): {os: linux, services: [ssh]}
  (2, 0): {os: linux, services: [ssh]}
"""


def test_the_shipped_scenario_is_the_charging_chain() -> None:
    """Four hours, a decision every two minutes."""
    scenario = read_scenario()
    assert (scenario.name, scenario.chain) == ("charging", "charging")
    assert scenario.horizon_ticks * scenario.tick_s == 4 * 3600
    assert scenario.decide_every * scenario.tick_s == 120


def test_a_scenario_becomes_a_game() -> None:
    """Masks and static observation fit the targets and playbooks."""
    game = load_game(read_scenario())
    assert game.actions == 1 + len(game.library.names) * game.compiled.targets
    assert game.always.shape == (game.actions,) and game.static.shape[0] == game.compiled.targets


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name: x\nhorizon: 3\n", "horizon"),
        ("name: x\nhorizon_ticks: 0\n", "horizon_ticks"),
        ("name: x\nattackers: [{absent: 2}]\n", "attackers.0.absent"),
        ("name: x\nattackers: [{onset_s: [60, 0]}]\n", "onset_s"),
        ("name: x\nattackers: [{preset: ninja}]\n", "opportunist, apt"),
        ("name: x\nattackers: [{preset: insider}]\n", "begins inside"),
        ("name: x\nattackers: []\n", "attackers"),
        (f"name: x\nattackers: [{', '.join(['{}'] * 9)}]\n", "attackers"),
        ("name: x\ntick_s: .nan\n", "tick_s"),
        ("name: x\nload: {amplitude: 2}\n", "load.amplitude"),
        ("name: x\nload: {peak_hour: 24}\n", "load.peak_hour"),
        ("name: x\nbetween_owners: post\n", "'shared' or 'phone'"),
        ("name: x\nbetween_owners: phone\nphone: {part: 2}\n", "phone.part"),
        ("name: x\nbetween_owners: phone\nphone: {fax: 2}\n", "phone.fax"),
        ("name: x\nphone: {part: 0.2}\n", "write between_owners: phone"),
        ("name: x\nattackers: [{forges_per_hour: 100}]\n", "forges_per_hour"),
        ("name: x\nattackers: [{campaign: [{technique: T1}]}]\n", "technique 'T1' is none"),
        ("name: [\n", "s.yaml"),
        ("name: !!python/object:os.system {}\n", "s.yaml"),
        ("- 1\n", "begin it with name:"),
        ("name: a\n---\nname: b\n", "one"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(tmp_path: Path, text: str, fault: str) -> None:
    """One line: the file, the place."""
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match="s.yaml") as caught:
        read_scenario(path)
    assert fault in str(caught.value)


def test_a_missing_file_or_chain_is_named(tmp_path: Path) -> None:
    """Both the scenario and the chain it names."""
    with pytest.raises(ScenarioError, match="absent.yaml"):
        read_scenario(tmp_path / "absent.yaml")
    with pytest.raises(ScenarioError, match="elsewhere"):
        load_game(Scenario(name="x", chain="elsewhere", folder=tmp_path))


@pytest.mark.parametrize("owners", [3, 20])
def test_scenario_show_tells_what_a_scenario_holds(owners: int, tmp_path: Path) -> None:
    """Counts of a generated chain, as JSON."""
    path = tmp_path / "made.yaml"
    path.write_text(f"name: made\ngenerate: {{assets: 400, owners: {owners}}}\n")
    result = CliRunner().invoke(scenario, ["show", str(path), "--json"])
    told = json.loads(result.stdout)
    assert result.exit_code == 0 and len(told["owners"]) == owners + 1
    assert 350 < sum(told["assets"].values()) < 500 and told["attack_steps"]["T1190"] >= 1


def test_a_network_of_another_simulator_can_be_played(tmp_path: Path) -> None:
    """Its one owner agrees at once, so a defender's isolation starts in the tick it is proposed."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    path = tmp_path / "s.yaml"
    path.write_text("name: tiny\nchain: tiny.yaml\n")
    result = CliRunner().invoke(scenario, ["show", str(tmp_path / "tiny.yaml"), "--json"])
    assert json.loads(result.stdout)["attack_steps"]["T1190"] == 1
    worlds = ResponseWorlds(load_game(read_scenario(path)), range(2))
    worlds.reset()
    legal = np.flatnonzero(worlds.masks()[0])
    worlds.step(np.full(2, legal[1]))
    assert (worlds.worlds.state.run["state"] > RunState.AWAITING_CONSENT).any()


def test_scenario_show_refuses_what_is_not_there(tmp_path: Path) -> None:
    """An error that names the file."""
    result = CliRunner().invoke(scenario, ["show", str(tmp_path / "none.yaml")])
    assert isinstance(result.exception, ValueError) and "none.yaml" in str(result.exception)


def test_a_scenario_says_how_owners_live_and_tell_each_other(tmp_path: Path) -> None:
    """Rhythm and phones reach the rulebook in its units; the coalition's view then sees others' findings late."""
    path = tmp_path / "s.yaml"
    path.write_text(
        "name: x\nload: {amplitude: 0.5, peak_hour: 10}\nbetween_owners: phone\n"
        "phone: {call_h: 1, late_s: 1200, part: 0.25, desk: csms}\n"
    )
    game = load_game(read_scenario(path))
    numbers = game.parameters
    assert (numbers.load_amplitude, numbers.load_peak, numbers.call, numbers.told_after) == (0.5, 10.0, 60.0, 20)
    own = game.compiled.arrays.asset["owner"] == game.compiled.owner_number["csms"]
    assert game.sees.tolist() == np.where(own, 1, 2).tolist()
    assert load_game(read_scenario()).sees.all() and not load_game(read_scenario()).parameters.is_by_phone


def test_what_only_the_chain_can_refute_is_refused_by_name(tmp_path: Path) -> None:
    """A desk, an entry or a stage that is not there: an error class of ours, one line."""
    for said, fault in (
        ("between_owners: phone\nphone: {desk: moon}", "desk 'moon'"),
        ("attackers: [{preset: insider, entry: [moon/host/base]}]", "entry 'moon/host/base'"),
        ("attackers: [{campaign: [{target: moon/host/base}]}]", "stage 1 of its campaign"),
    ):
        path = tmp_path / "s.yaml"
        path.write_text(f"name: x\n{said}\n")
        with pytest.raises(GameError, match=fault):
            load_game(read_scenario(path))


def test_the_examples_on_the_page_are_scenarios(tmp_path: Path) -> None:
    """Every block of docs/scenarios.md that begins with a name is read; those on the shipped chain are played."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "scenarios.md").read_text()
    blocks = [block for block in re.findall(r"(?:^    .*\n)+", page, re.MULTILINE) if block.startswith("    name:")]
    assert len(blocks) >= 3
    for block in blocks:
        path = tmp_path / "s.yaml"
        path.write_text(textwrap.dedent(block))
        chosen = read_scenario(path)
        if chosen.chain == "charging" and chosen.generate is None:
            assert load_game(chosen).actions > 1


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("tick_s: 1.0e-9", "tick_s"),
        ("attackers: [{onset_s: [0, 1.0e12]}]", "onset_s"),
        ("labour_rate: 1.0e300", "labour_rate"),
        ("repair_h: 1.0e300", "repair_h"),
        ("repair_h: 1.0e-300", "repair_h"),
        ("attackers: [{absent: true}]", "absent"),
        ("horizon_ticks: true", "horizon_ticks"),
        ('horizon_ticks: "240"', "horizon_ticks"),
        ("attackers: [{forges_per_hour: 2, forges_at_once: 1}]", "forges_at_once"),
        ("folder: /etc", "leave it out"),
        ("beside: [x.yaml]", "beside"),
        ("generate: {assets: 100}\nbeside: [x.yaml]", "beside"),
        ("attackers: [{campaign_speed: 10, campaign: [{technique: T1190}]}]", "campaign_speed"),
        ("attackers: [{patience_s: 60, campaign: [{technique: T1190}]}]", "patience_s"),
        ("attackers: [{patience_s: 60, campaign_file: stages.yaml}]", "patience_s"),
        ("attackers: [{forge_focus: 2}]", "forges_per_hour"),
        ("hosts: 5", "hosts: is no field"),
        ("load: 3", "load: 3 is not a mapping"),
        ("between_owners: pigeon", "'pigeon' is not one of 'shared' or 'phone'"),
        ("tick_s: .nan", "finite"),
        ("attackers: []", "a list of at least 1"),
        ("load: {peak_hour: 3}", "amplitude"),
        ("horizon_ticks: 5\ndecide_every: 1000", "write 1000"),
        ("horizon_ticks: 240\ndecide_every: 7", "write 245"),
        ("seed: -1", "seed"),
        ("consent: {'*': {contain: {own: {mode: ask, refusal: true}}}}", "refusal"),
        ("consent: {'*': {safety: {own: at_once}}}", "never automatic"),
        ("consent: {'*': {sleep: {own: never}}}", "sleep"),
        ("consent: {'*': {contain: {}}}", "own, other or both"),
        ("consent: {'*': {contain: {own: {mode: ask, minutes: 1.0e9}}}}", "minutes"),
    ],
)
def test_what_is_out_of_bounds_mistyped_or_without_effect_is_refused(said: str, fault: str, tmp_path: Path) -> None:
    """Before anything is loaded, by field, in one line."""
    path = tmp_path / "s.yaml"
    path.write_text(f"name: x\n{said}\n")
    with pytest.raises(ScenarioError, match="s.yaml") as caught:
        read_scenario(path)
    assert fault in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["root:x:0:0:root:/root:/bin/bash", "[1, 2]", "7"])
def test_a_file_that_is_no_scenario_is_refused_in_our_words(content: str, tmp_path: Path) -> None:
    """File and mend in one line, whatever the file holds."""
    path = tmp_path / "passwd"
    path.write_text(content)
    shown = CliRunner().invoke(scenario, ["show", str(path)])
    assert isinstance(shown.exception, ScenarioError)
    assert str(shown.exception) == (
        f"{path}: is no scenario, which is a mapping of fields to values; begin it with name:"
    )


def test_text_tells_twenty_of_a_long_list_and_json_all(tmp_path: Path) -> None:
    """Large chains do not flood a terminal."""
    path = tmp_path / "big.yaml"
    path.write_text("name: big\ngenerate: {assets: 600, owners: 6}\n")
    told = json.loads(CliRunner().invoke(scenario, ["show", str(path), "--json"]).stdout)
    text = CliRunner().invoke(scenario, ["show", str(path)]).stdout
    jewels = next(line for line in text.splitlines() if line.startswith("crown_jewels"))
    assert len(told["crown_jewels"]) > 20 and jewels.endswith(f"... {len(told['crown_jewels']) - 20} more")


def test_a_chain_that_is_none_is_refused_by_its_file(tmp_path: Path) -> None:
    """A scenario file, or any other YAML, holds no asset."""
    (tmp_path / "x.yaml").write_text("name: y\n")
    with pytest.raises(ValueError, match=r"x.yaml: is no manifest that is understood"):
        load_game(Scenario(name="x", chain="x.yaml", folder=tmp_path))


def test_a_scenarios_consent_takes_the_place_of_the_chains() -> None:
    """What is named wins over `*`; a side that is left out stays; an owner that is not there is named."""
    said = {"*": {"contain": {"own": "never"}}, "csms": {"*": {"own": {"mode": "ask", "minutes": 5, "refusal": 0.5}}}}
    chain = load_chain(parse_scenario({"name": "x"}, "x"))
    twin = load_chain(parse_scenario({"name": "x", "consent": said}, "x"))
    before = {(one.owner, one.consent_class, one.proposer): one for one in chain.consent}
    for one in twin.consent:
        if one.proposer is Proposer.OTHER:
            assert one == before[one.owner, one.consent_class, one.proposer]
        elif one.owner == "csms":
            assert (one.mode, one.latency_s, one.refusal) == (ConsentMode.ASK, 300.0, 0.5)
        elif one.consent_class is ConsentClass.CONTAIN:
            assert one.mode is ConsentMode.NEVER
    with pytest.raises(ScenarioError, match="owner 'moon' is none of this chain; take one of .*csms"):
        load_chain(parse_scenario({"name": "x", "consent": {"moon": {"*": {"own": "never"}}}}, "x"))


def test_equal_seeds_give_equal_games_and_others_others() -> None:
    """The seed makes up a generated chain and goes into every draw."""
    made = {"name": "x", "generate": {"assets": 60, "owners": 2}, "attackers": [{"absent": 0}]}
    games = [load_game(parse_scenario({**made, "seed": seed}, "x")) for seed in (3, 3, 4)]
    first, again, other = (game.compiled.twin.digest for game in games)
    assert first == again != other
    assert load_chain(parse_scenario({**made, "seed": 4, "generate": {"seed": 3}}, "x")).owners
    same = [load_game(parse_scenario({"name": "x", "seed": seed}, "x")) for seed in (1, 1, 2)]
    onsets = [OwnerWorlds(game, range(20)).worlds.state.attacker["onset"].tolist() for game in same]
    assert onsets[0] == onsets[1] != onsets[2]


def test_a_generated_chain_is_written_and_played(tmp_path: Path) -> None:
    """What `generate` writes, `chain:` and `show` read back with the same digest."""
    path = tmp_path / "chain.ndjson"
    done = CliRunner().invoke(scenario, ["generate", "--assets", "10", "--owners", "2", "--out", str(path)])
    assert done.exit_code == 0 and list(tmp_path.iterdir()) == [path]
    twin = load_chain(Scenario(name="x", chain="chain.ndjson", folder=tmp_path))
    shown = CliRunner().invoke(scenario, ["show", str(path), "--json"])
    assert json.loads(shown.stdout)["digest"] == twin.digest and twin.digest[:16] in done.stdout
    bad = CliRunner().invoke(scenario, ["generate", "--assets", "9", "--out", str(path)])
    assert isinstance(bad.exception, ScenarioError) and "generate.assets" in str(bad.exception)
