"""Attack steps: what an attacker may try, derived by rules from the twin."""
