"""Who may log in where, as far as a compose file tells: accounts that images create from their environment.

Flows in: the services of one file. Flows out: identities, `can_log_in` to the service, `holds_credential` from its
clients. A client names the service's host, shares its secret file, or repeats its password. Passwords are compared
here and never written down.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..vocabulary import AssetKind, LinkKind
from .compose_fields import environment_of, names_of
from .reading import Scribe
from .safe_yaml import Section
from .values import as_text, list_at, text_at


@dataclass(frozen=True, slots=True)
class Account:
    """Environment variables by which an image creates its first account."""

    user: str
    password: str
    default: str  # the user's name where only a password is given; empty: no account then


# Documentation of the official images on Docker Hub, and of MinIO ("Root access and credentials")
ACCOUNTS = (
    Account("POSTGRES_USER", "POSTGRES_PASSWORD", "postgres"),
    Account("MYSQL_USER", "MYSQL_PASSWORD", ""),
    Account("MARIADB_USER", "MARIADB_PASSWORD", ""),
    Account("", "MYSQL_ROOT_PASSWORD", "root"),
    Account("", "MARIADB_ROOT_PASSWORD", "root"),
    Account("MONGO_INITDB_ROOT_USERNAME", "MONGO_INITDB_ROOT_PASSWORD", ""),
    Account("RABBITMQ_DEFAULT_USER", "RABBITMQ_DEFAULT_PASS", ""),
    Account("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", ""),
    Account("DOCKER_INFLUXDB_INIT_USERNAME", "DOCKER_INFLUXDB_INIT_PASSWORD", ""),
    Account("COUCHDB_USER", "COUCHDB_PASSWORD", ""),
)
_SECRET_NAME = re.compile(r"PASS|PWD|SECRET|TOKEN|KEY", re.IGNORECASE)
_NAME_CHARACTERS = re.compile(r"[^A-Za-z0-9_.@-]")


def declare_identities(
    scribe: Scribe,
    services: Mapping[str, Section],
    containers: Mapping[str, str],
    faces: Mapping[str, str],
    prefix: str,
) -> None:
    """Declare the accounts of all services and who holds their credentials."""
    environments = {key: environment_of(service) for key, service in services.items()}
    for key, service in services.items():
        for user, password in _accounts(environments[key]):
            place = service.place_of("environment")
            name = _NAME_CHARACTERS.sub("_", f"{prefix}{key}-{user}")
            identity = scribe.asset(AssetKind.IDENTITY, name, place, {"user": user})
            scribe.link(LinkKind.CAN_LOG_IN, identity, faces[key], place)
            hosts, shared = names_of(service, key), _secrets(service)
            for other, told in environments.items():
                is_client = _names(told, hosts) or _repeats(told, password) or shared & _secrets(services[other])
                if other == key or is_client:
                    where = services[other].place_of("environment")
                    scribe.link(LinkKind.HOLDS_CREDENTIAL, containers[other], identity, where)


def _accounts(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """Users that the image creates, each with the password if the file gives it."""
    found = []
    for account in ACCOUNTS:
        user, password = environment.get(account.user, ""), environment.get(account.password, "")
        has_secret = bool(password) or f"{account.password}_FILE" in environment
        if user or (has_secret and account.default):
            found.append((user or account.default, password))
    return found


def _names(environment: Mapping[str, str], hosts: list[str]) -> bool:
    """Whether a value is the host, `host:port`, or a URL on the host."""
    pattern = re.compile(rf"(?:^|[/@,])(?:{'|'.join(re.escape(host) for host in hosts)})(?:$|[:/,])")
    return any(pattern.search(value) for value in environment.values())


def _repeats(environment: Mapping[str, str], password: str) -> bool:
    return bool(password) and any(
        value == password and _SECRET_NAME.search(name) is not None for name, value in environment.items()
    )


def _secrets(service: Section) -> set[str]:
    entries = list_at(service, "secrets")
    return {text_at(entry, "source") if isinstance(entry, Section) else as_text(entry) for entry in entries}
