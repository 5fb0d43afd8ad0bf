"""Effects: what a playbook declares is what the rulebook gets, and nonsense is refused by path."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from tocsin.playbooks.cacao import PlaybookError
from tocsin.playbooks.effects import EXTENSION_ID, declaration_of, effect_of, extension_schema, undo_schema
from tocsin.tests.playbooks.makers import LIBRARY, content, read
from tocsin.twin.vocabulary import Access, AssetKind, ConsentClass, Mode, StepClass, TargetType


def _declared(name: str = "isolate-asset", **fields: Any) -> dict[str, Any]:
    changed = content(name)
    changed["playbook_extensions"][EXTENSION_ID].update(fields)
    return changed


def test_isolate_holds_the_mode_isolated() -> None:
    """The words of the extension become the words of the vocabulary."""
    effect = effect_of(read(content()))
    assert effect.mode is Mode.ISOLATED
    assert effect.kinds == (AssetKind.HOST, AssetKind.CONTAINER, AssetKind.DEVICE)
    assert (effect.target_type, effect.consent_class) == (TargetType.ASSET, ConsentClass.CONTAIN)
    assert (effect.work_s, effect.hold_s, effect.undoable) == (60, 14400, True)


def test_restore_sets_every_part_of_its_effect() -> None:
    """Ceiling, persistence, mode while working, and lowered classes all arrive."""
    effect = effect_of(read(content("restore-asset")))
    assert (effect.ceiling, effect.clears_persistence) == (Access.NONE, True)
    assert (effect.mode_during, effect.mode) == (Mode.RESTORING, Mode.PATCHED)
    assert effect.lower == {StepClass.EXPLOIT: 0.2, StepClass.PRIVILEGE_ESCALATION: 0.5}


def test_the_other_verbs_arrive() -> None:
    """Cut, coverage, clear and the kind identity."""
    assert effect_of(read(content("block-link"))).cut
    assert effect_of(read(content("raise-monitoring"))).coverage
    assert effect_of(read(content("release-asset"))).clear_mode is Mode.ISOLATED
    assert effect_of(read(content("revoke-credentials"))).kinds == (AssetKind.IDENTITY,)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"success": 1.5}, "success"),
        ({"work_s": -1}, "work_s"),
        ({"kinds": ["toaster"]}, "toaster"),
        ({"kinds": []}, "kind"),
        ({"consent_class": "whatever"}, "whatever"),
        ({"verbs": {"explode": True}}, "explode"),
        ({"verbs": {"set_mode": "asleep"}}, "asleep"),
        ({"verbs": {"cut_link": True}}, "cut_link"),
        ({"verbs": {"lower_probability": {"exploit": 0.5}}}, "patched"),
        ({"undo": {"possible": True, "how": ""}}, "undo"),
        ({"extra": 1}, "extra"),
    ],
)
def test_refuses_a_wrong_declaration(fields: dict[str, Any], said: str) -> None:
    """The message names the playbook, the extension and the wrong part."""
    with pytest.raises(PlaybookError, match=said) as caught:
        effect_of(read(_declared(**fields)))
    assert "isolate-asset" in str(caught.value)


def test_refuses_a_playbook_without_the_extension() -> None:
    """A playbook that does not say what it does has no effect."""
    changed = content()
    del changed["playbook_extensions"]
    with pytest.raises(PlaybookError, match=EXTENSION_ID):
        declaration_of(read(changed))


def _published(name: str) -> Any:
    return json.loads(files("tocsin.playbooks").joinpath(f"data/{name}").read_text())


def test_the_published_schemas_are_the_ones_in_force() -> None:
    """What stands in data/ is what the code checks by, at playbooks and at steps."""
    assert _published("effect-extension.json") == extension_schema()
    assert _published("undo-extension.json") == undo_schema()


def test_the_library_uses_the_published_definition() -> None:
    """Each file carries it word by word, as the standard asks."""
    for path in LIBRARY.glob("*-*.json"):
        assert json.loads(path.read_bytes())["extension_definitions"] == _published("effect-definition.json")


def test_the_schemas_accept_the_library_and_refuse_a_fault() -> None:
    """By an independent validator."""
    jsonschema = pytest.importorskip("jsonschema")
    effect, undo = (
        jsonschema.Draft202012Validator(_published(f"{name}-extension.json")) for name in ("effect", "undo")
    )
    for path in LIBRARY.glob("*-*.json"):
        playbook = json.loads(path.read_bytes())
        assert effect.is_valid(playbook["playbook_extensions"][EXTENSION_ID])
        for step in playbook["workflow"].values():
            assert all(undo.is_valid(one) for one in step.get("step_extensions", {}).values())
    assert not effect.is_valid(_declared(success=2)["playbook_extensions"][EXTENSION_ID])
    assert not undo.is_valid({"type": "tocsin-undo", "commands": []})
