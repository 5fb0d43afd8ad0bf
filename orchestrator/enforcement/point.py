"""The enforcement point: OpenC2 commands in, rules in the kernel, answers out.

Flows in: checked commands of the packet filter (`slpf`) and of our own profile (`x-tocsin`). Flows out: responses, and
calls of a writer that makes the kernel hold a list of rules. The law: a change is kept in the store only after the
kernel took it, and an order with a known key changes nothing.

    slpf       deny, allow (addresses, connections); delete slpf:rule_number
    x-tocsin   contain an asset: nothing from or to it; deny a link; allow takes either back (the undo of a response
               takes its own rules, a release takes all); query an asset: the numbers of the rules on it

A rule is its producer's, and so is its number: others do not see, lift or override it, and a producer decides only on
packets from or to the addresses that the owner lists for it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from ..openc2.consumer import Asked
from ..openc2.language import STATUSES, Command, Response
from ..openc2.packet_filter import FILTERED, RULE_NUMBER, SLPF
from ..openc2.profiles import Profile
from ..openc2.reading import NOT_IMPLEMENTED, OpenC2Error
from ..openc2.tocsin_profile import ASSET, LINK, TOCSIN, TocsinArgs
from .kernel import Lists
from .names import NameMap
from .nft import NftError
from .reach import NOWHERE, Reach
from .rules import Flow, Rule, filter_args, flows_of, key_of, maker_of, next_number, window_of
from .store import RuleStore, StoreError

MAX_RULES: Final = 10_000  # of all producers together, in equal parts; assumed, the kernel is told them whole in 10 s
PAIRS: Final[Mapping[str, tuple[str, ...]]] = {
    "deny": (*sorted(FILTERED), LINK),
    "allow": (*sorted(FILTERED), ASSET, LINK),
    "delete": (RULE_NUMBER,),
    "contain": (ASSET,),
    "query": (ASSET,),
}


@dataclass(slots=True)
class EnforcementPoint:
    """One packet filter; lives as long as its server."""

    store: RuleStore
    write: Callable[[Lists], None]  # makes the kernel hold these lists; raises NftError
    names: NameMap = field(default_factory=NameMap)
    reaches: Mapping[str, Reach] = field(default_factory=dict)  # by producer; who is not there may decide nothing
    asset_id: str = ""  # by which producers may name this filter
    has_inside: bool = False  # whether it can tell ingress from egress
    clock: Callable[[], float] = time.time

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """The packet filter and our own."""
        return {profile.nsid: profile for profile in (SLPF, TOCSIN)}

    @property
    def pairs(self) -> Mapping[str, tuple[str, ...]]:
        """What it can do."""
        return PAIRS

    def start(self) -> None:
        """Drop what should not survive a restart or is over; have the kernel hold the rest.

        Raises:
            NftError: the kernel does not take it.
        """
        now = self._now()
        with self.store.change():
            self.store.remove([rule for rule in self.store.rules() if not rule.persistent or rule.is_over(now)])
            self.write(self.store.lists())

    def is_meant(self, command: Command) -> bool:
        """Whether a command's specifiers leave this filter in: by asset id; groups and host names are not kept here."""
        given = command.specifiers.model_dump(exclude_none=True) if command.specifiers is not None else {}
        return not given or (bool(self.asset_id) and given == {"asset_id": self.asset_id})

    def carry_out(self, asked: Asked) -> Response:
        """Do what a command asks for, once per producer and request.

        Raises:
            OpenC2Error: 400, 403, 404, 500 or 501 with its reason.
        """
        command = asked.command
        key = key_of(asked.producer, asked.key)
        known = self.store.answer(key)
        if known is not None:
            if known.get("digest") != digest_of(command):
                raise OpenC2Error("headers.request_id", "was used for another command; give each its own")
            return Response(known["status"], known.get("status_text", ""), known.get("results", {}))
        if command.action == "query":
            return self._query(command, asked.producer)
        try:
            with self.store.change():
                response = self._change(command, key)
                self.store.keep(key, {**response.as_json(), "digest": digest_of(command)})
                self.write(self.store.lists())
        except NftError as error:
            with suppress(NftError):  # one that was ended by its time may have been taken: back to what is kept
                self.write(self.store.lists())
            raise OpenC2Error("", f"Rule not updated: {error}", 500) from None
        except StoreError as error:
            with suppress(NftError):
                self.write(self.store.lists())  # the kernel took what cannot be kept: back to what is
            raise OpenC2Error("", f"Rule not updated: {error}", 500) from None
        return response

    def _change(self, command: Command, key: str) -> Response:
        now = self._now()
        self.store.remove(self.store.over(now))
        if command.target_type == RULE_NUMBER:
            return self._delete(command.target, key)
        if command.target_type in FILTERED:
            return self._filter(command, key)
        if command.action == "allow":
            return self._take_back(command, key)
        flows = self.names.of_asset if command.target_type == ASSET else self.names.of_link
        return self._hold(command, key, flows(command.target))

    def _filter(self, command: Command, key: str) -> Response:
        args = filter_args(command)
        direction = args.direction or "both"
        if direction != "both" and not self.has_inside:
            raise OpenC2Error(
                "args.slpf.direction", "Option not supported: start the actuator with --inside", NOT_IMPLEMENTED
            )
        start, stop = window_of(command, self._now())
        rule = Rule(
            self._number(args.insert_rule, key),
            "deny" if command.action == "deny" else "allow",
            self._own(flows_of(command.target_type, command.target), key),
            direction,
            args.drop_process == "reject",
            args.persistent is not False,
            start,
            stop,
            key,
        )
        self._add(rule)
        return Response(200, STATUSES[200], {"slpf": {"rule_number": rule.number}})

    def _delete(self, number: int, key: str) -> Response:
        rule = next((rule for rule in self.store.of(maker_of(key)) if rule.number == number), None)
        if rule is None:
            told = f"this producer has no rule {number}; numbers are each producer's own"
            raise OpenC2Error("target", f"firewall rule not removed or updated: {told}", 404)
        self.store.remove([rule])
        return Response(200, STATUSES[200])

    def _hold(self, command: Command, key: str, flows: tuple[Flow, ...]) -> Response:
        wish = _wish(command)
        start, stop = window_of(command, self._now())
        rule = Rule(
            self._number(None, key),
            "deny",
            self._own(flows, key),
            start_ms=start,
            stop_ms=stop,
            key=key,
            subject=command.target,
            response=wish.response,
        )
        self._add(rule)
        return Response(200, STATUSES[200], {"x-tocsin": {"rules": [rule.number]}})

    def _take_back(self, command: Command, key: str) -> Response:
        """An undo takes away what its own response holds; a release all that holds the target.

        Both take only what the same producer ordered. Where others hold the target too, each lifts its own, in any
        order; who has nothing to lift is refused, as the target would not be free.
        """
        wish = _wish(command)
        held = [rule for rule in self.store.rules() if rule.subject == command.target]
        wanted = [rule for rule in held if not wish.undo or rule.response == wish.response]
        gone = [rule for rule in wanted if rule.producer == maker_of(key)]
        if wanted and not gone:
            raise OpenC2Error("target", "held by a rule of another producer too; that one has to lift it", 403)
        self.store.remove(gone)
        return Response(200, STATUSES[200], {"x-tocsin": {"rules": [rule.number for rule in gone]}})

    def _query(self, command: Command, producer: str) -> Response:
        now = self._now()
        held = [
            rule.number for rule in self.store.of(producer) if rule.subject == command.target and not rule.is_over(now)
        ]
        return Response(200, STATUSES[200], {"x-tocsin": {"rules": held}})

    def _own(self, flows: tuple[Flow, ...], key: str) -> tuple[Flow, ...]:
        """The flows, where the producer may decide on all of them."""
        producer = maker_of(key)
        reach = self.reaches.get(producer, NOWHERE)
        for flow in flows:
            if not reach.covers(flow):
                said = f"{flow.src or 'any'} to {flow.dst or 'any'} is not for producer {producer!r} to decide"
                raise OpenC2Error("target", f"{said}; have the filter's owner list its addresses", 403)
        return flows

    def _number(self, wanted: int | None, key: str) -> int:
        producer = maker_of(key)
        taken = {rule.number for rule in self.store.of(producer)}
        most = MAX_RULES // max(1, len(self.reaches))  # nobody uses up the part of another
        if len(taken) >= most:
            raise OpenC2Error("", f"{most} rules of this producer stand already; delete some", 500)
        if wanted is None:
            number = next_number(taken, self.store.lowest(producer))
            self.store.lower(producer, number)
            return number
        if wanted in taken:
            raise OpenC2Error("args.slpf.insert_rule", "Rule number currently in use", NOT_IMPLEMENTED)
        return wanted

    def _add(self, rule: Rule) -> None:
        if rule.is_over(self._now()):
            raise OpenC2Error("args.stop_time", "is over already; mend the times")
        self.store.add(rule)

    def _now(self) -> int:
        return int(self.clock() * 1000)


def digest_of(command: Command) -> str:
    """Give what tells one command from another."""
    return hashlib.sha256(repr(command).encode()).hexdigest()


def _wish(command: Command) -> TocsinArgs:
    found = command.extended.get(TOCSIN.nsid)
    return found if isinstance(found, TocsinArgs) else TocsinArgs.model_construct(response="", undo=False)
