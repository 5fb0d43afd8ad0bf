"""A blue agent of CAGE Challenge 4 that thinks in Tocsin's terms: findings, belief, playbook on a target.

Flows in: the observation vector of a step. Flows out: the number of an action. Flags become findings, the compiled
filter turns them into belief, a proposer (a threshold on belief, or a policy file) names a playbook and a host, and the
label says which action that is. A quiet world, in which nobody attacks, plays the agent's own responses: it says what
is at work and what was cleaned. Between responses the agent lays decoys. Traffic between zones is left alone: blocking
what the mission keeps apart lost more than it saved, see docs/cage4.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...playbooks.actions import encode
from ...twin.rulebook.defenders import WAIT, decide_threshold
from ...twin.rulebook.worlds import STREAM_FORECAST, Worlds
from ...twin.sensing.belief import BeliefState, new_belief, update_beliefs
from ...twin.sensing.observe import new_observation, observe_all
from ...twin.vocabulary import Confidence, SensorClass, StepClass
from ..game import Game
from ..policy_file import NumpyPolicy
from .layout import Key, Layout, Sighting, read_layout, read_sighting
from .zones import STEPS_OF, game_of, host_id

COUNTERPART = {"restore-asset": "Restore", "raise-monitoring": "DeployDecoy"}  # what else the library has, it has not
LEVEL = 0.05  # belief from which a host is restored; docs/cage4.md says how it was chosen
_ONE = np.zeros(1, np.int64)


@dataclass(frozen=True, slots=True)
class Seat:
    """What a proposer may look at: a game, its quiet world and one view of it."""

    game: Game
    worlds: Worlds
    belief: BeliefState

    def held(self) -> npt.NDArray[np.float32]:
        """float32[N] believed probability that red is on each asset."""
        asset = self.belief.asset[0]
        believed: npt.NDArray[np.float32] = asset["user"] + asset["admin"]
        return believed

    def legal(self) -> npt.NDArray[np.bool_]:
        """bool[1 + P * T] of what is legal and has a counterpart in the other game."""
        mask = self.worlds.masks()[0]
        targets, library = self.game.compiled.targets, self.game.library
        for number, name in enumerate(library.names):
            if name not in COUNTERPART:
                mask[1 + number * targets : 1 + (number + 1) * targets] = False
        return mask


Proposer = Callable[[Seat], int]  # gives an action of Tocsin's, 0 waits


def by_threshold(seat: Seat, *, level: float = LEVEL) -> int:
    """Restore the host most surely held, from a belief of `level` on."""
    compiled, effects, state = seat.game.compiled.arrays, seat.game.effects, seat.worlds.state
    restore = seat.game.library.index_of("restore-asset")
    return int(decide_threshold(0, seat.held(), level, restore, -1, compiled, effects, state))


def by_policy(policy: NumpyPolicy) -> Proposer:
    """Propose what a policy file scores highest."""

    def propose(seat: Seat) -> int:
        observed = new_observation(seat.game.compiled, 1)
        observe_all(_ONE, seat.game.compiled.arrays, seat.worlds.state, seat.belief, observed)
        return int(policy.act(observed.rows, seat.legal()[None], seat.game.graph, seat.game.effects)[0])

    return propose


def watch(seat: Seat) -> int:
    """Raise monitoring, here a decoy, on the host most surely held that has none; wait where all have."""
    playbook, targets = seat.game.library.index_of("raise-monitoring"), seat.game.compiled.targets
    first = encode(playbook, 0, targets)
    legal = seat.legal()[first : first + len(seat.held())]
    return first + int(np.where(legal, seat.held(), -1.0).argmax()) if legal.any() else WAIT


class BlueAgent:
    """One blue agent; lives as long as a submission, begins anew with every episode."""

    def __init__(self, propose: Proposer = by_threshold) -> None:
        """Make an agent that responds as `propose` says."""
        self._propose = propose
        self._layout: Layout | None = None

    def begin(self, layout: Layout) -> None:
        """Start an episode: nothing is believed, nothing is at work."""
        game = game_of(layout)
        worlds = Worlds.make(
            game.compiled, game.effects, game.parameters, world_ids=[0], stream=game.scenario.stream(STREAM_FORECAST)
        )
        self._layout, self._seat = layout, Seat(game, worlds, new_belief(game.compiled, 1))
        self._busy = 0  # steps until the action at work is done

    def get_action(self, observation: npt.NDArray[np.integer], action_space: object = None) -> int:
        """The number of the action for what is seen; Sleep while an earlier one is at work.

        Raises:
            LayoutError: the observation is none of the layout's.
            RuntimeError: no episode has begun.
        """
        if self._layout is None:
            raise RuntimeError("no episode has begun; reset the environment that Submission.wrap gave")
        sighting = read_sighting(self._layout, observation)
        self._see(sighting)
        action, key = (WAIT, ()) if self._busy else self._choose()
        self._busy = max(0, self._busy - 1)
        self._seat.worlds.tick(np.array([[action]], np.int32))
        return self._layout.actions[key] if key else self._layout.sleep

    def _see(self, sighting: Sighting) -> None:
        """Enter the flags as findings of the tick just made, and bring belief in step with it."""
        game, state = self._seat.game, self._seat.worlds.state
        if state.world["tick"][0] == 0:
            return
        flags = [(host, SensorClass.HOST) for host in sighting.processes]
        flags += [(host, SensorClass.NETWORK) for host in sighting.connections]
        rows = [
            (game.compiled.asset_number[host_id(host)], sensor, StepClass.EXPLOIT, Confidence.HIGH)
            for host, sensor in flags
            if host_id(host) in game.compiled.asset_number
        ][: state.finding.shape[1]]
        state.finding[0, : len(rows)] = np.array(rows, np.int32).reshape(-1, 4)
        state.world["finding_n"][0] = len(rows)
        update_beliefs(_ONE, game.compiled.arrays, game.effects, game.assumed, state, self._seat.belief)

    def _choose(self) -> tuple[int, Key]:
        """A response that has its counterpart in the other game; else more to see by."""
        for propose in (self._propose, watch):
            action = propose(self._seat)
            key = self._counterpart(action)
            if key:
                return action, key
        return WAIT, ()

    def _counterpart(self, action: int) -> Key:
        """Verb and host of an action of Tocsin's; empty if it waits, or the other game has no such thing."""
        assert self._layout is not None
        if action == WAIT:
            return ()
        game = self._seat.game
        playbook, target = divmod(action - 1, game.compiled.targets)
        name = game.library.names[playbook]
        key = (COUNTERPART.get(name, ""), game.compiled.target_name(target).rpartition("/")[2])
        if key not in self._layout.actions:
            return ()
        self._busy = STEPS_OF[name]
        return key


def layout_of(wrapper: object, agent: str) -> Layout:
    """The layout that a flat wrapper describes for an agent, in the episode that it has begun."""
    return read_layout(
        agent,
        subnets=wrapper.subnets(agent),  # type: ignore[attr-defined]
        hosts=wrapper.hosts(agent),  # type: ignore[attr-defined]
        labels=wrapper.action_labels(agent),  # type: ignore[attr-defined]
        mask=wrapper.action_mask(agent),  # type: ignore[attr-defined]
    )
