"""`tocsin twin import` and `show` as their users run them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tocsin.twin.commands import twin
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
        ("missing", None, "missing: is not there"),
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
