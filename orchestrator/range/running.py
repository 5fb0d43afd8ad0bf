"""Up and down: the range as a whole, made or taken away, with its files.

Flows in: a plan and a folder. Flows out: a real network, and what describes it (`chain/chain.yaml`, `names.json`). What
fails half-way is taken down again. Down removes the plan's namespaces and the files of its folder, nothing else.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any, Final

import yaml
from platformdirs import user_state_path

from .machine import build, destroy, existing, lacking
from .probing import probe_all
from .services import IDENTITY_KEY, start_services
from .topology import ALLOWED, PORTS, Plan, RangeError
from .twin_of import chain_of, names_of

MARK: Final = "tocsin-range.json"  # its presence says that the folder is ours to remove
READY_S: Final = 15.0  # for all servers to listen; they take one or two seconds


def default_folder(plan: Plan) -> Path:
    """Where a range keeps its files unless told otherwise."""
    return user_state_path("tocsin") / "range" / plan.prefix


def up(plan: Plan, folder: Path) -> dict[str, Any]:
    """Make the range; give its description.

    Raises:
        RangeError: something is missing on this machine, is up already, or failed; then nothing is left.
    """
    _check_folder(plan, folder)
    reason = lacking()
    if reason:
        raise RangeError(f"no range on this machine: {reason}")
    if existing(plan):
        raise RangeError(f"range {plan.prefix!r} is up already; end it with tocsin range down --prefix {plan.prefix}")
    _make_folder(plan, folder)
    write_twin(plan, folder)
    try:
        build(plan)
        start_services(plan, folder)
        _wait(plan)
    except BaseException:
        down(plan, folder)
        raise
    return describe(plan, folder)


def down(plan: Plan, folder: Path) -> list[str]:
    """Take the range away, or what is left of one; give the namespaces that were there.

    Raises:
        RangeError: the tools failed, or the folder is another range's; then nothing is taken away.
    """
    _check_folder(plan, folder)
    reason = lacking()
    if reason:
        raise RangeError(f"no range on this machine: {reason}")
    found = destroy(plan)
    if (folder / MARK).is_file():
        shutil.rmtree(folder)
    return found


def describe(plan: Plan, folder: Path) -> dict[str, Any]:
    """Give addresses, files and namespaces."""
    there = existing(plan)
    return {
        "prefix": plan.prefix,
        "up": len(there) == len(plan.namespaces),
        "namespaces": there,
        "router": plan.router,
        "chain": str(folder / "chain"),
        "names": str(folder / "names.json"),
        "key": str(folder / IDENTITY_KEY),
        "known_hosts": str(folder / "known_hosts"),
        "hosts": {
            host.asset: {"namespace": host.namespace, "ipv4": host.ipv4, "ipv6": host.ipv6, "ports": list(PORTS)}
            for host in plan.hosts
        },
    }


def _check_folder(plan: Plan, folder: Path) -> None:
    """Refuse a folder that is not this range's to fill or to remove."""
    if not folder.exists():
        return
    try:
        is_used = any(folder.iterdir())
        mark = json.loads((folder / MARK).read_bytes()) if (folder / MARK).is_file() else None
    except OSError as error:
        raise RangeError(f"--folder {folder}: {error.strerror}; name a folder that can be written") from None
    except ValueError:
        raise RangeError(f"--folder {folder}: its {MARK} is broken; name another folder, or remove this one") from None
    if mark is None and is_used:
        raise RangeError(f"--folder {folder}: holds files that are not a range's; name a new folder")
    whose = mark.get("prefix", folder.name) if isinstance(mark, dict) else plan.prefix
    if whose != plan.prefix:
        raise RangeError(f"--folder {folder}: is the range {whose!r}'s, not {plan.prefix!r}'s; name the right prefix")


def _make_folder(plan: Plan, folder: Path) -> None:
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        (folder / MARK).write_text(json.dumps({"prefix": plan.prefix}) + "\n")
    except OSError as error:
        raise RangeError(f"--folder {folder}: {error.strerror}; name a folder that can be written") from None


def write_twin(plan: Plan, folder: Path) -> None:
    """Write the chain and the map of names."""
    (folder / "chain").mkdir(exist_ok=True)
    (folder / "chain" / "chain.yaml").write_text(yaml.safe_dump(chain_of(plan), sort_keys=False, width=120))
    (folder / "names.json").write_text(json.dumps(names_of(plan), indent=2) + "\n")


def _wait(plan: Plan) -> None:
    """Until every allowed connection is answered in both families."""
    deadline = time.monotonic() + READY_S
    wanted = {(plan.host(source).asset, plan.host(target).asset, port) for source, target, port in ALLOWED}
    while any(wanted - reached for reached in probe_all(plan).values()):
        if time.monotonic() > deadline:
            raise RangeError(f"the range's servers do not listen after {READY_S:g} s; look at this machine's load")
        time.sleep(0.1)
