"""The eight step types of CACAO v2.0 (section 4).

Flows in: JSON objects. Flows out: `AnyStep`. Where a step may lead, and whether all of them make a workflow that comes
to its end, is judged by the linter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from .cacao_commands import AnyCommand
from .cacao_data import ExternalReference, Variable
from .cacao_words import Identifier, Model, StepType, Timestamp, VariableName

Milliseconds = Annotated[int, Field(ge=0)]


class Step(Model):
    """What every step has (4.1)."""

    type: StepType
    name: str = ""
    description: str = ""
    external_references: list[ExternalReference] = Field(default_factory=list)
    delay: Milliseconds = 0
    timeout: Milliseconds | None = None  # None: the runner's own bound
    step_variables: Mapping[VariableName, Variable] = Field(default_factory=dict)
    owner: Identifier | None = None
    on_completion: Identifier | None = None
    on_success: Identifier | None = None
    on_failure: Identifier | None = None
    step_extensions: Mapping[Identifier, Any] = Field(default_factory=dict)


class StartStep(Step):
    """Where a workflow begins (4.3)."""

    type: Literal["start"]


class EndStep(Step):
    """Where a branch or the workflow ends (4.4)."""

    type: Literal["end"]


class ActionStep(Step):
    """Commands that an agent carries out on targets, in order (4.5)."""

    type: Literal["action"]
    commands: Annotated[list[AnyCommand], Field(min_length=1)]
    agent: Identifier
    targets: list[Identifier] = Field(default_factory=list)
    in_args: list[str] = Field(default_factory=list)
    out_args: list[str] = Field(default_factory=list)


class PlaybookActionStep(Step):
    """Another playbook, run as a step (4.6)."""

    type: Literal["playbook-action"]
    playbook_id: Identifier
    playbook_version: Timestamp | None = None  # its `modified`; None: the latest known
    in_args: list[str] = Field(default_factory=list)
    out_args: list[str] = Field(default_factory=list)


class ParallelStep(Step):
    """Branches that run at once; all must end before the step does (4.7)."""

    type: Literal["parallel"]
    next_steps: Annotated[list[Identifier], Field(min_length=2)]


class IfConditionStep(Step):
    """One of two branches, by a condition (4.8)."""

    type: Literal["if-condition"]
    condition: str
    on_true: Identifier
    on_false: Identifier | None = None


class WhileConditionStep(Step):
    """A branch that runs while a condition holds (4.9)."""

    type: Literal["while-condition"]
    condition: str
    on_true: Identifier


class SwitchConditionStep(Step):
    """One of many branches, by the value of a variable (4.10)."""

    type: Literal["switch-condition"]
    switch: str
    cases: Annotated[Mapping[str, Identifier], Field(min_length=1)]


AnyStep = Annotated[
    StartStep
    | EndStep
    | ActionStep
    | PlaybookActionStep
    | ParallelStep
    | IfConditionStep
    | WhileConditionStep
    | SwitchConditionStep,
    Field(discriminator="type"),
]
