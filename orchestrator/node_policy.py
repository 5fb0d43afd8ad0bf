"""The policy of a node: a promoted one where the node trusts promoters, with the playbooks it was evaluated with.

Flows in: the home's folder of policies or a named file, situations. Flows out: an action per view. Files are read
again when they change, so a first use, a rollback, or trust given or taken back counts from the next decision on; while
there is none whose promotion holds, the policy waits. What it sees is counted (`watching.Counts`).

    HOME/policies/trust.json     whom the node's operator trusts as promoters; without it no promotion can count
    HOME/policies/current.json   which policy is used, see envs.policy_shelf; without it the tuned rule decides
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ..envs.active import dense_actions, legal_of_masks, sees_rows
from ..envs.game import Game
from ..envs.policy_file import NumpyPolicy, policy_of_bytes, read_whole
from ..envs.policy_shelf import PolicyShelf, Verified, digest_of, read_verified
from ..envs.profile import Profile, ProfileError
from ..envs.promotion import PROMOTION, holds, may_propose
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
    """What decides now."""

    policy: NumpyPolicy | None = None  # None: no file does
    is_rule: bool = False  # without a file: the tuned rule; else it waits
    is_promoted: bool = False
    digest: str = ""  # SHA-256 of its file
    playbooks: frozenset[str] | None = None  # ids of what it may propose; None: all
    length: int = 0  # decisions of a window of its profile; 0: it has none


@dataclass
class NodePolicy:
    """What decides on one chain, a policy file or the tuned rule; lives as long as its node, used by one thread."""

    game: Game
    loaded: Callable[[], Loaded]
    rule: Policy
    met: Counts = field(default_factory=Counts)

    def __call__(self, situation: Situation) -> Int32:
        """int32[V]: the action worth proposing, 0 waits."""
        now = self.loaded()
        self.met.change(now.digest, now.length)
        policy, game = now.policy, self.game
        if policy is None:
            if now.is_rule:
                return self.rule(situation)
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


def node_policy(game: Game, home: Home, choice: PolicyChoice) -> NodePolicy:
    """The policy of a node. Whether promotions hold is judged by the machine's time, not the twin's.

    Raises:
        PolicyChoiceError: nobody vouches for the policy and no setting allows that.
        PolicyFileError, PromotionRefused, ShelfError, PlaybookError: files that do not count, by name.
    """
    shelf = PolicyShelf(home.path / "policies")
    if choice.unsigned and shelf.trust.exists() and (choice.path or shelf.pointer.exists()):
        raise PolicyChoiceError(
            f"--unsigned-policy: {shelf.trust} says whose promotions count here; promote the policy, or move the file"
        )
    chosen_policy(game, shelf, choice)  # once, to say what is wrong

    def read() -> Loaded:
        found = chosen_policy(game, shelf, choice)
        for one in not_evaluated(game, found):
            log.warning("the policy was not evaluated with playbook %s: only people and planner propose it", one)
        return found

    files = Fresh(lambda: [shelf.trust, choice.path or shelf.pointer], read, Loaded())
    files.now()  # so that its warnings come at the start

    def now() -> Loaded:
        found = files.now()
        if found.policy is None or not found.is_promoted:
            return found
        return found if holds(found.policy, datetime.now(UTC)) else Loaded()

    return NodePolicy(game, now, ThresholdPolicy(game.compiled, game.effects, game.library))


def chosen_policy(game: Game, shelf: PolicyShelf, choice: PolicyChoice) -> Loaded:
    """What decides as the files are now; where there is a trust file, promoted policies alone.

    Raises:
        PolicyChoiceError, PolicyFileError, PromotionRefused, ShelfError, PlaybookError: by name.
    """
    path = choice.path or shelf.current()
    if path is None:
        return Loaded(is_rule=True)
    if not shelf.trust.exists():
        return _unsigned(path, shelf, choice)
    now = datetime.now(UTC)
    found = read_verified(choice.path, shelf.trusted(), now) if choice.path else shelf.current_verified(now)
    return Loaded(is_rule=True) if found is None else _promoted(game, found)


def not_evaluated(game: Game, loaded: Loaded) -> list[str]:
    """Names of the library's playbooks that a policy may not propose."""
    return [
        one.name for one in game.library.playbooks if loaded.playbooks is not None and one.id not in loaded.playbooks
    ]


def _promoted(game: Game, found: Verified) -> Loaded:
    try:
        length = Profile.of_object(found.policy.card[PROMOTION].get("observations")).length
    except ProfileError:
        length = 0
    return Loaded(
        found.policy,
        is_promoted=True,
        digest=found.digest,
        playbooks=may_propose(found.policy, game.library),
        length=length,
    )


def _unsigned(path: Path, shelf: PolicyShelf, choice: PolicyChoice) -> Loaded:
    if not choice.unsigned:
        raise PolicyChoiceError(
            f"{path}: {shelf.trust} is not there, so nobody's promotion counts; write it, or add --unsigned-policy "
            "to use a policy that nobody vouches for"
        )
    content = read_whole(path)
    return Loaded(policy_of_bytes(path, content), digest=digest_of(content))
