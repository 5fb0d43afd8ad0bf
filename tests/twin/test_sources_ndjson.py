"""Twins as NDJSON: there and back, and lines from strangers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tocsin.envs.generate import generate_twin
from tocsin.envs.scenario import Generator
from tocsin.twin.facts import merge
from tocsin.twin.graph import TwinError
from tocsin.twin.sources import load_example, read_paths
from tocsin.twin.sources.ndjson import LINE_BYTES, ndjson_lines, read_ndjson

OWNER, ASSET = '{"owner": {"id": "a"}}', '{"asset": {"id": "a/host/h", "kind": "host", "owner": "a", "name": "h"}}'


@pytest.mark.parametrize("twin", [load_example().twin, generate_twin(Generator(assets=60, owners=3))])
def test_a_twin_comes_back_equal(twin: object, tmp_path: Path) -> None:
    """The same value and digest."""
    path = tmp_path / "chain.ndjson"
    path.write_text("".join(ndjson_lines(twin)))  # type: ignore[arg-type]
    back = merge(read_paths([path]).facts).twin
    assert back == twin and back.digest == twin.digest  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "no JSON"),
        ("[" * 60_000, "no JSON"),
        ("\xff\xfe", "no JSON"),
        ("[]", "says none of"),
        ('{"boat": {}}', "says none of"),
        ('{"asset": 3}', "holds no fields"),
        ('{"asset": {"id": "a/host/x"}}', "missing"),
        ('{"owner": {"id": "b", "x": 1}}', "unexpected"),
        ('{"owner": {"id": "B"}}', "no id of an owner"),
        ('{"owner": {"id": "b", "value_per_hour": true}}', "owner.value_per_hour"),
        ('{"owner": {"id": "b", "value_per_hour": NaN}}', "no number"),
        ('{"owner": {"id": "b", "value_per_hour": 1e999}}', "owner.value_per_hour"),
        (ASSET.replace("/h", "/i", 1).replace('"h"', '"g"'), "mend the id"),
        (ASSET, "there already"),
        (ASSET.replace('"host",', '"boat",'), "boat"),
        ('{"link": {"kind": "reaches", "source": "a/host/h", "target": "a/host/z"}}', "'a/host/z'"),
        ('{"link": {"kind": "reaches", "source": "a/host/h", "target": "a/host/h", "port": 0}}', "link.port"),
        ('{"weakness": {"id": "CWE-1", "asset": "a/host/h", "epss": 2}}', "weakness.epss"),
        ('{"sharing": {"owner": "a", "peer": "*", "what": ["keys"]}}', "findings, assets"),
        ('{"consent": {"owner": "a", "consent_class": "safety", "proposer": "own", "mode": "at_once"}}', "automatic"),
        ('{"asset": "' + "x" * LINE_BYTES + '"}', "over 65536 bytes"),
    ],
)
def test_a_hostile_line_is_refused_by_file_and_line(line: str, says: str, tmp_path: Path) -> None:
    """In one line, whatever stands there."""
    path = tmp_path / "chain.ndjson"
    path.write_bytes(f"{OWNER}\n{ASSET}\n".encode() + line.encode("latin-1") + b"\n")
    with pytest.raises(TwinError, match=r"chain\.ndjson:3: ") as caught:
        read_ndjson(path)
    assert says in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_fields_with_nothing_to_say_may_be_left_out(tmp_path: Path) -> None:
    """Defaults are those of the twin; empty lines are passed over."""
    path = tmp_path / "chain.ndjson"
    path.write_text(f"{OWNER}\n\n{ASSET}\n")
    twin = merge(read_ndjson(path).facts).twin
    assert [asset.id for asset in twin.assets] == ["a/host/h"] and json.loads(ASSET)
