"""One world of a chain as a Mesa model: agents decide, the rulebook settles.

Flows in: a compiled game and who acts in it. Flows out: a world that steps, its trace and collected data. No rule of
the world is here: a model with built-in agents and a kernel lane of equal key give the same trace. Mesa's own random
numbers are not used; every draw is keyed by (stream, world id, episode, tick).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import mesa
import numpy as np
import numpy.typing as npt
from mesa.datacollection import DataCollector

from ..playbooks.actions import encode
from ..twin.compiled import Compiled
from ..twin.rulebook.effects import EffectTable
from ..twin.rulebook.parameters import Parameters
from ..twin.rulebook.state import UNSERVED
from ..twin.rulebook.worlds import STREAM_ENVIRONMENT, Worlds
from ..twin.vocabulary import AssetKind
from .attacker import AttackerAgent
from .decisions import Decisions, gather, settle_lane
from .defender import DefenderAgent
from .owner import OwnerAgent, Request, pending_requests
from .sight import Sight

TRACE = 1024  # occurrences kept per tick unless told otherwise
Occurrence = tuple[int, int, int, int]  # kind, subject, object, value

MakeAttacker = Callable[["ChainModel", int], AttackerAgent]
MakeOwner = Callable[["ChainModel", int], OwnerAgent]
MakeDefender = Callable[["ChainModel", int], DefenderAgent]


class ChainModel(mesa.Model):
    """A chain under attack, one tick a step.

    Every step, each agent decides on the world as it stands, writing nothing but its own `decision`; then the world
    settles by the rulebook with those decisions.

    Attributes:
        worlds: the world, as a batch of one.
        attackers: one agent per attacker of the parameters.
        owners: one agent per owner of the twin, in order of their numbers.
        defenders: one agent per seat.
        decisions: what all of them decided in the last tick; before the first there is none.
        sight: what the seats believe; None unless the model was given an assumed game.
        datacollector: per step: `loss <owner>` so far, `held` and `unserved` assets; with sight `believed`, how many
            assets seat 0 expects to be held.
    """

    decisions: Decisions

    def __init__(
        self,
        compiled: Compiled,
        effects: EffectTable,
        parameters: Parameters,
        *,
        world_id: int = 0,
        stream: int = STREAM_ENVIRONMENT,
        episode: int = 0,
        seat_owners: Sequence[int] = (-1,),
        attacker: MakeAttacker = AttackerAgent,
        owner: MakeOwner = OwnerAgent,
        defenders: Sequence[MakeDefender] = (),
        assumed: Parameters | None = None,
        horizon: int | None = None,
        trace: int = TRACE,
    ) -> None:
        """Make a world and its agents.

        Args:
            compiled: the chain.
            effects: what playbooks do.
            parameters: numbers of the game.
            world_id: with stream and episode the key of all draws.
            stream: see `rulebook.worlds.STREAM_*`.
            episode: number of the episode.
            seat_owners: owner number of each seat; -1 is the coalition.
            attacker: makes the agent of attacker k.
            owner: makes the agent of owner o.
            defenders: makes the agent of each seat; seats left out wait.
            assumed: the game that the seats believe to be in, mostly `parameters`; None: they hold no belief.
            horizon: ticks after which `running` ends; None: never.
            trace: occurrences kept of one tick, 1 or more.

        Raises:
            ValueError: more defenders than seats.
        """
        super().__init__(seed=0)
        if len(defenders) > len(seat_owners):
            raise ValueError(f"{len(defenders)} defenders for {len(seat_owners)} seats; give a seat_owners entry each")
        self.worlds = Worlds.make(
            compiled,
            effects,
            parameters,
            world_ids=[world_id],
            stream=stream,
            episode=episode,
            seat_owners=seat_owners,
            trace=trace,
        )
        self.horizon = horizon
        self.sight = None if assumed is None else Sight(self.worlds, assumed)
        self.attackers = [attacker(self, number) for number in range(len(parameters.attacker))]
        self.owners = [owner(self, number) for number in range(len(compiled.twin.owners))]
        absent = [DefenderAgent] * (len(seat_owners) - len(defenders))
        self.defenders = [make(self, seat) for seat, make in enumerate([*defenders, *absent])]
        self.datacollector = DataCollector(model_reporters=_reporters(self))
        self.datacollector.collect(self)

    def step(self) -> None:
        """One tick: all decide, then the world settles."""
        self.agents.do("decide")
        self.decisions = gather(self)
        settle_lane(self.worlds, 0, self.decisions)
        if self.sight is not None:
            self.sight.follow()
        self.datacollector.collect(self)
        if self.horizon is not None and self.tick >= self.horizon:
            self.running = False

    @property
    def tick(self) -> int:
        """Ticks gone by."""
        return int(self.worlds.state.world["tick"][0])

    @property
    def trace(self) -> list[Occurrence]:
        """Occurrences of the last tick: (kind, subject, object, value), kinds from `OccurrenceKind`."""
        return self.worlds.trace(0)

    @property
    def findings(self) -> npt.NDArray[np.int32]:
        """int32[F, 4] asset, sensor, class and confidence of the last tick's findings; a copy."""
        state = self.worlds.state
        return state.finding[0, : state.world["finding_n"][0]].copy()

    def held(self) -> npt.NDArray[np.int64]:
        """Numbers of the assets, externals apart, that an attacker has access to: the hidden truth."""
        state, kinds = self.worlds.state, self.worlds.compiled.arrays.asset["kind"]
        listed = np.sort(state.held[0, : state.world["held_n"][0]]).astype(np.int64)
        assets = state.asset[0][listed]
        return listed[((assets["user"] | assets["admin"]) != 0) & (kinds[listed] != AssetKind.EXTERNAL)]

    def unserved(self) -> list[int]:
        """Numbers of the assets that do not serve, in order."""
        return [int(a) for a in np.flatnonzero(self.worlds.state.asset["modes"][0] & UNSERVED)]

    def requests(self, owner: int | None = None) -> list[Request]:
        """Requests that wait for an owner's answer, or for any owner's."""
        return [request for request in pending_requests(self) if owner in (None, request.owner)]

    def legal(self) -> npt.NDArray[np.bool_]:
        """bool[1 + P * T] of legal actions."""
        masks = self.worlds.masks()
        mask: npt.NDArray[np.bool_] = masks[0]
        return mask

    def action(self, playbook: int, target: str) -> int:
        """Number of the action that runs a playbook on a target, by its name.

        Raises:
            KeyError: no such target; names it.
        """
        compiled = self.worlds.compiled
        return encode(playbook, compiled.target_number[target], compiled.targets)


def _reporters(model: ChainModel) -> dict[str, Callable[[ChainModel], float]]:
    owners = model.worlds.compiled.twin.owners
    losses = {f"loss {owners[one.number].id}": partial(_loss, number=one.number) for one in model.owners}
    believed = {} if model.sight is None else {"believed": _believed}
    return {**losses, "held": _held, "unserved": _unserved, **believed}


def _loss(model: ChainModel, *, number: int) -> float:
    return model.owners[number].loss


def _held(model: ChainModel) -> int:
    return len(model.held())


def _unserved(model: ChainModel) -> int:
    return len(model.unserved())


def _believed(model: ChainModel) -> float:
    assert model.sight is not None  # only then is this collected
    inside = model.worlds.compiled.arrays.asset["kind"] != AssetKind.EXTERNAL
    return float(model.sight.held()[inside].sum())
