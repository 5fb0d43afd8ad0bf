"""Run one program within limits: `python -I limited.py '{"cpu_s": ...}' PROGRAM ARGUMENT...`.

Flows in: limits as JSON, a program and its arguments. Flows out: the program, in this process's place. It sets the
limits in a process of its own, because doing so between fork and exec is unsafe where threads run.
"""

from __future__ import annotations

import json
import os
import resource
import sys


def main() -> None:
    """Set the limits, become the program."""
    limits = json.loads(sys.argv[1])
    for kind, value in (
        (resource.RLIMIT_CPU, limits["cpu_s"]),
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, limits["files"]),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (value, value))
    os.umask(0o077)
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
