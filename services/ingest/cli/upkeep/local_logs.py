"""The log lines of the local mode about what is erased."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ingest.cli.local import locks
from ingest.cli.local.shared_files import Files
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping
    from pathlib import Path

    from ingest.cli.local.state_folder import Connections


def count(connections: Connections, patterns: Mapping[str, re.Pattern[bytes]], *, erase: bool) -> Counter[str]:
    """Count the lines in which the pattern of each key is found; with `erase`, remove them.

    Raise ConfigurationError while an `ingest run` writes to the logs.
    """
    found: Counter[str] = Counter()
    if not connections.is_local:
        return found
    settings = connections.settings
    if erase and not locks.is_free(Files(settings.state_path).run_lock):
        raise ConfigurationError("an `ingest run` writes to the logs of this state folder: repeat when it has ended")
    for log in sorted(settings.state_path.glob("*/*.log")):  # of the services, of NATS and of Postgres
        found += _without(log, patterns, erase=erase)
    return found


def _without(log: Path, patterns: Mapping[str, re.Pattern[bytes]], *, erase: bool) -> Counter[str]:
    found: Counter[str] = Counter()
    kept: list[bytes] = []
    for line in log.read_bytes().splitlines(keepends=True):
        key = next((key for key, pattern in patterns.items() if pattern.search(line)), None)
        if key is None:
            kept.append(line)
        else:
            found[key] += 1
    if erase and found:
        log.write_bytes(b"".join(kept))  # in place: a process that has it open goes on writing to it
    return found
