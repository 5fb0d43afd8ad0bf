"""The rulebook: one transition of worlds, compiled, with the rules that decide."""
