"""Services by hand: all of, any of, k of n; shares of criticality; processes at the end; who feels the outage."""

from __future__ import annotations

import numpy as np
import pytest
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.twin.compiled import NANO, Compiled, compile_twin
from tocsin.twin.graph import Asset, ConsentRule, Link, Owner, Twin
from tocsin.twin.rulebook.effects import Effect, build_effect_table
from tocsin.twin.rulebook.parameters import AttackerProfile, build_parameters
from tocsin.twin.rulebook.worlds import STREAM_ENVIRONMENT, Worlds
from tocsin.twin.sensing.confusion import shipped_confusion
from tocsin.twin.vocabulary import (
    AssetKind,
    ConsentClass,
    ConsentMode,
    LinkKind,
    LossCause,
    Mode,
    Proposer,
    TargetType,
)

K, L = AssetKind, LinkKind
SHOP, BANK, GRID = "shop/service/web", "bank/service/pay", "grid/process/charging"
POOL = tuple(f"cloud/service/n{number}" for number in range(3))
SHUT, CUT = 0, 1


def pooled(need: int) -> Compiled:
    """A shop depends on a bank and on `need` of three nodes of a cloud; a grid's charging on the shop."""
    links = [Link(L.DEPENDS_ON, SHOP, BANK), Link(L.REACHES, SHOP, BANK, port=443), Link(L.DEPENDS_ON, GRID, SHOP)]
    links += [Link(L.DEPENDS_ON, SHOP, node, group="pool", need=need) for node in POOL]
    owners = {"shop": 8.0, "bank": 2.0, "cloud": 3.0, "grid": 4.0}
    twin = Twin.build(
        owners=[Owner(name, value_per_hour=value) for name, value in owners.items()],
        assets=[
            Asset(SHOP, K.SERVICE, "shop", "web", criticality=3.0),
            Asset("shop/service/blog", K.SERVICE, "shop", "blog", criticality=1.0),
            Asset(BANK, K.SERVICE, "bank", "pay", criticality=1.0),
            *(Asset(node, K.SERVICE, "cloud", node[-2:], criticality=1.0) for node in POOL),
            Asset(GRID, K.PROCESS, "grid", "charging", criticality=1.0),
        ],
        links=links,
        weaknesses=[],
        consent=[
            ConsentRule(owner, one, proposer, ConsentMode.AT_ONCE)
            for owner in owners
            for one in ConsentClass
            for proposer in Proposer
        ],
    )
    return compile_twin(twin, [])


def hour_without(compiled: Compiled, *targets: str) -> dict[str, float]:
    """Service that each owner loses in an hour while the targets are shut down or cut."""
    plain = {"consent_class": ConsentClass.CONTAIN, "work_s": 60.0, "hold_s": 0.0, "labour_h": 0.0, "success": 1.0}
    effects = build_effect_table(
        [
            Effect("shut", TargetType.ASSET, (K.SERVICE, K.PROCESS), undoable=True, mode=Mode.DOWN, **plain),  # type: ignore[arg-type]
            Effect("cut", TargetType.LINK, (), undoable=True, cut=True, **plain),  # type: ignore[arg-type]
        ]
    )
    parameters = build_parameters(compiled, [AttackerProfile("nobody", absent=1.0)], shipped_confusion())
    worlds = Worlds.make(compiled, effects, parameters, world_ids=[0], stream=STREAM_ENVIRONMENT)
    for name in targets:
        target = compiled.target_number[name]
        playbook = SHUT if target < len(compiled.twin.assets) else CUT
        worlds.tick(np.array([[1 + playbook * compiled.targets + target]], np.int32))
    worlds.roll(1)
    before = worlds.state.loss.copy()
    worlds.roll(60)
    lost = (worlds.state.loss - before)[0, :, LossCause.SERVICE] / NANO
    return {owner.id: round(float(lost[n]), 3) for n, owner in enumerate(compiled.twin.owners) if lost[n] > 0}


def test_all_of_fails_with_any_of_its_members() -> None:
    """Without the bank the shop's web is out, and what depends on that; the shop's blog goes on."""
    assert hour_without(pooled(1), BANK) == {"bank": 2.0, "shop": 6.0, "grid": 4.0}


def test_any_of_stands_while_one_member_does() -> None:
    """Two of three nodes gone cost their owner its share alone; the last takes the shop along."""
    assert hour_without(pooled(1), *POOL[:2]) == {"cloud": 2.0}
    assert hour_without(pooled(1), *POOL) == {"cloud": 3.0, "shop": 6.0, "grid": 4.0}


@pytest.mark.parametrize(("need", "gone"), [(2, 1), (2, 2), (3, 1)])
def test_k_of_n_fails_when_fewer_than_k_are_left(need: int, gone: int) -> None:
    """Two of three needed: one may go; three of three needed: none."""
    lost = hour_without(pooled(need), *POOL[:gone])
    assert ("shop" in lost) == (3 - gone < need) and lost["cloud"] == gone


def test_outage_is_booked_once_to_the_owner_who_feels_it() -> None:
    """Bank and pool both gone: the shop loses its share once; the physical process at the end is the grid's loss."""
    lost = hour_without(pooled(1), BANK, *POOL)
    assert lost == {"bank": 2.0, "cloud": 3.0, "shop": 6.0, "grid": 4.0}


def test_a_cut_link_between_owners_takes_what_it_carries() -> None:
    """The bank still serves; what the shop has of it does not arrive."""
    compiled = pooled(1)
    link = next(name for name in compiled.target_number if "reaches" in name and BANK in name)
    assert hour_without(compiled, link) == {"shop": 6.0, "grid": 4.0}


def test_a_process_is_out_alone() -> None:
    """Nothing depends on the end of a chain."""
    assert hour_without(pooled(1), GRID) == {"grid": 4.0}
