"""What a run is about: what is played, how a network begins, by what it is judged. `train` drives any of these.

Flows in: a scenario and settings, or another side's. Flows out: chains by stage, scales, judgements. `Defence` is the
course of `tocsin train`; a league's are in `contest`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol

from ..envs.policy_file import OBSERVATION_VERSION
from ..envs.scenario import Scenario
from .family import Chains, Curriculum
from .imitate import imitate, numbers_of
from .seats import Seating
from .settings import COALITION, TrainSettings
from .validate import Validated, validated

BUDGETS = ("downtime_budget", "false_budget", "consents_budget", "budget_rate")
FAMILY = ("seats", "own_share", "cooperation", "chains", "smallest", "largest", "stages", "attackers", "unit", "judges")
RECIPE = ("seed", "shape", "worlds", "steps", "epochs", "minibatches", "gamma", "gae_lambda")
BOUND = (*RECIPE, *FAMILY, *BUDGETS)  # settings that stay when a run is resumed


class Course(Protocol):
    """What `train.learn` asks of what it trains on."""

    def stage_at(self, part: float) -> int:
        """The stage that is due when this part of the run, 0 to 1, is done."""
        ...

    def chains(self, stage: int) -> Chains:
        """What workers play in a stage."""
        ...

    def told(self, stage: int) -> dict[str, Any]:
        """For a checkpoint: which stage, and its chains."""
        ...

    def bound_to(self) -> dict[str, Any]:
        """What a checkpoint is bound to: a run that goes on from it has all of this equal."""
        ...

    def begin(self, policy: Any) -> float:
        """Bring a fresh policy to where PPO starts; gives the scale of rewards."""
        ...

    def judged(self, policy: Any) -> Validated:
        """Losses and costs on worlds kept apart; the mean loss decides which weights are kept, less is better."""
        ...

    def weights(self, policy: Any) -> Mapping[str, Any]:
        """What is kept of the best policy: arrays by name."""
        ...


class Defence:
    """Responses on a scenario's own chain or the family that it generates."""

    def __init__(self, scenario: Scenario, settings: TrainSettings) -> None:
        """See `Curriculum`.

        Raises:
            TrainError: as `Curriculum`, or the rule is none.
        """
        # the rule's numbers are read once: a run takes long, and the file may be gone by its end
        self.rule = numbers_of(settings).as_dict() if settings.seats == COALITION else {}
        self.curriculum = Curriculum(scenario, settings)
        self.stage_at, self.chains, self.told = self.curriculum.stage_at, self.curriculum.chains, self.curriculum.told
        self._scenario, self._settings = scenario, settings

    def bound_to(self) -> dict[str, Any]:
        """The game, the settings that shape it, and the chains that judge."""
        scenario, judges = self._scenario, self.curriculum.judges
        return {
            "scenario": scenario.name,
            "observation version": OBSERVATION_VERSION,  # first: what follows differs between versions too
            **{name: getattr(self._settings, name) for name in BOUND},
            **({"rule": self.rule} if self.rule else {}),
            "library": judges[0].game.library.digest,
            "chain": [chain.game.compiled.twin.digest for chain in judges],
            "game": hashlib.sha256(scenario.model_dump_json(exclude={"folder"}).encode()).hexdigest()[:16],
        }

    def begin(self, policy: Any) -> float:
        """The warm start, see `imitate`, on chains of all sizes, as the last stages have them."""
        stages = Curriculum(self._scenario, self._settings)
        return imitate(policy.network, stages.chains(stages.last), self._settings)

    def judged(self, policy: Any) -> Validated:
        """On the judging chains, each in its own unit, so that none outweighs the others."""
        seating, curriculum = Seating.of(self._settings), self.curriculum
        return validated(curriculum.judges, policy.network, curriculum.judged_worlds, seating)

    def weights(self, policy: Any) -> Mapping[str, Any]:
        """The actor's, as policy files have them."""
        found: Mapping[str, Any] = policy.network.numpy_weights()
        return found
