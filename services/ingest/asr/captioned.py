"""What the asr stage does with the captions of a recording: takes their words, or counts how many differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.asr.recognition.transcriber import Transcription
from ingest.shared.artifacts import captions as captions_file
from ingest.shared.captions import CaptionUse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.asr.spans import Span
    from ingest.shared.artifacts.captions import Captions
    from ingest.shared.artifacts.transcript import Transcript
    from ingest.shared.artifacts.vocabulary import Vocabulary
    from ingest.shared.artifacts.volume import Volume
    from ingest.shared.messages import AudioReady
    from ingest.shared.sandbox.decode import AudioInfo

UNKNOWN_LANGUAGE = "und"
COMPARED, DISAGREEMENT, TAKEN = "captions_compared", "captions_disagreement", "captions_taken"
NONE = {TAKEN: 0.0, COMPARED: 0.0, DISAGREEMENT: 0.0}


@dataclass(frozen=True)
class Given:
    """What is known about the words of a recording: a vocabulary, and captions; `preferred` are in their place."""

    vocabulary: Vocabulary
    captions: Captions | None
    preferred: Captions | None

    def key(self, recognizer: str) -> str:
        """Return what the words depend on, beside the audio; `recognizer` is the key of the model."""
        return self.preferred.key if self.preferred is not None else self.vocabulary.key(recognizer)


def given(vocabulary: Vocabulary, volume: Volume, message: AudioReady) -> Given:
    """Return what is known about the words of a recording; captions count as far as the submitter wants them."""
    wish = message.captions
    if wish is None or wish.use is CaptionUse.IGNORE:
        return Given(vocabulary, None, None)
    captions = captions_file.kept(volume, message.video_id)
    is_preferred = wish.use is not CaptionUse.COMPARE and captions is not None and captions.is_preferred
    return Given(vocabulary, captions, captions if is_preferred else None)


def transcription(captions: Captions, message: AudioReady, decoded: AudioInfo, speech: Sequence[Span]) -> Transcription:
    """Return captions as what a recognizer returns."""
    known = message.metadata
    language = captions.language or known.given_language or known.likely_language or decoded.language
    return Transcription(
        segments=captions_file.segments(captions, decoded.duration_s),
        speech_s=sum(span.duration_s for span in speech),
        language=language or UNKNOWN_LANGUAGE,
        language_probability=1.0,
        fixed_times=0,
        cleaned_words=0,
        refined=0,
        unread=(),
    )


def figures(transcript: Transcript, captions: Captions | None) -> dict[str, float]:
    """Return whether the words are those of captions, and how many recognised words differ from them.

    Each figure is reported each time: one of an earlier run of the recording must not remain.
    """
    if captions is None:
        return dict(NONE)
    if transcript.model_key.startswith(captions_file.KEY_PREFIX):
        return {**NONE, TAKEN: 1.0}
    from ingest.asr import disagreement  # a library that only this needs

    compared = disagreement.compare(captions_file.words(captions), disagreement.recognised(transcript))
    return {**NONE, COMPARED: 1.0, DISAGREEMENT: round(compared.error, 4)}
