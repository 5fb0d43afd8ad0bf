"""The digital twin: what is, how attacks and responses change it, what can be known of it.

`PUBLIC` names the modules that other rooms may use; the names in `EXPORTS` load on first use (PEP 562), so that
importing the room costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

PUBLIC = (
    "analysis.forecast",
    "analysis.planner",
    "attack.step",
    "attack.steps",
    "attack.techniques",
    "compiled",
    "facts",
    "graph",
    "own_file",
    "rulebook.attacking",
    "rulebook.campaign",
    "rulebook.defenders",
    "rulebook.draws",
    "rulebook.effects",
    "rulebook.jit",
    "rulebook.kernel",
    "rulebook.legal",
    "rulebook.mask",
    "rulebook.parameters",
    "rulebook.playing",
    "rulebook.rules",
    "rulebook.settle",
    "rulebook.sharing",
    "rulebook.state",
    "rulebook.worlds",
    "sensing.arriving",
    "sensing.belief",
    "sensing.confusion",
    "sensing.detector_memory",
    "sensing.detector_rules",
    "sensing.detectors",
    "sensing.evidence",
    "sensing.events",
    "sensing.findings",
    "sensing.following",
    "sensing.observe",
    "sensing.viewing",
    "sources",
    "sources.chain_model",
    "sources.ndjson",
    "sources.safe_yaml",
    "store",
    "vocabulary",
)
EXPORTS = {
    "Twin": "graph",
    "Owner": "graph",
    "Asset": "graph",
    "Link": "graph",
    "Weakness": "graph",
    "TwinError": "graph",
    "Fact": "facts",
    "merge": "facts",
    "load_example": "sources",
    "read_chain": "sources",
    "derive_steps": "attack.steps",
    "best_paths": "analysis.paths",
    "compile_twin": "compiled",
    "Worlds": "rulebook.worlds",
    "rehearse": "analysis.forecast",
}


def __getattr__(name: str) -> Any:
    """Load an exported name on first use."""
    if name not in EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{EXPORTS[name]}"), name)
