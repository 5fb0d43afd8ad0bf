"""How conspicuous attackers and ordinary work are: the plant's named numbers.

Flows in: nothing. Flows out: a `Behaviour`. All values are assumed, ranges in brackets; telemetry of red-team exercises
on real systems would settle them. They are properties of the world, not of the detectors: what the detectors make of
them is measured (`tocsin plant measure`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ...twin.vocabulary import SensorClass, StepClass

Cell = tuple[SensorClass, StepClass]

_S, _C = SensorClass, StepClass
_CONSPICUOUS: Mapping[Cell, float] = {  # per try; PRESENCE: per tick held [x 0.3, x 2, at most 1]
    (_S.NETWORK, _C.EXPLOIT): 0.35,
    (_S.NETWORK, _C.VALID_ACCOUNT): 0.15,
    (_S.NETWORK, _C.TRUST): 0.15,
    (_S.NETWORK, _C.COLLECTION): 0.25,
    (_S.NETWORK, _C.IMPACT): 0.3,
    (_S.NETWORK, _C.PRESENCE): 0.012,
    (_S.NETWORK, _C.DISCOVERY): 0.4,
    (_S.HOST, _C.EXPLOIT): 0.3,
    (_S.HOST, _C.VALID_ACCOUNT): 0.1,
    (_S.HOST, _C.CREDENTIAL_ACCESS): 0.4,
    (_S.HOST, _C.PRIVILEGE_ESCALATION): 0.4,
    (_S.HOST, _C.ESCAPE): 0.5,
    (_S.HOST, _C.TRUST): 0.15,
    (_S.HOST, _C.PERSISTENCE): 0.35,
    (_S.HOST, _C.COLLECTION): 0.15,
    (_S.HOST, _C.IMPACT): 0.5,
    (_S.HOST, _C.PRESENCE): 0.012,
    (_S.AUTHENTICATION, _C.VALID_ACCOUNT): 0.25,
    (_S.AUTHENTICATION, _C.CREDENTIAL_ACCESS): 0.2,
    (_S.AUTHENTICATION, _C.TRUST): 0.2,
    (_S.AUTHENTICATION, _C.PERSISTENCE): 0.2,
    (_S.AUTHENTICATION, _C.PRESENCE): 0.004,
    (_S.CONTROL, _C.IMPACT): 0.5,
    (_S.CONTROL, _C.PRESENCE): 0.01,
}
_LOOKALIKE_PER_HOUR: Mapping[SensorClass, float] = {  # per watched asset [x 0.2, x 5]
    _S.NETWORK: 0.02,
    _S.HOST: 0.015,
    _S.AUTHENTICATION: 0.015,
    _S.CONTROL: 0.005,
}
_LOOKALIKE_CLASS: Mapping[SensorClass, Mapping[StepClass, float]] = {  # weights; rows sum to 1
    _S.NETWORK: {
        _C.EXPLOIT: 0.36,
        _C.VALID_ACCOUNT: 0.18,
        _C.TRUST: 0.09,
        _C.COLLECTION: 0.13,
        _C.IMPACT: 0.05,
        _C.PRESENCE: 0.09,
        _C.DISCOVERY: 0.1,  # inventories and scanners of the owner's own
    },
    _S.HOST: {
        _C.EXPLOIT: 0.2,
        _C.VALID_ACCOUNT: 0.1,
        _C.CREDENTIAL_ACCESS: 0.15,
        _C.PRIVILEGE_ESCALATION: 0.15,
        _C.ESCAPE: 0.05,
        _C.TRUST: 0.05,
        _C.PERSISTENCE: 0.15,
        _C.COLLECTION: 0.05,
        _C.IMPACT: 0.05,
        _C.PRESENCE: 0.05,
    },
    _S.AUTHENTICATION: {
        _C.VALID_ACCOUNT: 0.6,
        _C.CREDENTIAL_ACCESS: 0.15,
        _C.TRUST: 0.1,
        _C.PERSISTENCE: 0.1,
        _C.PRESENCE: 0.05,
    },
    _S.CONTROL: {_C.IMPACT: 0.8, _C.PRESENCE: 0.2},
}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Chances per try, tick and hour."""

    conspicuous: Mapping[Cell, float] = field(default_factory=lambda: MappingProxyType(dict(_CONSPICUOUS)))
    attack_mark: float = 0.5  # that a conspicuous try bears each of the two marks of its rule [0.2, 0.8]
    lookalike_per_hour: Mapping[SensorClass, float] = field(
        default_factory=lambda: MappingProxyType(dict(_LOOKALIKE_PER_HOUR))
    )
    lookalike_class: Mapping[SensorClass, Mapping[StepClass, float]] = field(
        default_factory=lambda: MappingProxyType(dict(_LOOKALIKE_CLASS))
    )
    lookalike_mark: float = 0.22  # that ordinary work that looks like an attack bears each mark [0.05, 0.5]
    ordinary_per_hour: float = 6.0  # records per watched asset and sensor, aggregated at the sensor [1, 600]
    monitored_gain: float = 3.0  # a monitored asset is looked at this many times as often [1.5, 10]

    def sees(self, cell: Cell, *, monitored: bool) -> float:
        """Probability that a try (PRESENCE: a tick held) leaves conspicuous traces at a sensor, 0..1."""
        chance = self.conspicuous.get(cell, 0.0)
        return 1.0 - (1.0 - chance) ** self.monitored_gain if monitored else chance
