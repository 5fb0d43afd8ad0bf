"""The same world for learners."""
