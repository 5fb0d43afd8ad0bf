"""Files of the rule's numbers, as `tocsin policy search` writes them.

Flows in: a file. Flows out: `RuleNumbers`, or a refusal that names what to mend.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..envs.rule_numbers import RuleNumbers
from ..twin.sources.safe_yaml import read_yaml
from .settings import TrainError


def shipped_numbers() -> RuleNumbers:
    """Those that `tocsin policy search` found for the package."""
    return read_numbers(Path(str(files("tocsin.training") / "data" / "rule.yaml")))


def read_numbers(path: Path) -> RuleNumbers:
    """The numbers of a file that `tocsin policy search` wrote.

    Raises:
        TrainError: the file is missing, or a number is missing, unknown or out of range.
        TwinError: it is no YAML; names line and mend.
    """
    try:
        documents = read_yaml(path.read_bytes(), str(path))
    except OSError as error:
        raise TrainError(f"{path}: {error.strerror or error}; name a file of `tocsin policy search`") from None
    said = documents[0].get("numbers") if len(documents) == 1 and isinstance(documents[0], dict) else None
    names = {one.name for one in fields(RuleNumbers)}
    if not isinstance(said, dict) or set(said) != names:
        raise TrainError(f"{path}: {_wrong(said if isinstance(said, dict) else {}, names)}")
    try:
        return RuleNumbers(**said)
    except ValueError as error:
        raise TrainError(f"{path}: {error}") from None


def _wrong(said: Mapping[Any, Any], names: set[str]) -> str:
    """What a file's numbers lack and hold beyond the rule's, with the mend."""
    lacking, unknown = sorted(names - set(said)), sorted(map(str, set(said) - names))
    told = (("lacks", lacking), ("may not hold", unknown))
    faults = " and ".join(f"{fault} {', '.join(which)}" for fault, which in told if which)
    return f"`numbers:` {faults}; search anew with `tocsin policy search`, whose files hold all {len(names)}"
