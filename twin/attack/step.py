"""One row of the attack graph.

Flows in: nothing. Flows out: the value that rules derive, analysis searches and the compiler turns into arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..vocabulary import Access, Gain, StepClass


@dataclass(frozen=True, slots=True)
class AttackStep:
    """Something an attacker who holds the source may try.

    Alternatives are several rows. The source may be a segment, held while any unisolated member is held, or an
    external, which every attacker holds. A segment's admin access is the knowledge of what it reaches.
    """

    technique: str  # ATT&CK id, e.g. T1190
    step_class: StepClass
    source: str  # asset id
    target: str  # asset id; equal to the source for escalation, persistence, discovery and impact in place
    needs: Access  # access needed at the source
    gains: Gain  # access gained at the target, persistence, impact, or data carried out
    probability: float  # of success per try, 0..1
    identity: str | None = None  # identity asset that the attacker must hold as well
    link: tuple[str, str, str, int] | None = None  # key of the boundary link it crosses, if any
    weakness: str | None = None  # CVE or CWE it uses
    parameter: str = ""  # name of the parameter behind the probability, see techniques.PARAMETERS
    facts: tuple[str, ...] = ()  # keys of the facts used, see facts.key_of
    seen_at: str | None = None  # asset whose sensors may see a try; None: source or target, by the class

    @property
    def order(self) -> tuple[str, ...]:
        """What tells the step from all others of a twin, in the order that steps are sorted by."""
        link = () if self.link is None else (self.link[0], self.link[1], self.link[2], f"{self.link[3]:05d}")
        rest = (self.identity or "", self.weakness or "", str(int(self.needs)), str(int(self.gains)))
        return (self.source, self.target, self.technique, *rest, *link)
