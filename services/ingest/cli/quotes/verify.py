"""`ingest verify`: cuts the seconds of citations from the kept audio, recognises them again, and says what differs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from ingest.asr import audio
from ingest.asr.spans import Span
from ingest.cli.quotes import voice, words
from ingest.cli.quotes.listener import Listener, voice_vectors
from ingest.shared.artifacts import vocabulary
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import DecodeLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ingest.archive.citation import Citation
    from ingest.archive.citing import Citing, Origin
    from ingest.asr.audio import Waveform
    from ingest.asr.recognition.transcriber import Transcriber
    from ingest.asr.speakers.identifier import VoiceModel
    from ingest.asr.speakers.matching import Thresholds
    from ingest.asr.speakers.profiles import Profiles
    from ingest.cli.quotes.voice import VoiceMatch
    from ingest.cli.quotes.words import Edit, HeardWord, WordMatch
    from ingest.cli.settings import AllSettings
    from ingest.embedder.tables.catalog import Catalog
    from ingest.shared.artifacts.vocabulary import Vocabulary
    from ingest.shared.artifacts.volume import Volume

Result = Literal["same", "words differ", "another time", "another voice", "another file", "gone", "no citation"]
BETWEEN_S = 2.0  # passages that may hold a word of another speaker
FAR_S = 45.0  # words that are heard further away are those of another citation
UNKNOWN_PLACE = "no transcript of the recording is kept"


@dataclass(frozen=True)
class Verdict:
    """What hearing a citation again has found. `notes` are what could not be compared, and what has changed since."""

    result: Result
    reason: str = ""
    recording: str = ""
    from_s: float = 0.0
    to_s: float = 0.0
    text: str = ""
    edits: tuple[Edit, ...] = ()
    said_from_s: float | None = None
    said_to_s: float | None = None
    voice: VoiceMatch | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Models:
    """The models of the settings. `voice` is None where diarization is off."""

    transcriber: Transcriber
    voice: VoiceModel | None
    profiles: Profiles
    thresholds: Thresholds


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
            return [_about(one, Verdict(result, error.message)) for one in citations]
        is_same = [one.audio_sha256 == self._sha256(video_id) for one in citations]
        kept = [one for one, same in zip(citations, is_same, strict=True) if same]
        heard = iter(self._heard(video_id, path, kept) if kept else ())
        other = Verdict("another file", "the audio that is kept is not the file of the citation")
        return [next(heard) if same else _about(one, other) for one, same in zip(citations, is_same, strict=True)]

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
        for number, one in enumerate(citations):
            if verdicts[number].result != "same":
                verdicts[number] = self._again(listener, one, origin)
        return self._by_voice(models, waveform, citations, verdicts, origin)

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

    def _again(self, listener: Listener, citation: Citation, origin: Origin | None) -> Verdict:
        """Return the verdict with the chunks of the whole recording; where the words are said elsewhere, from there."""
        (verdict,) = self._by_words(listener, [citation], origin, whole=True)
        place = None if origin is None or verdict.result != "words differ" else place_of(citation, origin)
        if place is None:
            return verdict
        moved = citation.model_copy(update={"from_s": place.start_s, "to_s": place.end_s})
        (there,) = self._by_words(listener, [moved], origin, whole=True)
        if there.result != "same":
            return verdict
        found = words.WordMatch(there.said_from_s or place.start_s, there.said_to_s or place.end_s, ())
        return replace(_elsewhere(citation, found), notes=verdict.notes)

    def _judged(
        self, citation: Citation, heard: Sequence[HeardWord], listener: Listener, origin: Origin | None
    ) -> Verdict:
        notes = changes_since(citation, origin, listener.key)
        if citation.to_s > listener.duration_s + words.OFF_S:
            text = f"the recording ends after {listener.duration_s:.1f} s"
            return _about(citation, Verdict("another time", text, notes=notes))
        near = [word for word in heard if word.end_s > citation.from_s - FAR_S and word.start_s < citation.to_s + FAR_S]
        match = words.compare(citation.recognised, near, citation.from_s)
        if match is None:
            return _about(citation, Verdict("words differ", "no words are heard there", notes=notes))
        match = words.allowing(match, self._asides(citation))
        if not self._is_corrected_so(citation):
            notes = (*notes, "the archive has no such correction by hand")
            return _about(citation, Verdict("words differ", "the words were not heard, but corrected", notes=notes))
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
        if citation.heard is None or words.tokens(citation.heard) == words.tokens(citation.text):
            return True
        cited = words.tokens(citation.text)
        return any(
            words.tokens(passage.text) == cited
            for passage in self.citing.reading.passages(citation.recording)
            if passage.start_s < citation.to_s and passage.end_s > citation.from_s
        )

    # -- voice --------------------------------------------------------------------------------------------------------

    def _by_voice(
        self,
        models: Models,
        waveform: Waveform,
        citations: Sequence[Citation],
        verdicts: list[Verdict],
        origin: Origin | None,
    ) -> list[Verdict]:
        """Return the verdicts with those on the voice, where the words are the same."""
        wanted = [
            number
            for number, one in enumerate(citations)
            if one.speaker is not None and verdicts[number].result == "same"
        ]
        why_not = self._why_no_voice(models, origin)
        if why_not is not None or models.voice is None or origin is None or not wanted:
            return [
                replace(one, notes=(*one.notes, why_not or "")) if number in wanted and why_not else one
                for number, one in enumerate(verdicts)
            ]
        parts = [Span(citations[number].from_s, citations[number].to_s) for number in wanted]
        known = voice.voices_of(origin.turns, origin.vectors) if origin.vectors is not None else {}
        profiles = models.profiles.of(models.voice.key, models.voice.old_key)
        for number, vectors in zip(wanted, voice_vectors(models.voice, waveform, parts), strict=True):
            speaker = citations[number].speaker or ""
            if not len(vectors):
                note = "the voice was not compared: the citation is too short, or too quiet"
                verdicts[number] = replace(verdicts[number], notes=(*verdicts[number].notes, note))
                continue
            found = voice.compare(vectors, speaker, known, profiles, models.thresholds.split_accept)
            verdicts[number] = judge_voice(verdicts[number], speaker, found)
        return verdicts

    def _why_no_voice(self, models: Models, origin: Origin | None) -> str | None:
        """Return why voices are not compared; None where they are."""
        if models.voice is None:
            return "the voice was not compared: INGEST_DIARIZATION_MODEL is not set"
        if origin is None or origin.voice_model is None:
            return "the voice was not compared: the archive has no voiceprints of the recording"
        if origin.voice_model not in (models.voice.key, models.voice.old_key):
            return "the voice was not compared: the voiceprints are of another model than that of the settings"
        return None


def judge_words(citation: Citation, match: WordMatch) -> Verdict:
    """Return the verdict on the words of a citation, by where they are heard."""
    if match.edits:
        lost = "".join(f" {edit.kind}{edit.text}" for edit in match.edits[:20])
        found = Verdict("words differ", f"heard with these differences:{lost}", edits=match.edits)
        return replace(_about(citation, found), said_from_s=match.start_s, said_to_s=match.end_s)
    if not match.is_at(citation.from_s, citation.to_s):
        return _elsewhere(citation, match)
    return replace(_about(citation, Verdict("same")), said_from_s=match.start_s, said_to_s=match.end_s)


def judge_voice(verdict: Verdict, speaker: str, found: VoiceMatch) -> Verdict:
    """Return a verdict with that on the voice."""
    verdict = replace(verdict, voice=found)
    if found.is_same:
        return verdict
    if found.score is None:
        return replace(verdict, result="another voice", reason=f"no voice of {speaker} is known")
    is_other = found.nearest is not None and found.nearest != speaker.casefold()
    other = f"; it is nearest to {found.nearest} ({found.nearest_score})" if is_other else ""
    return replace(verdict, result="another voice", reason=f"similarity {found.score} to {speaker}{other}")


def changes_since(citation: Citation, origin: Origin | None, model: str) -> tuple[str, ...]:
    """Return what is different now, and is no difference of what was said."""
    notes = []
    if model != citation.model:
        notes.append(f"heard with {model}, recognised with {citation.model}")
    if origin is None:
        notes.append(UNKNOWN_PLACE)
    elif origin.transcript_sha256 != citation.transcript_sha256:
        notes.append(f"the archive has another transcript now (generation {origin.generation})")
    return tuple(notes)


def place_of(citation: Citation, origin: Origin) -> Span | None:
    """Return where the transcript of the archive has the words of a citation; None where it does not have them."""
    spoken = [
        words.HeardWord(word.text, word.start_s, word.end_s)
        for segment in origin.transcript.segments
        for word in segment.words
    ]
    wanted = words.tokens(citation.recognised)
    said = [(token, word) for word in spoken for token in words.tokens(word.text)]
    found = [
        Span(said[at][1].start_s, said[at + len(wanted) - 1][1].end_s)
        for at in range(len(said) - len(wanted) + 1)
        if all(said[at + number][0] == token for number, token in enumerate(wanted))
    ]
    return min(found, key=lambda span: abs(span.start_s - citation.from_s), default=None) if wanted else None


def _elsewhere(citation: Citation, match: WordMatch) -> Verdict:
    text = f"the words are said from {match.start_s:.1f} to {match.end_s:.1f} s"
    return replace(_about(citation, Verdict("another time", text)), said_from_s=match.start_s, said_to_s=match.end_s)


def _about(citation: Citation, verdict: Verdict) -> Verdict:
    return replace(
        verdict, recording=citation.recording, from_s=citation.from_s, to_s=citation.to_s, text=citation.text
    )
