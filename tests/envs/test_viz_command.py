"""`tocsin viz`: what cannot be served is refused in one line before a server starts."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from tocsin.envs import viz_commands


def test_a_scenario_that_cannot_be_played_is_refused(tmp_path: Path) -> None:
    """Exit code 2, one line with file and mend."""
    file = tmp_path / "bad.yaml"
    file.write_text("name: bad\nhorizon_ticks: 0\n")
    if importlib.util.find_spec("solara") is None:
        pytest.skip("needs the extra viz")
    done = subprocess.run(
        [sys.executable, "-m", "tocsin", "viz", str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2 and "horizon_ticks" in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_without_the_extra_it_names_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Solara: the error says what to install."""
    monkeypatch.setattr(viz_commands, "find_spec", lambda name: None)
    with pytest.raises(viz_commands.VizError, match=r"pip install 'tocsin\[viz\]'"):
        viz_commands.viz()
