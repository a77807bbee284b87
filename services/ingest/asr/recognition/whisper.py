"""Speech to words with faster-whisper: the only file that runs the recognition model.

`Recognizer.run` recognises chunks of several videos in one batch. The batcher (`ingest.shared.device.batcher`) calls
it. Callers compute the features on the CPU before they queue a request.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from faster_whisper import BatchedInferencePipeline, WhisperModel
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import (
    TranscriptionOptions,
    get_compression_ratio,
    get_suppressed_tokens,
    merge_punctuations,
)

from ingest.asr.recognition import cuda_library, model_files
from ingest.shared.artifacts.fingerprint import short_id
from ingest.shared.device.batcher import OutOfDeviceMemoryError
from ingest.shared.device.cuda_errors import is_device_lost, is_out_of_memory
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox.decode import SAMPLE_RATE
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.text import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.asr.audio import Waveform
    from ingest.asr.device import Device

FRAMES_A_SECOND = 100
WINDOW_S = 30  # what the model reads at once
PREPEND = "\"'“¿([{-"
APPEND = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001 (punctuation of other scripts)
STRONG_BEAM = 8

log = get_logger(__name__)


@dataclass(frozen=True)
class RecognizerOptions:
    """The model (a folder, a name on the hub, or `auto`), its device, and its decoding options.

    `revision` is a branch, tag or commit of a model on the hub.
    """

    model: str
    device: Device
    compute_type: str
    beam: int
    cpu_threads: int = 0
    revision: str | None = None


@dataclass(frozen=True, eq=False)
class Request:
    """A chunk for the device: log-mel features (mels, 3000) and its length.

    A request without a language detects the language only. `strong` decodes with a wider beam. `hotwords` are words
    that may be said: the prompt of the model.
    """

    features: npt.NDArray[np.float32] = field(repr=False)
    duration_s: float
    language: str | None
    strong: bool = False
    hotwords: str = ""

    @property
    def group(self) -> tuple[str | None, bool, str]:
        """Return the key that all requests of one batch have in common."""
        return (self.language, self.strong, self.hotwords)


@dataclass(frozen=True)
class ChunkWord:
    """A recognised word. Its times are seconds from the start of its chunk."""

    start_s: float
    end_s: float
    text: str
    probability: float


@dataclass(frozen=True)
class ChunkTranscript:
    """The words of a chunk with their quality figures, and the probabilities of the languages that it may be in.

    A model of one language has no `languages`.
    """

    text: str = ""
    words: tuple[ChunkWord, ...] = ()
    avg_logprob: float = 0.0
    compression_ratio: float = 0.0
    no_speech_prob: float = 0.0
    languages: dict[str, float] = field(default_factory=dict)


class Recognizer:
    """A loaded model. Raise ENV_MODEL when it cannot be loaded, ENV_CUDA when its device does not work.

    `key` identifies everything that a transcript depends on; `old_key` is the one that version 0.1.0 gave the same
    model. `broken` is the reason why the device is lost.
    """

    def __init__(self, options: RecognizerOptions) -> None:
        self._options = options
        self.device = options.device
        self.compute_type = _compute_type(options.compute_type, self.device)
        self.name = model_files.model_name(options.model, self.device)
        self.broken: str | None = None
        if self.device == "cuda":
            cuda_library.load()
        folder = model_files.locate(self.name, revision=options.revision)
        try:
            self._model = WhisperModel(
                str(folder), device=self.device, compute_type=self.compute_type, cpu_threads=options.cpu_threads
            )
        except Exception as error:
            raise _cannot_load(self.name, error) from error
        self._pipeline = BatchedInferencePipeline(self._model)
        decoding = f"{self.compute_type}/beam{options.beam}"
        self.key = f"{_model_id(self.name, folder)}/{decoding}"
        self.old_key = f"{_old_model_id(self.name)}/{decoding}"

    @property
    def is_multilingual(self) -> bool:
        """Whether the model recognises other languages than English."""
        return bool(self._model.model.is_multilingual)

    def has_language(self, language: str) -> bool:
        """Whether the model recognises a language."""
        if not self.is_multilingual:
            return language == "en"
        return self._model.hf_tokenizer.token_to_id(f"<|{language}|>") is not None

    def request(self, samples: Waveform, language: str | None, *, strong: bool = False) -> Request:
        """Return the request for a chunk of up to 30 s (CPU work: log-mel features, padded with zeros)."""
        features = self._model.feature_extractor(samples)[..., :-1]
        return Request(pad_or_trim(features), len(samples) / SAMPLE_RATE, language, strong)

    def run(self, requests: Sequence[Request]) -> list[ChunkTranscript]:
        """Return the transcripts of requests of one group, recognised in one batch."""
        try:
            if requests[0].language is None:
                return self._languages(requests)
            return self._recognise(requests)
        except RuntimeError as error:
            raise self._device_error(error) from error

    def _languages(self, requests: Sequence[Request]) -> list[ChunkTranscript]:
        encoded = self._model.encode(np.stack([request.features for request in requests]))
        return [ChunkTranscript(languages=languages) for languages in self._detect(encoded)]

    def _detect(self, encoded: Any) -> list[dict[str, float]]:  # noqa: ANN401 (CTranslate2 has no types)
        """Return the probabilities of the languages of encoded chunks."""
        found = self._model.model.detect_language(encoded)
        return [{token[2:-2]: share for token, share in shares} for shares in found]

    def _recognise(self, requests: Sequence[Request]) -> list[ChunkTranscript]:
        first = requests[0]
        tokenizer = Tokenizer(
            self._model.hf_tokenizer, self.is_multilingual, task="transcribe", language=first.language or "en"
        )
        beam = max(STRONG_BEAM, self._options.beam) if first.strong else self._options.beam
        features = np.stack([request.features for request in requests])
        options = _options(tokenizer, beam, first.hotwords)
        encoded, outputs = self._pipeline.generate_segment_batched(features, tokenizer, options)
        tokens = [[token for token in output["tokens"] if token < tokenizer.eot] for output in outputs]
        # a chunk may be longer than the window by a rounded sample: CTranslate2 then writes behind its buffer
        frames = [min(math.ceil(request.duration_s), WINDOW_S) * FRAMES_A_SECOND for request in requests]
        aligned = self._model.find_alignment(tokenizer, tokens, encoded, frames)
        languages = self._detect(encoded) if self.is_multilingual else [{}] * len(requests)
        return [
            replace(_chunk_transcript(output, tokenizer.decode(text), words), languages=shares)
            for output, text, words, shares in zip(outputs, tokens, aligned, languages, strict=True)
        ]

    def _device_error(self, error: RuntimeError) -> Exception:
        if is_out_of_memory(error):
            log.warning("device_out_of_memory", error=str(error))
            self._model.model.unload_model()  # its buffers are undefined after the error
            self._model.model.load_model()
            return OutOfDeviceMemoryError(str(error))
        if is_device_lost(error):
            self.broken = str(error)  # the CUDA context is lost: the process exits when its messages are settled
            return IngestError(Code.ENV_CUDA, str(error))
        return error


def _chunk_transcript(output: dict[str, Any], text: str, words: list[dict[str, Any]]) -> ChunkTranscript:
    if not (math.isfinite(output["avg_logprob"]) and math.isfinite(output["no_speech_prob"])):
        raise IngestError(Code.ENV_MODEL, "the model returns NaN; another INGEST_ASR_COMPUTE_TYPE may help")
    merge_punctuations(words, PREPEND, APPEND)
    return ChunkTranscript(
        text=text.strip(),
        words=tuple(_chunk_words(words)),
        avg_logprob=float(output["avg_logprob"]),
        compression_ratio=float(get_compression_ratio(text)),
        no_speech_prob=float(output["no_speech_prob"]),
    )


def _chunk_words(words: list[dict[str, Any]]) -> Iterator[ChunkWord]:
    """Yield the words with their blanks. Words of blanks alone are left out, their blanks belong to the next word."""
    blanks = ""
    for word in words:
        blanks += word["word"]
        if blanks.strip():
            probability = min(1.0, max(0.0, float(word["probability"])))
            yield ChunkWord(float(word["start"]), float(word["end"]), blanks, probability)
            blanks = ""


def _options(tokenizer: Tokenizer, beam: int, hotwords: str) -> TranscriptionOptions:
    return TranscriptionOptions(
        beam_size=beam,
        best_of=1,
        patience=1,
        length_penalty=1,
        repetition_penalty=1,
        no_repeat_ngram_size=0,
        log_prob_threshold=None,
        no_speech_threshold=None,
        compression_ratio_threshold=None,
        condition_on_previous_text=False,
        prompt_reset_on_temperature=0.5,
        temperatures=[0.0],
        initial_prompt=None,
        prefix=None,
        suppress_blank=True,
        suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
        without_timestamps=True,
        max_initial_timestamp=0.0,
        word_timestamps=True,
        prepend_punctuations=PREPEND,
        append_punctuations=APPEND,
        multilingual=False,
        max_new_tokens=None,
        clip_timestamps="0",
        hallucination_silence_threshold=None,
        hotwords=hotwords or None,
    )


def _compute_type(wanted: str, device: str) -> str:
    if wanted != "auto":
        return wanted
    return "float16" if device == "cuda" else "int8"


def _model_id(name: str, folder: Path) -> str:
    """Return the name of a model with its commit on the hub or, for a local one, the hash of its content."""
    shown = folder.name if Path(name).is_dir() else name
    return f"{shown}@{short_id(folder)}"


def _old_model_id(name: str) -> str:
    """Return the id that version 0.1.0 gave a model: equal for local models of equal sizes, and for all revisions."""
    folder = Path(name)
    if not folder.is_dir():
        return name
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.json")):
        digest.update(path.read_bytes())
    digest.update(str((folder / "model.bin").stat().st_size).encode())
    return f"{folder.name}@{digest.hexdigest()[:8]}"


def _cannot_load(name: str, error: Exception) -> IngestError:
    code = Code.ENV_CUDA if "CUDA" in str(error) else Code.ENV_MODEL
    return IngestError(code, f"Whisper model {name}: {first_line(error)}")
