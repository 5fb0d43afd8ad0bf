"""The contract of policy files: numpy runs what torch learned, and nothing but an intact file of this version loads."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.envs import policy_file
from tocsin.envs.active import Active, ActiveSettings, legal_of_masks, sees_rows
from tocsin.envs.active_worlds import ActiveWorlds
from tocsin.envs.game import Game, load_game
from tocsin.envs.policy_file import NumpyPolicy, PolicyFileError, load_policy, save_policy
from tocsin.envs.rule_layer import TIE
from tocsin.envs.scenario import read_scenario
from tocsin.envs.target_graph import target_graph
from tocsin.envs.vector import ResponseWorlds
from tocsin.orchestrator.advise import Situation
from tocsin.orchestrator.supply import policy_of
from tocsin.tests.twin.random_twins import random_effects, random_twin
from tocsin.training.network import ILLEGAL, SHARPNESS, PairNetwork
from tocsin.training.rule_file import shipped_numbers
from tocsin.twin.attack.steps import derive_steps
from tocsin.twin.compiled import compile_twin
from tocsin.twin.rulebook.effects import EffectTable
from tocsin.twin.rulebook.parameters import OPPORTUNIST, build_parameters
from tocsin.twin.sensing.confusion import shipped_confusion
from tocsin.twin.sensing.observe import FEATURES


@pytest.fixture(scope="module")
def game() -> Game:
    return load_game(read_scenario())


@pytest.fixture(scope="module")
def network(game: Game) -> PairNetwork:
    network = _random_network(3, game.effects)
    with torch.no_grad():
        network.wait.bias.zero_()  # so that it acts
    return network


@pytest.fixture
def saved(network: PairNetwork, tmp_path: Path) -> Path:
    path = tmp_path / "policy.tocsin"
    save_policy(path, network.numpy_weights(), {"scenario": "charging"})
    return path


@pytest.fixture(scope="module")
def seen(game: Game) -> ActiveWorlds:
    """Six worlds in which an attacker and responses are at work."""
    seen, rng = ActiveWorlds(ResponseWorlds(game, range(6))), np.random.default_rng(0)
    for _ in range(12):
        seen.step(np.array([rng.choice(np.flatnonzero(mask)) for mask in seen.masks()]))
    return seen


def _compared(network: PairNetwork, active: Active, effects: EffectTable) -> np.ndarray:
    """Numpy's scores, after they were found equal to torch's where an action is legal."""
    scores = NumpyPolicy(network.numpy_weights(), {}).logits(active, effects)
    with torch.no_grad():
        expected = network(torch.from_numpy(active.rows), torch.from_numpy(active.legal))[0].numpy()
    np.testing.assert_allclose(scores[active.legal], expected[active.legal], rtol=1e-5, atol=1e-5)
    assert np.isneginf(scores[~active.legal]).all() and (expected[~active.legal] == ILLEGAL).all()
    return scores


def _random_network(seed: int, effects: EffectTable) -> PairNetwork:
    torch.manual_seed(seed)
    network = PairNetwork(effects)
    with torch.no_grad():
        if seed % 2:
            network.follow(shipped_numbers())
        for parameter in network.parameters():  # what starts at nought must count too
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


@given(seed=st.integers(0, 2**16), slots=st.integers(1, 40), neighbours=st.integers(1, 5), worlds=st.integers(1, 4))
@settings(deadline=None, max_examples=30)
def test_numpy_scores_as_torch_does(seed: int, slots: int, neighbours: int, worlds: int) -> None:
    """On random twins, libraries, observations, masks, sizes and weights, with and without the rule, to 1e-5."""
    rng = np.random.default_rng(seed)
    twin, effects = random_twin(rng), random_effects(rng)
    compiled = compile_twin(twin, derive_steps(twin))
    sizes = ActiveSettings(slots=slots, neighbours=neighbours, dearest=int(rng.integers(0, min(slots, 5) + 1)))
    is_lit = rng.random((worlds, compiled.targets, 1)) < rng.random()  # from none to all
    observation = (rng.integers(0, 256, (worlds, compiled.targets, len(FEATURES))) * is_lit).astype(np.uint8)
    playbooks = len(effects.playbook)
    assumed = build_parameters(compiled, [OPPORTUNIST], shipped_confusion())
    active = sees_rows(observation, target_graph(compiled, assumed), settings=sizes, playbooks=playbooks)
    masks = rng.random((worlds, 1 + playbooks * compiled.targets)) < 0.5
    legal_of_masks(masks, active)
    _compared(_random_network(seed, effects), active, effects)


def test_numpy_follows_torch_through_a_game(game: Game, network: PairNetwork, saved: Path) -> None:
    """Scores are equal to 1e-5 along a game that the loaded policy itself plays, and its actions are legal."""
    policy, seen, acted = load_policy(saved), ActiveWorlds(ResponseWorlds(game, range(4))), 0
    for _ in range(25):
        scores = _compared(network, seen.active, game.effects)
        actions = policy.act_on(seen.active, game.effects)
        assert (scores[np.arange(4), actions] == scores.max(axis=1)).all()
        acted += int((actions > 0).sum())
        seen.step(actions)
    assert acted


def test_a_policy_acts_on_bare_observations(game: Game, seen: ActiveWorlds, saved: Path) -> None:
    """What serving has, an observation and a mask, gives what the active view gives; none legal: it waits."""
    policy, observation, masks = load_policy(saved), seen.worlds.observation, seen.worlds.masks()
    actions = policy.act(observation, masks, game.graph, game.effects)
    assert actions.dtype == np.int32 and (actions > 0).any()
    np.testing.assert_array_equal(actions, seen.dense(policy.act_on(seen.active, game.effects)))
    assert masks[np.arange(len(actions)), actions].all()
    only_waiting = np.zeros_like(masks)
    only_waiting[:, 0] = True
    assert (policy.act(observation, only_waiting, game.graph, game.effects) == 0).all()


def test_a_node_proposes_what_the_file_says(game: Game, seen: ActiveWorlds, saved: Path) -> None:
    """The orchestrator's policy of a file is the file's own choice in every situation."""
    worlds = seen.worlds
    situation = Situation(worlds.observation, worlds.masks(), worlds.held(), worlds.worlds.state)
    expected = seen.dense(load_policy(saved).act_on(seen.active, game.effects))
    assert expected.any()
    np.testing.assert_array_equal(policy_of(game, saved)(situation), expected)


def test_each_world_is_scored_for_itself(game: Game, seen: ActiveWorlds, saved: Path) -> None:
    """A world's scores do not depend on which other worlds are asked about beside it."""
    policy, legal = load_policy(saved), seen.active.legal[2:3]
    together = policy.logits(seen.active, game.effects)
    alone = policy.logits(Active(*(part[2:3] for part in seen.active)), game.effects)
    np.testing.assert_allclose(together[2:3][legal], alone[legal], rtol=1e-5, atol=1e-5)


def test_a_new_playbook_needs_no_new_network(game: Game, seen: ActiveWorlds, saved: Path) -> None:
    """With one playbook more, a copy of the first, the copy scores as the first does and nothing else changes.

    But for the hair by which the rule prefers one of two playbooks that do the same.
    """
    rows, slots = game.effects.playbook, seen.settings.slots
    more = game.effects._replace(playbook=np.concatenate([rows, rows[:1]]).view(np.recarray))
    legal = np.concatenate([seen.active.legal, seen.active.legal[:, 1 : 1 + slots]], axis=1)
    before = load_policy(saved).logits(seen.active, game.effects)
    after = load_policy(saved).logits(seen.active._replace(legal=legal), more)
    assert np.isfinite(before[:, 1 : 1 + slots]).any()
    hair = 1.01 * TIE * SHARPNESS
    np.testing.assert_allclose(after[:, : before.shape[1]], before, rtol=1e-5, atol=hair)
    np.testing.assert_allclose(after[:, before.shape[1] :], before[:, 1 : 1 + slots], rtol=1e-5, atol=hair)


def test_a_policy_runs_with_the_sizes_it_was_trained_with(network: PairNetwork, tmp_path: Path) -> None:
    """Sizes of the active view come back from the card; sizes that make no view are refused."""
    path, sizes = tmp_path / "policy.tocsin", ActiveSettings(slots=12, neighbours=2, dearest=1)
    save_policy(path, network.numpy_weights(), {}, view=sizes)
    assert load_policy(path).view == sizes
    _rewritten(path, {"card.json": _card_with(path, view={"slots": 0})})
    with pytest.raises(PolicyFileError, match=r"policy\.tocsin"):
        load_policy(path)


@pytest.mark.parametrize("field", ["format", "observation_version"])
def test_a_file_of_another_version_says_what_mends_it(saved: Path, field: str) -> None:
    """An older file is refused with the command that makes a new one, whatever arrays it holds."""
    _rewritten(saved, {"card.json": _card_with(saved, **{field: 1}), "context.weight": bytes(4 * 96)})
    with pytest.raises(PolicyFileError, match=r"policy\.tocsin: .*tocsin train --out .*policy\.tocsin"):
        load_policy(saved)


def test_the_card_comes_back(saved: Path) -> None:
    """What was written on the card is read from it."""
    assert load_policy(saved).card["scenario"] == "charging"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(saved: Path, share: float) -> None:
    """Whatever part of a file is there, it is refused by name."""
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(PolicyFileError, match=r"policy\.tocsin"):
        load_policy(saved)


def test_a_flipped_byte_is_refused_wherever_it_is(saved: Path) -> None:
    """One changed byte in data, card or directory is refused, or changes nothing that is used."""
    whole = saved.read_bytes()
    intact = load_policy(saved)
    for place in np.random.default_rng(1).integers(0, len(whole), 60):
        changed = bytearray(whole)
        changed[place] ^= 0x10
        saved.write_bytes(bytes(changed))
        try:
            policy = load_policy(saved)
        except PolicyFileError:
            continue
        assert policy.card == intact.card
        assert all(np.array_equal(policy.weights[name], intact.weights[name]) for name in intact.weights)


def _rewritten(path: Path, change: dict[str, bytes | None], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content = {name: data for name, data in {**content, **change}.items() if data is not None}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    path.write_bytes(buffer.getvalue())


def _card_with(path: Path, **fields: object) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return json.dumps({**json.loads(archive.read("card.json")), **fields}).encode()


def test_well_formed_files_with_wrong_content_are_refused(saved: Path) -> None:
    """Edited weights or card, another version, lacking or foreign entries, a bomb: each refused, naming the file."""
    whole = saved.read_bytes()
    zeros = bytes(4 * 32)
    for change in (
        {"score.weight": zeros},
        {"score.weight": None},
        {"extra": b"x"},
        {"score.weight": zeros + bytes(4)},
        {"card.json": b"[]"},
        {"card.json": b"{"},
        {"card.json": b"[" * 100_000},
        {"card.json": _card_with(saved, validation_loss=0.0)},
        {"card.json": _card_with(saved, format=1)},
        {"card.json": _card_with(saved, observation_version="0" * 16)},
    ):
        saved.write_bytes(whole)
        _rewritten(saved, dict(change))
        with pytest.raises(PolicyFileError, match=r"policy\.tocsin"):
            load_policy(saved)
    saved.write_bytes(whole)
    _rewritten(saved, {"card.json": b" " * 199_000}, zipfile.ZIP_DEFLATED)
    with pytest.raises(PolicyFileError, match="compressed"):
        load_policy(saved)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A missing file, a folder and a device are refused by name."""
    for path in (tmp_path / "none.tocsin", tmp_path, Path("/dev/zero")):
        with pytest.raises(PolicyFileError, match=path.name):
            load_policy(path)


def test_weights_that_are_not_numbers_are_not_saved(network: PairNetwork, saved: Path) -> None:
    """Saving refuses infinite or lacking weights, and a rule that cannot be, and leaves the old file as it was."""
    before, weights = saved.read_bytes(), network.numpy_weights()
    wrongs: list[tuple[dict[str, np.ndarray], str]] = [
        ({**weights, "wait.bias": np.array([np.nan], np.float32)}, "wait.bias"),
        ({"wait.bias": weights["wait.bias"]}, "arrays"),
        ({**weights, "rule.numbers": -weights["rule.numbers"]}, "toward"),
        ({**weights, "rule.sharpness": np.array([-1.0], np.float32)}, "sharpness"),
    ]
    for wrong, named in wrongs:
        with pytest.raises(PolicyFileError, match=named):
            save_policy(saved, wrong, {})
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("rule.numbers", np.nan, "rule.numbers holds numbers that are not finite"),
        ("rule.numbers", 1e30, "rule.numbers: toward 1.*: give a number from 0 to 1000"),
        ("rule.sharpness", np.nan, "rule.sharpness holds numbers that are not finite"),
        ("rule.sharpness", -1e-30, "rule.sharpness -1e-30: 0 to 1000"),
        ("rule.sharpness", 3e38, r"rule.sharpness 3e\+38: 0 to 1000"),
    ],
)
def test_a_file_with_a_rule_that_cannot_be_is_refused(
    network: PairNetwork, saved: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: float, named: str
) -> None:
    """Whoever made it, and gave it right digests."""
    weights = network.numpy_weights()
    with monkeypatch.context() as unchecked:
        unchecked.setattr(policy_file, "_fault", lambda weights: "")
        save_policy(saved, {**weights, name: np.full_like(weights[name], value)}, {})
    with pytest.raises(PolicyFileError, match=rf"policy\.tocsin: {named}"):
        load_policy(saved)


def test_a_sharpness_of_minus_nought_is_off(game: Game, network: PairNetwork, seen: ActiveWorlds, saved: Path) -> None:
    weights = network.numpy_weights()
    scores = []
    for value in (0.0, -0.0):
        save_policy(saved, {**weights, "rule.sharpness": np.array([value], np.float32)}, {})
        scores.append(load_policy(saved).logits(seen.active, game.effects))
    np.testing.assert_array_equal(*scores)


def test_the_policy_object_needs_no_torch(saved: Path) -> None:
    """Loading and running a policy file imports neither torch nor ray."""
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from tocsin.envs.policy_file import load_policy;"
        f"load_policy(Path({str(saved)!r})); assert not {{'torch', 'ray'}} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert isinstance(load_policy(saved), NumpyPolicy)
