"""`ingest verify`: cuts the seconds of citations from the kept audio, recognises them again, and says what differs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING

from ingest.asr import audio
from ingest.asr.spans import Span
from ingest.cli.quotes import speakers, words
from ingest.cli.quotes.listener import Listener
from ingest.cli.quotes.verdicts import Result, Verdict, about, changes_since, elsewhere, judge_words, place_of
from ingest.shared import scripts
from ingest.shared.artifacts import vocabulary
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import DecodeLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ingest.archive.citation import Citation
    from ingest.archive.citing import Citing, Origin
    from ingest.cli.quotes.models import Models
    from ingest.cli.quotes.words import HeardWord
    from ingest.cli.settings import AllSettings
    from ingest.embedder.tables.catalog import Catalog
    from ingest.shared.artifacts.vocabulary import Vocabulary
    from ingest.shared.artifacts.volume import Volume

BETWEEN_S = 2.0  # passages that may hold a word of another speaker
FAR_S = 45.0  # words that are heard further away are those of another citation


@dataclass(frozen=True)
class Verifier:
    """Verifies the citations of one archive."""

    settings: AllSettings
    catalog: Catalog
    volume: Volume
    citing: Citing
    models: Callable[[], Models]
    show: Callable[[str], None] = field(default=lambda _line: None)

    def verify(self, citations: Sequence[Citation]) -> list[Verdict]:
        """Return a verdict on each citation. The audio of a recording is decoded once."""
        verdicts: dict[int, Verdict] = {}
        order = sorted(range(len(citations)), key=lambda number: citations[number].recording)
        for video_id, group in groupby(order, key=lambda number: citations[number].recording):
            numbers = list(group)
            self.show(f"hearing {len(numbers)} citations of {video_id}")
            found = self._of_recording(video_id, [citations[number] for number in numbers])
            verdicts |= dict(zip(numbers, found, strict=True))
        return [verdicts[number] for number in range(len(citations))]

    def _of_recording(self, video_id: str, citations: Sequence[Citation]) -> list[Verdict]:
        try:
            path = self._audio(video_id)
        except IngestError as error:
            if error.code not in (Code.ARTIFACT_MISSING, Code.CHECKSUM_MISMATCH):
                raise
            result: Result = "gone" if error.code is Code.ARTIFACT_MISSING else "another file"
            return [about(one, Verdict(result, error.message)) for one in citations]
        is_same = [one.audio_sha256 == self._sha256(video_id) for one in citations]
        kept = [one for one, same in zip(citations, is_same, strict=True) if same]
        heard = iter(self._heard(video_id, path, kept) if kept else ())
        other = Verdict("another file", "the audio that is kept is not the file of the citation")
        return [next(heard) if same else about(one, other) for one, same in zip(citations, is_same, strict=True)]

    def _sha256(self, video_id: str) -> str:
        manifest = self.volume.manifest(video_id, "audio")
        return manifest.artifact.sha256 if manifest is not None else ""

    def _audio(self, video_id: str) -> Path:
        """Return the kept audio; raise ARTIFACT_MISSING with the reason why there is none."""
        if video_id not in self.catalog.videos([video_id]):
            erased = self.catalog.erased([video_id])
            text = "the recording was erased" if erased else "the archive has no such recording"
            raise IngestError(Code.ARTIFACT_MISSING, text)
        manifest = self.volume.manifest(video_id, "audio")
        if manifest is None:
            raise IngestError(Code.ARTIFACT_MISSING, "the audio is not kept any more")
        return self.volume.verified(manifest.artifact, patience_s=0)

    def _heard(self, video_id: str, path: Path, citations: Sequence[Citation]) -> list[Verdict]:
        models = self.models()
        limits = DecodeLimits(max_duration_s=self.settings.max_audio_s)
        waveform, _ = audio.load(path, self.settings.scratch, limits, ChildLimits(self.settings.asr_deadline_s))
        listener = Listener(models.transcriber, waveform, self._vocabulary(video_id))
        origin = self.citing.origin(video_id)
        verdicts = self._by_words(listener, citations, origin, whole=False)
        unsure = [number for number, verdict in enumerate(verdicts) if verdict.result != "same"]
        again = self._again(listener, [citations[number] for number in unsure], origin)
        for number, verdict in zip(unsure, again, strict=True):
            verdicts[number] = verdict
        return speakers.judged(models, waveform, citations, verdicts, origin)

    def _vocabulary(self, video_id: str) -> Vocabulary:
        """Return the words that the recognizer may expect in a recording."""
        known = self.catalog.videos([video_id])[video_id].as_record()
        if known.source is None:
            return vocabulary.NONE
        return vocabulary.read(self.volume.home, known.source, known.metadata)

    # -- words --------------------------------------------------------------------------------------------------------

    def _by_words(
        self, listener: Listener, citations: Sequence[Citation], origin: Origin | None, *, whole: bool
    ) -> list[Verdict]:
        heard: dict[str, list[HeardWord]] = {}
        for language in sorted({one.language for one in citations}):
            parts = [Span(one.from_s, one.to_s) for one in citations if one.language == language]
            heard[language] = listener.words(parts, language, whole=whole)
        return [self._judged(one, heard[one.language], listener, origin) for one in citations]

    def _again(self, listener: Listener, citations: Sequence[Citation], origin: Origin | None) -> list[Verdict]:
        """Return the verdicts with the chunks of the whole recording; of words that are said elsewhere, from there."""
        verdicts = self._by_words(listener, citations, origin, whole=True)
        places = {
            number: place
            for number, one in enumerate(citations)
            if origin is not None and verdicts[number].result == "words differ" and (place := place_of(one, origin))
        }
        moved = [
            citations[number].model_copy(update={"from_s": place.start_s, "to_s": place.end_s})
            for number, place in places.items()
        ]
        there = self._by_words(listener, moved, origin, whole=True)
        for (number, place), verdict in zip(places.items(), there, strict=True):
            one = citations[number]
            found = words.WordMatch(verdict.said_from_s or place.start_s, verdict.said_to_s or place.end_s, ())
            if verdict.result == "same" and not found.is_at(one.from_s, one.to_s):
                verdicts[number] = replace(elsewhere(one, found), notes=verdicts[number].notes)
        return verdicts

    def _judged(
        self, citation: Citation, heard: Sequence[HeardWord], listener: Listener, origin: Origin | None
    ) -> Verdict:
        notes = changes_since(citation, origin, listener.key)
        if citation.to_s > listener.duration_s + words.OFF_S:
            text = f"the recording ends after {listener.duration_s:.1f} s"
            return about(citation, Verdict("another time", text, notes=notes))
        near = [word for word in heard if word.end_s > citation.from_s - FAR_S and word.start_s < citation.to_s + FAR_S]
        match = words.compare(citation.recognised, near, citation.from_s)
        if match is None:
            return about(citation, Verdict("words differ", "no words are heard there", notes=notes))
        match = words.with_ends(match, near, citation.from_s, citation.to_s)
        match = words.allowing(match, self._asides(citation))
        if not self._is_corrected_so(citation):
            notes = (*notes, "the archive has no such correction by hand")
            return about(citation, Verdict("words differ", "the words were not heard, but corrected", notes=notes))
        return replace(judge_words(citation, match), notes=notes)

    def _asides(self, citation: Citation) -> list[str]:
        """Return the passages of other speakers at that time, which the text of the citation leaves out."""
        return [
            passage.text
            for passage in self.citing.reading.passages(citation.recording)
            if passage.start_s >= citation.from_s - BETWEEN_S
            and passage.end_s <= citation.to_s + BETWEEN_S
            and passage.speaker != citation.speaker
        ]

    def _is_corrected_so(self, citation: Citation) -> bool:
        """Return whether people have corrected the recognised words to those of the citation."""
        if citation.heard is None or scripts.folded(citation.heard) == scripts.folded(citation.text):
            return True
        cited = scripts.folded(citation.text)
        return any(
            scripts.folded(passage.text) == cited
            for passage in self.citing.reading.passages(citation.recording)
            if passage.start_s < citation.to_s and passage.end_s > citation.from_s
        )
