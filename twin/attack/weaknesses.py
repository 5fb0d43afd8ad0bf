"""How easily a weakness is exploited: CVSS v3.1 vectors, KEV, EPSS and a small table of misconfigurations.

Flows in: a `Weakness`. Flows out: its exploit profile, its base score, and a probability of success per try with the
name of the parameter behind it. Formulas and weights: FIRST, "Common Vulnerability Scoring System v3.1: Specification
Document", sections 7.1 and 7.4. Temporal and environmental metrics are accepted and not used; CVSS v2 and v4
are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from ..graph import TwinError, Weakness
from .techniques import value_of

# FIRST CVSS v3.1, section 7.4
_ATTACK_VECTOR = {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.20}
_COMPLEXITY = {"L": 0.77, "H": 0.44}
_PRIVILEGES = {"N": 0.85, "L": 0.62, "H": 0.27}
_PRIVILEGES_SCOPE_CHANGED = {"N": 0.85, "L": 0.68, "H": 0.50}
_INTERACTION = {"N": 0.85, "R": 0.62}
_IMPACT = {"H": 0.56, "L": 0.22, "N": 0.0}
_BASE_METRICS: Mapping[str, str] = {
    "AV": "NALP",
    "AC": "LH",
    "PR": "NLH",
    "UI": "NR",
    "S": "UC",
    "C": "HLN",
    "I": "HLN",
    "A": "HLN",
}
_OTHER_METRICS = frozenset(["E", "RL", "RC", "CR", "IR", "AR", "MAV", "MAC", "MPR", "MUI", "MS", "MC", "MI", "MA"])
_FORM = "write CVSS:3.1/AV:_/AC:_/PR:_/UI:_/S:_/C:_/I:_/A:_"


@dataclass(frozen=True, slots=True)
class Cvss:
    """Base metrics of a CVSS v3.1 vector, each one letter."""

    attack_vector: str  # N network, A adjacent, L local, P physical
    complexity: str  # L, H
    privileges: str  # N, L, H
    interaction: str  # N, R
    scope: str  # U unchanged, C changed
    confidentiality: str = "N"  # H, L, N
    integrity: str = "N"
    availability: str = "N"

    @property
    def exploitability(self) -> float:
        """Exploitability sub-score, 0.12 to 3.89 (section 7.1)."""
        privileges = _PRIVILEGES_SCOPE_CHANGED if self.scope == "C" else _PRIVILEGES
        return (
            8.22
            * _ATTACK_VECTOR[self.attack_vector]
            * _COMPLEXITY[self.complexity]
            * privileges[self.privileges]
            * _INTERACTION[self.interaction]
        )

    @property
    def base_score(self) -> float:
        """Base score, 0.0 to 10.0 in steps of 0.1 (section 7.1)."""
        kept = (1 - _IMPACT[self.confidentiality]) * (1 - _IMPACT[self.integrity]) * (1 - _IMPACT[self.availability])
        base = 1 - kept
        if self.scope == "C":
            impact = 7.52 * (base - 0.029) - 3.25 * (base - 0.02) ** 15
        else:
            impact = 6.42 * base
        if impact <= 0:
            return 0.0
        factor = 1.08 if self.scope == "C" else 1.0
        return _round_up(min(factor * (impact + self.exploitability), 10.0))


EASIEST = Cvss("N", "L", "N", "N", "U")

# Misconfigurations: how they are come at. Their impact metrics are not used.
CWE_PROFILES: Mapping[str, Cvss] = {
    "CWE-250": Cvss("L", "L", "L", "N", "C"),  # execution with unnecessary privileges: a privileged container
    "CWE-269": Cvss("L", "L", "L", "N", "U"),  # improper privilege management
    "CWE-276": Cvss("L", "L", "L", "N", "U"),  # incorrect default permissions
    "CWE-287": Cvss("N", "L", "N", "N", "U"),  # improper authentication
    "CWE-306": Cvss("N", "L", "N", "N", "U"),  # missing authentication for a critical function
    "CWE-502": Cvss("N", "L", "N", "N", "U"),  # deserialisation of untrusted data
    "CWE-732": Cvss("L", "L", "L", "N", "U"),  # incorrect permission assignment
    "CWE-798": Cvss("N", "L", "N", "N", "U"),  # hard-coded or default credentials
    "CWE-862": Cvss("N", "L", "L", "N", "U"),  # missing authorisation
    "CWE-1188": Cvss("N", "L", "N", "N", "U"),  # insecure default initialisation
}
# A CVE for which no file gave a vector: cautious, so that a bare id does not look like the easiest of all.
UNSCORED = Cvss("N", "H", "N", "N", "U")


def parse_cvss(vector: str, *, weakness: str = "?", asset: str = "?") -> Cvss:
    """Read a CVSS v3.1 (or 3.0) vector.

    Args:
        vector: for example `CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H`; the prefix is required.
        weakness: id named in errors.
        asset: id named in errors.

    Raises:
        TwinError: not such a vector; names weakness, asset and the mend.
    """
    place = f"weakness {weakness} on {asset}: CVSS vector {vector!r}"
    prefix, *parts = vector.strip().split("/")
    if prefix not in ("CVSS:3.1", "CVSS:3.0"):
        raise TwinError(f"{place} is not version 3.1; {_FORM}")
    found: dict[str, str] = {}
    for part in parts:
        name, _, letter = part.partition(":")
        if name in found:
            raise TwinError(f"{place} gives {name} twice; keep one")
        if name in _OTHER_METRICS:
            continue
        if name not in _BASE_METRICS or len(letter) != 1 or letter not in _BASE_METRICS[name]:
            raise TwinError(f"{place} has the unknown part {part!r}; {_FORM}")
        found[name] = letter
    missing = [name for name in _BASE_METRICS if name not in found]
    if missing:
        raise TwinError(f"{place} lacks {', '.join(missing)}; {_FORM}")
    return Cvss(*(found[name] for name in _BASE_METRICS))


@lru_cache(maxsize=65_536)
def profile_of(weakness: Weakness) -> Cvss | None:
    """How the weakness is come at: its vector, else the table's row for its CWE; None for a CWE not in the table.

    Raises:
        TwinError: the vector is not one; names weakness, asset and the mend.
    """
    if weakness.cvss:
        return parse_cvss(weakness.cvss, weakness=weakness.id, asset=weakness.asset)
    if weakness.id.startswith("CWE-"):
        return CWE_PROFILES.get(weakness.id)
    return UNSCORED


def is_remote(weakness: Weakness, *, adjacent: bool) -> bool:
    """Whether it can be exploited over a network; `adjacent` says whether AV:A counts as well as AV:N."""
    profile = profile_of(weakness)
    return profile is not None and (profile.attack_vector == "N" or (adjacent and profile.attack_vector == "A"))


def is_local(weakness: Weakness) -> bool:
    """Whether it is exploited by one who already acts on the asset (AV:L)."""
    profile = profile_of(weakness)
    return profile is not None and profile.attack_vector == "L"


def opens_host(weakness: Weakness) -> bool:
    """Whether it lets a container out to its host: local and with changed scope (AV:L/S:C), as CWE-250 is too."""
    profile = profile_of(weakness)
    return profile is not None and profile.attack_vector == "L" and profile.scope == "C"


def probability_of_exploit(weakness: Weakness) -> tuple[float, str]:
    """Probability of success per try, 0 to 1, and the name of the parameter it scales with.

    `p = ease x exploitability / exploitability of AV:N/AC:L/PR:N/UI:N`. The ease is the success per try against such an
    easiest weakness: `exploit.kev` if it is known to be exploited; else with an EPSS score between `exploit.epss_floor`
    and `exploit.epss` in proportion to it (EPSS is a probability of being exploited within 30 days, used here as a mark
    of how mature exploits are); else `exploit.plain`. KEV never lowers: the greater ease counts. A CVE
    without a vector has `exploit.unscored`. A misconfiguration in the table has its own parameter, the
    success itself. A CWE not in the table gives 0. Where the source states a success per try, that is it (`stated`).

    Raises:
        TwinError: the vector is not one, or the stated success no probability; names weakness, asset and the mend.
    """
    profile = profile_of(weakness)
    if profile is None:
        return 0.0, ""
    if weakness.success is not None:
        return _checked(weakness, "success", weakness.success), "stated"
    if not weakness.cvss and weakness.id in CWE_PROFILES:
        name = f"exploit.{weakness.id}"
        return value_of(name), name
    ease, name = _ease(weakness)
    return min(1.0, ease * profile.exploitability / EASIEST.exploitability), name


def _ease(weakness: Weakness) -> tuple[float, str]:
    eases = []
    if weakness.kev:
        eases.append((value_of("exploit.kev"), "exploit.kev"))
    if weakness.epss is not None:
        floor, top = value_of("exploit.epss_floor"), value_of("exploit.epss")
        eases.append((floor + (top - floor) * _checked(weakness, "EPSS", weakness.epss), "exploit.epss"))
    if not eases:
        name = "exploit.plain" if weakness.cvss else "exploit.unscored"
        eases.append((value_of(name), name))
    return max(eases)


def _checked(weakness: Weakness, what: str, value: float) -> float:
    if not 0.0 <= value <= 1.0:
        raise TwinError(
            f"weakness {weakness.id} on {weakness.asset}: {what} {value} is no probability; give 0 to 1, not percent"
        )
    return value


def _round_up(value: float) -> float:
    """Smallest number with one decimal that is not below the value (appendix A of the specification)."""
    scaled = round(value * 100_000)
    return scaled / 100_000 if scaled % 10_000 == 0 else (scaled // 10_000 + 1) / 10
