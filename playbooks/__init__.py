"""What may be done: CACAO playbooks, their effects, vetting and library."""
