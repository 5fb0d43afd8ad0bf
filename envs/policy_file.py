"""Learned policies as files that numpy alone can run.

Flows in: a file (untrusted), observations. Flows out: actions. The file is a zip of raw float32 arrays and one JSON
card; nothing in it is executed. Network: a shared encoder per target, a context pooled over targets, and one score per
(playbook, target) pair from target, playbook and context; waiting is scored from the context. Nothing depends on the
number of targets or playbooks, so the same file serves other twins and libraries.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..twin.rulebook.effects import EffectTable
from ..twin.sensing.observe import FEATURES, OBSERVATION_VERSION, STATIC_FEATURES
from ..twin.vocabulary import AssetKind, ConsentClass, Mode, TargetType

Float32 = npt.NDArray[np.float32]

FORMAT = 1
HIDDEN, CONTEXT, PAIR = 48, 32, 32
INPUTS = len(FEATURES) + len(STATIC_FEATURES)
PLAYBOOK_FEATURES = len(TargetType) + len(AssetKind) + len(ConsentClass) + 3 * len(Mode) + 7
EVICTS = PLAYBOOK_FEATURES - 3  # column of playbooks that take all access from the attacker
SHAPES: Mapping[str, tuple[int, ...]] = {
    "encoder.weight": (HIDDEN, INPUTS),
    "encoder.bias": (HIDDEN,),
    "context.weight": (CONTEXT, 2 * HIDDEN),
    "context.bias": (CONTEXT,),
    "pair_target.weight": (PAIR, HIDDEN),
    "pair_playbook.weight": (PAIR, PLAYBOOK_FEATURES),
    "pair_context.weight": (PAIR, CONTEXT),
    "pair_context.bias": (PAIR,),
    "score.weight": (1, PAIR),
    "direct.weight": (INPUTS, PLAYBOOK_FEATURES),
    "prior.weight": (1, PLAYBOOK_FEATURES),
    "wait.weight": (1, CONTEXT),
    "wait.bias": (1,),
}
MAX_FILE = 4_000_000  # bytes; ours are 40 kB
MAX_CARD = 200_000


class PolicyFileError(ValueError):
    """A policy file that cannot be used; the message names file, fault and mend."""


def playbook_features(effects: EffectTable) -> Float32:
    """float32[P, PLAYBOOK_FEATURES]: what a policy knows of each playbook, from its declared effect."""
    rows = effects.playbook
    columns: list[npt.NDArray[Any]] = []
    columns += [rows["target_type"] == kind for kind in TargetType]
    columns += [(rows["applies"] >> kind) & 1 for kind in AssetKind]
    columns += [rows["consent_class"] == one for one in ConsentClass]
    for name in ("mode", "mode_during", "clear_mode"):
        columns += [rows[name] == mode for mode in Mode]
    columns += [np.log1p(rows["work"]) / 4, np.log1p(rows["hold"]) / 8, rows["labour_h"], rows["success"]]
    columns += [rows["ceiling"] == 0, rows["clears_persistence"], rows["cut"]]
    return np.stack([np.asarray(column, np.float32) for column in columns], axis=1)


@dataclass(frozen=True)
class NumpyPolicy:
    """A learned policy; frozen, so it lives as long as anybody wants."""

    weights: Mapping[str, Float32]
    card: Mapping[str, Any]

    def logits(
        self, observation: npt.NDArray[np.uint8], static: Float32, masks: npt.NDArray[np.bool_], effects: EffectTable
    ) -> Float32:
        """float32[B, 1 + P * T]; illegal actions have -inf.

        Args:
            observation: uint8[B, T, FEATURES].
            static: float32[T, STATIC_FEATURES].
            masks: bool[B, 1 + P * T].
            effects: of the P playbooks.
        """
        w = self.weights
        batch, targets = observation.shape[:2]
        dynamic, size = observation.astype(np.float32) / 255.0, observation.shape[2]
        encoder, features = w["encoder.weight"].T, playbook_features(effects)
        hidden = np.maximum(dynamic @ encoder[:size] + (static @ encoder[size:] + w["encoder.bias"]), 0.0)
        pooled = np.concatenate([hidden.mean(axis=1), hidden.max(axis=1)], axis=1)
        context = np.maximum(pooled @ w["context.weight"].T + w["context.bias"], 0.0)
        straight = w["direct.weight"] @ features.T
        direct = dynamic @ straight[:size] + static @ straight[size:] + features @ w["prior.weight"][0]
        of_target = hidden @ w["pair_target.weight"].T
        of_context = context @ w["pair_context.weight"].T + w["pair_context.bias"]
        logits = np.full((batch, masks.shape[1]), -np.inf, np.float32)
        logits[:, 0] = (context @ w["wait.weight"].T + w["wait.bias"])[:, 0]
        for playbook, of_playbook in enumerate(features @ w["pair_playbook.weight"].T):
            legal = masks[:, 1 + playbook * targets : 1 + (playbook + 1) * targets]
            used = np.flatnonzero(legal.any(axis=0))
            pair = np.maximum(of_target[:, used] + (of_playbook + of_context)[:, None], 0.0)
            scores = pair @ w["score.weight"][0] + direct[:, used, playbook]
            logits[:, 1 + playbook * targets + used] = np.where(legal[:, used], scores, -np.inf)
        return logits

    def act(
        self, observation: npt.NDArray[np.uint8], static: Float32, masks: npt.NDArray[np.bool_], effects: EffectTable
    ) -> npt.NDArray[np.int32]:
        """int32[B]: the legal action with the highest score in each world; see `logits` for the arguments."""
        return self.logits(observation, static, masks, effects).argmax(axis=1).astype(np.int32)


def save_policy(path: Path, weights: Mapping[str, Float32], card: Mapping[str, Any]) -> None:
    """Write a policy file, whole or not at all.

    Raises:
        PolicyFileError: weights that are not the network's, or a folder that cannot be written.
    """
    fault = _fault(weights)
    if fault:
        raise PolicyFileError(f"{path}: {fault}; save the weights of this network")
    content = {name: np.ascontiguousarray(weights[name], "<f4").tobytes() for name in sorted(SHAPES)}
    card = {
        **card,
        "format": FORMAT,
        "observation_version": OBSERVATION_VERSION,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in content.items()},
    }
    card = {**card, "card_sha256": _digest(card)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("card.json", json.dumps(card, indent=1, sort_keys=True))
        for name, data in content.items():
            archive.writestr(name, data)
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_bytes(buffer.getvalue())
        os.replace(partial, path)
    except OSError as error:
        raise PolicyFileError(f"{path}: {error.strerror or error}; name a file that can be written") from None


def load_policy(path: Path) -> NumpyPolicy:
    """Read a policy file and check all of it before any of it is used.

    Raises:
        PolicyFileError: missing, truncated, tampered with, of another format or observation version.
    """
    try:
        if path.exists() and not path.is_file():
            raise PolicyFileError(f"{path}: is no file; name a policy file")
        if path.stat().st_size > MAX_FILE:
            raise PolicyFileError(f"{path}: larger than {MAX_FILE} bytes; it is no policy file")
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            card, content = _contents(path, archive)
    except OSError as error:
        raise PolicyFileError(f"{path}: {error.strerror or error}; tocsin train writes policy files") from None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, UnicodeError) as error:
        raise PolicyFileError(f"{path}: {error}; it is truncated or no policy file, train or copy it again") from None
    if card.get("format") != FORMAT or card.get("observation_version") != OBSERVATION_VERSION:
        raise PolicyFileError(f"{path}: made for another version of Tocsin; train it again with this one")
    if card.pop("card_sha256", None) != _digest(card):
        raise PolicyFileError(f"{path}: its card was changed; train or copy it again")
    weights = {}
    for name, data in content.items():
        if hashlib.sha256(data).hexdigest() != card.get("sha256", {}).get(name):
            raise PolicyFileError(
                f"{path}: {name} is not what the card says; the file was changed, train or copy it again"
            )
        weights[name] = np.frombuffer(data, "<f4").reshape(SHAPES[name]).astype(np.float32)
    fault = _fault(weights)
    if fault:
        raise PolicyFileError(f"{path}: {fault}; train it again")
    return NumpyPolicy(weights, card)


def _digest(card: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(card, sort_keys=True).encode()).hexdigest()


def _contents(path: Path, archive: zipfile.ZipFile) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Card and arrays, sizes checked before anything is unpacked."""
    sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    wanted = {name: 4 * int(np.prod(shape)) for name, shape in SHAPES.items()}
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
        raise PolicyFileError(f"{path}: is compressed, which policy files are not; train or copy it again")
    if len(sizes) != len(archive.infolist()) or set(sizes) != {"card.json", *wanted} or sizes["card.json"] > MAX_CARD:
        raise PolicyFileError(f"{path}: does not hold exactly a card and the network's arrays; train it again")
    if any(sizes[name] != size for name, size in wanted.items()):
        raise PolicyFileError(f"{path}: an array has the wrong size; it is of another version, train it again")
    try:
        card = json.loads(archive.read("card.json"))
    except (ValueError, RecursionError):
        raise PolicyFileError(f"{path}: its card is no JSON; the file was changed, train or copy it again") from None
    if not isinstance(card, dict) or not isinstance(card.get("sha256", {}), dict):
        raise PolicyFileError(f"{path}: its card is no JSON object; train it again")
    return card, {name: archive.read(name) for name in wanted}


def _fault(weights: Mapping[str, Float32]) -> str:
    if set(weights) != set(SHAPES):
        return "the arrays are not the network's"
    for name, shape in SHAPES.items():
        if weights[name].shape != shape:
            return f"{name} has shape {weights[name].shape}, not {shape}"
        if not np.isfinite(weights[name]).all():
            return f"{name} holds numbers that are not finite"
    return ""
