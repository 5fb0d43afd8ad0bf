"""What the audit log says that the row and history of a response must be: its records, replayed.

Flows in: the records about one response, from the first to the last. Flows out: the values that they led to, and how
the tables differ from them. So a row changed by hand is seen though a later record carries the digest of that row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import rfc8785
import sqlalchemy as sa

from .store import responses, transitions

_STEP = ("event", "attempt", "from", "to")
_TOLD = ("succeeded", "text", "perhaps", "asked", "at", "after", "returned")  # of an outcome
_TAKEN_BACK = ("undo", "undo_fail")  # events after which nobody waits for an undo any more


@dataclass(slots=True)
class Replay:
    """Where the records about a response lead; filled while they are read."""

    values: dict[str, Any] = field(
        default_factory=lambda: {
            "state": "proposed",
            "forecast": {},
            "blocked": "",
            "undo_wanted": "",
            "holds_until": "",
        }
    )
    history: list[tuple[Any, ...]] = field(default_factory=list)
    run: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"do": [], "undo": []})
    begun: dict[str, dict[str, Any]] = field(default_factory=dict)  # by key, of orders whose outcome is not known

    def note(self, time: str, kind: str, body: Mapping[str, Any]) -> str:
        """Take one record in; give why it cannot follow those before it, empty: it can."""
        if kind == "transition":
            return self._transition(time, body)
        if kind == "order":
            self.begun[body["key"]] = {"tries": body["try"], **_met(body)}
        elif kind == "outcome":
            self._outcome(body)
        elif kind == "undo_wanted":
            self.values["undo_wanted"] = body["by"]
        elif kind == "guard_refused":
            self.values["blocked"] = body["refusal"]
        return ""

    def difference(self, conn: sa.Connection, response: str) -> str:
        """Say what of the tables is not as the records say; empty: nothing."""
        columns = [responses.c[name] for name in self.values]
        row = conn.execute(sa.select(*columns, responses.c.run).where(responses.c.id == response)).one()
        names = [name for name, value in self.values.items() if getattr(row, name) != value]
        names += [] if self._is_run(row.run) else ["run"]
        history = sa.select(*(transitions.c[name] for name in ("event", "attempt", "before", "after", "time")))
        rows = conn.execute(history.where(transitions.c.response == response).order_by(transitions.c.id))
        names += [] if [tuple(step) for step in rows] == self.history else ["history"]
        return f"its {', '.join(names)} is not what its records say" if names else ""

    def _transition(self, time: str, body: Mapping[str, Any]) -> str:
        was, event = self.values["state"], body["event"]
        self.history.append((*(body[name] for name in _STEP), time))
        self.values["state"] = body["to"]
        if event == "rehearse":
            self.values["forecast"] = body["forecast"]
        elif event == "execute":
            self.values["blocked"] = ""
        elif event == "complete":
            self.values["holds_until"] = body["holds_until"]
        elif event in _TAKEN_BACK:
            self.values |= {"undo_wanted": "", "holds_until": ""}
        return "" if body["from"] == was else f"it was {was}, not {body['from']}"

    def _outcome(self, body: Mapping[str, Any]) -> None:
        _response, phase, rest = body["key"].split("/", 2)
        told = {name: body[name] for name in _TOLD if name in body}
        sent = self.begun.pop(body["key"], {})
        self.run[phase].append({"step": rest.rpartition("/")[0], **told, **_met(sent)})

    def _is_run(self, row: Mapping[str, Any]) -> bool:
        begun = {one["key"]: {"tries": 0, **one} for one in begun_of(row)}
        if begun.keys() != self.begun.keys():
            return False
        if not all(begun[key].items() >= told.items() for key, told in self.begun.items()):
            return False
        for phase, told in self.run.items():
            kept = row.get(phase, [])
            if len(kept) != len(told) or not all(
                {**kept_one, "returned": returned_digest(kept_one.get("arguments", {}))}.items() >= told_one.items()
                for kept_one, told_one in zip(kept, told, strict=True)
            ):
                return False
        return True


def _met(body: Mapping[str, Any]) -> dict[str, Any]:
    """The playbooks that the run had called by then; earlier releases did not write them down."""
    return {"met": list(body["met"])} if "met" in body else {}


def returned_digest(arguments: Mapping[str, str]) -> str:
    """SHA-256, 64 hex digits, of the values that an order brought; empty where it brought none.

    The log, which many may read, holds no values.
    """
    return hashlib.sha256(rfc8785.dumps(dict(arguments))).hexdigest() if arguments else ""


def begun_of(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The orders under way of a row's `run`; nodes of earlier releases kept one, beside the rest."""
    begun = run.get("begun") or []
    if not isinstance(begun, str):
        return list(begun)
    names = ("tries", "asked", "pending", "tried")
    return [{"key": begun, **{name: run[name] for name in names if name in run}}]
