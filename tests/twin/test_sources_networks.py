"""Networks of other simulators: what their files hold, counted by hand, and what they get wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from tocsin.twin.attack.steps import derive_steps
from tocsin.twin.facts import merge
from tocsin.twin.graph import Twin, TwinError
from tocsin.twin.sources import read_paths
from tocsin.twin.vocabulary import AssetKind, Gain

DATA = Path(os.environ.get("TOCSIN_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
TINY = """
subnets: [1, 2]
topology: [[1, 1, 0], [1, 1, 1], [0, 1, 1]]
sensitive_hosts:
  (2, 1): 50
exploits:
  e_ssh: {service: ssh, os: linux, prob: 0.8, access: user}
  e_smb: {service: smb, os: None, prob: 0.5, access: root}
privilege_escalation:
  pe: {process: cron, os: linux, prob: 0.9, access: root}
firewall:
  (0, 1): [ssh]
  (1, 2): [ssh, smb]
  (2, 1): []
host_configurations:
  (1, 0): {os: linux, services: [ssh, smb], processes: [cron]}
  (2, 0): {os: linux, services: [ssh], processes: []}
  (2, 1):
    os: windows
    services: [ssh, smb]
    processes: []
    firewall:
      (1, 0): [smb]
"""
C4 = """
subnets: {SUBNET.INTERNET: 10.0.0.0/24, SUBNET.OFFICE: 10.0.1.0/24, SUBNET.ZONE: 10.0.2.0/24}
hosts:
  root_internet_host_0: {os: LINUX, services: {}, processes: []}
  office_subnet_user_host_0: {os: LINUX, services: {SSHD: {}}, processes: [{name: ProcessName.SSHD, ports: [22]}]}
  zone_subnet_server_host_0: {os: LINUX, services: {OTSERVICE: {}}, processes: []}
comms_policy: {0: [[office_subnet, internet_subnet], [office_subnet, zone_subnet]], 1: []}
mission_phase_at_reset: 0
agents: {red_agent_0: {allowed_subnets: [office_subnet]}}
"""


def steps_of(twin: Twin, *techniques: str) -> set[tuple[str, str, Gain, float]]:
    """(source, target, gain, probability) of steps, by names of assets."""
    names = {asset.id: asset.name for asset in twin.assets}
    return {
        (names[step.source], names[step.target], step.gains, step.probability)
        for step in derive_steps(twin)
        if step.technique in techniques
    }


def read(text: str, folder: Path) -> Twin:
    file = folder / "network.yaml"
    file.write_text(text)
    return merge(read_paths([file], "lab").facts).twin


def test_nasim_exploits_follow_topology_firewalls_and_systems(tmp_path: Path) -> None:
    """A subnet's firewall allows, a host's own denies, an exploit fits its operating system, odds are as stated."""
    twin = read(TINY, tmp_path)
    assert steps_of(twin, "T1190") == {("internet", "host-1-0", Gain.USER, 0.8)}
    assert steps_of(twin, "T1068") == {("host-1-0", "host-1-0", Gain.ADMIN, 0.9)}
    remote = {row for row in steps_of(twin, "T1210") if row[0] != row[1]}
    assert ("subnet-1", "host-2-0", Gain.USER, 0.8) in remote
    assert not any(source in ("subnet-1", "host-1-0") and target == "host-2-1" for source, target, *_ in remote)
    assert ("subnet-2", "host-2-1", Gain.ADMIN, 0.5) in remote
    assert not any(source == "subnet-2" and target == "host-1-0" for source, target, *_ in remote)
    assert [asset.name for asset in twin.assets if asset.crown_jewel] == ["host-2-1"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("(2, 1): 50", "(2, 7): 50", r":5: there is no host \(2, 7\)"),
        ("(2, 1): 50", "nowhere: 50", ":5: 'nowhere' is no pair of numbers"),
        ("(2, 1): 50", "(2, 1): much", ":5: 'much' is no number"),
        ("prob: 0.8", "prob: 80", ":7: prob 80 of 'e_ssh'"),
        ("prob: 0.8, access: user", "prob: 0.8, access: god", ":7: access 'god'"),
        ("[0, 1, 1]]", "[0, 1]]", ":3: topology must be 3 rows of 3"),
        ("subnets: [1, 2]", "subnets: [1, 3]", r"host \(2, 2\) has no configuration"),
        ("subnets: [1, 2]", "subnets: [1, -2]", ":2: '-2' is no number of hosts"),
        ("(2, 1): []", "(2, 9): []", ":14: .* names a subnet"),
        ("services: [ssh], ", "services: {a: b}, ", ":17: 'services' must be a list"),
        ("services: [ssh], ", "services: [ssh, ssh], ", ":17: services names one twice"),
        ("firewall:\n      (1, 0): [smb]", "firewall: [smb]", ":22: 'firewall' must be a mapping"),
    ],
)
def test_broken_nasim_files_are_named_with_line_and_mend(tmp_path: Path, old: str, new: str, says: str) -> None:
    """One line that names file and line."""
    assert old in TINY
    with pytest.raises(TwinError, match=says) as error:
        read(TINY.replace(old, new, 1), tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["tiny", "small", "small-honeypot", "small-linear", "medium", "medium-single-site"])
def test_real_nasim_scenarios(name: str) -> None:
    """Hosts and services as listed in the files; each has a way in from the internet."""
    path = real(f"nasim/{name}.yaml")
    listed = yaml.safe_load(path.read_bytes())["host_configurations"].values()
    twin = merge(read_paths([path], "lab").facts).twin
    counts = [sum(asset.kind is kind for asset in twin.assets) for kind in (AssetKind.HOST, AssetKind.SERVICE)]
    assert counts == [len(listed), sum(len(host["services"]) for host in listed)]
    assert steps_of(twin, "T1190")


def test_cage4_topology_begins_where_red_begins(tmp_path: Path) -> None:
    """The session of the red agent is the only way in; subnets that may talk are open to one another."""
    twin = read(C4, tmp_path)
    assert {row[1] for row in steps_of(twin, "T1190")} == {"office_subnet_user_host_0"}
    moved = {(link.source.split("/")[-1], link.target.split("/")[-1]) for link in twin.links if "." in link.target}
    assert ("office_subnet", "zone_subnet_server_host_0.OTSERVICE") in moved
    assert ("zone_subnet", "office_subnet_user_host_0.SSHD") in moved


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("zone_subnet_server_host_0: {os", "lost_host: {os", ":6: host 'lost_host' begins with the name of no subnet"),
        ("mission_phase_at_reset: 0", "mission_phase_at_reset: 7", "no phase '7'"),
        ("[office_subnet, zone_subnet]]", "[office_subnet, moon]]", "is no pair of subnets"),
        ("allowed_subnets: [office_subnet]", "allowed_subnets: [moon]", "no host of subnet 'moon'"),
    ],
)
def test_broken_cage4_files_are_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in C4
    with pytest.raises(TwinError, match=says):
        read(C4.replace(old, new, 1), tmp_path)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_real_cage4_topologies(seed: int) -> None:
    """Every host of the file is there but the internet's, and each service of each host."""
    path = real(f"cage4/topology-seed{seed}.json")
    content = yaml.safe_load(path.read_bytes())
    twin = merge(read_paths([path], "lab").facts).twin
    hosts = [asset for asset in twin.assets if asset.kind is AssetKind.HOST]
    services = [asset for asset in twin.assets if asset.kind is AssetKind.SERVICE]
    assert len(hosts) == len(content["hosts"]) - 1
    assert len(services) == sum(len(host["services"]) for host in content["hosts"].values()) + 1  # the session
    assert len(steps_of(twin, "T1190")) == 1


def real(relative: str) -> Path:
    path = DATA / relative
    if not path.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{path} is not there; in CI the test data must be")
        pytest.skip(f"{path} is not there; set TOCSIN_TEST_DATA")
    return path


def test_real_cage2_scenario_with_its_images() -> None:
    """Thirteen hosts; red begins on User0; from User nothing but Enterprise lets through to Operational."""
    twin = merge(read_paths([real("cage2/Scenario2.yaml"), real("cage2/images")], "lab").facts).twin
    assert sum(asset.kind is AssetKind.HOST for asset in twin.assets) == 13
    assert {row[1] for row in steps_of(twin, "T1190")} == {"User0"}
    remote = steps_of(twin, "T1210")
    assert not any(source == "User" and target.startswith("Op_") for source, target, *_ in remote)
    assert any(source == "Enterprise" and target == "Op_Server0" for source, target, *_ in remote)
    assert [asset.name for asset in twin.assets if asset.crown_jewel] == ["Op_Server0"]


def test_cage2_without_images_says_what_is_unknown() -> None:
    """A note per host; no service is invented."""
    reading = read_paths([real("cage2/Scenario2.yaml")], "lab")
    assert sum("was not given" in note.what for note in reading.not_understood) == 13
    services = [asset for asset in merge(reading.facts).twin.assets if asset.kind is AssetKind.SERVICE]
    assert [asset.name for asset in services] == ["User0.session"]


CAGE2 = """
Agents: {Red: {starting_sessions: [{hostname: U}]}}
Hosts: {U: {image: I, AvailabilityValue: Low}}
Subnets: {S: {Hosts: [U], NACLs: {all: {in: all, out: all}}}}
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("AvailabilityValue: Low", "AvailabilityValue: Huge", ":3: AvailabilityValue 'Huge' is unknown"),
        ("Hosts: [U]", "Hosts: [U, V]", "host 'V' of subnet 'S' is not under Hosts"),
        ("Hosts: [U]", "Hosts: []", ":3: host 'U' is in no subnet"),
        ("Hosts: {U: {image", "Hosts: {U: {image: [], x", ":3: 'image' must be a plain value"),
        ("[{hostname: U}]", "U", ":2: 'starting_sessions' must be a list"),
    ],
)
def test_broken_cage2_files_are_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in CAGE2
    with pytest.raises(TwinError, match=says):
        read(CAGE2.replace(old, new, 1), tmp_path)


@pytest.mark.parametrize("size", [15, 25, 50])
def test_real_cyberwheel_networks(size: int) -> None:
    """So many hosts; four exploitable services of ten CVEs each; an interface joins hosts across subnets."""
    names = (f"{size}-host-network", "host_defs_services", "windows_exploitable_services")
    twin = merge(read_paths([real(f"cyberwheel/{name}.yaml") for name in names], "lab").facts).twin
    assert sum(asset.kind is AssetKind.HOST for asset in twin.assets) == size
    assert len(twin.weaknesses) == size * 4 * 10
    interfaces = yaml.safe_load(real(f"cyberwheel/{size}-host-network.yaml").read_bytes())["interfaces"]
    pairs = {(source, target) for source, target, *_ in steps_of(twin, "T1210")}
    assert all((host, other) in pairs and (other, host) in pairs for host, near in interfaces.items() for other in near)
    topology = yaml.safe_load(real(f"cyberwheel/{size}-host-network.yaml").read_bytes())["topology"]
    first = next(iter(next(iter(topology.values())).values()))
    entered = {target.split("/")[-1].split(".")[0] for _, target, *_ in steps_of(twin, "T1190")}
    assert entered == set(first)


CYBERWHEEL = """
hosts: {a: {subnet: s, type: t}, b: {subnet: s, type: t}}
subnets: {s: {}}
routers: {r: {}}
topology: {r: {s: [a, b]}}
interfaces: {a: [b]}
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("{a: {subnet: s", "{a: {subnet: z", ":2: subnet 'z' of host 'a' is not under subnets"),
        ("interfaces: {a: [b]}", "interfaces: {a: [c]}", ":6: interface a - c names a host that is not there"),
        ("interfaces: {a: [b]}", "interfaces: {a: b}", ":6: 'a' must be a list"),
    ],
)
def test_broken_cyberwheel_files_are_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in CYBERWHEEL
    with pytest.raises(TwinError, match=says):
        read(CYBERWHEEL.replace(old, new, 1), tmp_path)


def test_where_a_cyberwheel_attacker_begins_is_assumed_and_said(tmp_path: Path) -> None:
    """The internet reaches the first subnet, and a note says so."""
    (tmp_path / "network.yaml").write_text(CYBERWHEEL)
    (tmp_path / "types.yaml").write_text("host_types: {t: {os: linux, services: [Foo]}}\n")
    (tmp_path / "services.yaml").write_text("Foo: {name: Foo, port: 80, cve: [CVE-2020-0001]}\n")
    reading = read_paths([tmp_path], "lab")
    assert any("assumed, internet reaches 's'" in note.what for note in reading.not_understood)
    starts = {source for source, *_ in steps_of(merge(reading.facts).twin, "T1190")}
    assert starts == {"internet"}


def test_a_service_that_no_file_defines_is_named(tmp_path: Path) -> None:
    """Types of hosts may name exploitable services of another file."""
    (tmp_path / "network.yaml").write_text(CYBERWHEEL)
    (tmp_path / "types.yaml").write_text("host_types: {t: {os: linux, services: [Foo]}}\n")
    with pytest.raises(TwinError, match=r"types.yaml:1: service 'Foo' is not defined"):
        read_paths([tmp_path / "network.yaml", tmp_path / "types.yaml"], "lab")
