"""Carries out what readers of the archive want changed about words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.embedder import changes
from ingest.embedder.changes import Change
from ingest.embedder.tables import corrections
from ingest.embedder.tables.changes import Outcome
from ingest.shared.errors import ConfigurationError
from ingest.shared.messages import CorrectWords
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from ingest.embedder.rebuild import Rebuilder
    from ingest.embedder.tables.corrections import Author
    from ingest.shared.messages import UndoCorrection

MOST_LISTED = 100_000


def carry_out(rebuilder: Rebuilder, change: CorrectWords | UndoCorrection, by: Author) -> Outcome:
    """Carry out a change; raise ConfigurationError for one that cannot be made.

    The reason of `by` is the wish: one that was interrupted is not made a second time, but ended.
    """
    if isinstance(change, CorrectWords):
        made = _ended(rebuilder, change.video, by) or _corrected(rebuilder, change, by)
        return _outcome(made, _text(change, len(made)))
    return _outcome(_taken_back(rebuilder, change), "the correction is taken back")


def _corrected(rebuilder: Rebuilder, change: CorrectWords, by: Author) -> list[Change]:
    texts = (change.expected, change.replacement)
    if not change.every:
        return [changes.correct(rebuilder, change.video, change.at_s, texts, by)]
    made = changes.correct_everywhere(rebuilder, [change.video], texts, by)
    if not made:
        raise ConfigurationError(f"{change.expected!r} is not said in {change.video}")
    return made


def _ended(rebuilder: Rebuilder, video_id: str, by: Author) -> list[Change]:
    """Build the passages again with the corrections that a wish has made already; none: it has made none."""
    known = corrections.listed(rebuilder.database, video_id, None, MOST_LISTED)
    found = [one for one in known if one.reason == by.reason]
    trouble = changes.rebuild(rebuilder, video_id)[1] if found else ""
    return [Change(video_id, one.id, one.start_s, one.state, trouble) for one in found]


def _taken_back(rebuilder: Rebuilder, change: UndoCorrection) -> list[Change]:
    known = corrections.of_same_command(rebuilder.database, change.correction)
    if known.get(change.correction) != change.video:
        raise ConfigurationError(f"{change.video} has no correction {change.correction}")
    return changes.undo(rebuilder, change.correction, whole_command=False)


def _text(change: CorrectWords, places: int) -> str:
    where = f" at {places} places" if places > 1 else ""
    return f"{change.expected!r} is {change.replacement!r} now{where}"


def _outcome(made: list[Change], text: str) -> Outcome:
    trouble = next((one.trouble for one in made if one.trouble), "")
    if trouble:
        return Outcome(False, shorten(f"{text}, but its passages could not be built again: {trouble}"))
    is_late = any(one.state == "on its way" for one in made)
    return Outcome(True, shorten(f"{text}, when its new run is stored" if is_late else text))
