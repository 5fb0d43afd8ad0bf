"""A small chain for the plant: the internet, a web shop with a known hole, an edge with a charger."""

from __future__ import annotations

from tocsin.orchestrator.plant.tokens import PlantTokens
from tocsin.orchestrator.plant.world import PlantWorld
from tocsin.twin.attack.steps import derive_steps
from tocsin.twin.compiled import compile_twin
from tocsin.twin.facts import key_of
from tocsin.twin.graph import Asset, Link, Owner, Twin, Weakness
from tocsin.twin.rulebook.effects import Effect
from tocsin.twin.rulebook.parameters import AttackerProfile
from tocsin.twin.vocabulary import Access, AssetKind, ConsentClass, LinkKind, Mode, SensorClass, TargetType

REMOTE = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
WORLD, WEB, GATEWAY, CHARGER = "net/external/world", "shop/host/web", "edge/host/gateway", "edge/process/charger"
ISOLATE, RELEASE, CUT, WATCH = "playbook--isolate", "playbook--release", "playbook--cut", "playbook--watch"
CROSSING = Link(LinkKind.REACHES, WEB, GATEWAY, port=8883)
LINK = key_of(CROSSING)
EAGER = AttackerProfile("eager", tries_per_hour=60.0, onset_s=(0.0, 0.0), absent=0.0)
TOKENS = PlantTokens(
    operator="operator-token-0000",
    actuator={name: f"actuator-token-{name}" for name in ("edge", "net", "shop")},
    sensor={name: (f"sensor-token-{name}", f"sensor-token-{name}-2") for name in ("edge", "net", "shop")},
)


def chain() -> Twin:
    """Give the chain."""
    watched = (SensorClass.NETWORK, SensorClass.HOST, SensorClass.AUTHENTICATION)
    return Twin.build(
        owners=[Owner("net"), Owner("shop"), Owner("edge")],
        assets=[
            Asset(WORLD, AssetKind.EXTERNAL, "net", "world"),
            Asset(WEB, AssetKind.HOST, "shop", "web", criticality=1.0, sensors=watched),
            Asset(GATEWAY, AssetKind.HOST, "edge", "gateway", criticality=1.0, sensors=watched),
            Asset(
                CHARGER,
                AssetKind.PROCESS,
                "edge",
                "charger",
                criticality=2.0,
                harm_per_hour=1.0,
                crown_jewel=True,
                sensors=(SensorClass.CONTROL,),
            ),
        ],
        links=[
            Link(LinkKind.REACHES, WORLD, WEB, port=443),
            CROSSING,
            Link(LinkKind.MANAGES, GATEWAY, CHARGER),
            Link(LinkKind.DEPENDS_ON, WEB, GATEWAY),
        ],
        weaknesses=[
            Weakness("CVE-1", WEB, REMOTE, kev=True, access=Access.ADMIN),
            Weakness("CVE-2", GATEWAY, REMOTE, kev=True, access=Access.ADMIN),
        ],
    )


def effects() -> tuple[Effect, ...]:
    """Give four playbooks, in the order of their ids."""
    kinds = (AssetKind.HOST, AssetKind.PROCESS)
    contain, asset = ConsentClass.CONTAIN, TargetType.ASSET
    sure = {"work_s": 60.0, "hold_s": 0.0, "labour_h": 0.1, "success": 1.0}
    return (
        Effect(CUT, TargetType.LINK, (), contain, undoable=True, cut=True, **sure),
        Effect(ISOLATE, asset, kinds, contain, undoable=True, mode=Mode.ISOLATED, **sure),
        Effect(RELEASE, asset, kinds, contain, undoable=False, clear_mode=Mode.ISOLATED, **sure),
        Effect(WATCH, asset, kinds, ConsentClass.OBSERVE, undoable=True, coverage=True, **sure),
    )


def plant_world(seed: int = 1, attacker: AttackerProfile = EAGER) -> PlantWorld:
    """Give a world at tick 0."""
    twin = chain()
    return PlantWorld(compile_twin(twin, derive_steps(twin)), effects(), seed=seed, attackers=(attacker,))
