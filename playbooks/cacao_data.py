"""Small data of CACAO v2.0: variables, references, contacts, places, the processing summary (section 10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .cacao_words import Key, Model


class Variable(Model):
    """A playbook or step variable (10.18). `value` left out and null both mean unknown; "" is known to be empty."""

    type: str  # of the open vocabulary VariableType, or the author's own
    description: str = ""
    value: str | dict[str, Any] | None = None
    constant: bool = False
    external: bool = False  # only in playbook scope: the caller gives the first value


class ExternalReference(Model):
    """Where more is told (10, external-reference); beside its name it has at least one of the others."""

    name: str
    description: str | None = None
    source: str | None = None
    url: str | None = None
    external_id: str | None = None
    reference_id: str | None = None


class Contact(Model):
    """How somebody is reached (10, contact); keys are kinds such as work or home."""

    email: Mapping[Key, str] | None = None
    phone: Mapping[Key, str] | None = None
    contact_details: str | None = None


class CivicLocation(Model):
    """A place on earth (10.4); coordinates are decimal degrees, precision metres, all written as strings."""

    name: str | None = None
    description: str | None = None
    building_details: str | None = None
    network_details: str | None = None
    region: str | None = None
    country: str | None = None
    administrative_area: str | None = None
    city: str | None = None
    street_address: str | None = None
    postal_code: str | None = None
    latitude: str | None = None
    longitude: str | None = None
    precision: str | None = None


class ProcessingSummary(Model):
    """What kinds of processing a playbook uses, as its author says (10.14); None where nothing is said."""

    manual_playbook: bool | None = None
    external_playbooks: bool | None = None
    parallel_processing: bool | None = None
    if_logic: bool | None = None
    while_logic: bool | None = None
    switch_logic: bool | None = None
    temporal_logic: bool | None = None
    data_markings: bool | None = None
    digital_signatures: bool | None = None
    countersigned_signatures: bool | None = None
    extensions: bool | None = None
