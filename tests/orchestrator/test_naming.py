"""A chain whose ids could send an order to another owner than the one who is asked makes no node."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tocsin.orchestrator import assemble
from tocsin.orchestrator.assemble import Parts, build_node, load_twin
from tocsin.orchestrator.keys import make_home
from tocsin.orchestrator.naming import check_ids
from tocsin.orchestrator.settings import home_of
from tocsin.tests.orchestrator.fakes import GATEWAY, OWNERS, chain, house
from tocsin.twin.graph import Asset, Owner, Twin, TwinError
from tocsin.twin.vocabulary import AssetKind


def with_asset(id_: str, owner: str) -> Twin:
    """Give the chain with one more asset."""
    twin = chain()
    return replace(twin, assets=(*twin.assets, Asset(id_, AssetKind.HOST, owner, "x")))


BAD: list[tuple[Twin, str]] = [
    (with_asset("shop/host/x", "edge"), "says owner 'edge'"),
    (with_asset("edge", "edge"), "says owner 'edge'"),
    (with_asset("edges/host/x", "edge"), "says owner 'edge'"),
    (with_asset("edge/x shop/service/web edge/y 443", "edge"), "white space"),
    (replace(chain(), owners=(*chain().owners, Owner("node"))), "the node itself"),
    (replace(chain(), owners=(*chain().owners, Owner("a/b"))), "rename it"),
]


@pytest.mark.parametrize(("twin", "said"), BAD)
def test_ids_that_name_another_owner_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, twin: Twin, said: str
) -> None:
    """By a node however it is made, before anything is written."""
    with pytest.raises(TwinError, match=said):
        house(tmp_path / "made", twin=twin)
    home = home_of(tmp_path / "home", {})
    make_home(home.path, OWNERS, operator="edge")
    monkeypatch.setattr(assemble, "load_twin", lambda _chain: twin)
    never: Any = None
    with pytest.raises(TwinError, match=said):
        build_node(home, Parts(), never)
    assert not (home.path / "store.sqlite").exists()


def test_shipped_chain_has_good_ids() -> None:
    """The example is served as it is."""
    check_ids(load_twin(None))
    assert GATEWAY in chain().asset_by_id
