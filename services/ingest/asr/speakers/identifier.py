"""Who speaks in a recording: diarization, voice embeddings, names; or the fast path of one enrolled voice throughout.

speech ─► samples over the whole recording ─► all one enrolled voice? ── yes ─► every span of speech is a turn of it
                                                 │ any doubt
                                                 ▼
          diarization ─► turns ─► one voice embedding each, in one batched pass ─► names
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from ingest.asr.speakers import excerpts, matching, monologue
from ingest.asr.speakers.vectors import unit
from ingest.asr.speakers.windows import Bounds
from ingest.shared.artifacts import zstd_json
from ingest.shared.artifacts.transcript import Turn
from ingest.shared.artifacts.voiceprints import Voiceprints
from ingest.shared.device.cuda_errors import is_lost
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox.decode import SAMPLE_RATE
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.asr.audio import Waveform
    from ingest.asr.spans import Span
    from ingest.asr.speakers.excerpts import Piece
    from ingest.asr.speakers.matching import Thresholds
    from ingest.asr.speakers.profiles import Profile, Profiles
    from ingest.asr.speakers.vectors import FloatArray
    from ingest.asr.speakers.windows import Spoken

NOBODY_KNOWS = Bounds()
SURE_S = 1.5  # turns from this length on have to agree with the fast path

log = get_logger(__name__)


class Hearing(Protocol):
    """What hears voices; `key` names the space of its vectors, `sha256` everything that it was loaded from."""

    key: str
    sha256: str

    def diarize(self, waveform: Waveform, speech: Sequence[Span], bounds: Bounds) -> list[Spoken]:
        """Return who speaks when."""

    def embed(self, waveform: Waveform, pieces: Sequence[Piece]) -> FloatArray:
        """Return a vector of length 1 for each piece, (count, dimension)."""


@dataclass
class Who:
    """Says who speaks in a waveform. `broken` says why its device is lost."""

    hearing: Hearing
    profiles: Profiles
    thresholds: Thresholds
    fast_path: bool = True
    broken: str | None = field(default=None, init=False)

    def speaks(
        self, video_id: str, waveform: Waveform, speech: Sequence[Span], bounds: Bounds = NOBODY_KNOWS
    ) -> Voiceprints:
        """Return the turns of a recording with their names and vectors; raise DIARIZATION_FAILED, whatever the cause.

        Raise the code of a volume that cannot be read, or of a lost device (ENV_CUDA): those are nothing that this
        recording has to live with.
        """
        try:
            return self._speaks(video_id, waveform, speech, bounds)
        except IngestError:
            raise
        except Exception as error:
            log.exception("diarization_failed", video_id=video_id)
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            if is_lost(error):
                self.broken = reason  # this process ends when its messages are answered
                raise IngestError(Code.ENV_CUDA, reason) from error
            raise IngestError(Code.DIARIZATION_FAILED, reason) from error

    def _speaks(self, video_id: str, waveform: Waveform, speech: Sequence[Span], bounds: Bounds) -> Voiceprints:
        profiles = self.profiles.of(self.hearing.key)
        outcome: Literal["full", "fast_path"] = "fast_path"
        found = self._monologue(waveform, speech, profiles) if self.fast_path and profiles else None
        if found is None:
            outcome = "full"
            turns, vectors = self.embedded(waveform, _turns(self.hearing.diarize(waveform, speech, bounds)))
            found = matching.name_turns(turns, vectors, profiles, self.thresholds), vectors
        named, vectors = found
        return Voiceprints(
            video_id=video_id,
            model_key=self.hearing.key,
            outcome=outcome,
            turns=tuple(named),
            vectors=zstd_json.vectors(vectors),
        )

    def _monologue(
        self, waveform: Waveform, speech: Sequence[Span], profiles: Sequence[Profile]
    ) -> tuple[list[Turn], FloatArray] | None:
        """Return the turns of the one enrolled voice that speaks throughout, or None at any doubt."""
        samples = excerpts.spread(speech, monologue.SAMPLE_EVERY_S, monologue.LEAST_SAMPLES)
        heard = self.hearing.embed(waveform, excerpts.audible(excerpts.cut(samples, SAMPLE_RATE), waveform))
        decision = monologue.recognise(heard, profiles, self.thresholds)
        if decision is None:
            return None
        whole = [Turn(start_s=span.start_s, end_s=span.end_s, cluster="S1", speaker="") for span in speech]
        turns, vectors = self.embedded(waveform, whole)
        sure = [turn.vector for turn in turns if turn.vector is not None and turn.end_s - turn.start_s >= SURE_S]
        again = monologue.recognise(vectors[sure], profiles, self.thresholds)
        if again is None or again.name != decision.name:
            return None
        return matching.name_alike(turns, again, profiles), vectors

    def embedded(self, waveform: Waveform, turns: Sequence[Turn]) -> tuple[list[Turn], FloatArray]:
        """Return turns that point to their vectors, and these, (count, dimension): all in one batched pass."""
        cut = excerpts.audible(excerpts.cut(excerpts.solo_spans(turns), SAMPLE_RATE), waveform)
        heard = self.hearing.embed(waveform, cut)
        owners = np.array([piece.owner for piece in cut], dtype=np.int64)
        places = {owner: place for place, owner in enumerate(dict.fromkeys(owners.tolist()))}
        vectors = np.zeros((len(places), heard.shape[1]), dtype=np.float32)
        np.add.at(vectors, [places[owner] for owner in owners.tolist()], heard)
        pointing = [turn.model_copy(update={"vector": places.get(number)}) for number, turn in enumerate(turns)]
        return pointing, unit(vectors)


def _turns(spoken: Sequence[Spoken]) -> list[Turn]:
    return [Turn(start_s=item.span.start_s, end_s=item.span.end_s, cluster=item.speaker, speaker="") for item in spoken]
