"""What a run trains on: one chain, or stages of generated chains of growing size with mixed attackers.

Flows in: a scenario and settings. Flows out: `Chain`s of a stage, and chains that judge weights and are never trained
on. Everything follows from the scenario's seed: a stage made twice is the same. Seeds of `chains.HELD_OUT` and more are
never used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..envs.attackers import PRESETS, Attacker
from ..envs.cooperation import with_cooperation
from ..envs.game import Game, load_game
from ..envs.kinds import ARMS
from ..envs.scenario import SMALL_SITE, Generator, Scenario
from ..envs.scripted import Defender, Threshold, nothing, worlds_for
from .chains import HELD_OUT, kept_for_judging
from .player import Play, Player
from .settings import AS_WRITTEN, MIXED, PER_CHAIN, TrainError, TrainSettings
from .streams import STREAM_IMITATION, STREAM_VALIDATION

UNIT_WORLDS = 128  # attacks from which a chain's unit comes
LEAST_UNIT = 0.05  # owner-hours; so that a chain where hardly anything is lost drowns no other; assumed


@dataclass(frozen=True)
class Chain:
    """One chain of a stage."""

    game: Game
    unit: float = 1.0  # owner-hours that count as 1 in rewards and losses
    play: Play | None = None  # who plays; None: the defenders' side is learned, see `seats.Seating`

    @property
    def player(self) -> Player | None:
        """Who is learned, see `Play.player`."""
        return None if self.play is None else self.play.player

    @property
    def told(self) -> dict[str, Any]:
        """What it is, for checkpoints and cards."""
        made, first = self.game.scenario.made, self.game.scenario.attackers[0]
        drawn = {} if made is None else {"seed": made.seed, "assets": made.assets}
        return {**drawn, "attacker": first.preset, "digest": self.game.compiled.twin.digest, "unit": self.unit}


Chains = tuple[Chain, ...]


def single(game: Game) -> Chains:
    """A game by itself; rewards are in owner-hours."""
    return (Chain(game),)


class Curriculum:
    """The chains of a run by stage; makes them when asked, and holds those of the last stage asked for."""

    def __init__(self, scenario: Scenario, settings: TrainSettings) -> None:
        """Check that the chains can be made.

        Raises:
            TrainError: the scenario is kept for judging, generates no chain where chains are wanted, or its seeds would
                run into those that are kept for judging.
        """
        fault = kept_for_judging(scenario)
        if fault:
            raise TrainError(fault)
        made = scenario.made
        if settings.chains:
            if made is None:
                raise TrainError(
                    f"chains {settings.chains}: scenario {scenario.name} has one chain; only `generate:` makes several"
                )
            most = settings.stages * settings.chains + settings.judges
            if made.seed + most > HELD_OUT:
                raise TrainError(
                    f"scenario {scenario.name}: seed {made.seed}: this run makes {most} chains, and seeds from "
                    f"{HELD_OUT} on are kept for judging; give a lower seed"
                )
        self._scenario, self._settings = scenario, settings
        self._kept: tuple[int, Chains] | None = None

    @property
    def is_family(self) -> bool:
        """Whether chains are generated."""
        return self._settings.chains > 0

    @property
    def last(self) -> int:
        """Number of the last stage."""
        return self._settings.stages - 1

    def stage_at(self, part: float) -> int:
        """The stage that is played when this part of the run, 0 to 1, is done.

        Stages go by progress, not by when the validation stops falling: a run that is resumed then meets the same
        chains at the same iterations, and one noisy validation decides nothing.
        """
        return min(self.last, int(part * self._settings.stages + 1e-9))

    def chains(self, stage: int) -> Chains:
        """The chains of a stage."""
        if self._kept is None or self._kept[0] != stage:
            self._kept = (stage, self._made(stage))
        return self._kept[1]

    def _made(self, stage: int) -> Chains:
        settings, scenario = self._settings, self._scenario
        if not self.is_family:
            return tuple(Chain(game) for game in _cooperating([load_game(scenario)], settings, each=True))
        largest = largest_at(stage, settings)
        return tuple(
            _with_unit(game, STREAM_IMITATION, UNIT_WORLDS, settings.unit)
            for game in _cooperating(
                _drawn(scenario, settings, stage * settings.chains, settings.chains, largest), settings
            )
        )

    @cached_property
    def judges(self) -> Chains:
        """Chains by which weights are kept; losses are told in their units, see `unit_of`."""
        settings = self._settings
        if not self.is_family:
            return self.chains(0)
        games = _drawn(self._scenario, settings, settings.stages * settings.chains, settings.judges, settings.largest)
        return tuple(
            _with_unit(game, STREAM_VALIDATION, self.judged_worlds, PER_CHAIN) for game in _cooperating(games, settings)
        )

    @property
    def judged_worlds(self) -> int:
        """Attacks by which weights are kept, for each chain."""
        alone = len(ARMS) if self._settings.cooperation == MIXED else 1
        return max(1, self._settings.validation_worlds // (self._settings.judges if self.is_family else alone))

    def told(self, stage: int) -> dict[str, Any]:
        """For a checkpoint: which stage, and its chains."""
        return {"stage": stage, "chains": [chain.told for chain in self.chains(stage)]}


def largest_at(stage: int, settings: TrainSettings) -> int:
    """Assets of a stage's largest chains: grows by equal factors over the first half of the stages."""
    grown = min(1.0, (stage + 1) / math.ceil((settings.stages + 1) / 2))
    return round(settings.smallest * (settings.largest / settings.smallest) ** grown)


def _drawn(scenario: Scenario, settings: TrainSettings, first: int, count: int, largest: int) -> list[Game]:
    """Games on `count` chains of seeds from `first` after the scenario's own; sizes even on a logarithmic scale."""
    made = scenario.made
    assert made is not None
    rng = np.random.Generator(np.random.Philox(key=[made.seed, first]))
    places = (rng.permutation(count) + rng.random(count)) / count  # 0..1, one in each part of the scale
    sizes = settings.smallest * (largest / settings.smallest) ** places
    return [
        load_game(_variant(scenario, made, made.seed + first + number, round(size), first + number, settings))
        for number, size in enumerate(sizes.tolist())
    ]


def _cooperating(games: Sequence[Game], settings: TrainSettings, *, each: bool = False) -> list[Game]:
    """Games with owners that cooperate as settings say; of all kinds every game has one in turn, or `each` of them."""
    if settings.cooperation == AS_WRITTEN:
        return list(games)
    kinds = list(ARMS.values()) if settings.cooperation == MIXED else [ARMS[settings.cooperation]]
    if each:
        return [with_cooperation(game, kind) for game in games for kind in kinds]
    return [with_cooperation(game, kinds[number % len(kinds)]) for number, game in enumerate(games)]


def _variant(
    scenario: Scenario, made: Generator, seed: int, assets: int, number: int, settings: TrainSettings
) -> Scenario:
    owners = min(made.owners, assets // (SMALL_SITE + 1))
    update: dict[str, Any] = {"generate": made.model_copy(update={"seed": seed, "assets": assets, "owners": owners})}
    if settings.attackers != AS_WRITTEN:
        update["attackers"] = (preset_attacker(list(PRESETS)[number % len(PRESETS)], scenario.attackers[0]),)
    return scenario.model_copy(update=update)


def preset_attacker(preset: str, like: Attacker) -> Attacker:
    """A named attacker that comes when another does; one that needs an entry begins anywhere inside."""
    inside = 1.0 if PRESETS[preset].needs_entry else 0.0
    return Attacker(preset=preset, inside=inside, onset_s=like.onset_s, absent=like.absent)


def _with_unit(game: Game, stream: int, worlds: int, unit: str) -> Chain:
    return Chain(game, unit_of(game, stream, worlds) if unit == PER_CHAIN else 1.0)


def unit_of(game: Game, stream: int, worlds: int) -> float:
    """Owner-hours of an attack on a chain that count as 1: what is lost undefended, or by the rule on belief if more.

    Both are needed: what is lost undefended differs thirtyfold between attackers, and where it is least (forged
    findings) rules lose several times as much by acting, so that in shares of it those chains would outweigh all.

    Args:
        game: what is played.
        stream: of draws.
        worlds: attacks over which the mean is taken.
    """
    return max(LEAST_UNIT, *(mean_loss(game, rule, stream, worlds) for rule in (nothing, Threshold(game))))


def mean_loss(game: Game, rule: Defender, stream: int, worlds: int) -> float:
    """Owner-hours that the coalition loses in an attack under a rule, the mean over worlds of a stream."""
    lanes, lost = worlds_for(rule)(game, range(worlds), stream=stream), 0.0
    for _ in range(game.decisions):
        lost += float(lanes.step(rule(lanes)).loss.sum())
    return lost / worlds


def dealt(worlds: int, chains: Sequence[Chain]) -> list[int]:
    """How many of so many worlds each chain gets: as even as can be."""
    each, rest = divmod(worlds, len(chains))
    return [each + (number < rest) for number in range(len(chains))]
