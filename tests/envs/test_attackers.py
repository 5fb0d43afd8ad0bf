"""Attackers of scenarios: presets differ as their data sheets say, an insider begins inside, patience is kept."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from tocsin.envs.attackers import PRESETS, Attacker
from tocsin.envs.game import Game, load_game
from tocsin.envs.scenario import Scenario
from tocsin.envs.vector import UnseenWorlds
from tocsin.twin.rulebook.state import IMPACTED, NEVER
from tocsin.twin.vocabulary import AssetKind


def game_of(*attackers: Attacker, ticks: int = 240) -> Game:
    return load_game(Scenario(name="t", attackers=attackers, horizon_ticks=ticks, decide_every=1))


def played(game: Game, ticks: int, worlds: int = 64) -> UnseenWorlds:
    """Worlds in which nobody defends."""
    lanes = UnseenWorlds(game, range(worlds))
    lanes.reset()
    lanes.worlds.roll(ticks)
    return lanes


def a_desk(game: Game) -> str:
    """Some host of the shipped chain."""
    return next(asset.id for asset in game.compiled.twin.assets if asset.kind is AssetKind.HOST)


def at_once(preset: str, **said: object) -> Attacker:
    return Attacker.model_validate({"preset": preset, "onset_s": (0.0, 0.0), "absent": 0.0, **said})


def test_every_preset_has_a_whole_data_sheet() -> None:
    """What it stands for, what it leans on, what it leaves out; its name is its own."""
    for name, preset in PRESETS.items():
        assert preset.profile.name == name
        assert all(len(getattr(preset, part)) > 20 for part in ("stands_for", "leaned_on", "leaves_out"))
        Attacker.model_validate({"preset": name, "entry": ("a/host/b",)} | _within(preset.profile))


def _within(profile: object) -> dict[str, object]:
    """The profile's own values, as a scenario file would have to be able to say them."""
    return {one.name: getattr(profile, one.name) for one in fields(profile) if one.name not in ("entry", "name")}  # type: ignore[arg-type]


def test_what_a_scenario_says_differs_from_the_preset_and_nothing_else() -> None:
    """A field given replaces the preset's, others stay."""
    profile = Attacker(preset="apt", impact=1.5).profile
    assert profile.impact == 1.5 and profile.stealth == PRESETS["apt"].profile.stealth


def test_an_insider_begins_at_its_desk_and_nowhere_else() -> None:
    """The tick after its onset it holds the desk as a user; nothing external is held."""
    desk = a_desk(game_of(Attacker()))
    game = game_of(at_once("insider", entry=(desk,), tries_per_hour=0.0))
    asset = played(game, 2).worlds.state.asset
    number = game.compiled.asset_number[desk]
    assert (asset["user"][:, number] == 1).all()
    assert not asset["user"][:, game.compiled.arrays.external].any()


def test_nothing_is_stopped_before_patience_ends() -> None:
    """No impact in the first hour of a crew that waits an hour; soon after there is some."""
    game = game_of(at_once("ransomware", tries_per_hour=600.0))
    lanes = played(game, 59)
    modes = lanes.worlds.state.asset["modes"]
    assert not (modes & IMPACTED).any()
    lanes.worlds.roll(121)
    assert (lanes.worlds.state.asset["modes"] & IMPACTED).any()


def test_less_breadth_is_a_sharper_taste() -> None:
    """Ratios of weights grow to the power of four at no breadth."""
    broad, narrow = (game_of(at_once("opportunist", breadth=value)).parameters.weight[0] for value in (1.0, 0.0))
    best = broad.argmax()
    liked = broad > 1e-6 * broad[best]
    assert np.allclose(narrow[liked] / narrow[best], (broad[liked] / broad[best]) ** 4, rtol=1e-3)


def test_eight_attackers_hold_each_in_a_bit_of_its_own() -> None:
    """Different onsets: bit k is set only after attacker k has come."""
    attackers = [Attacker(onset_s=(600.0 * k, 600.0 * k), absent=0.0, tries_per_hour=600.0) for k in range(8)]
    game = game_of(*attackers)
    lanes = played(game, 0, worlds=16)
    outside = game.compiled.arrays.external
    for k in range(8):
        lanes.worlds.roll(1 if k == 0 else 10)
        bits = lanes.worlds.state.asset["user"][:, outside]
        assert (bits == 2 ** (k + 1) - 1).all()
    assert (lanes.worlds.state.attacker["onset"] < NEVER).all()


def test_presets_differ_as_their_data_sheets_say() -> None:
    """Undefended for eight hours: ransomware stops the most service; the quiet ones are found least per try."""
    service, found = {}, {}
    for preset in ("opportunist", "apt", "ransomware"):
        game = game_of(at_once(preset), ticks=480)
        state = played(game, 480, worlds=128).worlds
        service[preset] = state.losses()[:, :, 0].sum(axis=1).mean()
        found[preset] = state.state.world["finding_count"].mean()
    assert service["ransomware"] > service["opportunist"] > service["apt"]
    assert found["apt"] < found["opportunist"]


def test_an_entry_that_is_no_asset_is_named() -> None:
    """Before any world is made."""
    with pytest.raises(ValueError, match="entry 'moon/host/base' is no asset"):
        game_of(at_once("insider", entry=("moon/host/base",)))


def test_nobody_is_told_where_an_insider_sits() -> None:
    """Wherever it begins, what belief and forecasts assume is the same, number by number; the worlds' own is not."""
    one, other = (
        game_of(at_once("insider", entry=(desk,))) for desk in ("csms/container/desk", "fleet/host/clerk-desk")
    )
    assert all(np.array_equal(a, b) for a, b in zip(one.assumed, other.assumed, strict=True))
    assert not np.array_equal(one.parameters.entry, other.parameters.entry)


def test_that_one_begins_inside_is_known_of_a_game_and_where_is_not() -> None:
    """Belief spreads it over machines, where somebody logs in before others; an outsider is not expected inside."""
    game = game_of(Attacker(), at_once("insider", entry=("csms/container/desk",)))
    assert game.assumed.attacker["inside"].tolist() == [0.0, 1.0]
    likely = game.assumed.begin == game.assumed.begin.max()
    assert likely.sum() > 5 and likely[game.compiled.asset_number["csms/container/desk"]]
    assert len(game_of(Attacker()).assumed.begin) == 0


def test_an_insider_may_begin_anywhere() -> None:
    """A place for each episode; with an entry beside it, it is refused."""
    game = game_of(at_once("insider", inside=1.0))
    entries = played(game, 1, worlds=200).worlds.state.attacker["entry"][:, 0]
    assert len(set(entries.tolist())) > 20 and (entries >= 0).all()
    with pytest.raises(ValueError, match="leave one out"):
        at_once("insider", inside=1.0, entry=("csms/container/desk",))
