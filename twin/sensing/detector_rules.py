"""What each detector looks for: one row per rule, a condition and two marks that make it surer.

Flows in: one event with the memory of what came before. Flows out: a confidence or nothing. A rule whose condition is
met gives LOW, each mark that is met as well lifts it one bin. Techniques are those of the step classes in
`vocabulary.py`; conditions follow the public rule sets' usual ideas (Sigma, Falco), thresholds are assumed and would
be settled by telemetry of the owners' real systems.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ..vocabulary import Confidence, SensorClass, StepClass
from .detector_memory import Memory, Trace, is_unseen
from .events import Event, EventClass

ADMIN_PORTS: Final = frozenset({22, 445, 3389, 5900, 5985})  # IANA: ssh, smb, rdp, vnc, winrm
MANAGEMENT_PORTS: Final = frozenset({2375, 2376, 5000, 6443, 10250})  # container runtimes, registries, Kubernetes
SHELLS: Final = frozenset({"sh", "bash", "dash", "busybox", "powershell.exe", "cmd.exe"})
SERVERS: Final = frozenset({"nginx", "httpd", "java", "node", "python", "php-fpm", "dotnet"})
REMOTE: Final = frozenset({"sshd", "wsmprovhost.exe", "telnetd"})
AGENTS: Final = frozenset({"kubelet", "ansible", "salt-minion", "containerd-shim", "chef-client"})
KEEPERS: Final = frozenset({"sshd", "kubelet", "systemd", "login", "vault"})  # may read credentials
PACKAGERS: Final = frozenset({"dpkg", "rpm", "apk", "systemd"})  # may write autostarts
ESCALATORS: Final = frozenset({"sudo", "su", "cron", "systemd"})  # may turn a user into root
ARCHIVERS: Final = frozenset({"tar", "7z", "zip", "pg_dump", "mysqldump"})
RUNTIME_CALLS: Final = frozenset({"containers/create", "containers/exec", "host/mount"})

EXPLOIT_MARKS: Final = re.compile(r"\$\{jndi:|\.\./|%2e%2e|union(?:\+|%20)select|;(?:id|wget|curl)\b|%{\(", re.I)
RECON: Final = re.compile(r"\b(?:whoami|id|uname|ifconfig|ip addr|net user)\b")
CREDENTIALS: Final = re.compile(r"/etc/shadow|\.aws/credentials|serviceaccount/token|/\.ssh/id_|lsass|\.kube/config")
AUTOSTART: Final = re.compile(r"/cron\.|/systemd/system/|authorized_keys|/rc\.local|\\CurrentVersion\\Run")
TEMPORARY: Final = re.compile(r"^/(?:tmp|dev/shm|var/tmp)/")
STOPS: Final = re.compile(r"systemctl stop|vssadmin delete|kubectl delete|net stop")
DOWNLOADS: Final = re.compile(r"\b(?:curl|wget)\b|/dev/tcp/")

FAILURES: Final = 5  # failed logons within the window that make a burst
RENAMES: Final = 100  # files renamed by one process in one record
VOLUME: Final = 100_000_000  # bytes sent out in one record
FLOOD: Final = 100_000  # packets in one record
PROBE: Final = 3  # packets of a connection that was tried and not used, at most
SCAN: Final = 8  # ports of one asset that one source tries within the window
BEACONS: Final = 5  # calls whose intervals are compared
REGULAR: Final = 0.2  # coefficient of variation of a beacon's intervals at most
DEVIATION: Final = 0.1  # share by which a process may differ from what it was told

Test = Callable[[Event, Memory], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One detector: `condition` gives LOW, each of `marks` lifts it one bin."""

    name: str
    sensor: SensorClass
    step_class: StepClass
    reads: EventClass
    condition: Test
    marks: tuple[Test, Test]

    def judge(self, event: Event, memory: Memory) -> Confidence | None:
        """Say how sure the rule is, None where its condition is not met."""
        if not self.condition(event, memory):
            return None
        return Confidence(sum(mark(event, memory) for mark in self.marks))


def _unseen(event: Event, memory: Memory) -> bool:
    return is_unseen(event, memory.baseline)


def _stranger(event: Event, memory: Memory) -> bool:
    return event.source not in memory.baseline.known


def _unusual_logon(event: Event, memory: Memory) -> bool:
    return (event.user, event.asset, event.source) not in memory.baseline.logons


def _is_probe(event: Event | Trace) -> bool:
    return 0 < event.packets <= PROBE


def _ports_tried(event: Event, memory: Memory) -> set[int]:
    calls = memory.lately(event, "call", event.asset, event.destination)
    return {one.port for one in calls if one.source == event.source and _is_probe(one)}


def _failures(event: Event, memory: Memory) -> tuple[Trace, ...]:
    return memory.lately(event, "failure", event.asset, event.source)


def _variation(event: Event, memory: Memory) -> float:
    """Coefficient of variation of the last intervals between calls; infinite where there are too few."""
    times = [one.time_ms for one in memory.lately(event, "call", event.asset, event.destination)][-BEACONS:]
    if len(times) < BEACONS or times[-1] == times[0]:
        return float("inf")
    gaps = [later - earlier for earlier, later in zip(times[:-1], times[1:], strict=True)]
    return statistics.pstdev(gaps) / statistics.fmean(gaps)


def _odd_ticket(event: Event, memory: Memory) -> bool:
    return memory.lately(event, "ticket", event.user)[0].source != event.source


def _out_of_range(event: Event, share: float = 0.0) -> bool:
    slack = share * (event.high - event.low)
    return not event.low - slack <= event.value <= event.high + slack


def _strange_station(event: Event, memory: Memory) -> bool:
    return (event.source, event.asset) not in memory.baseline.stations


def _deviation(event: Event, memory: Memory) -> float:
    told = memory.lately(event, "told", event.asset)
    span = event.high - event.low
    return abs(event.value - told[-1].value) / span if told and span > 0 else 0.0


_NETWORK, _HOST = SensorClass.NETWORK, SensorClass.HOST
_AUTHENTICATION, _CONTROL = SensorClass.AUTHENTICATION, SensorClass.CONTROL

_ALL: Final = (
    Rule(
        "exploit in a request",
        _NETWORK,
        StepClass.EXPLOIT,
        EventClass.HTTP,
        lambda e, m: EXPLOIT_MARKS.search(e.url) is not None,
        (lambda e, m: e.http_code >= 500, lambda e, m: len(e.url) > 200),
    ),
    Rule(
        "unseen flow to an administration port",
        _NETWORK,
        StepClass.VALID_ACCOUNT,
        EventClass.NETWORK,
        lambda e, m: e.port in ADMIN_PORTS and _unseen(e, m) and not _is_probe(e),
        (_stranger, lambda e, m: e.bytes_out > 1_000_000),
    ),
    Rule(
        "unseen flow to a management port",
        _NETWORK,
        StepClass.TRUST,
        EventClass.NETWORK,
        lambda e, m: e.port in MANAGEMENT_PORTS and _unseen(e, m) and not _is_probe(e),
        (_stranger, lambda e, m: e.bytes_out > 1_000_000),
    ),
    Rule(
        "much data sent out",
        _NETWORK,
        StepClass.COLLECTION,
        EventClass.NETWORK,
        lambda e, m: e.bytes_out >= VOLUME and _unseen(e, m),
        (lambda e, m: e.bytes_out >= 10 * VOLUME, lambda e, m: e.destination not in m.baseline.known),
    ),
    Rule(
        "flood of packets",
        _NETWORK,
        StepClass.IMPACT,
        EventClass.NETWORK,
        lambda e, m: e.packets >= FLOOD,
        (_stranger, lambda e, m: e.packets >= 10 * FLOOD),
    ),
    Rule(
        "regular calls to a stranger",
        _NETWORK,
        StepClass.PRESENCE,
        EventClass.NETWORK,
        lambda e, m: e.destination not in m.baseline.known and _variation(e, m) <= REGULAR,
        (lambda e, m: _variation(e, m) <= REGULAR / 4, lambda e, m: e.port not in (80, 443)),
    ),
    Rule(
        "many ports tried",
        _NETWORK,
        StepClass.DISCOVERY,
        EventClass.NETWORK,
        lambda e, m: _is_probe(e) and _unseen(e, m) and len(_ports_tried(e, m)) >= SCAN,
        (_stranger, lambda e, m: not _ports_tried(e, m).isdisjoint(ADMIN_PORTS | MANAGEMENT_PORTS)),
    ),
    Rule(
        "server starts a shell",
        _HOST,
        StepClass.EXPLOIT,
        EventClass.PROCESS,
        lambda e, m: e.activity == 1 and e.process in SHELLS and e.parent in SERVERS,
        (lambda e, m: DOWNLOADS.search(e.command) is not None, lambda e, m: "base64" in e.command),
    ),
    Rule(
        "remote session looks around",
        _HOST,
        StepClass.VALID_ACCOUNT,
        EventClass.PROCESS,
        lambda e, m: e.parent in REMOTE and e.process in SHELLS and RECON.search(e.command) is not None,
        (lambda e, m: "HISTFILE=" in e.command, lambda e, m: "nmap" in e.command or "netstat" in e.command),
    ),
    Rule(
        "credential store read",
        _HOST,
        StepClass.CREDENTIAL_ACCESS,
        EventClass.FILE,
        lambda e, m: e.activity == 2 and CREDENTIALS.search(e.path) is not None and e.parent not in KEEPERS,
        (lambda e, m: e.count >= 5, lambda e, m: e.parent in SHELLS),
    ),
    Rule(
        "root process of a common user",
        _HOST,
        StepClass.PRIVILEGE_ESCALATION,
        EventClass.PROCESS,
        lambda e, m: e.privileged and e.actor != "" and not e.actor_privileged and e.parent not in ESCALATORS,
        (lambda e, m: TEMPORARY.match(e.process_path) is not None, lambda e, m: e.process in SHELLS),
    ),
    Rule(
        "runtime called from inside a container",
        _HOST,
        StepClass.ESCAPE,
        EventClass.API,
        lambda e, m: e.operation in RUNTIME_CALLS and e.source == e.asset,
        (lambda e, m: "privileged" in e.flags, lambda e, m: "host-path" in e.flags),
    ),
    Rule(
        "management agent starts a shell",
        _HOST,
        StepClass.TRUST,
        EventClass.PROCESS,
        lambda e, m: e.parent in AGENTS and e.process in SHELLS,
        (lambda e, m: DOWNLOADS.search(e.command) is not None, lambda e, m: "base64" in e.command),
    ),
    Rule(
        "autostart written",
        _HOST,
        StepClass.PERSISTENCE,
        EventClass.FILE,
        lambda e, m: e.activity in (1, 3) and AUTOSTART.search(e.path) is not None and e.parent not in PACKAGERS,
        (lambda e, m: e.parent in SHELLS, lambda e, m: "/." in e.path),
    ),
    Rule(
        "archive put aside",
        _HOST,
        StepClass.COLLECTION,
        EventClass.PROCESS,
        lambda e, m: e.process in ARCHIVERS and re.search(r"/(?:tmp|dev/shm)/", e.command) is not None,
        (lambda e, m: "--password" in e.command, lambda e, m: "--split" in e.command),
    ),
    Rule(
        "many files renamed",
        _HOST,
        StepClass.IMPACT,
        EventClass.FILE,
        lambda e, m: e.activity == 5 and e.count >= RENAMES,
        (lambda e, m: e.count >= 10 * RENAMES, lambda e, m: e.path.endswith((".locked", ".enc", ".crypt"))),
    ),
    Rule(
        "services stopped by a shell",
        _HOST,
        StepClass.IMPACT,
        EventClass.PROCESS,
        lambda e, m: STOPS.search(e.command) is not None and e.parent in SHELLS,
        (lambda e, m: e.count >= 5, lambda e, m: "--force" in e.command),
    ),
    Rule(
        "process out of a temporary folder",
        _HOST,
        StepClass.PRESENCE,
        EventClass.PROCESS,
        lambda e, m: e.activity == 1 and TEMPORARY.match(e.process_path) is not None and not e.privileged,
        (lambda e, m: "(deleted)" in e.process_path, lambda e, m: "/." in e.process_path),
    ),
    Rule(
        "logon from an unusual source",
        _AUTHENTICATION,
        StepClass.VALID_ACCOUNT,
        EventClass.AUTHENTICATION,
        lambda e, m: e.activity == 1 and e.success and e.logon_type != 5 and _unusual_logon(e, m),
        (lambda e, m: len(_failures(e, m)) >= 2, lambda e, m: e.privileged),
    ),
    Rule(
        "burst of failed logons",
        _AUTHENTICATION,
        StepClass.CREDENTIAL_ACCESS,
        EventClass.AUTHENTICATION,
        lambda e, m: not e.success and sum(one.count for one in _failures(e, m)) >= FAILURES,
        (
            lambda e, m: len({one.user for one in _failures(e, m)}) >= 3,
            lambda e, m: sum(one.count for one in _failures(e, m)) >= 4 * FAILURES,
        ),
    ),
    Rule(
        "service account from an unusual source",
        _AUTHENTICATION,
        StepClass.TRUST,
        EventClass.AUTHENTICATION,
        lambda e, m: e.activity == 1 and e.success and e.logon_type == 5 and _unusual_logon(e, m),
        (_stranger, lambda e, m: e.privileged),
    ),
    Rule(
        "new privileged account",
        _AUTHENTICATION,
        StepClass.PERSISTENCE,
        EventClass.ACCOUNT,
        lambda e, m: e.activity in (1, 7) and e.privileged,
        (lambda e, m: e.actor not in m.baseline.known, lambda e, m: e.count >= 2),
    ),
    Rule(
        "ticket used from two places",
        _AUTHENTICATION,
        StepClass.PRESENCE,
        EventClass.AUTHENTICATION,
        lambda e, m: e.activity == 4 and _odd_ticket(e, m),
        (_stranger, lambda e, m: e.privileged),
    ),
    Rule(
        "command outside range or from an unusual station",
        _CONTROL,
        StepClass.IMPACT,
        EventClass.PROCESS_CONTROL,
        lambda e, m: e.activity == 1 and (_out_of_range(e) or _strange_station(e, m)),
        (lambda e, m: _out_of_range(e) and _strange_station(e, m), lambda e, m: _out_of_range(e, 0.5)),
    ),
    Rule(
        "process does not do what it was told",
        _CONTROL,
        StepClass.PRESENCE,
        EventClass.PROCESS_CONTROL,
        lambda e, m: e.activity == 2 and _deviation(e, m) > DEVIATION,
        (lambda e, m: _deviation(e, m) > 3 * DEVIATION, lambda e, m: _out_of_range(e)),
    ),
)

RULES: Final[dict[int, tuple[Rule, ...]]] = {
    int(reads): tuple(rule for rule in _ALL if rule.reads is reads) for reads in {rule.reads for rule in _ALL}
}
