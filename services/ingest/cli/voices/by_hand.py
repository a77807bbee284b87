"""`ingest voices name`, `merge`, `move`, `refuse`, `named`, `undo`: what people say about speakers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.transcripts.correct import rebuilder_of
from ingest.embedder.tables import speaker_statements
from ingest.embedder.tables.catalog import Catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingest.cli.local.state_folder import Archive
    from ingest.embedder.changes import Change
    from ingest.embedder.rebuild import Rebuilder
    from ingest.embedder.tables.speaker_statements import StatementRow

WORDS = {"name": "is", "turn": "this turn is", "not": "is not"}


def change(archive: Archive, made: Callable[[Rebuilder], Change], *, as_json: bool) -> bool:
    """Make a change of speakers, print it, and return whether the passages have it."""
    done = made(rebuilder_of(archive))
    print_changes([done], as_json=as_json)
    return not done.trouble


def print_changes(made: Sequence[Change], *, as_json: bool) -> None:
    """Print what was changed."""
    if as_json:
        console.print_json(made)
        return
    for one in made:
        if one.trouble:
            console.err.print(f"{one.video_id}  left as it was: {one.trouble}", markup=False)
        else:
            console.out.print(f"{one.video_id}  statement {one.correction}: {one.state}", markup=False)


def print_statements(archive: Archive, video_id: str | None, *, as_json: bool) -> None:
    """Print what was said about the speakers of all recordings, or of one.

    Raise ConfigurationError for a video that the archive does not have.
    """
    if video_id is not None:
        Catalog(archive.database).named([video_id])
    found = speaker_statements.listed(archive.database, video_id)
    if as_json:
        console.print_json(found)
        return
    columns = ("id", "video", "from", "turns", "what", "state", "by", "on", "reason")
    cells = (
        (
            *(one.id, one.video_id, console.clock(one.start_s), one.turns, _said(one), one.state),
            *(one.author, f"{one.made_at:%Y-%m-%d}", one.reason),
        )
        for one in found
    )
    console.out.print(console.table("Statements about speakers", columns, cells))


def _said(one: StatementRow) -> str:
    return f"{WORDS.get(one.kind, one.kind)} {one.name or 'another speaker of the recording'}"
