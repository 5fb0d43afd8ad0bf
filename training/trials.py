"""Trials of a sweep on Ray Tune: each is a training run in one actor, with checkpoints that Tune keeps and hands on.

Flows in: a `Sweep`, a scheduler, a folder. Flows out: a row per trial. ASHA (Li et al. 2020, "A System for Massively
Parallel Hyperparameter Tuning", MLSys) ends trials that fall behind at a report; population-based training (Jaderberg
et al. 2017) lets the worst go on from the best one's checkpoint with its settings changed.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..envs.scenario import Scenario
from .checkpoint import Shelf
from .cluster import ray, settle_in, start_ray, stop_ray
from .report import Report
from .rule_file import read_numbers
from .settings import TrainSettings
from .sweep import CHOICE, LOGUNIFORM, PBT, Range, Sweep, SweepError, as_object

LOSS, OVERRUN, SCORE = "validation_loss", "overrun", "score"
TIME = "training_iteration"  # Tune's own, counts reports
BROKEN = 1e9  # above every loss: the score of a trial that overran its budgets begins here
NAME = "trials"
KEPT = "sweep.json"  # what a folder's sweep is, so that another is not gone on with by mistake
QUANTILE, PERTURBED = 0.25, 1  # of the population that goes on from others; reports between changes


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one trial."""

    name: str
    chosen: Mapping[str, Any]  # settings that were searched, as they were last
    loss: float | None  # by validation, of its best report; None: it gave none
    overrun: float  # of budgets, in shares of them, at that report; 0: all were kept
    iterations: int
    ended: str  # done, stopped, failed
    why: str = ""


def run_sweep(
    sweep: Sweep,
    scenario: Scenario,
    *,
    scheduler: str,
    samples: int,
    concurrent: int,
    folder: Path,
    resume: bool = False,
    seed: int = 0,
    progress: Callable[[str, float], None] = lambda text, share: None,
) -> list[Row]:
    """Run all trials; gives a row each, the best first.

    Args:
        sweep: what is searched.
        scenario: what is played.
        scheduler: asha or pbt.
        samples: trials.
        concurrent: trials at once.
        folder: of the sweep, absolute; checkpoints of the last report of each trial lie there.
        resume: go on with the sweep of the folder.
        seed: of the draws of settings.
        progress: called with each report and how much of all is done, 0..1.

    Raises:
        SweepError: the folder holds another sweep, or one and `resume` was not asked for; or Tune is not installed.
        TrainError: the rule that the settings name is none; nothing is written then.
    """
    tune = _tune()
    told = {"sweep": _named_by_content(sweep, scenario), "scheduler": scheduler, "samples": samples}
    _check_folder(folder, told, resume=resume)
    started = start_ray(_room(sweep, concurrent))
    try:
        trainable = tune.with_resources(
            tune.with_parameters(trial, sweep=sweep, scenario=scenario), {"cpu": sweep.settings.threads}
        )
        if resume and tune.Tuner.can_restore(str(folder / NAME)):
            tuner = tune.Tuner.restore(str(folder / NAME), trainable, resume_unfinished=True, restart_errored=True)
        else:
            tuner = tune.Tuner(
                trainable,
                param_space={name: _domain(tune, one) for name, one in sweep.search.items()},
                tune_config=_searching(tune, sweep, scheduler, samples, concurrent, seed),
                run_config=_keeping(tune, scheduler, folder, _watcher(tune, samples * sweep.reports, progress)),
            )
        return _rows(tuner.fit(), sweep)
    finally:
        if started:
            stop_ray()


def _searching(tune: Any, sweep: Sweep, scheduler: str, samples: int, concurrent: int, seed: int) -> Any:
    """Which settings are drawn, and which trials go on."""
    return tune.TuneConfig(
        metric=SCORE,
        mode="min",
        num_samples=samples,
        max_concurrent_trials=None if scheduler == PBT else concurrent,
        scheduler=_scheduler(tune, scheduler, sweep),
        search_alg=tune.search.BasicVariantGenerator(random_state=seed),
        reuse_actors=True,  # an actor takes longer to load than a short trial to its first report
    )


def _keeping(tune: Any, scheduler: str, folder: Path, watcher: Any) -> Any:
    """What of a sweep is kept where."""
    return tune.RunConfig(
        name=NAME,
        storage_path=str(folder),
        verbose=0,
        # PBT copies others' checkpoints a while after it chose them: they may not be gone by then
        checkpoint_config=tune.CheckpointConfig(num_to_keep=5 if scheduler == PBT else 1),
        callbacks=[watcher],
    )


def trial(config: dict[str, Any], sweep: Sweep, scenario: Scenario) -> None:
    """One run, in a Ray actor of Tune's; goes on from the checkpoint that Tune gives."""
    from .in_process import InProcess
    from .metering import is_bound
    from .train import train

    tune = _tune()
    with tempfile.TemporaryDirectory() as made:
        folder, given = Path(made) / "run", tune.get_checkpoint()
        folder.mkdir()
        if given is not None:
            with given.as_directory() as place:
                for kept in Path(place).glob("checkpoint-*"):
                    shutil.copy(kept, folder)
        settings = sweep.of(config, str(folder))
        settle_in(settings)
        told = 0 if given is None else -1  # an iteration that was reported already is not reported again

        def report(of: Report) -> None:
            nonlocal told
            if told < 0:
                told = of.iterations
            # told after a validation too, before its checkpoint is kept: others would copy an earlier one
            if of.iterations != told and _is_kept(folder, of.iterations) and of.iterations % sweep.every == 0:
                told = of.iterations
                _tell(tune, of, folder, is_bound=is_bound(settings))

        done = train(scenario, settings, None, report, resume=given is not None, make_shape=InProcess)
        if done.iterations != told:
            _tell(tune, done, folder, is_bound=is_bound(settings))


def _is_kept(folder: Path, iterations: int) -> bool:
    """Whether the run's checkpoint of that iteration is there."""
    return Path(Shelf.at(str(folder)).path(iterations)).is_file()


def figures_of(report: Report, *, is_bound: bool) -> dict[str, float]:
    """By what a trial is compared; with budgets, of the weights that its run would keep.

    Args:
        report: of a run that has been validated.
        is_bound: whether its settings have a budget.
    """
    loss, overrun = (report.best_loss, report.best_overrun) if is_bound else (report.validation[-1][1], 0.0)
    return {LOSS: loss, OVERRUN: overrun, SCORE: score(loss, overrun)}


def score(loss: float, overrun: float) -> float:
    """What trials are ordered by, the less the better: whoever keeps all budgets by loss, the others by overrun."""
    return BROKEN + overrun if overrun > 0 else loss


def _tell(tune: Any, of: Report, folder: Path, *, is_bound: bool) -> None:
    with tempfile.TemporaryDirectory() as made:
        for kept in folder.glob("checkpoint-*"):
            shutil.copy(kept, made)
        figures = {**figures_of(of, is_bound=is_bound), "iterations": of.iterations}
        tune.report(figures, checkpoint=tune.Checkpoint.from_directory(made))


def _named_by_content(sweep: Sweep, scenario: Scenario) -> dict[str, Any]:
    """The sweep as plain values, its files by what they say: a job has them elsewhere each time."""
    told = as_object(sweep)
    said = {"scenario": scenario.model_dump_json(exclude={"folder"}).encode()}
    if sweep.settings.rule:
        read_numbers(Path(sweep.settings.rule))  # is one, before the folder is begun
        said["rule"] = Path(sweep.settings.rule).read_bytes()
    return {**told, "settings": told["settings"] | {name: sha256(one).hexdigest() for name, one in said.items()}}


def _check_folder(folder: Path, told: Mapping[str, Any], *, resume: bool) -> None:
    wanted = json.dumps(told, sort_keys=True)
    place = folder / KEPT
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            if any(folder.iterdir()):
                raise SweepError(f"{folder}: holds files that are no sweep; name a new folder")
            place.write_text(wanted)
        elif not resume:
            raise SweepError(f"{folder}: holds a sweep already; add --resume, or name another folder")
        elif place.read_text() != wanted:
            raise SweepError(f"{folder}: holds another sweep; go on as it began, or name another folder")
    except OSError as error:
        raise SweepError(f"{folder}: {error.strerror or error}; name a folder that can be written") from None


def _room(sweep: Sweep, concurrent: int) -> TrainSettings:
    """Settings by which `start_ray` makes room for the trials."""
    return TrainSettings(workers=concurrent, threads=sweep.settings.threads, seconds=0, iterations=1)


def _domain(tune: Any, one: Range) -> Any:
    if one.kind == CHOICE:
        return tune.choice(list(one.values))
    low, high = one.values
    if one.whole:
        return (tune.lograndint if one.kind == LOGUNIFORM else tune.randint)(int(low), int(high) + 1)
    return (tune.loguniform if one.kind == LOGUNIFORM else tune.uniform)(low, high)


def _scheduler(tune: Any, name: str, sweep: Sweep) -> Any:
    from ray.tune.schedulers import ASHAScheduler, PopulationBasedTraining

    if name == PBT:
        return PopulationBasedTraining(
            time_attr=TIME,
            perturbation_interval=PERTURBED,
            quantile_fraction=QUANTILE,
            hyperparam_mutations={name: _domain(tune, one) for name, one in sweep.search.items()},
            custom_explore_fn=lambda config: within(sweep, config),
            log_config=False,
        )
    return ASHAScheduler(time_attr=TIME, max_t=sweep.reports, grace_period=1, reduction_factor=2)


def within(sweep: Sweep, config: Mapping[str, Any]) -> dict[str, Any]:
    """A choice brought back into its ranges: population-based training multiplies without looking at them."""
    found = dict(config)
    for name, one in sweep.search.items():
        if one.kind != CHOICE:
            low, high = one.values
            value = min(max(found[name], low), high)
            found[name] = round(value) if one.whole else value
    return found


def _watcher(tune: Any, reports: int, progress: Callable[[str, float], None]) -> Any:
    class Watcher(tune.Callback):  # type: ignore[misc]
        """Tells of every report; Tune keeps callbacks with the sweep, and progress cannot be kept."""

        def __init__(self) -> None:
            self.told = 0
            self.progress: Callable[[str, float, int], None] | None = None

        def __getstate__(self) -> dict[str, Any]:
            return {"told": self.told, "progress": None}

        def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Mapping[str, Any], **_: Any) -> None:
            """See Tune."""
            self.told += 1
            if self.progress is not None:
                self.progress(trial.trial_id, float(result["validation_loss"]), self.told)

    made = Watcher()
    made.progress = lambda name, loss, told: progress(f"{name}: {loss:.3f}", min(1.0, told / reports))
    return made


def ranked(rows: Sequence[Row]) -> list[Row]:
    """The best first: whoever keeps all budgets by loss, the others by what they overran; without a result last."""

    def key(row: Row) -> tuple[bool, float, float, str]:
        loss = row.loss if row.loss is not None else 0.0
        return row.loss is None, score(loss, row.overrun), loss, row.name

    return sorted(rows, key=key)


def _last(metrics: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The last report, where the file of all of them is empty: a trial that PBT set back begins it anew."""
    return metrics if metrics and SCORE in metrics else None


def _rows(results: Any, sweep: Sweep) -> list[Row]:
    rows = []
    for one in results:
        frame = one.metrics_dataframe
        told = frame is not None and SCORE in frame and len(frame) > 0
        best = frame.loc[frame[SCORE].idxmin()] if told else _last(one.metrics)
        loss, overrun = (None, 0.0) if best is None else (float(best[LOSS]), float(best[OVERRUN]))
        iterations = int((one.metrics or {}).get("iterations", 0))
        ended = "failed" if one.error else "done" if iterations >= sweep.settings.iterations else "stopped"
        why = str(one.error).strip().splitlines()[-1] if one.error else ""
        chosen = {name: one.config[name] for name in sweep.search}
        rows.append(Row(Path(one.path).name, chosen, loss, overrun, iterations, ended, why))
    return ranked(rows)


def _tune() -> Any:
    """Ray Tune, without its reports to anybody.

    Raises:
        SweepError: it is not installed.
    """
    assert ray is not None  # our Ray, whose token is set
    try:
        from ray import tune
    except ImportError:
        raise SweepError("sweeps need Ray Tune; pip install 'tocsin[tune]'") from None
    return tune
