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
    imitation_share: float = 0.25  # of the time left after the start, spent on imitating the threshold rule
    learning_rate: float = 1e-3  # Adam's, in PPO
    gamma: float = 0.99  # discount per decision (two minutes)
    gae_lambda: float = 0.95  # of generalised advantage estimation
    entropy: float = 0.002  # weight of the entropy bonus
    epochs: int = 3  # passes over each iteration's data
    minibatches: int = 4  # per pass
    reward_scale: float = 0.1  # so that values are about 1
    validation_worlds: int = 96  # worlds of a stream of their own by which the best weights are kept

    def __post_init__(self) -> None:
        """Refuse what cannot run."""
        for name, low, high in (
            ("seconds", 5, 86_400),
            ("workers", 1, 256),
            ("worlds", 1, 4096),
            ("steps", 1, 4096),
            ("seed", 0, 2**31 - 1),
            ("epochs", 1, 100),
            ("minibatches", 1, 1024),
            ("validation_worlds", 2, 4096),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise TrainError(f"{name} {value}: give {low} to {high}")
        if not 0.0 <= self.imitation_share < 1.0 or not 0.0 < self.gamma <= 1.0:
            raise TrainError("imitation_share must be within 0..1 and gamma within 0..1, not 0")
