"""One world of a game for several learners at once, one defender per owner, as PettingZoo's `ParallelEnv`.

Flows in: an action per owner. Flows out: what PettingZoo's interface promises, each owner's view apart. It wraps
`OwnerWorlds` with one world and adds no rule of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from pettingzoo import ParallelEnv

from ..twin.sensing.observe import FEATURES
from .canvas import tiled
from .checks import EnvError, checked_mode, checked_share, checked_world
from .game import Game, load_game
from .owners import Observations, OwnersStep, OwnerWorlds
from .render import Picture, in_words, running
from .reward import owner_rewards, told_losses
from .scenario import read_scenario

Seen = dict[str, dict[str, npt.NDArray[Any]]]


class OwnersEnv(ParallelEnv):
    """Defend one service chain as its owners, each with a view of its own.

    Agents: ids of the owners with something to defend; all of them, from the start to the end.

    Observation: `Dict` of `observation`, `Box(0, 255, (T', 16), uint8)`, and `action_mask`, int8[1 + P * T'], 1: legal.
    T' counts the targets of the owner's view: its own assets and those that others share with it; the far ends of its
    own links, as something outside; one opaque asset for each owner that shares findings but not assets; links between
    owners that it is a party to or sees both ends of; the owners of all these. Columns are `ResponseEnv`'s. Belief is
    formed from what the view shows. Nothing that an owner cannot see changes its observation, mask or spaces.
    `static(agent)` gives float32[T', STATIC_FEATURES], `target_names(agent)` the names of the rows.

    Actions: `Discrete(1 + P * T')`: 0 waits, else `1 + playbook * T' + target`, on any target of the view: proposals on
    another's assets await that owner's consent. An illegal action, or one that loses a conflict over a target to a
    lower seat, is refused: the seat waits, and `info[agent]["refused"]` says so.

    Reward: less the loss of the step, in owner-hours times `envs.reward.REWARD_SCALE`: `own_share` of it the owner's
    own, the rest all owners' together. 0 is the coalition's reward for all, 1 each for itself. `info[agent]["loss"]` is
    its own loss of the step by cause.

    Start: as in `ResponseEnv`; `reset(seed=n)` plays episode 0 of world n, without a seed the next episode.

    End: never terminated; truncated for all at `horizon_ticks`, with `info[agent]["episode_loss"]` by cause.

    Render: as `ResponseEnv`'s, of each agent's view alone and with its own loss: `render_of(agent)`; `render()` puts
    those of all agents side by side, or one below the other in text, and is for whoever watches the game.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "name": "tocsin_owners_v0",
        "render_modes": ["ansi", "rgb_array"],
        "render_fps": 10,
        "is_parallelizable": True,
    }

    def __init__(
        self,
        scenario: str | Path | None = None,
        *,
        game: Game | None = None,
        world: int = 0,
        own_share: float = 0.0,
        render_mode: str | None = None,
    ) -> None:
        """Make the environment.

        Args:
            scenario: a scenario file; the shipped one if left out.
            game: a game that is already loaded, instead of a scenario.
            world: its number until a reset gives a seed.
            own_share: of the reward that is the owner's own loss, 0..1.
            render_mode: "ansi", "rgb_array" or None.

        Raises:
            ScenarioError: the scenario cannot be used.
            EnvError: `own_share` is out of range, or there is no such world or render mode.
        """
        self.render_mode = checked_mode(render_mode, self.metadata["render_modes"])
        self.own_share = checked_share("own_share", own_share)
        self.game = game or load_game(read_scenario(None if scenario is None else Path(scenario)))
        self._worlds = OwnerWorlds(self.game, [checked_world(world)])
        self.possible_agents = list(self._worlds.owners)
        self.agents: list[str] = []
        self._views = {lane.view.owner: lane.view for lane in self._worlds.lanes}
        self.observation_spaces = {
            name: _observed(len(v.always), v.compiled.targets) for name, v in self._views.items()
        }
        self.action_spaces = {name: spaces.Discrete(len(view.always)) for name, view in self._views.items()}
        self._pictures: dict[str, Picture] = {}
        self._last = self._seen(self._worlds.observe())
        self._next_episode = 0

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """What an agent's observations are drawn from; always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """What an agent's actions are drawn from; always the same object."""
        return self.action_spaces[agent]

    def static(self, agent: str) -> npt.NDArray[np.float32]:
        """float32[T', STATIC_FEATURES] of an agent's view: what does not change."""
        return self._views[agent].static

    def target_names(self, agent: str) -> list[str]:
        """Name of each row of an agent's observation."""
        compiled = self._views[agent].compiled
        return [compiled.target_name(target) for target in range(compiled.targets)]

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Seen, dict[str, dict[str, Any]]]:
        """Start an episode. There are no options.

        Raises:
            EnvError: the seed is no number of a world.
        """
        if seed is not None:
            self._worlds.worlds.state.world["id"] = checked_world(seed)
            self._next_episode = 0
        observations = self._worlds.reset(self._next_episode)
        self._next_episode += 1
        self.agents = list(self.possible_agents)
        self._last = self._seen(observations)
        return self._last, {agent: {} for agent in self.agents}

    def step(
        self, actions: Mapping[str, int]
    ) -> tuple[Seen, dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Propose one action per agent and let `decide_every` ticks go by.

        Raises:
            ValueError: not one action per agent, or no number of an action; the world has not changed then.
            gymnasium.error.ResetNeeded: the episode is over, or has not begun.
        """
        step = self._worlds.step(self._decision(actions))
        agents = self.agents
        rewards = owner_rewards(step.loss, self.own_share)[0, self._worlds.seats]
        infos = self._told(step)
        if step.truncated:
            self.agents = []
        self._last = self._seen(step.observations)
        return (
            self._last,
            {agent: float(reward) for agent, reward in zip(agents, rewards, strict=True)},
            dict.fromkeys(agents, False),
            dict.fromkeys(agents, step.truncated),
            infos,
        )

    def render(self) -> Any:
        """What `render_of` gives of every agent, in one text or picture; None without a render mode."""
        shown = [self.render_of(agent) for agent in self.possible_agents]
        if self.render_mode == "rgb_array":
            return tiled(shown)
        return "\n\n".join(shown) if self.render_mode == "ansi" else None

    def render_of(self, agent: str) -> Any:
        """A text, or uint8[H, W, 3], of one agent's view by the render mode; None without one.

        Raises:
            EnvError: there is no such agent.
        """
        if agent not in self._views:
            raise EnvError(f"agent {agent!r} is unknown; take one of {', '.join(self.possible_agents)}")
        view, observation = self._views[agent].compiled, self._last[agent]["observation"]
        if self.render_mode == "rgb_array":
            if agent not in self._pictures:
                self._pictures[agent] = Picture(view, viewer=agent)
            return self._pictures[agent].draw(observation)
        if self.render_mode == "ansi":
            responses = running(self.game, self._worlds.lanes[self.possible_agents.index(agent)].state, 0, view=view)
            loss = np.full(len(view.twin.owners), np.nan)
            loss[view.owner_number[agent]] = self._lost(agent)
            return in_words(self.game, observation, responses, loss, f"{agent}, {self._place()}", view=view)
        return None

    def _lost(self, agent: str) -> float:
        """What an owner has lost in the episode so far."""
        return float(self._worlds.worlds.losses()[0, self.game.compiled.owner_number[agent]].sum())

    def _place(self) -> str:
        world = self._worlds.worlds.state.world[0]
        number = f"world {world['id']}, episode {max(self._next_episode - 1, 0)}"
        return f"{number}, tick {world['tick']} of {self.game.scenario.horizon_ticks}"

    def close(self) -> None:
        """Nothing to close."""

    def _decision(self, actions: Mapping[str, int]) -> npt.NDArray[np.int32]:
        if not self.agents:
            raise gymnasium.error.ResetNeeded("no episode is being played; call reset() before the next step")
        if set(actions) != set(self.agents):
            odd = ", ".join(repr(name) for name in sorted(set(actions) ^ set(self.agents), key=str))
            raise ValueError(f"actions: {odd} missing or unknown; give one for each of {', '.join(self.agents)}")
        for agent in self.agents:
            if not self.action_spaces[agent].contains(actions[agent]):
                most = self.action_spaces[agent].n - 1
                raise ValueError(f"action {actions[agent]!r} of {agent!r}: give an integer within 0..{most}")
        return np.array([[int(actions[agent]) for agent in self.agents]], np.int32)

    def _seen(self, observations: Observations) -> Seen:
        return {
            agent: {"observation": seen[0], "action_mask": mask[0].astype(np.int8)}
            for agent, seen, mask in zip(self.possible_agents, observations, self._worlds.legal, strict=True)
        }

    def _told(self, step: OwnersStep) -> dict[str, dict[str, Any]]:
        owners = [owner.id for owner in self.game.compiled.twin.owners]
        loss = told_losses(owners, step.loss[0])
        told: dict[str, dict[str, Any]] = {
            agent: {"refused": bool(refused), "loss": loss[agent]}
            for agent, refused in zip(self.agents, step.refused[0], strict=True)
        }
        if step.truncated:
            total = told_losses(owners, self._worlds.worlds.losses()[0])
            for agent, info in told.items():
                info["episode_loss"] = total[agent]
        return told


def _observed(actions: int, targets: int) -> spaces.Dict:
    return spaces.Dict(
        {
            "observation": spaces.Box(0, 255, (targets, len(FEATURES)), np.uint8),
            "action_mask": spaces.Box(0, 1, (actions,), np.int8),
        }
    )
