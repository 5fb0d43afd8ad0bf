"""One actuator for all command types: it sends each order to the actuator of its type.

Flows in: orders. Flows out: outcomes, or a refusal that says which actuator is missing. Actuators are found by entry
points of the group `tocsin.actuators`: the name is a CACAO command type, the object a factory that takes a `Setup`.
What a node installs, it can carry out; a type without one is refused with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from threading import Lock
from typing import Any, Final

from .base import Actuator, Order, Outcome, Refused, give_up, may_be_shared, waits_for_others
from .setup import Setup, SetupError, read_settings

GROUP: Final = "tocsin.actuators"
OPENC2: Final = "openc2-http"
TYPES: Final = (  # CACAO v2.0, section 5
    "bash",
    "caldera-cmd",
    "elastic",
    "http-api",
    "jupyter",
    "kestrel",
    "manual",
    "openc2-http",
    "powershell",
    "sigma",
    "ssh",
    "yara",
)
UNSET: Final = frozenset({"manual"})  # useful without any settings


@dataclass(frozen=True, slots=True)
class Router:
    """Sends orders on; lives as long as its node."""

    actuators: Mapping[str, Actuator]  # by command type
    _locks: Mapping[str, Lock] = field(init=False, repr=False, compare=False)  # of those for one thread at a time

    def __post_init__(self) -> None:
        alone = (name for name, actuator in self.actuators.items() if not may_be_shared(actuator))
        object.__setattr__(self, "_locks", {name: Lock() for name in alone})

    @property
    def is_shared(self) -> bool:
        """True: a slow actuator holds up no other."""
        return True

    @property
    def removes_duplicates(self) -> bool:
        """True: it asks an actuator that does not before it sends anything."""
        return True

    def carry_out(self, order: Order) -> Outcome:
        """Have the actuator of the order's type carry it out.

        Raises:
            Refused: there is none; or what it raises.
        """
        actuator = self.actuators.get(order.type)
        if actuator is None:
            raise Refused(f"order {order.key}: {why_not(order.type, self.actuators)}")
        with self._locks.get(order.type, nullcontext()):
            known = None if actuator.removes_duplicates else actuator.read(order)
            return known or actuator.carry_out(order)

    def read(self, order: Order) -> Outcome | None:
        """Ask the actuator of the order's type."""
        actuator = self.actuators.get(order.type)
        if actuator is None:
            return None
        with self._locks.get(order.type, nullcontext()):
            return actuator.read(order)

    def give_up(self, key: str) -> bool:
        """Tell all: a key does not say whose it is."""
        told = False
        for name, actuator in self.actuators.items():
            if waits_for_others(actuator):
                with self._locks.get(name, nullcontext()):
                    told = give_up(actuator, key) or told
        return told


def why_not(command_type: str, usable: Iterable[str]) -> str:
    """Why commands of a type are not carried out here; empty where they are. For vetting and for refusals."""
    if command_type in usable:
        return ""
    if command_type in installed():
        return f"commands of type {command_type!r} are not set up at this node; add them to HOME/actuators.yaml"
    return (
        f"commands of type {command_type!r} have no actuator at this node; install a package with an entry point "
        f"{command_type!r} in the group {GROUP}, see docs/actuators.md"
    )


def installed() -> dict[str, EntryPoint]:
    """The factories that are installed, by command type."""
    return {point.name: point for point in entry_points(group=GROUP)}


def usable(home: Path) -> frozenset[str]:
    """The command types that a node of this home carries out: installed, and set up where that is needed.

    Raises:
        SetupError: the settings are broken.
    """
    return frozenset({OPENC2} | (set(installed()) & (set(read_settings(home)) | UNSET)))


def build(home: Path, openc2: Actuator) -> Router:
    """Give the router of a node: OpenC2 as it is, and whatever is installed and has settings in the node's home.

    Raises:
        SetupError: settings for a type without a factory, or a factory that cannot use them.
    """
    settings = read_settings(home)
    factories = installed()
    found: dict[str, Actuator] = {OPENC2: openc2}
    for name in settings:
        if name not in factories:
            raise SetupError(f"{home / 'actuators.yaml'}: {name}: {why_not(name, ())}")
    for name in sorted(usable(home) - {OPENC2}):
        found[name] = _make(factories[name], Setup(name, home, settings.get(name, {})))
    return Router(found)


def _make(point: EntryPoint, setup: Setup) -> Any:
    try:
        factory = point.load()
    except (ImportError, AttributeError) as error:
        raise SetupError(
            f"actuator {point.name!r} ({point.value}) cannot be loaded: {error}; mend the package"
        ) from None
    return factory(setup)
