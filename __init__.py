"""Tocsin: a responder for digital service chains that several owners run.

Rooms (sub-packages) are imported by name, `from tocsin.twin import Twin`; importing `tocsin` alone loads nothing.
"""

import os

# OpenMP threads that wait by spinning slow each other down where several processes share cores: 40 times, measured with
# two trainings on two cores. It is read when OpenMP loads, so it is set before anything else of ours is.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

__version__ = "0.1.0"
