"""A small real network on one machine, and the chain that is its twin. Loads nothing by itself."""
