"""Tocsin as a submission to CAGE Challenge 4, as CybORG's own evaluation loads it.

Flows in: an environment of CybORG's. Flows out: the environment that the evaluation plays, which tells the agents when
an episode begins. The variable `TOCSIN_POLICY` names a policy file to play by; without it the threshold rule plays.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ..policy_file import load_policy
from .agent import BlueAgent, Proposer, by_policy, by_threshold, layout_of

POLICY = "TOCSIN_POLICY"
BLUE = tuple(f"blue_agent_{number}" for number in range(5))


def proposer() -> Proposer:
    """The rule that agents respond by.

    Raises:
        PolicyFileError: the policy file cannot be used.
    """
    file = os.environ.get(POLICY)
    return by_policy(load_policy(Path(file))) if file else by_threshold


class Submission:
    """What the evaluation asks for."""

    NAME = "Tocsin"
    TEAM = "Tocsin"
    TECHNIQUE = "Factored belief over a digital twin; playbooks by threshold or learned policy"
    AGENTS: ClassVar[Mapping[str, BlueAgent]] = {name: BlueAgent(proposer()) for name in BLUE}

    @staticmethod
    def wrap(env: Any) -> Announcing:
        """Wrap CybORG's environment for the agents."""
        from CybORG.Agents.Wrappers import BlueFlatWrapper

        return Announcing(BlueFlatWrapper(env), Submission.AGENTS)


class Announcing:
    """A flat wrapper that tells each agent the layout of every episode as it begins; all else is the wrapper's."""

    def __init__(self, wrapper: Any, agents: Mapping[str, BlueAgent]) -> None:
        """Stand before a wrapper."""
        self._wrapper, self._told = wrapper, agents

    def reset(self, *args: Any, **options: Any) -> Any:
        """Reset the wrapper and begin an episode for every agent."""
        answer = self._wrapper.reset(*args, **options)
        for name, agent in self._told.items():
            agent.begin(layout_of(self._wrapper, name))
        return answer

    def __getattr__(self, name: str) -> Any:
        """What the wrapper has."""
        return getattr(self._wrapper, name)
