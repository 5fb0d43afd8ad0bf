"""What detectors conclude: findings, and their form on the wire (OCSF Detection Finding, class 2004).

Flows in: a detector's conclusion, or a JSON object from another node. Flows out: `Finding`s, JSON objects. The form is
OCSF 1.x: `confidence_id` is our bin plus one, `finding_info.types` holds our technique class and sensor class,
`metadata.log_provider` the credential that its evidence came in by.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..vocabulary import Confidence, SensorClass, StepClass

CLASS_UID = 2004  # OCSF Detection Finding


class FindingError(ValueError):
    """An object that is no finding of ours; the message names the field and the mend."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a detector concludes from events about one asset."""

    asset: str
    sensor: SensorClass
    step_class: StepClass
    confidence: Confidence
    time_ms: int  # of the latest evidence, milliseconds since 1970, UTC
    owner: str  # whose asset it is
    source: str  # the rule that concluded it
    evidence: tuple[str, ...] = ()  # uids of events, oldest first
    credential: str = ""  # by which all its evidence came in; empty: not known, it bears out nothing

    @property
    def uid(self) -> str:
        """The same conclusion from the same evidence has the same id: 32 hex digits."""
        parts = (self.owner, self.asset, self.source, str(self.time_ms), self.credential, *self.evidence)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


Kind = tuple[str, SensorClass]  # owner and sensor class


def independent_sources(findings: Iterable[Finding]) -> int:
    """How many sources bear each other out: the most findings that differ pairwise in credential and in kind.

    One credential is one source, whatever it says, for who has stolen it says what he likes; so is one sensor class of
    one owner, for what deceives one such sensor deceives its like. A finding of unknown credential counts for nothing.
    """
    kinds: dict[str, set[Kind]] = {}
    for one in findings:
        if one.credential:
            kinds.setdefault(one.credential, set()).add((one.owner, one.sensor))
    speaker: dict[Kind, str] = {}
    return sum(_find_kind(credential, kinds, speaker, set()) for credential in kinds)


def _find_kind(credential: str, kinds: Mapping[str, set[Kind]], speaker: dict[Kind, str], tried: set[Kind]) -> bool:
    """Give the credential a kind that no other speaks for, others making room (Kuhn's bipartite matching)."""
    for kind in kinds[credential]:
        if kind in tried:
            continue
        tried.add(kind)
        if kind not in speaker or _find_kind(speaker[kind], kinds, speaker, tried):
            speaker[kind] = credential
            return True
    return False


def to_ocsf(finding: Finding) -> dict[str, Any]:
    """Write a finding as an OCSF Detection Finding."""
    return {
        "class_uid": CLASS_UID,
        "category_uid": 2,
        "activity_id": 1,
        "type_uid": CLASS_UID * 100 + 1,
        "severity_id": 2 + int(finding.confidence),
        "confidence_id": 1 + int(finding.confidence),
        "time": finding.time_ms,
        "metadata": {
            "product": {"name": "tocsin"},
            "version": "1.3.0",
            "uid": finding.uid,
            "tenant_uid": finding.owner,
            "log_provider": finding.credential,
        },
        "finding_info": {
            "uid": finding.uid,
            "title": finding.source,
            "types": [finding.step_class.word, finding.sensor.word],
            "related_events": [{"uid": uid} for uid in finding.evidence],
        },
        "resources": [{"uid": finding.asset}],
    }


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


Name = Annotated[str, Field(min_length=1, max_length=512)]


class _Thing(_Part):
    uid: Name


class _Info(_Part):
    title: Name
    types: Annotated[tuple[Name, ...], Field(min_length=2, max_length=2)]
    related_events: Annotated[tuple[_Thing, ...], Field(max_length=256)] = ()


class _Metadata(_Part):
    tenant_uid: Name


class _Ocsf(_Part):
    class_uid: Annotated[int, Field(ge=CLASS_UID, le=CLASS_UID, strict=True)]
    confidence_id: Annotated[int, Field(ge=1, le=len(Confidence), strict=True)]
    time: Annotated[int, Field(ge=0, le=2**53, strict=True)]
    metadata: _Metadata
    finding_info: _Info
    resources: Annotated[tuple[_Thing, ...], Field(min_length=1, max_length=1)]


def from_ocsf(content: Mapping[str, Any], *, credential: str = "") -> Finding:
    """Read a finding that `to_ocsf` wrote, maybe on another node.

    Args:
        content: the JSON object. What it says of its credential is not read: it could claim to be two sources.
        credential: by which the object itself came in.

    Raises:
        FindingError: a field is missing or wrong; names it and the mend.
    """
    try:
        ocsf = _Ocsf.model_validate(content)
        step_class, sensor = ocsf.finding_info.types
        return Finding(
            asset=ocsf.resources[0].uid,
            sensor=SensorClass(SensorClass.parse(sensor)),
            step_class=StepClass(StepClass.parse(step_class)),
            confidence=Confidence(ocsf.confidence_id - 1),
            time_ms=ocsf.time,
            owner=ocsf.metadata.tenant_uid,
            source=ocsf.finding_info.title,
            evidence=tuple(event.uid for event in ocsf.finding_info.related_events),
            credential=credential,
        )
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(str(part) for part in fault["loc"])
        raise FindingError(f"finding, field {field}: {fault['msg']}; send an OCSF Detection Finding") from None
    except ValueError as error:
        raise FindingError(f"finding, field finding_info.types: {error}") from None
