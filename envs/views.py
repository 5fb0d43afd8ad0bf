"""What one owner sees of a chain: a twin of its own, and worlds as they look through it.

Flows in: a game, an owner, whole worlds. Flows out: a `View` (static) and a `ViewLanes` (worlds, belief, observation,
legal actions of that view). A view holds its own assets and those that others share with it; the far ends of its own
links as something outside; for every owner that shares findings but not assets one opaque asset on which these fall.
Everything that belief, observation and masks read is copied out of the whole world through the view first, so nothing
that the owner cannot see, not even the number of hidden assets, can make a difference (tested as a law).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..twin.attack.steps import derive_steps
from ..twin.compiled import Compiled, UInt8, compile_twin
from ..twin.graph import Asset, Link, Owner, Twin
from ..twin.rulebook.mask import fill_masks, static_mask
from ..twin.rulebook.parameters import GameSettings, Parameters, assumable, build_parameters
from ..twin.rulebook.state import RUNS, WorldState, new_state
from ..twin.sensing.arriving import held_shares
from ..twin.sensing.belief import SCRATCH, new_belief, reset_belief, update_beliefs
from ..twin.sensing.confusion import shipped_confusion
from ..twin.sensing.observe import new_observation, observe_all, reset_observation, static_observation
from ..twin.sensing.viewing import ViewMap, look
from ..twin.vocabulary import AssetKind, LinkKind, RunState, SensorClass
from .active import Active, ActiveSettings, legal_of_masks, sees_active
from .game import Game
from .target_graph import TargetGraph, target_graph

REST = "opaque/rest"  # `owner/opaque/rest`: all that an owner does not show
Int64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class View:
    """What an owner may know of a game, with the way its numbers lie in the whole game's."""

    owner: str
    compiled: Compiled  # of what it sees
    assumed: Parameters
    always: Bools  # bool[1 + P * T'] actions legal when nothing runs; none on what only stands for hidden assets
    static: npt.NDArray[np.float32]  # float32[T', STATIC_FEATURES]
    sees: UInt8  # [N'] 1: findings on this asset are visible; 2: told by their owner, late
    targets: Int64  # [T'] number in the whole game, -1: stands for something hidden
    numbers: ViewMap

    @cached_property
    def graph(self) -> TargetGraph:
        """What it sees, as active views read it."""
        return target_graph(self.compiled, self.assumed)


def view_of(game: Game, owner: str) -> View:
    """Compile what an owner sees.

    Raises:
        KeyError: there is no such owner; names those that are.
    """
    whole = game.compiled
    if owner not in whole.owner_number:
        raise KeyError(f"owner {owner!r} is not in the chain; it has {', '.join(whole.owner_number)}")
    twin = seen_twin(whole.twin, owner)
    compiled = compile_twin(twin, derive_steps(twin), tick_s=whole.tick_s)
    visible, heard = whole.twin.visible_assets(owner), whole.twin.visible_findings(owner)
    targets = _targets(whole, compiled, visible)
    always = static_mask(compiled.arrays, game.effects)
    always[1:].reshape(-1, compiled.targets)[:, targets < 0] = False
    told = [2 if game.parameters.is_by_phone and asset.owner != owner else 1 for asset in twin.assets]
    is_heard = [asset.id in heard or asset.id not in visible for asset in twin.assets]
    return View(
        owner=owner,
        compiled=compiled,
        assumed=_assumed(game, compiled),
        always=always,
        static=static_observation(compiled),
        sees=np.where(is_heard, told, 0).astype(np.uint8),
        targets=targets,
        numbers=_numbers(whole, compiled, targets, visible, heard),
    )


def _targets(whole: Compiled, compiled: Compiled, visible: frozenset[str]) -> Int64:
    """Numbers of a view's targets in the whole game: assets (-1: stands for something hidden), links, owners."""
    assets = [whole.asset_number[a.id] if a.id in visible else -1 for a in compiled.twin.assets]
    others = [compiled.target_name(target) for target in range(len(assets), compiled.targets)]
    return np.array([*assets, *(whole.target_number[name] for name in others)], np.int64)


def _numbers(
    whole: Compiled, compiled: Compiled, targets: Int64, visible: frozenset[str], heard: frozenset[str]
) -> ViewMap:
    assets, links, _ = compiled.sizes
    count, boundary, _ = whole.sizes
    local = np.full(whole.targets, -1, np.int64)
    local[targets[targets >= 0]] = np.flatnonzero(targets >= 0)
    sharers = {asset.owner for asset in whole.twin.assets if asset.id in visible}
    return ViewMap(
        asset=targets[:assets],
        link=targets[assets : assets + links] - count,
        owner=targets[assets + links :] - count - boundary,
        shown=np.array([one.id in sharers for one in compiled.twin.owners], np.uint8),
        local=local,
        lands=np.array([_lands(asset, visible, heard, compiled) for asset in whole.assets], np.int64),
    )


def _lands(asset: Asset, visible: frozenset[str], heard: frozenset[str], compiled: Compiled) -> int:
    """Where findings on an asset of the whole game fall in a view: on it, on what stands for it, or nowhere."""
    if asset.id not in heard:
        return -1
    return compiled.asset_number[asset.id if asset.id in visible else f"{asset.owner}/{REST}"]


def seen_twin(twin: Twin, viewer: str) -> Twin:
    """The part of a twin that an owner sees, with what stands for the rest. Equal parts give equal twins."""
    visible, heard = twin.visible_assets(viewer), twin.visible_findings(viewer)
    links = [link for link in twin.links if _is_known(twin, link, viewer, visible)]
    kept = {asset.id: asset for asset in twin.assets if asset.id in visible}
    for end in (end for link in links for end in (link.source, link.target) if end not in visible):
        far = twin.asset_by_id[end]
        kept[end] = Asset(end, AssetKind.EXTERNAL, far.owner, far.name)
    for owner in sorted({twin.asset_by_id[one].owner for one in heard - visible}):
        rest = f"{owner}/{REST}"
        kept[rest] = Asset(rest, AssetKind.OPAQUE, owner, "what it does not show", sensors=tuple(SensorClass))
    there = {asset.owner for asset in kept.values()}
    sharers = {twin.asset_by_id[one].owner for one in visible}
    return Twin.build(
        owners=[_as_seen(one, one.id in sharers) for one in twin.owners if one.id in there],
        assets=list(kept.values()),
        links=links,
        weaknesses=[one for one in twin.weaknesses if one.asset in visible],
        consent=[rule for rule in twin.consent if rule.owner in there],
    )


def _is_known(twin: Twin, link: Link, viewer: str, visible: frozenset[str]) -> bool:
    """Whether an owner knows of a link: it sees both ends, or one is its own. Who depends on it is not its business."""
    if link.source in visible and link.target in visible:
        return True
    if link.kind is LinkKind.DEPENDS_ON and link.source not in visible:
        return False
    return viewer in (twin.asset_by_id[link.source].owner, twin.asset_by_id[link.target].owner)


def _as_seen(owner: Owner, shares: bool) -> Owner:
    return owner if shares else Owner(owner.id, owner.name)


def _assumed(game: Game, compiled: Compiled) -> Parameters:
    """The game that an owner believes in: that an attacker begins inside is known, where is not."""
    settings = GameSettings(repair_h=game.scenario.repair_h, labour_rate=game.scenario.labour_rate)
    profiles = [replace(attacker.profile, entry=(), inside=0.0) for attacker in game.scenario.attackers]
    parameters = build_parameters(compiled, profiles, shipped_confusion(), settings)
    parameters.attacker["inside"] = game.assumed.attacker["inside"]
    return assumable(compiled, parameters)


class ViewLanes:
    """B worlds as one view sees them; lives as long as those."""

    def __init__(self, game: Game, view: View, whole: WorldState, *, seat: int) -> None:
        """Make lanes for worlds in which the owner has a seat, with as much room for findings as those have."""
        worlds, runs, findings = len(whole.world), whole.run.shape[1], whole.finding.shape[1]
        self.view = view
        self._game = game
        self._seat = seat
        self._state = new_state(view.compiled, view.assumed, worlds, runs=runs, findings=findings)
        self._state.world["run_n"] = runs  # they lie where they lie in the whole worlds
        self._belief = new_belief(view.compiled, worlds, sees=view.sees)
        self._lanes = np.arange(worlds, dtype=np.int64)
        self._observed = new_observation(view.compiled, worlds)
        self._masks = np.empty((worlds, len(view.always)), np.bool_)

    def reset(self, whole: WorldState) -> None:
        """Forget everything and look at worlds that have just begun."""
        reset_belief(self._lanes, self._belief)
        look(self.view.numbers, whole, self._state)

    def follow(self, whole: WorldState) -> None:
        """Bring belief in step with the tick that the worlds have just made."""
        look(self.view.numbers, whole, self._state)
        compiled, effects, assumed = self.view.compiled.arrays, self._game.effects, self.view.assumed
        update_beliefs(self._lanes, compiled, effects, assumed, self._state, self._belief)

    def observe(self) -> npt.NDArray[np.uint8]:
        """uint8[B, T', FEATURES]; a new array."""
        reset_observation(self._lanes, self._observed)  # the state is copied, not ticked: all of it has to be read
        observe_all(self._lanes, self.view.compiled.arrays, self._state, self._belief, self._observed)
        return self._observed.rows.copy()

    def see_active(self, settings: ActiveSettings, into: Active) -> None:
        """Write what the owner sees into an active view of its own; targets are numbers of the view."""
        self.observe()
        seat = self.view.compiled.owner_number[self.view.owner]
        sees_active(self._observed, self.view.graph, settings=settings, into=into, seat=seat)
        legal_of_masks(self.masks(), into)

    def held(self) -> npt.NDArray[np.float32]:
        """float32[B, N'] what the owner believes: probability that an attacker has any access; a new array."""
        return held_shares(self.view.assumed, self._belief)

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """State and belief by name, all that the view's future depends on beside the worlds; not copies."""
        state, belief = self._state._asdict(), self._belief._asdict()  # type: ignore[attr-defined]
        named = {f"state.{name}": array for name, array in state.items()}
        named |= {f"belief.{name}": array for name, array in belief.items() if name not in SCRATCH}
        return {name: np.asarray(array) for name, array in named.items()}

    @property
    def state(self) -> WorldState:
        """The worlds as this view shows them, in its numbers; not to be written to."""
        return self._state

    def masks(self) -> Bools:
        """bool[B, 1 + P * T'] of actions that the owner may propose, as far as it can see; a new array.

        A seat has at most `RUNS` responses on their way at once, so that none is refused for others' sake.
        """
        fill_masks(self.view.always, self.view.compiled.arrays, self._game.effects, self._state, self._masks)
        mine = (self._state.run["state"] != RunState.FREE) & (self._state.run["seat"] == self._seat)
        masks = self._masks.copy()
        masks[mine.sum(axis=1) >= RUNS, 1:] = False
        return masks

    def whole(self, actions: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """int32[B]: the view's actions as numbers of the whole game's."""
        playbook, target = np.divmod(actions - 1, self.view.compiled.targets)
        there = 1 + playbook * self._game.compiled.targets + self.view.targets[target]
        return np.where(actions > 0, there, 0).astype(np.int32)
