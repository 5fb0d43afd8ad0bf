"""The next version of a compiled twin, by what changed: equal to compiling it as a whole, and little of it new."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.playbooks.actions import load_library
from tocsin.tests.twin.random_twins import ESCAPE, LOCAL, REMOTE, random_twin
from tocsin.twin import recompile as module
from tocsin.twin.attack.steps import derive_steps
from tocsin.twin.changes import Change, changed_twin, difference
from tocsin.twin.compiled import Compiled, compile_twin
from tocsin.twin.graph import Asset, ConsentRule, Link, Owner, Twin, TwinError, Weakness
from tocsin.twin.recompile import carried_targets, recompile
from tocsin.twin.rulebook.mask import static_mask
from tocsin.twin.vocabulary import Access, AssetKind, ConsentClass, ConsentMode, LinkKind, Proposer, SensorClass

WAYS = (LinkKind.REACHES, LinkKind.HOLDS_CREDENTIAL, LinkKind.CAN_LOG_IN, LinkKind.MANAGES, LinkKind.SUPPLIES)
OTHER_WAYS = (LinkKind.RUNS_ON, LinkKind.STORES, LinkKind.HOLDS_CREDENTIAL)
OTHERS = (LinkKind.DEPENDS_ON, LinkKind.STORES, LinkKind.RUNS_ON)
MACHINES = (AssetKind.HOST, AssetKind.CONTAINER, AssetKind.DEVICE)


def whole(twin: Twin) -> Compiled:
    """Derived and compiled anew."""
    return compile_twin(twin, derive_steps(twin))


def next_version(rng: np.random.Generator, twin: Twin) -> Twin:
    """The twin after one to three changes of all sorts."""
    for _ in range(int(rng.integers(1, 4))):
        twin = CHANGES[rng.integers(len(CHANGES))](rng, twin)
    return twin


def change_asset(rng: np.random.Generator, twin: Twin) -> Twin:
    """Another criticality, harm, crown or sensors of an asset."""
    row = int(rng.integers(len(twin.assets)))
    field, value = [
        ("criticality", float(rng.integers(0, 9))),
        ("harm_per_hour", float(rng.random())),
        ("crown_jewel", bool(rng.random() < 0.5)),
        ("sensors", tuple(one for one in SensorClass if rng.random() < 0.5)),
        ("name", "renamed"),
    ][rng.integers(5)]
    asset = replace(twin.assets[row], **{field: value})  # type: ignore[arg-type]
    return replace(twin, assets=(*twin.assets[:row], asset, *twin.assets[row + 1 :]))


def change_weakness(rng: np.random.Generator, twin: Twin) -> Twin:
    """A weakness found, or mended."""
    if twin.weaknesses and rng.random() < 0.5:
        row = int(rng.integers(len(twin.weaknesses)))
        return replace(twin, weaknesses=(*twin.weaknesses[:row], *twin.weaknesses[row + 1 :]))
    asset = str(rng.choice([one.id for one in twin.assets if one.kind in MACHINES]))
    name = str(rng.choice([REMOTE, LOCAL, ESCAPE, "CWE-798"]))
    if any((one.id, one.asset) == (name, asset) for one in twin.weaknesses):
        return twin
    found = Weakness(name, asset, access=Access(int(rng.integers(1, 3))))
    return replace(twin, weaknesses=tuple(sorted([*twin.weaknesses, found], key=lambda one: (one.asset, one.id))))


def change_link(rng: np.random.Generator, twin: Twin) -> Twin:
    """A link of any kind opened, or closed."""
    if rng.random() < 0.5:
        row = int(rng.integers(len(twin.links)))
        return replace(twin, links=(*twin.links[:row], *twin.links[row + 1 :]))
    kind = (*WAYS, *WAYS, *OTHERS)[rng.integers(13)]
    sources = [one.id for one in twin.assets if one.kind in (*MACHINES, AssetKind.IDENTITY, AssetKind.SEGMENT)]
    source, target = str(rng.choice(sources)), str(rng.choice([one.id for one in twin.assets]))
    link = Link(kind, source, target, port=int(rng.integers(1, 9)) if kind is LinkKind.REACHES else None)
    if source == target or any(one.key == link.key for one in twin.links):
        return twin
    return replace(twin, links=tuple(sorted([*twin.links, link], key=lambda one: one.key)))


def change_owner(rng: np.random.Generator, twin: Twin) -> Twin:
    """Another value of an owner, or another answer to requests."""
    if twin.consent and rng.random() < 0.5:
        row = int(rng.integers(len(twin.consent)))
        rule = replace(twin.consent[row], mode=ConsentMode.NEVER)
        return replace(twin, consent=(*twin.consent[:row], rule, *twin.consent[row + 1 :]))
    row = int(rng.integers(len(twin.owners)))
    owner = replace(twin.owners[row], value_per_hour=float(rng.integers(0, 9)))
    return replace(twin, owners=(*twin.owners[:row], owner, *twin.owners[row + 1 :]))


def change_assets(rng: np.random.Generator, twin: Twin) -> Twin:
    """An asset comes with its place in the chain, or goes with all that refers to it."""
    if rng.random() < 0.4:
        gone = twin.assets[rng.integers(len(twin.assets))].id
        return replace(
            twin,
            assets=tuple(one for one in twin.assets if one.id != gone),
            links=tuple(one for one in twin.links if gone not in (one.source, one.target)),
            weaknesses=tuple(one for one in twin.weaknesses if one.asset != gone),
        )
    kind = (AssetKind.HOST, AssetKind.CONTAINER, AssetKind.DATA_STORE, AssetKind.IDENTITY, AssetKind.SEGMENT)[
        rng.integers(5)
    ]
    owner = twin.owners[rng.integers(len(twin.owners))].id
    name = str(rng.choice(["a", "m", "zz"])) + str(rng.integers(3))
    asset = Asset(
        f"{owner}/{kind.word}/{name}", kind, owner, name, criticality=1.0, crown_jewel=bool(rng.random() < 0.3)
    )
    if asset.id in twin.asset_by_id:
        return twin
    others = [str(one) for one in rng.choice([one.id for one in twin.assets], 4)]
    links = {
        link.key: link
        for link in (
            Link(LinkKind.REACHES, others[0], asset.id, 80),
            Link(LinkKind.REACHES, asset.id, others[1], 80),
            Link(LinkKind.DEPENDS_ON, others[2], asset.id),
            Link(OTHER_WAYS[rng.integers(3)], asset.id, others[3]),
            Link(LinkKind.STORES, others[0], asset.id),
        )
        if rng.random() < 0.7
    }
    return replace(
        twin,
        assets=tuple(sorted([*twin.assets, asset], key=lambda one: one.id)),
        links=tuple(sorted([*twin.links, *links.values()], key=lambda one: one.key)),
    )


CHANGES = (
    change_asset,
    change_weakness,
    change_weakness,
    change_link,
    change_link,
    change_owner,
    change_assets,
    change_assets,
)


def assert_equal(ours: Compiled, theirs: Compiled) -> None:
    """Names and arrays are the same, bit for bit and type for type."""
    assert (ours.twin, ours.steps, ours.links) == (theirs.twin, theirs.steps, theirs.links)
    assert (ours.numbering, ours.owner_number) == (theirs.numbering, theirs.owner_number)
    assert ours.twin.asset_by_id == theirs.twin.asset_by_id
    for name, one, other in zip(ours.arrays._fields, ours.arrays, theirs.arrays, strict=True):
        assert (type(one), one.dtype, one.shape) == (type(other), other.dtype, other.shape), name
        if one.dtype.names:
            for field in one.dtype.names:  # padding between fields is nobody's
                assert one[field].tolist() == other[field].tolist(), (name, field)
        else:
            assert one.tolist() == other.tolist(), name
    assert ours.toward.tolist() == theirs.toward.tolist()


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=100)
def test_recompiling_a_change_is_compiling_the_next_version(seed: int) -> None:
    """Whatever changed, and version after version, array by array; numbers are kept and never given twice."""
    rng = np.random.default_rng(seed)
    compiled = whole(random_twin(rng))
    for _ in range(4):
        twin, before = next_version(rng, compiled.twin), compiled
        steps = derive_steps(twin)
        compiled = recompile(compiled, difference(compiled.twin, compiled.steps, twin, steps))
        assert_equal(compiled, compile_twin(twin, steps, numbering=compiled.numbering))
        for asset, number in compiled.asset_number.items():
            assert number == before.asset_number.get(asset, number)
            assert asset in before.asset_number or number >= len(before.assets)
        assert before.numbering.gone <= compiled.numbering.gone


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_but_for_the_numbers_it_is_the_first_version_of_the_same_chain(seed: int) -> None:
    """Steps, parts, dependencies, ends and shares of each asset are those of a fresh compilation; holes have none."""
    rng = np.random.default_rng(seed)
    compiled = whole(random_twin(rng))
    for _ in range(3):
        twin = next_version(rng, compiled.twin)
        compiled = recompile(compiled, difference(compiled.twin, compiled.steps, twin, derive_steps(twin)))
    fresh = whole(compiled.twin)
    assert told(compiled) == told(fresh) and compiled.links == fresh.links
    for hole in compiled.numbering.gone:
        row = compiled.arrays.asset[hole]
        assert (row.kind, row.share, row.harm, row.sensors, row.jewel, row.toward) == (AssetKind.OPAQUE, 0, 0, 0, 0, 0)
        for name in ("out", "in", "part", "whole", "member", "end"):
            assert row[f"{name}_first"] == row[f"{name}_last"]


def told(compiled: Compiled) -> dict[str, object]:
    """By the id of each asset, whatever the arrays say of it, in names."""
    arrays, names = compiled.arrays, [asset.id for asset in compiled.assets]
    found: dict[str, object] = {}
    for asset, number in compiled.asset_number.items():
        row = arrays.asset[number]
        groups = arrays.member_group[row.member_first : row.member_last]
        mine = arrays.group[arrays.group["asset"] == number]
        found[asset] = (
            (int(row.kind), int(row.jewel), int(row.sensors), compiled.twin.owners[row.owner].id, float(row.toward)),
            (int(row.share), int(row.harm)),
            [compiled.steps[step] for step in arrays.out_step[row.out_first : row.out_last]],
            [compiled.steps[step] for step in arrays.in_step[row.in_first : row.in_last]],
            {names[part] for part in arrays.part[row.part_first : row.part_last]},
            {names[one] for one in arrays.whole[row.whole_first : row.whole_last]},
            sorted(names[arrays.group["asset"][group]] for group in groups),
            [
                (int(one.tolerance), [(names[m.asset], int(m.link)) for m in arrays.member[one.first : one.last]])
                for one in mine
            ],
            arrays.end[row.end_first : row.end_last].tolist(),
        )
    return found


def test_most_changes_are_not_compiled_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The law above is not held by falling back: the whole is compiled for services and nested segments alone."""
    anew = []
    monkeypatch.setattr(module, "compile_twin", lambda *given, **more: anew.append(1) or compile_twin(*given, **more))
    counts = dict.fromkeys((change_asset, change_weakness, change_link, change_owner, change_assets), 0)
    for seed in range(40):
        for change in counts:
            rng = np.random.default_rng(seed)
            compiled = whole(random_twin(rng))
            twin = change(rng, compiled.twin)
            anew.clear()
            recompile(compiled, difference(compiled.twin, compiled.steps, twin, derive_steps(twin)))
            counts[change] += len(anew)
    assert counts[change_asset] == counts[change_weakness] == counts[change_owner] == 0
    assert counts[change_link] < 8 and counts[change_assets] < 20, {one.__name__: n for one, n in counts.items()}


def test_an_asset_that_only_stands_there_comes_and_goes_and_comes_back(compiled: Compiled) -> None:
    """It takes the next number, leaves a hole that no playbook is for, and comes back under another number."""
    asset = Asset("o0/host/zz", AssetKind.HOST, "o0", "zz", criticality=1.0)
    count = len(compiled.assets)
    there = recompile(compiled, Change(come=(asset,)))
    gone = recompile(there, Change(gone=(asset,)))
    back = recompile(gone, Change(come=(asset,)))
    assert [one.asset_number.get(asset.id) for one in (there, gone, back)] == [count, None, count + 1]
    assert back.sizes[0] == count + 2 and back.target_name(count) == asset.id and back.numbering.gone == {count}
    effects, targets = load_library().effect_table(), back.targets
    legal = static_mask(back.arrays, effects)[1:].reshape(-1, targets)
    assert not legal[:, count].any() and legal[:, count + 1].any()
    moved = carried_targets(there, back)
    names = [there.target_name(target) for target in range(there.targets)]
    assert [back.target_name(target) if target >= 0 else None for target in moved] == [
        None if name == asset.id else name for name in names
    ]
    assert moved[:count].tolist() == list(range(count))


@pytest.fixture
def compiled() -> Compiled:
    return whole(random_twin(np.random.default_rng(3)))


def test_unchanged_arrays_are_shared(compiled: Compiled) -> None:
    """A consent rule changes no array; an asset's criticality only the assets'; the version before stays as it was."""
    before = [array.copy() for array in compiled.arrays]
    rule, asset = compiled.twin.consent[0], compiled.twin.assets[0]
    consenting = recompile(compiled, Change((rule,), (replace(rule, quorum=7),)))
    assert all(one is other for one, other in zip(consenting.arrays, compiled.arrays, strict=True))
    weighty = recompile(compiled, Change((asset,), (replace(asset, criticality=9.0),)))
    shared = [one is other for one, other in zip(weighty.arrays, compiled.arrays, strict=True)]
    assert shared == [name != "asset" for name in compiled.arrays._fields]
    assert all(one.tolist() == other.tolist() for one, other in zip(before, compiled.arrays, strict=True))


def test_what_is_not_there_cannot_go(compiled: Compiled) -> None:
    """Facts and steps that the version before does not have as given are refused by name."""
    with pytest.raises(TwinError, match=r"CVE-1 on .* is not there"):
        recompile(compiled, Change(gone=(Weakness("CVE-1", compiled.twin.assets[0].id),)))
    step = replace(compiled.steps[0], technique="T9999")
    with pytest.raises(TwinError, match=r"T9999 .* is not there"):
        recompile(compiled, Change(steps_gone=(step,)))


def test_what_is_there_cannot_come(compiled: Compiled) -> None:
    """A link that is there already is refused by name."""
    with pytest.raises(TwinError, match="is there already"):
        recompile(compiled, Change(come=(compiled.twin.links[0],)))


@pytest.mark.parametrize(
    "come",
    [
        Link(LinkKind.REACHES, "o0/host/h", "o0/host/gone"),
        Weakness(REMOTE, "o0/host/gone"),
        ConsentRule("gone", ConsentClass.CONTAIN, Proposer.OWN, ConsentMode.NEVER),
    ],
)
def test_what_comes_refers_to_what_is_there(compiled: Compiled, come: Link | Weakness | ConsentRule) -> None:
    """A dangling end, asset or owner is refused by name."""
    with pytest.raises(TwinError, match="gone"):
        changed_twin(compiled.twin, Change(come=(come,)))


def test_an_owner_that_goes_while_its_assets_stay_is_refused(compiled: Compiled) -> None:
    """Every reference is looked at again when owners or assets go."""
    owner = next(one for one in compiled.twin.owners if one.id == "o0")
    with pytest.raises(TwinError, match="o0"):
        recompile(compiled, Change(gone=(owner,)))
    assert Owner("new") in changed_twin(compiled.twin, Change(come=(Owner("new"),))).owners
