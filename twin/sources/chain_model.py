"""The shape of `chain.yaml`, checked before anything is made of it.

Flows in: parsed YAML. Flows out: pydantic values. Words of the vocabulary are checked here; references between parts
are checked by `chain`, which knows the manifests too. An unknown key is an error, so that a typing slip is seen.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ..vocabulary import Access, ConsentClass, ConsentMode, LinkKind, SensorClass, Word


def _word(kind: type[Word]) -> BeforeValidator:
    return BeforeValidator(lambda value: kind.parse(value) if isinstance(value, str) else value)


AccessWord = Annotated[Access, _word(Access)]
LinkWord = Annotated[LinkKind, _word(LinkKind)]
ConsentClassWord = Annotated[ConsentClass, _word(ConsentClass)]
ModeWord = Annotated[ConsentMode, _word(ConsentMode)]
SensorWord = Annotated[SensorClass, _word(SensorClass)]
PortNumber = Annotated[int, Field(ge=1, le=65_535)]
Amount = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]  # strict: true is no number
Probability = Annotated[float, Field(strict=True, ge=0, le=1)]
Hour = Annotated[int, Field(strict=True, ge=0, le=24)]


MONTH_MIN = 44_640  # 31 days: no answer takes longer


class _Part(BaseModel):
    """A part of the file: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OwnerPart(_Part):
    """An owner."""

    name: str = ""
    value_per_hour: Amount = 1.0
    contact: str = ""


class ManifestPart(_Part):
    """A manifest file or folder that an owner runs."""

    path: Annotated[str, Field(pattern=r"^[^\x00]+$")]
    owner: str
    host: str = ""  # name of the host that it runs on; the folder's or file's name by default
    prefix: str = ""  # before the names of its assets


class AssetFields(_Part):
    """What may be said of an asset, declared here or by a manifest."""

    criticality: Amount | None = None
    harm_per_hour: Amount | None = None
    crown_jewel: bool | None = None
    sensors: tuple[SensorWord, ...] | None = None
    attributes: dict[str, str] = Field(default_factory=dict)


class AssetPart(AssetFields):
    """An asset that no manifest declares."""

    id: str


class LinkPart(_Part):
    """A link."""

    kind: LinkWord
    source: str
    target: str
    port: PortNumber | None = None
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    access: AccessWord = Access.USER
    group: str = ""
    need: Annotated[int, Field(ge=0)] = 0


class ContractPart(_Part):
    """What one owner's asset may do with another's: traffic, and the dependency on it."""

    source: str
    target: str
    port: PortNumber | None = None
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    depends: bool = False
    group: str = ""
    need: Annotated[int, Field(ge=0)] = 0
    subject: str = ""


class WeaknessPart(_Part):
    """A weakness on one asset or on several."""

    id: Annotated[str, Field(pattern=r"^(CVE-\d{4}-\d{4,}|CWE-\d+)$")]
    on: tuple[str, ...]
    cvss: str = ""
    epss: Probability | None = None
    kev: bool = False
    access: AccessWord = Access.USER


class SharingPart(_Part):
    """What an owner lets others see."""

    owner: str
    peers: tuple[str, ...]  # owner ids, or "*"
    what: tuple[Literal["findings", "assets"], ...]


class AnswerPart(_Part):
    """How an owner answers requests of one class."""

    mode: ModeWord
    minutes: Annotated[Amount, Field(le=MONTH_MIN)] = 0.0  # mean time to an answer, or length of the veto window
    refusal: Probability = 0.0
    hours: tuple[Hour, Hour] = (0, 24)
    quorum: Annotated[int, Field(strict=True, ge=1, le=100)] = 1


Answer = Annotated[AnswerPart, BeforeValidator(lambda value: {"mode": value} if isinstance(value, str) else value)]


class ConsentPart(_Part):
    """Answers to the owner's own side and to others."""

    own: Answer
    other: Answer


class ChainFile(_Part):
    """The whole file."""

    tocsin: Literal[1]
    name: str = ""
    owners: dict[str, OwnerPart]
    manifests: tuple[ManifestPart, ...] = ()
    assets: tuple[AssetPart, ...] = ()
    overlays: dict[str, AssetFields] = Field(default_factory=dict)
    links: tuple[LinkPart, ...] = ()
    contracts: tuple[ContractPart, ...] = ()
    weaknesses: tuple[WeaknessPart, ...] = ()
    sharing: tuple[SharingPart, ...] = ()
    consent: dict[str, dict[str, ConsentPart]] = Field(default_factory=dict)


def given_fields(part: AssetFields) -> dict[str, Any]:
    """The fields of an asset that the file gives, without its attributes."""
    names = ("criticality", "harm_per_hour", "crown_jewel", "sensors")
    return {name: value for name in names if (value := getattr(part, name)) is not None}
