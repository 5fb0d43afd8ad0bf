"""What is taken back in the home's files counts no longer: at once, without a restart; broken files let nobody in."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tocsin.orchestrator.api import create_app
from tocsin.orchestrator.client import binding_of
from tocsin.orchestrator.clock import SystemClock
from tocsin.orchestrator.consent import ConsentRefused, Decision, sign
from tocsin.orchestrator.demo.home import make_demo_home
from tocsin.orchestrator.identity import Caller, Role, token_hash
from tocsin.orchestrator.lifecycle import State
from tocsin.orchestrator.records import Response, list_consents, list_responses
from tocsin.orchestrator.shelf import active_by_signatures
from tocsin.orchestrator.store import reading
from tocsin.orchestrator.supply import live_vetting
from tocsin.playbooks.actions import load_library
from tocsin.tests.orchestrator.fakes import House, house, isolate

EDGE = Caller("edge", frozenset({Role.VIEWER, Role.APPROVER}))


def consent(home: House) -> None:
    """Sign yes as edge."""
    row, now = only(home), home.node.clock.now()
    binding = binding_of(home.node.view(EDGE).response(row))
    names = {"owner": "edge", "person": "approver@edge", "time": now, "expiry": now + timedelta(hours=1)}
    home.node.consent(EDGE, row.id, sign(binding, Decision.APPROVE, home.key("edge"), **names))


def only(home: House) -> Response:
    """Give the one response."""
    with reading(home.engine) as conn:
        (row,) = list_responses(conn)
    return row


def test_a_token_taken_back_is_nobody_at_the_next_request(tmp_path: Path) -> None:
    """Removed from tokens.json it gets 401; a file that cannot be read lets nobody in until it is mended."""
    home = house(tmp_path)
    token, path = home.token("edge", "viewer"), tmp_path / "tokens.json"
    entries = json.loads(path.read_text())
    fewer = [entry for entry in entries if entry["sha256"] != token_hash(token)]
    stranger = [{**entry, "owner": "mallory"} for entry in entries]
    with TestClient(create_app(home.node)) as http:
        for text, status in (
            (json.dumps(entries), 200),
            (json.dumps(fewer), 401),
            (json.dumps(entries), 200),
            (json.dumps(entries)[:-5], 401),
            (json.dumps(stranger), 401),
            ("[" * 100_000, 401),
            (json.dumps(entries), 200),
        ):
            path.write_text(text)
            assert http.get("/v1/assets", headers={"Authorization": f"Bearer {token}"}).status_code == status
        path.unlink()
        assert http.get("/v1/assets", headers={"Authorization": f"Bearer {token}"}).status_code == 401


BROKEN = {"broken": "{", "deep": "[" * 100_000, "odd": '{"owner": "edge", "keys": [{"person": "p", "jwk": [1]}]}'}


@pytest.mark.parametrize("how", ["emptied", "removed", *BROKEN])
def test_a_consent_key_taken_back_counts_no_longer_also_for_what_it_signed(tmp_path: Path, how: str) -> None:
    """A consent given before lapses with its key; a new one by it is refused."""
    home = house(tmp_path)
    home.advisor.proposals = [isolate()]
    home.tick()
    consent(home)
    path = tmp_path / "trust" / "edge.json"
    if how == "removed":
        path.unlink()
    else:
        path.write_text(BROKEN.get(how, '{"owner": "edge", "keys": []}'))
    home.tick()
    assert only(home).state is State.AWAITING_CONSENT and home.actuator.sent == []
    with reading(home.engine) as conn:
        assert list_consents(conn, only(home).id, home.node.trust) == []
    with pytest.raises(ConsentRefused) as refused:
        consent(home)
    assert refused.value.reason == "unknown_signer"


def test_a_playbook_is_active_no_longer_once_a_signature_or_its_key_is_gone(tmp_path: Path) -> None:
    """Of one owner where its trust file changes, of all where the signatures are gone."""
    library = load_library()
    make_demo_home(tmp_path, ["edge", "shop"], library, operator="edge")
    is_active = active_by_signatures(library, live_vetting(tmp_path / "vetting"), SystemClock())
    playbook, trust = library.playbooks[0].id, tmp_path / "vetting" / "trust" / "edge.json"
    assert is_active(playbook, "edge") and is_active(playbook, "shop")
    trust.write_text('{"owner": "edge", "keys": []}')
    assert not is_active(playbook, "edge") and is_active(playbook, "shop")
    for text in BROKEN.values():
        trust.write_text(text)
        assert not is_active(playbook, "edge") and not is_active(playbook, "shop")
    trust.unlink()
    assert is_active(playbook, "shop")
    for path in (tmp_path / "vetting" / "signatures").iterdir():
        path.unlink()
    assert not is_active(playbook, "shop")
