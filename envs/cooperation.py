"""How owners cooperate, as four kinds of one game: findings shared or kept, consent to each other quick or slow.

Flows in: a game. Flows out: the same chain and attackers, other agreements between owners. What an owner decides about
its own stays as the chain has it. The numbers are assumed: what a standing agreement and today's calls come to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ..twin.graph import ConsentRule, Sharing, Twin
from ..twin.vocabulary import ConsentClass, ConsentMode, Proposer
from .game import Game, make_game
from .owners import seated

QUICK_S = 60.0  # mean time to an answer by a standing agreement, which refuses nothing
SLOW_S = 7200.0  # at least, to an answer by call: `twin.rulebook.parameters.Phone.call_h`


@dataclass(frozen=True, slots=True)
class Cooperation:
    """One kind."""

    shares: bool  # every owner lets all others see its findings and what they are about; else nobody sees anything
    agrees: bool  # others' requests are answered within a minute with yes, except where safety is at stake


ARMS: Mapping[str, Cooperation] = {
    "both": Cooperation(shares=True, agrees=True),
    "findings": Cooperation(shares=True, agrees=False),
    "consent": Cooperation(shares=False, agrees=True),
    "neither": Cooperation(shares=False, agrees=False),
}


def with_cooperation(game: Game, how: Cooperation) -> Game:
    """The same game where owners cooperate so."""
    twin = game.compiled.twin
    owners = seated(twin)
    sharing = tuple(Sharing(owner, "*", ("findings", "assets")) for owner in owners) if how.shares else ()
    consent = sorted(_consent(twin, owners, how), key=lambda rule: (rule.owner, rule.consent_class, rule.proposer))
    return make_game(game.scenario, replace(twin, sharing=sharing, consent=tuple(consent)), game.library)


def _consent(twin: Twin, owners: tuple[str, ...], how: Cooperation) -> Iterator[ConsentRule]:
    for rule in twin.consent:
        if rule.proposer is Proposer.OWN or rule.consent_class is ConsentClass.SAFETY:
            yield rule
        elif not how.agrees:
            slow = replace(rule, mode=ConsentMode.ASK, latency_s=max(rule.latency_s, SLOW_S))
            yield rule if rule.mode is ConsentMode.NEVER else slow
    if how.agrees:
        for owner in owners:
            for one in ConsentClass:
                if one is not ConsentClass.SAFETY:
                    yield ConsentRule(owner, one, Proposer.OTHER, ConsentMode.ASK, latency_s=QUICK_S)
