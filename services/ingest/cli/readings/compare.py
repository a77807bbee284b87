"""`ingest compare`: chooses recordings, compares their readings, and prints what it found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.asr.recognition.build import make_transcriber
from ingest.cli import console
from ingest.cli.readings.comparison import ComparedRecording, Comparer
from ingest.cli.readings.sample import chosen
from ingest.cli.voices.progress import shown
from ingest.embedder.tables import corrections
from ingest.embedder.tables.catalog import Catalog
from ingest.shared import outgoing
from ingest.shared.errors import ConfigurationError
from ingest.shared.homes.chosen import volume_of
from ingest.shared.video_state import VideoState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.cli.local.state_folder import Archive
    from ingest.cli.readings.comparison import ReadingFigures
    from ingest.embedder.tables.catalog import VideoRow
    from ingest.shared.artifacts.volume import Volume

MOST_CORRECTIONS = 100_000
MOST_SHOWN = 5
MINUTE_S = 60.0
HOUR_S = 3600.0


@dataclass(frozen=True)
class Subject:
    """The recordings that are compared, and the other recognizer; without `model`, the reading before the last run."""

    videos: tuple[str, ...]
    model: str | None
    sample: int
    minutes: float
    channel: str | None


@dataclass(frozen=True)
class Comparison:
    """Recordings with two readings, and the seconds of all recordings of the archive."""

    recordings: tuple[ComparedRecording, ...]
    archive_s: float

    @property
    def compared(self) -> list[ComparedRecording]:
        """Return the recordings that have two readings."""
        return [one for one in self.recordings if not one.trouble]

    @property
    def hours_for_all(self) -> float | None:
        """Return the hours that this machine needs for all recordings with the other recognizer, by its pace here."""
        seconds = sum(one.seconds for one in self.compared)
        took_s = sum(one.other.took_s for one in self.compared if one.other is not None)
        return self.archive_s * took_s / seconds / HOUR_S if seconds else None


def compare(archive: Archive, wanted: Subject) -> Comparison:
    """Compare the readings of recordings."""
    volume, catalog = volume_of(archive.settings), Catalog(archive.database)
    indexed = catalog.each(states=[VideoState.INDEXED])
    total_s = sum(one.duration_s for one in catalog.totals() if one.state == VideoState.INDEXED)
    if wanted.videos:
        rows = catalog.named(wanted.videos)
    else:
        found = (one for one in indexed if wanted.channel is None or one.channel == wanted.channel)
        listed = corrections.listed(archive.database, None, None, MOST_CORRECTIONS)
        rows = chosen(found, {one.video_id for one in listed}, wanted.sample, lambda one: _is_kept(volume, one))
    if not rows:
        raise ConfigurationError("no recording has both its audio and its transcript on the volume")
    comparer = Comparer(archive.settings, archive.database, volume)
    if wanted.model is None:
        return Comparison(tuple(comparer.with_earlier(row) for row in rows), total_s)
    comparer.transcriber = make_transcriber(
        archive.settings.model_copy(update={"asr_model": wanted.model, "asr_revision": None})
    )
    try:
        return Comparison(tuple(_read_all(comparer, rows, wanted.minutes * MINUTE_S)), total_s)
    finally:
        comparer.transcriber.batcher.close()


def _read_all(comparer: Comparer, rows: Sequence[VideoRow], most_s: float) -> Iterator[ComparedRecording]:
    with shown() as show:
        for number, row in enumerate(rows, 1):
            show(f"reading {number} of {len(rows)}: {row.title or row.video_id}")
            yield comparer.with_model(row, most_s)


def _is_kept(volume: Volume, video_id: str) -> bool:
    return all(volume.stored(video_id, kind) is not None for kind in ("audio", "transcript"))


def print_comparison(found: Comparison, *, as_json: bool) -> None:
    """Print the figures of both readings, and where they differ most."""
    if as_json:
        console.print_json(found_json(found))
        return
    pairs = [(one, one.present, one.other) for one in found.compared if one.present and one.other]
    sides = [[present for _, present, _ in pairs], [other for _, _, other in pairs]]
    if pairs:
        console.out.print(console.table(_title(found), ("", "present", "other"), _rows(found, *sides)))
    for one in sorted(found.compared, key=lambda one: -one.share)[:MOST_SHOWN]:
        console.out.print(outgoing.line(f"{one.video_id}  {one.share:.1%} differ  {one.title}"), markup=False)
        for span in one.spans:
            text = f"  {console.clock(span.at_s):>8}  present: {span.present or '-'} | other: {span.other or '-'}"
            console.out.print(outgoing.line(text), markup=False)
    for one in found.recordings:
        if one.trouble:
            console.err.print(outgoing.line(f"{one.video_id}  not compared: {one.trouble}"), markup=False)


def found_json(found: Comparison) -> dict[str, object]:
    """Return a comparison as it is printed for programs."""
    return {
        "recordings": [{**vars(one), "share": round(one.share, 4)} for one in found.recordings],
        "archive_s": found.archive_s,
        "hours_for_all": found.hours_for_all,
    }


def _title(found: Comparison) -> str:
    seconds = sum(one.seconds for one in found.compared)
    return f"{len(found.compared)} recordings, {console.hours(seconds)} of audio"


def _rows(
    found: Comparison, present: Sequence[ReadingFigures], other: Sequence[ReadingFigures]
) -> Iterator[tuple[object, ...]]:
    compared = found.compared
    seconds = sum(one.seconds for one in compared)
    sides = (present, other)
    yield ("recognizer", *(", ".join(sorted({one.key for one in side})) for side in sides))
    yield ("words", *(sum(one.words for one in side) for side in sides))
    count = sum(one.corrections for one in compared)
    right = [sum(one.corrected_right for one in side) for side in sides]
    yield ("corrections that it has right", *(f"{one} of {count}" for one in right))
    written = sum(one.captions_words for one in compared)
    if written:
        wrong = [sum(one.captions_wrong for one in side) for side in sides]
        yield ("words that differ from captions by a person", *(f"{one} of {written}" for one in wrong))
    yield ("words of the vocabulary", *(sum(one.expected_words for one in side) for side in sides))
    yield ("invented words", *(sum(one.invented_words for one in side) for side in sides))
    yield ("speech without words", *(f"{sum(one.unread_s for one in side):.1f} s" for side in sides))
    pace = [seconds / max(0.001, sum(one.took_s for one in side)) for side in sides]
    yield ("seconds read in a second", *(f"{one:.1f}" for one in pace))
    share = sum(one.differing for one in compared) / max(1, *(sum(one.words for one in side) for side in sides))
    yield ("words that differ", "", f"{share:.1%}")
    offs = [one.off_median_s for one in compared]
    yield ("starts of equal words differ by (mean of medians)", "", f"{1000 * sum(offs) / max(1, len(offs)):.0f} ms")
    named, same = (sum(getattr(one, name) for one in compared) for name in ("with_speaker", "same_speaker"))
    yield ("equal words with the same speaker", "", f"{same} of {named}")
    if found.hours_for_all is not None:
        needed = console.hours(found.hours_for_all * HOUR_S)
        yield (f"for all {console.hours(found.archive_s)} on this machine", "", needed)
