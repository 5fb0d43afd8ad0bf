"""Scripted campaigns: stages in order, at their time, waited for and passed over; what cannot be is refused."""

from __future__ import annotations

import numpy as np
import pytest
from tocsin.tests.twin.played import chain, numbers, waiting, worlds_of
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.twin.rulebook.campaign import CampaignStage, GameError
from tocsin.twin.rulebook.parameters import AttackerProfile, assumable
from tocsin.twin.rulebook.worlds import Worlds
from tocsin.twin.vocabulary import AssetKind, OccurrenceKind

TRIED = int(OccurrenceKind.TRIED)


def entries() -> list[str]:
    """Assets that a step from outside leads to, in order of their numbers."""
    outside = {chain().twin.assets[a].id for a in chain().arrays.external}
    found = {step.target for step in chain().steps if step.source in outside and step.target not in outside}
    return sorted(found, key=chain().asset_number.__getitem__)


def scripted(*stages: CampaignStage, tries_per_hour: float = 6000.0) -> AttackerProfile:
    """An attacker who comes in tick 0, in every world, and tries in every tick."""
    return AttackerProfile("s", tries_per_hour=tries_per_hour, onset_s=(0.0, 0.0), absent=0.0, campaign=stages)


def tried(worlds: Worlds, ticks: int) -> list[list[tuple[int, int, bool]]]:
    """Per world what was tried: (tick, step, success)."""
    seen: list[list[tuple[int, int, bool]]] = [[] for _ in range(worlds.count)]
    for tick in range(ticks):
        worlds.tick(waiting(worlds))
        for b in range(worlds.count):
            seen[b] += [(tick, step, bool(won)) for kind, _, step, won in worlds.trace(b) if kind == TRIED]
    return seen


def test_stages_are_done_in_order_and_not_before_their_time() -> None:
    """Entry first, then half an hour later one step of some technique from there; then it waits."""
    entry = entries()[0]
    after = next(s for s in chain().steps if s.source == entry and s.technique not in ("T1190",))
    second = CampaignStage(1800.0, technique=after.technique, target=after.target)
    worlds = worlds_of(numbers(scripted(CampaignStage(target=entry, grace_s=1e6), second)))
    for seen in tried(worlds, 90):
        names = [(tick, chain().steps[step], won) for tick, step, won in seen]
        first = [one for one in names if one[1].target == entry and one[0] < 30]
        assert [won for *_, won in first] == [False] * (len(first) - 1) + [True]
        rest = [one for one in names if one not in first]
        assert rest and all(tick >= 30 and step.technique == after.technique for tick, step, _ in rest)
        assert sum(won for *_, won in rest) <= 1
    assert (worlds.state.attacker["stage"] >= 1).all()


def test_a_stage_that_is_not_open_is_waited_for_and_passed_over_after_its_grace() -> None:
    """A jewel nobody can reach yet is passed over ten minutes after it was due; the next stage follows."""
    jewel = next(asset.id for asset in chain().twin.assets if asset.crown_jewel)
    far, then = CampaignStage(300.0, target=jewel, grace_s=600.0), CampaignStage(target=entries()[0])
    worlds = worlds_of(numbers(scripted(far, then)))
    for seen in tried(worlds, 40):
        assert seen and min(tick for tick, *_ in seen) == 16
    assert (worlds.state.attacker["since"] >= 15).all()


def test_grace_begins_when_the_stage_before_has_ended() -> None:
    """Two stages due at once: the second still has its whole grace after the first was passed over."""
    jewel = next(asset.id for asset in chain().twin.assets if asset.crown_jewel)
    far = CampaignStage(target=jewel, grace_s=600.0)
    worlds = worlds_of(numbers(scripted(far, far)), count=2)
    ends = []
    for tick in range(30):
        worlds.tick(waiting(worlds))
        if worlds.state.attacker["stage"][0, 0] > len(ends):
            ends.append(tick)
    assert ends == [10, 20]


def test_a_target_held_already_ends_its_stage() -> None:
    """A stage that names an asset and no technique is done once the asset is held, however that came."""
    desk = next(asset.id for asset in chain().twin.assets if asset.kind is AssetKind.HOST)
    profile = AttackerProfile(
        "i", entry=(desk,), onset_s=(0.0, 0.0), absent=0.0, campaign=(CampaignStage(target=desk, grace_s=1e6),)
    )
    worlds = worlds_of(numbers(profile))
    tried(worlds, 3)
    assert (worlds.state.attacker["stage"] == 1).all()


def test_a_kind_leaves_the_choice_to_the_attacker() -> None:
    """Only steps into assets of the kind are tried; different worlds take different ones."""
    stage = CampaignStage(kind=AssetKind.CONTAINER, grace_s=1e6)
    worlds, kinds = worlds_of(numbers(scripted(*[stage] * 4)), count=32), chain().arrays.asset["kind"]
    steps = {step for seen in tried(worlds, 60) for _, step, _ in seen}
    assert len(steps) > 1
    assert set(kinds[chain().arrays.step["dst"][list(steps)]].tolist()) == {int(AssetKind.CONTAINER)}


def test_a_defender_assumes_neither_scripts_nor_forgeries() -> None:
    """`assumable` leaves the worlds' own numbers alone and takes both away from the copy."""
    parameters = numbers(AttackerProfile("a", campaign=(CampaignStage(technique="T1190"),), forges_per_hour=5.0))
    plain = assumable(chain(), parameters)
    assert plain.attacker["stage_last"][0] == plain.attacker["stage_first"][0] and plain.attacker["forgeries"][0] == 0
    assert parameters.attacker["stage_last"][0] == 1 and parameters.attacker["forgeries"][0] > 0
    assert np.array_equal(plain.weight, parameters.weight)


@pytest.mark.parametrize(
    ("stage", "fault"),
    [
        (CampaignStage(technique="T9999"), "stage 1 of its campaign .*T9999.*no attack step"),
        (CampaignStage(target="moon/host/base"), "'moon/host/base' is no asset"),
        (CampaignStage(technique="T1190", kind=AssetKind.IDENTITY), "no attack step of the chain fits"),
        (CampaignStage(), "neither technique nor target nor kind"),
        (CampaignStage(-1.0, technique="T1190"), "after_s"),
        (CampaignStage(float("nan"), technique="T1190"), "after_s"),
    ],
)
def test_a_stage_that_cannot_be_is_named(stage: CampaignStage, fault: str) -> None:
    """Before any world is made."""
    with pytest.raises(GameError, match=fault):
        numbers(scripted(stage))
