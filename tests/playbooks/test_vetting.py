"""Vetting: three persons whom the owner trusts, or a refusal with a name."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
import rfc8785
from tocsin.playbooks.execute import SUPPORTED
from tocsin.playbooks.signatures import innermost, verify, with_countersignature
from tocsin.playbooks.vetting import Refusal, VettingRole, refusal, standing
from tocsin.tests.playbooks.makers import NOW, Person, action_of, content, read, trust

ADA, BOB, CYD = Person("ada", "author"), Person("bob", "reviewer"), Person("cyd", "approver")
PEOPLE = (ADA, BOB, CYD)
PLAYBOOK = read(content())
SIGNED = [person.signs(PLAYBOOK) for person in PEOPLE]


def _refusal(signatures: list[dict[str, Any]], people: tuple[Person, ...] = PEOPLE, **change: Any) -> Refusal | None:
    return refusal(read({**content(), **change}), "shop", signatures, trust(people), NOW)


def _name(signatures: list[dict[str, Any]], people: tuple[Person, ...] = PEOPLE, **change: Any) -> str:
    why = _refusal(signatures, people, **change)
    assert why is not None
    assert "isolate-asset" in why.message
    assert "shop" in why.message
    return why.name


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_author_reviewer_and_approver_make_it_active(order: tuple[int, ...]) -> None:
    """In whatever order they signed."""
    assert _refusal([SIGNED[index] for index in order]) is None


def test_refuses_what_nobody_signed() -> None:
    """No signature, or only of other playbooks."""
    assert _name([]) == "unsigned"
    assert _name([ADA.signs(read(content("block-link")))]) == "unsigned"


@pytest.mark.parametrize(("missing", "name"), [(0, "no_author"), (1, "no_reviewer"), (2, "no_approver")])
def test_names_the_role_that_is_missing(missing: int, name: str) -> None:
    """So that people know whom to ask."""
    assert _name([one for index, one in enumerate(SIGNED) if index != missing]) == name


def test_refuses_one_changed_byte() -> None:
    """The content is what was signed, or nothing runs."""
    assert _name(SIGNED, description=content()["description"] + " ") == "changed"
    assert _name([{**SIGNED[0], "signee": "ADA"}, *SIGNED[1:]]) == "changed"


def test_free_text_in_a_shell_is_refused_though_all_have_signed() -> None:
    """The linter's rule, asked again where it counts: of what would run, whoever signed it and with what tool."""
    shells = SUPPORTED | {"bash", "manual"}
    for kind, command, name in (
        ("string", {"type": "bash", "command": "ls __x__:value"}, "shell_splice"),
        ("string", {"type": "bash", "command_b64": base64.b64encode(b"ls __x__:value").decode()}, "shell_splice"),
        ("ipv4-addr", {"type": "bash", "command": "ls __x__:value"}, ""),
        ("string", {"type": "manual", "command": "Look at __x__:value"}, ""),
    ):
        changed = content()
        changed["playbook_variables"]["__x__"] = {"type": kind, "external": True}
        action_of(changed)["commands"] = [command]
        one = read(changed)
        why = refusal(one, "shop", [person.signs(one) for person in PEOPLE], trust(PEOPLE), NOW, shells)
        assert (why.name if why else "") == name
        assert why is None or ("__x__" in why.message and "isolate-asset" in why.message)


def test_one_person_with_three_roles_is_one_person() -> None:
    """Roles do not multiply people, nor do several keys of one person."""
    chief = Person("ada", "author", "reviewer", "approver")
    assert _name([chief.signs(PLAYBOOK)], (chief,)) == "same_person"
    keys = (Person("ada", "author"), Person("ada", "reviewer"), Person("ada", "approver"))
    assert _name([key.signs(PLAYBOOK) for key in keys], keys) == "same_person"
    assert _name([chief.signs(PLAYBOOK), SIGNED[1]], (chief, BOB)) == "same_person"


def test_people_with_several_roles_are_assigned_as_they_can_be() -> None:
    """Three persons that fill the roles in one way only are found."""
    people = (Person("ada", "author", "reviewer"), Person("bob", "author"), Person("cyd", "reviewer", "approver"))
    assert _refusal([person.signs(PLAYBOOK) for person in people], people) is None


def test_signatures_by_foreign_keys_count_as_none() -> None:
    """Even under the name of somebody trusted; and they do no harm beside good ones."""
    fake = [Person(person.name, *person.roles).signs(PLAYBOOK) for person in PEOPLE]
    assert _name(fake) == "no_author"
    assert _refusal([*fake, *SIGNED]) is None


def test_the_approver_of_another_owner_does_not_count() -> None:
    """Roles are said by the owner for whom it would run."""
    assert _name(SIGNED, (ADA, BOB, Person("dan", "approver"))) == "no_approver"
    assert _name(SIGNED, (ADA, BOB)) == "no_approver"


def test_refuses_outside_the_validity_of_the_playbook() -> None:
    """Too early, too late, or revoked."""
    assert _name(SIGNED, valid_until="2026-11-30T00:00:00.000Z") == "expired"
    assert _name(SIGNED, valid_from="2026-12-02T00:00:00.000Z") == "expired"
    assert _name(SIGNED, revoked=True) == "revoked"


def test_signatures_that_are_over_or_revoked_do_not_count() -> None:
    """Though they still fit the content."""
    over = CYD.signs(PLAYBOOK, valid_until="2026-11-30T00:00:00.000Z")
    assert _name([*SIGNED[:2], over]) == "no_approver"
    before = datetime(2026, 11, 1, tzinfo=UTC)
    early = refusal(PLAYBOOK, "shop", SIGNED, trust(PEOPLE), before)
    assert early is not None
    assert early.name == "no_author"


def test_a_signature_counts_from_its_very_moment() -> None:
    """Milliseconds count, whatever the number of digits."""
    moment = datetime(2026, 11, 24, tzinfo=UTC)
    assert refusal(PLAYBOOK, "shop", SIGNED, trust(PEOPLE), moment) is None
    before = refusal(PLAYBOOK, "shop", SIGNED, trust(PEOPLE), moment - timedelta(microseconds=1))
    assert before is not None
    assert before.name == "no_author"
    until = "2026-11-24T00:00:00.000500Z"
    short = [*SIGNED[:2], CYD.signs(PLAYBOOK, valid_until=until)]
    assert refusal(PLAYBOOK, "shop", short, trust(PEOPLE), moment) is None
    after = refusal(PLAYBOOK, "shop", short, trust(PEOPLE), moment + timedelta(microseconds=500))
    assert after is not None
    assert after.name == "no_approver"


@pytest.mark.parametrize("until", ["zzzz", "", "2999", "2999-01-01T00:00:00"])
def test_an_end_that_is_no_time_is_over(until: str) -> None:
    """What cannot be read does not count."""
    assert _name([*SIGNED[:2], CYD.signs(PLAYBOOK, valid_until=until)]) == "no_approver"


def test_signatures_of_an_older_version_neither_count_nor_harm() -> None:
    """A new version needs its own signatures; the old ones may stay in the folder."""
    newer = {"modified": "2026-11-26T00:00:00.000Z"}
    assert _name(SIGNED, **newer) == "no_author"
    version = read({**content(), **newer})
    assert _refusal([*SIGNED, *(person.signs(version) for person in PEOPLE)], **newer) is None


def test_a_revoked_signature_takes_its_first_form_away() -> None:
    """The form before stays in some folder; it does not count once its signer has revoked it."""
    revoked = {key: value for key, value in SIGNED[2].items() if key != "value"} | {"revoked": True}
    text = hashlib.sha256(rfc8785.dumps({**content(), "signatures": [revoked]})).hexdigest().encode()
    revoked["value"] = base64.urlsafe_b64encode(CYD.key.sign(text)).decode().rstrip("=")
    assert _name([*SIGNED, revoked]) == "no_approver"
    assert _name([revoked, *SIGNED]) == "no_approver"
    assert _refusal([*SIGNED, revoked, CYD.signs(PLAYBOOK)]) is None


def _retired(person: Person, **fields: Any) -> dict[str, Any]:
    return person.signs(PLAYBOOK, retires=True, **fields)


def test_an_approver_of_the_owner_retires_a_version_for_good() -> None:
    """Signed, whatever signatures come after; other persons, and approvers of others, do not."""
    assert _name([*SIGNED, _retired(CYD)]) == "retired"
    assert _name([_retired(CYD), *SIGNED, CYD.signs(PLAYBOOK)]) == "retired"
    assert _refusal([*SIGNED, _retired(ADA), _retired(BOB)]) is None
    assert _refusal([*SIGNED, _retired(Person("cyd", "approver"))]) is None


def test_a_forged_retirement_retires_nothing_and_is_seen() -> None:
    """A signature of the approver cannot be made one; nor does one retire another version."""
    assert _name([*SIGNED, {**SIGNED[2], "id": _retired(CYD)["id"], "retires": True}]) == "changed"
    newer = {"modified": "2026-11-26T00:00:00.000Z"}
    version = read({**content(), **newer})
    assert _refusal([_retired(CYD), *(person.signs(version) for person in PEOPLE)], **newer) is None


def test_a_countersignature_counts_for_its_signer() -> None:
    """Each signs what the one before has signed, its signature too; in one file."""
    first, last = SIGNED[0], ADA.signs(PLAYBOOK)
    for person in (BOB, CYD):
        counter = person.signs(PLAYBOOK, countersigned=innermost(last))
        last = with_countersignature(last, counter)
    assert _refusal([last]) is None
    assert _name([first]) == "no_reviewer"


def test_a_countersignature_fits_only_the_signature_that_it_stands_in() -> None:
    """Moved under another, or the outer one changed, it does not count; the outer one does not need it."""
    counter = BOB.signs(PLAYBOOK, countersigned=SIGNED[0])
    assert _refusal([with_countersignature(SIGNED[0], counter), SIGNED[2]]) is None
    assert _name([with_countersignature(ADA.signs(PLAYBOOK), counter), SIGNED[2]]) == "changed"
    assert _name([counter, SIGNED[0], SIGNED[2]]) == "changed"
    verify(PLAYBOOK.raw, with_countersignature(SIGNED[0], counter), ADA.key.public_key())


def test_a_chain_of_countersignatures_without_end_is_cut() -> None:
    """No recursion of a stranger's file."""
    deep: dict[str, Any] = {**SIGNED[0]}
    for _ in range(50):
        deep = {**SIGNED[0], "signature": deep}
    assert _name([deep]) in ("changed", "no_reviewer")


@pytest.mark.parametrize(
    ("signed", "change", "state"),
    [
        ((), {}, "draft"),
        ((0,), {}, "draft"),
        ((0, 1), {}, "reviewed"),
        ((0, 1, 2), {}, "active"),
        ((0, 2), {}, "draft"),
        ((), {"revoked": True}, "retired"),
        ((), {"valid_until": "2026-11-30T00:00:00.000Z"}, "retired"),
        ((), {"valid_from": "2026-12-02T00:00:00.000Z"}, "draft"),
    ],
)
def test_a_version_stands_as_its_signatures_say(signed: tuple[int, ...], change: dict[str, Any], state: str) -> None:
    """Draft, reviewed, active, retired."""
    playbook = read({**content(), **change})
    signatures = [PEOPLE[index].signs(playbook) for index in signed]
    assert standing(playbook, "shop", signatures, trust(PEOPLE), NOW).state == state
    assert standing(PLAYBOOK, "shop", [*SIGNED, _retired(CYD)], trust(PEOPLE), NOW).state == "retired"


def test_active_is_said_per_owner() -> None:
    """One owner's approver says nothing for another's."""
    other = trust((ADA, BOB, Person("dan", "approver")))
    assert standing(PLAYBOOK, "shop", SIGNED, trust(PEOPLE), NOW).state == "active"
    found = standing(PLAYBOOK, "edge", SIGNED, other, NOW)
    assert (found.state, found.persons[VettingRole.AUTHOR]) == ("reviewed", frozenset({"ada"}))


@pytest.mark.parametrize("kind", ["bash", "ssh", "manual", "sigma", "elastic", "no-such"])
def test_refuses_commands_without_an_installed_actuator(kind: str) -> None:
    """With the reason; where one is installed, it is a playbook like any other."""
    changed = content()
    action_of(changed)["commands"].append({"type": kind, "command": "x", "command_b64": "eA=="})
    playbook = read(changed)
    signatures = [person.signs(playbook) for person in PEOPLE]
    why = refusal(playbook, "shop", signatures, trust(PEOPLE), NOW)
    assert why is not None and why.name == "no_actuator" and kind in why.message
    assert refusal(playbook, "shop", signatures, trust(PEOPLE), NOW, SUPPORTED | {kind}) is None


def test_a_key_in_the_signature_or_in_the_file_proves_nothing() -> None:
    """A stranger's own key, told as public_key or embedded in the playbook, counts as none."""
    eve = Person("ada", "author", "reviewer", "approver")
    for extra in ({"public_key": eve.public()["x"]}, {"jwk": eve.public()}):
        signed = [{**eve.signs(PLAYBOOK), **extra} for _ in range(3)]
        assert _name(signed) == "no_author"
    embedded = read({**content(), "signatures": [eve.signs(PLAYBOOK), *SIGNED]})
    why = refusal(embedded, "shop", [eve.signs(PLAYBOOK)], trust(PEOPLE), NOW)
    assert why is not None and why.name == "no_author"
