"""Commands and responses of the OpenC2 Language Specification v1.0 (OASIS committee specification 02), read strictly.

Flows in: parsed JSON and the profiles that count. Flows out: `Command` and `Response` values, or an `OpenC2Error` with
the place, the mend and the status that a consumer answers with (400: no OpenC2; 501: not of the profiles that count).
Nothing is carried out here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter

from .profiles import NSID, TARGET_NAME, Profile, open_profile
from .reading import NOT_IMPLEMENTED, OpenC2Error, fit
from .types import ACTIONS, TARGETS, CommandId, Integer, Milliseconds, Part, ResponseType, Unique

STATUSES: Final = {  # section 3.3.2.1
    102: "Processing",
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    500: "Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}
ADAPTERS: Final[Mapping[str, TypeAdapter[Any]]] = {name: TypeAdapter(kind) for name, kind in TARGETS.items()}
STANDARD: Final = frozenset({"slpf"})  # namespace ids of OASIS's own profiles, which no x- marks
COMMON_ARGS: Final = ("start_time", "stop_time", "duration", "response_requested")
COMMON_RESULTS: Final = ("versions", "profiles", "pairs", "rate_limit")


class CommonArgs(Part):
    """Arguments that any command may have (3.3.1.4)."""

    start_time: Milliseconds | None = None
    stop_time: Milliseconds | None = None
    duration: Milliseconds | None = None
    response_requested: ResponseType | None = None


class _CommandShape(Part):
    action: str
    target: dict[str, Any]
    args: dict[str, Any] | None = None
    actuator: dict[str, Any] | None = None
    command_id: CommandId | None = None


class _ResponseShape(Part):
    status: Integer
    status_text: str | None = None
    results: dict[str, Any] | None = None


class CommonResults(Part):
    """What `query features` tells (3.3.2.2)."""

    versions: Annotated[list[str], Field(min_length=1), Unique] | None = None
    profiles: list[Annotated[str, Field(min_length=1, max_length=16)]] | None = None
    pairs: dict[str, Annotated[list[str], Field(min_length=1), Unique]] | None = None
    rate_limit: Annotated[float, Field(ge=0)] | None = None


_COMMAND: Final = TypeAdapter(_CommandShape)
_RESPONSE: Final = TypeAdapter(_ResponseShape)
_ARGS: Final = TypeAdapter(CommonArgs)
_RESULTS: Final = TypeAdapter(CommonResults)


@dataclass(frozen=True, slots=True)
class Command:
    """One command, checked."""

    action: str
    target_type: str  # "ipv4_net", "slpf:rule_number"
    target: Any  # typed: see types.TARGETS and the profiles
    args: CommonArgs = field(default_factory=CommonArgs)
    extended: Mapping[str, Any] = field(default_factory=dict)  # arguments of profiles, by namespace id
    actuator: str | None = None  # namespace id of the profile that the command is for
    specifiers: Any = None  # which actuator of that profile
    command_id: str | None = None

    def window(self, now_ms: int | None = None) -> tuple[int, int | None]:
        """When it takes effect and when it ends: milliseconds since 1970; None is never (3.3.1.4)."""
        args = self.args
        now = int(time.time() * 1000) if now_ms is None else now_ms
        if args.start_time is None and args.stop_time is not None and args.duration is not None:
            return args.stop_time - args.duration, args.stop_time
        start = now if args.start_time is None else args.start_time
        if args.stop_time is not None:
            return start, args.stop_time
        return start, None if args.duration is None else start + args.duration


@dataclass(frozen=True, slots=True)
class Response:
    """One response, checked."""

    status: int
    status_text: str = ""
    results: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The response as it travels."""
        shown: dict[str, Any] = {"status": self.status}
        if self.status_text:
            shown["status_text"] = self.status_text
        if self.results:
            shown["results"] = dict(self.results)
        return shown


@dataclass(frozen=True, slots=True)
class Language:
    """What a reader takes for OpenC2: the language and these profiles; lives as long as anybody wants."""

    profiles: Mapping[str, Profile]
    open: bool = False  # whether well-formed `x-` profiles that are not defined here pass with any content

    def profile(self, nsid: str, place: str) -> Profile:
        """Give the profile of a namespace id.

        Raises:
            OpenC2Error: 400 for what is no namespace id, 501 for a profile without a definition here.
        """
        if nsid in self.profiles:
            return self.profiles[nsid]
        if not NSID.fullmatch(nsid):
            raise OpenC2Error(place, f"{nsid[:80]!r} is no namespace id of a profile; mend the name")
        if not nsid.startswith("x-") and nsid not in STANDARD:
            raise OpenC2Error(
                place, f"{nsid[:80]!r} is neither of the language nor a profile; extensions start with x-"
            )
        if self.open and nsid not in STANDARD:
            return open_profile(nsid)
        raise OpenC2Error(
            place, f"profile {nsid!r} is not defined here, only {', '.join(self.profiles)}", NOT_IMPLEMENTED
        )


def read_command(content: Any, language: Language) -> Command:
    """Read a command.

    Raises:
        OpenC2Error: the first fault found.
    """
    shape: _CommandShape = fit(_COMMAND, _object(content, "a command", ("action", "target")), "")
    if shape.action not in ACTIONS:
        raise OpenC2Error("action", f"{shape.action[:80]!r} is none of the language's actions (3.3.1.1)")
    target_type, target = _target(shape.target, language)
    common, extended = _args(shape.args, language)
    nsid, specifiers = _actuator(shape.actuator, language)
    command = Command(shape.action, target_type, target, common, extended, nsid, specifiers, shape.command_id)
    _check_times(command)
    _check_features(command)
    for name in _profiles_of(command):
        _check_profile(command, language.profile(name, "actuator"))
    return command


def read_response(content: Any, language: Language) -> Response:
    """Read a response.

    Raises:
        OpenC2Error: the first fault found.
    """
    shape: _ResponseShape = fit(_RESPONSE, _object(content, "a response", ("status",)), "")
    if shape.status not in STATUSES:
        raise OpenC2Error("status", f"{shape.status} is none of {', '.join(map(str, STATUSES))} (3.3.2.1)")
    results = _results(shape.results, language)
    return Response(shape.status, shape.status_text or "", results)


def _object(content: Any, what: str, needed: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise OpenC2Error("", f"not {what}: a JSON object with {' and '.join(needed)} is wanted")
    missing = [name for name in needed if name not in content]
    if missing:
        raise OpenC2Error(missing[0], f"missing; {what} needs {' and '.join(needed)}")
    for name, value in content.items():
        if value is None:
            raise OpenC2Error(name[:80], "null is no value; leave the property out")
    return content


def _target(content: dict[str, Any], language: Language) -> tuple[str, Any]:
    if len(content) != 1:
        raise OpenC2Error("target", f"{len(content)} target types; give exactly one (3.3.1.2)")
    name, value = next(iter(content.items()))
    place = f"target.{name[:80]}"
    if name in ADAPTERS:
        return name, fit(ADAPTERS[name], value, place)
    parts = TARGET_NAME.fullmatch(name)
    if parts is None:
        raise OpenC2Error(
            place, "neither a target type of the language nor profile:name, such as slpf:rule_number (3.1.4)"
        )
    profile = language.profile(parts[1], place)
    if name in profile.targets:
        return name, fit(profile.targets[name], value, place)
    if language.open and parts[1] not in language.profiles:
        return name, value
    raise OpenC2Error(place, f"profile {parts[1]!r} has no such target type", NOT_IMPLEMENTED)


def _args(content: dict[str, Any] | None, language: Language) -> tuple[CommonArgs, dict[str, Any]]:
    if content is None:
        return CommonArgs(), {}
    if not content:
        raise OpenC2Error("args", "empty; leave it out or give an argument (3.3.1)")
    common = {name: value for name, value in content.items() if name in COMMON_ARGS}
    for name, value in common.items():
        if value is None:
            raise OpenC2Error(f"args.{name}", "null is no value; leave the argument out")
    extended = {}
    for nsid, value in content.items():
        if nsid not in common:
            place = f"args.{nsid[:80]}"
            extended[nsid] = _part(language.profile(nsid, place).args, value, place, "arguments")
    return fit(_ARGS, common, "args"), extended


def _actuator(content: dict[str, Any] | None, language: Language) -> tuple[str | None, Any]:
    if content is None:
        return None, None
    if len(content) != 1:
        raise OpenC2Error("actuator", f"{len(content)} profiles; give exactly one (3.3.1.3)")
    nsid, value = next(iter(content.items()))
    place = f"actuator.{nsid[:80]}"
    return nsid, _part(language.profile(nsid, place).specifiers, value, place, "specifiers")


def _part(adapter: TypeAdapter[Any] | None, value: Any, place: str, what: str) -> Any:
    if adapter is None:
        raise OpenC2Error(place, f"this profile has no {what}", NOT_IMPLEMENTED)
    return fit(adapter, value, place)


def _check_times(command: Command) -> None:
    """Two of the three at most, and an end after the start."""
    args = command.args
    if None not in (args.start_time, args.stop_time, args.duration):
        raise OpenC2Error("args", "start_time, stop_time and duration: at most two of them (3.3.1.4)")
    if args.stop_time is not None:
        start = args.start_time if args.start_time is not None else args.stop_time - (args.duration or 0)
        if start < 0 or start > args.stop_time:
            raise OpenC2Error("args.stop_time", "before the start; mend the times")


def _check_features(command: Command) -> None:
    """The target `features` is for `query`, which takes no argument but response_requested: complete (4.1)."""
    if command.target_type != "features":
        return
    if command.action != "query":
        raise OpenC2Error("target.features", f"goes with the action query (4.1), not {command.action}")
    if command.args != CommonArgs() and command.args != CommonArgs(response_requested="complete"):
        raise OpenC2Error("args", 'query features takes no argument but "response_requested": "complete" (4.1)')


def _profiles_of(command: Command) -> list[str]:
    """The profiles whose rules the command must keep: its actuator's, or those of its target and arguments."""
    if command.actuator is not None:
        return [command.actuator]
    of_target = [command.target_type.partition(":")[0]] if ":" in command.target_type else []
    return list(dict.fromkeys([*of_target, *command.extended]))


def _check_profile(command: Command, profile: Profile) -> None:
    pairs, action = profile.pairs, command.action
    if not pairs:
        return
    if command.target_type not in pairs.get(action, frozenset()):
        raise OpenC2Error("target", f"{profile.nsid} has no {action} {command.target_type}", NOT_IMPLEMENTED)
    given = {name for name in COMMON_ARGS if getattr(command.args, name) is not None}
    own = command.extended.get(profile.nsid)
    given |= {f"{profile.nsid}.{name}" for name in (own.model_fields_set if own is not None else ())}
    strange = sorted(given - profile.arguments.get(action, frozenset()))
    if strange:
        raise OpenC2Error(f"args.{strange[0]}", f"no argument of {action} in {profile.nsid}", NOT_IMPLEMENTED)
    if profile.nsid == "slpf":
        _check_filter(command, own)


def _check_filter(command: Command, own: Any) -> None:
    """What the packet filter's sections 2.3.1, 2.3.2 and 2.3.5.1 ask of a producer."""
    wanted = command.args.response_requested
    if own is not None and own.insert_rule is not None and wanted != "complete":
        raise OpenC2Error("args.slpf.insert_rule", 'needs "response_requested": "complete" (slpf 2.3.1)')
    if command.action == "update":
        if command.target.name is None:
            raise OpenC2Error("target.file.name", "missing; update file names the file (slpf 2.3.5.1)")
        if wanted == "status":
            raise OpenC2Error("args.response_requested", "update file takes complete, ack or none (slpf 2.3.5.1)")


def _results(content: dict[str, Any] | None, language: Language) -> dict[str, Any]:
    if content is None:
        return {}
    if not content:
        raise OpenC2Error("results", "empty; leave it out or give a result (3.3.2.2)")
    common: CommonResults = fit(_RESULTS, {n: v for n, v in content.items() if n in COMMON_RESULTS}, "results")
    for nsid, value in content.items():
        if value is None:
            raise OpenC2Error(f"results.{nsid[:80]}", "null is no value; leave it out")
        if nsid not in COMMON_RESULTS:
            place = f"results.{nsid[:80]}"
            _part(language.profile(nsid, place).results, value, place, "results")
    if common.pairs is not None:
        _check_pairs(common.pairs, common.profiles, language)
    return content


def _check_pairs(pairs: dict[str, list[str]], profiles: list[str] | None, language: Language) -> None:
    """Pairs must exist: in the profiles that the response names, or in the packet filter where it names none.

    Where it names a profile that is not defined here, only the language's own words can be judged.
    """
    if not pairs:
        raise OpenC2Error("results.pairs", "empty; leave it out or give a pair (3.4.2.1)")
    named = [language.profiles.get(nsid) for nsid in (profiles or ["slpf"])]
    judged = [profile for profile in named if profile is not None and profile.pairs]
    is_closed = len(judged) == len(named) > 0
    for action, targets in pairs.items():
        place = f"results.pairs.{action[:80]}"
        if action not in ACTIONS:
            raise OpenC2Error(place, "none of the language's actions (3.3.1.1)")
        for target in targets:
            if target not in ADAPTERS and not TARGET_NAME.fullmatch(target):
                raise OpenC2Error(place, f"{target[:80]!r} is no target type")
            if target == "features" and action != "query":
                raise OpenC2Error(place, "features goes with the action query (4.1)")
            if is_closed and not any(target in profile.pairs.get(action, ()) for profile in judged):
                names = ", ".join(profile.nsid for profile in judged)
                raise OpenC2Error(place, f"{names} has no {action} {target[:80]}")
