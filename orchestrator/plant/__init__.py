"""The simulated plant: a stand-in for the real systems, a process of its own."""
