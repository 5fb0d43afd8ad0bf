"""The compiled twin: numbers for names, on a chain small enough to check by eye."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tocsin.tests.twin.random_twins import random_game
from tocsin.twin.attack.step import AttackStep
from tocsin.twin.compiled import NANO, Compiled, compile_twin
from tocsin.twin.facts import key_of
from tocsin.twin.graph import Asset, Link, Owner, Twin, TwinError
from tocsin.twin.vocabulary import Access, AssetKind, Gain, LinkKind, SensorClass, StepClass

K, L = AssetKind, LinkKind
WORLD, WEB, DB, DATA, LAN = (
    "net/external/world",
    "shop/host/web",
    "bank/host/db",
    "bank/data_store/data",
    "shop/segment/lan",
)
INTO_SHOP = Link(L.REACHES, WORLD, WEB, 443)
INTO_BANK = Link(L.REACHES, WEB, DB, 5432)
STEPS = (
    AttackStep("T1190", StepClass.EXPLOIT, WORLD, WEB, Access.USER, Gain.USER, 0.5, link=INTO_SHOP.key),
    AttackStep("T1210", StepClass.EXPLOIT, LAN, DB, Access.USER, Gain.ADMIN, 0.5, link=INTO_BANK.key),
    AttackStep("T1213", StepClass.COLLECTION, DB, DATA, Access.USER, Gain.USER, 0.8),
    AttackStep("T1547", StepClass.PERSISTENCE, DB, DB, Access.ADMIN, Gain.PERSISTENCE, 1.0),
)


def draw() -> Twin:
    """The world, a shop whose web host is on a segment, a bank whose database keeps the crown jewel."""
    sensors = (SensorClass.HOST, SensorClass.NETWORK)
    return Twin.build(
        owners=[Owner("shop", value_per_hour=6.0), Owner("bank"), Owner("net", value_per_hour=0.0)],
        assets=[
            Asset(WORLD, K.EXTERNAL, "net", "world"),
            Asset(WEB, K.HOST, "shop", "web", criticality=1.0, sensors=sensors),
            Asset("shop/service/a", K.SERVICE, "shop", "a", criticality=2.0),
            Asset(LAN, K.SEGMENT, "shop", "lan"),
            Asset(DB, K.HOST, "bank", "db", criticality=5.0),
            Asset(DATA, K.DATA_STORE, "bank", "data", harm_per_hour=3.0, crown_jewel=True),
        ],
        links=[
            INTO_SHOP,
            INTO_BANK,
            Link(L.REACHES, WEB, LAN),
            Link(L.DEPENDS_ON, WEB, DB),
            Link(L.DEPENDS_ON, "shop/service/a", WEB, group="pool", need=1),
            Link(L.DEPENDS_ON, "shop/service/a", DB, group="pool", need=1),
        ],
    )


@pytest.fixture
def compiled() -> Compiled:
    return compile_twin(draw(), STEPS)


def row(compiled: Compiled, asset: str) -> np.record:
    return compiled.arrays.asset[compiled.asset_number[asset]]


def test_targets_are_assets_then_boundary_links_then_owners(compiled: Compiled) -> None:
    """T = N + L + O; names and numbers are each other's inverse."""
    assert compiled.sizes == (6, 2, 3) and compiled.targets == 11
    names = [compiled.target_name(target) for target in range(compiled.targets)]
    assert names[:6] == [asset.id for asset in compiled.twin.assets]
    assert names[6:8] == [key_of(INTO_SHOP), key_of(INTO_BANK)] and names[8:] == ["bank", "net", "shop"]
    assert [compiled.target_number[name] for name in names] == list(range(11))
    with pytest.raises(IndexError, match="0..10"):
        compiled.target_name(11)


def test_owners_of_a_target_consent(compiled: Compiled) -> None:
    """An asset has its owner, a boundary link both ends' owners, an owner itself."""

    def owners(name: str) -> tuple[str, ...]:
        return compiled.owners_of(compiled.target_number[name])

    assert owners(WEB) == ("shop",) and owners("bank") == ("bank",)
    assert owners(key_of(INTO_BANK)) == ("shop", "bank")


def test_shares_of_an_owner_sum_to_its_value(compiled: Compiled) -> None:
    """Criticality is normalised per owner: all services lost for an hour lose the owner's value per hour."""
    per_hour = compiled.arrays.asset["share"] * 60 / NANO
    assert per_hour[compiled.asset_number[WEB]] == pytest.approx(2.0)
    for number, owner in enumerate(compiled.twin.owners):
        lost = per_hour[compiled.arrays.asset["owner"] == number].sum()
        assert lost == pytest.approx(owner.value_per_hour)
    assert row(compiled, DATA).harm * 60 / NANO == pytest.approx(3.0)


def test_loss_per_hour_does_not_depend_on_the_tick() -> None:
    """With longer ticks each loses more."""
    short, long = (compile_twin(draw(), STEPS, tick_s=tick).arrays.asset["share"].sum() for tick in (60.0, 300.0))
    assert long == pytest.approx(5 * short)


def test_steps_keep_source_target_and_the_border_they_cross(compiled: Compiled) -> None:
    """Each step refers to assets and boundary links by number; collection is seen where it comes from."""
    steps, number = compiled.arrays.step, compiled.asset_number
    assert [(s.src, s.dst) for s in steps] == [(number[s.source], number[s.target]) for s in STEPS]
    crossed = [compiled.links[link] if link >= 0 else None for link in steps["link"]]
    assert crossed == [INTO_SHOP, INTO_BANK, None, None]
    assert steps["seen_at"].tolist() == [number[one] for one in (WEB, DB, DB, DB)]


def test_steps_are_found_by_source_and_by_target(compiled: Compiled) -> None:
    """out_step and in_step list every step once, under its asset."""
    arrays = compiled.arrays
    for number, asset in enumerate(arrays.asset):
        assert (arrays.step["src"][arrays.out_step[asset.out_first : asset.out_last]] == number).all()
        assert (arrays.step["dst"][arrays.in_step[asset.in_first : asset.in_last]] == number).all()
    assert sorted(arrays.out_step) == sorted(arrays.in_step) == list(range(len(STEPS)))


def test_segments_and_data_know_their_parts(compiled: Compiled) -> None:
    """A segment's parts are its members, a data store's what it is reached through; wholes are the inverse."""
    arrays, number = compiled.arrays, compiled.asset_number
    lan, data, web = row(compiled, LAN), row(compiled, DATA), row(compiled, WEB)
    assert arrays.part[lan.part_first : lan.part_last].tolist() == [number[WEB]]
    assert arrays.part[data.part_first : data.part_last].tolist() == [number[DB]]
    assert arrays.whole[web.whole_first : web.whole_last].tolist() == [number[LAN]]


def test_dependencies_are_groups_that_bear_so_many_failures(compiled: Compiled) -> None:
    """A plain dependency bears none; one of two bears one; a dependency over a boundary link names it."""
    arrays, number = compiled.arrays, compiled.asset_number
    groups = {(int(g.asset), int(g.tolerance)): arrays.member[g.first : g.last].tolist() for g in arrays.group}
    link = compiled.links.index(INTO_BANK)
    assert groups == {
        (number[WEB], 0): [(number[DB], link)],
        (number["shop/service/a"], 1): [(number[DB], -1), (number[WEB], -1)],
    }


def test_the_way_to_a_crown_jewel_is_the_best_product(compiled: Compiled) -> None:
    """From the jewel backwards: 1, 0.8, 0.4 through the segment to its member, 0.2 from outside."""
    toward = {asset: round(float(row(compiled, asset).toward), 4) for asset in (DATA, DB, LAN, WEB, WORLD)}
    assert toward == {DATA: 1.0, DB: 0.8, LAN: 0.4, WEB: 0.4, WORLD: 0.2}


def test_sensors_are_bits(compiled: Compiled) -> None:
    """Bit s stands for sensor class s; whatever is not watched has none."""
    assert row(compiled, WEB).sensors == 1 << SensorClass.HOST | 1 << SensorClass.NETWORK
    assert row(compiled, DB).sensors == 0


def test_a_step_that_refers_to_nothing_is_refused() -> None:
    """The error names the asset."""
    with pytest.raises(TwinError, match="shop/host/gone"):
        compile_twin(draw(), [replace(STEPS[0], target="shop/host/gone")])


@pytest.mark.parametrize("tick_s", [0.0, -60.0, float("nan"), float("inf")])
def test_a_tick_takes_some_time(tick_s: float) -> None:
    """Seconds per tick are positive and finite."""
    with pytest.raises(TwinError, match="tick_s"):
        compile_twin(draw(), STEPS, tick_s=tick_s)


def test_a_twin_without_steps_links_or_dependencies_compiles() -> None:
    """The smallest twin: one owner, one host."""
    twin = Twin.build(owners=[Owner("a")], assets=[Asset("a/host/h", K.HOST, "a", "h")], links=[])
    assert compile_twin(twin, []).sizes == (1, 0, 1)


def test_equal_twins_compile_to_equal_arrays() -> None:
    """Compilation depends on content alone."""
    one, other = random_game(3).compiled.arrays, random_game(3).compiled.arrays
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))
