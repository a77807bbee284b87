"""Compares the present reading of recordings with another one: of another recognizer, or the one before the last run.

Which of two readings is right, only people know: corrections by hand, captions that a person has written, and the words
of the vocabulary count for the reading that has them.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ingest.archive.reading import Reading
from ingest.asr import audio, disagreement
from ingest.asr.recognition.languages import LanguageHint
from ingest.asr.sound import WholeSound
from ingest.cli.readings.difference import DifferentSpan, compare, words_of
from ingest.embedder.corrections import places, said, words
from ingest.shared.artifacts import attribution, captions, transcript, vocabulary
from ingest.shared.artifacts.transcript import INVENTED
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.asr.recognition.transcriber import Transcriber
    from ingest.cli.settings import AllSettings
    from ingest.embedder.corrections.places import WordCorrection
    from ingest.embedder.postgres.database import Database
    from ingest.embedder.tables.catalog import VideoRow
    from ingest.shared.artifacts.transcript import Segment, Transcript, Word
    from ingest.shared.artifacts.vocabulary import Vocabulary
    from ingest.shared.artifacts.volume import Volume


@dataclass(frozen=True)
class ReadingFigures:
    """The figures of one reading of a recording, or of a part of it.

    `corrected_right` counts the corrections by hand whose right words it has, `expected_words` the places with a text
    of the vocabulary, `unread_s` is speech without words. `captions_wrong` words differ from captions by a person.
    """

    key: str
    words: int
    corrected_right: int
    expected_words: int
    invented_words: int
    unread_s: float
    took_s: float
    captions_wrong: int


@dataclass(frozen=True)
class ComparedRecording:
    """Two readings of a recording up to `seconds`; `trouble` is why there is no second one, else empty.

    `captions_words` is the number of words of its captions, 0 where no person has written any.
    """

    video_id: str
    title: str
    seconds: float
    corrections: int = 0
    captions_words: int = 0
    present: ReadingFigures | None = None
    other: ReadingFigures | None = None
    differing: int = 0
    off_median_s: float = 0.0
    same_speaker: int = 0
    with_speaker: int = 0
    spans: tuple[DifferentSpan, ...] = ()
    trouble: str = ""

    @property
    def share(self) -> float:
        """Return the share of words that differ."""
        counts = [one.words for one in (self.present, self.other) if one is not None]
        return self.differing / max([1, *counts])


@dataclass(frozen=True)
class SecondReading:
    """Another reading of a recording: its segments, and its figures as far as they are known."""

    key: str
    segments: Sequence[Segment]
    unread_s: float
    took_s: float


@dataclass(frozen=True)
class References:
    """What people have said is right: corrections, words of the vocabulary, and the words of captions."""

    corrections: Sequence[WordCorrection]
    vocabulary: Sequence[str]
    captions: Sequence[Word]


@dataclass
class Comparer:
    """Compares readings of the recordings of an archive; `transcriber` makes new ones."""

    settings: AllSettings
    database: Database
    volume: Volume
    transcriber: Transcriber | None = None
    _limits: DecodeLimits = field(default_factory=DecodeLimits)

    def with_model(self, row: VideoRow, most_s: float) -> ComparedRecording:
        """Compare the present reading with one by the transcriber, of the first `most_s` seconds."""
        try:
            present = self._stored(row.video_id, "transcript")
            seconds = min(most_s, present.duration_s)
            return self._compared(row, present, self._read(row, present, seconds), seconds)
        except IngestError as error:
            return _left(row, error)

    def with_earlier(self, row: VideoRow) -> ComparedRecording:
        """Compare the present reading with the one before it."""
        try:
            present, earlier = self._stored(row.video_id, "transcript"), self._stored(row.video_id, "before")
            unread_s = sum(one.end_s - one.start_s for one in earlier.unread)
            other = SecondReading(earlier.model_key, earlier.segments, unread_s, earlier.timings.recognise_s)
            return self._compared(row, present, other, present.duration_s)
        except IngestError as error:
            return _left(row, error)

    def _stored(self, video_id: str, kind: Literal["transcript", "before"]) -> Transcript:
        manifest = self.volume.manifest(video_id, kind)
        if manifest is None:
            what = "transcript" if kind == "transcript" else "earlier reading"
            raise IngestError(Code.ARTIFACT_MISSING, f"no {what} is kept")
        return transcript.read(self.volume.verified(manifest.artifact, patience_s=0))

    def _read(self, row: VideoRow, present: Transcript, seconds: float) -> SecondReading:
        if self.transcriber is None:
            raise ValueError("no recognizer was loaded")
        manifest = self.volume.manifest(row.video_id, "audio")
        if manifest is None:
            raise IngestError(Code.ARTIFACT_MISSING, "the audio is not kept any more")
        path = self.volume.verified(manifest.artifact, patience_s=0)
        limits = ChildLimits(self.settings.asr_deadline_s)
        waveform, _ = audio.load(path, self.settings.scratch, self._limits, limits)
        waveform = waveform[: int(seconds * SAMPLE_RATE)]
        expected = self._vocabulary(row)
        began = time.monotonic()
        sound = WholeSound(waveform, audio.find_speech(waveform))
        hint = LanguageHint(given=row.given_language, likely=present.language)
        found = self.transcriber.transcribe(sound, lambda _done_s: None, hint, expected.texts)
        took_s = time.monotonic() - began
        segments = found.segments
        if present.turns is not None:
            segments = tuple(attribution.attribute(segments, present.turns))
        unread_s = sum(one.duration_s for one in found.unread)
        return SecondReading(expected.key(self.transcriber.recognizer.key), segments, unread_s, took_s)

    def _captions(self, present: Transcript, seconds: float) -> list[Word]:
        """Return the words of captions that a person has written; none where the present reading is made of them."""
        found = captions.kept(self.volume, present.video_id)
        if found is None or not found.is_preferred or present.model_key.startswith(captions.KEY_PREFIX):
            return []
        return [word for word in captions.words(found) if word.start_s < seconds]

    def _vocabulary(self, row: VideoRow) -> Vocabulary:
        known = row.as_record()
        if known.source is None:
            return vocabulary.NONE
        return vocabulary.read(self.volume.home, known.source, known.metadata)

    def _compared(self, row: VideoRow, present: Transcript, other: SecondReading, seconds: float) -> ComparedRecording:
        corrections = [one for one in Reading(self.database).overlay(row.video_id).words if one.end_s <= seconds]
        references = References(corrections, self._vocabulary(row).texts, self._captions(present, seconds))
        found = compare(words_of(present.segments, seconds), words_of(other.segments, seconds))
        own_s = present.timings.recognise_s * seconds / max(present.duration_s, 0.001)
        unread_s = sum(one.end_s - one.start_s for one in present.unread if one.start_s < seconds)
        first = SecondReading(present.model_key, present.segments, unread_s, own_s)
        figures = [
            _figures(one, count, references, seconds)
            for one, count in ((first, found.present_words), (other, found.other_words))
        ]
        return ComparedRecording(
            video_id=row.video_id,
            title=row.title or "",
            seconds=round(seconds, 3),
            corrections=len(corrections),
            captions_words=len(references.captions),
            present=figures[0],
            other=figures[1],
            differing=found.differing,
            off_median_s=round(statistics.median(map(abs, found.off_s)), 3) if found.off_s else 0.0,
            same_speaker=found.same_speaker,
            with_speaker=found.with_speaker,
            spans=found.spans,
        )


def _figures(one: SecondReading, count: int, references: References, seconds: float) -> ReadingFigures:
    spoken = [word for word in said.words_of(one.segments) if word.word.start_s < seconds]
    outcomes = words.apply(one.segments, references.corrections).outcomes
    invented = [segment for segment in one.segments if INVENTED in segment.flags and segment.start_s < seconds]
    wrong = disagreement.compare(references.captions, [word.word for word in spoken]) if references.captions else None
    return ReadingFigures(
        key=one.key,
        words=count,
        corrected_right=sum(outcome.state == "right" for outcome in outcomes),
        expected_words=sum(
            1 for text in references.vocabulary for _ in places.occurrences(spoken, text, "right", exact_case=False)
        ),
        invented_words=sum(len(segment.words) for segment in invented),
        unread_s=round(one.unread_s, 3),
        took_s=round(one.took_s, 3),
        captions_wrong=round(wrong.error * wrong.words) if wrong is not None else 0,
    )


def _left(row: VideoRow, error: IngestError) -> ComparedRecording:
    """Return a recording without a second reading, with the reason; raise what is no fault of the recording."""
    if error.code.startswith("ENV_"):
        raise error
    return ComparedRecording(row.video_id, row.title or "", 0.0, trouble=error.message)
