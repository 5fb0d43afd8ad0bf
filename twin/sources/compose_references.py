"""What a compose file names must be declared, as docker compose has it: networks, volumes, secrets, configs.

Flows in: a service and what its stack declares at top level. Flows out: notes, or an error that names place and mend.
A name with a variable in it cannot be checked, nor can a file that includes others.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..graph import TwinError
from .compose_fields import networks_of, volumes_of, with_defaults
from .reading import Scribe
from .safe_yaml import Section
from .values import as_text, list_at, section_at, text_at

DECLARED = ("services", "networks", "volumes", "secrets", "configs")  # top-level keys whose names are referred to
Names = Mapping[str, frozenset[str]]  # by the top-level key


def declared_names(document: Section) -> Names:
    """Give the names that a compose document declares."""
    return {key: frozenset(as_text(name) for name in section_at(document, key)) for key in DECLARED}


def join_names(one: Names, other: Names) -> Names:
    """Give the names that either declares."""
    return {key: one.get(key, frozenset()) | other.get(key, frozenset()) for key in DECLARED}


def check_references(document: Section, service: Section, key: str, beside: Names, scribe: Scribe) -> None:
    """Refuse what the service uses and nobody declares; note what another file of the stack declares.

    Raises:
        TwinError: a network, volume, secret or config is declared nowhere.
    """
    own = declared_names(document)
    for what, names in _used(service).items():
        for name in names:
            if "$" in name or name in own[what]:
                continue
            place, told = service.place_of(what), f"service {key!r} uses {name!r}"
            if name in beside.get(what, ()) or "include" in document:
                scribe.note(place, f"{told} of {what!r}, which another file of the stack declares")
                continue
            raise TwinError(
                f"{place}: {told}, which is not under the file's {what!r}; declare it there, "
                "or give the file that does as well"
            )


def _used(service: Section) -> dict[str, list[str]]:
    """Names by the top-level key that declares them."""
    return {
        "networks": [name for name in networks_of(service) if name != "default"],
        "volumes": [volume.source for volume in volumes_of(service) if volume.named],
        "secrets": _sources(service, "secrets"),
        "configs": _sources(service, "configs"),
    }


def _sources(service: Section, key: str) -> list[str]:
    entries = list_at(service, key)
    return [
        with_defaults(text_at(entry, "source") if isinstance(entry, Section) else as_text(entry)) for entry in entries
    ]
