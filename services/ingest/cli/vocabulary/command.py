"""Changes the vocabulary: the entries of the archive, their copy on the volume, and the passages that they respell."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.transcripts.correct import rebuilder_of
from ingest.embedder import changes
from ingest.embedder.corrections.places import letters
from ingest.embedder.search import occurrences
from ingest.embedder.tables import corrections, vocabulary
from ingest.embedder.tables.vocabulary import Scope
from ingest.shared.artifacts import vocabulary as vocabulary_file
from ingest.shared.artifacts.vocabulary import Entry
from ingest.shared.bounds import LONGEST_ADDRESS, LONGEST_CHANNEL, LONGEST_WORDS, MOST_ENTRIES
from ingest.shared.errors import ConfigurationError
from ingest.shared.homes.chosen import home_of
from ingest.shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from ingest.cli.local.state_folder import Archive
    from ingest.cli.settings import AllSettings
    from ingest.embedder.postgres.database import Database
    from ingest.embedder.search.occurrences import Occurrence
    from ingest.embedder.tables.corrections import Author
    from ingest.embedder.tables.vocabulary import EntryRow

LARGEST_FILE = 4 << 20
MOST_SHOWN = 200


@dataclass(frozen=True)
class Addition:
    """What is added: texts, the misspellings of the only one, for which recordings, and by whom."""

    texts: tuple[str, ...]
    heard: tuple[str, ...]
    channel: str | None
    source: str | None
    by: Author

    def checked(self) -> Addition:
        """Return the addition with texts in one line each; raise ConfigurationError for what is no entry."""
        texts, heard = (tuple(dict.fromkeys(map(one_line, some))) for some in (self.texts, self.heard))
        wrong = [text for text in texts if not letters(text) or len(text) > LONGEST_WORDS]
        if wrong or not texts:
            raise ConfigurationError(f"an entry has letters, and at most {LONGEST_WORDS} characters: {wrong[:3]}")
        if heard and len(texts) != 1:
            raise ConfigurationError("misspellings (--heard) need one text, which takes their place")
        for text in heard:
            changes.checked((text, texts[0]))
        if len(self.channel or "") > LONGEST_CHANNEL or len(self.source or "") > LONGEST_ADDRESS:
            raise ConfigurationError("the channel or the source is longer than any in the archive")
        return Addition(texts, heard, self.channel, self.source, self.by)


@dataclass(frozen=True)
class ChangeResult:
    """The entries that were added or removed, and the recordings whose passages were built again."""

    entries: tuple[int, ...]
    rebuilt: int


def texts_of(texts: Iterable[str], file: Path | None) -> tuple[str, ...]:
    """Return texts, and those in the lines of a file."""
    if file is None:
        return tuple(texts)
    try:
        with file.expanduser().open(encoding="utf-8") as lines:
            content = lines.read(LARGEST_FILE)
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file} is no text in UTF-8") from error
    return (*texts, *(line for line in content.splitlines() if line.strip()))


def entries(archive: Archive) -> list[EntryRow]:
    """Return the entries of the vocabulary."""
    return vocabulary.listed(archive.database)


def places(archive: Archive, wanted: Addition) -> list[Occurrence]:
    """Return where misspellings would be replaced, also in recordings of other channels and sources."""
    wanted = wanted.checked()
    return [one for heard in wanted.heard for one in occurrences.each(archive.database, heard, wanted.texts[0])]


def add(archive: Archive, wanted: Addition) -> ChangeResult:
    """Add entries; build passages again in which they replace something."""
    wanted = wanted.checked()
    database = archive.database
    if len(entries(archive)) + len(wanted.texts) > MOST_ENTRIES:
        raise ConfigurationError(f"a vocabulary has at most {MOST_ENTRIES} entries")
    videos = _with(database, ((heard, wanted.texts[0]) for heard in wanted.heard))
    scope = Scope(wanted.channel, wanted.source)
    added = vocabulary.add(database, wanted.texts, wanted.heard, scope, wanted.by, videos)
    publish(archive.settings, database)
    return ChangeResult(tuple(added), _rebuild(archive, wanted=bool(videos)))


def remove(archive: Archive, ids: Sequence[int]) -> ChangeResult:
    """Remove entries; build passages again in which they have replaced something."""
    database = archive.database
    known = {one.id: one for one in entries(archive)}
    missing = [number for number in ids if number not in known]
    if missing:
        raise ConfigurationError(f"there is no entry {missing[0]}; see `ingest vocabulary list`")
    gone = [known[number] for number in ids]
    videos = _with(database, ((one.text, heard) for one in gone for heard in one.heard_as))
    vocabulary.remove(database, ids, videos)
    publish(archive.settings, database)
    return ChangeResult(tuple(ids), _rebuild(archive, wanted=bool(videos)))


def publish(settings: AllSettings, database: Database) -> None:
    """Write the copy of the vocabulary that the recognizer reads."""
    vocabulary_file.write(
        home_of(settings),
        lambda: (Entry(text=one.text, channel=one.channel, source=one.source) for one in vocabulary.listed(database)),
    )


def _with(database: Database, texts: Iterable[tuple[str, str]]) -> list[str]:
    """Return the recordings in which the first of two texts is said, and is not part of the other one."""
    return sorted({video_id for pair in texts for video_id in occurrences.videos(database, pair)})


def _rebuild(archive: Archive, *, wanted: bool) -> int:
    """Build the passages of the recordings that are due; return how many there were."""
    due = corrections.unfinished(archive.database) if wanted else []
    if due:
        rebuilder_of(archive)  # builds them
    return len(due)


def print_added(done: ChangeResult, *, as_json: bool) -> None:
    """Print what was added, and what has to be done for recordings that are indexed."""
    if as_json:
        console.print_json(done)
        return
    console.out.print(f"{len(done.entries)} entries; {done.rebuilt} recordings have new passages")
    console.out.print("recordings that are recognised from now on are read with them (others: ingest rerun --changed)")


def print_removed(done: ChangeResult, *, as_json: bool) -> None:
    """Print what was removed."""
    if as_json:
        console.print_json(done)
        return
    console.out.print(f"{len(done.entries)} entries removed; {done.rebuilt} recordings have new passages")


def print_entries(found: Sequence[EntryRow], *, as_json: bool) -> None:
    """Print the entries of the vocabulary."""
    if as_json:
        console.print_json(found)
        return
    columns = ("id", "text", "misspelt as", "for", "by", "on", "reason")
    cells = (
        (one.id, one.text, ", ".join(one.heard_as), _scope(one), one.author, f"{one.made_at:%Y-%m-%d}", one.reason)
        for one in found
    )
    console.out.print(console.table("Vocabulary", columns, cells))


def _scope(one: EntryRow) -> str:
    return f"channel {one.channel}" if one.channel else (one.source or "all")


def print_places(found: Sequence[Occurrence], *, as_json: bool) -> None:
    """Print where misspellings would be replaced."""
    if as_json:
        console.print_json([asdict(one) for one in found])
        return
    cells = (
        (one.video_id, console.clock(one.start_s), f"{one.before}[{one.text}]{one.after}") for one in found[:MOST_SHOWN]
    )
    title = f"{len(found)} places in {len({one.video_id for one in found})} recordings"
    console.out.print(console.table(title, ("video", "sentence at", "text"), cells))
