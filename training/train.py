"""One training run, readable top to bottom: begin as a rule, let Ray workers learn, keep the best, write it down.

Flows in: a scenario and settings, or another `Course`, which says what is played. Flows out: a policy file, or weights,
and what was measured on the way. The first part of the time goes into the warm start by a rule (`imitate`), while Ray's
workers load; then PPO goes on from it. Weights are kept by their loss on worlds of a stream that neither training nor
evaluation uses. A run with a folder writes checkpoints, and goes on from the newest: parameters, optimizer, draws,
stage, worlds, counters, curves and best weights.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from ..envs.active import ACTIVE_FEATURES
from ..envs.policy_file import save_policy
from ..envs.rule_numbers import RuleNumbers
from ..envs.scenario import Scenario
from .central import Central
from .checkpoint import CheckpointError
from .cluster import settle_in, start_ray, stop_ray
from .course import Course, Defence
from .decentralised import Decentralised
from .family import Chains, Curriculum
from .metering import COSTS, is_bound, next_multipliers, overrun, prices
from .peer import Iteration
from .ppo import make_learner
from .report import Report
from .runs import RunFolder, made_by
from .settings import CENTRAL, COALITION, DECENTRALISED, TrainSettings, as_dict
from .workers import FIRST_LIFE, Crew, Earlier

STOP_S = 2.0  # seconds kept for ending Ray and writing the file
VALIDATION_SLACK = 1.2  # the last validation may take this much longer than the first
LEAST_LEFT = 0.05  # of the learning rate, at the end

Progress = Callable[[Report], None]


class Shape(Protocol):
    """Who computes gradients; the two kinds are in `decentralised` and `central`."""

    crew: Crew
    lost: int

    def begin(self, state: dict[str, Any], scale: float, played: Mapping[int, Any], until: float = ...) -> None:
        """Start from a learner's state, and worlds by place."""
        ...

    def play(self, chains: Chains, stage: int) -> None:
        """Go over to the chains of another stage."""
        ...

    def iterate(self, left: float, until: float = ..., prices: Any = ...) -> Iteration | None:
        """Roll out and learn once; None if `until` came first."""
        ...

    def learned(self) -> dict[str, Any]:
        """State of the learner."""
        ...

    def played(self) -> dict[int, Any]:
        """State of worlds by place."""
        ...

    def stop(self) -> None:
        """End the workers."""
        ...


MakeShape = Callable[[Chains, TrainSettings, int, Earlier], Shape]
SHAPES: Mapping[str, MakeShape] = {DECENTRALISED: Decentralised, CENTRAL: Central}


def train(
    scenario: Scenario,
    settings: TrainSettings,
    out: Path | None,
    progress: Progress = lambda _: None,
    *,
    resume: bool = False,
    make_shape: MakeShape | None = None,
) -> Report:
    """Train within the time or iterations given and write the policy file.

    Args:
        scenario: what is played.
        settings: of the run.
        out: policy file to write; it lies in the run's folder too, if there is one.
        progress: called after every iteration.
        resume: go on from the run's newest checkpoint, if it has one.
        make_shape: who computes gradients, if not what the settings say.

    Raises:
        TrainError: no worker could be had, or the run's folder cannot be used.
        CheckpointError: the newest checkpoint cannot be used; nothing was overwritten.
        PolicyFileError: the file cannot be written.
    """
    course = Defence(scenario, settings)
    learned = learn(course, settings, progress, resume=resume, make_shape=make_shape)
    _write(learned, course, scenario, settings, out)
    return learned.report


@dataclass(frozen=True)
class LearnedBest:
    """What a run came to."""

    report: Report
    weights: Mapping[str, Any]  # the best by validation, as `Course.weights` gave them
    costs: Mapping[str, float]  # theirs
    folder: RunFolder | None


def learn(
    course: Course,
    settings: TrainSettings,
    progress: Progress = lambda _: None,
    *,
    resume: bool = False,
    make_shape: MakeShape | None = None,
) -> LearnedBest:
    """Train on any course; all else as `train`, which also says what is raised."""
    report = Report()
    folder = RunFolder(settings, resume=resume) if settings.run else None
    kept = folder.checkpoint if folder is not None else None
    if kept is not None:
        _check_same(kept["of"], course.bound_to(), settings.run)
        _check_chains(kept["curriculum"], course, settings.run)
        report.go_on(kept["report"])
    if folder is not None:
        folder.begin()
    run = _Run(course, settings, report, folder, progress, make_shape or SHAPES[settings.shape])
    progress(report)
    started = start_ray(settings)
    try:
        run.learn(kept)
    finally:
        if run.shape is not None:
            run.shape.stop()
        if started:
            stop_ray()
        if folder is not None:
            folder.close()
    report.seconds = report.clock()
    return LearnedBest(report, run.best, run.best_costs, folder)


@dataclass
class _Run:
    """One life of a run."""

    course: Course
    settings: TrainSettings
    report: Report
    folder: RunFolder | None
    progress: Progress
    make_shape: MakeShape
    shape: Shape | None = None

    def __post_init__(self) -> None:
        self.best: Mapping[str, Any] = {}
        self.best_costs: dict[str, float] = {}
        self._validated_at = -1  # iteration
        self._validation_s = self._iteration_s = 0.0  # how long the last took

    def learn(self, kept: Any) -> None:
        """Imitate or go on, then PPO until the end, validating now and then, and at the end."""
        report, settings = self.report, self.settings
        stage = report.chains_stage = 0 if kept is None else int(kept["curriculum"]["stage"])
        chains = self.course.chains(stage)
        played: dict[int, Any] = {} if kept is None else {int(place): one for place, one in kept["played"].items()}
        earlier = FIRST_LIFE if kept is None else Earlier.of(kept["crew"], played)
        shape = self.shape = self.make_shape(chains, settings, stage, earlier)
        settle_in(settings)  # batches here are small: more threads gain little, and lose much on a loaded machine
        self.learner = make_learner(chains[0].game, settings, chains[0].player)
        if kept is None:
            self._say("imitating")
            report.scale = self.course.begin(self.learner.policy)
            self._validate()
        else:
            self.learner.restore(kept["learner"])
            self.best, self.best_costs = kept["best"], dict(kept["best_costs"])
        self._say("waiting for workers")
        shape.begin(self.learner.state(), report.scale, played, self._end())
        self._say("learning")
        if kept is None:
            report.learning_since = report.clock()
        replaced = report.replaced_workers
        while self._goes_on():
            self._go_over(shape)
            began = time.monotonic()
            told = shape.iterate(self._left(), self._end(), self._prices())
            self._iteration_s = time.monotonic() - began
            if told is None:
                break
            self._note(told, replaced)
        if self._validated_at != report.iterations:
            self._validate()
        self._keep()

    def _go_over(self, shape: Shape) -> None:
        """Play the chains of the stage that is due."""
        stage = self.course.stage_at(self._part())
        if stage > self.report.chains_stage:
            self.report.chains_stage = stage
            shape.play(self.course.chains(stage), stage)

    def _note(self, told: Iteration, replaced: int) -> None:
        assert self.shape is not None
        figures, report = self.report.note(told), self.report
        report.replaced_workers = replaced + self.shape.crew.replaced
        report.lost_iterations = self.shape.lost
        if is_bound(self.settings):
            report.multipliers = next_multipliers(np.array(report.multipliers), told.costs, self.settings).tolist()
        if self.folder is not None:
            self.folder.note(report.iterations, figures)
        if self._is_due():
            self._validate()
        if report.iterations % self.settings.checkpoint_every == 0:
            self._keep()
        self.progress(report)

    def _prices(self) -> Any:
        """What costs count as in rewards; None where there is no budget."""
        return prices(np.array(self.report.multipliers), self.settings) if is_bound(self.settings) else None

    def _goes_on(self) -> bool:
        if self.settings.iterations and self.report.iterations >= self.settings.iterations:
            return False
        return time.monotonic() + self._iteration_s < self._end()  # one that would not end in time is not begun

    def _end(self) -> float:
        """Monotonic time at which learning ends, seconds."""
        if not self.settings.seconds:
            return math.inf
        left = self.settings.seconds - STOP_S - self.report.clock() - VALIDATION_SLACK * self._validation_s
        return time.monotonic() + left

    def _left(self) -> float:
        """What is left of learning, 1 to `LEAST_LEFT`."""
        return max(LEAST_LEFT, 1.0 - self._part())

    def _part(self) -> float:
        """The part of learning that is done, 0 to 1: of the iterations if they are given, else of the time."""
        report, settings = self.report, self.settings
        if settings.iterations:
            return report.iterations / settings.iterations
        end = settings.seconds - STOP_S - VALIDATION_SLACK * self._validation_s
        return (report.clock() - report.learning_since) / max(end - report.learning_since, 1e-3)

    def _is_due(self) -> bool:
        """Whether the next of the evenly spread validations is due; the last comes when learning has ended."""
        part = self._part()
        return part < 1.0 and len(self.report.validation) < 1 + int(part * (self.settings.validations - 1))

    def _validate(self) -> None:
        """Keep the present weights if they lose least so far; those that keep the budgets go before others."""
        began, report = time.monotonic(), self.report
        if report.iterations:
            assert self.shape is not None
            self.learner.restore(self.shape.learned())
        judged = self.course.judged(self.learner.policy)
        loss = float(judged.losses.mean())
        broken = overrun(judged.costs, self.settings)
        report.validation.append((report.clock(), loss))
        self._validated_at, self._validation_s = report.iterations, time.monotonic() - began
        if (broken, loss) < (report.best_overrun, report.best_loss):
            report.best_overrun, report.best_loss = broken, loss
            self.best = self.course.weights(self.learner.policy)
            told = zip(COSTS, judged.costs.tolist(), strict=True)
            self.best_costs = {name: cost for name, cost in told if math.isfinite(cost)}
        self.progress(report)

    def _keep(self) -> None:
        if self.folder is None:
            return
        assert self.shape is not None
        state = {
            "of": self.course.bound_to(),
            "learner": self.shape.learned(),
            "played": {str(place): one for place, one in self.shape.played().items()},
            "crew": self.shape.crew.kept(),
            "best": dict(self.best),
            "best_costs": self.best_costs,
            "curriculum": self.course.told(self.report.chains_stage),
            "report": self.report.kept(),
        }
        self.folder.keep(self.report.iterations, state)

    def _say(self, stage: str) -> None:
        self.report.stage = stage
        self.progress(self.report)


def _check_same(kept: Mapping[str, Any], wanted: Mapping[str, Any], run: str) -> None:
    for name, value in wanted.items():
        if kept.get(name) != value:
            theirs, ours = _differing(kept.get(name), value)
            raise CheckpointError(
                f"run {run}: its checkpoint has {name} {theirs!r}, this run {ours!r}; "
                "go on as it began, or name another folder"
            )


def _differing(kept: Any, wanted: Any) -> tuple[Any, Any]:
    """Of two mappings what is not equal; anything else as it is."""
    if not (isinstance(kept, Mapping) and isinstance(wanted, Mapping)):
        return kept, wanted
    names = [name for name in kept.keys() | wanted.keys() if kept.get(name) != wanted.get(name)]
    first, second = ({name: one[name] for name in sorted(names) if name in one} for one in (kept, wanted))
    return first, second


def _check_chains(kept: Mapping[str, Any], course: Course | Curriculum, run: str) -> None:
    """Refuse a checkpoint whose stage this version would play on other chains.

    Raises:
        CheckpointError: naming the run and the mend.
    """
    if course.told(int(kept["stage"])) != kept:
        raise CheckpointError(
            f"run {run}: stage {kept['stage']} of its checkpoint had other chains; go on with the version that began "
            "it, or name another folder"
        )


def _write(
    learned: LearnedBest, course: Defence, scenario: Scenario, settings: TrainSettings, out: Path | None
) -> None:
    weights = {name: torch.as_tensor(one).numpy() for name, one in learned.weights.items()}
    card = _card(learned, course, scenario, settings)
    if out is not None:
        save_policy(out, weights, card)
    if learned.folder is not None:
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "policy.tocsin"
            save_policy(made, weights, card)
            learned.folder.put("policy.tocsin", made.read_bytes())


def _how(settings: TrainSettings) -> str:
    cloned = "behaviour cloning of the rule that evicts and looks closer, then " if settings.imitation_passes else ""
    begun = "the rule that contains as a layer, then " if settings.seats == COALITION else cloned
    return f"{begun}MaskablePPO; best by validation"


def _rule_of(weights: Mapping[str, Any]) -> dict[str, float]:
    """The numbers that the file holds: the settings' with the level that lost least."""
    numbers = RuleNumbers.of_array(np.asarray(weights["rule.numbers"], np.float32)).as_dict()
    return {name: float(f"{value:.6g}") for name, value in numbers.items()}


def _card(learned: LearnedBest, course: Defence, scenario: Scenario, settings: TrainSettings) -> dict[str, Any]:
    from .. import __version__

    report, judges = learned.report, course.curriculum.judges
    library = judges[0].game.library
    return {
        "tocsin": __version__,
        "scenario": scenario.name,
        "library": library.digest,
        "playbooks": list(library.names),
        "settings": {
            name: value for name, value in as_dict(settings).items() if name not in ("run", "scenario", "rule")
        },
        "how": _how(settings),
        "rule": _rule_of(learned.weights) if course.rule else {},
        "made": made_by(settings),
        "features": list(ACTIVE_FEATURES),
        "samples": report.samples,
        "iterations": report.iterations,
        "judged by": [chain.told for chain in judges],
        "validation_loss": report.best_loss,
        "validation_costs": dict(learned.costs),
        "validation": [[round(at, 1), round(loss, 4)] for at, loss in report.validation],
    }
