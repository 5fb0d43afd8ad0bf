"""`tocsin playbook`: what people and machines read from it, and how it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tocsin.playbooks.cacao import digest
from tocsin.playbooks.commands import playbook
from tocsin.playbooks.lint_rules import RULES
from tocsin.playbooks.trust import read_signatures
from tocsin.tests.playbooks.full import full, ref, step, uid
from tocsin.tests.playbooks.makers import LIBRARY, Person, action_of, content, read, write_trust
from typer.testing import CliRunner

ROLES = {"ada": "author", "bob": "reviewer", "cyd": "approver"}


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(playbook, [str(argument) for argument in arguments])


def _refused(result: Result, *said: str) -> None:
    """Exit code 2, one line on stderr, nothing on stdout, no traceback."""
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert all(word in result.stderr for word in said), result.stderr


def _file(folder: Path, **fields: Any) -> Path:
    path = folder / "mine.json"
    path.write_text(json.dumps({**content(), **fields}))
    return path


@pytest.fixture
def people(tmp_path: Path) -> dict[str, Person]:
    """Three persons with key files, and a trust file that gives each a role."""
    found = {name: Person(name, role) for name, role in ROLES.items()}
    for name, person in found.items():
        (tmp_path / f"{name}.jwk").write_text(json.dumps(person.jwk.as_dict(private=True)))
    write_trust(tmp_path / "shop.json", "shop", found.values())
    return found


def _sign(folder: Path, name: str, what: str | Path = "isolate-asset", *more: str, verb: str = "sign") -> Result:
    return _run(verb, what, "--key", folder / f"{name}.jwk", "--person", name, "--out", folder / "signatures", *more)


def _verify(folder: Path, *more: str, what: str | Path = "isolate-asset", owner: str = "shop") -> Result:
    trust, signatures = folder / "shop.json", folder / "signatures"
    return _run("verify", what, "--owner", owner, "--trust", trust, "--signatures", signatures, *more)


def test_the_library_is_lint_clean() -> None:
    """No output, exit code 0; as JSON an empty list."""
    files = sorted(LIBRARY.glob("*-*.json"))
    assert _run("lint", *files).stdout == ""
    found = _run("lint", *files, "--json")
    assert (found.exit_code, json.loads(found.stdout), found.stderr) == (0, [], "")


def test_lint_tells_file_place_and_mend_and_exits_with_1(tmp_path: Path) -> None:
    """For people as lines, for machines as objects."""
    path = _file(tmp_path, modified="2025-01-01T00:00:00.000Z")
    told = _run("lint", path)
    assert told.exit_code == 1
    assert f"{path}: error $.modified: modified is before created" in told.stdout
    rows = json.loads(_run("lint", path, "--json").stdout)
    assert [sorted(row) for row in rows] == [["file", "mend", "message", "path", "rule", "section", "severity"]]


def test_a_warning_alone_is_no_failure(tmp_path: Path) -> None:
    """It is told, and the exit code is 0."""
    told = _run("lint", _file(tmp_path, revoked=True))
    assert (told.exit_code, "warning $.revoked" in told.stdout) == (0, True)


def test_lint_refuses_what_it_cannot_read(tmp_path: Path) -> None:
    """Missing, a folder, broken, or no playbook."""
    bad = tmp_path / "bad.json"
    bad.write_text('{"type": "playbook",\n "type": 1}')
    _refused(_run("lint", bad), "bad.json", "stands twice")
    _refused(_run("lint", tmp_path / "none.json", "--json"), "none.json")
    _refused(_run("lint", tmp_path), str(tmp_path))


def test_a_file_without_the_shape_of_a_playbook_is_linted_not_refused(tmp_path: Path) -> None:
    """Every fault of it, with exit code 1; only what is no JSON object is bad input."""
    path = tmp_path / "odd.json"
    path.write_text('{"type": "playbook", "name": 5}')
    told = _run("lint", path, "--json")
    assert told.exit_code == 1
    assert {"required", "property-type", "workflow-minimum"} <= {row["rule"] for row in json.loads(told.stdout)}
    path.write_text("[]")
    _refused(_run("lint", path), "odd.json", "an object")
    _refused(_run("lint"), "no file is named")


def test_files_given_together_are_linted_together(tmp_path: Path) -> None:
    """A circle of calls is seen only so, and told for each file."""
    one, other = full(), full()
    other["id"], step(other, "release")["playbook_id"] = ref("called"), ref("self")
    paths = [tmp_path / "one.json", tmp_path / "other.json"]
    for path, changed in zip(paths, (one, other), strict=True):
        path.write_text(json.dumps(changed))
    rows = json.loads(_run("lint", *paths, "--json").stdout)
    assert [row["file"] for row in rows if row["rule"] == "playbook-self"] == [str(path) for path in paths]
    assert _run("lint", paths[0]).exit_code == 0


def test_the_rules_are_printed_for_people_and_machines() -> None:
    """One a line, with severity and section; as JSON the same."""
    lines = _run("lint", "--rules").stdout.splitlines()
    rows = json.loads(_run("lint", "--rules", "--json").stdout)
    assert [line.partition(":")[0] for line in lines] == [row["id"] for row in rows] == list(RULES)
    assert "next-both: error: on_completion excludes on_success and on_failure (CACAO v2.0, 4.1)" in lines


def test_nobody_signs_what_no_node_could_run(tmp_path: Path, people: dict[str, Person]) -> None:
    """Though the standard has nothing against it."""
    path = tmp_path / "full.json"
    path.write_text(json.dumps(full()))
    assert _run("lint", path).exit_code == 0
    _refused(_sign(tmp_path, "ada", path), "full.json", "no actuator for")


def test_list_names_every_playbook_of_the_library() -> None:
    """With what it needs for a decision."""
    rows = json.loads(_run("list", "--json").stdout)
    assert sorted(row["name"] for row in rows) == sorted(path.stem for path in LIBRARY.glob("*-*.json"))
    isolate = next(row for row in rows if row["name"] == "isolate-asset")
    assert (isolate["consent_class"], isolate["verbs"], isolate["undo"]) == ("contain", {"set_mode": "isolated"}, True)
    assert isolate["digest"] == digest(read(content()))
    told = _run("list").stdout
    assert "isolate-asset: Isolate a host, container or device from every network." in told
    assert "    set_mode on host, container, device; consent class contain; has an undo" in told
    assert "    changes nothing on owner; consent class observe; no undo" in told


def test_show_tells_flow_effect_undo_and_commands() -> None:
    """By name, by id, or by file, the same."""
    told = _run("show", "isolate-asset").stdout
    for words in ("on_success -> end: Carried out", "consent class: contain", '"contain"', "undo: yes", "14400 s"):
        assert words in told
    assert _run("show", LIBRARY / "isolate-asset.json").stdout == told
    assert _run("show", content()["id"]).stdout == told
    found = json.loads(_run("show", "restore-asset", "--json").stdout)
    assert [command["sends"][0]["action"] for command in found["commands"]] == ["restore"]
    assert found["commands"][0]["undo"] == []


def test_show_draws_a_cycle_once(tmp_path: Path) -> None:
    """And names a step that is missing."""
    changed = content()
    start = changed["workflow_start"]
    action = changed["workflow"][start]["on_completion"]
    changed["workflow"][action] |= {"on_success": start, "on_failure": f"end--{uid(0)}"}
    told = _run("show", _file(tmp_path, workflow=changed["workflow"])).stdout
    assert "on_success -> start: Start (told above)" in told
    assert "on_failure -> missing: end--0" in told


def test_show_does_not_let_a_playbook_steer_the_terminal(tmp_path: Path) -> None:
    """Control characters of a stranger are not printed."""
    told = _run("show", _file(tmp_path, name="evil\x1b[2J", description="\x07"))
    assert "\x1b" not in told.stdout
    assert "\x07" not in told.stdout
    assert "evil?" in told.stdout


def test_show_refuses_an_unknown_name() -> None:
    """And says which there are."""
    _refused(_run("show", "isolate"), "isolate-asset", "block-link")


def test_three_signatures_make_a_playbook_active(tmp_path: Path, people: dict[str, Person]) -> None:
    """Author, reviewer and approver sign; until then the refusal has a name."""
    for name, why in (("ada", "unsigned"), ("bob", "no_reviewer"), ("cyd", "no_approver")):
        before = _verify(tmp_path)
        assert before.exit_code == 1
        assert before.stderr.startswith(f"{why}: ")
        assert _sign(tmp_path, name, verb="approve" if name == "cyd" else "sign").exit_code == 0
    after = _verify(tmp_path, "--json")
    assert after.exit_code == 0
    told = json.loads(after.stdout)
    assert (told["active"], told["refusal"], told["digest"]) == (True, None, digest(read(content())))
    assert [one["signee"] for one in read_signatures(tmp_path / "signatures")].count("ada") == 1


def test_verify_tells_machines_the_refusal(tmp_path: Path, people: dict[str, Person]) -> None:
    """Its name and message stand in the JSON."""
    found = _verify(tmp_path, "--json")
    told = json.loads(found.stdout)
    assert (found.exit_code, told["active"], told["refusal"], found.stderr) == (1, False, "unsigned", "")


def test_verify_finds_a_changed_file(tmp_path: Path, people: dict[str, Person]) -> None:
    """What was signed is not what stands there."""
    path = _file(tmp_path)
    for name in people:
        _sign(tmp_path, name, path)
    assert _verify(tmp_path, what=path).exit_code == 0
    _file(tmp_path, description="Isolate everything.")
    assert _verify(tmp_path, what=path).stderr.startswith("changed: ")


def test_verify_refuses_another_owners_trust_file(tmp_path: Path, people: dict[str, Person]) -> None:
    """A trust file speaks for its own owner only."""
    _refused(_verify(tmp_path, owner="edge"), "shop.json", "edge")


def test_sign_writes_a_time_to_live_only_in_the_future(tmp_path: Path, people: dict[str, Person]) -> None:
    """A time that is over, or none, is refused."""
    assert _sign(tmp_path, "ada", "isolate-asset", "--valid-until", "2999-01-01T00:00:00.000Z").exit_code == 0
    assert read_signatures(tmp_path / "signatures")[0]["valid_until"] == "2999-01-01T00:00:00.000Z"
    _refused(_sign(tmp_path, "ada", "isolate-asset", "--valid-until", "2020-01-01T00:00:00.000Z"), "over")
    _refused(_sign(tmp_path, "ada", "isolate-asset", "--valid-until", "tomorrow"), "tomorrow")


def test_sign_refuses_a_playbook_with_errors(tmp_path: Path, people: dict[str, Person]) -> None:
    """Nobody signs what the linter refuses; nothing is written."""
    path = _file(tmp_path, modified="2025-01-01T00:00:00.000Z")
    _refused(_sign(tmp_path, "ada", path), "mine.json", "$.modified")
    assert not (tmp_path / "signatures").exists()


def test_sign_refuses_what_is_no_key(tmp_path: Path, people: dict[str, Person]) -> None:
    """A public key, no file, an empty name."""
    (tmp_path / "eve.jwk").write_text(json.dumps(people["ada"].public()))
    _refused(_sign(tmp_path, "eve"), "eve.jwk", "private Ed25519")
    _refused(_sign(tmp_path, "nobody"), "nobody.jwk")
    key, out = tmp_path / "ada.jwk", tmp_path / "signatures"
    _refused(_run("sign", "isolate-asset", "--key", key, "--person", " ", "--out", out), "--person")


def _status(folder: Path, *more: str | Path) -> list[dict[str, Any]]:
    told = _run("status", *more, "--trust", folder / "shop.json", "--signatures", folder / "signatures", "--json")
    assert told.exit_code == 0, told.stderr
    found: list[dict[str, Any]] = json.loads(told.stdout)
    return found


def test_a_version_goes_from_draft_to_retired(tmp_path: Path, people: dict[str, Person]) -> None:
    """Each signature a step; what an approver has retired does not come back."""
    seen = [_status(tmp_path, "isolate-asset")[0]["state"]]
    for name, verb in (("ada", "sign"), ("bob", "sign"), ("cyd", "approve"), ("cyd", "retire"), ("cyd", "approve")):
        assert _sign(tmp_path, name, verb=verb).exit_code == 0
        seen.append(_status(tmp_path, "isolate-asset")[0]["state"])
    assert seen == ["draft", "draft", "reviewed", "active", "retired", "retired"]
    assert _verify(tmp_path).stderr.startswith("retired: ")


def test_to_retire_says_for_whom_it_counts(tmp_path: Path, people: dict[str, Person]) -> None:
    """An author's wish retires nothing, and is not said to."""
    for name in people:
        _sign(tmp_path, name)
    told = _sign(tmp_path, "ada", verb="retire")
    assert told.exit_code == 0 and "approver" in told.stdout and "retired" not in told.stdout
    assert _status(tmp_path, "isolate-asset")[0]["state"] == "active"


@pytest.mark.parametrize("verb", ["sign", "approve", "retire"])
def test_a_folder_of_signatures_that_is_a_file_is_refused(tmp_path: Path, people: dict[str, Person], verb: str) -> None:
    """In one line, and the file stays."""
    (tmp_path / "signatures").write_text("mine")
    _refused(_sign(tmp_path, "cyd", verb=verb), "signatures", "choose a folder")
    assert (tmp_path / "signatures").read_text() == "mine"


def test_no_one_signs_a_step_that_outlasts_every_run(tmp_path: Path, people: dict[str, Person]) -> None:
    """A timeout of 285,000 years is a slip of the pen."""
    one = content()
    action_of(one)["timeout"] = 9_007_199_254_740_991
    _refused(_sign(tmp_path, "ada", _file(tmp_path, workflow=one["workflow"])), ".timeout", "604800 s")


def test_versions_stand_side_by_side_for_every_owner(tmp_path: Path, people: dict[str, Person]) -> None:
    """Each with its digest, what is missing, and who has signed."""
    write_trust(tmp_path / "edge.json", "edge", [people["ada"]])
    old, new = tmp_path / "old.json", _file(tmp_path, modified="2026-11-26T00:00:00.000Z")
    old.write_text(json.dumps(content()))
    for name in people:
        _sign(tmp_path, name, old)
    _sign(tmp_path, "ada", new)
    rows = _status(tmp_path, old, new, "--trust", tmp_path / "edge.json")
    told = {(row["version"][8:10], row["owner"]): row for row in rows}
    assert {key: row["state"] for key, row in told.items()} == {
        ("25", "shop"): "active", ("25", "edge"): "draft", ("26", "shop"): "draft", ("26", "edge"): "draft",
    }  # fmt: skip
    assert told["26", "shop"]["refusal"] == "no_reviewer" and told["26", "edge"]["signed"]["author"] == ["ada"]
    assert told["25", "shop"]["digest"] != told["26", "shop"]["digest"]
    lines = _run("status", old, "--trust", tmp_path / "edge.json", "--signatures", tmp_path / "signatures").stdout
    assert "owner edge: draft (playbook isolate-asset for owner edge: no reviewer" in lines


def test_a_signature_is_countersigned_in_its_own_file(tmp_path: Path, people: dict[str, Person]) -> None:
    """Four eyes in one file; not one of another playbook."""
    _sign(tmp_path, "ada")
    (first,) = (tmp_path / "signatures").glob("*.json")
    for name in ("bob", "cyd"):
        assert _sign(tmp_path, name, "isolate-asset", "--countersign", str(first)).exit_code == 0
    assert [path.name for path in (tmp_path / "signatures").glob("*.json")] == [first.name]
    assert _verify(tmp_path).exit_code == 0
    _refused(_sign(tmp_path, "bob", "block-link", "--countersign", str(first)), "another playbook")
    _refused(_sign(tmp_path, "bob", "isolate-asset", "--countersign", str(tmp_path / "none.json")), "none.json")


def test_importing_the_commands_loads_nothing_heavy() -> None:
    """Help stays quick: typer and the standard library only."""
    heavy = "('pydantic', 'cryptography', 'networkx', 'numpy', 'joserfc', 're2')"
    code = f"import sys, tocsin.playbooks.commands; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
