"""Read a file that somebody names, within a bound, and wait for nobody.

Flows in: a path. Flows out: bytes. A named pipe without a writer would be waited on for ever, so it is refused, as are
sockets and devices. A pipe that was handed over, as standard input or `<(...)` of a shell, has a writer and is read.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_given(path: Path, most: int) -> bytes:
    """Read at most one byte more than `most`, so that a huge file is told by its length, and not read.

    Raises:
        OSError: it cannot be read, or is a named pipe, a socket or a device; `strerror` says why.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe without a writer opens at once, too
    with os.fdopen(opened, "rb") as file:
        mode = os.fstat(opened).st_mode
        if not stat.S_ISREG(mode):
            if not stat.S_ISFIFO(mode) or os.path.exists(os.path.realpath(path)):  # what is handed over has no name
                raise OSError(errno.EINVAL, "is no regular file")
            os.set_blocking(opened, True)
        return file.read(most + 1)
