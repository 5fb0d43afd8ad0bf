"""Put a node together from a home and what the other rooms supply.

Flows in: the home's files, the chain, the terms, and a `Supply`: library, interpreter and advisor for that chain. Flows
out: a `Node`, with all that is wrong said before anything is written. It starts nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import cast

from ..twin.graph import Twin
from .actuators.openc2_http import Endpoint, OpenC2Http
from .actuators.router import build
from .clock import Clock, LockstepClock, SystemClock
from .identity import IdentityError, TokenStore, TrustStore
from .interpreting import Script
from .keys import read_token
from .lease import take_lease
from .naming import check_ids
from .node import Node
from .proposals import Advisor
from .revocable import LiveTokens, LiveTrust
from .script import CacaoScript
from .settings import Home, PolicyChoice
from .shelf import IsActive, Shelf
from .store import open_store
from .terms import Terms, read_terms
from .versions import Versions
from .watching import Watcher


@dataclass(frozen=True, slots=True)
class Supply:
    """What other rooms supply for one chain."""

    shelf: Shelf
    is_active: IsActive
    advisor: Advisor
    script: Script = field(default_factory=CacaoScript)
    versions: Versions = field(default_factory=Versions)  # of playbooks; the node keeps them in its store
    may_propose: Callable[[str], bool] = lambda playbook: True  # whether the policy in use was evaluated with it
    watcher: Watcher | None = None  # keeps what the policy meets and what became of forecasts


Supplier = Callable[[Twin, Home, PolicyChoice, Clock], Supply]


@dataclass(frozen=True, slots=True)
class Parts:
    """What `tocsin serve` was told to use; None: the default."""

    chain: Path | None = None  # folder of the chain; the shipped example
    terms: Path | None = None  # HOME/terms.yaml if there is one
    policy: PolicyChoice = PolicyChoice()
    lockstep: bool = False


def build_node(home: Home, parts: Parts, supplier: Supplier | None = None) -> Node:
    """Read everything, check it against the chain, and give the node.

    Raises:
        ValueError: a class of ours, naming the file that cannot be used and the mend.
    """
    tokens, trust = TokenStore.load(home.tokens), TrustStore.load(home.trust)  # once, to say what is wrong
    twin = load_twin(parts.chain)
    check_ids(twin)
    _check_owners(home, tokens, trust, twin)
    terms = _terms(home, parts.terms, twin)
    actuator = build(home.path, OpenC2Http(_endpoints(home, terms), ca_file=terms.ca_file))
    clock: Clock = LockstepClock() if parts.lockstep else SystemClock()
    supply = (supplier or _shipped())(twin, home, parts.policy, clock)
    engine = open_store(home.store_url)
    return Node(
        twin=twin,
        shelf=supply.shelf,
        is_active=supply.is_active,
        engine=engine,
        lease=take_lease(engine),
        tokens=LiveTokens(home.tokens, twin.owner_by_id),
        trust=LiveTrust(home.trust),
        clock=clock,
        advisor=supply.advisor,
        actuator=actuator,
        script=supply.script,
        versions=supply.versions,
        terms=terms,
        may_propose=supply.may_propose,
        watcher=supply.watcher,
    )


def load_twin(chain: Path | None) -> Twin:
    """Give the twin of a chain's folder, or of the shipped example.

    Raises:
        ValueError: a class of ours, naming file, place and mend.
    """
    from ..twin.facts import merge
    from ..twin.sources import load_example, read_chain

    return load_example().twin if chain is None else merge(read_chain(chain).facts).twin


def _check_owners(home: Home, tokens: TokenStore, trust: TrustStore, twin: Twin) -> None:
    known = set(twin.owner_by_id)
    for place, owners in (
        (home.tokens, {entry.owner for entry in tokens.entries}),
        (home.trust, set(trust.owners)),
    ):
        unknown = sorted(owners - known)
        if unknown:
            raise IdentityError(
                f"{place}: unknown owner {unknown[0]!r}; the chain has {', '.join(sorted(known))}; "
                "make a home for this chain or give its --chain"
            )


def _terms(home: Home, flag: Path | None, twin: Twin) -> Terms:
    path = flag or home.path / "terms.yaml"
    if flag is None and not path.exists():
        return Terms()
    return read_terms(path, owners=frozenset(twin.owner_by_id), assets=frozenset(twin.asset_by_id))


def _endpoints(home: Home, terms: Terms) -> dict[str, Endpoint]:
    return {
        owner: Endpoint(address.url, read_token(home.path / address.token_file))
        for owner, address in terms.openc2.items()
    }


def _shipped() -> Supplier:
    """Give the supplier of this package. Loaded by name, as it brings the whole advisor with it."""
    return cast(Supplier, import_module(".supply", __package__).supply)
