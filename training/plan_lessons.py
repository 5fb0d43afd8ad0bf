"""Lessons from a planner: what each response is worth from here, by rolling worlds forward; then the network learns it.

Flows in: one chain. Flows out: a `Lesson`. This is one round of expert iteration (Anthony, Tian and Barber 2017,
"Thinking Fast and Slow with Deep Learning and Tree Search"): the planner searches, the network generalises. The rule
by worth plays on after each candidate, so a lesson says what is better than the rule. Worlds are of the imitation
stream, in an episode that nothing else plays; a plan sees belief and public state, as in production.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ..envs.active import Active, slot_actions
from ..envs.active_worlds import ActiveWorlds
from ..envs.vector import ResponseWorlds
from ..twin.analysis.planner import MOST_SEED, Plan, PlanSettings, plan
from .family import Chain
from .imitate import Lesson, discounted
from .planning import Suspects, WatchfulBase
from .settings import TrainSettings
from .streams import STREAM_IMITATION
from .worth import Watchful

PLANNED = 0.25  # share of decisions with a choice that are planned
AT_REST = 0.02  # share of the others that are noted: there, waiting is all
FOLLOWED = 0.5  # share of plans that are carried out; else the rule's choice is
EPISODE = 2  # after the reset's number: the rule is watched and tuned in the two before
# Few worlds a plan and many plans: what is wrong with one plan is evened out over those alike.
PLANS = PlanSettings(horizon_ticks=120, every=10, worlds=12, most_worlds=12)
SOFTNESS = 0.05  # gain, owner-hours, that makes a choice e times as likely in the lesson; assumed
LEAST_WEIGHT, OF_HARM, MOST_HARM = 0.02, 0.25, 1.0  # of a row; of what a wrong choice loses, up to so much
REST_WEIGHT = 0.05  # of a row at rest


def plan_lesson(chain: Chain, worlds: int, level: float, settings: TrainSettings) -> Lesson:
    """Play one episode of so many worlds; note, for some decisions, what the planner finds each candidate worth.

    Args:
        chain: what is played.
        worlds: side by side.
        level: of the rule that plays on after each candidate.
        settings: seed and discount.
    """
    game = chain.game
    seen = ActiveWorlds(ResponseWorlds(game, range(worlds), stream=STREAM_IMITATION))
    seen.reset(settings.seed + EPISODE)
    rule, base, rng = Watchful(game, level), WatchfulBase(game, level), np.random.default_rng(settings.seed)
    prior, notes, rewards = Suspects(game, rule), _Notes(seen), []
    for decision in range(game.decisions):
        candidates = prior(seen.worlds)
        actions = np.array([choices[0] for choices in candidates], np.int32)
        draws = rng.random((worlds, 2))
        masks = seen.masks()
        for world, choices in enumerate(candidates):
            if len(set(choices)) == 1:
                if choices[0] == 0 and draws[world, 0] < AT_REST:
                    notes.at_rest(decision, world, masks[world])
            elif draws[world, 0] < PLANNED:
                made = _planned(seen, world, [0, *choices], base, key=(settings.seed, decision, world))
                notes.planned(decision, world, masks[world], made)
                if draws[world, 1] < FOLLOWED:
                    best = max(made.prospects, key=lambda one: one.gain)
                    actions[world] = best.action if best.gain > 0 else 0
        rewards.append(seen.advance(actions).reward)
    return notes.lesson(discounted(np.stack(rewards) / np.float32(chain.unit), settings.gamma))


def _planned(
    seen: ActiveWorlds, world: int, candidates: list[int], base: WatchfulBase, *, key: tuple[int, int, int]
) -> Plan:
    """A plan in which waiting comes first, so that gains are over waiting."""
    game, state = seen.game, seen.worlds.worlds.state
    left = max(1, min(PLANS.horizon_ticks, game.scenario.horizon_ticks - int(state.world["tick"][world])))
    return plan(
        game.compiled,
        game.effects,
        game.assumed,
        belief=seen.worlds.belief,
        view=world,
        state=state,
        world=world,
        candidates=candidates,
        base=base,
        settings=replace(PLANS, horizon_ticks=left, every=max(PLANS.every, game.scenario.decide_every)),
        seed=zlib.crc32(repr(key).encode()) % MOST_SEED,
    )


def weighed(gains: npt.NDArray[np.float64], errors: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], float]:
    """(chances float64[C], weight) of candidates by gains float64[C] over waiting and their standard errors.

    A gain is shrunk by how much of it is noise, `gain^2 / (gain^2 + error^2)`; `SOFTNESS` of it makes a choice e times
    as likely. The weight grows with what is at stake: what the best gains, and part of what the worst loses.
    """
    told = np.where(np.isfinite(errors), errors, 0.0) ** 2
    shrunk = gains**3 / np.maximum(gains**2 + told, 1e-12)
    likely = np.exp((shrunk - shrunk.max()) / SOFTNESS)
    harm = float(np.clip(-shrunk.min(), 0.0, MOST_HARM))
    return likely / likely.sum(), LEAST_WEIGHT + max(float(shrunk.max()), 0.0) + OF_HARM * harm


@dataclass
class _Notes:
    """Rows noted so far; lives for one episode."""

    seen: ActiveWorlds
    rows: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    chances: list[npt.NDArray[np.float32]] = field(default_factory=list)
    masks: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    where: list[tuple[int, int]] = field(default_factory=list)  # decision, world

    def at_rest(self, decision: int, world: int, mask: npt.NDArray[np.bool_]) -> None:
        """Note that waiting is all there is to do."""
        waits = np.zeros(len(mask), np.float32)
        waits[0] = 1.0
        self._note(decision, world, mask, waits, REST_WEIGHT)

    def planned(self, decision: int, world: int, mask: npt.NDArray[np.bool_], made: Plan) -> None:
        """Note what a plan came to, of the candidates that have a slot."""
        active, numbers = self.seen.active, np.array([one.action for one in made.prospects])
        alike = Active(*(array[[world] * len(numbers)] for array in active))
        slots = slot_actions(numbers, alike, self.seen.game.compiled.targets)
        there = (numbers == 0) | (slots > 0)
        gains, errors = (np.array([getattr(one, name) for one in made.prospects]) for name in ("gain", "error"))
        likely, weight = weighed(gains[there], errors[there])
        chances = np.zeros(len(mask), np.float32)
        chances[slots[there]] = likely
        self._note(decision, world, mask, chances, weight)

    def _note(
        self,
        decision: int,
        world: int,
        mask: npt.NDArray[np.bool_],
        chances: npt.NDArray[np.float32],
        weight: float,
    ) -> None:
        self.rows.append(self.seen.active.rows[world].copy())
        self.chances.append(chances)
        self.masks.append(mask)
        self.weights.append(weight)
        self.where.append((decision, world))

    def lesson(self, returns: npt.NDArray[np.float32]) -> Lesson:
        """The rows as a lesson, with returns float32[S, B] where they were noted."""
        active = self.seen.active
        place = np.array(self.where, np.int64).reshape(-1, 2)
        empty = np.zeros((0, active.legal.shape[1]))
        return Lesson(
            np.stack(self.rows) if self.rows else active.rows[:0].copy(),
            np.stack(self.chances) if self.chances else empty.astype(np.float32),
            np.stack(self.masks) if self.masks else empty.astype(np.bool_),
            returns[place[:, 0], place[:, 1]],
            np.array(self.weights, np.float32),
        )
