"""Orders of type `ssh`: one command on an owner's host, over a connection whose host key is known.

Flows in: orders whose text is a program and whose target (or agent) has an address. Flows out: outcomes. Where to, as
whom and with which key is the owner's setting; a host whose key is not in `known_hosts` is not spoken to, and no
password is ever sent. Only texts on the owner's list run. Values travel as variables in an alphabet that no shell reads
(see `program_text`), for login shells of the POSIX kind.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Final

import asyncssh
from pydantic import Field

from .base import Malformed, Order, Outcome, Refused, Unavailable
from .journal import Journal, NotSent
from .program_text import for_posix, posix_assignments, used
from .saying import why_it_failed
from .setup import Part, Setup, SetupError
from .shell import DIGEST, returned

TIMEOUT_S: Final = 60.0  # where the step names none; assumed
CONNECT_S: Final = 10.0
MAX_OUTPUT: Final = 64_000  # bytes of each stream
PORT: Final = 22
ADDRESSES: Final = ("ipv4", "ipv6", "dname")


class OwnerPart(Part):
    """How to log in at one owner's hosts."""

    username: str
    client_key: str  # file of a private key without passphrase
    hosts: tuple[str, ...] = ()  # names, addresses and networks that are this owner's; no other is logged in at
    allow: tuple[Annotated[str, Field(pattern=DIGEST)], ...] = ()  # SHA-256 of texts, as their authors wrote them


class SshSettings(Part):
    """Whose hosts may be logged in at."""

    known_hosts: str = ""  # file in OpenSSH's form; needed
    owners: dict[str, OwnerPart] = Field(default_factory=dict)


@dataclass(slots=True)
class Ssh:
    """Runs commands on owners' hosts; lives as long as its node."""

    setup: Setup
    settings: SshSettings
    journal: Journal

    @property
    def is_shared(self) -> bool:
        """True: several threads may use it at once."""
        return True

    @property
    def removes_duplicates(self) -> bool:
        """True: by its journal."""
        return True

    def carry_out(self, order: Order) -> Outcome:
        """Run the command once.

        Raises:
            Refused: no such owner, a text that is not on its list, an unknown host key, a login that says no.
            Malformed: an exit code other than 0, or none; it may have done a part.
            Unavailable: not reached, no end in time, or begun before and never ended.
        """
        return self.journal.once(order, lambda: self._run(order))

    def read(self, order: Order) -> Outcome | None:
        """Give what came of it before."""
        return self.journal.read(order)

    def _run(self, order: Order) -> Outcome:
        place = f"order {order.key} (ssh to {order.owner!r})"
        owner = self.settings.owners.get(order.owner)
        if owner is None:
            raise Refused(f"{place}: no login for this owner; add ssh.owners.{order.owner} to the settings")
        text = str(order.command.get("text", ""))
        digest = hashlib.sha256(text.encode()).hexdigest()
        if digest not in owner.allow:
            raise Refused(f"{place}: not on the owner's list of commands; add the digest {digest} of the text")
        program = for_posix(text, order.arguments, place)
        program = posix_assignments(used(text), order.arguments) + program
        host, port = address_of(order, place)
        if not is_among(host, owner.hosts):
            raise Refused(f"{place}: {host[:120]!r} is not in ssh.owners.{order.owner}.hosts; add it if it is theirs")
        timeout = order.timeout_s or TIMEOUT_S
        try:
            return asyncio.run(self._exchange(order, owner, (host, port), program, timeout, place))
        except asyncssh.HostKeyNotVerifiable:
            raise Refused(f"{place}: the key of {host} is not the one in known_hosts; look who answers there") from None
        except asyncssh.PermissionDenied:
            raise Refused(f"{place}: {host} does not take the key of {owner.username!r}; mend the settings") from None
        except TimeoutError:
            told = "it may have done a part; a step that needs longer names a timeout"
            raise Unavailable(f"{place}: took longer than {timeout:g} s; {told}") from None
        except (asyncssh.Error, OSError) as error:
            raise Unavailable(f"{place}: the connection to {host} broke ({type(error).__name__})") from None

    async def _exchange(
        self, order: Order, owner: OwnerPart, where: tuple[str, int], program: str, timeout_s: float, place: str
    ) -> Outcome:
        host, port = where
        async with asyncio.timeout(timeout_s):
            try:
                connection = await asyncssh.connect(
                    host,
                    port,
                    username=owner.username,
                    client_keys=[str(self.setup.path(owner.client_key))],
                    known_hosts=str(self.setup.path(self.settings.known_hosts)),
                    config=None,
                    agent_path=None,
                    password_auth=False,
                    kbdint_auth=False,
                    host_based_auth=False,
                    connect_timeout=min(CONNECT_S, timeout_s),
                )
            except (asyncssh.HostKeyNotVerifiable, asyncssh.PermissionDenied):
                raise
            except (asyncssh.Error, OSError, TimeoutError) as error:  # before any command was sent
                raise NotSent(f"{place}: {host} port {port} is not reached ({type(error).__name__})") from None
            async with connection:
                done = await connection.run(program, stdin=asyncssh.DEVNULL, check=False, errors="replace")
        output, errors = str(done.stdout or "")[:MAX_OUTPUT], str(done.stderr or "")[:MAX_OUTPUT]
        if done.exit_status is None or done.exit_signal:
            signal = done.exit_signal[0] if done.exit_signal else "unknown"  # the rest of it is the other side's text
            raise Malformed(f"{place}: ended without an exit code (signal {signal[:20]})")
        if done.exit_status != 0:
            raise Malformed(f"{place}: exit code {done.exit_status}{why_it_failed(errors or output, order)}")
        return Outcome(200, "exit code 0", arguments=returned(output, order.returns))


def address_of(order: Order, place: str) -> tuple[str, int]:
    """Where an order goes: its target's address, else its agent's; one address of the target, the first.

    Raises:
        Refused: neither has one.
    """
    for definition in (order.target, order.agent):
        addresses = dict(definition.get("address") or {})
        for kind in ADDRESSES:
            if addresses.get(kind):
                port = str(definition.get("port") or PORT)
                if not port.isdecimal() or not 0 < int(port) < 65_536:
                    raise Refused(f"{place}: port {port[:20]!r} is none; mend the playbook's target")
                return str(addresses[kind][0]), int(port)
    raise Refused(f"{place}: neither target nor agent has an address ({', '.join(ADDRESSES)}); mend the playbook")


def is_among(host: str, listed: Iterable[str]) -> bool:
    """Whether a host is one of those listed: a name by its letters, an address by its value or its network."""
    try:
        address = ip_address(host)
    except ValueError:
        return host.lower().rstrip(".") in {one.lower().rstrip(".") for one in listed}
    return any(address in network for network in _networks(listed))


def _networks(listed: Iterable[str]) -> Iterator[IPv4Network | IPv6Network]:
    for one in listed:
        with contextlib.suppress(ValueError):  # a name
            yield ip_network(one)


def make_ssh(setup: Setup) -> Ssh:
    """Factory of the entry point `ssh`.

    Raises:
        SetupError: settings or files that cannot be used.
    """
    settings: SshSettings = setup.read(SshSettings)
    files = [settings.known_hosts, *(owner.client_key for owner in settings.owners.values())]
    for name in files:
        if not name or not setup.path(name).is_file():
            raise SetupError(f"ssh: file {name!r} is not there; give known_hosts and each owner's client_key")
    return Ssh(setup, settings, Journal(setup.state))
