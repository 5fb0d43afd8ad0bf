"""The picture of attack paths."""

from __future__ import annotations

from pathlib import Path

from matplotlib.image import imread
from tocsin.twin.analysis.layout import lay_out
from tocsin.twin.analysis.paths import best_paths
from tocsin.twin.analysis.picture import KIND_MARKS, draw
from tocsin.twin.attack.steps import derive_steps
from tocsin.twin.graph import Asset, Link, Owner, Twin, Weakness
from tocsin.twin.vocabulary import Access, AssetKind, LinkKind

REMOTE = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"


def chain(containers: int) -> Twin:
    """The internet, a shop with many containers, an operator whose charging is the jewel; one of every kind."""
    assets = [Asset(f"shop/container/c{n}", AssetKind.CONTAINER, "shop", f"c{n}") for n in range(containers)]
    assets += [
        Asset(f"iot/{kind.word}/x", kind, "iot", "x", crown_jewel=kind is AssetKind.PROCESS) for kind in AssetKind
    ]
    assets.append(Asset("net/external/world", AssetKind.EXTERNAL, "net", "world"))
    return Twin.build(
        owners=[Owner("net"), Owner("shop"), Owner("iot", "An operator of the internet of things with a long name")],
        assets=assets,
        links=[
            Link(LinkKind.REACHES, "net/external/world", "shop/container/c0"),
            Link(LinkKind.REACHES, "shop/container/c0", "iot/segment/x"),
            Link(LinkKind.REACHES, "iot/segment/x", "iot/device/x"),
            Link(LinkKind.HOLDS_CREDENTIAL, "shop/container/c0", "iot/identity/x"),
            Link(LinkKind.CAN_LOG_IN, "iot/identity/x", "iot/device/x", access=Access.ADMIN),
            Link(LinkKind.MANAGES, "iot/device/x", "iot/process/x"),
        ],
        weaknesses=[Weakness("CVE-1", "shop/container/c0", REMOTE)],
    )


def test_the_picture_is_a_png_of_its_size_with_something_on_it(tmp_path: Path) -> None:
    """1600 x 1000 pixels, drawn in the colour of the first path too."""
    twin = chain(40)
    found = best_paths(twin, derive_steps(twin), count=3)
    assert found
    draw(twin, found, tmp_path / "with.png")
    draw(twin, [], tmp_path / "without.png")
    with_paths, without = imread(tmp_path / "with.png"), imread(tmp_path / "without.png")
    assert with_paths.shape[:2] == without.shape[:2] == (1000, 1600)
    first = [int(part, 16) / 255 for part in ("D5", "5E", "00")]
    painted = (abs(with_paths[..., :3] - first) < 0.03).all(axis=2).sum()
    assert painted > 250 > (abs(without[..., :3] - first) < 0.03).all(axis=2).sum()


def test_every_kind_has_a_mark() -> None:
    """A new kind of asset may not break the picture."""
    assert set(KIND_MARKS) == set(AssetKind)


def test_assets_lie_in_their_owners_box_even_when_there_are_many() -> None:
    """A thousand containers stay in the box; those that have no room are left out, path assets never."""
    twin = chain(1_000)
    found = best_paths(twin, derive_steps(twin), count=3)
    layout = lay_out(twin, found)
    boxes = {box.owner: box for box in layout.boxes}
    for asset, (x, y) in [*layout.on_path.items(), *layout.crowd.items()]:
        box = boxes[twin.asset_by_id[asset].owner]
        assert box.left < x < box.left + box.width and box.bottom < y < box.top
    assert {step.target for path in found for step in path.steps} <= layout.on_path.keys()
