"""Which chains policies are tuned on, and which are kept apart for judging.

Flows in: scenarios. Flows out: games, in pairs of roles. A chain from a file is one chain: it is tuned on with attacks
of the training stream and judged with others. A generated chain is one of a family: it is tuned on the family's own
seeds and judged on chains whose seeds no training may use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..envs.game import Game, load_game
from ..envs.scenario import Scenario

HELD_OUT = 2**30  # seeds of generated chains from here on are kept for judging
MOST_CHAINS = 1000


class ChainsError(ValueError):
    """Chains that cannot be judged on; the message names the fault and the mend."""


@dataclass(frozen=True)
class Trial:
    """A chain to be judged on, and those that may be tuned on for it."""

    judged: Game
    tuned: tuple[Game, ...]

    @property
    def name(self) -> str:
        """The scenario's name, with the seed where the chain is generated."""
        made = self.judged.scenario.made
        return self.judged.scenario.name if made is None else f"{self.judged.scenario.name} #{made.seed - HELD_OUT}"


def trials(scenarios: Sequence[Scenario], chains: int) -> list[Trial]:
    """Load what is judged on.

    Args:
        scenarios: one or more.
        chains: generated chains per scenario that generates them, 1 to `MOST_CHAINS`; as many are tuned on.

    Raises:
        ChainsError: out of range, more than one chain is wanted of a scenario that has one, seeds overlap, or two
            scenarios have one name.
    """
    if not 1 <= chains <= MOST_CHAINS:
        raise ChainsError(f"--chains {chains}: give 1 to {MOST_CHAINS}")
    found = [trial for scenario in scenarios for trial in _trials(scenario, chains, len(scenarios))]
    names = [trial.name for trial in found]
    for name in names:
        if names.count(name) > 1:
            raise ChainsError(f"scenario {name} is judged on twice; give each scenario a name of its own")
    return found


def _trials(scenario: Scenario, chains: int, scenarios: int) -> list[Trial]:
    made = scenario.made
    if made is None:
        if chains > 1 and scenarios == 1:
            raise ChainsError(
                f"--chains {chains}: scenario {scenario.name} has one chain; only `generate:` makes several"
            )
        game = load_game(scenario)
        return [Trial(game, (game,))]
    if made.seed + chains > HELD_OUT:
        raise ChainsError(f"scenario {scenario.name}: seed {made.seed}: seeds from {HELD_OUT} on are kept for judging")
    tuned = tuple(_with_seed(scenario, made.seed + number) for number in range(chains))
    return [Trial(_with_seed(scenario, HELD_OUT + made.seed + number), tuned) for number in range(chains)]


def kept_for_judging(scenario: Scenario) -> str:
    """Why a scenario may not be trained on, or an empty text."""
    made = scenario.made
    if made is None or made.seed < HELD_OUT:
        return ""
    return f"scenario {scenario.name}: seed {made.seed} is kept for judging; give one below {HELD_OUT}"


def _with_seed(scenario: Scenario, seed: int) -> Game:
    assert scenario.generate is not None
    return load_game(scenario.model_copy(update={"generate": scenario.generate.model_copy(update={"seed": seed})}))
