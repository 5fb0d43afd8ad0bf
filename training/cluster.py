"""Ray itself: started for this process alone, or joined where a job runs; what our actors ask of it.

Everything of this room that needs Ray takes it from here, so that its authentication is set before it is imported.
"""

from __future__ import annotations

import logging
import os
import pickle
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

# Ray reads how it authenticates when it is imported: by a token of this process's own, unless the user set another.
if "RAY_AUTH_MODE" not in os.environ:
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))

import ray as ray  # noqa: E402

from .family import Chains  # noqa: E402
from .settings import CENTRAL, TrainSettings  # noqa: E402


def start_ray(settings: TrainSettings) -> bool:
    """Start Ray on this machine alone, or join the cluster of a job; False if this process has one already."""
    if ray.is_initialized():
        return False
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if not os.environ.get("RAY_ADDRESS", "http").startswith("http"):  # a job's driver; http is where jobs are sent to
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
        return True
    ray.init(
        address="local",
        num_cpus=(settings.workers + (settings.shape == CENTRAL)) * settings.threads + 1,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        configure_logging=True,
    )
    return True


def stop_ray() -> None:
    """End the Ray that this process started, or leave the one it joined."""
    ray.shutdown()


def shared(chains: Chains) -> Any:
    """A reference to chains for actors, so that no node needs the scenario's files; see `unshared`.

    As bytes: arrays that Ray itself unpacks are read-only, for which the kernels would be compiled anew, and lose their
    record type.
    """
    return ray.put(pickle.dumps(chains))


def unshared(chains: bytes) -> Chains:
    """The chains, in an actor."""
    loaded: Chains = pickle.loads(chains)  # from our own driver
    return loaded


def options(settings: TrainSettings, *, gpus: int) -> dict[str, Any]:
    """What an actor of ours asks of Ray."""
    return {"num_cpus": settings.threads, "num_gpus": gpus, "max_restarts": 0, "scheduling_strategy": "SPREAD"}


def each(work: Callable[..., Any], given: Sequence[tuple[Any, ...]], settings: TrainSettings) -> Iterator[Any]:
    """What `work` gives for each of `given`, in order, as many side by side as the run has workers.

    Ray sets no processors aside for it: it is for times at which the run's own workers wait. What is given is told by
    pickle, as of `shared`. Work whose process or node dies is done again, three times.
    """
    task = ray.remote(num_cpus=0, max_retries=3, scheduling_strategy="SPREAD")(_worked)
    waiting = deque(given)
    running: deque[Any] = deque()
    while waiting or running:
        while waiting and len(running) < settings.workers:
            running.append(task.remote(pickle.dumps((work, settings, waiting.popleft()))))
        yield pickle.loads(ray.get(running.popleft()))


def _worked(told: bytes) -> bytes:
    work, settings, given = pickle.loads(told)  # from our own driver
    settle_in(settings)
    return pickle.dumps(work(*given, settings))


def settle_in(settings: TrainSettings) -> None:
    """Bound the threads of this process."""
    import numba
    import torch

    torch.set_num_threads(settings.threads)
    numba.set_num_threads(min(settings.threads, numba.config.NUMBA_NUM_THREADS))
