"""What a run is of: its playbook, how others are found, how abstract targets are resolved, and its bounds.

Flows in: functions that find things. Flows out: a `Program`, the fixed part of a run; a `State` is the moving one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..cacao import ActionStep, AnyCommand, Playbook, PlaybookError, digest
from .checking import SUPPORTED, step_of, undo_of
from .state import Pinned
from .values import StepFault, names_in

ABSTRACT = ("security-category", "sector", "group", "location")  # types that a twin makes concrete
IN_TWIN = (*ABSTRACT, "net-address")  # targets that are looked up where a twin is given

# (playbook id, its `modified` or None for the latest); StepFault: it cannot be said which one, PlaybookError: what the
# run has called before is not there any more.
Resolve = Callable[[str, str | None], Playbook | None]
Kept = Callable[[str], Playbook | None]  # SHA-256 of a content -> the playbook
Expand = Callable[[Mapping[str, Any]], Sequence[Mapping[str, Any]]]  # a definition with its values -> what it names


@dataclass(frozen=True, slots=True)
class Bounds:
    """What no run exceeds; all assumed, none is of the standard."""

    steps: int = 20_000  # walked in all
    iterations: int = 1_000  # of one loop
    frames: int = 64  # branches, loops and calls in each other
    calls: int = 8  # playbooks in each other
    step_s: int = 86_400  # an action, a called playbook or a loop without a timeout of its own
    run_s: int = 604_800  # the whole


def knows_none(_name: str, _version: str | None) -> Playbook | None:
    """Find no playbook."""
    return None


def keeps_none(_digest: str) -> Playbook | None:
    """Keep no playbook."""
    return None


def among(playbooks: Iterable[Playbook]) -> Resolve:
    """Find playbooks among these: the version that is named, else the latest."""
    versions: dict[str, dict[str, list[Playbook]]] = {}
    for playbook in playbooks:
        versions.setdefault(playbook.id, {}).setdefault(playbook.modified, []).append(playbook)

    def resolve(name: str, version: str | None) -> Playbook | None:
        known = versions.get(name, {})
        return the_one(known.get(max(known, default="") if version is None else version, ()))

    return resolve


def the_one(same: Sequence[Playbook]) -> Playbook | None:
    """The one content of those with one id and version; None: there is none.

    Raises:
        StepFault: they differ, so that id and version do not say what would be run.
    """
    contents = {digest(one): one for one in same} if len(same) > 1 else {}
    if len(contents) > 1:
        told = " and ".join(name[:12] for name in sorted(contents))
        raise StepFault(
            f"playbook {same[0].id}, version {same[0].modified}: two contents are there ({told}); "
            "keep one, and give the other a time of its own"
        )
    return same[0] if same else None


def without_twin(definition: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Refuse what only a twin can resolve; an address stands for itself.

    Raises:
        StepFault: a category, sector, group or place.
    """
    if definition.get("type") not in ABSTRACT:
        return ()
    raise StepFault(f"{definition.get('id')} is a {definition.get('type')}: no twin is given to resolve it; give one")


@dataclass(frozen=True, slots=True)
class Names:
    """Variables that an action uses."""

    asking: tuple[str, ...]  # in its commands, agent, targets and in_args, and in its undo
    undoing: tuple[str, ...]  # in its undo, with agent, targets and in_args


@dataclass(frozen=True)
class Program:
    """The fixed part of a run."""

    playbook: Playbook
    resolve: Resolve = knows_none
    expand: Expand = without_twin
    supported: frozenset[str] = SUPPORTED  # command types that actuators are installed for
    kept: Kept = keeps_none  # contents that a run has met, whatever is found by their names now
    hold_s: float = 0  # time to live: what succeeded is taken back after it; 0: it holds until withdrawn
    bounds: Bounds = field(default_factory=Bounds)
    _pins: dict[int, tuple[Playbook, Pinned]] = field(default_factory=dict, init=False, repr=False, compare=False)

    _undos: dict[tuple[int, str], tuple[AnyCommand, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _names: dict[tuple[int, str], Names] = field(default_factory=dict, init=False, repr=False, compare=False)

    def undo(self, playbook: Playbook, step: str) -> tuple[AnyCommand, ...]:
        """How a step is undone, see `undo_of`; read once.

        Raises:
            PlaybookError: it is malformed.
        """
        self.pin(playbook)  # so that its identity stays its own
        key = (id(playbook), step)
        if key not in self._undos:
            self._undos[key] = undo_of(playbook, step)
        return self._undos[key]

    def names(self, playbook: Playbook, step: str) -> Names:
        """The variables that an action uses; found once."""
        self.pin(playbook)  # so that its identity stays its own
        key = (id(playbook), step)
        if key not in self._names:
            self._names[key] = _names_of(playbook, step)
        return self._names[key]

    def pin(self, playbook: Playbook) -> Pinned:
        """What names this very content."""
        if id(playbook) not in self._pins:  # the digest of a large playbook takes milliseconds
            self._pins[id(playbook)] = (playbook, Pinned(playbook.id, playbook.modified, digest(playbook)))
        return self._pins[id(playbook)][1]

    def met(self, name: str, version: str) -> Playbook:
        """A playbook that a run has met, by its id and version.

        Raises:
            KeyError: no run has.
        """
        for playbook, pin in self._pins.values():
            if (pin.id, pin.modified) == (name, version):
                return playbook
        raise KeyError(f"no run has met playbook {name}, version {version}")

    def pinned(self, pin: Pinned) -> Playbook:
        """The playbook that a run has met before.

        Raises:
            PlaybookError: it is gone, or its content is another.
        """
        for playbook, known in self._pins.values():
            if known == pin:
                return playbook
        found = self.playbook if pin.id == self.playbook.id else self._found(pin)
        if found is None or self.pin(found) != pin:
            raise PlaybookError(
                f"playbook {pin.id}, version {pin.modified}: is not what the run began with; bring that version back"
            )
        return found

    def _found(self, pin: Pinned) -> Playbook | None:
        try:
            return self.kept(pin.digest) or self.resolve(pin.id, pin.modified)
        except StepFault:  # of that name there are several
            return None


def _names_of(playbook: Playbook, name: str) -> Names:
    step = step_of(playbook, name)
    assert isinstance(step, ActionStep)  # only it asks for commands
    parties = [playbook.agent_definitions.get(step.agent)]
    parties += [playbook.target_definitions.get(target) for target in step.targets]
    secrets = [getattr(party, "authentication_info", None) for party in parties]
    authentications = [playbook.authentication_info_definitions.get(one) for one in secrets if one]
    content = [one.model_dump(by_alias=True) for one in (*parties, *authentications) if one is not None]
    around = {*names_in([dict(step.step_extensions), *content]), *step.in_args}
    commands = [command.model_dump(by_alias=True) for command in step.commands]
    return Names(tuple(sorted({*around, *names_in(commands)})), tuple(sorted(around)))
