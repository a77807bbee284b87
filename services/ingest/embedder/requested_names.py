"""Carries out what readers of the archive want changed about speakers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.embedder import changes, speaker_changes
from ingest.embedder.changes import Change
from ingest.embedder.tables import speaker_statements
from ingest.embedder.tables.changes import Outcome
from ingest.shared.errors import ConfigurationError
from ingest.shared.messages import MergeSpeakers, NameSpeaker
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from ingest.embedder.rebuild import Rebuilder
    from ingest.embedder.tables.corrections import Author
    from ingest.shared.messages import UndoStatement


def carry_out(rebuilder: Rebuilder, change: NameSpeaker | MergeSpeakers | UndoStatement, by: Author) -> Outcome:
    """Carry out a change; raise ConfigurationError for one that cannot be made.

    The reason of `by` is the wish: one that was interrupted is not made a second time, but ended.
    """
    changes.finish(rebuilder)
    match change:
        case NameSpeaker():
            text = f"{change.speaker} is {change.name} now"
            made = _ended(rebuilder, change.video, by) or speaker_changes.name(
                rebuilder, change.video, change.speaker, change.name, by
            )
        case MergeSpeakers():
            text = f"{change.speaker} is {change.into} now"
            made = _ended(rebuilder, change.video, by) or speaker_changes.merge(
                rebuilder, change.video, change.speaker, change.into, by
            )
        case _:
            text = "what was said by hand is taken back"
            made = _taken_back(rebuilder, change)
    return _outcome(made, text)


def _ended(rebuilder: Rebuilder, video_id: str, by: Author) -> Change | None:
    """Build the passages again with the statement that a wish has made already; None: it has made none."""
    found = [one for one in speaker_statements.listed(rebuilder.database, video_id) if one.reason == by.reason]
    if not found:
        return None
    _, trouble = changes.rebuild(rebuilder, video_id)
    return Change(video_id, found[0].id, trouble=trouble)


def _taken_back(rebuilder: Rebuilder, change: UndoStatement) -> Change:
    if speaker_statements.video_of(rebuilder.database, change.statement) != change.video:
        raise ConfigurationError(f"{change.video} has no statement {change.statement} about a speaker")
    return speaker_changes.undo(rebuilder, change.statement)


def _outcome(made: Change, text: str) -> Outcome:
    if made.trouble:
        return Outcome(False, shorten(f"{text}, but its passages could not be built again: {made.trouble}"))
    return Outcome(True, f"{text}, when its new run is stored" if made.state == "on its way" else text)
