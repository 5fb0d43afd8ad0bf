"""What every host of the range serves: a real sshd with keys of its own, a real HTTP server.

Flows in: a plan, a folder. Flows out: processes inside the hosts' namespaces; their files lie below the folder. Keys
are made anew for each range and open nothing else: sshd takes no passwords and listens inside the namespace alone.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from .machine import call, find, start
from .topology import HTTP, OPENED, SSH, Host, Plan, RangeError

IDENTITY_KEY: Final = "identity"  # file of the reused key, below the folder
PRIVILEGE_FOLDER: Final = Path("/run/sshd")  # sshd wants it; Debian makes it when the service starts
CONFIG: Final = """\
Port {port}
AddressFamily any
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no
PrintMotd no
SetEnv TOCSIN_HOST={asset}
"""


def start_services(plan: Plan, folder: Path) -> None:
    """Make keys and files, start the servers.

    Raises:
        RangeError: a tool failed.
    """
    _make_key(folder / IDENTITY_KEY)
    public = (folder / f"{IDENTITY_KEY}.pub").read_text()
    PRIVILEGE_FOLDER.mkdir(mode=0o755, exist_ok=True)
    known = []
    for host in plan.hosts:
        home = folder / "hosts" / host.wire
        (home / "www").mkdir(parents=True)
        _make_key(home / "host_key")
        key = " ".join((home / "host_key.pub").read_text().split()[:2])
        known += [f"{address} {key}" for address in (host.ipv4, host.ipv6)]
        authorized = home / "authorized_keys"
        authorized.write_text(public if host.place in OPENED else "")
        authorized.chmod(0o600)
        (home / "www" / "index.html").write_text(f"{host.asset}\n")
        (home / "sshd_config").write_text(CONFIG.format(port=SSH, folder=home, asset=host.asset))
        _start(host, home)
    (folder / "known_hosts").write_text("\n".join(known) + "\n")


def ssh_words(folder: Path, host: Host, *command: str, ipv6: bool = False) -> list[str]:
    """Give the words of an ssh with the reused key to a host; to be run inside a namespace of the range."""
    address = host.ipv6 if ipv6 else host.ipv4
    options = {
        "IdentityFile": str(folder / IDENTITY_KEY),
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": str(folder / "known_hosts"),
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": "2",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "none", *words, f"root@{address}", *command]


def _make_key(path: Path) -> None:
    call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tocsin range", "-f", str(path)])
    os.chmod(path, 0o600)


def _start(host: Host, home: Path) -> None:
    sshd = find("sshd")
    if sshd is None:
        raise RangeError("sshd is not installed; install the package openssh-server")
    start(host.namespace, [sshd, "-D", "-e", "-f", str(home / "sshd_config")], str(home / "sshd.log"))
    www = str(home / "www")
    server = [sys.executable, "-m", "http.server", str(HTTP), "--bind", "::", "--directory", www]
    start(host.namespace, server, str(home / "http.log"))
