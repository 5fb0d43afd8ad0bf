"""What docs/actuators.md names is there: tests, files, commands, and settings that are read as written."""

from __future__ import annotations

import re
from pathlib import Path

import tocsin
import typer
import yaml
from tocsin.orchestrator.actuators.http_api import HttpSettings
from tocsin.orchestrator.actuators.manual import ManualSettings
from tocsin.orchestrator.actuators.router import TYPES
from tocsin.orchestrator.actuators.shell import ShellSettings
from tocsin.orchestrator.actuators.ssh import SshSettings
from tocsin.orchestrator.cli import app

ROOT = Path(tocsin.__file__).parent
TEXT = (ROOT / "docs" / "actuators.md").read_text()


def test_tests_and_files_that_it_names_exist() -> None:
    """Each by its name."""
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    names = re.findall(r"`(test_\w+)`", TEXT)
    assert len(names) >= 6 and all(f"def {name}(" in sources for name in names)
    files = re.findall(r"`((?:tests|orchestrator|openc2)/[\w/.]+)`", TEXT) + re.findall(r"\]\(([\w/.-]+)\)", TEXT)
    for name in files:
        assert any((base / name).exists() for base in (ROOT, ROOT / "docs", ROOT / "orchestrator")), name


def test_commands_that_it_names_exist() -> None:
    """`tocsin WORD WORD` is a command with these options."""
    group = typer.main.get_command(app) if isinstance(app, typer.Typer) else app
    for word, inner, rest in re.findall(r"tocsin (openc2|actuator|range|task) (\w+)([^\n`]*)", TEXT):
        context = group.make_context("tocsin", [word, inner, "--help"], resilient_parsing=True)
        found = group.get_command(context, word)  # type: ignore[attr-defined]
        command = found.commands[inner]
        known = {option for parameter in command.params for option in parameter.opts}
        for option in re.findall(r"--[\w-]+", rest):
            assert option in known, (word, inner, option)


def test_the_settings_that_it_shows_are_read() -> None:
    """With a digest in the place of the words that stand for one."""
    shown = re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert shown is not None
    content = yaml.safe_load(shown[1].replace("SHA-256 OF THE COMMAND'S TEXT", "a" * 64))
    models = {"http-api": HttpSettings, "ssh": SshSettings, "bash": ShellSettings, "manual": ManualSettings}
    assert set(content) == set(models)
    for name, model in models.items():
        model.model_validate(content[name])
    assert all(f"`{kind}`" in TEXT for kind in TYPES)
