"""Builds the passages of a transcript with the corrections of people, and stores them again after a correction.

Passages that are as before keep their vectors, those of other models, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ingest.embedder import passages, sentence_vectors
from ingest.embedder.corrections import words
from ingest.embedder.passages import PassageLimits
from ingest.embedder.tables import vectors
from ingest.embedder.tables.speaker_names import SpokenPassage, name_passages
from ingest.embedder.tables.store import CorrectedMeanwhileError, OtherVector, Rows, Store
from ingest.embedder.text_model import model_keys
from ingest.shared.artifacts import transcript, voiceprints
from ingest.shared.artifacts.volume import Volume
from ingest.shared.bounds import LONGEST_LANGUAGE
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.text import clean, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingest.embedder.corrections.places import WordCorrection
    from ingest.embedder.corrections.words import Outcome
    from ingest.embedder.passages import Passage
    from ingest.embedder.postgres.database import Database
    from ingest.embedder.sentence_vectors import Vector
    from ingest.embedder.settings import EmbedderSettings
    from ingest.embedder.tables.vectors import StoredVector
    from ingest.embedder.text_model.model_keys import PassageModel
    from ingest.shared.artifacts.transcript import Transcript

MOST_ATTEMPTS = 5  # while others correct the same recording
INDEXED = "SELECT indexed_generation, language FROM videos WHERE video_id = %s"


@dataclass(frozen=True)
class PassageText:
    """The passages of a transcript, how many times were limited to the recording, and what became of corrections."""

    passages: list[Passage]
    limited: int
    outcomes: tuple[Outcome, ...]


def passages_of(
    content: Transcript,
    corrections: Sequence[WordCorrection],
    limits: PassageLimits,
    count_tokens: Callable[[str], int],
) -> PassageText:
    """Return the passages of a transcript with corrections."""
    text = words.apply(content.segments, corrections)
    built = passages.build(text.segments, content.language, limits, count_tokens)
    built, limited = passages.inside(built, content.duration_s)
    return PassageText(built, limited, text.outcomes)


@dataclass(frozen=True)
class Rebuilder:
    """Stores the passages of videos again, from their transcripts on the volume. `key`: of the model's vectors."""

    volume: Volume
    database: Database
    store: Store
    encoder: PassageModel
    key: str
    limits: PassageLimits

    def transcript(self, video_id: str) -> Transcript:
        """Return the transcript of a video; raise ARTIFACT_MISSING when the volume has none."""
        manifest = self.volume.manifest(video_id, "transcript")
        if manifest is None:
            raise IngestError(Code.ARTIFACT_MISSING, f"the volume has no transcript of {video_id}")
        return transcript.read(self.volume.verified(manifest.artifact, patience_s=0))

    def rebuild(self, video_id: str, content: Transcript | None = None) -> tuple[Outcome, ...]:
        """Store the passages of a video with its present corrections; return what became of these.

        Raise SUPERSEDED when another run is stored meanwhile: it has the corrections.
        """
        content = content or self.transcript(video_id)
        with self.database.transaction() as connection:
            row = connection.execute(INDEXED, (video_id,)).fetchone()
        generation = int(str(row[0])) if row is not None else 0
        for attempt in range(MOST_ATTEMPTS):
            built = passages_of(content, self.store.corrections(video_id), self.limits, self.encoder.count_tokens)
            built = replace(built, passages=self._named(video_id, built.passages))
            try:
                self.store.rewrite(self._rows(content, generation, built))
            except CorrectedMeanwhileError:
                if attempt == MOST_ATTEMPTS - 1:
                    raise
            else:
                break
        return built.outcomes

    def _named(self, video_id: str, built: list[Passage]) -> list[Passage]:
        """Return passages with the present names of their speakers, which `ingest voices relabel` may have changed."""
        manifest = self.volume.manifest(video_id, "voices")
        if manifest is None:
            return built
        turns = voiceprints.read(self.volume.verified(manifest.artifact, patience_s=0)).turns
        spoken = [SpokenPassage(one.index, one.start_s, one.end_s, one.speaker, one.speaker_score) for one in built]
        return [
            replace(passage, speaker=named.speaker, speaker_score=named.score)
            for passage, named in zip(built, name_passages(spoken, turns), strict=True)
        ]

    def _rows(self, content: Transcript, generation: int, built: PassageText) -> Rows:
        """Return the rows of passages; only those with another text are encoded."""
        video_id = content.video_id
        known: dict[tuple[str, tuple[int, ...]], list[StoredVector]] = {}
        for stored in vectors.of_video(self.database, video_id):
            known.setdefault((stored.text, stored.offsets), []).append(stored)
        found = [known.get((clean(one.text), one.offsets), []) for one in built.passages]
        own = [next((stored for stored in group if stored.model == self.key), None) for group in found]
        new = [passage for passage, stored in zip(built.passages, own, strict=True) if stored is None]
        encoded = iter(zip(*sentence_vectors.encode(new, self.encoder.run), strict=True) if new else ())
        pairs: list[tuple[Vector, bytes | None]] = [
            next(encoded) if stored is None else (stored.vector.to_numpy().astype(np.float32), stored.sentences)
            for stored in own
        ]
        return Rows(
            video_id=video_id,
            generation=generation,
            language=shorten(content.language, LONGEST_LANGUAGE),
            passages=built.passages,
            vectors=[vector for vector, _ in pairs],
            sentences=[packed for _, packed in pairs],
            outcomes=built.outcomes,
            others=[
                OtherVector(passage.index, stored.model, stored.vector, stored.sentences)
                for passage, group in zip(built.passages, found, strict=True)
                for stored in {stored.model: stored for stored in group if stored.model != self.key}.values()
            ],
        )


def passage_limits(settings: EmbedderSettings, max_tokens: int) -> PassageLimits:
    """Return the lengths of passages that the settings name, for a model that reads `max_tokens`."""
    return PassageLimits(
        min_chars=settings.passage_min_chars,
        max_chars=settings.passage_max_chars,
        max_gap_s=settings.passage_max_gap_s,
        max_s=settings.passage_max_s,
        max_tokens=max_tokens,
    )


def rebuilder(settings: EmbedderSettings, archive: Database, encoder: PassageModel) -> Rebuilder:
    """Return what stores the passages of recordings again.

    Raise ConfigurationError when the archive holds only vectors of other models: searches would miss what is stored.
    """
    with archive.transaction() as connection:
        if model_keys.find(connection, encoder) is None and model_keys.stored(connection):
            text = f"the archive holds no vectors of {encoder.key}; INGEST_EMBEDDING_MODEL must name its model"
            raise ConfigurationError(text)
    key = model_keys.register(archive, encoder)
    store = Store(archive, key, encoder.dimensions)
    limits = passage_limits(settings, encoder.max_tokens)
    return Rebuilder(Volume(settings.volume), archive, store, encoder, key, limits)
