"""What every policy file keeps: numpy alone runs it, equal to torch; nothing changed, cut or foreign is used."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from tocsin.envs.game import Game, load_game
from tocsin.envs.policy_file import NumpyPolicy, PolicyFileError, load_policy, save_policy
from tocsin.envs.scenario import read_scenario
from tocsin.envs.vector import ResponseWorlds
from tocsin.training.policy import PairNetwork


@pytest.fixture(scope="module")
def game() -> Game:
    return load_game(read_scenario())


@pytest.fixture(scope="module")
def network(game: Game) -> PairNetwork:
    torch.manual_seed(1)
    made = PairNetwork(game)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.1)
    return made


@pytest.fixture
def file(tmp_path: Path, network: PairNetwork) -> Path:
    path = tmp_path / "policy.tocsin"
    save_policy(path, network.numpy_weights(), {"how": "test"})
    return path


def test_numpy_gives_what_torch_gives(game: Game, network: PairNetwork, file: Path) -> None:
    """Legal actions score equal to 1e-5 in a hundred situations of a played game."""
    policy, worlds = load_policy(file), ResponseWorlds(game, range(4))
    observation = worlds.reset()
    for _ in range(25):
        masks = worlds.masks()
        ours = policy.logits(observation, game.static, masks, game.effects)
        with torch.no_grad():
            theirs = network(torch.from_numpy(observation))[0].numpy()
        assert np.abs(ours[masks] - theirs[masks]).max() < 1e-5
        assert masks[np.arange(4), policy.act(observation, game.static, masks, game.effects)].all()
        observation = worlds.step(policy.act(observation, game.static, masks, game.effects)).observation


@pytest.mark.parametrize("kept", [0, 10, 500, -1])
def test_a_truncated_file_is_refused(file: Path, kept: int) -> None:
    """A file that was not copied whole is named and refused."""
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(PolicyFileError, match=r"policy\.tocsin"):
        load_policy(file)


def test_a_changed_weight_is_refused(file: Path) -> None:
    """One changed byte in an array no longer fits the card."""
    content = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        start = archive.getinfo("wait.bias").header_offset + 30 + len("wait.bias")
    content[start] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(PolicyFileError):
        load_policy(file)


def test_weights_of_another_network_are_not_written(tmp_path: Path, network: PairNetwork) -> None:
    """What is not this network's is refused before anything is written."""
    weights = network.numpy_weights()
    weights["wait.bias"] = np.array([np.nan], np.float32)
    with pytest.raises(PolicyFileError, match="finite"):
        save_policy(tmp_path / "x", weights, {})
    assert list(tmp_path.iterdir()) == []


def test_the_same_weights_serve_another_library(game: Game, network: PairNetwork) -> None:
    """A new playbook needs no new network: scores follow the effect table that is given."""
    policy = NumpyPolicy(network.numpy_weights(), {})
    twice = game.effects._replace(
        playbook=np.concatenate([game.effects.playbook, game.effects.playbook[:1]]).view(np.recarray)
    )
    targets = game.compiled.targets
    masks = np.ones((1, 1 + 7 * targets), bool)
    observation = ResponseWorlds(game, [0]).reset()
    logits = policy.logits(observation, game.static, masks, twice)
    assert np.allclose(logits[0, 1 : 1 + targets], logits[0, 1 + 6 * targets :])
