"""What attack steps do in a world: data carried out, segments mapped, persistence; each chosen by hand and sure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tocsin.playbooks.actions import load_library
from tocsin.tests.twin.random_twins import one_thread, random_game  # noqa: F401  (a fixture of the module)
from tocsin.twin.attack.steps import derive_steps
from tocsin.twin.attack.techniques import PARAMETERS, TECHNIQUES
from tocsin.twin.compiled import compile_twin
from tocsin.twin.graph import Asset, ConsentRule, Link, Owner, Twin, Weakness
from tocsin.twin.rulebook.attacking import NO_STEP
from tocsin.twin.rulebook.effects import Effect, EffectTable, build_effect_table
from tocsin.twin.rulebook.parameters import OPPORTUNIST, GameSettings, build_parameters
from tocsin.twin.rulebook.settle import settle
from tocsin.twin.rulebook.state import ALL_BITS, COUNTS
from tocsin.twin.rulebook.worlds import Worlds
from tocsin.twin.sensing.confusion import shipped_confusion
from tocsin.twin.sources import load_example
from tocsin.twin.vocabulary import (
    Access,
    AssetKind,
    ConsentClass,
    ConsentMode,
    Gain,
    LinkKind,
    LossCause,
    Mode,
    OccurrenceKind,
    Proposer,
    SensorClass,
    TargetType,
)

K, L = AssetKind, LinkKind
WORLD, WEB, DB, DATA, LAN = "net/external/world", "a/host/web", "a/host/db", "a/data_store/data", "a/segment/lan"
CLERK = "a/identity/clerk"
ASKED = {"T1190", "T1210", "T1078", "T1021", "T1003", "T1068", "T1611", "T1547", "T1136", "T1199", "T1195"}
ASKED |= {"T1046", "T1041", "T1486", "T1489", "T0831", "T0826"}
REMOTE, ESCALATION = "CWE-306", "CWE-269"


def draw() -> Twin:
    """The world opens web; web is in the lan, which reaches db; db keeps data and has a way out."""
    return Twin.build(
        owners=[Owner("a"), Owner("net", value_per_hour=0.0)],
        assets=[
            Asset(WORLD, K.EXTERNAL, "net", "world"),
            Asset(WEB, K.HOST, "a", "web", sensors=(SensorClass.NETWORK,)),
            Asset(DB, K.HOST, "a", "db"),
            Asset(DATA, K.DATA_STORE, "a", "data", harm_per_hour=6.0, crown_jewel=True),
            Asset(LAN, K.SEGMENT, "a", "lan"),
            Asset(CLERK, K.IDENTITY, "a", "clerk"),
        ],
        links=[
            Link(L.REACHES, WORLD, WEB, 443),
            Link(L.REACHES, WEB, LAN),
            Link(L.REACHES, LAN, DB, 5432),
            Link(L.REACHES, DB, WORLD, 443),
            Link(L.STORES, DB, DATA),
            Link(L.CAN_LOG_IN, CLERK, WEB),
        ],
        weaknesses=[
            Weakness(REMOTE, WEB, access=Access.ADMIN),
            Weakness(REMOTE, DB, access=Access.ADMIN),
        ],
        consent=[
            ConsentRule(o, c, p, ConsentMode.AT_ONCE) for o in ("a", "net") for c in ConsentClass for p in Proposer
        ],
    )


def playbooks() -> EffectTable:
    """Restore, also of data; block a link; both at once and for sure."""
    kinds = (K.HOST, K.DATA_STORE)
    sure = {"work_s": 60.0, "hold_s": 0.0, "labour_h": 0.0, "success": 1.0, "undoable": True}
    restore = {"ceiling": Access.NONE, "clears_persistence": True}
    return build_effect_table(
        [
            Effect("restore", TargetType.ASSET, kinds, ConsentClass.RECOVER, **restore, **sure),  # type: ignore[arg-type]
            Effect("isolate", TargetType.ASSET, kinds, ConsentClass.CONTAIN, mode=Mode.ISOLATED, **sure),  # type: ignore[arg-type]
            Effect("block", TargetType.LINK, (), ConsentClass.CONTAIN, cut=True, **sure),  # type: ignore[arg-type]
        ]
    )


RESTORE, ISOLATE, BLOCK = range(3)


class Played:
    """One world in which a test chooses every step and action; lives for one test."""

    def __init__(self, effects: EffectTable | None = None, *, regain: float = 0.0) -> None:
        twin = draw()
        steps = [replace(step, probability=1.0) for step in derive_steps(twin)]
        self.compiled = compile_twin(twin, steps)
        settings = GameSettings(regain=regain, carried_out_h=2.0)
        parameters = build_parameters(self.compiled, [OPPORTUNIST], shipped_confusion(), settings)
        parameters.false_rate[:] = 0.0
        self.worlds = Worlds.make(self.compiled, effects or playbooks(), parameters, world_ids=[0], stream=9, trace=64)
        self.worlds.state.attacker["onset"] = 0
        self.tick()

    def tick(self, step: int = NO_STEP, action: int = 0) -> bool:
        """One tick with this step and action; whether the step was tried."""
        worlds = self.worlds
        worlds.state.attacker["choice"] = step
        settle(0, np.array([action], np.int32), self.compiled.arrays, worlds.effects, worlds.parameters, worlds.state)
        return any(kind == OccurrenceKind.TRIED for kind, *_ in worlds.trace(0))

    def tries(self, technique: str) -> bool:
        """Let the attacker take the first step of a technique; whether it was open."""
        numbers = [n for n, step in enumerate(self.compiled.steps) if step.technique == technique]
        return self.tick(numbers[0])

    def responds(self, playbook: int, target: str) -> None:
        """Run a playbook to its effect."""
        self.tick(action=1 + playbook * self.compiled.targets + self.compiled.target_number[target])
        self.tick()

    def harm(self) -> float:
        """Owner-hours of harm so far."""
        return float(self.worlds.losses()[0, :, LossCause.HARM].sum())

    def bits(self, asset: str, name: str) -> int:
        """Bits of `user`, `admin` or `persist` at an asset."""
        return int(self.worlds.state.asset[name][0, self.compiled.asset_number[asset]])

    def breaks_in(self) -> None:
        """From outside over the lan to the database."""
        assert self.tries("T1190") and self.tries("T1046") and self.tries("T1210")


def test_what_a_segment_reaches_is_open_once_it_is_mapped() -> None:
    """A foothold in the lan is not enough; after a discovery it is."""
    it = Played()
    assert it.tries("T1190") and not it.tries("T1210")
    assert it.tries("T1046") and not it.tries("T1046")
    assert it.tries("T1210") and it.bits(DB, "admin") == 1


def test_what_was_mapped_is_lost_with_the_last_foothold() -> None:
    """Evicted from the lan and back again, the attacker has to look around anew."""
    it = Played()
    assert it.tries("T1190") and it.tries("T1046")
    it.responds(RESTORE, WEB)
    assert it.bits(LAN, "user") == it.bits(LAN, "admin") == 0
    assert it.tries("T1190") and not it.tries("T1210")
    assert it.tries("T1046") and it.tries("T1210")


def test_a_discovery_is_seen_where_a_network_sensor_watches() -> None:
    """The database has no sensors, the member web has: the scan shows there."""
    it = Played()
    [step] = [s for s in it.compiled.steps if s.technique == "T1046"]
    assert (step.source, step.target, step.seen_at) == (LAN, LAN, WEB)
    row = it.compiled.arrays.step[it.compiled.steps.index(step)]
    assert row.seen_at == it.compiled.asset_number[WEB]


def test_data_are_carried_out_once_by_who_has_them() -> None:
    """Open when the data are read; two hours of harm at once, to the store's owner; no second time."""
    it = Played()
    it.breaks_in()
    assert not it.tries("T1041") and it.tries("T1213")
    before = it.harm()
    assert it.tries("T1041")
    assert it.harm() - before == pytest.approx(2.0 * 6.0 + 6.0 / 60)
    assert (OccurrenceKind.GAINED, it.compiled.asset_number[DATA], 0, Gain.EXFILTRATION) in it.worlds.trace(0)
    assert not it.tries("T1041")


def test_restored_data_may_be_carried_out_again_and_only_these() -> None:
    """Restoring what stores them takes nothing back; restoring the store makes its data new."""
    it = Played()
    it.breaks_in()
    assert it.tries("T1213") and it.tries("T1041")
    it.responds(RESTORE, DB)
    assert it.bits(DATA, "user") == 0
    assert it.tries("T1210") and it.tries("T1213") and not it.tries("T1041")
    it.responds(RESTORE, DATA)
    assert not it.tries("T1041") and it.tries("T1213") and it.tries("T1041")


def test_data_stay_where_the_way_out_is_cut() -> None:
    """With its boundary link blocked the database cannot send them."""
    it = Played()
    it.breaks_in()
    assert it.tries("T1213")
    it.responds(BLOCK, f"reaches {DB} {WORLD} 443")
    assert not it.tries("T1041")


@pytest.mark.parametrize("technique", ["T1547", "T1136"])
def test_persistence_survives_everything_but_restore(technique: str) -> None:
    """Whatever the shipped library runs on all it applies to leaves it, but what clears it; restoring ends it."""
    library = load_library()
    effects = library.effect_table(60.0)
    effects.playbook["success"] = 1.0
    it = Played(effects, regain=1.0)
    assert it.tries("T1190")
    [number] = [n for n, s in enumerate(it.compiled.steps) if s.technique == technique and s.source == WEB]
    assert it.tick(number) and it.bits(WEB, "persist") == 1
    restore = library.index_of("restore-asset")
    for playbook in range(len(effects.playbook)):
        for target in range(it.compiled.targets):
            action = 1 + playbook * it.compiled.targets + target
            if not effects.playbook["clears_persistence"][playbook] and it.worlds.masks()[0, action]:
                it.tick(action=action)
    it.worlds.roll(10)
    assert it.bits(WEB, "persist") == 1
    it.worlds.state.run["state"] = 0
    it.worlds.state.asset["modes"] &= ALL_BITS - COUNTS
    it.worlds.roll(1)
    assert it.bits(WEB, "admin") == 1, "it wins back what was lost"
    it.tick(action=1 + restore * it.compiled.targets + it.compiled.target_number[WEB])
    it.worlds.roll(int(effects.playbook["work"][restore]))
    assert it.bits(WEB, "persist") == 0


def test_every_technique_asked_for_is_derived_on_the_shipped_or_a_random_chain() -> None:
    """Initial access to impact; each with a named parameter, a source or "assumed", and a range around its value."""
    twins = [load_example().twin, *(random_game(seed).compiled.twin for seed in range(3))]
    steps = [step for twin in twins for step in derive_steps(twin)]
    assert {step.technique for step in steps} >= ASKED
    assert {step.technique for step in steps} <= set(TECHNIQUES)
    for step in steps:
        parameter = PARAMETERS[step.parameter]
        assert parameter.low <= parameter.value <= parameter.high and parameter.source
