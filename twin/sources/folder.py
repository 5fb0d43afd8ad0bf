"""Reading files and folders of manifests from disk: the edge of the sources.

Flows in: paths. Flows out: a `Reading` of everything they say. Formats are told apart by content. Paths that a chain
names must stay inside its folder, symbolic links included; nothing is written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from ..facts import Fact, Merged, Provenance, merge
from ..graph import Owner, TwinError
from .cage2 import cage2_network, is_cage2, is_cage2_image
from .cage4 import cage4_network, is_cage4
from .chain import is_chain, read_chain_file
from .chain_model import ManifestPart
from .compose import compose_facts, is_compose
from .compose_references import Names, declared_names, join_names
from .cyberwheel import cyberwheel_network, is_cyberwheel, is_cyberwheel_definition
from .kubernetes import is_kubernetes, kubernetes_facts
from .nasim import is_nasim, nasim_network
from .ndjson import is_ndjson, read_ndjson
from .network import Network, write_network
from .reading import OWNER_NAME, Note, Reading, Scribe
from .safe_yaml import MAX_BYTES, Section, read_yaml
from .scope import Scope, resolved, with_files

CHAIN_FILE = "chain.yaml"
SUFFIXES = (".yaml", ".yml")
MAX_SHOWN = 80  # characters of a path that is told in an error
Beside = Mapping[str, Section]  # documents that a network draws on, by the name of their file without its suffix
PEERS: tuple[tuple[str, Callable[[object], bool], Callable[[Section, Scribe, Beside], Network]], ...] = (
    ("nasim", is_nasim, lambda document, scribe, _: nasim_network(document, scribe)),
    ("cage2", is_cage2, cage2_network),
    ("cage4", is_cage4, lambda document, scribe, _: cage4_network(document, scribe)),
    ("cyberwheel", is_cyberwheel, cyberwheel_network),
)
_CHAIN_MARK = re.compile(rb"^tocsin:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A file of manifests."""

    path: Path
    shown: str  # its name in places and errors
    documents: list[Any]


def load_example() -> Merged:
    """Give the shipped charging chain of six owners."""
    with as_file(files("tocsin.twin") / "data" / "charging") as folder:
        return merge(_read_chain_in(folder / CHAIN_FILE, shown="charging").facts)


def read_chain(path: Path) -> Reading:
    """Read a chain file, or the one in a folder, with all manifests it names.

    Raises:
        TwinError: it is not there or broken; names file, place and mend.
    """
    file = path / CHAIN_FILE if _is_folder(path) else path
    if not is_there(file):
        raise TwinError(f"{file}: is not there; write one, or import manifests with --owner NAME")
    return _read_chain_in(file, shown=str(file.parent))


def read_paths(paths: Iterable[Path], owner: str | None = None) -> Reading:
    """Read files and folders: chains as they are, manifests on behalf of one owner.

    Args:
        paths: a folder with a `chain.yaml` is that chain; else all its `.yaml` and `.yml` files are read.
        owner: whose the manifests are; declared with the value of one owner-hour an hour.

    Raises:
        TwinError: a path is not there or broken, or manifests have no owner; names file, place and mend.
    """
    if owner is not None and not OWNER_NAME.fullmatch(owner):
        raise TwinError(f"--owner {owner!r} is no id of an owner; use a-z, 0-9 and '-'")
    chains: list[Reading] = []
    folders: list[Path] = []
    loose: list[Path] = []
    for path in paths:
        if not is_there(path):
            raise TwinError(f"{path}: is not there; give a file or folder")
        if path.is_dir() and not (path / CHAIN_FILE).exists():
            folders.append(path)
            loose += _manifests_in(path, path)
        elif is_ndjson(path):
            chains.append(read_ndjson(path))
        elif path.is_dir() or _is_chain_file(path):
            chains.append(read_chain(path))
        else:
            loose.append(path)
    if not chains and not loose:
        raise TwinError(f"{folders[0]}: holds no file that ends in {' or '.join(SUFFIXES)}; give a folder of manifests")
    if loose and owner is None:
        raise TwinError(f"{loose[0]}: whose is it? give --owner NAME")
    if owner is None or not loose:
        return Reading.join(chains)
    declared = {fact.subject.id for one in chains for fact in one.facts if isinstance(fact.subject, Owner)}
    return Reading.join([*chains, _read_loose(loose, folders, owner, is_declared=owner in declared)])


def is_there(path: Path) -> bool:
    """Whether the path leads to a file or folder.

    Raises:
        TwinError: it can be no path, because it is too long or may not be looked at.
    """
    try:
        return path.exists()
    except OSError as error:
        raise TwinError(f"{_short(str(path))}: {error.strerror or error}; give a file or folder") from None


def _is_folder(path: Path) -> bool:
    return is_there(path) and path.is_dir()


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _read_loose(loose: list[Path], folders: list[Path], owner: str, *, is_declared: bool) -> Reading:
    """Read manifests that no chain names.

    Raises:
        TwinError: one is broken, or none of them is understood.
    """
    shown = {str(file): resolved(file) for file in loose}
    reading = _read_manifests([(file, str(file)) for file in loose], owner, host="", prefix="")
    if not reading.documents:
        others = f", nor any of the {len(loose) - 1} files beside it" if len(loose) > 1 else ""
        raise TwinError(
            f"{loose[0]}: is no manifest that is understood{others}; give compose files, Kubernetes or a chain"
        )
    facts = list(reading.facts)
    if not is_declared:
        facts.insert(0, Fact(Owner(owner, owner), Provenance("command line", f"{loose[0]}:1", owner)))
    scopes = tuple(Scope.of(path, owner) for path in (*loose, *folders))
    return replace(reading, facts=with_files(facts, shown), scopes=scopes)


def knows_network(path: Path) -> bool:
    """Whether a file is a network of a simulator, or a twin as NDJSON, that can be read.

    Raises:
        TwinError: it cannot be read, or is broken.
    """
    if is_ndjson(path):
        return True
    documents = read_yaml(_bytes(path, str(path)), str(path))
    return any(knows(document) for _, knows, _ in PEERS for document in documents)


def _is_chain_file(path: Path) -> bool:
    return path.name == CHAIN_FILE or _CHAIN_MARK.search(_bytes(path, str(path))) is not None


def _read_chain_in(file: Path, *, shown: str) -> Reading:
    root = file.parent
    paths: dict[str, str] = {}
    scopes = [Scope.of(file, None)]

    def read_manifest(entry: ManifestPart, place: str) -> Reading:
        path = _inside(root, entry.path, place)
        found = _manifests_in(path, root) if path.is_dir() else [path]
        named = [(one, str(Path(shown) / one.relative_to(root))) for one in found]
        paths.update({name: resolved(one) for one, name in named})
        scopes.extend(Scope.of(one, entry.owner) for one in found)
        return _read_manifests(named, entry.owner, host=entry.host, prefix=entry.prefix)

    name = str(Path(shown) / file.name)
    reading = read_chain_file(_bytes(file, name), name, read_manifest, time=_time(file))
    paths[name] = resolved(file)
    return replace(reading, facts=with_files(reading.facts, paths, chain=paths[name]), scopes=tuple(scopes))


def _inside(root: Path, relative: str, place: str) -> Path:
    """The path under the root, links followed.

    Raises:
        TwinError: it is absolute, leads out of the root, or is not there.
    """
    path, told = root / relative, f"{place}: path {_short(relative)!r}"
    try:
        if Path(relative).is_absolute() or not _stays(path, root):
            raise TwinError(f"{told} leads out of the chain's folder; put the manifest inside it")
        if not path.exists():
            raise TwinError(f"{told} is not there; mend it or add the manifest")
    except OSError as error:
        raise TwinError(f"{told}: {error.strerror or error}; mend it") from None
    return path


def _stays(path: Path, root: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def _manifests_in(folder: Path, root: Path) -> list[Path]:
    """All YAML files below a folder, in order.

    Raises:
        TwinError: one of them is a symbolic link that leads out of the root.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    for path in found:
        if not _stays(path, root):
            raise TwinError(f"{path}:1: is a link that leads out of {root}; copy the file inside it")
    return found


def _bytes(path: Path, shown: str) -> bytes:
    """The file's bytes, no more than the limit and one.

    Raises:
        TwinError: it cannot be read.
    """
    try:
        if not path.is_file():
            raise TwinError(f"{shown}: is no file; give a file or folder")
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise TwinError(f"{shown}: {error.strerror or error}; make it readable") from None


def _time(path: Path) -> str:
    """When the file said it: its last change, UTC."""
    return datetime.fromtimestamp(int(path.stat().st_mtime), UTC).isoformat()


def _read_manifests(found: list[tuple[Path, str]], owner: str, *, host: str, prefix: str) -> Reading:
    """Read the files of one owner: compose files one by one, Kubernetes manifests together."""
    stacks: list[_Parsed] = []
    cluster: list[_Parsed] = []
    strange: list[Note] = []
    networks: list[_Parsed] = []
    beside: dict[str, Section] = {}
    for path, shown in found:
        parsed = _Parsed(path, shown, read_yaml(_bytes(path, shown), shown))
        if any(is_chain(document) for document in parsed.documents):
            raise TwinError(f"{shown}:1: a chain file among manifests; import it alone")
        if any(is_compose(document) for document in parsed.documents):
            stacks.append(parsed)
        elif any(is_kubernetes(document) for document in parsed.documents):
            cluster.append(parsed)
        elif any(knows(document) for _, knows, _ in PEERS for document in parsed.documents):
            networks.append(parsed)
        elif any(is_cage2_image(document) or is_cyberwheel_definition(document) for document in parsed.documents):
            beside[path.stem] = next(document for document in parsed.documents if isinstance(document, Section))
        else:
            strange.append(Note(f"{shown}:1", "neither Kubernetes, compose, chain nor a simulator's network"))
    readings = _read_stacks(stacks, owner, host, prefix)
    readings += [_read_network(parsed, owner, beside) for parsed in networks]
    if cluster:
        name = host or cluster[0].path.absolute().parent.name or "cluster"
        time = max(_time(one.path) for one in cluster)
        files_ = [(one.shown, one.documents) for one in cluster]
        readings.append(kubernetes_facts(files_, owner, cluster=name, time=time))
    return Reading.join([*readings, Reading(not_understood=tuple(strange))])


def _read_network(parsed: _Parsed, owner: str, beside: Beside) -> Reading:
    """Read a network of another simulator."""
    scribe = Scribe("", parsed.shown, owner, _time(parsed.path))
    for document in parsed.documents:
        for name, knows, network_of in PEERS:
            if knows(document):
                scribe.source = name
                scribe.documents[name] += 1
                write_network(network_of(document, scribe, beside), scribe)
    return scribe.reading()


def _read_stacks(found: list[_Parsed], owner: str, host: str, prefix: str) -> list[Reading]:
    """Read compose files; where one owner runs several stacks, the stack's name goes before its assets'."""
    projects = {one.shown: host or _project(one) for one in found}
    many = len(set(projects.values())) > 1
    beside: dict[Path, Names] = {}  # fragments of a folder are meant to be run together
    for one in found:
        for document in one.documents:
            if is_compose(document):
                names = declared_names(document)
                beside[one.path.parent] = join_names(beside.get(one.path.parent, {}), names)
    return [
        compose_facts(
            one.documents,
            one.shown,
            owner,
            project=projects[one.shown],
            prefix=f"{projects[one.shown]}." if many and not prefix else prefix,
            beside=beside[one.path.parent],
            time=_time(one.path),
        )
        for one in found
    ]


def _project(parsed: _Parsed) -> str:
    """Name of the stack: what the file says, else its folder, as docker compose has it."""
    for document in parsed.documents:
        told = document.get("name") if isinstance(document, Section) else None
        if isinstance(told, str) and told:
            return told
    return parsed.path.absolute().parent.name or "stack"
