"""CAGE Challenge 4 against a stand-in of its interface: shapes, flags, what is proposed and which action that is."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tocsin.envs.cage4 import submission
from tocsin.envs.cage4.agent import COUNTERPART, BlueAgent, layout_of
from tocsin.envs.cage4.layout import LayoutError, read_layout, read_sighting
from tocsin.envs.cage4.submission import BLUE, Announcing, Submission
from tocsin.envs.cage4.zones import STEPS_OF
from tocsin.envs.policy_file import PolicyFileError, save_policy
from tocsin.envs.policy_network import SHAPES
from tocsin.tests.envs.cage4.fake_cyborg import FakeFlatWrapper
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.training.rule_file import shipped_numbers

HOST = "restricted_zone_a_subnet_server_host_1"
HQ_HOST = "office_network_subnet_user_host_3"


@pytest.fixture
def played() -> tuple[FakeFlatWrapper, Announcing]:
    """A stand-in with Tocsin's agents before it."""
    fake = FakeFlatWrapper()
    return fake, Announcing(fake, {name: BlueAgent() for name in BLUE})


def play(env: Announcing, steps: int, before: Callable[[int], None] = lambda step: None) -> None:
    """The evaluation's loop: every agent acts on its observation."""
    observations, _ = env.reset()
    for step in range(steps):
        before(step)
        observations = {name: env.observation(name) for name in env.agents}
        actions = {
            name: agent.get_action(observations[name], env.action_space(name)) for name, agent in env._told.items()
        }
        observations, *_ = env.step(actions)


def test_the_sizes_are_those_of_the_challenge() -> None:
    """Four agents of 92 numbers and 82 actions, one of 210 and 242, as CybORG's wrapper has them."""
    fake = FakeFlatWrapper()
    sizes = [(len(fake.observation(name)), fake.action_space(name)) for name in BLUE]
    assert sizes == [(92, 82)] * 4 + [(210, 242)]
    assert [layout_of(fake, name).size for name in BLUE] == [92] * 4 + [210]


def test_flags_are_read_off_the_vector() -> None:
    """Phase, a process on one host, a connection on another come out by name, whatever is blocked or kept apart."""
    fake = FakeFlatWrapper(phase=1, apart={("contractor_network_subnet", "office_network_subnet")})
    fake.flag(HQ_HOST, process=True)
    fake.flag("admin_network_subnet_server_host_0", connection=True)
    fake.blocked.add(("internet_subnet", "admin_network_subnet"))
    seen = read_sighting(layout_of(fake, "blue_agent_4"), fake.observation("blue_agent_4"))
    assert (seen.phase, seen.processes, seen.connections) == (1, (HQ_HOST,), ("admin_network_subnet_server_host_0",))


@pytest.mark.parametrize(("agent", "host"), [("blue_agent_0", HOST), ("blue_agent_4", HQ_HOST)])
def test_a_host_with_a_malicious_process_is_restored(
    played: tuple[FakeFlatWrapper, Announcing], agent: str, host: str
) -> None:
    """Flagged once at step 40, its owner restores it, nobody else, and red is gone."""
    fake, env = played
    play(env, 60, lambda step: fake.flag(host, process=True, connection=True) if step == 40 else None)
    restores = [(who, label) for _, who, label in fake.done if label.startswith("Restore")]
    assert restores == [(agent, f"Restore {host}")]
    assert not fake.held


def test_without_flags_nothing_is_restored(played: tuple[FakeFlatWrapper, Announcing]) -> None:
    """The control: silence for a hundred steps; decoys are laid, every host once."""
    fake, env = played
    play(env, 100)
    verbs = {label.split()[0] for _, _, label in fake.done}
    assert verbs == {"Sleep", "DeployDecoy"}
    laid = [label for _, _, label in fake.done if label.startswith("DeployDecoy")]
    assert len(laid) == len(set(laid)) == 7 * (fake.servers + fake.users)


def test_only_valid_actions_are_taken(played: tuple[FakeFlatWrapper, Announcing]) -> None:
    """Random flags everywhere: no action is one that the mask forbids, and none begins while another is at work."""
    fake, env = played
    rng = np.random.default_rng(4)

    def flags(step: int) -> None:
        for name in BLUE:
            hosts = layout_of(fake, name).present
            fake.flag(str(rng.choice(hosts)), process=rng.random() < 0.2, connection=rng.random() < 0.2)

    play(env, 80, flags)
    assert not any("Invalid" in label for _, _, label in fake.done)
    assert sum(label.startswith("Restore") for _, _, label in fake.done) > 10


def test_an_episode_begins_anew(played: tuple[FakeFlatWrapper, Announcing]) -> None:
    """After a reset nothing is believed of the episode before: equal flags give equal actions."""
    fake, env = played
    runs = []
    for _ in range(2):
        play(env, 30, lambda step: fake.flag(HOST, process=True) if step == 10 else None)
        runs.append(list(fake.done))
    assert runs[0] == runs[1]


@pytest.fixture
def cyborg(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module `CybORG.Agents.Wrappers` whose flat wrapper is the stand-in."""
    wrappers = types.ModuleType("CybORG.Agents.Wrappers")
    wrappers.BlueFlatWrapper = lambda env: env  # type: ignore[attr-defined]
    for name, module in (
        ("CybORG", types.ModuleType("CybORG")),
        ("CybORG.Agents", types.ModuleType("CybORG.Agents")),
        ("CybORG.Agents.Wrappers", wrappers),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    yield


def test_the_submission_is_what_the_evaluation_asks_for(cyborg: None) -> None:
    """Names, five agents, and `wrap` called on the class, as the evaluation script does."""
    assert all(isinstance(text, str) for text in (Submission.NAME, Submission.TEAM, Submission.TECHNIQUE))
    env = Submission.wrap(FakeFlatWrapper())
    observations, _ = env.reset()
    actions = {
        name: agent.get_action(observations[name], env.action_space(name)) for name, agent in Submission.AGENTS.items()
    }
    assert set(actions) == set(BLUE)
    _, rewards, *_ = env.step(actions)
    assert set(rewards) == set(BLUE)


def test_a_policy_file_plays_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network of a policy file proposes; what it may propose has a counterpart in the game."""
    rng = np.random.default_rng(1)
    file = tmp_path / "some.policy"
    weights = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in SHAPES.items()}
    silent = {"rule.numbers": shipped_numbers().as_array(), "rule.sharpness": np.zeros(1, np.float32)}
    save_policy(file, {**weights, **silent}, {})
    monkeypatch.setenv(submission.POLICY, str(file))
    fake = FakeFlatWrapper()
    play(Announcing(fake, {name: BlueAgent(submission.proposer()) for name in BLUE}), 20)
    assert {label.split()[0] for _, _, label in fake.done} <= {"Sleep", "Restore", "DeployDecoy"}


def test_a_policy_file_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the file."""
    monkeypatch.setenv(submission.POLICY, "gone.policy")
    with pytest.raises(PolicyFileError, match=r"gone\.policy"):
        submission.proposer()


def test_another_wrapper_is_refused() -> None:
    """Too short a vector, labels of another game, a mask of another length, no episode: each is named."""
    fake = FakeFlatWrapper()
    layout = layout_of(fake, "blue_agent_0")
    with pytest.raises(LayoutError, match="not of 92 numbers"):
        read_sighting(layout, np.zeros(91, np.int64))
    described = {"subnets": layout.subnets, "hosts": fake.hosts("blue_agent_0")}
    with pytest.raises(LayoutError, match="not CAGE Challenge 4"):
        read_layout("blue_agent_0", labels=["Sleep", "Scan"], mask=[True, True], **described)
    with pytest.raises(LayoutError, match="reset the wrapper"):
        read_layout("blue_agent_0", labels=["Sleep"], mask=[], **described)
    with pytest.raises(RuntimeError, match="reset the environment"):
        BlueAgent().get_action(np.zeros(92, np.int64))


def test_the_page_tells_what_is_translated() -> None:
    """docs/cage4.md names each action with its steps and its playbook, and loads the submission as it is called."""
    page = (Path(__file__).resolve().parents[3] / "docs" / "cage4.md").read_text()
    for playbook, verb in COUNTERPART.items():
        assert f"| `{verb}` ({STEPS_OF[playbook]} steps) | playbook `{playbook}`" in page
    line = next(line for line in page.splitlines() if "import Submission" in line)
    names: dict[str, object] = {}
    exec(line.split("'")[1], names)
    assert names["Submission"] is Submission
