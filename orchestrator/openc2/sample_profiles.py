"""The hypothetical profiles that OASIS's plugfest cases speak of, so that a checker can judge those cases.

Flows in: JSON values below `x-acme` and the like. Flows out: typed values. No such actuators exist; nothing but the
checker knows these names. Source: the test data of the OpenC2 plugfest (OASIS openc2-usecases), "SLPF + Acme".
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter

from .profiles import Profile
from .types import Filled, Integer, Part


class Logging(Filled):
    """Arguments of the profiles that can only log."""

    debug_logging: bool | None = None


class AcmeArgs(Filled):
    """Arguments of the firewall of Acme."""

    firewall_status: Literal["on", "off"] | None = None


class AcmeFeatures(Part):
    """What to tell of an Acme device."""

    features: list[Literal["versions", "profiles", "pairs", "rate_limit", "schema"]]


class AcmeContainer(Part):
    """A container of Acme's."""

    container_id: str


class AcmeResults(Part):
    """Results of Acme."""

    status_detail: str | None = None


class AssetId(Filled):
    """Specifiers by one id."""

    asset_id: str | None = None


class Stuff(Part):
    """What My Company tells."""

    some: Integer
    values: list[bool]
    defined: str


class CompanyResults(Filled):
    """Results of My Company."""

    stuff: Stuff | None = None


class HookArgs(Filled):
    """Arguments of the Example profile."""

    async_: Annotated[bool | None, Field(alias="async")] = None
    webhook_id: str | None = None


class BatteryMode(Part):
    """How a battery gives."""

    output: Literal["high", "trickle"]
    supported: list[Literal["high", "trickle"]]


class Battery(Part):
    """State of a battery."""

    capacity: float
    charged_at: Integer
    status: Integer
    mode: BatteryMode
    visible_on_display: bool


class StorageResults(Filled):
    """Results of the Energy Storage Manager."""

    asset_id: str | None = None
    battery: Battery | None = None


def _of(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)


SAMPLES: Final = (
    Profile(
        "x-acme",
        targets={"x-acme:features": _of(AcmeFeatures), "x-acme:container": _of(AcmeContainer)},
        args=_of(AcmeArgs),
        results=_of(AcmeResults),
    ),
    Profile("x-mycompany", args=_of(Logging), specifiers=_of(AssetId), results=_of(CompanyResults)),
    Profile("x-mycompany_with_underscore", args=_of(Logging)),
    Profile("x-example", args=_of(HookArgs)),
    Profile("x-395", args=_of(Logging)),
    Profile("x-esm", specifiers=_of(AssetId), results=_of(StorageResults)),
)
