"""What the twin's names are on the wire: a file that the owner keeps, from assets to addresses.

Flows in: one YAML or JSON file. Flows out: a `NameMap`.

    {"assets": {"shop/host/web": ["10.77.1.2", "fd77:1::2"]}}

Only names in the file can be acted on; there is no other way from a name to an address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...twin.graph import TwinError
from ...twin.sources.safe_yaml import read_yaml
from ..openc2.reading import OpenC2Error
from .rules import Flow, flows_of_address

Address = IPv4Interface | IPv6Interface


class MapError(ValueError):
    """A map that cannot be used; the message names file, place and mend."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    assets: dict[str, Annotated[list[str], Field(min_length=1)]]


@dataclass(frozen=True, slots=True)
class NameMap:
    """Addresses by asset."""

    assets: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)

    def of_asset(self, name: str) -> tuple[Flow, ...]:
        """Every packet from or to the asset.

        Raises:
            OpenC2Error: 404, the name is not in the map.
        """
        return tuple(flow for address in self._addresses(name) for flow in flows_of_address(address))

    def of_link(self, name: str) -> tuple[Flow, ...]:
        """Every packet that the link stands for: `kind source target port`, as the twin writes it; port 0 is any.

        Raises:
            OpenC2Error: 404, no such link or asset; 400, not a link's name.
        """
        parts = name.split(" ")
        if len(parts) != 4 or not parts[3].isdecimal() or int(parts[3]) > 65_535:
            raise OpenC2Error("target", f"{name[:200]!r} is no link: write kind, source, target, port")
        sources, targets, port = self._addresses(parts[1]), self._addresses(parts[2]), int(parts[3]) or None
        return tuple(
            Flow(4 if source.version == 4 else 6, str(source.network), str(target.network), dport=port)
            for source in sources
            for target in targets
            if source.version == target.version
        )

    def _addresses(self, name: str) -> tuple[Address, ...]:
        if name not in self.assets:
            raise OpenC2Error("target", f"{name[:200]!r} is not in the map of names; add its addresses", 404)
        return self.assets[name]


def read_map(path: Path) -> NameMap:
    """Read the file.

    Raises:
        MapError: it cannot be read or is not of this form.
    """
    try:
        documents = read_yaml(path.read_bytes(), str(path))
    except OSError as error:
        raise MapError(f"--map {path}: {error.strerror or error}; name a file that can be read") from None
    except TwinError as error:
        raise MapError(f"--map {error}") from None
    try:
        file = _File.model_validate(documents[0] if len(documents) == 1 else None)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise MapError(f"--map {path}: {place}: {fault['msg']}; write assets: {{NAME: [ADDRESS]}}") from None
    return NameMap({name: tuple(_address(path, name, text) for text in texts) for name, texts in file.assets.items()})


def _address(path: Path, name: str, text: str) -> Address:
    try:
        return ip_interface(text)
    except ValueError:
        raise MapError(f"--map {path}: {name}: {text!r} is no address; write 10.0.0.1 or fd00::1") from None
