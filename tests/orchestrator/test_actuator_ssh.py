"""Commands over a real sshd: known hosts only, listed texts only, values as they are."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tocsin.orchestrator.actuators.base import Malformed, Order, Refused, Unavailable
from tocsin.orchestrator.actuators.setup import Setup, SetupError
from tocsin.orchestrator.actuators.ssh import Ssh, is_among, make_ssh
from tocsin.tests.orchestrator.real_sshd import Sshd, running_sshd
from tocsin.tests.orchestrator.test_actuator_shell import EVIL

ECHO = 'printf "__y__="; printf "%s" __x__:value | od -An -v -tx1 | tr -d " \\n"; echo; echo __ticket__=T-9'


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as it:
        yield it


def actuator(folder: Path, sshd: Sshd, *texts: str, **more: Any) -> Ssh:
    owner = {
        "username": sshd.user,
        "client_key": str(sshd.key),
        "hosts": ["127.0.0.0/24"],
        "allow": [_digest(text) for text in texts],
    }
    known = more.pop("known_hosts", sshd.known_hosts)
    return make_ssh(Setup("ssh", folder, {"known_hosts": str(known), "owners": {"edge": {**owner, **more}}}))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def order(sshd: Sshd, text: str, key: str = "k", **more: Any) -> Order:
    target = {"type": "ssh", "address": {"ipv4": ["127.0.0.1"]}, "port": str(sshd.port)}
    return Order(key, "edge", {"text": text}, "ssh", **{"target": target, **more})


def test_any_value_arrives_as_it_is(tmp_path: Path, sshd: Sshd) -> None:
    """Byte for byte, over the far shell; and what the step asks for comes back."""
    it = actuator(tmp_path, sshd, ECHO)
    for number, value in enumerate(EVIL):
        sent = order(
            sshd, ECHO, str(number), arguments={"__x__": value}, returns={"__y__": "hexstring", "__ticket__": "string"}
        )
        done = it.carry_out(sent)
        assert dict(done.arguments) == {"__y__": value.encode().hex(), "__ticket__": "T-9"}
        assert done.text == "exit code 0"


def test_a_host_that_is_not_known_hears_nothing(tmp_path: Path, sshd: Sshd) -> None:
    """No key in known_hosts, or another one: refused before any command."""
    text = f"touch {tmp_path}/done"
    nobody, forged = tmp_path / "nobody", tmp_path / "forged"
    nobody.write_text("")
    other = " ".join(Path(f"{sshd.stranger}.pub").read_text().split()[:2])
    forged.write_text(f"[127.0.0.1]:{sshd.port} {other}\n")
    for number, known in enumerate((nobody, forged)):
        with pytest.raises(Refused, match="known_hosts"):
            actuator(tmp_path, sshd, text, known_hosts=known).carry_out(order(sshd, text, str(number)))
    assert not (tmp_path / "done").exists()


def test_a_key_that_does_not_open_is_refused(tmp_path: Path, sshd: Sshd) -> None:
    """And no password is tried."""
    with pytest.raises(Refused, match="does not take the key"):
        actuator(tmp_path, sshd, "true", client_key=str(sshd.stranger)).carry_out(order(sshd, "true"))


def test_only_listed_texts_run(tmp_path: Path, sshd: Sshd) -> None:
    """Whatever a playbook says; and only for owners with a login."""
    with pytest.raises(Refused, match="not on the owner's list"):
        actuator(tmp_path, sshd, "true").carry_out(order(sshd, "false"))
    with pytest.raises(Refused, match="no login for this owner"):
        actuator(tmp_path, sshd, "true").carry_out(Order("k2", "shop", {"text": "true"}, "ssh"))


def test_only_the_owners_hosts_are_logged_in_at(tmp_path: Path, sshd: Sshd) -> None:
    """Not every host in known_hosts is one owner's; none listed, none reached."""
    for hosts in ([], ["127.0.0.2", "127.0.1.0/24", "localhost"]):
        with pytest.raises(Refused, match="edge.hosts"):
            actuator(tmp_path, sshd, "true", hosts=hosts).carry_out(order(sshd, "true", str(len(hosts))))
    assert actuator(tmp_path, sshd, "true", hosts=["127.0.0.1"]).carry_out(order(sshd, "true")).status == 200
    assert is_among("Web.Example.", ["web.example"]) and not is_among("web.example.evil", ["web.example"])
    assert is_among("fd77:0::1", ["fd77::/64"])


def test_exit_codes_ends_in_time_and_absence_are_told_apart(tmp_path: Path, sshd: Sshd) -> None:
    """Failed with its words; unknown and not repeated; not reached and free to try again."""
    fails, slow = "echo sorry >&2; exit 4", f"echo x >> {tmp_path}/lines; sleep 20"
    with pytest.raises(Malformed, match="exit code 4: sorry"):
        actuator(tmp_path, sshd, fails).carry_out(order(sshd, fails, "1"))
    dies = "kill -9 $$"
    with pytest.raises(Malformed, match=r"without an exit code \(signal KILL\)"):
        actuator(tmp_path, sshd, dies).carry_out(order(sshd, dies, "4"))
    for told in (r"longer than 6 s", "not repeated"):
        with pytest.raises(Unavailable, match=told):
            actuator(tmp_path, sshd, slow).carry_out(order(sshd, slow, "2", timeout_s=6))
    assert (tmp_path / "lines").read_text() == "x\n"
    gone = {"type": "ssh", "address": {"ipv4": ["127.0.0.1"]}, "port": "9"}
    for _ in range(2):
        with pytest.raises(Unavailable, match="is not reached"):
            actuator(tmp_path, sshd, "true").carry_out(order(sshd, "true", "3", target=gone))
    assert actuator(tmp_path, sshd, "true").carry_out(order(sshd, "true", "3")).status == 200


def test_files_that_are_missing_are_named(tmp_path: Path, sshd: Sshd) -> None:
    """Without known hosts there is no ssh."""
    with pytest.raises(SetupError, match="known_hosts"):
        make_ssh(Setup("ssh", tmp_path))
    with pytest.raises(SetupError, match="'gone'"):
        actuator(tmp_path, sshd, client_key="gone")
    assert shutil.which("ssh")
