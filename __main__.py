"""`python -m tocsin` is the command `tocsin`."""

from .orchestrator.cli import main

if __name__ == "__main__":
    main()
