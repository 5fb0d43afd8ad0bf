"""What environments refuse before any world is made."""

from __future__ import annotations

import numpy as np
import pytest
from tocsin.envs.checks import EnvError, checked_count, checked_share
from tocsin.envs.parallel import OwnersEnv
from tocsin.tests.envs.games import short_game


@pytest.mark.parametrize("number", [-1, 0, 2.5, True, "3", None])
def test_no_number_of_worlds_is_named_with_its_mend(number: object) -> None:
    """Field, value and what to give."""
    with pytest.raises(EnvError, match=r"num_envs .*: give an integer within 1\.\."):
        checked_count(number)  # type: ignore[arg-type]
    assert checked_count(np.int64(3)) == 3  # type: ignore[arg-type]


@pytest.mark.parametrize("share", ["x", -0.1, float("nan"), True, None])
def test_no_share_is_named_with_its_mend(share: object) -> None:
    """As an owner's share of its reward."""
    with pytest.raises(EnvError, match=r"own_share .*: give a number within 0\.\.1"):
        OwnersEnv(game=short_game(), own_share=share)  # type: ignore[arg-type]
    assert checked_share("own_share", 1) == 1.0
