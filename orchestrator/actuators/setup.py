"""What an actuator is made from: a folder for its state, and the part of the node's settings that is its own.

Flows in: `HOME/actuators.yaml`, a mapping from command types to settings. Flows out: `Setup` values. Secrets are named
by file in the settings, never written there.

    bash: {programs: {restart-web: /usr/local/sbin/restart-web}}
    ssh:  {known_hosts: keys/known_hosts, owners: {edge: {username: responder, client_key: keys/responder}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ...twin.graph import TwinError
from ...twin.sources.safe_yaml import read_yaml

FILE = "actuators.yaml"
Model = TypeVar("Model", bound=BaseModel)


class SetupError(ValueError):
    """Settings that cannot be used; the message names file, place and mend."""


class Part(BaseModel):
    """A part of the settings: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a factory of actuators is given."""

    command_type: str
    home: Path  # of the node; relative paths in the settings start here
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """A file for what the actuator must remember."""
        return self.home / "actuators" / f"{self.command_type}.sqlite"

    def read(self, model: type[Model]) -> Model:
        """Give the settings as a checked value.

        Raises:
            SetupError: naming the place.
        """
        try:
            return model.model_validate(dict(self.settings))
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in (self.command_type, *fault["loc"]))
            raise SetupError(f"{self.home / FILE}: {place}: {fault['msg']}; see docs/actuators.md") from None

    def path(self, name: str) -> Path:
        """Give a file that the settings name."""
        return self.home / name


def read_settings(home: Path) -> dict[str, dict[str, Any]]:
    """Read the node's settings of actuators; none where there is no file.

    Raises:
        SetupError: the file is broken or no mapping of mappings.
    """
    file = home / FILE
    if not file.is_file():
        return {}
    try:
        documents = read_yaml(file.read_bytes(), str(file))
    except (OSError, TwinError) as error:
        raise SetupError(f"{file}: {error}; mend it or take it away") from None
    content = documents[0] if len(documents) == 1 else {} if not documents else None
    if not isinstance(content, dict) or not all(isinstance(part, dict) for part in content.values()):
        raise SetupError(f"{file}: not a mapping from command types to settings; see docs/actuators.md")
    return {str(name): dict(part) for name, part in content.items()}
