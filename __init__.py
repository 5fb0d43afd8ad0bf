"""Tocsin: a responder for digital service chains that several owners run.

Rooms (sub-packages) are imported by name, `from tocsin.twin import Twin`; importing `tocsin` alone loads nothing.
"""

__version__ = "0.1.0"
