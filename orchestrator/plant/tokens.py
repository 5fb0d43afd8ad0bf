"""Who may speak to the plant, and with which token the plant speaks for each owner's sensors.

Flows in: one JSON file, readable by its user only. Flows out: `PlantTokens`.

    {"operator": "...", "owners": {"shop": {"actuator": "...", "sensor": ["...", "..."]}}}

`actuator` is presented to the plant by whoever commands that owner's systems; `sensor` is presented by the plant to the
orchestrator, one for each of the owner's collectors of telemetry (see `delivery.py`). Tokens are never logged.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Token = Annotated[str, Field(min_length=16, max_length=512, pattern=r"^[\x21-\x7e]+$")]


class TokensError(ValueError):
    """A token file that cannot be used; the message names file, place and mend."""


@dataclass(frozen=True, slots=True)
class PlantTokens:
    """Tokens by owner."""

    operator: str = field(repr=False)
    actuator: Mapping[str, str] = field(repr=False)
    sensor: Mapping[str, tuple[str, ...]] = field(repr=False)  # per owner one for each of its collectors

    def is_operator(self, token: str) -> bool:
        """Whether the token may step and end the plant."""
        return hmac.compare_digest(self.operator.encode(), token.encode())

    def owner(self, token: str) -> str | None:
        """Give the owner whose systems the token may command."""
        found = None
        for owner, known in self.actuator.items():
            if hmac.compare_digest(known.encode(), token.encode()):
                found = owner
        return found


class _Owner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    actuator: Token
    sensor: Annotated[tuple[Token, ...], Field(min_length=1, max_length=8)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    operator: Token
    owners: dict[str, _Owner]


def read_tokens(path: Path, *, owners: frozenset[str]) -> PlantTokens:
    """Read the token file.

    Raises:
        TokensError: it cannot be read, is not of this form, gives one token to two, or misses or invents an owner.
    """
    try:
        file = _File.model_validate(json.loads(path.read_text("utf-8")))
    except OSError as error:
        raise TokensError(f"{path}: {error.strerror or error}; name a token file of the plant") from None
    except ValidationError as error:
        fault = error.errors(include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise TokensError(f"{path}: {place}: {fault['msg']}; mend it there") from None
    except (ValueError, RecursionError):
        raise TokensError(f"{path}: not JSON; mend it or write it anew") from None
    if set(file.owners) != owners:
        odd = ", ".join(sorted(owners ^ set(file.owners)))
        raise TokensError(f"{path}: owners: {odd} is not in both chain and file; list exactly the chain's owners")
    accepted = [file.operator, *(owner.actuator for owner in file.owners.values())]
    if len(set(accepted)) != len(accepted):
        raise TokensError(f"{path}: one token stands for two; give each its own")
    return PlantTokens(
        file.operator,
        {name: owner.actuator for name, owner in file.owners.items()},
        {name: owner.sensor for name, owner in file.owners.items()},
    )
