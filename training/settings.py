"""The settings of one training run: one dataclass, each with its line of meaning.

Flows in: flags. Flows out: `TrainSettings`, checked. It starts nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


class TrainError(ValueError):
    """Settings that make no run; the message names the setting and the mend."""


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """One run of training on one scenario."""

    seconds: float = 60.0  # wall time in all, the start of Ray and the validation included
    workers: int = 2  # Ray actors that roll out, each with a copy of the policy
    worlds: int = 48  # worlds a worker plays side by side
    steps: int = 30  # decisions a world makes per iteration
    seed: int = 0  # of weights, sampling and the worlds' ids
    imitation_worlds: int = 64  # worlds in which the threshold rule is watched for one episode
    imitation_passes: int = 8  # over what was watched, before PPO; 0: none
    learning_rate: float = 1e-3  # Adam's, in PPO, at the start; falls with the time left
    gamma: float = 0.99  # discount per decision (two minutes)
    gae_lambda: float = 0.9  # of generalised advantage estimation
    entropy: float = 0.003  # weight of the entropy bonus
    epochs: int = 4  # passes over each iteration's data
    minibatches: int = 4  # per pass
    validation_worlds: int = 256  # worlds of a stream of their own by which the best weights are kept
    validations: int = 6  # after imitation, at the end, and the others evenly between

    def __post_init__(self) -> None:
        """Refuse what cannot run."""
        for name, low, high in (
            ("seconds", 5, 86_400),
            ("workers", 1, 256),
            ("worlds", 1, 4096),
            ("steps", 1, 4096),
            ("seed", 0, 2**31 - 1),
            ("imitation_worlds", 1, 4096),
            ("imitation_passes", 0, 1000),
            ("learning_rate", 1e-9, 1.0),
            ("gamma", 0.01, 1.0),
            ("gae_lambda", 0.0, 1.0),
            ("entropy", 0.0, 1.0),
            ("epochs", 1, 100),
            ("minibatches", 1, 1024),
            ("validation_worlds", 2, 4096),
            ("validations", 2, 100),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise TrainError(f"{name} {value}: give {low:g} to {high:g}")
