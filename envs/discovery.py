"""What one attacker has discovered of a chain: rows that tell nothing of what it has not.

Flows in: a game, the attacker's number, tick by tick what it holds and what is open to it. Flows out: assets in slots,
in the order in which it found them, and the steps that are open between them. A slot is given for good; what is found
in one tick is put in order by a keyed hash of its name, so that numbers of the twin play no part. Sizes are settings
that do not depend on the chain. It chooses nothing and writes to no world.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from ..twin.attack.techniques import TECHNIQUES
from ..twin.rulebook.rules import BLOCKING
from ..twin.rulebook.state import IMPACTED, WorldState
from ..twin.vocabulary import Access, AssetKind, Gain, StepClass
from .checks import EnvError
from .game import Game

SLOTS, ROWS = 128, 128  # assets and open steps that are shown; more than the shipped chain has of either at once
MOST = 4096  # of either
_KINDS, _CLASSES = tuple(kind.word for kind in AssetKind), tuple(one.word for one in StepClass)
_STANDING = ("user", "admin", "persists", "stopped", "cut_off", "in_reach")
ASSET_COLUMNS = ("known", *_KINDS, "entry", "had", *_STANDING, *_CLASSES)
_NEEDS, _GAINS = (Access.USER, Access.ADMIN), tuple(gain for gain in Gain if gain is not Gain.NONE)
STEP_COLUMNS = ("open", *(f"needs_{a.word}" for a in _NEEDS), *(f"gains_{g.word}" for g in _GAINS), *TECHNIQUES)
ENDS = ("source", "target", "identity")
_ENTRY, _HAD, _USER = (ASSET_COLUMNS.index(name) for name in ("entry", "had", "user"))
_FIRST_KIND, _FIRST_CLASS = 1, _USER + len(_STANDING)
_FIRST_GAIN = 1 + len(_NEEDS)
_FIRST_TECHNIQUE = _FIRST_GAIN + len(_GAINS)
Seen = dict[str, npt.NDArray[Any]]
Numbers = npt.NDArray[np.int64]
_NOTED = ("slot", "age", "assets", "known", "owners")  # arrays that a snapshot holds


class Discovery:
    """The discoveries of one attacker in one world; lives as long as its seat, forgets all when an episode begins.

    Attributes:
        listed: int64[m], attack steps in the order of their rows, by their numbers in the twin.
        left_out: how many of the assets and open steps that it has discovered found no room.
    """

    def __init__(self, game: Game, attacker: int, *, slots: int = SLOTS, rows: int = ROWS) -> None:
        """Make room for `slots` assets and `rows` open steps.

        Raises:
            EnvError: a size is out of range.
        """
        for name, size in (("slots", slots), ("rows", rows)):
            if not 1 <= size <= MOST:
                raise EnvError(f"{name} {size}: give 1..{MOST}")
        self._compiled, self._bit = game.compiled, np.uint8(1 << attacker)
        step = np.asarray(game.compiled.arrays.step)  # records are slow in Python: columns of their own
        self._ends = np.stack([step["src"], step["dst"], step["identity"]], axis=1).astype(np.int64)  # [E, ENDS]
        self._class, self._chance = step["step_class"].astype(np.int64), step["probability"].copy()
        profile = game.parameters.attacker[attacker]
        self._k = attacker
        self._entries = np.asarray(game.parameters.entry[profile.entry_first : profile.entry_last], np.int64)
        self._kind = np.asarray(game.compiled.arrays.asset["kind"])
        self._owner = np.asarray(game.compiled.arrays.asset["owner"])
        self._still = _still_columns(step)
        self._slots, self._rows = slots, rows
        self.space = spaces.Dict(
            {
                "assets": spaces.Box(0, 1, (slots, len(ASSET_COLUMNS)), np.uint8),
                "owners": spaces.Box(0, slots, (slots,), np.int32),
                "steps": spaces.Box(0, 1, (rows, len(STEP_COLUMNS)), np.uint8),
                "ends": spaces.Box(0, slots, (rows, len(ENDS)), np.int32),
                "chances": spaces.Box(0.0, 1.0, (rows,), np.float32),
            }
        )
        self.begin(0, 0, 0)

    def begin(self, stream: int, world: int, episode: int) -> None:
        """Forget everything; the key of the episode orders what will be found together."""
        self._key = struct.pack("<qqi", stream, world, episode)
        self._slot = np.zeros(len(self._kind) + 1, np.int32)  # [N + 1] from 1 on; 0: not discovered, -1: no room
        self._age = np.zeros(len(self._ends), np.int64)  # [E] from 1 on in order of discovery
        self._assets = np.zeros(0, np.int64)  # by slot
        self._owner_slot: dict[int, int] = {}
        self._known = np.zeros((self._slots, len(ASSET_COLUMNS)), np.uint8)  # what stays once it is known
        self._owners = np.zeros(self._slots, np.int32)
        self._aged = self._crowded = 0
        self.listed = np.zeros(0, np.int64)
        self.left_out = {"assets": 0, "steps": 0}

    def look(self, state: WorldState, is_open: npt.NDArray[np.bool_]) -> Seen:
        """Note what the attacker finds in world 0 as it stands, and give all that it knows, as new arrays.

        Args:
            state: the worlds; of the first, what this attacker holds is read, and how that stands.
            is_open: bool[E] of the steps open to it, as `Worlds.open_steps` gives them.
        """
        asset = np.asarray(state.asset)[0]
        held = state.held[0, : np.asarray(state.world)["held_n"][0]].astype(np.int64)
        mine = asset[held]
        held = held[((mine["user"] | mine["admin"] | mine["persist"]) & self._bit) != 0]
        steps = np.flatnonzero(is_open)
        self._note_assets(np.concatenate([held, self._ends[steps, 1]]))
        self._note_beginning(int(np.asarray(state.attacker)["entry"][0, self._k]))
        self._note_steps(steps)
        steps = steps[np.argsort(self._age[steps])]
        ends = self._slot[self._ends[steps]]  # 0 where there is no identity: the last of `_slot` is nobody's
        self.listed = steps[(ends >= 0).all(axis=1)][-self._rows :]
        self.left_out = {"assets": self._crowded, "steps": len(steps) - len(self.listed)}
        return {"assets": self._stand(asset, ends[:, 1], steps), "owners": self._owners.copy(), **self._list()}

    def snapshot(self) -> dict[str, npt.NDArray[Any]]:
        """All that has been discovered: copies, by name."""
        noted = {name: getattr(self, f"_{name}").copy() for name in _NOTED}
        owners = np.array(list(self._owner_slot), np.int64)
        return noted | {"numbered": owners, "counts": np.array([self._aged, self._crowded], np.int64)}

    def restore(self, snapshot: Mapping[str, npt.ArrayLike]) -> None:
        """Know what was known then, after `begin` for the same episode; `look` lists the steps.

        Raises:
            ValueError: it is of another chain or other sizes; nothing has changed then.
        """
        given = {name: np.asarray(snapshot[name]) for name in (*_NOTED, "numbered", "counts")}
        for name in ("slot", "age", "known", "owners"):
            if given[name].shape != getattr(self, f"_{name}").shape:
                raise ValueError(f"snapshot: {name} is {given[name].shape}, not {getattr(self, f'_{name}').shape}")
        for name in _NOTED:
            setattr(self, f"_{name}", given[name].astype(getattr(self, f"_{name}").dtype))
        self._owner_slot = {int(owner): place for place, owner in enumerate(given["numbered"], 1)}
        self._aged, self._crowded = (int(count) for count in given["counts"])

    @property
    def asset_names(self) -> list[str]:
        """Ids of the assets in slots, in order."""
        return [self._compiled.assets[int(number)].id for number in self._assets]

    @property
    def owner_names(self) -> list[str]:
        """Names of the owners of what is in slots, in the order of their own numbers."""
        owners = [self._compiled.twin.owners[number] for number in self._owner_slot]
        return [owner.name or owner.id for owner in owners]

    @property
    def step_names(self) -> list[str]:
        """The listed steps in words, in order."""
        steps = [self._compiled.steps[int(number)] for number in self.listed]
        return [f"{one.technique} {one.source} -> {one.target} ({one.gains.word})" for one in steps]

    def _note_assets(self, numbers: Numbers) -> None:
        """Give slots to those that have none."""
        new = np.unique(numbers[self._slot[numbers] == 0])
        if not len(new):
            return
        new = new[self._order([self._compiled.assets[int(number)].id for number in new])]
        first = len(self._assets)
        room = new[: self._slots - first]
        self._slot[new] = -1
        self._crowded += len(new) - len(room)
        rows = np.arange(first, first + len(room))
        self._slot[room] = rows + 1
        self._assets = np.concatenate([self._assets, room])
        self._known[rows, 0] = 1
        self._known[rows, _FIRST_KIND + self._kind[room]] = 1
        self._known[rows, _ENTRY] = np.isin(room, self._entries)
        owners = self._owner_slot
        self._owners[rows] = [owners.setdefault(int(owner), len(owners) + 1) for owner in self._owner[room]]

    def _note_beginning(self, entry: int) -> None:
        """Where it began inside is its entry, in place of where others come from."""
        if entry >= 0 and self._slot[entry] > 0:
            self._known[:, _ENTRY] = 0
            self._known[self._slot[entry] - 1, _ENTRY] = 1

    def _note_steps(self, steps: Numbers) -> None:
        new = steps[self._age[steps] == 0]
        if len(new):
            new = new[self._order(["\0".join(self._compiled.steps[int(number)].order) for number in new])]
            self._age[new] = np.arange(self._aged + 1, self._aged + 1 + len(new))
            self._aged += len(new)

    def _order(self, names: Sequence[str]) -> list[int]:
        """An order of names that depends on nothing but them and the episode."""
        tags = [blake2b(name.encode(), key=self._key, digest_size=8).digest() for name in names]
        return sorted(range(len(names)), key=lambda place: (tags[place], names[place]))

    def _stand(self, asset: npt.NDArray[Any], place: npt.NDArray[np.int32], steps: Numbers) -> npt.NDArray[np.uint8]:
        """uint8[slots, ASSET_COLUMNS]: how all stand; `place`: the slots that `steps` lead to."""
        count, rows = len(self._assets), asset[self._assets]
        held = ((rows["user"] | rows["admin"]) & self._bit) != 0
        self._known[:count, _HAD] |= held
        shown = self._known.copy()
        shown[:count, _USER] = held
        shown[:count, _USER + 1] = (rows["admin"] & self._bit) != 0
        shown[:count, _USER + 2] = (rows["persist"] & self._bit) != 0
        shown[:count, _USER + 3] = held & ((rows["modes"] & IMPACTED) != 0)
        shown[:count, _USER + 4] = held & ((rows["modes"] & BLOCKING) != 0)
        fits = place > 0
        shown[place[fits] - 1, _USER + 5] = 1
        shown[place[fits] - 1, _FIRST_CLASS + self._class[steps[fits]]] = 1
        return shown

    def _list(self) -> Seen:
        """The listed steps as rows."""
        count = len(self.listed)
        steps = np.zeros((self._rows, len(STEP_COLUMNS)), np.uint8)
        ends, chances = np.zeros((self._rows, len(ENDS)), np.int32), np.zeros(self._rows, np.float32)
        steps[:count] = self._still[self.listed]
        ends[:count], chances[:count] = self._slot[self._ends[self.listed]], self._chance[self.listed]
        return {"steps": steps, "ends": ends, "chances": chances}


def _still_columns(step: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """uint8[E, STEP_COLUMNS]: what a step is, whoever tries it."""
    columns, every = np.zeros((len(step), len(STEP_COLUMNS)), np.uint8), np.arange(len(step))
    columns[:, 0] = 1
    for place, need in enumerate(_NEEDS):
        columns[:, 1 + place] = step["need"] == need
    for place, gain in enumerate(_GAINS):
        columns[:, _FIRST_GAIN + place] = step["gain"] == gain
    is_known = step["technique"] < len(TECHNIQUES)
    columns[every[is_known], _FIRST_TECHNIQUE + step["technique"][is_known].astype(np.int64)] = 1
    return columns


assert len(set(ASSET_COLUMNS)) == len(ASSET_COLUMNS)  # a column is found by its name
