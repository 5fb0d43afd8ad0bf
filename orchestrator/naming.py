"""Ids that a node can act on: an order goes to whom an id begins with, so that must be the owner who is asked.

Flows in: a twin. Flows out: nothing, or one error that names the id and the mend. Pure.
"""

from __future__ import annotations

import re

from ..twin.graph import Twin, TwinError
from .identity import OWNER_ID
from .records import BY_NODE


def check_ids(twin: Twin) -> None:
    """Refuse a chain whose ids could send an order, or a question, to another owner than they name.

    Raises:
        TwinError: an owner named like the node or unfit for an id; an asset whose id does not begin with its owner's,
            or holds white space (names of links are ids with spaces between).
    """
    for owner in twin.owners:
        if owner.id == BY_NODE:
            raise TwinError(f"owner {owner.id!r}: the name stands for the node itself; rename the owner in the chain")
        if not re.fullmatch(OWNER_ID, owner.id):
            raise TwinError(f"owner {owner.id!r}: ids are letters, digits, '.', '_' and '-', at most 64; rename it")
    for asset in twin.assets:
        if not asset.id.startswith(f"{asset.owner}/"):
            raise TwinError(f"asset {asset.id!r} says owner {asset.owner!r}; ids are owner/kind/name, mend one of them")
        if re.search(r"\s", asset.id):
            raise TwinError(f"asset {asset.id!r}: an id has no white space; rename it")
