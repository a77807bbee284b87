"""`ingest aside`: lists the events that the ledger could not write, and folds them into the table of videos again.

An event keeps its place in the stream: later events of its video stay the newer ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.embedder.tables import ledger, set_aside
from ingest.shared import outgoing
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.embedder.postgres.database import Database
    from ingest.embedder.tables.set_aside import RefusedEvent


@dataclass(frozen=True)
class Refusal:
    """An event that could not be folded this time either, and the reason."""

    event: str
    reason: str


@dataclass(frozen=True)
class Replay:
    """The names of the events that were folded, and those that still cannot be."""

    folded: list[str]
    refused: list[Refusal]


def name(kept: RefusedEvent) -> str:
    """Return the name of an event: when its stream was created, and its number there."""
    return "{}-{}".format(*kept.position)


def print_list(found: Sequence[RefusedEvent], *, as_json: bool) -> None:
    """Print events that are set aside, a line each; as JSON with what they contain."""
    if as_json:
        console.print_json([_as_json(kept) for kept in found])
        return
    cells = ((name(kept), kept.video_id, kept.at and f"{kept.at:%Y-%m-%d %H:%M}", kept.reason) for kept in found)
    console.out.print(console.table(f"{len(found)} events set aside", ("event", "video", "at", "reason"), cells))


def _as_json(kept: RefusedEvent) -> dict[str, object]:
    return {
        "event": name(kept),
        "video_id": kept.video_id,
        "at": kept.at,
        "reason": kept.reason,
        "payload": kept.data.decode(errors="replace"),
    }


def replay(database: Database, names: Sequence[str] | None) -> Replay:
    """Fold events (all when `names` is None) in the order of the stream."""
    known = {name(kept): kept for kept in set_aside.waiting(database)}
    missing = sorted(set(names or ()) - known.keys())
    if missing:
        raise ConfigurationError(f"no event {', '.join(missing)} is set aside; see `ingest aside list`")
    done = Replay([], [])
    for event, kept in known.items():
        if names is not None and event not in names:
            continue
        reason = ledger.fold_again(database, kept)
        if reason is None:
            done.folded.append(event)
        else:
            done.refused.append(Refusal(event, reason))
    return done


def print_replay(done: Replay, *, as_json: bool) -> None:
    """Print what became of the events."""
    if as_json:
        console.print_json(done)
        return
    console.out.print(f"{len(done.folded)} folded, {len(done.refused)} still set aside")
    for one in done.refused:
        console.err.print(outgoing.line(f"{one.event}: {one.reason}"))
