"""The folder of a league: what it began with, so that one that was killed goes on as it began.

Flows in: a scenario, settings, given policies. Flows out: `league.yaml`, `began.json`. Files of those that were
trained, and their runs beside them, are written by `league`; a file that is there is a training that is done.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..envs.policy_file import NumpyPolicy
from ..envs.scenario import Scenario
from .checkpoint import Shelf, put_whole
from .league_settings import LeagueError, LeagueSettings, league_yaml, read_league
from .runs import commit, packages

SETTINGS, BEGAN = "league.yaml", "began.json"


def open_folder(
    out: Path, scenario: Scenario, settings: LeagueSettings, given: Mapping[str, NumpyPolicy], *, resume: bool
) -> None:
    """Write down what a new league begins with, or see that the one in the folder began with the same.

    Raises:
        LeagueError: the folder holds something and `resume` was not asked for, holds no league or another; or it cannot
            be made. Nothing has changed then.
    """
    told = {"scenario": scenario.name, "game": _digest_of(scenario), "given": _given(given)}
    if not resume:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise LeagueError(
                f"--out {out}: holds something; name a new folder, or add --resume to go on with a league"
            )
        if not out.parent.is_dir():
            raise LeagueError(f"--out {out}: folder {out.parent} is not there; make it first")
        shelf = Shelf.at(str(out))
        made = {**told, "commit": commit(), "packages": packages()}
        put_whole(shelf.fs, f"{shelf.folder}/{SETTINGS}", league_yaml(settings).encode())
        put_whole(shelf.fs, f"{shelf.folder}/{BEGAN}", (json.dumps(made, indent=1) + "\n").encode())
        return
    try:  # settings as read, not as text: those that a league of before did not have yet are the usual ones
        kept, began = league_yaml(read_league(out / SETTINGS)), json.loads((out / BEGAN).read_text())
    except (OSError, ValueError, RecursionError):
        raise LeagueError(f"--out {out}: holds no league to go on with; leave --resume out") from None
    if not isinstance(began, dict) or {name: began.get(name) for name in told} != told:
        raise LeagueError(
            f"--out {out}: its league has another scenario or other policies; give the same, or a new folder"
        )
    lines = zip(kept.splitlines(), league_yaml(settings).splitlines(), strict=True)
    other = next((line for line, own in lines if line != own), "")
    if other:
        raise LeagueError(
            f"--out {out}: its league has {other.split('#')[0].strip()!r}; go on as it began, or name a new folder"
        )


def _digest_of(scenario: Scenario) -> str:
    return hashlib.sha256(scenario.model_dump_json(exclude={"folder"}).encode()).hexdigest()[:16]


def _given(given: Mapping[str, NumpyPolicy]) -> dict[str, Any]:
    found = {}
    for name, policy in given.items():
        digest = hashlib.sha256()
        for part in sorted(policy.weights):
            digest.update(np.ascontiguousarray(policy.weights[part], "<f4").tobytes())
        found[name] = digest.hexdigest()[:16]
    return found
