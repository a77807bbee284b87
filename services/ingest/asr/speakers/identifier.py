"""Identifies the speakers of a recording: diarization, voice embeddings, names; or the fast path for a monologue.

speech ─► samples over the whole recording ─► all one enrolled voice? ── yes ─► every span of speech is a turn of it
                                                 │ any doubt
                                                 ▼
          diarization ─► turns ─► one voice embedding each, in one batched pass ─► names
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from ingest.asr.speakers import excerpts, matching, monologue
from ingest.asr.speakers.vectors import l2_normalize
from ingest.asr.speakers.windows import Bounds
from ingest.shared.artifacts import zstd_json
from ingest.shared.artifacts.transcript import Turn
from ingest.shared.artifacts.voiceprints import Voiceprints
from ingest.shared.device.cuda_errors import is_device_lost
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox.decode import SAMPLE_RATE
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.text import first_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.asr.audio import Waveform
    from ingest.asr.spans import Span
    from ingest.asr.speakers.excerpts import Excerpt
    from ingest.asr.speakers.matching import Thresholds
    from ingest.asr.speakers.profiles import Profile, Profiles
    from ingest.asr.speakers.vectors import FloatArray
    from ingest.asr.speakers.windows import SpeakerTurn

NO_BOUNDS = Bounds()
LEAST_SPEECH = 0.1  # part of a turn; a hum is no speaker
MIN_COMPARED_S = 1.5  # turns of at least this length must agree with the fast path

log = get_logger(__name__)


class VoiceModel(Protocol):
    """A loaded diarization pipeline with its voice embeddings.

    `key` identifies the vector space and `sha256` all files of the model. The two `old_` attributes are what version
    0.1.0 computed for the same files.
    """

    key: str
    old_key: str
    sha256: str
    old_sha256: str

    def diarize(self, waveform: Waveform, speech: Sequence[Span], bounds: Bounds) -> list[SpeakerTurn]:
        """Return the turns of all speakers in order."""

    def embed(self, waveform: Waveform, selected: Sequence[Excerpt]) -> FloatArray:
        """Return a vector of length 1 for each excerpt, (count, dimension)."""


@dataclass
class SpeakerIdentifier:
    """Identifies the speakers of waveforms. `broken` is the reason why its device is lost."""

    voice_model: VoiceModel
    profiles: Profiles
    thresholds: Thresholds
    fast_path: bool = True
    broken: str | None = field(default=None, init=False)

    def identify(
        self, video_id: str, waveform: Waveform, speech: Sequence[Span], bounds: Bounds = NO_BOUNDS
    ) -> Voiceprints:
        """Return the turns of a recording with names and vectors. Raise DIARIZATION_FAILED for any failure of a model.

        Raise the volume's code when it cannot be read, and ENV_CUDA when the device is lost. These are infrastructure
        failures: the message is retried and not indexed without speakers.
        """
        try:
            return self._identify(video_id, waveform, speech, bounds)
        except IngestError:
            raise
        except Exception as error:
            log.exception("diarization_failed", video_id=video_id)
            reason = first_line(error)
            if is_device_lost(error):
                self.broken = reason  # the process exits when its messages are settled
                raise IngestError(Code.ENV_CUDA, reason) from error
            raise IngestError(Code.DIARIZATION_FAILED, reason) from error

    def _identify(self, video_id: str, waveform: Waveform, speech: Sequence[Span], bounds: Bounds) -> Voiceprints:
        profiles = self.profiles.of(self.voice_model.key, self.voice_model.old_key)
        outcome: Literal["full", "fast_path"] = "fast_path"
        found = self._monologue(waveform, speech, profiles) if self.fast_path and profiles else None
        if found is None:
            outcome = "full"
            diarized = _turns(with_speech(self.voice_model.diarize(waveform, speech, bounds), speech))
            turns, vectors = self._embed_turns(waveform, diarized)
            found = matching.name_turns(turns, vectors, profiles, self.thresholds), vectors
        named, vectors = found
        return Voiceprints(
            video_id=video_id,
            model_key=self.voice_model.key,
            outcome=outcome,
            turns=tuple(named),
            vectors=zstd_json.vectors(vectors),
        )

    def _monologue(
        self, waveform: Waveform, speech: Sequence[Span], profiles: Sequence[Profile]
    ) -> tuple[list[Turn], FloatArray] | None:
        """Return the turns of the one enrolled voice that speaks throughout, or None at any doubt."""
        spans = excerpts.spread(speech, monologue.SAMPLE_EVERY_S, monologue.MIN_SAMPLES)
        samples = self.voice_model.embed(waveform, excerpts.audible(excerpts.cut(spans, SAMPLE_RATE), waveform))
        decision = monologue.recognise(samples, profiles, self.thresholds)
        if decision is None:
            return None
        whole = [Turn(start_s=span.start_s, end_s=span.end_s, cluster="S1", speaker="") for span in speech]
        turns, vectors = self._embed_turns(waveform, whole)
        compared = [
            turn.vector for turn in turns if turn.vector is not None and turn.end_s - turn.start_s >= MIN_COMPARED_S
        ]
        again = monologue.recognise(vectors[compared], profiles, self.thresholds)
        if again is None or again.name != decision.name:
            return None
        return matching.name_alike(turns, again, profiles), vectors

    def _embed_turns(self, waveform: Waveform, turns: Sequence[Turn]) -> tuple[list[Turn], FloatArray]:
        """Return the turns with the row of their vector, and the vectors (count, dimension), from one batched pass."""
        cut = excerpts.audible(excerpts.cut(excerpts.solo_spans(turns), SAMPLE_RATE), waveform)
        embedded = self.voice_model.embed(waveform, cut)
        owners = [excerpt.owner for excerpt in cut]
        rows = {owner: row for row, owner in enumerate(dict.fromkeys(owners))}
        vectors = np.zeros((len(rows), embedded.shape[1]), dtype=np.float32)
        np.add.at(vectors, np.array([rows[owner] for owner in owners], dtype=np.int64), embedded)
        with_rows = [turn.model_copy(update={"vector": rows.get(number)}) for number, turn in enumerate(turns)]
        return with_rows, l2_normalize(vectors)


def with_speech(turns: Sequence[SpeakerTurn], speech: Sequence[Span]) -> list[SpeakerTurn]:
    """Return the turns in which the voice activity detection found speech; `speech` is in order."""
    ends_s = [span.end_s for span in speech]

    def spoken_s(turn: SpeakerTurn) -> float:
        near = takewhile(lambda span: span.start_s < turn.span.end_s, speech[bisect_left(ends_s, turn.span.start_s) :])
        return sum(min(span.end_s, turn.span.end_s) - max(span.start_s, turn.span.start_s) for span in near)

    return [turn for turn in turns if spoken_s(turn) > LEAST_SPEECH * turn.span.duration_s]


def _turns(diarized: Sequence[SpeakerTurn]) -> list[Turn]:
    return [
        Turn(start_s=turn.span.start_s, end_s=turn.span.end_s, cluster=turn.speaker, speaker="") for turn in diarized
    ]
