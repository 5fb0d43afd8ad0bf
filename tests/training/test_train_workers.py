"""Workers that are asked: what another's end took away is told from a fault of their own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tocsin.training import workers as module
from tocsin.training.cluster import ray
from tocsin.training.settings import TrainSettings
from tocsin.training.workers import Crew


class Answers:
    """Ray as far as a crew asks it: references are values or exceptions."""

    exceptions = ray.exceptions

    def __init__(self) -> None:
        self.killed: list[Any] = []

    def wait(self, references: list[Any], *, num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        return references[:num_returns], references[num_returns:]

    def get(self, reference: Any) -> Any:
        if isinstance(reference, Exception):
            raise reference
        return reference

    def kill(self, actor: Any) -> None:
        self.killed.append(actor)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    made = Answers()
    monkeypatch.setattr(module, "ray", made)
    return made


def _crew() -> Crew:
    def make(number: int) -> Any:
        return SimpleNamespace(process=SimpleNamespace(remote=lambda: number), number=number)

    crew = Crew(make, 2, TrainSettings(), next_number=5)
    crew.start()
    crew.welcome()
    return crew


def _failed(cause: Exception) -> Exception:
    return ray.exceptions.RayTaskError("update", "its traceback", cause)


def test_a_worker_whose_arguments_are_gone_is_kept(answers: Answers) -> None:
    """A rollout that lay on a node that died fails the learner's task: no answer, nobody is blamed, the run goes on."""
    crew = _crew()
    first, second = crew.members
    lost = _failed(ray.exceptions.ObjectLostError("0" * 56, None, ""))
    assert crew.ask({first: lost, second: 7}) == {second: 7}
    assert crew.members == [first, second] and not answers.killed and crew.replaced == 0


def test_a_fault_in_the_work_is_raised(answers: Answers) -> None:
    """What another worker would repeat ends the run with its own words."""
    crew = _crew()
    with pytest.raises(ray.exceptions.RayTaskError, match="its traceback"):
        crew.ask({crew.members[0]: _failed(ValueError("a fault"))})


def test_a_worker_that_died_is_replaced(answers: Answers) -> None:
    """It is ended, another is asked for in its place with a number that nobody had, above those of earlier lives."""
    crew = _crew()
    first, second = crew.members
    assert [first.number, second.number] == [5, 6]
    assert crew.ask({first: ray.exceptions.ActorDiedError(), second: 7}) == {second: 7}
    assert answers.killed == [first.actor] and crew.members == [second]
    assert [(one.place, one.number) for one in crew.starting] == [(0, 7)]
