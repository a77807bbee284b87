"""`ingest voices relabel` in a process of its own, which ends at one of its steps as by SIGKILL."""

from __future__ import annotations

import os
import signal
from functools import wraps
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import psycopg
from pydantic import SecretStr

from ingest.cli.local.state_folder import Connections, StateFolder
from ingest.cli.settings import AllSettings
from ingest.cli.voices.relabel import relabel
from ingest.embedder.postgres.database import Database
from ingest.shared.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.shared.broker.nats_bus import NatsBus

STEPS = ((os, "fsync"), (os, "replace"), (psycopg.Connection, "execute"), (psycopg.Transaction, "__exit__"))


def run(url: str, state_path: Path, last: int) -> None:
    """Relabel the whole archive, but end before a step; steps are writes to disk, statements and commits."""
    settings = load(AllSettings, state_path=state_path)
    with Database(SecretStr(url), password=None, size=2, timeout_s=20.0, name="killed").open() as database:
        number = count(1)
        for owner, name in STEPS:
            _end_before(owner, name, last, number)
        relabel(Connections(settings, cast("NatsBus", None), database, StateFolder(settings)))


def _end_before(owner: Any, name: str, last: int, number: count[int]) -> None:  # noqa: ANN401 (a module or a class)
    done = getattr(owner, name)

    @wraps(done)
    def step(*values: Any, **named: Any) -> object:  # noqa: ANN401 (those of any function)
        if next(number) == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return done(*values, **named)

    setattr(owner, name, step)
