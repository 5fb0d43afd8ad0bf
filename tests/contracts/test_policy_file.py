"""The contract of policy files: numpy runs what torch learned, and nothing but an intact file of this version loads."""

from __future__ import annotations

import io
import json
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
    torch.manual_seed(3)
    network = PairNetwork(game)
    with torch.no_grad():
        for parameter in network.parameters():  # what starts at nought must count too
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


@pytest.fixture
def saved(network: PairNetwork, tmp_path: Path) -> Path:
    path = tmp_path / "policy.tocsin"
    save_policy(path, network.numpy_weights(), {"scenario": "charging"})
    return path


def _situations(game: Game) -> tuple[np.ndarray, np.ndarray]:
    worlds, rng = ResponseWorlds(game, range(6)), np.random.default_rng(0)
    worlds.reset()
    for _ in range(12):
        worlds.step(np.array([rng.choice(np.flatnonzero(mask)) for mask in worlds.masks()]))
    return worlds.observe(), worlds.masks()


def test_numpy_scores_as_torch_does(game: Game, network: PairNetwork, saved: Path) -> None:
    """A saved and loaded policy gives torch's logits to 1e-5, in situations that responses have changed."""
    observation, masks = _situations(game)
    logits = load_policy(saved).logits(observation, game.static, masks, game.effects)
    expected = network(torch.from_numpy(observation))[0].detach().numpy()
    np.testing.assert_allclose(logits[masks], expected[masks], rtol=1e-5, atol=1e-5)
    assert np.isneginf(logits[~masks]).all()


def test_a_policy_acts_legally_and_as_its_scores_say(game: Game, saved: Path) -> None:
    """The greedy action is legal, and the legal one that torch scores highest."""
    observation, masks = _situations(game)
    policy = load_policy(saved)
    actions = policy.act(observation, game.static, masks, game.effects)
    assert actions.dtype == np.int32
    assert masks[np.arange(len(actions)), actions].all()
    only_waiting = np.zeros_like(masks)
    only_waiting[:, 0] = True
    assert (policy.act(observation, game.static, only_waiting, game.effects) == 0).all()


def test_each_world_is_scored_for_itself(game: Game, saved: Path) -> None:
    """A world's scores do not depend on which other worlds are asked about beside it."""
    observation, masks = _situations(game)
    policy = load_policy(saved)
    together = policy.logits(observation, game.static, masks, game.effects)
    alone = policy.logits(observation[2:3], game.static, masks[2:3], game.effects)
    np.testing.assert_allclose(together[2:3][masks[2:3]], alone[masks[2:3]], rtol=1e-5, atol=1e-5)


def test_numpy_follows_torch_through_a_game(game: Game, network: PairNetwork, saved: Path) -> None:
    """Legal actions score equal to 1e-5 along a game that the policy itself plays."""
    policy, worlds = load_policy(saved), ResponseWorlds(game, range(4))
    observation = worlds.reset()
    for _ in range(25):
        masks = worlds.masks()
        ours = policy.logits(observation, game.static, masks, game.effects)
        with torch.no_grad():
            theirs = network(torch.from_numpy(observation))[0].numpy()
        np.testing.assert_allclose(ours[masks], theirs[masks], rtol=1e-5, atol=1e-5)
        observation = worlds.step(policy.act(observation, game.static, masks, game.effects)).observation


def test_the_same_weights_serve_another_library(game: Game, saved: Path) -> None:
    """A new playbook needs no new network: scores follow the effect table that is given."""
    rows, targets = game.effects.playbook, game.compiled.targets
    more = game.effects._replace(playbook=np.concatenate([rows, rows[:1]]).view(np.recarray))
    masks = np.ones((1, 1 + (len(rows) + 1) * targets), bool)
    logits = load_policy(saved).logits(ResponseWorlds(game, [0]).reset(), game.static, masks, more)
    assert np.allclose(logits[0, 1 : 1 + targets], logits[0, 1 + len(rows) * targets :])


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
        {"card.json": _card_with(saved, format=2)},
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
    """Saving refuses infinite or lacking weights and leaves the old file as it was."""
    before, weights = saved.read_bytes(), network.numpy_weights()
    for wrong in ({**weights, "wait.bias": np.array([np.nan], np.float32)}, {"wait.bias": weights["wait.bias"]}):
        with pytest.raises(PolicyFileError):
            save_policy(saved, wrong, {})
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


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
