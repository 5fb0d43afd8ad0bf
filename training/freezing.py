"""The digest of a suite: over everything that its file decides of results, and nothing of the machine.

Flows in: a suite. Flows out: 64 hex digits, and games of what was checked. It covers the content of every judged chain
and its attack steps, attackers, numbers of the game, detectors, what playbooks declare that they do, horizon, attacks
and the baselines' numbers. It does not cover the rules of the world: whether they are what they were, re-running the
kept results shows. What a playbook says of itself without effect (texts, references) is not in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, Field, asdict, fields
from typing import Any

import rfc8785

from ..envs.campaigns import profiles_of
from ..envs.game import Game, game_settings, load_chain, load_game, make_game, playbooks_of
from ..twin.attack.steps import derive_steps
from ..twin.graph import Twin
from ..twin.rulebook.worlds import STREAM_EVALUATION
from ..twin.sensing.confusion import shipped_confusion
from .suites import Place, Suite, SuiteError

FORMAT = 1  # of what is digested
DIGITS = 12  # of numbers, so that the last bits of a product of floats decide nothing


def game_of(place: Place) -> Game:
    """The game of one cell."""
    return load_game(place.scenario)


def check(suite: Suite) -> None:
    """Refuse a frozen suite that would play something else than it did.

    Raises:
        SuiteError: its digest is another one; names both.
    """
    said = suite.said.digest
    if said is None:
        return
    found = digest_of(suite)
    if found != said:
        raise SuiteError(
            f"suite {suite.name}: what it would play has the digest {found}, and it is frozen as {said}; chains, "
            "attackers, playbooks or numbers have changed, so this is another benchmark: give it a new name and number"
        )


def digest_of(suite: Suite) -> str:
    """SHA-256 over what the suite plays, 64 hex digits; the same on every machine."""
    said, library = suite.said, playbooks_of(suite.judged[0].scenario)
    content = {
        "format": FORMAT,
        "episodes": said.episodes,
        "stream": STREAM_EVALUATION,
        "horizon_ticks": said.horizon_ticks,
        "decide_every": said.decide_every,
        "playbooks": {name: _said(effect) for name, effect in zip(library.names, library.effects, strict=True)},
        "detectors": asdict(shipped_confusion()),
        "tuned": None if said.tuned is None else said.tuned.model_dump(mode="json"),
        "cells": list(_cells(suite.judged)),
    }
    return hashlib.sha256(rfc8785.dumps(_plain(content))).hexdigest()


def _cells(places: Sequence[Place]) -> Iterator[dict[str, Any]]:
    twins: dict[str, tuple[Twin, str]] = {}
    for place in places:
        if place.chain not in twins:
            twin = load_chain(place.scenario)
            twins[place.chain] = twin, _digest(_chain(twin))
        twin, digest = twins[place.chain]
        stages = any(one.campaign or one.campaign_file for one in place.scenario.attackers)
        compiled = make_game(place.scenario, twin, playbooks_of(place.scenario)).compiled if stages else None
        profiles = (
            [one.profile for one in place.scenario.attackers]
            if compiled is None
            else profiles_of(place.scenario.attackers, compiled, place.scenario.folder)
        )
        yield {
            "chain": digest,
            "attackers": [asdict(profile) for profile in profiles],
            "game": asdict(game_settings(place.scenario)),
            "tick_s": place.scenario.tick_s,
            "seed": place.scenario.seed,
        }


def _chain(twin: Twin) -> list[Any]:
    """The content of a chain and its attack steps."""
    parts = (twin.owners, twin.assets, twin.links, twin.weaknesses, twin.sharing, twin.consent)
    steps = [[*step.order, int(step.step_class), step.seen_at or "", step.probability] for step in derive_steps(twin)]
    return [[[_said(item) for item in part] for part in parts], steps]


def _said(item: Any) -> dict[str, Any]:
    """Fields that differ from their defaults: a field that comes later changes nothing where it says nothing."""
    return {one.name: getattr(item, one.name) for one in fields(item) if getattr(item, one.name) != _default(one)}


def _default(one: Field[Any]) -> Any:
    return one.default_factory() if one.default_factory is not MISSING else one.default


def _digest(content: Any) -> str:
    return hashlib.sha256(rfc8785.dumps(_plain(content))).hexdigest()


def _plain(value: Any) -> Any:
    """Values that canonical JSON knows, floats rounded to `DIGITS`."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    return int(value)
