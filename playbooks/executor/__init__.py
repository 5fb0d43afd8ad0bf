"""The interpreter of playbooks, pure: state and event in, state and orders out; `playbooks.execute` is its door."""
