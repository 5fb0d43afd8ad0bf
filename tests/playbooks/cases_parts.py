"""Conformance cases of the linter: commands, parties, secrets, variables, markings, signatures and effects."""

from __future__ import annotations

from typing import Any

from tocsin.tests.playbooks.cases_document import Case, Change, at, both, inside, lacking, nothing
from tocsin.tests.playbooks.full import FOREIGN, IDENTITY, STAMP, Object, b64, ref, step

KEY = "-----BEGIN RSA PRIVATE KEY-----"


def command(name: str, index: int = 0, **fields: Any) -> Change:
    """Set properties of a command; None leaves one out."""

    def change(content: Object) -> None:
        one = step(content, name)["commands"][index]
        one.update(fields)
        for field in [field for field, value in fields.items() if value is None]:
            del one[field]

    return change


def variable(name: str, **fields: Any) -> Change:
    """Set properties of a playbook variable, which is made where there is none."""
    return lambda content: content["playbook_variables"].setdefault(name, {"type": "string"}).update(fields)


def own(**fields: Any) -> Change:
    """Set properties of the step variable of the scan."""
    return lambda content: step(content, "scan")["step_variables"]["__path__"].update(fields)


def value(kind: str, text: Any) -> Change:
    """The used variable `__kind__` with a type and a value."""
    return variable("__kind__", type=kind, value=text)


def _own_name(name: str) -> Change:
    def change(content: Object) -> None:
        scan = step(content, "scan")
        scan["step_variables"] = {name: scan["step_variables"].pop("__path__")}
        scan["commands"][0]["command"] = f"scan {name}:value"

    return change


def signature(**fields: Any) -> Change:
    """Set properties of the signature; None leaves one out."""

    def change(content: Object) -> None:
        one = content["signatures"][0]
        one.update(fields)
        for field in [field for field, value in fields.items() if value is None]:
            del one[field]

    return change


def _counter(**fields: Any) -> Change:
    return lambda content: content["signatures"][0]["signature"].update(fields)


def _definition(**fields: Any) -> Change:
    return lambda content: content["extension_definitions"][FOREIGN].update(fields)


def _spliced(kind: str, **fields: Any) -> Change:
    """A bash command with a variable of a type in it."""
    return both(
        variable("__new__", type=kind, external=True, **fields), command("collect", command="run __new__:value")
    )


BODY = {"action": "deny", "target": {"ipv4_net": "10.0.0.0/8"}}
LOGIN = "authentication_info_definitions"
MARKS = "data_marking_definitions"

CASES: dict[str, list[Case]] = {
    "command-missing": [(command("collect", command=None), ".commands[0]", command("collect", command=None,
                         command_b64=b64("collect __address__:value")))],
    "command-both": [
        (command("collect", command_b64=b64("x")), ".commands[0]", nothing),
        (command("watch", content_b64=b64("x")), ".commands[0]", nothing),
    ],
    "command-empty": [
        (command("alarm", command=" "), ".command", nothing),
        (command("hunt", command_b64=""), ".command_b64", nothing),
    ],
    "base64": [
        (command("hunt", command_b64="%%"), ".command_b64", nothing),
        (command("hunt", command_b64="/w=="), ".command_b64", nothing),
        (command("watch", content=None, content_b64="a"), ".content_b64",
         command("watch", content=None, content_b64="/w==")),
    ],
    "start-line": [
        (command("watch", command="GET x"), ".command", command("watch", command="GET /x HTTP/2")),
        (command("watch", command="/x HTTP/1.1"), ".command", command("watch", command="PATCH * HTTP/1.1")),
    ],
    "openc2-post": [(command("cut", command="GET /openc2 HTTP/1.1"), ".command", nothing)],
    "openc2-body": [
        (command("cut", content_b64=b64("{")), ".content_b64", command("cut", content_b64=b64(BODY))),
        (command("cut", content_b64=b64({**BODY, "action": "explode"})), ".content_b64", nothing),
        (command("cut", content_b64=b64({**BODY, "target": {"a": 1, "b": 2}})), ".content_b64", nothing),
        (command("cut", content_b64=b64('{"action": "deny", "action": "allow"}')), ".content_b64", nothing),
    ],
    "openc2-media": [(command("cut", headers={}), ".headers", nothing)],
    "target-abstract": [
        (lacking("target_definitions", "site", "logical"), f'["{ref("site")}"]',
         both(lacking("target_definitions", "site", "logical"),
              inside("target_definitions", "site", location={"city": "Oslo"}))),
    ],
    "address-missing": [(inside("target_definitions", "net", address={}), ".address", nothing)],
    "address-form": [
        (inside("agent_definitions", "shell", address={"ipv4": ["10.0.0.256"]}), ".ipv4[0]",
         inside("agent_definitions", "shell", address={"ipv4": ["10.0.0.255"]})),
        (inside("agent_definitions", "shell", address={"ipv6": ["10.0.0.1"]}), ".ipv6[0]", nothing),
        (inside("agent_definitions", "box", address={"dname": ["http://x/"]}), ".dname[0]", nothing),
        (inside("target_definitions", "net", address={"l2mac": ["aa:bb"]}), ".l2mac[0]", nothing),
        (inside("target_definitions", "net", address={"vlan": ["4096"]}), ".vlan[0]",
         inside("target_definitions", "net", address={"vlan": [4095]})),
        (inside("agent_definitions", "api", address={"url": ["wall"]}), ".url[0]",
         inside("agent_definitions", "api", address={"url": ["__kind__:value"]})),
    ],
    "contact-email": [
        (inside("agent_definitions", "team", contact={"email": {"work": "a@b.c;`sh`"}}), ".email.work",
         inside("agent_definitions", "team", contact={"email": {"work": "a.b+c@d.example"}})),
    ],
    "port-range": [
        (inside("agent_definitions", "api", port="65536"), ".port", inside("agent_definitions", "api", port="65535")),
        (inside("agent_definitions", "api", port="0"), ".port",
         inside("agent_definitions", "api", port="__kind__:value")),
    ],
    "authentication-missing": [
        (lambda c: c[LOGIN].pop(ref("bearer")), ".authentication_info", nothing),
    ],
    "kms-pair": [
        (lacking(LOGIN, "login", "kms"), f'["{ref("login")}"]', nothing),
        (lacking(LOGIN, "login", "kms_key_identifier"), f'["{ref("login")}"]', nothing),
    ],
    "kms-secret": [(inside(LOGIN, "login", username="root"), f'["{ref("login")}"]', nothing)],
    "secret-clear": [
        (inside(LOGIN, "basic", password="hunter2"), ".password", nothing),
        (inside(LOGIN, "bearer", token="abc"), ".token", inside(LOGIN, "bearer", token="x __secret__:value")),
        (command("watch", headers={"Authorization": ["Bearer abc"]}), ".Authorization[0]", nothing),
        (command("alarm", command=f"Put {KEY} there"), ".commands[0]", nothing),
        (command("hunt", command_b64=b64("GET https://u:pw@x.example/")), ".commands[0]",
         command("hunt", command_b64=b64("GET https://u@x.example/"))),
        (own(value=KEY), ".value", nothing),
        (variable("__secret__", value="hunter2"), ".__secret__.value", variable("__kind__", value="hunter2")),
    ],
    "secret-variable": [
        (variable("__api_key__", value="abc"), ".__api_key__.value", variable("__api_key__", external=True)),
    ],
    "shell-splice": [
        (_spliced("string"), ".command", _spliced("ipv4-addr")),
        (_spliced("uri"), ".command", _spliced("uuid")),
        (own(value="/srv; id"), ".command", own(value="/srv/a-b")),
        (own(constant=False), ".command", nothing),
    ],
    "variable-name": [
        (lambda c: c["playbook_variables"].update(plain={"type": "string"}), ".plain", nothing),
        (lambda c: c["playbook_variables"].update({"____x__": {"type": "string"}}), ".____x__", nothing),
        (_own_name("__" + "a" * 201 + "__"), "__", _own_name("__" + "a" * 200 + "__")),
    ],
    "variable-lower": [(_own_name("__Path__"), ".__Path__", _own_name("__path-2__"))],
    "variable-bare": [
        (at("decide", condition="__count__:value = '__kind__'"), ".condition", nothing),
        (command("alarm", command="See __kind__"), ".commands[0]", command("reset", command="echo __init__")),
    ],
    "variable-value": [
        *((value(kind, bad), ".value", value(kind, good)) for kind, bad, good in (
            ("integer", "abc", "-5"), ("long", "9223372036854775808", "9223372036854775807"), ("float", "1,5", "1.5e3"),
            ("bool", "True", "true"), ("ipv4-addr", "abc", "10.0.0.0/8"), ("ipv4-addr", "1.2.3.4; rm", "1.2.3.4"),
            ("ipv6-addr", "1.2.3.4", "::1"), ("mac-addr", "aa-bb", "aa-bb-cc-dd-ee-ff"), ("hexstring", "0xa", "0x0a"),
            ("hash", "abc", "0" * 40), ("md5-hash", "0" * 31, "0" * 32), ("sha256-hash", "z" * 64, "0" * 64),
            ("uri", "no uri", "https://x.example/"), ("uuid", "1", "00000000-0000-4000-8000-000000000001"),
            ("dictionary", "[]", "{}"), ("dictionary", "{", {"a": [1]}), ("string", {"a": 1}, "anything; even this"),
        )),
        (own(type="integer"), ".value", nothing),
    ],
    "variable-undeclared": [
        (lambda c: c["playbook_variables"].pop("__user__"), ".user_id", nothing),
        (command("alarm", command="See __path__:value"), ".command", nothing),
        (command("watch", content=None, content_b64=b64("__new__:value")), ".content_b64", nothing),
        (at("decide", condition="__new__:value = 1"), ".condition", nothing),
        (inside("agent_definitions", "api", address={"url": ["__new__:value"]}), ".url[0]", nothing),
    ],
    "variable-unused": [
        (variable("__new__", value="x"), ".__new__", nothing),
        (command("scan", command="scan /srv"), ".__path__", nothing),
    ],
    "variable-unset": [
        (variable("__kind__", external=False), ".__kind__", variable("__kind__", external=False, value="")),
        (lambda c: step(c, "scan")["step_variables"]["__path__"].pop("value"), ".__path__", nothing),
    ],
    "variable-shadow": [(_own_name("__kind__"), ".__kind__", nothing)],
    "variable-external": [(own(external=True), ".external", own(external=False))],
    "variable-constant": [
        (variable("__count__", constant=True), ".out_args[0]", variable("__count__", constant=False)),
    ],
    "variable-constant-empty": [
        (lambda c: step(c, "scan")["step_variables"]["__path__"].pop("value"), ".__path__",
         variable("__kind__", constant=True)),
    ],
    "extension-names": [
        (lambda c: c["playbook_extensions"][FOREIGN].update({"Xy": 1}), ".Xy",
         lambda c: c["playbook_extensions"][FOREIGN].update({"x_2": 1})),
    ],
    "extension-version": [(_definition(version="1"), ".version", _definition(version="1.2.3-rc.1"))],
    "marking-undefined": [
        (lambda c: c[MARKS].pop(ref("light")), "$.markings[1]", nothing),
    ],
    "marking-id": [(inside(MARKS, "light", id=ref("words")), ".id", nothing)],
    "marking-versioned": [(inside(MARKS, "light", modified=STAMP), ".modified", nothing)],
    "marking-tlp-many": [
        (both(lambda c: c[MARKS].update({ref("policy"): {
            "type": "marking-tlp", "id": ref("policy"), "created_by": IDENTITY, "created": STAMP,
            "tlpv2_level": "TLP:RED"}}), lambda c: c["markings"].append(ref("policy"))), "$.markings", nothing),
    ],
    "marking-iep-value": [(inside(MARKS, "policy", attribution="always"), ".attribution",
                           inside(MARKS, "policy", attribution="must not"))],
    "signature-key": [
        (signature(thumbprint=None), "$.signatures[0]", signature(thumbprint=None, cert_url="https://x.example/c")),
        (signature(public_key="MII"), "$.signatures[0]", nothing),
        (_counter(public_key="MII"), "$.signatures[0].signature", nothing),
    ],
    "signature-related": [
        (signature(related_to=ref("origin")), "$.signatures[0]", nothing),
        (signature(related_version="2026-11-26T00:00:00.000Z"), "$.signatures[0]", nothing),
    ],
    "signature-value": [(signature(value="a b"), ".value", signature(value="YWI"))],
    "signature-hash": [
        (signature(hash_algorithm="md5"), "$.signatures[0]", signature(hash_algorithm="sha-512")),
        (signature(algorithm="HS256"), "$.signatures[0]", signature(algorithm="ES256")),
    ],
    "signature-revoked": [(signature(revoked=True), ".revoked", nothing)],
}  # fmt: skip
