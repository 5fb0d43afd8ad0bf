"""The whole matrix of real probes: every host, every other host, every port, both families.

Flows in: a plan of a range that is up. Flows out: sets of (source, target, port) per family.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from .topology import PORTS, Host, Plan, RangeError
from .twin_of import Reach

PROGRAM: Final = Path(__file__).with_name("probe.py")
TIMEOUT_S: Final = 20.0


def probe_all(plan: Plan) -> dict[int, set[Reach]]:
    """Give what really is reached, by family (4, 6).

    Raises:
        RangeError: the range is not up.
    """
    running = [(host, _targets(plan, host), _begin(host)) for host in plan.hosts]
    reached: dict[int, set[Reach]] = {4: set(), 6: set()}
    for host, targets, process in running:
        lines = "".join(f"{address} {port}\n" for _, _, address, port in targets)
        out, _ = process.communicate(lines, timeout=TIMEOUT_S)
        if process.returncode != 0:
            raise RangeError(f"no probe from {host.asset}: is the range up? tocsin range up")
        for (family, asset, _, port), answer in zip(targets, out.split(), strict=True):
            if answer == "1":
                reached[family].add((host.asset, asset, port))
    return reached


def _targets(plan: Plan, source: Host) -> list[tuple[int, str, str, int]]:
    """Family, asset, address, port of everything but itself."""
    return [
        (family, host.asset, address, port)
        for host in plan.hosts
        if host is not source
        for family, address in ((4, host.ipv4), (6, host.ipv6))
        for port in PORTS
    ]


def _begin(host: Host) -> subprocess.Popen[str]:
    words = ["ip", "netns", "exec", host.namespace, sys.executable, "-I", str(PROGRAM)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
