"""Real files with a part removed, renamed or replaced: read, or refused in one line; never a fault of ours."""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tocsin.twin.attack.steps import derive_steps
from tocsin.twin.facts import merge
from tocsin.twin.graph import TwinError
from tocsin.twin.sources import read_paths

DATA = Path(os.environ.get("TOCSIN_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
SHIPPED = Path(__file__).resolve().parents[2] / "twin" / "data" / "charging"
FILES = {
    "nasim/small.yaml": (),
    "cage2/Scenario2.yaml": ("cage2/images",),
    "cyberwheel/15-host-network.yaml": (
        "cyberwheel/host_defs_services.yaml",
        "cyberwheel/windows_exploitable_services.yaml",
    ),
    "cyberwheel/host_defs_services.yaml": ("cyberwheel/15-host-network.yaml",),
    "shop/workloads.yaml": (),
    "shop/policies.yaml": ("shop/workloads.yaml",),
    "csms/compose.yaml": (),
    "energy/compose.yaml": (),
}
VALUES = [None, 0, -1, 1.5, True, "", "a b/c", "../..", [], {}, [1], {"a": 1}, [[]], [{}], 10**30, float("inf")]


@pytest.mark.parametrize("file", FILES)
def test_a_file_with_a_part_changed_is_read_or_refused(file: str, tmp_path: Path) -> None:
    """Forty changes of each file, drawn by a fixed seed."""
    rng = random.Random(file)
    documents = list(yaml.safe_load_all(found(file).read_bytes()))
    for _ in range(40):
        target = tmp_path / Path(file).name
        target.write_text(yaml.safe_dump_all([changed(document, rng) for document in documents]))
        try:
            derive_steps(merge(read_paths([target, *map(found, FILES[file])], "lab").facts).twin)
        except TwinError as error:
            assert "\n" not in str(error)


def changed(document: Any, rng: random.Random) -> Any:
    """A copy with one part deleted, replaced or renamed."""
    copied = copy.deepcopy(document)
    paths = [path for path in parts(copied) if path]
    path = rng.choice(paths) if paths else ()
    parent = copied
    for key in path[:-1]:
        parent = parent[key]
    if path and (how := rng.random()) < 0.3:
        del parent[path[-1]]
    elif path and (how < 0.8 or isinstance(parent, list)):
        parent[path[-1]] = copy.deepcopy(rng.choice(VALUES))
    elif path:
        parent[rng.choice(["x", "a b", 5, "", "é"])] = parent.pop(path[-1])
    return copied


def parts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all parts."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from parts(part, (*path, key))


def found(relative: str) -> Path:
    for folder in (SHIPPED, DATA):
        if (folder / relative).exists():
            return folder / relative
    if os.environ.get("CI") == "true":
        pytest.fail(f"{DATA / relative} is not there; in CI the test data must be")
    pytest.skip(f"{DATA / relative} is not there; set TOCSIN_TEST_DATA")
