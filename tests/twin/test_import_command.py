"""`tocsin twin import` and `show` as their users run them."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tocsin.twin.commands import default_store, twin
from tocsin.twin.keeping import keep
from tocsin.twin.sources import read_paths
from tocsin.twin.sources.safe_yaml import MAX_BYTES
from tocsin.twin.store import TwinStore
from typer.testing import CliRunner

RUN = CliRunner()
COMPOSE = "services:\n  web: {image: 'x:1', ports: ['80:80']}\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    return tmp_path


def test_a_dry_run_counts_and_keeps_nothing(home: Path) -> None:
    """Counts per kind of asset, link and weakness, and what was not understood."""
    (home / "notes.yaml").write_text("hello: world\n")
    result = RUN.invoke(twin, ["import", ".", "--owner", "o", "--dry-run", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["assets"] == {"container": 1, "external": 1, "host": 1, "segment": 1, "service": 1}
    assert told["links"] == {"reaches": 3, "runs_on": 2} and told["weaknesses"] == {}
    assert told["owners"] == ["internet", "o"] and told["documents"] == {"compose": 1}
    assert told["not_understood"] == [
        {"place": "notes.yaml:1", "what": "neither Kubernetes, compose, chain nor a simulator's network"}
    ]
    assert told["version"] is None and not (home / "home").exists()


def test_imports_add_up_and_a_file_read_again_is_replaced(home: Path) -> None:
    """Owners join in one twin; what a file no longer says is gone."""
    (home / "other.yaml").write_text(COMPOSE.replace("web", "db"))
    assert RUN.invoke(twin, ["import", "compose.yaml", "--owner", "o"]).exit_code == 0
    assert RUN.invoke(twin, ["import", "other.yaml", "--owner", "p"]).exit_code == 0
    (home / "compose.yaml").write_text(COMPOSE.replace("web", "shop"))
    assert RUN.invoke(twin, ["import", "compose.yaml", "--owner", "o"]).exit_code == 0
    assets = set(TwinStore(home / "home" / "twin.db").load().twin.asset_by_id)
    assert {"o/container/shop", "p/container/db"} <= assets and "o/container/web" not in assets
    result = RUN.invoke(twin, ["show", "--json"])
    told = json.loads(result.stdout)
    assert told["version"] == 3 and len(told["versions"]) == 3 and told["owners"] == ["internet", "o", "p"]


def imported(*arguments: str) -> dict[str, Any]:
    """Import and give what was told, as JSON."""
    result = RUN.invoke(twin, ["import", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def kept_containers() -> set[str]:
    told = TwinStore(default_store()).load().twin.asset_by_id
    return {asset for asset in told if "/container/" in asset}


def test_owners_whose_files_are_called_alike_stay_apart(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each owner reads a `compose.yaml` of its own folder by its bare name; the counts are of all that is kept."""
    for owner, service in (("shop", "web"), ("energy", "meter")):
        (home / owner).mkdir()
        (home / owner / "compose.yaml").write_text(COMPOSE.replace("web", service))
        monkeypatch.chdir(home / owner)
        told = imported("compose.yaml", "--owner", owner)
    assert kept_containers() == {"shop/container/web", "energy/container/meter"}
    assert told["owners"] == ["energy", "internet", "shop"] and told["assets"]["container"] == 2


def test_one_file_is_one_source_for_each_owner(home: Path) -> None:
    """Another owner's import of the same file takes nothing from the first."""
    imported("compose.yaml", "--owner", "shop")
    imported("compose.yaml", "--owner", "energy")
    assert kept_containers() == {"shop/container/web", "energy/container/web"}


@pytest.mark.parametrize("spelled", ["./stack/../stack", "stack/", "link"])
def test_a_folder_is_the_same_however_its_path_is_spelled(home: Path, spelled: str) -> None:
    """What the file no longer says is gone, whatever way leads to it."""
    (home / "stack").mkdir()
    (home / "link").symlink_to("stack")
    (home / "stack" / "compose.yaml").write_text(COMPOSE)
    imported("stack", "--owner", "o")
    (home / "stack" / "compose.yaml").write_text(COMPOSE.replace("web", "db"))
    told = imported(spelled, "--owner", "o")
    assert kept_containers() == {"o/container/db"} and told["assets"]["container"] == 1


def test_files_that_are_gone_from_a_folder_say_nothing_any_more(home: Path) -> None:
    """Importing the folder drops them, and says so; other owners and other folders keep theirs."""
    (home / "stack").mkdir()
    for name in ("one", "two"):
        (home / "stack" / f"{name}.yaml").write_text(COMPOSE.replace("web", name))
    imported("stack", "--owner", "o")
    imported("stack/two.yaml", "--owner", "p")
    imported("compose.yaml", "--owner", "o")
    (home / "stack" / "two.yaml").unlink()
    told = imported("stack", "--owner", "o")
    assert told["gone"] == ["stack/two.yaml"]
    assert kept_containers() == {"o/container/one", "o/container/web", "p/container/two"}


def test_a_chain_read_again_drops_what_it_no_longer_names(home: Path) -> None:
    """An owner and a manifest that went from the chain file go from the twin, though the manifest is still there."""
    (home / "chain").mkdir()
    (home / "chain" / "a.yaml").write_text(COMPOSE)
    (home / "chain" / "b.yaml").write_text(COMPOSE.replace("web", "db"))
    both = "tocsin: 1\nowners: {o: {}, p: {}}\nmanifests: [{path: a.yaml, owner: o}, {path: b.yaml, owner: p}]\n"
    (home / "chain" / "chain.yaml").write_text(both)
    imported("chain")
    (home / "chain" / "chain.yaml").write_text("tocsin: 1\nowners: {o: {}}\nmanifests: [{path: a.yaml, owner: o}]\n")
    assert imported("chain/chain.yaml")["owners"] == ["internet", "o"]
    assert kept_containers() == {"o/container/web"}


def test_imports_at_once_lose_nothing(home: Path) -> None:
    """Who imports into a store at the same time as others waits for them."""
    names = [f"s{number}" for number in range(8)]
    for name in names:
        (home / f"{name}.yaml").write_text(COMPOSE.replace("web", name))
    readings = [read_paths([home / f"{name}.yaml"], name) for name in names]
    with ThreadPoolExecutor(len(names)) as threads:
        kept = list(threads.map(lambda reading: keep(reading, TwinStore(default_store())), readings))
    assert sorted(one.version for one in kept) == list(range(1, len(names) + 1))
    assert kept_containers() == {f"{name}/container/{name}" for name in names}


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "holds no file that ends in .yaml or .yml"), ("a: 1\n", "notes.yaml: is no manifest that is understood")],
)
def test_a_folder_in_which_nothing_is_understood_is_told(home: Path, content: str | None, told: str) -> None:
    """No manifest, or none of a known form: one line, and nothing is kept."""
    (home / "folder").mkdir()
    if content is not None:
        (home / "folder" / "notes.yaml").write_text(content)
    result = RUN.invoke(twin, ["import", "folder", "--owner", "o"])
    assert result.exit_code == 2 and told in result.stderr and result.stderr.count("\n") == 1
    assert not default_store().exists()


def test_people_get_text(home: Path) -> None:
    """Both commands, with an own store."""
    result = RUN.invoke(twin, ["import", "compose.yaml", "--owner", "o", "--store", "mine.db"])
    assert "5: 1 container, 1 external" in result.stdout and "kept as version 1" in result.stdout
    result = RUN.invoke(twin, ["show", "--store", "mine.db"])
    assert result.exit_code == 0 and "version 1 of" in result.stdout


CHAIN = "tocsin: 1\nowners: {o: {}}\nmanifests: [{path: ../compose.yaml, owner: o}]\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{n}: &{n} [{', '.join([f'*{m}'] * 10)}]\n" for m, n in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("broken.yaml", b"a: [1, 2", "broken.yaml:"),
        ("broken.json", b'{"services": {"a": }', "broken.json:1:"),
        ("object.yaml", b"a: !!python/object/apply:os.system [id]", "object.yaml:1:4: tag"),
        ("bomb.yaml", BOMB.encode(), "bomb.yaml:"),
        ("big.yaml", b"#" * (MAX_BYTES + 1), "big.yaml:1:1:"),
        ("latin.yaml", b"a: \xe9\n", "latin.yaml:1:4: not UTF-8"),
        ("dangling.yaml", b"services: {a: {image: x, depends_on: [b]}}", "dangling.yaml:1: service 'a' depends on 'b'"),
        ("chain/chain.yaml", CHAIN.encode(), "chain.yaml:3: path '../compose.yaml' leads out"),
        ("chain/chain.yaml", CHAIN.replace("owner: o", "owner: p").encode(), "chain.yaml:3: owner 'p' is unknown"),
        (
            "chain/chain.yaml",
            CHAIN.replace("../", '"x\\0y').replace("yaml,", 'yaml",').encode(),
            "chain.yaml:3: manifests",
        ),
        ("chain/chain.yaml", CHAIN.replace("../", "x" * 300).encode(), "chain.yaml:3: path 'xxx"),
        ("missing", None, "missing: is not there"),
        ("x" * 300, None, "...: File name too long; give a file or folder"),
    ],
)
def test_bad_input_is_one_line_and_leaves_the_store_as_it_was(
    home: Path, name: str, content: bytes | None, told: str
) -> None:
    """Exit code 2, file, place and mend on stderr, and not a byte of the store changed."""
    assert RUN.invoke(twin, ["import", "compose.yaml", "--owner", "o"]).exit_code == 0
    store = home / "home" / "twin.db"
    before = store.read_bytes()
    if content is not None:
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_bytes(content)
    result = RUN.invoke(twin, ["import", name, "--owner", "o"])
    assert result.exit_code == 2 and result.stdout == ""
    assert told in result.stderr and result.stderr.count("\n") == 1 and "Traceback" not in result.output
    assert store.read_bytes() == before


def test_a_store_that_cannot_be_made_is_told(home: Path) -> None:
    """No traceback where a file stands in the way; show tells that there is nothing yet."""
    result = RUN.invoke(twin, ["import", "compose.yaml", "--owner", "o", "--store", "compose.yaml/twin.db"])
    assert result.exit_code == 2 and result.stderr.count("\n") == 1
    result = RUN.invoke(twin, ["show"])
    assert result.exit_code == 2 and "no store is there" in result.stderr


def test_help_loads_nothing_heavy() -> None:
    """Importing the commands imports neither yaml, pydantic nor sqlalchemy."""
    heavy = "('numpy', 'yaml', 'pydantic', 'sqlalchemy')"
    code = f"import sys, tocsin.twin.commands; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
