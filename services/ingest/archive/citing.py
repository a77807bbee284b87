"""Makes the citations of passages, from the database and the files on the volume."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from ingest.archive import spoken
from ingest.archive.citation import LONGEST_TEXT, Attribution, Citation
from ingest.archive.reading import PassageRow
from ingest.embedder.corrections import names, overlay
from ingest.shared.artifacts import voiceprints
from ingest.shared.artifacts.transcript import INVENTED, join
from ingest.shared.errors import IngestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt

    from ingest.archive.reading import Reading
    from ingest.embedder.corrections.overlay import Overlay
    from ingest.embedder.search.question import Hit
    from ingest.shared.artifacts.transcript import Transcript, Turn
    from ingest.shared.artifacts.voiceprints import Voiceprints
    from ingest.shared.artifacts.volume import Volume

    Vectors = npt.NDArray[np.float32]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Origin:
    """What the passages of a recording are made of: its transcript, turns, and what people have said about them.

    `vectors` (count, dimension) are the voice embeddings of the turns, by `voice_model`.
    """

    transcript: Transcript
    transcript_sha256: str
    generation: int
    turns: Sequence[Turn]
    voice_model: str | None
    vectors: Vectors | None
    said: Overlay

    def cite(self, passage: PassageRow) -> Citation | None:
        """Return the citation of a passage; None for one without words or time, or whose audio was never there."""
        if not self.transcript.audio_sha256:
            return None
        if passage.end_s <= passage.start_s or not passage.text or len(passage.text) > LONGEST_TEXT:
            return None
        return Citation(
            recording=self.transcript.video_id,
            generation=self.generation,
            from_s=round(passage.start_s, 3),
            to_s=round(passage.end_s, 3),
            text=passage.text,
            heard=self._heard(passage),
            language=self._language(passage),
            model=self.transcript.model_key,
            audio_sha256=self.transcript.audio_sha256,
            transcript_sha256=self.transcript_sha256,
            speaker=passage.speaker,
            attribution=self._attribution(passage) if passage.speaker is not None else None,
        )

    def _heard(self, passage: PassageRow) -> str | None:
        """Return the recognised words of a passage that people have corrected; None without a correction."""
        is_corrected = any(one.start_s < passage.end_s and one.end_s > passage.start_s for one in self.said.words)
        if not (is_corrected or self.said.vocabulary):
            return None
        words = [
            word
            for segment in self.transcript.segments
            if INVENTED not in segment.flags
            for word in segment.words
            if passage.start_s <= (word.start_s + word.end_s) / 2 <= passage.end_s
        ]
        heard = join(words)[:LONGEST_TEXT]
        return heard if heard != passage.text else None

    def _language(self, passage: PassageRow) -> str:
        (language,) = spoken.languages_of([passage], self.transcript)
        return language or self.transcript.language

    def _attribution(self, passage: PassageRow) -> Attribution | None:
        """Return why this is the speaker, by the turn of that speaker that overlaps the passage most."""
        own = [turn for turn in self.turns if turn.speaker == passage.speaker and turn.start_s < passage.end_s]
        best = max(
            own, key=lambda turn: min(turn.end_s, passage.end_s) - max(turn.start_s, passage.start_s), default=None
        )
        author = passage.named_by or (names.author_of(best) if best is not None else None)
        if author is not None:
            return Attribution(author=author, voice_model=self.voice_model)
        if best is None:
            return Attribution(score=passage.score, voice_model=self.voice_model)
        return Attribution(
            rule=best.rule,
            score=best.score,
            margin=best.margin,
            profile_version=best.profile_version,
            voice_model=self.voice_model,
        )


def origin(volume: Volume, said: Overlay, video_id: str) -> Origin | None:
    """Return what the passages of a recording are made of; None where the volume does not have its transcript."""
    manifest = volume.manifest(video_id, "transcript")
    transcript = _kept(lambda: spoken.stored(volume, video_id))
    if manifest is None or transcript is None:
        return None
    voices = _kept(lambda: _voices(volume, video_id))
    turns = overlay.present_turns(transcript, (voices.turns if voices is not None else transcript.turns) or ())
    return Origin(
        transcript=transcript,
        transcript_sha256=manifest.artifact.sha256,
        generation=manifest.generation,
        turns=names.apply(turns, said.speakers).turns,
        voice_model=None if voices is None else voices.model_key,
        vectors=None if voices is None else voices.vectors.array(),
        said=said,
    )


def _voices(volume: Volume, video_id: str) -> Voiceprints | None:
    manifest = volume.manifest(video_id, "voices")
    return None if manifest is None else voiceprints.read(volume.verified(manifest.artifact, patience_s=0))


def _kept(read: Callable[[], T | None]) -> T | None:
    """Return what is read; None for damaged or deleted files."""
    try:
        return read()
    except IngestError as error:
        if error.code not in spoken.DAMAGED:
            raise
        return None


@dataclass(frozen=True)
class Citing:
    """Cites passages of several recordings; the files of each are read once."""

    reading: Reading
    volume: Volume
    _known: dict[str, Origin | None] = field(default_factory=dict)

    def origin(self, video_id: str) -> Origin | None:
        """Return what the passages of a recording are made of; None where its transcript is not kept."""
        if video_id not in self._known:
            self._known[video_id] = origin(self.volume, self.reading.overlay(video_id), video_id)
        return self._known[video_id]

    def token(self, video_id: str, passage: PassageRow) -> str | None:
        """Return the citation of a passage as a token; None where the files of its recording are not kept."""
        found = self.origin(video_id)
        cited = None if found is None else found.cite(passage)
        return None if cited is None else cited.token()

    def of_hits(self, hits: Sequence[Hit]) -> list[str | None]:
        """Return the citations of passages that answer a question."""
        return [self.token(hit.video_id, self._passage(hit)) for hit in hits]

    def _passage(self, hit: Hit) -> PassageRow:
        rows = self.reading.passages(hit.video_id)
        stored = next((row for row in rows if row.index == hit.index and row.text == hit.text), None)
        return stored or PassageRow(
            hit.index, hit.passage_start_s, hit.passage_end_s, hit.text, hit.speaker, hit.speaker_score, False, []
        )
