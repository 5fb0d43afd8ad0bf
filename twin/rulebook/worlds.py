"""A batch of worlds with its twin, effects and parameters: the friendly face of the kernel.

Flows in: compiled twin, effects, parameters, keys. Flows out: ticks, masks, forks. `Worlds` lives as long as its user
keeps it and is not shared between threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..compiled import NANO, Compiled, Int32, Int64
from .attacking import TAKES_ITS_OWN, fill_open_steps
from .effects import EffectTable
from .jit import entry
from .kernel import roll_worlds, tick_worlds
from .legal import Legal, list_legal_of, new_legal, write_legal
from .mask import fill_masks, static_mask
from .parameters import MOST_ATTACKERS, Parameters
from .state import HELD_LIMIT, RUNS, WorldState, copy_worlds, new_state, reset_worlds

# Streams of draws: forecasts never see the future of a plant or an environment.
STREAM_ENVIRONMENT, STREAM_EVALUATION, STREAM_PLANT, STREAM_FORECAST = 1, 2, 3, 4
_ITS_OWN = np.full((1, MOST_ATTACKERS), TAKES_ITS_OWN, np.int32)  # one row for all worlds


@dataclass
class Worlds:
    """B worlds that share one game."""

    compiled: Compiled
    effects: EffectTable
    parameters: Parameters
    state: WorldState
    _code: dict[Callable[..., Any], Callable[..., Any]] = field(default_factory=dict, init=False, repr=False)
    _code_for: WorldState | None = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def make(
        cls,
        compiled: Compiled,
        effects: EffectTable,
        parameters: Parameters,
        *,
        world_ids: Sequence[int] | Int64,
        stream: int,
        episode: int = 0,
        seat_owners: Sequence[int] = (-1,),
        runs: int = RUNS,
        trace: int = 0,
        held: int = HELD_LIMIT,
    ) -> Worlds:
        """Make and reset one world per id.

        Args:
            compiled: the twin they share.
            effects: what playbooks do.
            parameters: numbers of the game.
            world_ids: int64[B], each with draws of its own.
            stream: which stream of draws, see STREAM_*.
            episode: number of the episode, part of the key.
            seat_owners: owner number of each seat; -1 is the coalition.
            runs: responses that may run at once in a world.
            trace: occurrences kept per tick.
            held: assets that attackers may hold at once in a world; beyond it they gain no more.

        Raises:
            ValueError: no world, or no seat.
        """
        if len(world_ids) == 0 or len(seat_owners) == 0:
            raise ValueError("worlds need at least one world id and one seat")
        seats = len(seat_owners)
        state = new_state(compiled, parameters, len(world_ids), seats=seats, runs=runs, trace=trace, held=held)
        state.world["stream"] = stream
        state.world["id"] = world_ids
        state.world["episode"] = episode
        state.seat_owner[:] = seat_owners
        worlds = cls(compiled, effects, parameters, state)
        worlds.reset(np.arange(len(world_ids)))
        return worlds

    @property
    def count(self) -> int:
        """B."""
        return len(self.state.world)

    @property
    def actions(self) -> int:
        """1 + P * T."""
        return 1 + len(self.effects.playbook) * self.compiled.targets

    def reset(self, rows: npt.NDArray[np.int64]) -> None:
        """Start the worlds in `rows` again under their present keys."""
        self._run(reset_worlds, np.ascontiguousarray(rows, np.int64), self.parameters, self.state)

    def tick(self, decision: Int32, attack: Int32 | None = None) -> None:
        """Advance every world by one tick.

        Attackers take the steps of the built-in rule unless `attack` says otherwise: that is the seat of a learned
        attacker. Whoever sits there may try a step in every tick; tempo, patience and taste of its profile bind the
        built-in rule alone. A step that is not open to the attacker when it is settled (see `open_steps`; defences of
        the same tick come first), or before it has come, becomes an occurrence `refused` (step, attacker, `NOT_OPEN`).

        Args:
            decision: int32[B, S]; 0 waits.
            attack: int32[B, K], per attacker an attack step 0..E-1, `NO_STEP` (-1: waits) or `TAKES_ITS_OWN` (-2: the
                built-in rule decides); left out: all take their own.

        Raises:
            ValueError: wrong shape, or a number outside 0..P*T or -2..E-1; no world has changed then.
        """
        seats, attackers = self.state.seat_owner.shape[1], self.state.attacker.shape[1]
        chosen = _ITS_OWN
        decision = self._checked("decision", decision, seats, 0, self.actions - 1)
        if attack is not None:
            chosen = self._checked("attack", attack, attackers, TAKES_ITS_OWN, len(self.compiled.steps) - 1)
        self._run(tick_worlds, decision, chosen, self.compiled.arrays, self.effects, self.parameters, self.state)

    def _run(self, function: Callable[..., Any], *args: Any) -> None:
        """Call compiled code with arguments that are of the same types each time, as long as the state is the same."""
        if self._code_for is not self.state:
            self._code_for = self.state
            self._code.clear()
        if function not in self._code:
            self._code[function] = entry(function, *args)
        self._code[function](*args)

    def _checked(self, name: str, given: Int32, columns: int, least: int, most: int) -> Int32:
        chosen, wanted = np.asarray(given), (self.count, columns)
        if chosen.shape != wanted or not np.issubdtype(chosen.dtype, np.integer):
            raise ValueError(f"{name} is {chosen.dtype} of shape {chosen.shape}; give integers of shape {wanted}")
        if chosen.size and (chosen.min() < least or chosen.max() > most):
            raise ValueError(f"{name} holds {chosen.min()}..{chosen.max()}; give {least}..{most}")
        return np.ascontiguousarray(chosen, np.int32)

    def open_steps(self, k: int) -> npt.NDArray[np.bool_]:
        """bool[B, E]: the attack steps that attacker `k` may try in the next tick, and would gain by; a new array.

        None of them before the attacker has come. Steps that the profile has no taste for are open too.

        Raises:
            ValueError: there is no attacker `k`.
        """
        attackers = self.state.attacker.shape[1]
        if not 0 <= k < attackers:
            raise ValueError(f"attacker {k}: these worlds have {attackers}; give 0..{attackers - 1}")
        found = np.zeros((self.count, len(self.compiled.steps)), np.bool_)
        fill_open_steps(k, self.compiled.arrays, self.state, found)
        return found

    def roll(self, ticks: int) -> None:
        """Advance every world by `ticks` while all seats wait."""
        roll_worlds(ticks, self.compiled.arrays, self.effects, self.parameters, self.state)

    def masks(self) -> npt.NDArray[np.bool_]:
        """bool[B, 1 + P * T] of legal actions."""
        always = static_mask(self.compiled.arrays, self.effects)
        masks = np.empty((self.count, len(always)), np.bool_)
        fill_masks(always, self.compiled.arrays, self.effects, self.state, masks)
        return masks

    @cached_property
    def legal(self) -> Legal:
        """Room for the legal actions of these worlds; `legal.list_legal` brings it up to date."""
        return new_legal(self.compiled, self.effects, self.count, runs=self.state.run.shape[1])

    def legal_pairs(self, world: int) -> Int32:
        """int32[n, 2] (playbook, target) of every response that may be proposed in a world now."""
        arrays, actions = self.compiled.arrays, np.empty(self.legal.always.size + self.legal.opened.shape[1], np.int32)
        list_legal_of(world, arrays, self.effects, self.state, self.legal)
        count = write_legal(world, self.legal, actions)
        return np.stack(np.divmod(actions[:count] - 1, self.compiled.targets), axis=1).astype(np.int32)

    def fork(self, rows: npt.NDArray[np.int64] | Sequence[int]) -> Worlds:
        """Copies of the worlds in `rows` (which may repeat): with equal stream and id, the same future."""
        state = copy_worlds(self.state, np.asarray(rows, np.int64))
        return Worlds(self.compiled, self.effects, self.parameters, state)

    def losses(self) -> npt.NDArray[np.float64]:
        """float64[B, O, LossCause] loss so far, in the owners' unit."""
        return self.state.loss / NANO

    def trace(self, world: int) -> list[tuple[int, int, int, int]]:
        """Occurrences of the last tick of one world: (kind, subject, object, value)."""
        rows = self.state.trace[world, : self.state.world["trace_n"][world]]
        return [(int(k), int(subject), int(thing), int(value)) for k, subject, thing, value in rows]
