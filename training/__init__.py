"""Policies out of environments."""
