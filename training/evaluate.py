"""What policies are worth: all play the same attacks, none of them trained on; figures come with intervals.

Flows in: trials or cells, and learned policies by name. Flows out: an `Evaluation`. Attacks are the worlds 0 to n-1 of
`STREAM_EVALUATION` on each judged chain, which no training uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..envs.policy_file import NumpyPolicy
from ..twin.rulebook.worlds import STREAM_EVALUATION
from .chains import Trial
from .contenders import BASELINES, CLAIRVOYANT, NOTHING, THRESHOLD, Contender, Tuned, contenders, tune
from .costs import Budget
from .playing import Played, play
from .scores import ChainScore, Difference, Results, Score, differences_of, scores_of

__all__ = ["Cell", "ChainScore", "Difference", "Evaluation", "EvaluationError", "Score", "compare", "evaluate"]

MOST_EPISODES = 100_000
TUNING_SHARE = 0.4  # of the time, for the progress bar
UNBOUND = Budget()

Progress = Callable[[str, float], None]


class EvaluationError(ValueError):
    """An evaluation that cannot be made; the message names the fault and the mend."""


@dataclass(frozen=True)
class Cell:
    """One chain with one attacker, and who plays there; made when it is its turn."""

    chain: str
    attacker: str  # empty: the scenario's own
    field: Callable[[], Mapping[str, Contender]]

    @property
    def name(self) -> str:
        """Of the chain, with the attacker where there are several."""
        return f"{self.chain}, {self.attacker}" if self.attacker else self.chain


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Policies side by side."""

    scenario: str  # names of the chains judged on
    tuned: Mapping[str, Tuned]  # by chain
    scores: tuple[Score, ...]
    differences: tuple[Difference, ...]
    bound: Mapping[str, str] = field(default_factory=dict)  # which script the clairvoyant is, by cell


def compare(
    trials: Sequence[Trial],
    learned: Mapping[str, NumpyPolicy],
    *,
    episodes: int = 500,
    budget: Budget = UNBOUND,
    progress: Progress = lambda name, share: None,
) -> Evaluation:
    """Tune the baselines on training chains, then let them and the learned policies play on the judged ones.

    Args:
        trials: chains.
        learned: policies by name.
        episodes: attacks on each chain, 2 to `MOST_EPISODES`.
        budget: what responses may cost.
        progress: called with what is done and how much of all is done, 0..1.

    Raises:
        EvaluationError: out of range, or a name is taken twice.
    """
    check_episodes(episodes)
    check_names(learned)
    tuned = _tune(trials, progress)
    fields = {trial.name: contenders(trial.judged, tuned[trial.name], learned) for trial in trials}
    result = evaluate(
        fields,
        episodes=episodes,
        reference=next(iter(learned), THRESHOLD),
        budget=budget,
        progress=lambda name, share: progress(name, TUNING_SHARE + (1 - TUNING_SHARE) * share),
    )
    return Evaluation(result.scenario, tuned, result.scores, result.differences, result.bound)


def check_episodes(episodes: int) -> None:
    """Refuse a number of attacks that gives no interval, or no end.

    Raises:
        EvaluationError: names it.
    """
    if not 2 <= episodes <= MOST_EPISODES:
        raise EvaluationError(f"--episodes {episodes}: give 2 to {MOST_EPISODES}")


def check_names(learned: Mapping[str, NumpyPolicy]) -> None:
    """Refuse a policy under a baseline's name.

    Raises:
        EvaluationError: names it.
    """
    taken = set(learned) & set(BASELINES)
    if taken:
        raise EvaluationError(f"policy name {sorted(taken)[0]!r} is a baseline's; give another")


def _tune(trials: Sequence[Trial], progress: Progress) -> dict[str, Tuned]:
    """Tune once for each set of training chains."""
    known: dict[tuple[int, ...], Tuned] = {}
    tuned = {}
    for number, trial in enumerate(trials):
        key = tuple(id(game) for game in trial.tuned)
        if key not in known:
            known[key] = tune(
                trial.tuned,
                progress=lambda share, n=number: progress("tuning", TUNING_SHARE * (n + share) / len(trials)),  # type: ignore[misc]
            )
        tuned[trial.name] = known[key]
    return tuned


def evaluate(
    chains: Mapping[str, Mapping[str, Contender]],
    *,
    episodes: int = 500,
    reference: str = THRESHOLD,
    budget: Budget = UNBOUND,
    progress: Progress = lambda name, share: None,
) -> Evaluation:
    """As `evaluate_cells`, of policies by name by name of the chain."""
    cells = [Cell(name, "", lambda field=field: field) for name, field in chains.items()]  # type: ignore[misc]
    return evaluate_cells(cells, episodes=episodes, reference=reference, budget=budget, progress=progress)


def evaluate_cells(
    cells: Sequence[Cell],
    *,
    episodes: int,
    reference: str = THRESHOLD,
    budget: Budget = UNBOUND,
    progress: Progress = lambda name, share: None,
) -> Evaluation:
    """Let every policy play the same attacks on every cell.

    Args:
        cells: the same policies by name on each; `NOTHING` and `CLAIRVOYANT` must be among them, as they bound what
            can be saved.
        episodes: attacks on each cell, 2 or more.
        reference: the policy that the others are compared with.
        budget: what responses may cost.
        progress: called with each policy's name before it plays, and how much is done, 0..1.

    Raises:
        EvaluationError: too few episodes, or a policy that is needed is missing.
    """
    first = cells[0].field()
    missing = {NOTHING, CLAIRVOYANT, reference} - set(first)
    if episodes < 2 or missing:
        raise EvaluationError(f"{episodes} episodes, without {sorted(missing)}: give 2 or more, and those policies")
    results = Results(
        tuple(cell.chain for cell in cells),
        tuple(cell.attacker for cell in cells),
        {name: [] for name in first},
        {name: [] for name in first},
    )
    bound = {}
    for number, cell in enumerate(cells):
        here = first if number == 0 else cell.field()
        played, bound[cell.name] = play_field(
            here,
            episodes,
            lambda name, share, n=number, c=cell: progress(f"{c.name}: {name}", (n + share) / len(cells)),  # type: ignore[misc]
        )
        for name, one in here.items():
            results.games[name].append(one.game)
            results.played[name].append(played[name])
    chains = ", ".join(dict.fromkeys(results.chains))
    scores = scores_of(results, worst=NOTHING, best=CLAIRVOYANT, budget=budget)
    return Evaluation(chains, {}, scores, differences_of(results, reference), bound)


def play_field(
    field: Mapping[str, Contender], episodes: int, progress: Progress = lambda name, share: None
) -> tuple[dict[str, Played], str]:
    """Let all policies of one cell play; the second value names the script that the clairvoyant is there.

    Args:
        field: policies by name, the bound last.
        episodes: attacks.
        progress: called with each name before it plays, and how much is done, 0..1.
    """
    here: dict[str, Played] = {}
    chosen = CLAIRVOYANT
    for place, (name, one) in enumerate(field.items()):
        progress(name, place / len(field))
        if one.scripts:  # the bound: whoever sees the truth may play any script, or any baseline
            tried = {script: _play(Contender(one.game, policy), episodes) for script, policy in one.scripts.items()}
            tried |= {other: played for other, played in here.items() if other in BASELINES}
            chosen = min(tried, key=lambda script: float(tried[script].total.mean()))
            here[name] = tried[chosen]
        else:
            here[name] = _play(one, episodes)
    return here, chosen


def _play(one: Contender, episodes: int) -> Played:
    return play(one.game, one.policy, range(episodes), stream=STREAM_EVALUATION)
