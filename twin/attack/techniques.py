"""The ATT&CK techniques in use, and the named parameter behind every probability of an attack step.

Flows in: nothing. Flows out: `TECHNIQUES` by id and `PARAMETERS` by name. Names and ids: MITRE ATT&CK v16, Enterprise
and ICS matrices. This module derives nothing; `weaknesses` and `steps` do.

All probabilities are of success *per try*; how often an attacker tries is the rulebook's matter. The values are assumed
unless their source says otherwise; what is claimed from simulation has to hold over the range `low` to `high`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from ..vocabulary import StepClass


@dataclass(frozen=True, slots=True)
class Technique:
    """One ATT&CK technique."""

    id: str
    name: str
    step_class: StepClass
    matrix: str = "enterprise"  # or ics


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number that the model rests on, with the range it may lie in."""

    name: str
    value: float
    low: float
    high: float
    source: str  # where the value comes from, or "assumed" with what would settle it


def _by_id(*techniques: Technique) -> dict[str, Technique]:
    return {technique.id: technique for technique in techniques}


TECHNIQUES: dict[str, Technique] = _by_id(
    Technique("T1190", "Exploit Public-Facing Application", StepClass.EXPLOIT),
    Technique("T1210", "Exploitation of Remote Services", StepClass.EXPLOIT),
    Technique("T1078", "Valid Accounts", StepClass.VALID_ACCOUNT),
    Technique("T1021", "Remote Services", StepClass.VALID_ACCOUNT),
    Technique("T1003", "OS Credential Dumping", StepClass.CREDENTIAL_ACCESS),
    Technique("T1552", "Unsecured Credentials", StepClass.CREDENTIAL_ACCESS),
    Technique("T1068", "Exploitation for Privilege Escalation", StepClass.PRIVILEGE_ESCALATION),
    Technique("T1611", "Escape to Host", StepClass.ESCAPE),
    Technique("T1609", "Container Administration Command", StepClass.TRUST),
    Technique("T1072", "Software Deployment Tools", StepClass.TRUST),
    Technique("T1199", "Trusted Relationship", StepClass.TRUST),
    Technique("T1195", "Supply Chain Compromise", StepClass.TRUST),
    Technique("T1046", "Network Service Discovery", StepClass.DISCOVERY),
    Technique("T1547", "Boot or Logon Autostart Execution", StepClass.PERSISTENCE),
    Technique("T1136", "Create Account", StepClass.PERSISTENCE),
    Technique("T1213", "Data from Information Repositories", StepClass.COLLECTION),
    Technique("T1041", "Exfiltration Over C2 Channel", StepClass.COLLECTION),
    Technique("T1486", "Data Encrypted for Impact", StepClass.IMPACT),
    Technique("T1489", "Service Stop", StepClass.IMPACT),
    Technique("T0831", "Manipulation of Control", StepClass.IMPACT, "ics"),
    Technique("T0826", "Loss of Availability", StepClass.IMPACT, "ics"),
)

NUMBERS = {technique: number for number, technique in enumerate(TECHNIQUES)}  # in compiled steps: append, as in words
NO_NUMBER = 255  # of a technique that the table does not know

_TRIES = (
    "assumed; settled by success rates per try of emulated adversaries (MITRE Caldera, Atomic Red Team) on the plant"
)
_EXPLOITS = "assumed; settled by trying public exploits for a sample of CVEs against the images named in the twin"


def _by_name(*parameters: Parameter) -> dict[str, Parameter]:
    return {parameter.name: parameter for parameter in parameters}


PARAMETERS: dict[str, Parameter] = _by_name(
    # Success per try against the easiest weakness (AV:N/AC:L/PR:N/UI:N); see weaknesses.probability_of_exploit.
    Parameter("exploit.kev", 0.60, 0.30, 0.90, f"{_EXPLOITS}; KEV says that working exploits are in use"),
    Parameter("exploit.epss", 0.50, 0.25, 0.80, f"{_EXPLOITS}; the value at EPSS 1"),
    Parameter("exploit.epss_floor", 0.05, 0.01, 0.20, f"{_EXPLOITS}; the value at EPSS 0"),
    Parameter("exploit.plain", 0.20, 0.05, 0.50, f"{_EXPLOITS}; no EPSS, not on KEV"),
    Parameter("exploit.unscored", 0.10, 0.02, 0.40, f"{_EXPLOITS}; a CVE without a CVSS vector"),
    Parameter("exploit.CWE-250", 0.70, 0.40, 0.95, "assumed; a privileged container opens its host by known commands"),
    Parameter("exploit.CWE-269", 0.40, 0.15, 0.70, "assumed; settled by review of the misconfigured privileges"),
    Parameter("exploit.CWE-276", 0.30, 0.10, 0.60, "assumed; settled by review of the file permissions"),
    Parameter("exploit.CWE-287", 0.40, 0.15, 0.70, "assumed; settled by a penetration test of the login"),
    Parameter("exploit.CWE-306", 0.80, 0.50, 0.98, "assumed; nothing has to be overcome but the protocol"),
    Parameter("exploit.CWE-502", 0.35, 0.10, 0.70, "assumed; settled by a penetration test of the endpoint"),
    Parameter("exploit.CWE-732", 0.30, 0.10, 0.60, "assumed; settled by review of the file permissions"),
    Parameter("exploit.CWE-798", 0.75, 0.40, 0.95, "assumed; lists of default credentials are public"),
    Parameter("exploit.CWE-862", 0.45, 0.20, 0.75, "assumed; settled by a penetration test of the interface"),
    Parameter("exploit.CWE-1188", 0.60, 0.30, 0.90, "assumed; insecure defaults are documented by their vendors"),
    # Success per try of techniques that need no weakness.
    Parameter("success.T1078", 0.80, 0.50, 0.98, f"{_TRIES}; a held credential is valid unless a second factor asks"),
    Parameter("success.T1021", 0.85, 0.60, 0.98, _TRIES),
    Parameter("success.T1003", 0.50, 0.20, 0.80, f"{_TRIES}; memory has to be read past protection of processes"),
    Parameter("success.T1552", 0.65, 0.35, 0.90, f"{_TRIES}; secrets lie in files and environment variables"),
    Parameter("success.T1609", 0.95, 0.80, 1.00, f"{_TRIES}; root on a host may enter each of its containers"),
    Parameter("success.T1072", 0.80, 0.50, 0.95, _TRIES),
    Parameter("success.T1199", 0.55, 0.25, 0.85, f"{_TRIES}; across owners some actions are reviewed"),
    Parameter("success.T1195", 0.25, 0.05, 0.50, f"{_TRIES}; an update has to be built, signed and taken"),
    Parameter("success.T1046", 0.90, 0.60, 1.00, f"{_TRIES}; one that is slow enough for nobody to stop it"),
    Parameter("success.T1547", 0.80, 0.50, 0.95, _TRIES),
    Parameter(
        "success.T1136", 0.75, 0.40, 0.95, f"{_TRIES}; an administrator may add accounts unless that is reviewed"
    ),
    Parameter("success.T1213", 0.80, 0.50, 0.95, _TRIES),
    Parameter("success.T1041", 0.70, 0.30, 0.95, f"{_TRIES}; large transfers may be cut off by limits or filters"),
    Parameter("success.T1486", 0.80, 0.50, 0.95, _TRIES),
    Parameter("success.T1489", 0.90, 0.70, 0.99, _TRIES),
    Parameter("success.T0831", 0.50, 0.20, 0.80, f"{_TRIES}; knowledge of the process is needed"),
    Parameter("success.T0826", 0.80, 0.50, 0.95, _TRIES),
)


_SUPPOSED: ContextVar[Mapping[str, float]] = ContextVar("supposed", default={})  # noqa: B039  (never written to)


@contextmanager
def supposing(values: Mapping[str, float]) -> Iterator[None]:
    """Derive steps inside the block with other values of `PARAMETERS`, by name; other names are passed over."""
    token = _SUPPOSED.set(values)
    try:
        yield
    finally:
        _SUPPOSED.reset(token)


def value_of(name: str) -> float:
    """The value of a parameter, or what is supposed of it.

    Raises:
        KeyError: there is no such parameter.
    """
    return _SUPPOSED.get().get(name, PARAMETERS[name].value)


def success_of(technique: str) -> tuple[float, str]:
    """Probability of success per try of a technique that needs no weakness, and the name of its parameter.

    Raises:
        KeyError: the technique has no such parameter (T1190, T1210, T1068, T1611 rest on a weakness).
    """
    name = f"success.{technique}"
    return value_of(name), name
