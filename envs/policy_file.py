"""Learned policies as files that numpy alone can run.

Flows in: a file (untrusted), what is seen of a chain. Flows out: actions. The file is a zip of raw float32 arrays and
one JSON card; nothing in it is executed. The network is in `policy_network`; the card says with which sizes of active
view it was trained, and it runs with those on twins of any size and with any library. A promoted file holds a signature
of its card too, see `promotion`, and is then exactly the bytes that its content makes: a file with one byte changed
anywhere, or with anything before, between or after, is refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..twin.rulebook.effects import EffectTable
from .active import ACTIVE_FEATURES, Active, ActiveError, ActiveSettings, dense_actions, legal_of_masks, sees_rows
from .policy_network import SHAPES, logits_of
from .rule_numbers import RuleNumbers
from .target_graph import TargetGraph

Float32 = npt.NDArray[np.float32]

FORMAT = 3  # 1 had no active view: a score for every target of the chain it was trained on; 2 had no rule
OBSERVATION_VERSION = hashlib.sha256("|".join(ACTIVE_FEATURES).encode()).hexdigest()[:16]
MAX_FILE = 4_000_000  # bytes; ours are 60 kB
MAX_CARD = 200_000
MAX_SIGNATURE = 4_000
MAX_SHARPNESS = 1_000.0  # ours is 10
CARD, SIGNATURE = "card.json", "signature.json"
SIGNED_BESIDE = "signatures"  # the key that signing leaves out, see playbooks.signatures


class PolicyFileError(ValueError):
    """A policy file that cannot be used; the message names file, fault and mend."""


class OtherVersion(PolicyFileError):  # noqa: N818  (the tree above says Error)
    """A policy file of another format, or one that reads another observation than this Tocsin gives."""


@dataclass(frozen=True)
class NumpyPolicy:
    """A learned policy; frozen, so it lives as long as anybody wants."""

    weights: Mapping[str, Float32]
    card: Mapping[str, Any]
    view: ActiveSettings = ActiveSettings()  # sizes it was trained with
    signature: Mapping[str, Any] | None = None  # of the card, unchecked; None: the policy was not promoted

    def logits(self, active: Active, effects: EffectTable) -> Float32:
        """float32[V, 1 + P * K] of what V active views see; illegal actions have -inf."""
        return logits_of(self.weights, active.rows, active.legal, effects)

    def act_on(self, active: Active, effects: EffectTable) -> npt.NDArray[np.int64]:
        """int64[V]: the legal action over slots with the highest score in each view."""
        return self.logits(active, effects).argmax(axis=1)

    def act(
        self,
        observation: npt.NDArray[np.uint8],
        masks: npt.NDArray[np.bool_],
        graph: TargetGraph,
        effects: EffectTable,
    ) -> npt.NDArray[np.int32]:
        """int32[V]: the legal action of the chain itself with the highest score in each view; 0 waits.

        Args:
            observation: uint8[V, T, FEATURES].
            masks: bool[V, 1 + P * T].
            graph: of the twin that is seen.
            effects: of the P playbooks.
        """
        active = sees_rows(observation, graph, settings=self.view, playbooks=len(effects.playbook))
        legal_of_masks(masks, active)
        return dense_actions(self.act_on(active, effects), active, observation.shape[1])


def save_policy(
    path: Path, weights: Mapping[str, Float32], card: Mapping[str, Any], *, view: ActiveSettings | None = None
) -> None:
    """Write a policy file, whole or not at all.

    Args:
        path: where.
        weights: by the names of `policy_network.SHAPES`.
        card: what, how, figures, limits; format, versions, digests and `view` are added.
        view: sizes of the active view that it was trained with; the usual ones if left out.

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
        "view": asdict(view or ActiveSettings()),
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in content.items()},
    }
    write_whole(path, _packed(card, content, None))


def packed_policy(policy: NumpyPolicy) -> bytes:
    """The bytes of a policy's file, with its card and signature as they are."""
    content = {name: np.ascontiguousarray(policy.weights[name], "<f4").tobytes() for name in sorted(SHAPES)}
    return _packed(policy.card, content, policy.signature)


def write_whole(path: Path, content: bytes) -> None:
    """Write a policy file, whole or not at all.

    Raises:
        PolicyFileError: it cannot be written.
    """
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    except OSError as error:
        raise PolicyFileError(f"{path}: {error.strerror or error}; name a file that can be written") from None


def _packed(card: Mapping[str, Any], content: Mapping[str, bytes], signature: Mapping[str, Any] | None) -> bytes:
    """One content, one sequence of bytes: no times, no platform, names in order."""
    parts = {CARD: json.dumps({**card, "card_sha256": card_digest(card)}, indent=1, sort_keys=True).encode()}
    if signature is not None:
        parts[SIGNATURE] = json.dumps(signature, indent=1, sort_keys=True).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in {**parts, **{name: content[name] for name in sorted(content)}}.items():
            entry = zipfile.ZipInfo(name)
            entry.create_system, entry.external_attr = 3, 0o600 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def load_policy(path: Path) -> NumpyPolicy:
    """Read a policy file and check all of it before any of it is used.

    Raises:
        PolicyFileError: missing, truncated or tampered with.
        OtherVersion: of another format or observation version.
    """
    return policy_of_bytes(path, read_whole(path))


def read_whole(path: Path) -> bytes:
    """The bytes of a policy file, unchecked but for their number.

    Raises:
        PolicyFileError: missing, no file, or too large for one.
    """
    try:
        if path.exists() and not path.is_file():
            raise PolicyFileError(f"{path}: is no file; name a policy file")
        if path.stat().st_size > MAX_FILE:
            raise PolicyFileError(f"{path}: larger than {MAX_FILE} bytes; it is no policy file")
        return path.read_bytes()
    except OSError as error:
        raise PolicyFileError(f"{path}: {error.strerror or error}; tocsin train writes policy files") from None


def policy_of_bytes(path: Path, whole: bytes) -> NumpyPolicy:
    """As `load_policy`, of bytes that were read already; `path` is for messages alone.

    Raises:
        PolicyFileError, OtherVersion: as there.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(whole)) as archive:
            card, content, signature = _contents(path, archive)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, UnicodeError, OSError) as error:
        raise PolicyFileError(f"{path}: {error}; it is truncated or no policy file, train or copy it again") from None
    if card.pop("card_sha256", None) != card_digest(card):
        raise PolicyFileError(f"{path}: its card was changed; train or copy it again")
    if SIGNED_BESIDE in card:
        raise PolicyFileError(f"{path}: its card has {SIGNED_BESIDE!r}, which no signature covers; train it again")
    if signature is not None and whole != _packed(card, content, signature):
        raise PolicyFileError(f"{path}: is not byte for byte what was promoted; it was changed, copy it again")
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
    return NumpyPolicy(weights, card, _view(path, card), signature)


def _view(path: Path, card: Mapping[str, Any]) -> ActiveSettings:
    try:
        return ActiveSettings(**card["view"])
    except (KeyError, TypeError, ActiveError) as error:
        raise PolicyFileError(f"{path}: its card's view is none ({error}); train it again") from None


def _check_version(path: Path, card: Mapping[str, Any]) -> None:
    """Before sizes are looked at: another version's arrays have other names and sizes."""
    if card.get("format") != FORMAT:
        raise OtherVersion(
            f"{path}: has format {card.get('format')}, this Tocsin reads {FORMAT}; "
            f"train it again: tocsin train --out {path}"
        )
    if card.get("observation_version") != OBSERVATION_VERSION:
        raise OtherVersion(
            f"{path}: reads another observation than this Tocsin gives; train it again: tocsin train --out {path}"
        )


def card_digest(card: Mapping[str, Any]) -> str:
    """SHA-256 of a card as it is written, 64 hex digits; tells 1 from 1.0, which canonical JSON does not."""
    return hashlib.sha256(json.dumps(card, sort_keys=True).encode()).hexdigest()


def _contents(path: Path, archive: zipfile.ZipFile) -> tuple[dict[str, Any], dict[str, bytes], dict[str, Any] | None]:
    """Card, arrays and signature, sizes checked before anything is unpacked."""
    sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    wanted = {name: 4 * int(np.prod(shape)) for name, shape in SHAPES.items()}
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
        raise PolicyFileError(f"{path}: is compressed, which policy files are not; train or copy it again")
    if len(sizes) != len(archive.infolist()) or not 0 < sizes.get(CARD, 0) <= MAX_CARD:
        raise PolicyFileError(f"{path}: does not hold exactly a card and the network's arrays; train it again")
    card = _object(path, archive, CARD)
    if not isinstance(card.get("sha256", {}), dict):
        raise PolicyFileError(f"{path}: its card is no JSON object; train it again")
    _check_version(path, card)
    if set(sizes) - {SIGNATURE} != {CARD, *wanted} or sizes.get(SIGNATURE, 0) > MAX_SIGNATURE:
        raise PolicyFileError(f"{path}: does not hold exactly a card and the network's arrays; train it again")
    if any(sizes[name] != size for name, size in wanted.items()):
        raise PolicyFileError(f"{path}: an array has the wrong size; it is of another version, train it again")
    signature = _object(path, archive, SIGNATURE) if SIGNATURE in sizes else None
    return card, {name: archive.read(name) for name in wanted}, signature


def _object(path: Path, archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    try:
        found = json.loads(archive.read(name))
    except (ValueError, RecursionError):
        raise PolicyFileError(f"{path}: {name} is no JSON; the file was changed, train or copy it again") from None
    if not isinstance(found, dict):
        raise PolicyFileError(f"{path}: {name} is no JSON object; train it again")
    return found


def _fault(weights: Mapping[str, Float32]) -> str:
    if set(weights) != set(SHAPES):
        return "the arrays are not the network's"
    for name, shape in SHAPES.items():
        if weights[name].shape != shape:
            return f"{name} has shape {weights[name].shape}, not {shape}"
        if not np.isfinite(weights[name]).all():
            return f"{name} holds numbers that are not finite"
    try:
        RuleNumbers.of_array(weights["rule.numbers"])
    except ValueError as error:
        return f"rule.numbers: {error}"
    sharpness = float(weights["rule.sharpness"][0])
    return "" if 0 <= sharpness <= MAX_SHARPNESS else f"rule.sharpness {sharpness:g}: 0 to {MAX_SHARPNESS:g}"
