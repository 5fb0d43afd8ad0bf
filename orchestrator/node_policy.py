"""The policy of a node: a promoted one where the node trusts promoters, with the playbooks it was evaluated with.

Flows in: the home's folder of policies or a named file, situations. Flows out: an action per view. Files are read
again when they change, so a rollback, or trust taken back, counts from the next decision on; while there is none whose
promotion holds, the policy waits. What it sees is counted (`watching.Counts`).

    HOME/policies/trust.json     whom the node's operator trusts as promoters; without it no promotion can count
    HOME/policies/current.json   which policy is used, see envs.policy_shelf
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ..envs.active import dense_actions, legal_of_masks, sees_rows
from ..envs.game import Game
from ..envs.policy_file import NumpyPolicy, load_policy
from ..envs.policy_shelf import PolicyShelf, verified
from ..envs.profile import Profile, ProfileError
from ..envs.promotion import PROMOTION, PromotionRefused, holds, may_propose
from ..twin.compiled import Int32
from .advise import Policy, Situation
from .revocable import Fresh
from .rules_policy import ThresholdPolicy
from .settings import Home, PolicyChoice
from .watching import Counts

log = logging.getLogger("tocsin.policy")


class PolicyChoiceError(ValueError):
    """A policy that this node must not use; the message names the setting that decides."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A policy that may be used now."""

    policy: NumpyPolicy | None = None  # None: none may, it waits
    digest: str = ""  # SHA-256 of its file
    playbooks: frozenset[str] | None = None  # ids of what it may propose; None: all
    length: int = 0  # decisions of a window of its profile; 0: it has none


@dataclass
class NodePolicy:
    """A policy file's decisions on one chain; lives as long as its node and is used by one thread at a time."""

    game: Game
    loaded: Callable[[], Loaded]
    met: Counts = field(default_factory=Counts)

    def __call__(self, situation: Situation) -> Int32:
        """int32[V]: the action worth proposing, 0 waits."""
        now = self.loaded()
        self.met.change(now.digest, now.length)
        policy, game = now.policy, self.game
        if policy is None:
            return np.zeros(len(situation.observation), np.int32)
        playbooks = game.library.playbooks
        active = sees_rows(
            situation.observation, game.graph, settings=policy.view, playbooks=len(game.effects.playbook)
        )
        legal_of_masks(situation.masks, active)
        self.met.note(active.rows, int(situation.state.world["tick"][0]))
        if now.playbooks is not None:
            may = np.array([one.id in now.playbooks for one in playbooks])
            active.legal[:, 1:] &= np.repeat(may, active.target.shape[1])
        return dense_actions(policy.act_on(active, game.effects), active, situation.observation.shape[1])

    def may_propose(self, playbook: str) -> bool:
        """Whether the policy in use was evaluated with the playbook of this id, as the library has it."""
        allowed = self.loaded().playbooks
        return allowed is None or playbook in allowed


def node_policy(game: Game, home: Home, choice: PolicyChoice) -> Policy:
    """The policy that a node starts with. Whether promotions hold is judged by the machine's time, not the twin's.

    Raises:
        PolicyChoiceError: nobody vouches for the policy and no setting allows that.
        PolicyFileError, PromotionRefused, ShelfError, PlaybookError: files that do not count, by name.
    """
    shelf = PolicyShelf(home.path / "policies")
    if choice.path is None and shelf.current() is None:
        return ThresholdPolicy(game.compiled, game.effects, game.library)
    if not shelf.trust.exists():
        return NodePolicy(game, _unsigned(shelf, choice))
    if choice.unsigned:
        raise PolicyChoiceError(
            f"--unsigned-policy: {shelf.trust} says whose promotions count here; promote the policy, or move the file"
        )

    def read() -> Loaded:
        return promoted_policy(game, choice.path or shelf.current(), shelf, datetime.now(UTC))

    for one in not_evaluated(game, read()):  # once, to say what is wrong
        log.warning("the policy was not evaluated with playbook %s: only people and planner propose it", one)
    files = Fresh(lambda: [shelf.trust, *filter(None, [choice.path or shelf.pointer])], read, Loaded())

    def now() -> Loaded:
        found = files.now()
        return found if found.policy is None or holds(found.policy, datetime.now(UTC)) else Loaded()

    return NodePolicy(game, now)


def not_evaluated(game: Game, loaded: Loaded) -> list[str]:
    """Names of the library's playbooks that a policy may not propose."""
    return [
        one.name for one in game.library.playbooks if loaded.playbooks is not None and one.id not in loaded.playbooks
    ]


def promoted_policy(game: Game, path: Path | None, shelf: PolicyShelf, now: datetime) -> Loaded:
    """A policy whose promotion holds.

    Raises:
        PolicyFileError, PromotionRefused, PlaybookError: by name.
    """
    if path is None:
        raise PromotionRefused("none", f"{shelf.pointer}: names no policy; use one: tocsin policy use")
    policy = verified(path, shelf.trusted(), now)
    try:
        length = Profile.of_object(policy.card[PROMOTION].get("observations")).length
    except ProfileError:
        length = 0
    return Loaded(policy, digest_of(path), may_propose(policy, game.library), length)


def digest_of(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _unsigned(shelf: PolicyShelf, choice: PolicyChoice) -> Callable[[], Loaded]:
    path = choice.path or shelf.current()
    if not choice.unsigned or path is None:
        raise PolicyChoiceError(
            f"{path}: {shelf.trust} is not there, so nobody's promotion counts; write it, or add --unsigned-policy "
            "to use a policy that nobody vouches for"
        )
    loaded = Loaded(load_policy(path), digest_of(path))
    return lambda: loaded
