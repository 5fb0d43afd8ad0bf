"""The demonstration: one incident end to end against the simulated plant, and what it was worth."""
