"""Runs the read side: `python -m ingest.archive`."""

from ingest.archive.service import main

if __name__ == "__main__":
    main()
