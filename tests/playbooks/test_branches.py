"""The gate on branch coverage does shut."""

from __future__ import annotations

from tocsin.tests.playbooks.branches import judged


def _summary(taken: int, there: int) -> dict[str, int]:
    return {"covered_branches": taken, "num_branches": there}


def test_nine_in_ten_of_every_module_pass() -> None:
    """A module without branches has enough."""
    lines, is_enough = judged({"a.py": _summary(9, 10), "b.py": _summary(0, 0)})
    assert is_enough and lines[-1] == "9 of 10 branches, 90.0%"


def test_one_poor_module_shuts_it() -> None:
    """Also among a thousand good ones; it is named with its figures."""
    lines, is_enough = judged({"good.py": _summary(1000, 1000), "poor.py": _summary(8, 10)})
    assert not is_enough and "8 of   10 branches  poor.py" in lines[1] and "under 90%" in lines[2]


def test_nothing_measured_shuts_it() -> None:
    """Else a wrong path in the settings would open it."""
    assert judged({})[1] is False
