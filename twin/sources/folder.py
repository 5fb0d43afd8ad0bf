"""Reading files and folders of manifests from disk: the edge of the sources.

Flows in: paths. Flows out: a `Reading` of everything they say. Formats are told apart by content. Paths that a chain
names must stay inside its folder, symbolic links included; nothing is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path

from ..facts import Fact, Merged, Provenance, merge
from ..graph import Owner, TwinError
from .chain import is_chain, read_chain_file
from .chain_model import ManifestPart
from .compose import is_compose, read_compose, service_names
from .kubernetes import is_kubernetes, read_kubernetes
from .reading import OWNER_NAME, Note, Reading
from .safe_yaml import MAX_BYTES, Section, read_yaml

CHAIN_FILE = "chain.yaml"
SUFFIXES = (".yaml", ".yml")


def load_example() -> Merged:
    """Give the shipped charging chain of six owners."""
    with as_file(files("tocsin.twin") / "data" / "charging") as folder:
        return merge(_read_chain_in(folder / CHAIN_FILE, shown="charging").facts)


def read_chain(path: Path) -> Reading:
    """Read a chain file, or the one in a folder, with all manifests it names.

    Raises:
        TwinError: it is not there or broken; names file, place and mend.
    """
    file = path / CHAIN_FILE if path.is_dir() else path
    if not file.exists():
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
    loose: list[Path] = []
    for path in paths:
        if not path.exists():
            raise TwinError(f"{path}: is not there; give a file or folder")
        if path.is_dir() and not (path / CHAIN_FILE).exists():
            loose += _manifests_in(path, path)
        elif path.is_dir() or _is_chain_file(path):
            chains.append(read_chain(path))
        else:
            loose.append(path)
    if loose and owner is None:
        raise TwinError(f"{loose[0]}: whose is it? give --owner NAME")
    readings = [*chains]
    if loose and owner is not None:
        declared = {fact.subject.id for one in chains for fact in one.facts if isinstance(fact.subject, Owner)}
        if owner not in declared:
            fact = Fact(Owner(owner, owner), Provenance("command line", f"{loose[0]}:1", owner))
            readings.append(Reading((fact,)))
        readings.append(_read_manifests([(file, str(file)) for file in loose], owner, host="", prefix=""))
    return Reading.join(readings)


def _is_chain_file(path: Path) -> bool:
    return path.name == CHAIN_FILE or any(
        is_chain(document) for document in read_yaml(_bytes(path, str(path)), str(path))
    )


def _read_chain_in(file: Path, *, shown: str) -> Reading:
    root = file.parent

    def read_manifest(entry: ManifestPart, place: str) -> Reading:
        path = _inside(root, entry.path, place)
        found = _manifests_in(path, root) if path.is_dir() else [path]
        named = [(one, str(Path(shown) / one.relative_to(root))) for one in found]
        return _read_manifests(named, entry.owner, host=entry.host, prefix=entry.prefix)

    name = str(Path(shown) / file.name)
    return read_chain_file(_bytes(file, name), name, read_manifest, time=_time(file))


def _inside(root: Path, relative: str, place: str) -> Path:
    """The path under the root, links followed.

    Raises:
        TwinError: it is absolute, leads out of the root, or is not there.
    """
    path = root / relative
    if Path(relative).is_absolute() or not _stays(path, root):
        raise TwinError(f"{place}: path {relative!r} leads out of the chain's folder; put the manifest inside it")
    if not path.exists():
        raise TwinError(f"{place}: path {relative!r} is not there; mend it or add the manifest")
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
    compose: list[tuple[Path, str, Section]] = []
    cluster: list[tuple[str, bytes]] = []
    strange: list[Note] = []
    times: list[str] = []
    for path, shown in found:
        content = _bytes(path, shown)
        documents = read_yaml(content, shown)
        if any(is_chain(document) for document in documents):
            raise TwinError(f"{shown}:1: a chain file among manifests; import it alone")
        if any(is_compose(document) for document in documents):
            compose += [(path, shown, document) for document in documents if is_compose(document)]
        elif any(is_kubernetes(document) for document in documents):
            cluster.append((shown, content))
            times.append(_time(path))
        else:
            strange.append(Note(f"{shown}:1", "neither Kubernetes, compose nor chain"))
    readings = _read_stacks(compose, owner, host, prefix)
    if cluster:
        name = host or found[0][0].parent.name
        readings.append(read_kubernetes(cluster, owner, cluster=name, time=max(times)))
    return Reading.join([*readings, Reading(not_understood=tuple(strange))])


def _read_stacks(found: list[tuple[Path, str, Section]], owner: str, host: str, prefix: str) -> list[Reading]:
    """Read compose files; where one owner runs several stacks, the stack's name goes before its assets'."""
    projects = {shown: host or _project(path, document) for path, shown, document in found}
    many = len(set(projects.values())) > 1
    beside: dict[Path, frozenset[str]] = {}  # fragments of a folder are meant to be run together
    for path, _, document in found:
        beside[path.parent] = beside.get(path.parent, frozenset()) | service_names(document)
    return [
        read_compose(
            _bytes(path, shown),
            shown,
            owner,
            project=projects[shown],
            prefix=f"{projects[shown]}." if many and not prefix else prefix,
            siblings=beside[path.parent],
            time=_time(path),
        )
        for path, shown in dict.fromkeys((path, shown) for path, shown, _ in found)
    ]


def _project(path: Path, document: Section) -> str:
    """Name of the stack: what the file says, else its folder, as docker compose has it."""
    told = document.get("name")
    return told if isinstance(told, str) and told else path.absolute().parent.name or "stack"
