"""The real world: responses from proposal to verified outcome."""
