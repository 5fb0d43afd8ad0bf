"""`tocsin train` refuses bad input in one line, before anything starts or is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
from tocsin.orchestrator.cli import BAD_INPUT, main


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--seconds", "1"), "seconds 1"),
        (("--seconds", "nan"), "seconds nan"),
        (("--workers", "0"), "workers 0"),
        (("--seed", "-1"), "seed -1"),
        (("--scenario", "absent.yaml"), "absent.yaml"),
        (("--chart", "absent/chart.png"), "absent"),
    ],
)
def test_bad_input_is_one_line(
    arguments: tuple[str, ...], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, one line that names what is wrong, and the policy file that was there stays."""
    old = tmp_path / "policy.tocsin"
    old.write_text("old")
    with pytest.raises(SystemExit) as left:
        main(["train", "--out", str(old), *arguments])
    out, err = capsys.readouterr()
    assert left.value.code == BAD_INPUT and out == ""
    assert len(err.strip().splitlines()) == 1 and named in err
    assert old.read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["policy.tocsin"]
