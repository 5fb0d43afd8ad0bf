"""Docker compose to facts: small stacks drawn by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from tocsin.twin.facts import Fact, Provenance, merge
from tocsin.twin.graph import Owner, Twin, TwinError
from tocsin.twin.sources import read_paths
from tocsin.twin.sources.compose import read_compose
from tocsin.twin.sources.reading import Reading
from tocsin.twin.vocabulary import AssetKind, LinkKind

INTERNET = "internet/external/internet"


def read(text: str) -> Reading:
    return read_compose(text.encode(), "compose.yaml", "o", project="p")


def twin_of(text: str) -> Twin:
    return merge([Fact(Owner("o"), Provenance("test", "test:1", "o")), *read(text).facts]).twin


def links(twin: Twin, kind: LinkKind) -> set[tuple[str, str, int | None]]:
    return {(link.source, link.target, link.port) for link in twin.links if link.kind is kind}


def test_a_service_is_a_container_on_the_host_and_a_service_if_it_has_ports() -> None:
    """Image, version and ports are kept; one without ports has no service asset."""
    twin = twin_of("services:\n  web: {image: 'reg:5000/nginx:1.27', expose: [80]}\n  job: {image: busybox}\n")
    assert links(twin, LinkKind.RUNS_ON) == {
        ("o/container/web", "o/host/p", None),
        ("o/container/job", "o/host/p", None),
        ("o/service/web", "o/container/web", None),
    }
    web = twin.asset_by_id["o/container/web"]
    assert dict(web.attributes) == {"image": "reg:5000/nginx:1.27", "version": "1.27", "ports": "80"}


@pytest.mark.parametrize(
    ("port", "source", "number"),
    [
        ("'8080:80'", INTERNET, 8080),
        ("'80'", INTERNET, 80),
        ("22:22", INTERNET, 22),  # a number in base 60 to YAML 1.1
        ("'127.0.0.1:8080:80'", "o/host/p", 8080),
        ("'[::1]:8080:80/tcp'", "o/host/p", 8080),
        ("'${PORT:-8080}:80'", INTERNET, 8080),
        ("{target: 80, published: '8080', host_ip: 127.0.0.1}", "o/host/p", 8080),
        ("{target: 80, published: 8080}", INTERNET, 8080),
    ],
)
def test_published_ports_are_reached_from_the_internet_or_from_the_host(port: str, source: str, number: int) -> None:
    """What is published on loopback only the host reaches."""
    twin = twin_of(f"services:\n  web: {{image: x, ports: [{port}]}}\n")
    assert (source, "o/service/web", number) in links(twin, LinkKind.REACHES)
    assert (INTERNET in twin.asset_by_id) is (source == INTERNET)


def test_port_ranges_are_written_out_up_to_sixteen() -> None:
    """Of a longer range the first port stands for all; what is no port is noted."""
    short = twin_of("services:\n  a: {image: x, ports: ['7000-7002:8000-8002']}\n")
    assert {port for source, _, port in links(short, LinkKind.REACHES) if source == INTERNET} == {7000, 7001, 7002}
    long = twin_of("services:\n  a: {image: x, ports: ['10000-10500:10000-10500']}\n")
    assert {port for source, _, port in links(long, LinkKind.REACHES) if source == INTERNET} == {10000}
    assert "'http'" in read("services:\n  a: {image: x, ports: ['http']}\n").not_understood[0].what


def test_networks_part_services() -> None:
    """Only members of a network reach what is on it."""
    twin = twin_of(
        "services:\n"
        "  web: {image: x, networks: [front]}\n"
        "  api: {image: x, networks: [front, back], expose: [8000]}\n"
        "  db: {image: x, networks: {back: {aliases: [sql]}}, expose: [5432]}\n"
        "networks: {front: {}, back: {name: backbone}}\n"
    )
    reach = links(twin, LinkKind.REACHES)
    assert ("o/segment/front", "o/service/api", 8000) in reach
    assert ("o/segment/backbone", "o/service/db", 5432) in reach
    assert ("o/segment/front", "o/service/db", 5432) not in reach
    assert ("o/container/web", "o/segment/front", None) in reach
    assert ("o/container/web", "o/segment/backbone", None) not in reach


def test_a_container_on_the_host_network_reaches_what_is_published() -> None:
    """It is a member of no network."""
    twin = twin_of(
        "services:\n  a: {image: x, network_mode: host}\n  b: {image: x, ports: ['127.0.0.1:9:80'], expose: [81]}\n"
    )
    mine = {(target, port) for source, target, port in links(twin, LinkKind.REACHES) if source == "o/container/a"}
    assert mine == {("o/service/b", 9)}


def test_dependencies_join_services_and_leave_out_what_only_has_to_have_run() -> None:
    """Jobs that complete, and what is not required, are no dependency at run time."""
    twin = twin_of(
        "services:\n  a:\n    image: x\n    expose: [1]\n    depends_on:\n"
        "      b: {condition: service_healthy}\n      c: {condition: service_completed_successfully}\n"
        "      d: {required: false}\n  b: {image: x}\n  c: {image: x}\n  d: {image: x}\n"
    )
    assert links(twin, LinkKind.DEPENDS_ON) == {("o/service/a", "o/container/b", None)}


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("networks: [nonet]", "'nonet', which is not under the file's 'networks'"),
        ("networks: {nonet: {}}", "'nonet', which is not under the file's 'networks'"),
        ("volumes: ['novol:/x']", "'novol', which is not under the file's 'volumes'"),
        ("volumes: [{type: volume, source: novol, target: /x}]", "'novol', which is not under the file's 'volumes'"),
        ("secrets: [nosecret]", "'nosecret', which is not under the file's 'secrets'"),
        ("configs: [{source: noconfig}]", "'noconfig', which is not under the file's 'configs'"),
    ],
)
def test_what_is_used_must_be_declared(field: str, told: str) -> None:
    """As docker compose has it: file, line and mend are told."""
    with pytest.raises(TwinError) as refusal:
        read(f"services:\n  a:\n    image: x\n    {field}\n")
    assert str(refusal.value) == (
        f"compose.yaml:4: service 'a' uses {told}; declare it there, or give the file that does as well"
    )


def test_what_cannot_be_checked_is_let_through() -> None:
    """The default network, host paths, names with variables; an included file may declare the rest, which is noted."""
    fields = "networks: [default], secrets: ['${S}'], volumes: ['${DATA}:/a', './b:/b', 'C:\\c:/c', '/d']"
    assert not read(f"services:\n  a: {{image: x, {fields}}}\n").not_understood
    notes = read("include: [other.yaml]\nservices:\n  a: {image: x, networks: [far]}\n").not_understood
    assert "service 'a' uses 'far' of 'networks', which another file of the stack declares" in [n.what for n in notes]


def test_files_of_a_folder_may_declare_for_each_other(tmp_path: Path) -> None:
    """Fragments are meant to be run together: what one declares the other may use."""
    (tmp_path / "base.yaml").write_text("services:\n  a: {image: x}\nnetworks: {back: {}}\n")
    (tmp_path / "more.yaml").write_text("services:\n  b: {image: x, networks: [back]}\n")
    [note] = read_paths([tmp_path], "o").not_understood
    assert note.place.endswith("more.yaml:2") and "'back'" in note.what


def test_a_dependency_that_is_not_there_is_an_error_with_its_place() -> None:
    """As docker compose has it."""
    with pytest.raises(TwinError, match=r"compose.yaml:4: service 'a' depends on 'b', which is not there; "):
        read("services:\n  a:\n    image: x\n    depends_on: [b]\n")


def test_named_volumes_are_data_stores() -> None:
    """Bind mounts and anonymous volumes are not."""
    twin = twin_of(
        "services:\n  db:\n    image: x\n    volumes:\n      - data:/var/lib\n      - ./conf:/etc/c\n      - /tmp/x\n"
        "      - {type: volume, source: logs, target: /log}\nvolumes: {data: , logs: {}}\n"
    )
    assert links(twin, LinkKind.STORES) == {
        ("o/container/db", "o/data_store/data", None),
        ("o/container/db", "o/data_store/logs", None),
    }


@pytest.mark.parametrize(
    ("extra", "privileged"),
    [
        ("privileged: true", True),
        ("privileged: false", False),
        ("cap_add: [SYS_ADMIN]", True),
        ("cap_add: [CAP_NET_BIND_SERVICE]", False),
        ("volumes: ['/var/run/docker.sock:/var/run/docker.sock:ro']", True),
        ("volumes: ['/:/host']", True),
        ("volumes: ['/etc/localtime:/etc/localtime:ro']", False),
        ("pid: host", True),
    ],
)
def test_more_of_the_host_than_docker_gives_is_a_weakness(extra: str, privileged: bool) -> None:
    """CWE-250 on the container."""
    twin = twin_of(f"services:\n  a:\n    image: x\n    {extra}\n")
    assert [(one.id, one.asset) for one in twin.weaknesses] == [("CWE-250", "o/container/a")] * privileged


def test_accounts_of_databases_are_identities_held_by_their_clients() -> None:
    """Clients name the host, share the secret or repeat the password; the password is nowhere in the facts."""
    text = (
        "services:\n"
        "  db: {image: postgres, expose: [5432], environment: {POSTGRES_USER: app, POSTGRES_PASSWORD: s3cret-s3cret}}\n"
        "  api: {image: x, environment: ['DATABASE_URL=postgres://app:s3cret-s3cret@db:5432/app']}\n"
        "  worker: {image: x, environment: {PGPASSWORD: s3cret-s3cret}}\n"
        "  other: {image: x, environment: {GREETING: s3cret-s3cret, HOST: db2}}\n"
    )
    twin = twin_of(text)
    assert links(twin, LinkKind.CAN_LOG_IN) == {("o/identity/db-app", "o/service/db", None)}
    holders = {source for source, _, _ in links(twin, LinkKind.HOLDS_CREDENTIAL)}
    assert holders == {"o/container/db", "o/container/api", "o/container/worker"}
    assert "s3cret" not in repr(read(text).facts)


def test_shared_secret_files_make_clients() -> None:
    """POSTGRES_PASSWORD_FILE without a user is the account postgres."""
    twin = twin_of(
        "services:\n"
        "  db: {image: x, environment: {POSTGRES_PASSWORD_FILE: /run/secrets/pw}, secrets: [pw]}\n"
        "  api: {image: x, secrets: [{source: pw}]}\n  web: {image: x, secrets: [tls]}\n"
        "secrets: {pw: {file: pw}, tls: {file: tls}}\n"
    )
    assert links(twin, LinkKind.HOLDS_CREDENTIAL) == {
        ("o/container/api", "o/identity/db-postgres", None),
        ("o/container/db", "o/identity/db-postgres", None),
    }


def test_facts_know_file_and_line() -> None:
    """Provenance of each fact is the line of the service."""
    facts = read("services:\n  a:\n    image: x\n  b:\n    image: y\n").facts
    [place] = {fact.provenance.place for fact in facts if getattr(fact.subject, "id", "") == "o/container/b"}
    assert place == "compose.yaml:5"


def test_wrong_shapes_are_told_with_their_place() -> None:
    """A list where a mapping belongs, and the other way round."""
    with pytest.raises(TwinError, match="compose.yaml:3: 'ports' must be a list"):
        read("services:\n  a:\n    ports: {x: 1}\n")
    with pytest.raises(TwinError, match="compose.yaml:1: no compose file"):
        read("services: [a]\n")


def test_kinds_of_assets_are_words_of_ids() -> None:
    """owner/kind/name, everywhere."""
    for asset in twin_of("services:\n  a: {image: x, ports: ['1:1'], volumes: ['d:/d']}\n").assets:
        assert asset.id == f"{asset.owner}/{asset.kind.word}/{asset.name}" and isinstance(asset.kind, AssetKind)
