"""Every number that worlds rest on: value, range, and source or the word "assumed".

Flows in: nothing. Flows out: `ranges`, printed by `tocsin scenario numbers`, and `value_of`. Numbers of attack steps
stand in `twin.attack.techniques`, those measured of detectors in `twin/data`, those of playbooks in their own files;
here are the rest and the way to all. A test finds every number of attackers, games, generators and scenarios and asks
for its row. What is claimed from simulation has to hold over `low` to `high`. Ranges are guesses of where the truth may
lie, not what a file may say: that is wider, and its own check.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from ..playbooks.actions import load_library
from ..playbooks.effects import declaration_of
from ..twin.attack.techniques import PARAMETERS, Parameter
from ..twin.sensing.confusion import shipped_confusion
from ..twin.vocabulary import SensorClass, StepClass

_BREAKOUT = (
    "assumed; a crew's mean time from its first foothold to the next machine was 62 minutes in 2023, the shortest two "
    "(CrowdStrike, Global Threat Report 2024); settled by red-team logs"
)
_CAMPAIGNS = "assumed; settled by fitting to campaigns whose steps are known, such as DARPA OpTC's"
_RESTORE = (
    "assumed; time to restore a service is under an hour to under a day at most owners that were asked, a week at slow "
    "ones (DORA, Accelerate State of DevOps 2021)"
)
_CALLS = "assumed; settled by logs of calls between owners' desks"
_LOGS = "assumed; settled by the owners' own logs of answers"
_INVENTORY = "assumed; settled by scanners' inventories of real owners"
_CONTRACTS = "assumed; settled by counting contracts of real chains"
_CHOSEN = "chosen: a setting of the game, no claim about the world"
_EVENTS = "assumed; settled by counts of events per hour"

_ROWS = (
    # Attackers: AttackerProfile; presets lie within these ranges.
    Parameter("attacker.tries_per_hour", 20.0, 2.0, 60.0, _BREAKOUT),
    Parameter("attacker.stealth", 0.5, 0.0, 1.0, _CAMPAIGNS),
    Parameter("attacker.goal_drive", 1.0, 0.0, 3.0, _CAMPAIGNS),
    Parameter("attacker.persistence", 0.2, 0.0, 1.0, _CAMPAIGNS),
    Parameter("attacker.impact", 0.5, 0.0, 2.0, _CAMPAIGNS),
    Parameter("attacker.breadth", 1.0, 0.0, 1.0, _CAMPAIGNS),
    Parameter("attacker.patience_s", 0.0, 0.0, 86_400.0, _CAMPAIGNS),
    Parameter("attacker.onset_s.first", 0.0, 0.0, 3_600.0, _CHOSEN),
    Parameter("attacker.onset_s.last", 3_600.0, 0.0, 14_400.0, _CHOSEN),
    Parameter("attacker.absent", 0.1, 0.0, 1.0, _CHOSEN),
    Parameter("attacker.inside", 0.0, 0.0, 1.0, "assumed; settled by an owner's own record of incidents"),
    Parameter("attacker.inside.elsewhere", 0.25, 0.0, 1.0, "assumed; settled by where insiders of past cases sat"),
    Parameter("attacker.forges_per_hour", 0.0, 0.0, 60.0, "assumed; settled by floods of alerts on record"),
    Parameter("attacker.forge_focus", 1.0, 0.0, 3.0, _CAMPAIGNS),
    Parameter("attacker.campaign_speed", 1.0, 0.1, 10.0, _CHOSEN),
    Parameter("campaign.grace_s", 3_600.0, 600.0, 14_400.0, _CAMPAIGNS),
    # Games: GameSettings, and Scenario where it has the same field.
    Parameter("game.repair_h", 8.0, 1.0, 48.0, _RESTORE),
    Parameter("game.carried_out_h", 1.0, 0.2, 24.0, "assumed; settled by what owners paid after data were published"),
    Parameter("game.regain", 0.05, 0.01, 0.2, "assumed, per tick of 60 s; settled by red-team logs"),
    Parameter("game.labour_rate", 0.05, 0.01, 0.2, "assumed; settled by what an owner's hour of work costs it"),
    Parameter("game.start_hour", -1.0, -1.0, 24.0, _CHOSEN),
    Parameter("game.load_amplitude", 0.0, 0.0, 0.9, _EVENTS),
    Parameter("game.load_peak_hour", 13.0, 8.0, 20.0, _EVENTS),
    Parameter("scenario.tick_s", 60.0, 10.0, 300.0, _CHOSEN),
    Parameter("phone.call_h", 2.0, 0.25, 12.0, _CALLS),
    Parameter("phone.late_s", 5_400.0, 900.0, 43_200.0, _CALLS),
    Parameter("phone.part", 0.5, 0.1, 0.9, _CALLS),
    # Kinds of cooperation between owners: envs.cooperation.
    Parameter("cooperation.quick_s", 60.0, 10.0, 900.0, "assumed; settled by what a standing agreement would say"),
    Parameter("cooperation.slow_s", 7_200.0, 900.0, 43_200.0, _CALLS),
    # Generated chains: Generator, and the consent tables of their owners.
    Parameter("generate.exposed", 0.1, 0.02, 0.3, _INVENTORY),
    Parameter("generate.weak", 0.35, 0.1, 0.6, _INVENTORY),
    Parameter("generate.local", 0.3, 0.1, 0.6, _INVENTORY),
    Parameter("generate.escape", 0.15, 0.03, 0.4, _INVENTORY),
    Parameter("generate.devices", 0.2, 0.0, 0.5, _INVENTORY),
    Parameter("generate.supplied", 0.4, 0.1, 0.8, _CONTRACTS),
    Parameter("generate.managed", 0.2, 0.05, 0.5, _CONTRACTS),
    Parameter("generate.open", 0.4, 0.0, 0.8, "assumed; settled by asking owners what they would sign"),
    Parameter("generate.partial", 0.4, 0.1, 0.8, "assumed; settled by asking owners what they would sign"),
    Parameter("generate.consent.own.latency_s", 600.0, 120.0, 3_600.0, _LOGS),
    Parameter("generate.consent.own.refusal", 0.05, 0.0, 0.2, _LOGS),
    Parameter("generate.consent.other.latency_s", 1_200.0, 300.0, 14_400.0, _LOGS),
    Parameter("generate.consent.other.refusal", 0.2, 0.05, 0.5, _LOGS),
)
_HERE = {row.name: row for row in _ROWS}
_THIRD = 3.0  # measured on simulated telemetry, or of playbooks: a third to three times; assumed


def value_of(name: str) -> float:
    """The value of a number of this table.

    Raises:
        KeyError: the table has no such row.
    """
    return _HERE[name].value


@cache
def ranges() -> dict[str, Parameter]:
    """All numbers by name: of attack steps, attackers, games, generated chains, detectors, playbooks."""
    return {row.name: row for row in (*PARAMETERS.values(), *_ROWS, *_detectors(), *_playbooks())}


def _detectors() -> Iterator[Parameter]:
    """The confusion table; how far detectors do better or worse on real telemetry is assumed."""
    table = shipped_confusion()
    measured = "measured on simulated telemetry by tocsin plant measure; the range is assumed"
    for sensor in SensorClass:
        for step in StepClass:
            if table.hit[sensor][step]:
                name = f"detectors.hit.{sensor.word}.{step.word}"
                yield _chance(name, table.hit[sensor][step], measured)
        yield _scaled(f"detectors.false_per_hour.{sensor.word}", table.false_per_hour[sensor], measured)
    yield Parameter("detectors.monitored_gain", table.monitored_gain, 1.0, 2 * table.monitored_gain, measured)


def _playbooks() -> Iterator[Parameter]:
    """What playbooks say of themselves, with their own sources; the ranges are assumed."""
    for playbook in load_library().playbooks:
        said = declaration_of(playbook)
        sources, name = said["sources"], f"playbook.{playbook.name}"
        for field in ("work_s", "hold_s", "labour_h"):
            if said[field]:
                yield _scaled(f"{name}.{field}", said[field], sources[field])
        yield _not_chance(f"{name}.success", said["success"], sources["success"])
        for step_class, factor in said["verbs"]["lower_probability"].items():
            yield _chance(f"{name}.lower.{step_class}", factor, sources["lower_probability"])


def _chance(name: str, value: float, source: str) -> Parameter:
    return Parameter(name, value, value / _THIRD, min(1.0, value * _THIRD), source)


def _not_chance(name: str, value: float, source: str) -> Parameter:
    """A probability near one: it is the failure that may be a third or three times."""
    return Parameter(name, value, max(0.0, 1.0 - (1.0 - value) * _THIRD), 1.0 - (1.0 - value) / _THIRD, source)


def _scaled(name: str, value: float, source: str) -> Parameter:
    return Parameter(name, value, value / _THIRD, value * _THIRD, source)
