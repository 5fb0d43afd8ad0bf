"""An enforcement point put together from files: tokens, names, state, and the kernel behind it.

Flows in: paths and a place. Flows out: a `Gate` whose rules stand in the kernel. Bad files are told before anything is
written.
"""

from __future__ import annotations

from pathlib import Path

from ..openc2.consumer import Gate
from ..openc2.memory import Memory
from .names import NameMap, read_map
from .nft import Place, run, transaction
from .point import EnforcementPoint
from .store import RuleStore
from .tokens import read_token_file


def build(place: Place, *, token_file: Path, state: Path, names: Path | None = None, asset_id: str = "") -> Gate:
    """Give the gate in front of an enforcement point that has taken up its rules.

    Raises:
        TokenFileError, MapError, StoreError, NoMemory, NftError: naming the file or tool and the mend.
    """
    tokens = read_token_file(token_file)
    known = read_map(names) if names is not None else NameMap()
    point = EnforcementPoint(
        RuleStore(state),
        lambda rules: run(transaction(rules, place), place),
        known,
        asset_id,
        has_inside=bool(place.inside),
    )
    point.start()
    return Gate(point, tokens, Memory(state), name=asset_id or place.table)
