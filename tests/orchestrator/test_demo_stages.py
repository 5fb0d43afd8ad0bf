"""The demonstration does not end well unless what it shows happened."""

from __future__ import annotations

from typing import Any

import pytest
from tocsin.orchestrator.demo.stages import StageError, _check_incident

PROBE = {"id": "r1", "state": "undone", "proposer": "csms", "verified": True}
OWN = {"id": "r2", "state": "succeeded", "proposer": "node", "verified": True}


def told(*responses: dict[str, Any]) -> dict[str, Any]:
    """Give a result in which all else went well."""
    return {
        "responses": list(responses),
        "undone": ["r1"],
        "forecast": {"worlds": 1000},
        "refused_consent": {"status": 403},
        "audit_verified": True,
    }


def test_a_policys_response_and_a_persons_undone_are_enough() -> None:
    """The policy's may have ended since it was verified."""
    _check_incident(told(PROBE, OWN))
    _check_incident(told(PROBE, OWN | {"state": "undone"}))


@pytest.mark.parametrize(
    ("responses", "number"),
    [([PROBE], 0), ([PROBE, OWN | {"state": "failed", "verified": False}], 1)],
)
def test_a_policy_that_does_nothing_ends_the_demonstration(responses: list[dict[str, Any]], number: int) -> None:
    """What a person had carried out does not stand for it."""
    with pytest.raises(StageError, match=rf"no response that the policy proposed .*\(it proposed {number}\)"):
        _check_incident(told(*responses))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"undone": []}, "no response was undone"),
        ({"forecast": None}, "no response was rehearsed"),
        ({"refused_consent": None}, "a wrong owner's consent was not refused"),
        ({"refused_consent": {"status": 200}}, "a wrong owner's consent was not refused"),
        ({"audit_verified": False}, "the audit log does not verify"),
    ],
)
def test_each_fault_is_named(fault: dict[str, Any], said: str) -> None:
    """One line that says what did not happen."""
    with pytest.raises(StageError, match=said):
        _check_incident(told(PROBE, OWN) | fault)
