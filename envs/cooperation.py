"""How owners cooperate, as four kinds of one game (`kinds`).

Flows in: a game, or a twin. Flows out: the same chain and attackers, other agreements between owners. What an owner
decides about its own stays as the chain has it. The times are assumed (`ranges`): what a standing agreement and today's
calls come to. Who sees an asset sees its owner's consent table too, so a defender can tell the kinds apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..twin.graph import ConsentRule, Sharing, Twin
from ..twin.vocabulary import ConsentClass, ConsentMode, Proposer
from .game import Game, make_game
from .kinds import Cooperation
from .owners import seated
from .ranges import value_of

QUICK_S = value_of("cooperation.quick_s")  # until what is asked for may be done by a standing agreement, refusing none
SLOW_S = value_of("cooperation.slow_s")  # mean time to an answer by call, at least


def with_cooperation(game: Game, how: Cooperation) -> Game:
    """The same game where owners cooperate so."""
    return make_game(game.scenario, cooperating(game.compiled.twin, how), game.library)


def cooperating(twin: Twin, how: Cooperation, *, quick_s: float = QUICK_S, slow_s: float = SLOW_S) -> Twin:
    """The same twin where owners cooperate so.

    Args:
        twin: the chain as it is.
        how: the kind.
        quick_s: seconds from asking to acting where owners agree.
        slow_s: seconds on average until an answer where they do not, more where the chain says more.
    """
    owners = seated(twin)
    sharing = tuple(Sharing(owner, "*", ("findings", "assets")) for owner in owners) if how.shares else ()
    rules = _agreeing(twin, owners, quick_s) if how.agrees else _calling(twin, slow_s)
    consent = sorted(rules, key=lambda rule: (rule.owner, rule.consent_class, rule.proposer))
    return replace(twin, sharing=sharing, consent=tuple(consent))


def _agreeing(twin: Twin, owners: tuple[str, ...], quick_s: float) -> Iterator[ConsentRule]:
    """A standing agreement: owners may object in time, and never do."""
    yield from (rule for rule in twin.consent if _stays(rule))
    for owner in owners:
        for one in ConsentClass:
            if one is not ConsentClass.SAFETY:
                yield ConsentRule(owner, one, Proposer.OTHER, ConsentMode.VETO_WINDOW, latency_s=quick_s)


def _calling(twin: Twin, slow_s: float) -> Iterator[ConsentRule]:
    """Each request is a call; what an owner never allows stays so."""
    for rule in twin.consent:
        if _stays(rule) or rule.mode is ConsentMode.NEVER:
            yield rule
        else:
            yield replace(rule, mode=ConsentMode.ASK, latency_s=max(rule.latency_s, slow_s))


def _stays(rule: ConsentRule) -> bool:
    """Whether no cooperation changes it: what an owner decides about its own, and safety."""
    return rule.proposer is Proposer.OWN or rule.consent_class is ConsentClass.SAFETY
