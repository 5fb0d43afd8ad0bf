"""A scenario as a Mesa model of plain parameters, as `mesa.batch_run` and pages make models.

Flows in: names and numbers. Flows out: a `ChainModel` with its agents. It adds no rule: agents decide every tick (the
scenario's `decide_every` is for learners), and the rulebook settles. Games are compiled once per process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path

from ..agents.defender import (
    BookDefender,
    ClairvoyantDefender,
    DefenderAgent,
    IsolateOnFinding,
    RandomDefender,
    ThresholdDefender,
)
from ..agents.model import ChainModel, MakeDefender
from ..twin.rulebook.worlds import STREAM_ENVIRONMENT
from ..twin.vocabulary import AssetKind
from .attackers import PRESETS, Attacker
from .game import Game, load_game
from .scenario import EXAMPLE, ScenarioError, read_scenario
from .scripted import CUT_LEVEL, ISOLATE, LEAST, LEVEL, RELEASE, RESTORE, REVOKE, book_of

AS_WRITTEN = "as the scenario says"  # attackers
COALITION, OWNERS = "coalition", "owners"  # seats


def _restoring(game: Game) -> MakeDefender:
    restore, revoke = _playbooks(game, RESTORE, REVOKE)
    return partial(ThresholdDefender, threshold=LEVEL, restore=restore, revoke=revoke)


def _cutting_off(game: Game) -> MakeDefender:
    isolate, revoke = _playbooks(game, ISOLATE, REVOKE)
    return partial(ThresholdDefender, threshold=CUT_LEVEL, restore=isolate, revoke=revoke)


def _clairvoyant(game: Game) -> MakeDefender:
    restore, revoke, isolate, release = _playbooks(game, RESTORE, REVOKE, ISOLATE, RELEASE)
    return partial(ClairvoyantDefender, restore=restore, revoke=revoke, isolate=isolate, release=release)


def _isolating(game: Game) -> MakeDefender:
    return partial(IsolateOnFinding, isolate=_playbooks(game, ISOLATE)[0])


def _by_the_book(game: Game) -> MakeDefender:
    return partial(BookDefender, book=book_of(game.library), least=LEAST)


DEFENDERS: Mapping[str, Callable[[Game], MakeDefender]] = {  # the agents of `scripted.DEFENDERS`
    "nothing": lambda game: DefenderAgent,
    "random": lambda game: RandomDefender,
    "isolate-on-finding": _isolating,
    "isolate-on-belief": _cutting_off,
    "threshold": _restoring,
    "book": _by_the_book,
    "clairvoyant": _clairvoyant,
}


class ScenarioModel(ChainModel):
    """One world of a scenario.

    Attributes:
        game: what its worlds share.
    """

    def __init__(
        self,
        scenario: str = EXAMPLE,
        world: int = 0,
        attacker: str = AS_WRITTEN,
        defender: str = "nothing",
        seats: str = COALITION,
        episode: int = 0,
    ) -> None:
        """Make a world and its agents.

        Args:
            scenario: a scenario file, or `EXAMPLE`, the shipped one.
            world: with the episode the key of all draws.
            attacker: a name of `PRESETS` in the place of the scenario's attackers, or `AS_WRITTEN`.
            defender: a name of `DEFENDERS`; it sits on every seat.
            seats: `COALITION`, one seat for all, or `OWNERS`, one for each owner with that owner's own view.
            episode: number of the episode.

        Raises:
            ScenarioError: the scenario cannot be used, or a name is unknown; names it and what there is.
        """
        _check("defender", defender, DEFENDERS)
        _check("seats", seats, (COALITION, OWNERS))
        _check("attacker", attacker, (AS_WRITTEN, *PRESETS))
        self.game = load(scenario, attacker)
        owners = tuple(range(len(self.game.compiled.twin.owners))) if seats == OWNERS else (-1,)
        super().__init__(
            self.game.compiled,
            self.game.effects,
            self.game.parameters,
            world_id=world,
            episode=episode,
            stream=self.game.scenario.stream(STREAM_ENVIRONMENT),
            seat_owners=owners,
            defenders=[DEFENDERS[defender](self.game)] * len(owners),
            assumed=self.game.assumed,
            horizon=self.game.scenario.horizon_ticks,
        )


@cache
def load(scenario: str, attacker: str) -> Game:
    """Compile the game of a scenario file, with an attacker of that preset or as written.

    Raises:
        ScenarioError: the scenario cannot be used.
    """
    read = read_scenario(None if scenario == EXAMPLE else Path(scenario))
    game = load_game(read)
    if attacker == AS_WRITTEN:
        return game
    first = read.attackers[0]
    entry = first.entry or (_desk(game) if PRESETS[attacker].needs_entry else ())
    chosen = Attacker(preset=attacker, entry=entry, onset_s=first.onset_s, absent=first.absent)
    return load_game(read.model_copy(update={"attackers": (chosen,)}))


def _desk(game: Game) -> tuple[str, ...]:
    """Where an insider sits if the scenario does not say: the first host from which somebody may log in elsewhere."""
    holders = {link.source for link in game.compiled.twin.links if link.kind.word == "holds_credential"}
    desks = [a.id for a in game.compiled.twin.assets if a.kind is AssetKind.HOST and a.id in holders]
    if not desks:
        raise ScenarioError(
            f"scenario {game.scenario.name}: no host holds a credential, so an insider has no desk; give it an entry"
        )
    return (desks[0],)


def _playbooks(game: Game, *names: str) -> tuple[int, ...]:
    return tuple(game.library.index_of(name) for name in names)


def _check(what: str, given: str, known: Mapping[str, object] | tuple[str, ...]) -> None:
    if given not in known:
        raise ScenarioError(f"{what} {given!r} is unknown; take one of {', '.join(known)}")
