"""Real probes: from inside a host, one TCP connection to every service of every other host.

Flows in: a plan, or lines on standard input where this file runs as a program. Flows out: who really reached which port
of whom. It runs as a program inside a namespace, with the standard library alone: `python probe.py < targets`.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final

PATIENCE_S: Final = 1.5  # for one connection; an answer takes a millisecond, more on a machine under load


async def _connects(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def probe(targets: list[tuple[str, int]]) -> list[bool]:
    """Try all at once; give whether each was reached."""
    return list(await asyncio.gather(*(_connects(address, port) for address, port in targets)))


def main() -> None:
    """Read lines of address and port, write lines of 1 and 0."""
    pairs = [line.split() for line in sys.stdin if line.strip()]
    for reached in asyncio.run(probe([(address, int(port)) for address, port in pairs])):
        sys.stdout.write("1\n" if reached else "0\n")


if __name__ == "__main__":
    main()
