"""`ingest correct`: corrects words. The corrections are kept apart from the transcripts, and outlive new runs."""

from __future__ import annotations

import getpass
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ingest.cli import console
from ingest.embedder import changes
from ingest.embedder.rebuild import rebuilder
from ingest.embedder.search import occurrences
from ingest.embedder.tables import corrections
from ingest.embedder.text_model import light_encoder
from ingest.shared.bounds import LONGEST_NAME, LONGEST_TEXT
from ingest.shared.errors import ConfigurationError
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ingest.cli.local.state_folder import Archive
    from ingest.cli.transcripts.correct_options import CorrectAction
    from ingest.embedder.changes import Change
    from ingest.embedder.rebuild import Rebuilder
    from ingest.embedder.search.occurrences import Page
    from ingest.embedder.tables.corrections import Author, CorrectionRow

MOST_LISTED = 100_000


@dataclass(frozen=True)
class Task:
    """The words of the command, the time in a recording, and what is done."""

    words: tuple[str, ...]
    at: str | None
    action: CorrectAction


def author(name: str | None, reason: str) -> Author:
    """Return who corrects and why: without a name, the user of this machine."""
    with suppress(OSError, KeyError):  # a container may run as a number without a name
        name = name or getpass.getuser()
    return corrections.author(shorten(name or "unknown", LONGEST_NAME), shorten(reason, LONGEST_TEXT))


def run(archive: Archive, task: Task, by: Author, *, as_json: bool) -> bool:
    """List, show, make or take back corrections; return whether all could be."""
    action, words = task.action, task.words
    if action.only_list:
        wanted = corrections.NEEDS_A_LOOK if action.look else None
        found = corrections.listed(archive.database, words[0] if words else None, wanted, MOST_LISTED)
        print_list(found, as_json=as_json)
        return True
    if action.undo is not None:
        made = undo(archive, action.undo, every=action.every)
    elif not action.every:
        made = [correct(archive, words[0], task.at, (words[1], words[2]), by)]
    elif action.yes:
        made = everywhere(archive, (words[0], words[1]), by)
    else:
        texts = changes.checked((words[0], words[1]))
        shown = occurrences.page(archive.database, texts, (action.page - 1) * action.limit, action.limit)
        print_places(shown, texts[1], action, as_json=as_json)
        return True
    print_changes(made, as_json=as_json)
    return not any(one.trouble for one in made)


def seconds(clock: str) -> float:
    """Return the seconds of a time such as 12:31, 1:02:03 or 751.5; raise ConfigurationError for other text."""
    try:
        parts = [float(part) for part in clock.split(":")]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or not all(0 <= part < 1e7 for part in parts):  # noqa: PLR2004 (hours, minutes, seconds)
        raise ConfigurationError(f"{clock!r} is no time in a recording: write it as 12:31, 1:02:03 or 751")
    total = 0.0
    for part in parts:
        total = 60 * total + part
    return total


def correct(archive: Archive, video: str, at: str | None, texts: tuple[str, str], by: Author) -> Change:
    """Correct one place of a recording."""
    at_s = seconds(at) if at is not None else None
    return changes.correct(rebuilder_of(archive), video, at_s, texts, by)


def everywhere(archive: Archive, texts: tuple[str, str], by: Author) -> list[Change]:
    """Correct a text in all recordings."""
    videos = occurrences.videos(archive.database, changes.checked(texts))
    if not videos:
        return []
    with _progress(len(videos)) as advance:
        return changes.correct_everywhere(rebuilder_of(archive), videos, texts, by, advance)


def undo(archive: Archive, number: int, *, every: bool) -> list[Change]:
    """Take a correction back, or all of the command that made it."""
    return changes.undo(rebuilder_of(archive), number, whole_command=every)


def rebuilder_of(archive: Archive) -> Rebuilder:
    """Return what stores the passages of recordings again, with the text model of the settings.

    What an interrupted command has left is finished first.
    """
    made = rebuilder(archive.settings, archive.database, light_encoder.load(archive.settings))
    changes.finish(made)
    return made


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console.err, transient=True) as progress:
        task = progress.add_task("recordings", total=total)
        yield lambda: progress.advance(task)


def print_changes(made: Sequence[Change], *, as_json: bool) -> None:
    """Print what was corrected or taken back."""
    if as_json:
        console.print_json(made)
        return
    for one in made:
        if one.trouble:
            console.err.print(f"{one.video_id}  left as it was: {one.trouble}", markup=False)
        else:
            at = "" if one.state == changes.TAKEN_BACK else console.clock(one.at_s)
            console.out.print(f"{one.video_id}  {at:>8}  correction {one.correction}: {one.state}", markup=False)
    recordings = len({one.video_id for one in made if not one.trouble})
    console.out.print(f"{sum(not one.trouble for one in made)} corrections in {recordings} recordings")


def print_places(found: Page, replacement: str, action: CorrectAction, *, as_json: bool) -> None:
    """Print a page of the places that would be corrected, and the number of all."""
    pages = -(-found.places // action.limit)
    if as_json:
        console.print_json({**asdict(found), "page": action.page, "pages": pages})
        return
    cells = (
        (one.video_id, console.clock(one.start_s), f"{one.before}[{one.text} -> {replacement}]{one.after}")
        for one in found.shown
    )
    count = f"{found.places} places in {found.recordings} recordings"
    if not found.is_whole:
        count = f"{found.places} places in the first {found.recordings} recordings, and more that are not counted,"
    title = f"{count} would be corrected (with --yes)"
    console.out.print(console.table(title, ("video", "sentence at", "text"), cells))
    if pages > 1:
        least = "" if found.is_whole else "at least "
        console.out.print(f"page {action.page} of {least}{pages}; the others: --page, --limit", markup=False)


def print_list(found: Sequence[CorrectionRow], *, as_json: bool) -> None:
    """Print corrections."""
    if as_json:
        console.print_json(found)
        return
    columns = ("id", "video", "at", "as it was", "corrected", "state", "by", "on", "reason")
    cells = (
        (
            *(one.id, one.video_id, console.clock(one.start_s), one.expected, one.replacement, _state(one)),
            *(one.author, f"{one.made_at:%Y-%m-%d}", one.reason),
        )
        for one in found
    )
    console.out.print(console.table("Corrections", columns, cells))


def _state(one: CorrectionRow) -> str:
    return f"{one.state}: there is now {one.found!r}" if one.state == corrections.NEEDS_A_LOOK else one.state
