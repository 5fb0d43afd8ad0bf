"""The house as it should be: rooms, their doors, who may import whom, what the README says of them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("twin", "playbooks", "agents", "envs", "training", "orchestrator")
MAY_IMPORT = {
    "twin": set(),
    "playbooks": {"twin"},
    "agents": {"twin", "playbooks"},
    "envs": {"twin", "playbooks", "agents"},
    "training": {"twin", "playbooks", "agents", "envs"},
    "orchestrator": {"twin", "playbooks", "agents", "envs"},
}
HEAVY = ("torch", "mesa", "gymnasium", "ray", "stable_baselines3")


def modules() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def imported(path: Path) -> Iterator[tuple[str, ...]]:
    """Absolute module paths inside the package that a module imports, its own package left off."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            module = tuple((node.module or "").split(".")) if node.module else ()
            yield (*base, *module)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("tocsin", *ROOMS):
            pytest.fail(
                f"{path.relative_to(ROOT)}: imports {node.module} absolutely; inside the package imports are relative"
            )


def test_rooms_import_only_what_the_table_allows() -> None:
    """Data flows one way: no room imports one that stands above it or beside it."""
    faults = []
    for path in modules():
        room = path.relative_to(ROOT).parts[0]
        for target in imported(path):
            if target and target[0] in ROOMS and target[0] != room and target[0] not in MAY_IMPORT[room]:
                faults.append(f"{path.relative_to(ROOT)} imports {'.'.join(target)}")
    assert not faults, faults


def test_nothing_but_the_plant_imports_the_plant() -> None:
    """The simulated plant is a process of its own."""
    plant = ("orchestrator", "plant")
    faults = [
        str(path.relative_to(ROOT))
        for path in modules()
        if path.relative_to(ROOT).parts[:2] != plant and any(target[:2] == plant for target in imported(path))
    ]
    assert not faults


def test_a_room_is_entered_through_what_its_door_names() -> None:
    """Other rooms use only the modules that a room's `__init__` lists as PUBLIC."""
    faults = []
    for path in modules():
        room = path.relative_to(ROOT).parts[0]
        for target in imported(path):
            if len(target) > 1 and target[0] in ROOMS and target[0] != room and not is_public(target):
                faults.append(f"{path.relative_to(ROOT)} imports {'.'.join(target)}")
    assert not faults, faults


def is_public(target: tuple[str, ...]) -> bool:
    door = ast.parse((ROOT / target[0] / "__init__.py").read_text("utf-8"))
    for node in door.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "PUBLIC":
            return ".".join(target[1:]) in ast.literal_eval(node.value)
    return False


def test_packages_in_pyproject_equal_the_tree() -> None:
    """A package left out of the list would be missing from the wheel."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    folders = {
        "tocsin." + ".".join(path.parent.relative_to(ROOT).parts)
        for room in ROOMS
        for path in (ROOT / room).rglob("__init__.py")
    }
    assert set(settings["packages"]) == folders | {"tocsin"}
    with_code = {path.parent for path in modules()}
    assert all((folder / "__init__.py").exists() for folder in with_code)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is(path: Path) -> None:
    """A module opens with a docstring."""
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


def test_the_readme_is_short_and_its_map_equals_the_tree() -> None:
    """README: under 150 lines, with a line for every room."""
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) < 150
    assert set(re.findall(r"^\| `(\w+)/` \|", text, re.MULTILINE)) == {*ROOMS, "tests"}


@pytest.mark.parametrize(
    "module",
    ["orchestrator.api.app", "orchestrator.supply", "orchestrator.node", "envs.policy_file", "orchestrator.cli"],
)
def test_serving_loads_nothing_heavy(module: str) -> None:
    """A node serves without torch, mesa, gymnasium or ray."""
    code = f"import sys, tocsin.{module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert done.stdout.strip() == "[]"
