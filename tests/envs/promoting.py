"""Policies and promoters for tests: a small promoted policy file of anybody who wants one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from tocsin.envs.policy_file import NumpyPolicy, load_policy, packed_policy, save_policy
from tocsin.envs.policy_network import SHAPES
from tocsin.envs.promotion import listed, promoted
from tocsin.playbooks.actions import load_library
from tocsin.tests.playbooks.makers import Person
from tocsin.training.rule_file import shipped_numbers

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ROLE = "policy-promoter"


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Random ones that act wherever they may."""
    rng = np.random.default_rng(seed)
    found = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in SHAPES.items()}
    silent = {"rule.numbers": shipped_numbers().as_array(), "rule.sharpness": np.zeros(1, np.float32)}
    return {**found, "wait.bias": np.full(SHAPES["wait.bias"], -100.0, np.float32), **silent}


def policy(folder: Path, seed: int = 0, **card: Any) -> NumpyPolicy:
    """One that was trained, as far as its file says."""
    path = folder / f"trained-{seed}.tocsin"
    save_policy(path, weights(seed), {"scenario": "charging", **card})
    return load_policy(path)


def promoted_file(
    folder: Path, person: Person, seed: int = 0, shown: Mapping[str, Any] | None = None, **more: Any
) -> Path:
    """A file that the person has promoted; it may propose the whole library unless `shown` says otherwise."""
    told = {"playbooks": listed(load_library()), **(shown or {})}
    path = folder / f"promoted-{seed}.tocsin"
    made = promoted(policy(folder, seed), told, person.key, person=person.name, **{"now": NOW, **more})
    path.write_bytes(packed_policy(made))
    return path
