"""Builds the passages of a transcript with the corrections of people, and stores them again after a correction.

Passages that are as before keep their vectors, those of other models, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ingest.embedder import passages, sentence_vectors
from ingest.embedder.corrections import names, overlay
from ingest.embedder.overlap import TurnsInOrder, also_speaking
from ingest.embedder.passages import PassageLimits
from ingest.embedder.tables import vectors
from ingest.embedder.tables.catalog import Catalog
from ingest.embedder.tables.speaker_names import SpokenPassage, name_passages
from ingest.embedder.tables.store import CorrectedMeanwhileError, OtherVector, Rows, Store
from ingest.embedder.text_model import model_keys
from ingest.shared.artifacts import transcript, voiceprints
from ingest.shared.bounds import LONGEST_LANGUAGE
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.homes.chosen import volume_of
from ingest.shared.text import clean, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingest.embedder.corrections import words
    from ingest.embedder.corrections.overlay import Overlay
    from ingest.embedder.passages import Passage
    from ingest.embedder.postgres.database import Database
    from ingest.embedder.sentence_vectors import Vector
    from ingest.embedder.settings import EmbedderSettings
    from ingest.embedder.tables.vectors import StoredVector
    from ingest.embedder.text_model.model_keys import PassageModel
    from ingest.shared.artifacts.transcript import Transcript, Turn
    from ingest.shared.artifacts.volume import Volume

MOST_ATTEMPTS = 5  # while others correct the same recording
INDEXED = "SELECT indexed_generation FROM videos WHERE video_id = %s"


@dataclass(frozen=True)
class PassageText:
    """The passages of a transcript, how many times were limited to the recording, and what became of corrections."""

    passages: list[Passage]
    limited: int
    words: tuple[words.Outcome, ...]
    speakers: tuple[names.Outcome, ...]


def passages_of(
    content: Transcript,
    turns: Sequence[Turn],
    said: Overlay,
    limits: PassageLimits,
    count_tokens: Callable[[str], int],
) -> PassageText:
    """Return the passages of a transcript with what people have said about it."""
    text = overlay.apply(content, turns, said)
    built = passages.build(text.segments, content.language, limits, count_tokens)
    built, limited = passages.inside(built, content.duration_s)
    if said.speakers:
        named = TurnsInOrder(text.turns)
        built = [replace(one, named_by=_named_by(one, named.within(one.start_s, one.end_s))) for one in built]
    spoken = TurnsInOrder(text.turns or content.turns or ())
    built = [replace(one, also_speaking=_also_speaking(one, spoken)) for one in built]
    return PassageText(built, limited, text.words, text.speakers)


def _also_speaking(passage: Passage, turns: TurnsInOrder) -> tuple[str, ...]:
    near = turns.within(passage.start_s, passage.end_s)
    return also_speaking(passage.start_s, passage.end_s, passage.speaker, near)


def _named_by(passage: Passage, turns: Sequence[Turn]) -> str | None:
    """Return who has named the speaker of a passage by hand: the author of the turn that it overlaps most."""
    near = [turn for turn in turns if turn.speaker == passage.speaker and turn.start_s < passage.end_s]
    best = max(near, key=lambda turn: min(turn.end_s, passage.end_s) - max(turn.start_s, passage.start_s), default=None)
    return None if best is None else names.author_of(best)


def stored_turns(volume: Volume, content: Transcript) -> Sequence[Turn]:
    """Return the turns of a recording with the present names of the voice models, which `relabel` may have changed."""
    manifest = volume.manifest(content.video_id, "voices")
    if manifest is None:
        return content.turns or ()
    stored = voiceprints.read(volume.verified(manifest.artifact, patience_s=0)).turns
    return overlay.present_turns(content, stored)


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
        """Return the transcript of a video; raise ARTIFACT_MISSING when the volume has none.

        Raise ConfigurationError for a video that the archive does not have.
        """
        manifest = self.volume.manifest(video_id, "transcript")
        if manifest is None:
            Catalog(self.database).named([video_id])
            raise IngestError(Code.ARTIFACT_MISSING, f"the volume has no transcript of {video_id}")
        return transcript.read(self.volume.verified(manifest.artifact, patience_s=0))

    def turns(self, content: Transcript) -> Sequence[Turn]:
        """Return the turns of a recording with the present names of the voice models."""
        return stored_turns(self.volume, content)

    def rebuild(self, video_id: str, content: Transcript | None = None) -> PassageText:
        """Store the passages of a video with what people have said about it, and return them.

        Raise SUPERSEDED when another run is stored meanwhile: it has their corrections.
        """
        content = content or self.transcript(video_id)
        turns = self.turns(content)
        with self.database.transaction() as connection:
            row = connection.execute(INDEXED, (video_id,)).fetchone()
        generation = int(str(row[0])) if row is not None else 0
        for attempt in range(MOST_ATTEMPTS):
            said = self.store.overlay(video_id)
            built = passages_of(content, turns, said, self.limits, self.encoder.count_tokens)
            if not said.speakers:  # else words were joined with turns again
                built = replace(built, passages=_renamed(built.passages, turns))
            try:
                self.store.rewrite(replace(self._rows(content, generation, built), vocabulary=said.vocabulary))
            except CorrectedMeanwhileError:
                if attempt == MOST_ATTEMPTS - 1:
                    raise
            else:
                break
        return built

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
            outcomes=built.words,
            speaker_outcomes=built.speakers,
            others=[
                OtherVector(passage.index, stored.model, stored.vector, stored.sentences)
                for passage, group in zip(built.passages, found, strict=True)
                for stored in {stored.model: stored for stored in group if stored.model != self.key}.values()
            ],
        )


def _renamed(built: Sequence[Passage], turns: Sequence[Turn]) -> list[Passage]:
    """Return passages with the speakers of these turns."""
    spoken = [
        SpokenPassage(one.index, one.start_s, one.end_s, one.speaker, one.speaker_score, None, one.also_speaking)
        for one in built
    ]
    return [
        replace(passage, speaker=one.speaker, speaker_score=one.score, also_speaking=tuple(one.also_speaking))
        for passage, one in zip(built, name_passages(spoken, turns), strict=True)
    ]


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
    return Rebuilder(volume_of(settings), archive, store, encoder, key, limits)
