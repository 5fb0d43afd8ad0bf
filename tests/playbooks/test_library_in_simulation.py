"""Every playbook of the library in a world of the charging chain: it does what it declares, and no more.

What it holds is compared with what follows from its declaration in plain Python: modes, cuts, open steps, odds of
steps, access, labour. Its undo reopens exactly what it alone had closed, and its time to live ends it. A new file in
the library is tested here too.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pytest
from tocsin.playbooks.actions import load_library
from tocsin.playbooks.effects import declaration_of
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.twin.attack.steps import derive_steps
from tocsin.twin.compiled import Compiled, CompiledTwin, compile_twin
from tocsin.twin.rulebook.attacking import is_passable, success_probability
from tocsin.twin.rulebook.effects import Effect, EffectTable, build_effect_table
from tocsin.twin.rulebook.parameters import AttackerProfile, GameSettings, build_parameters
from tocsin.twin.rulebook.rules import BITS, COUNT
from tocsin.twin.rulebook.state import COUNTS, NEVER, WorldState
from tocsin.twin.rulebook.worlds import STREAM_EVALUATION, Worlds
from tocsin.twin.sensing.confusion import shipped_confusion
from tocsin.twin.sources import load_example
from tocsin.twin.vocabulary import Access, ConsentMode, Mode, RunState, StepClass, TargetType

LIBRARY = load_library()
EVERY = pytest.mark.parametrize("number", range(len(LIBRARY.playbooks)), ids=LIBRARY.names)
FITTING = {  # where the first of its kind shows little
    "suspend-update-channel": "supplies cloud/host/registry csms/container/ocpp-1 0",
    "block-link": "reaches shop/service/checkout csms/service/api 8080",
    "sinkhole-domain": "csms/data_store/customers",
    "patch-and-reboot": "fleet/host/vpn",
    "rate-limit-service": "fleet/host/vpn",
}
BLOCKING = (Mode.ISOLATED, Mode.DOWN, Mode.RESTORING)
HELD = 1  # the bit of the one attacker


@numba.njit  # type: ignore[untyped-decorator]
def look(t: CompiledTwin, e: EffectTable, s: WorldState) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """bool[E] which steps are open to who holds their sources, float64[E] the odds of a try."""
    passable, odds = np.zeros(len(t.step), np.bool_), np.zeros(len(t.step))
    for step in range(len(t.step)):
        passable[step] = is_passable(0, step, t, s)
        odds[step] = success_probability(0, step, t, e, s)
    return passable, odds


@cache
def chain() -> Compiled:
    """The charging chain."""
    twin = load_example().twin
    return compile_twin(twin, derive_steps(twin))


class Calm:
    """One world in which nobody attacks, owners consent at once and playbooks succeed; the first one is tested."""

    def __init__(self, *effects: Effect) -> None:
        table = build_effect_table(effects)
        table.playbook["success"] = 1.0
        self.effects = effects
        absent = AttackerProfile("nobody", absent=1.0)
        parameters = build_parameters(chain(), [absent], shipped_confusion(), GameSettings(regain=0.0))
        parameters.consent["mode"] = ConsentMode.AT_ONCE
        parameters.false_rate[:] = 0.0
        self.worlds = Worlds.make(chain(), table, parameters, world_ids=[0], stream=STREAM_EVALUATION, trace=256)
        self.state, self.labour = self.worlds.state, parameters.labour

    def orders(self, target: int, playbook: int = 0) -> None:
        """Have a playbook carried out; legal it must be."""
        action = 1 + playbook * chain().targets + target
        assert self.worlds.masks()[0, action]
        self.worlds.tick(np.array([[action]], np.int32))

    def works(self, playbook: int = 0) -> None:
        """Let the work end."""
        self.worlds.roll(int(self.worlds.effects.playbook["work"][playbook]))

    def carries_out(self, target: int, playbook: int = 0) -> None:
        """Order a playbook, and let its work end."""
        self.orders(target, playbook)
        self.works(playbook)

    def run(self, playbook: int) -> Any:
        """The running response of a playbook; None where it holds nothing."""
        rows = self.state.run[0]
        found = rows[(rows["state"] == RunState.HOLDING) & (rows["playbook"] == playbook)]
        return found[0] if len(found) else None

    def undoes(self, playbook: int) -> None:
        """End a hold in the next tick, as an undo of the owner's system does."""
        rows = self.state.run
        mine = (rows["state"] == RunState.HOLDING) & (rows["playbook"] == playbook)
        rows["due"][mine] = self.state.world["tick"][0]
        self.worlds.roll(1)

    def holds(self, asset: int) -> None:
        """Let the attacker hold an asset in every way."""
        for field in ("user", "admin", "persist"):
            self.state.asset[field][0, asset] = HELD
        self.state.held[0, 0], self.state.world["held_n"][0] = asset, 1

    def bits(self, asset: int) -> tuple[bool, bool, bool]:
        """Whether the attacker has user access, admin access, persistence."""
        row = self.state.asset[0, asset]
        return bool(row["user"]), bool(row["admin"]), bool(row["persist"])

    def seen(self) -> dict[str, Any]:
        """All that playbooks may change of what is public, and the odds."""
        passable, odds = look(chain().arrays, self.worlds.effects, self.state)
        modes = self.state.asset[0]["modes"] & COUNTS
        return {
            "modes": {(int(a), m): int(modes[a]) >> BITS * m & COUNT for a in modes.nonzero()[0] for m in Mode},
            "cut": self.state.cut[0].tolist(),
            "passable": passable.tolist(),
            "odds": odds.round(9).tolist(),
        }


def target_of(number: int) -> int:
    """A target that a playbook fits."""
    effect, compiled = LIBRARY.effects[number], chain()
    name = FITTING.get(LIBRARY.names[number])
    if name is not None:
        return int(compiled.target_number[name])
    assets, links, _ = compiled.sizes
    if effect.target_type is TargetType.LINK:
        return int(compiled.target_number[FITTING["block-link"]])
    if effect.target_type is TargetType.OWNER:
        return assets + links
    return next(number for number, asset in enumerate(compiled.assets) if asset.kind in effect.kinds)


def expected(number: int, target: int, *, count: int = 1, before: dict[str, Any]) -> dict[str, Any]:
    """What is seen while `count` responses of a playbook hold on a target, by its declaration alone."""
    verbs = declaration_of(LIBRARY.playbooks[number])["verbs"]
    word = "monitored" if verbs["raise_coverage"] else verbs["set_mode"]
    mode = None if word is None else Mode(Mode.parse(word))
    arrays, assets = chain().arrays, chain().sizes[0]
    passable, odds, cut = list(before["passable"]), list(before["odds"]), list(before["cut"])
    modes = {(target, m): count * (m is mode) for m in Mode} if mode is not None and target < assets else {}
    if verbs["cut_link"]:
        cut[target - assets] += count
    factors = {StepClass(StepClass.parse(name)): factor for name, factor in verbs["lower_probability"].items()}
    for step, row in enumerate(arrays.step):
        ends = {int(row["src"]), int(row["dst"])}
        if mode in BLOCKING and target in ends:
            passable[step] = False
        if mode is Mode.CREDENTIAL_RESET and target in (int(row["dst"]), int(row["identity"])):
            passable[step] = False
        if verbs["cut_link"] and int(row["link"]) == target - assets:
            passable[step] = False
        if int(row["dst"]) == target:
            odds[step] = round(
                float(row["probability"]) * factors.get(StepClass(int(row["step_class"])), 1.0) ** count, 6
            )
    return {"modes": modes, "cut": cut, "passable": passable, "odds": odds}


def same(seen: dict[str, Any], told: dict[str, Any]) -> None:
    """Compare, odds within the precision of factors."""
    assert {**seen, "odds": ()} == {**told, "odds": ()}
    assert np.allclose(seen["odds"], told["odds"], atol=1e-5)


def again(effect: Effect) -> Effect:
    """Another playbook that does the same."""
    return replace(effect, playbook=f"{effect.playbook}-again")


def preparing(number: int) -> tuple[Effect, ...]:
    """What must hold before a playbook has anything to do: of the library, what holds the mode that it clears."""
    effect = LIBRARY.effects[number]
    name = {TargetType.ASSET: "isolate-asset", TargetType.LINK: "block-link"}.get(effect.target_type)
    return () if effect.clear_mode is None else (LIBRARY.effects[LIBRARY.index_of(str(name))],)


@EVERY
def test_it_has_exactly_the_declared_effect(number: int) -> None:
    """Modes, cuts, open steps and odds follow from its declaration; nothing elsewhere changes."""
    effect, target = LIBRARY.effects[number], target_of(number)
    world = Calm(effect, *preparing(number))
    before = world.seen()
    if effect.clear_mode is not None:
        world.carries_out(target, 1)
        assert world.seen() != before and world.run(1) is not None
    world.carries_out(target)
    same(world.seen(), expected(number, target, before=before))
    assert (world.run(0) is not None) == (effect.mode is not None or effect.coverage or effect.cut)
    closes = effect.cut or effect.mode in (*BLOCKING, Mode.CREDENTIAL_RESET)
    assert (world.seen()["passable"] != before["passable"]) == closes, "the target shows nothing"
    assert (world.seen()["odds"] != before["odds"]) == bool(effect.lower), "the target shows nothing"
    assert effect.clear_mode is None or world.run(1) is None


@EVERY
def test_it_holds_its_mode_while_it_works(number: int) -> None:
    """From its start until it takes effect, and no other."""
    effect, target = LIBRARY.effects[number], target_of(number)
    world = Calm(effect, *preparing(number))
    if effect.clear_mode is not None:
        world.carries_out(target, 1)
    before = world.seen()["modes"]
    world.orders(target)
    held = {mode for (_, mode), count in world.seen()["modes"].items() if count} - {m for _, m in before}
    if world.worlds.effects.playbook["work"][0] > 1:
        assert held == ({effect.mode_during} if effect.mode_during is not None else set())


@EVERY
def test_it_takes_from_attackers_what_it_declares(number: int) -> None:
    """Access falls to the ceiling; persistence goes only where that is declared; without a ceiling nothing is taken."""
    effect, target = LIBRARY.effects[number], target_of(number)
    if target >= chain().sizes[0]:
        assert effect.ceiling is None
        return
    world = Calm(effect, *preparing(number))
    if effect.clear_mode is not None:
        world.carries_out(target, 1)
    world.holds(target)
    world.carries_out(target)
    keeps = effect.ceiling is None
    assert world.bits(target) == (keeps or effect.ceiling is Access.USER, keeps, not effect.clears_persistence)


@EVERY
def test_it_costs_its_owner_the_declared_labour(number: int) -> None:
    """Booked once, when it starts, and to nobody else."""
    effect, target = LIBRARY.effects[number], target_of(number)
    world = Calm(effect, *preparing(number))
    if effect.clear_mode is not None:
        world.carries_out(target, 1)
    before = world.state.loss[0, :, 2].copy()
    world.carries_out(target)
    booked = world.state.loss[0, :, 2] - before
    owner = int(booked.argmax())
    assert chain().twin.owners[owner].id in chain().owners_of(target)
    assert booked[owner] == pytest.approx(effect.labour_h * world.labour[owner]) and booked.sum() == booked[owner]


@EVERY
def test_its_undo_reopens_what_it_alone_closed(number: int) -> None:
    """Beside another playbook that does the same: the first undo changes counts only, the second opens all."""
    effect, target = LIBRARY.effects[number], target_of(number)
    if effect.mode is None and not effect.cut and not effect.coverage:
        assert not effect.undoable
        return
    world = Calm(effect, again(effect))
    before = world.seen()
    world.orders(target)
    world.carries_out(target, 1)
    same(world.seen(), expected(number, target, count=2, before=before))
    world.undoes(0)
    same(world.seen(), expected(number, target, before=before))
    world.undoes(1)
    assert world.seen() == before


@EVERY
def test_its_time_to_live_ends_it(number: int) -> None:
    """It holds until the declared time after it took effect, and not a tick longer."""
    effect, target = LIBRARY.effects[number], target_of(number)
    if effect.mode is None and not effect.cut and not effect.coverage:
        assert effect.hold_s == 0
        return
    world = Calm(effect)
    before = world.seen()
    world.carries_out(target)
    due = int(world.run(0)["due"])
    assert due != NEVER and due == world.state.world["tick"][0] - 1 + effect.hold_s / 60
    world.state.world["tick"] = due - 1  # the time between is passed over
    world.worlds.roll(1)
    same(world.seen(), expected(number, target, before=before))
    world.worlds.roll(1)
    assert world.seen() == before


def test_a_physical_process_stands_still_by_consent_class_safety_alone() -> None:
    """Whatever else the library has, no playbook of another class is for processes."""
    for effect in LIBRARY.effects:
        touches = any(kind.word == "process" for kind in effect.kinds)
        assert touches == (effect.consent_class.word == "safety")


def test_unblocking_ends_every_block_of_a_link() -> None:
    """That of block-link and that of suspend-update-channel."""
    names = ("unblock-link", "block-link", "suspend-update-channel")
    world = Calm(*(LIBRARY.effects[LIBRARY.index_of(name)] for name in names))
    target = int(chain().target_number[FITTING["suspend-update-channel"]])
    before = world.seen()
    world.orders(target, 1)
    world.carries_out(target, 2)
    assert world.seen()["cut"][target - chain().sizes[0]] == 2
    world.carries_out(target)
    assert world.seen() == before


def test_release_ends_a_quarantine_and_a_preserving_isolation() -> None:
    """All that isolates an asset is undone by release-asset."""
    names = ("release-asset", "quarantine-container", "preserve-and-isolate", "isolate-asset")
    world = Calm(*(LIBRARY.effects[LIBRARY.index_of(name)] for name in names))
    target = int(chain().target_number["csms/container/desk"])
    before = world.seen()
    for playbook in (1, 2, 3):
        world.orders(target, playbook)
    world.works(2)
    assert world.seen()["modes"][target, Mode.ISOLATED] == 3
    world.carries_out(target)
    assert world.seen() == before
