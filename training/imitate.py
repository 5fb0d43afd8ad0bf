"""The warm start: a network that acts as a rule on belief does, and values of what it meets.

Flows in: chains and a fresh network. Flows out: the same network and the scale that brings returns to about 1. PPO then
starts from a policy that does no harm. Rules see belief and who is assumed to come, never hidden truth. The coalition's
network follows the rule that is a layer of it (`envs.rule_layer`), and learns values alone here. For owners' seats one
is cloned: it teaches by how much each response is worth, not only by which it chose, as from choices alone the network
learned the place of the threshold too slowly (`docs/policy.md`). Each row is told as one owner's, who asks others only
where they consent quickly: PPO did not unlearn to ask where the answer takes hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ..envs.active import OWN, Active
from ..envs.active_worlds import ActiveWorlds
from ..envs.game import Game
from ..envs.learned import Learned
from ..envs.owners import seated
from ..envs.rule_layer import RulePolicy
from ..envs.rule_numbers import RuleNumbers
from ..envs.scripted import Defender
from ..envs.target_graph import TARGET_FEATURES
from ..envs.vector import ResponseWorlds
from .family import Chain, dealt
from .network import PairNetwork
from .rule_file import read_numbers, shipped_numbers
from .settings import COALITION, OWNERS, TrainSettings
from .streams import STREAM_IMITATION
from .worth import Watchful

FACTORS = (0.5, 1.0, 2.0, 4.0)  # of the rule's level; the best of them on the imitation worlds teaches
IMITATED_LEVEL = 1.0  # of owners' rules
# Gain that makes a choice e times as likely in the lesson; assumed. At 0.25 the network drew from so many choices that
# in training it contained 30 assets an attack for nothing, where the likeliest choices contain 4: PPO mends the draw.
SOFTNESS = 0.1
SLOW = 0.3  # share of worlds in which a rule that is cloned acts in one decision of four: the lesson holds its mistakes
RATE, LEAST_RATE = 5e-3, 1e-4  # Adam's, falling linearly over the passes
MINIBATCH = 128
VALUE_WEIGHT = 0.5  # of the value's fault beside the actor's, as in SB3's PPO
READY = 127  # of 255, the `consent` that a target shows: people who are asked are below, standing agreements above
MOST_SHIFT = 30.0  # gains above the best by this much less count for nothing in a lesson


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the rule would do, R rows."""

    observations: npt.NDArray[np.uint8]  # [R, K, width]
    chances: npt.NDArray[np.float32] | None  # [R, 1 + P * K] of each action, sum 1; None: actions are not taught
    masks: npt.NDArray[np.bool_]  # [R, 1 + P * K]
    returns: npt.NDArray[np.float32]  # [R] discounted, in the chain's unit or scaled

    def scaled(self, scale: float) -> Lesson:
        """The same lesson with other returns."""
        return replace(self, returns=self.returns * np.float32(scale))


def imitate(network: PairNetwork, chains: Sequence[Chain], settings: TrainSettings) -> float:
    """Bring a fresh network to act as the rule does; gives the scale of rewards, per unit of the chains."""
    factor = tuned(chains, settings)
    if settings.seats == COALITION:
        network.follow(numbers_of(settings).levelled(factor))
    lessons = [
        watch(chain, worlds, factor, settings)
        for chain, worlds in zip(chains, dealt(settings.imitation_worlds, chains), strict=True)
        if worlds
    ]
    scale = 1.0 / max(float(np.concatenate([lesson.returns for lesson in lessons]).std()), 1e-6)
    if settings.imitation_passes:
        clone(network, [lesson.scaled(scale) for lesson in lessons], settings)
    return scale


def watch(chain: Chain, worlds: int, factor: float, settings: TrainSettings) -> Lesson:
    """Play one episode of so many imitation worlds by the rule; note returns, and what it favours if it is cloned."""
    game = chain.game
    seen = ActiveWorlds(ResponseWorlds(game, range(worlds), stream=STREAM_IMITATION))
    rule, rng = rule_of(game, factor, settings), np.random.default_rng(settings.seed)
    seats = np.random.default_rng([settings.seed, 1])
    is_slow = np.arange(seen.count) < SLOW * seen.count
    seen.reset(settings.seed)
    rewards, rows, taught, masks = [], [], [], []
    for _ in range(game.decisions):
        rows.append(seen.active.rows.copy())
        masks.append(seen.masks())
        actions = rule(seen.worlds)
        if isinstance(rule, Watchful):
            may = take_seats(rows[-1], seen.active, game, seats)
            taught.append(chances(rule, seen, may))
            actions = np.where(is_slow & (rng.random(seen.count) < 0.75), 0, actions)
        rewards.append(seen.advance(actions.astype(np.int32)).reward)
    returns = discounted(np.stack(rewards) / np.float32(chain.unit), settings.gamma)
    chosen = np.concatenate(taught) if taught else None
    return Lesson(np.concatenate(rows), chosen, np.concatenate(masks), returns.ravel())


def numbers_of(settings: TrainSettings) -> RuleNumbers:
    """Of the rule that contains: those of the settings' file, else the shipped ones.

    Raises:
        TrainError: the file is none of a search.
    """
    return read_numbers(Path(settings.rule)) if settings.rule else shipped_numbers()


def rule_of(game: Game, factor: float, settings: TrainSettings) -> Defender:
    """The rule that policies begin as: the one that contains; for owners' seats the one that evicts and looks closer.

    Args:
        game: what is played.
        factor: of its level.
        settings: whose seats are played, and the rule's numbers.
    """
    if settings.seats == OWNERS:
        return Watchful(game, IMITATED_LEVEL * factor)
    return Learned(game, RulePolicy(numbers_of(settings).levelled(factor)))


def tuned(chains: Sequence[Chain], settings: TrainSettings) -> float:
    """The factor of `FACTORS` that loses least on the imitation worlds, an episode that no lesson shows.

    Losses are in the chains' units, so that none outweighs the others.
    """
    losses = np.zeros(len(FACTORS))
    for chain, count in zip(chains, dealt(settings.imitation_worlds, chains), strict=True):
        if not count:
            continue
        worlds = ResponseWorlds(chain.game, range(count), stream=STREAM_IMITATION)
        for number, factor in enumerate(FACTORS):
            rule = rule_of(chain.game, factor, settings)
            worlds.reset(settings.seed + 1)
            for _ in range(chain.game.decisions):
                losses[number] -= float(worlds.step(rule(worlds)).reward.sum()) / chain.unit
    return FACTORS[int(np.argmin(losses))]


def take_seats(
    rows: npt.NDArray[np.uint8], active: Active, game: Game, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Tell each row, which the coalition sees, as some owner's that sees as much, by what it calls its own.

    Args:
        rows: uint8[B, K, width], written to.
        active: where they are from.
        game: of the worlds.
        rng: draws an owner for each row.

    Returns:
        bool[B, K]: slots with what the owner may act on soon: its own, and what others consent to quickly.
    """
    graph, target = game.graph, np.maximum(active.target, 0)
    numbers = [game.compiled.owner_number[owner] for owner in seated(game.compiled.twin)]
    seat = rng.choice(numbers, len(rows))
    own = (graph.owner[target] == seat[:, None, None]).any(axis=2)
    rows[:, :, OWN] = np.where(own & (active.target >= 0), 255, 0)
    quick: npt.NDArray[np.bool_] = graph.static[:, TARGET_FEATURES.index("consent")] > READY
    return own | quick[target]


def chances(rule: Watchful, seen: ActiveWorlds, may: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """float32[B, 1 + P * K] of each action: likelier by e for every `SOFTNESS` of gain; waiting gains the level.

    Args:
        rule: what is taught.
        seen: where it acts.
        may: bool[B, K] slots on which it may.
    """
    gains = rule.gains(seen.worlds)
    rows = np.arange(seen.count)
    found: npt.NDArray[np.float32] = np.full((seen.count, seen.actions), -np.inf, np.float32)
    found[:, 0] = rule.level
    slots = seen.settings.slots
    for slot, target in enumerate(seen.active.target.T):
        is_asset = (target >= 0) & (target < seen.game.compiled.sizes[0]) & may[:, slot]
        asset = np.where(is_asset, target, 0)
        for option in range(0, gains.shape[1], seen.game.compiled.sizes[0]):  # what may be done there
            playbook = (rule.actions[option + asset] - 1) // seen.game.compiled.targets
            found[rows[is_asset], (1 + playbook * slots + slot)[is_asset]] = gains[rows, option + asset][is_asset]
    shifted = (found - found.max(axis=1, keepdims=True)) / SOFTNESS
    likely = np.where(shifted > -MOST_SHIFT, np.exp(shifted), 0.0)
    return (likely / likely.sum(axis=1, keepdims=True)).astype(np.float32)


def discounted(rewards: npt.NDArray[np.float32], gamma: float) -> npt.NDArray[np.float32]:
    """float32[S, B] returns of rewards float32[S, B], as if the last quarter's mean went on after the end."""
    tail = rewards[-max(1, len(rewards) // 4) :].mean()
    following = np.full(rewards.shape[1], tail / max(1.0 - gamma, 1e-3), np.float32)
    returns = np.empty_like(rewards)
    for step in range(len(rewards) - 1, -1, -1):
        following = rewards[step] + np.float32(gamma) * following
        returns[step] = following
    return returns


def clone(network: PairNetwork, lessons: Sequence[Lesson], settings: TrainSettings) -> None:
    """Fit values, and scores where they are taught, to lessons of one chain or of several."""
    names = [name for name in ("observations", "masks", "returns", "chances") if getattr(lessons[0], name) is not None]
    tensors = [torch.from_numpy(np.concatenate([getattr(one, name) for one in lessons])) for name in names]
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    shuffle = torch.Generator().manual_seed(settings.seed)
    for number in range(settings.imitation_passes):
        for group in optimizer.param_groups:
            group["lr"] = max(LEAST_RATE, RATE * (1.0 - number / settings.imitation_passes))
        for rows in torch.split(torch.randperm(len(tensors[0]), generator=shuffle), MINIBATCH):
            observations, masks, returns, *chosen = (tensor[rows] for tensor in tensors)
            if chosen:
                logits, values = network(observations, masks)
                faults = torch.nn.functional.cross_entropy(logits, chosen[0])
            else:
                values, faults = network.values(observations), torch.zeros(())
            faults = faults + VALUE_WEIGHT * ((values[:, 0] - returns) ** 2).mean()
            optimizer.zero_grad()
            faults.backward()
            optimizer.step()
