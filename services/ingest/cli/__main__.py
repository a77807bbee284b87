"""Start the command line: `ingest`, or `python -m ingest.cli`. Its imports take a second, and can be interrupted."""

from __future__ import annotations

import contextlib
import sys


def main() -> None:
    """Import the command line and run it."""
    try:
        from ingest.cli.app import main as run
    except KeyboardInterrupt:
        with contextlib.suppress(OSError, ValueError):  # a closed stream
            sys.stderr.write("interrupted\n")
        sys.exit(130)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("ingest"):
            raise
        text = (
            f"error: the package {error.name} is not installed: `ingest` needs an extra, as pip install 'ingest[local]'"
        )
        sys.exit(text)
    run()


if __name__ == "__main__":
    main()
