"""An episode as one HTML file that a person can scrub through, with no network.

Flows in: a game, the number of a world, a defender. Flows out: a record of every tick, as JSON values, and a page made
of it. The page shows the hidden truth beside the belief and says which is which. All names in it are data, never
markup: the record is escaped into one JSON block, the script only sets text, and the page's policy allows that script
alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from typing import Any

import numpy as np

from ..twin.rulebook.state import IMPACTED
from ..twin.vocabulary import AssetKind, Confidence, OccurrenceKind, RunState, SensorClass, StepClass
from .chart import lay_chart
from .checks import checked_world
from .game import Game
from .render import COLUMN, probability
from .scripted import Defender
from .vector import ResponseWorlds

WIDTH, HEIGHT = 960.0, 560.0  # of the chart, in units of its SVG
MOST_ASSETS = 5_000  # a page draws each of them
TRACE = 512  # occurrences kept of a tick
TOLD = {
    OccurrenceKind.PROPOSED: "proposed",
    OccurrenceKind.REFUSED: "refused",
    OccurrenceKind.CONSENTED: "agreed to",
    OccurrenceKind.DENIED: "denied",
    OccurrenceKind.TOOK_EFFECT: "took effect",
    OccurrenceKind.FAILED: "failed",
    OccurrenceKind.EXPIRED: "expired",
    OccurrenceKind.UNDONE: "undone",
}
FLAGS = ("isolated", "patched", "credential_reset", "monitored", "restoring", "unserved")
Record = dict[str, Any]


class ReplayError(ValueError):
    """A replay that cannot be made; the message names what and the mend."""


def record_episode(game: Game, decide: Defender, *, world: int = 0, defended_by: str = "") -> Record:
    """Play episode 0 of a world, the one that `ResponseEnv.reset(seed=world)` starts, and note every tick.

    Args:
        game: the game.
        decide: the defender.
        world: number of the world.
        defended_by: the defender's name, for the title.

    Raises:
        ReplayError: the chain is too large for a page.
        EnvError: there is no such world.
    """
    if len(game.compiled.twin.assets) > MOST_ASSETS:
        raise ReplayError(
            f"{len(game.compiled.twin.assets)} assets: a page shows at most {MOST_ASSETS}; take a smaller chain"
        )
    worlds = ResponseWorlds(game, [checked_world(world)], trace=TRACE)
    worlds.reset()
    frames = [_frame(worlds)]
    wait = np.zeros((1, 1, 1), np.int32)
    for tick in range(game.scenario.horizon_ticks):
        decides = tick % game.scenario.decide_every == 0
        actions = worlds.checked(decide(worlds)).reshape(1, 1, 1) if decides else wait
        worlds.follow(actions)
        frames.append(_frame(worlds))
    return {**_still(game, world, defended_by), "frames": frames}


def _still(game: Game, world: int, defended_by: str) -> Record:
    """What does not change: names, places, words."""
    compiled, twin = game.compiled, game.compiled.twin
    chart = lay_chart(twin, width=WIDTH, height=HEIGHT)
    return {
        "scenario": game.scenario.name,
        "world": int(world),
        "defended_by": defended_by,
        "tick_s": game.scenario.tick_s,
        "width": WIDTH,
        "height": HEIGHT,
        "side": chart.side,
        "areas": [asdict(area) for area in chart.areas],
        "owners": [{"id": owner.id, "name": owner.name or owner.id} for owner in twin.owners],
        "assets": [
            {"id": one.id, "name": one.name, "kind": one.kind.word, "jewel": one.crown_jewel, "at": place}
            for one, place in zip(twin.assets, chart.places, strict=True)
        ],
        "links": compiled.arrays.link_end.tolist(),
        "targets": [compiled.target_name(target) for target in range(compiled.targets)],
        "steps": [f"{step.technique} {step.source} → {step.target}" for step in compiled.steps],
        "playbooks": list(game.library.names),
        "words": {
            "states": [state.word.replace("_", " ") for state in RunState],
            "sensors": [one.word for one in SensorClass],
            "classes": [one.word.replace("_", " ") for one in StepClass],
            "confidences": [one.word for one in Confidence],
            "flags": [flag.replace("_", " ") for flag in FLAGS],
        },
    }


def _frame(worlds: ResponseWorlds) -> Record:
    """The world as it stands: lists are sparse, so that a page of a large chain stays small."""
    state, count = worlds.worlds.state, worlds.game.compiled.sizes[0]
    asset, rows = state.asset[0], worlds.observation[0, :count]
    level = np.where(asset["admin"] > 0, 2, np.where(asset["user"] > 0, 1, 0))
    believed = np.round(100 * probability(rows[:, COLUMN["held"]])).astype(int)
    flags = sum((rows[:, COLUMN[flag]] > 0).astype(int) << bit for bit, flag in enumerate(FLAGS))
    running = state.run[0][state.run[0]["state"] != RunState.FREE]
    return {
        "held": _sparse(level),
        "stopped": np.flatnonzero(asset["modes"] & IMPACTED).tolist(),
        "believed": _sparse(believed),
        "flags": _sparse(np.asarray(flags)),
        "cut": np.flatnonzero(state.cut[0]).tolist(),
        "findings": state.finding[0, : state.world["finding_n"][0]].tolist(),
        "responses": [[int(row["playbook"]), int(row["target"]), int(row["state"])] for row in running],
        "loss": [round(float(one), 5) for one in worlds.worlds.losses()[0].sum(axis=1)],
        "happened": _happened(worlds),
    }


def _sparse(values: np.ndarray[Any, Any]) -> list[list[int]]:
    """[number, value] of all that are not zero."""
    return [[int(number), int(values[number])] for number in np.flatnonzero(values)]


def _happened(worlds: ResponseWorlds) -> list[list[Any]]:
    """Occurrences of the last tick: [kind, ...], responses as ["response", word, playbook, target], tries as steps."""
    told: list[list[Any]] = []
    targets = worlds.game.compiled.targets
    for kind, subject, thing, value in worlds.worlds.trace(0):
        if kind == OccurrenceKind.TRIED:
            told.append(["try", thing, value])
        elif kind == OccurrenceKind.REFUSED and subject > 0 and value >= 0:
            told.append(["response", TOLD[OccurrenceKind.REFUSED], *divmod(subject - 1, targets)])
        elif kind in TOLD and kind != OccurrenceKind.REFUSED:
            told.append(["response", TOLD[OccurrenceKind(kind)], thing, subject])
    return told


def page_of(record: Mapping[str, Any]) -> str:
    """One HTML page that holds a record and needs nothing else."""
    template = files("tocsin.envs").joinpath("data/replay.html").read_text("utf-8")
    script = re.search(r"<script>(.*?)</script>", template, re.DOTALL)
    assert script is not None, "the shipped template has a script"
    digest = base64.b64encode(hashlib.sha256(script.group(1).encode()).digest()).decode()
    data = json.dumps(record, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    for sign in "<>&":  # within a JSON text these stand in strings alone
        data = data.replace(sign, f"\\u{ord(sign):04x}")
    return template.replace("SCRIPT_DIGEST", digest, 1).replace("EPISODE_RECORD", data, 1)


def summary_of(record: Mapping[str, Any]) -> Record:
    """What a machine wants to know of a replay, as JSON values."""
    frames, owners = record["frames"], record["owners"]
    first = next((tick for tick, frame in enumerate(frames) if frame["held"] and _inside(record, frame)), None)
    proposed = sum(row[:2] == ["response", "proposed"] for frame in frames for row in frame["happened"])
    loss = frames[-1]["loss"]
    return {
        "scenario": record["scenario"],
        "world": record["world"],
        "defended_by": record["defended_by"],
        "ticks": len(frames) - 1,
        "first_held_tick": first,
        "held_at_the_end": len(_inside(record, frames[-1])),
        "findings": sum(len(frame["findings"]) for frame in frames),
        "proposed": proposed,
        "loss": sum(loss),
        "loss_by_owner": {owner["id"]: one for owner, one in zip(owners, loss, strict=True)},
    }


def _inside(record: Mapping[str, Any], frame: Mapping[str, Any]) -> list[int]:
    """Held assets that are no outside and no segment."""
    apart = {AssetKind.EXTERNAL.word, AssetKind.SEGMENT.word}
    return [number for number, _ in frame["held"] if record["assets"][number]["kind"] not in apart]
