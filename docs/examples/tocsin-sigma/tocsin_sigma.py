"""An actuator for CACAO commands of type `sigma`: it puts the rule into the folder that a SIEM loads rules from."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from tocsin.orchestrator.actuators import Order, Outcome, Refused, Setup


@dataclass
class SigmaFolder:
    folder: Path
    removes_duplicates = True  # one key is one file

    def carry_out(self, order: Order) -> Outcome:
        rule = order.command["text"]
        if "detection:" not in rule:
            raise Refused(f"order {order.key}: no Sigma rule; mend the playbook's command")
        path = self._path(order)
        path.with_suffix(".new").write_text(rule)
        os.replace(path.with_suffix(".new"), path)  # the SIEM sees the whole rule or none
        return Outcome(200, f"rule {path.name}")

    def read(self, order: Order) -> Outcome | None:
        path = self._path(order)
        return Outcome(200, f"rule {path.name}") if path.exists() else None

    def _path(self, order: Order) -> Path:
        return self.folder / f"{hashlib.sha256(order.key.encode()).hexdigest()[:16]}.yml"


def make(setup: Setup) -> SigmaFolder:
    return SigmaFolder(Path(setup.settings["folder"]))
