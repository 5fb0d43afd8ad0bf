"""What a node's store, or a file, says of a policy in use: windows, outlooks, outcomes.

Flows in: a store (read only) or JSON (untrusted). Flows out: what `fitness` judges. The file's form is what
`tocsin policy watch --json` prints under `met`:

    {"windows": [{"decisions": [quiet, alert], "counts": [...]}],
     "outlooks": [{"low": 0.0, "high": 1.2, "came": 0.4}],
     "outcomes": [{"declared": 0.9, "succeeded": true}]}
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ..envs.profile import ProfileError, Window
from ..playbooks.actions import Library
from .fitness import Came
from .lifecycle import Event, State
from .records import BY_NODE
from .store import outlooks, policy_windows, reading, responses, transitions
from .watching import CAME

MAX_FILE = 50_000_000  # bytes


class MetError(ValueError):
    """A file or store that says nothing usable; the message names it and the mend."""


@dataclass(frozen=True, slots=True)
class Met:
    """What a policy met and what came."""

    windows: tuple[Window, ...]
    outlooks: tuple[Came, ...]
    outcomes: tuple[tuple[float, bool], ...]

    def as_object(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "windows": [one.as_object() for one in self.windows],
            "outlooks": [asdict(one) for one in self.outlooks],
            "outcomes": [{"declared": p, "succeeded": came} for p, came in self.outcomes],
        }


def met_in_store(engine: sa.Engine, policy: str, library: Library) -> Met:
    """What a node's store says.

    Args:
        engine: of an existing store.
        policy: SHA-256 of the policy's file; what others met, expected and proposed is left out.
        library: what playbooks declare of their success.

    Raises:
        MetError: the node that wrote it was of a version that kept no such counts.
    """
    success = {one.id: effect.success for one, effect in zip(library.playbooks, library.effects, strict=True)}
    with reading(engine) as conn:
        if not {policy_windows.name, outlooks.name} <= set(sa.inspect(conn).get_table_names()):
            raise MetError("the store keeps no counts of what a policy meets; start the node with this version once")
        windows = conn.execute(sa.select(policy_windows.c.body).where(policy_windows.c.policy == policy)).scalars()
        came = conn.execute(sa.select(outlooks).where(outlooks.c.policy == policy, outlooks.c.state == CAME)).all()
        ended = conn.execute(
            sa.select(responses.c.playbook, transitions.c.event)
            .join(transitions, transitions.c.response == responses.c.id)
            .join(outlooks, outlooks.c.response == responses.c.id)  # says which policy was in use at the rehearsal
            .where(
                outlooks.c.policy == policy,
                responses.c.proposer == BY_NODE,
                transitions.c.before == State.VERIFYING.value,
                transitions.c.event.in_([Event.CONFIRM.value, Event.FAIL.value]),
            )
        ).all()
        kept = tuple(Window.of_object(one) for one in windows)
    told = [(row.body[row.option], row.came) for row in came]
    return Met(
        kept,
        tuple(Came(float(quantiles[0]), float(quantiles[-1]), float(lost)) for quantiles, lost in told),
        tuple((success[row.playbook], row.event == Event.CONFIRM.value) for row in ended if row.playbook in success),
    )


def met_in_file(path: Path) -> Met:
    """What a file says.

    Raises:
        MetError: it is missing, too large or of another form.
    """
    try:
        if path.stat().st_size > MAX_FILE:
            raise MetError(f"{path}: larger than {MAX_FILE} bytes; name what tocsin policy watch --json printed")
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise MetError(f"{path}: {error.strerror or error}; name a file") from None
    except (ValueError, RecursionError):
        raise MetError(f"{path}: is no JSON; name what tocsin policy watch --json printed") from None
    try:
        content = content.get("met", content)
        return Met(
            tuple(Window.of_object(one) for one in content["windows"]),
            tuple(_came(one) for one in content["outlooks"]),
            tuple(_outcome(one) for one in content["outcomes"]),
        )
    except ProfileError as error:
        raise MetError(f"{path}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MetError(f"{path}: holds no windows, outlooks and outcomes ({error}); see tocsin policy watch") from None


def _came(row: Mapping[str, Any]) -> Came:
    found = Came(float(row["low"]), float(row["high"]), float(row["came"]))
    if not (math.isfinite(found.came) and found.low <= found.high):
        raise ValueError(f"outlook {row}")
    return found


def _outcome(row: Mapping[str, Any]) -> tuple[float, bool]:
    declared = float(row["declared"])
    if not 0.0 <= declared <= 1.0 or not isinstance(row["succeeded"], bool):
        raise ValueError(f"outcome {row}")
    return declared, row["succeeded"]
