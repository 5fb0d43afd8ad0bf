"""The words of Tocsin as numbers: one list for rulebook, files, API and pages.

Flows in: nothing. Flows out: enumerations that every other module uses. The integer values are part of the compiled
arrays and of policy files: append, never renumber. This module does no work.
"""

from __future__ import annotations

from enum import IntEnum


class Word(IntEnum):
    """An enumeration whose members are written in files and on the wire as lower-case words.

    Attributes:
        word: the member as it is written in files: lower case, underscores.
    """

    def __init__(self, *_: object) -> None:
        self.word = self._name_.lower()

    @classmethod
    def parse(cls, word: str) -> Word:
        """Give the member written `word`.

        Raises:
            ValueError: the word is unknown; the message lists the known ones.
        """
        try:
            return cls[word.upper()]
        except (KeyError, AttributeError):
            known = ", ".join(member.word for member in cls)
            raise ValueError(f"unknown {cls.__name__} {word!r}; known: {known}") from None


class AssetKind(Word):
    """Anything an attacker can hold."""

    HOST = 0
    CONTAINER = 1
    SERVICE = 2
    IDENTITY = 3
    DEVICE = 4
    PROCESS = 5  # a physical process: charging, a breaker
    DATA_STORE = 6
    SEGMENT = 7  # a network segment: held while any unisolated member is held
    EXTERNAL = 8  # outside the chain: where attackers come from
    OPAQUE = 9  # another node's undisclosed part
    NODE = 10  # a running Tocsin orchestrator


class LinkKind(Word):
    """Typed, directed relation of two assets; read `source KIND target`."""

    REACHES = 0  # packets from source arrive at target; into a segment: source is its member
    RUNS_ON = 1
    DEPENDS_ON = 2
    HOLDS_CREDENTIAL = 3  # source keeps a secret of identity target
    CAN_LOG_IN = 4  # identity source may log in at target
    MANAGES = 5
    SUPPLIES = 6
    STORES = 7


class Access(Word):
    """What an attacker has on an asset; on a segment: USER a foothold in it, ADMIN the knowledge of what it reaches."""

    NONE = 0
    USER = 1
    ADMIN = 2


class Gain(Word):
    """What a successful attack step gives: an access, persistence, harm or data carried out."""

    NONE = 0
    USER = 1
    ADMIN = 2
    PERSISTENCE = 3
    IMPACT = 4  # encrypted, stopped or manipulated: out of service until restored or repaired
    EXFILTRATION = 5  # data carried out: harm done once, until the store is restored


class Mode(Word):
    """A state of an asset that responses hold; kept as counts so that undo takes its own away."""

    ISOLATED = 0
    PATCHED = 1
    CREDENTIAL_RESET = 2
    MONITORED = 3
    DECOY = 4
    DOWN = 5
    RESTORING = 6


class StepClass(Word):
    """Technique class of an attack step and of a finding."""

    EXPLOIT = 0  # T1190, T1210
    VALID_ACCOUNT = 1  # T1078, T1021
    CREDENTIAL_ACCESS = 2  # T1003, T1552
    PRIVILEGE_ESCALATION = 3  # T1068
    ESCAPE = 4  # T1611
    TRUST = 5  # T1199, T1195, T1072
    PERSISTENCE = 6  # T1547, T1136
    COLLECTION = 7  # T1213, T1041
    IMPACT = 8  # T1486, T1489, T0831, T0826
    PRESENCE = 9  # no step: beaconing of a held asset, T1071
    DISCOVERY = 10  # T1046


class SensorClass(Word):
    """What watches an asset."""

    NETWORK = 0
    HOST = 1
    AUTHENTICATION = 2
    CONTROL = 3  # values of a physical process


class Confidence(Word):
    """Confidence bin of a finding (OCSF confidence_id less one)."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2


class TargetType(Word):
    """What a playbook acts on."""

    ASSET = 0
    LINK = 1
    OWNER = 2


class ConsentClass(Word):
    """What kind of consent a playbook needs; owners set rules per class."""

    OBSERVE = 0
    CONTAIN = 1
    IDENTITY = 2
    RECOVER = 3
    SAFETY = 4  # physical processes; never automatic


class ConsentMode(Word):
    """How an owner answers a request of one consent class."""

    NEVER = 0
    ASK = 1
    VETO_WINDOW = 2
    AT_ONCE = 3


class Proposer(Word):
    """Who asks: the owner's own side or another."""

    OWN = 0
    OTHER = 1


class RunState(Word):
    """State of a response inside a world (the orchestrator's life cycle is richer)."""

    FREE = 0
    AWAITING_CONSENT = 1
    WORKING = 2
    HOLDING = 3


class LossCause(Word):
    """Where loss comes from."""

    SERVICE = 0
    HARM = 1
    LABOUR = 2


class OccurrenceKind(Word):
    """Kind of one record of a world's trace."""

    PROPOSED = 0
    REFUSED = 1  # not legal, or lost a conflict over a target; an attack step that was not open
    CONSENTED = 2
    DENIED = 3
    STARTED = 4
    TOOK_EFFECT = 5
    FAILED = 6
    EXPIRED = 7
    UNDONE = 8
    REPAIRED = 9
    TRIED = 10  # value 0: failed, 1: succeeded
    GAINED = 11
    EVICTED = 12
    FINDING = 13
    SERVICE_LOST = 14
    SERVICE_BACK = 15
