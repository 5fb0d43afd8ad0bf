"""Streams of draws of this room, beside those of the rulebook: nobody else's worlds are played in them."""

from __future__ import annotations

STREAM_VALIDATION = 11  # worlds by which training keeps its best weights
STREAM_IMITATION = 12  # worlds in which a rule is watched; neither training, validation nor evaluation plays it
