"""Starts a session, and asks a running one. See `python launcher.py --help`."""

import sys

from pipeline.cli import main

if __name__ == "__main__":
    sys.exit(main())
