"""The page on playbooks says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from tocsin.playbooks.effects import EXTENSION_ID, extension_schema
from tocsin.playbooks.lint_rules import RULES
from tocsin.twin.vocabulary import ConsentClass

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "playbooks.md").read_text()


def _rows(heading: str) -> dict[str, list[str]]:
    """Rows of the table whose header begins so, by their first cell."""
    table = PAGE.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in table]
    return {row[0].strip("`"): row[1:] for row in cells}


def test_the_table_of_rules_is_the_linters() -> None:
    """Every rule in its order, with section, severity and text."""
    told = [[name, *cells] for name, cells in _rows("rule").items()]
    assert told == [[rule.id, rule.section, rule.severity, rule.text] for rule in RULES.values()]


def test_every_test_that_the_page_names_is_there() -> None:
    """A line of the checklist is shown by a test, not by a name."""
    folder = Path(__file__).parent
    rows = _rows("line")
    assert len(rows) > 20
    for line, (named,) in rows.items():
        file, _, test = named.strip("`").partition("::")
        assert f"def {test}(" in (folder / file).read_text(), line


def test_the_table_of_fields_is_the_schema() -> None:
    """Every field and verb, and no other."""
    schema = extension_schema()
    assert set(_rows("field")) == set(schema["properties"])
    assert set(_rows("verb")) == set(schema["$defs"]["_Verbs"]["properties"])
    assert EXTENSION_ID in PAGE


def test_the_page_names_every_consent_class() -> None:
    """As the vocabulary has them."""
    told = set(re.findall(r"`(\w+)`", _rows("field")["consent_class"][0]))
    assert told == {kind.name.lower() for kind in ConsentClass}


def test_every_refusal_stands_in_the_table() -> None:
    """The names that vetting gives."""
    source = (Path(__file__).resolve().parents[2] / "playbooks" / "vetting.py").read_text()
    names = set(re.findall(r'Refusal\(f?"([a-z_]+)"', source)) | {"no_author", "no_reviewer", "no_approver"}
    told = set(re.findall(r"`([a-z_]+)`", " ".join(PAGE.split("| refusal |")[1].split("\n\n")[0].splitlines())))
    assert names <= told
