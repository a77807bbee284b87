"""Speech to words with faster-whisper: the only file that recognises, and the only caller of the device.

`Recognizer.run` takes chunks of any videos and recognises them in one batch; the batcher
(`ingest.shared.device.batcher`) calls it. Features are computed by the callers, on the CPU, before they queue.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import ctranslate2
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

from ingest.shared.device.batcher import OutOfDeviceMemoryError
from ingest.shared.device.cuda_errors import is_device_lost, is_out_of_memory
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox.decode import SAMPLE_RATE
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.asr.audio import Waveform

FRAMES_A_SECOND = 100
PREPEND = "\"'“¿([{-"
APPEND = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001 (the marks of other scripts)
STRONG_BEAM = 8

log = get_logger(__name__)


@dataclass(frozen=True)
class RecognizerOptions:
    """Which model, where, how."""

    model: str
    device: Literal["auto", "cpu", "cuda"]
    compute_type: str
    beam: int
    cpu_threads: int = 0


@dataclass(frozen=True, eq=False)
class Request:
    """A chunk for the device: log-mel features (mels, 3000), its length, and what is wanted.

    Without a language only the language is asked for; `strong` asks for a wider beam.
    """

    features: npt.NDArray[np.float32] = field(repr=False)
    duration_s: float
    language: str | None
    strong: bool = False

    @property
    def group(self) -> tuple[str | None, bool]:
        """Return what may share a batch."""
        return (self.language, self.strong)


@dataclass(frozen=True)
class Heard:
    """A recognised word; seconds from the start of its chunk."""

    start_s: float
    end_s: float
    text: str
    probability: float


@dataclass(frozen=True)
class Recognised:
    """What was recognised in a chunk, with its quality figures; `languages` answers a question for the language."""

    text: str = ""
    words: tuple[Heard, ...] = ()
    avg_logprob: float = 0.0
    compression_ratio: float = 0.0
    no_speech_prob: float = 0.0
    languages: dict[str, float] = field(default_factory=dict)


class Recognizer:
    """A loaded model. Raise ENV_MODEL when it cannot be loaded, ENV_CUDA when its device does not work."""

    def __init__(self, options: RecognizerOptions) -> None:
        self._options = options
        self.device = device_of(options.device)
        self.compute_type = _compute_type(options.compute_type, self.device)
        self.name = _model_name(options.model, self.device)
        self.broken: str | None = None
        try:
            self._model = WhisperModel(
                self.name, device=self.device, compute_type=self.compute_type, cpu_threads=options.cpu_threads
            )
        except Exception as error:
            raise _cannot_load(self.name, error) from error
        self._pipeline = BatchedInferencePipeline(self._model)
        self.key = _model_key(self.name, self.compute_type, options.beam)

    @property
    def is_multilingual(self) -> bool:
        """Tell whether the model knows more than English."""
        return bool(self._model.model.is_multilingual)

    def self_test(self) -> None:
        """Recognise a second of quiet noise: a device that does not work shows now, not in the middle of a video."""
        noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE, dtype=np.float32) * np.float32(1e-3)
        self.run([self.request(noise, "en")])

    def request(self, samples: Waveform, language: str | None, *, strong: bool = False) -> Request:
        """Return the request for a chunk of up to 30 s (CPU work: log-mel features, zeros after the true end)."""
        features = self._model.feature_extractor(samples)[..., :-1]
        return Request(pad_or_trim(features), len(samples) / SAMPLE_RATE, language, strong)

    def run(self, requests: Sequence[Request]) -> list[Recognised]:
        """Answer requests of one group in one batch."""
        try:
            if requests[0].language is None:
                return self._languages(requests)
            return self._recognise(requests)
        except RuntimeError as error:
            raise self._device_error(error) from error

    def _languages(self, requests: Sequence[Request]) -> list[Recognised]:
        encoded = self._model.encode(np.stack([request.features for request in requests]))
        found = self._model.model.detect_language(encoded)
        return [Recognised(languages={token[2:-2]: share for token, share in shares}) for shares in found]

    def _recognise(self, requests: Sequence[Request]) -> list[Recognised]:
        first = requests[0]
        tokenizer = Tokenizer(
            self._model.hf_tokenizer, self.is_multilingual, task="transcribe", language=first.language or "en"
        )
        beam = max(STRONG_BEAM, self._options.beam) if first.strong else self._options.beam
        features = np.stack([request.features for request in requests])
        encoded, outputs = self._pipeline.generate_segment_batched(features, tokenizer, _options(tokenizer, beam))
        tokens = [[token for token in output["tokens"] if token < tokenizer.eot] for output in outputs]
        frames = [math.ceil(request.duration_s) * FRAMES_A_SECOND for request in requests]
        aligned = self._model.find_alignment(tokenizer, tokens, encoded, frames)
        return [
            _recognised(output, tokenizer.decode(text), words)
            for output, text, words in zip(outputs, tokens, aligned, strict=True)
        ]

    def _device_error(self, error: RuntimeError) -> Exception:
        if is_out_of_memory(error):
            log.warning("device_out_of_memory", error=str(error))
            self._model.model.unload_model()  # what it held is not to be trusted after this
            self._model.model.load_model()
            return OutOfDeviceMemoryError(str(error))
        if is_device_lost(error):
            self.broken = str(error)  # the context is lost: this process ends when its messages are answered
            return IngestError(Code.ENV_CUDA, str(error))
        return error


def _recognised(output: dict[str, Any], text: str, words: list[dict[str, Any]]) -> Recognised:
    if not (math.isfinite(output["avg_logprob"]) and math.isfinite(output["no_speech_prob"])):
        raise IngestError(Code.ENV_MODEL, "the model answers NaN; another INGEST_ASR_COMPUTE_TYPE may help")
    merge_punctuations(words, PREPEND, APPEND)
    heard = tuple(
        Heard(float(word["start"]), float(word["end"]), word["word"], min(1.0, max(0.0, float(word["probability"]))))
        for word in words
        if word["word"].strip()
    )
    return Recognised(
        text=text.strip(),
        words=heard,
        avg_logprob=float(output["avg_logprob"]),
        compression_ratio=float(get_compression_ratio(text)),
        no_speech_prob=float(output["no_speech_prob"]),
    )


def _options(tokenizer: Tokenizer, beam: int) -> TranscriptionOptions:
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
        hotwords=None,
    )


def device_of(wanted: Literal["auto", "cpu", "cuda"]) -> str:
    """Return where a model will run; raise ENV_CUDA when that is not there."""
    if wanted == "auto":
        return "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    if wanted == "cuda" and not ctranslate2.get_cuda_device_count():
        raise IngestError(Code.ENV_CUDA, "INGEST_ASR_DEVICE=cuda, but no CUDA device is visible")
    return wanted


def _compute_type(wanted: str, device: str) -> str:
    if wanted != "auto":
        return wanted
    return "float16" if device == "cuda" else "int8"


def _model_name(wanted: str, device: str) -> str:
    if wanted != "auto":
        return wanted
    return "distil-large-v3" if device == "cuda" else "small"


def _model_key(name: str, compute_type: str, beam: int) -> str:
    """Return what a transcript depends on; a local model is known by its content, not by its path."""
    folder = Path(name)
    if folder.is_dir():
        name = f"{folder.name}@{_fingerprint(folder)}"
    return f"{name}/{compute_type}/beam{beam}"


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.json")):
        digest.update(path.read_bytes())
    digest.update(str((folder / "model.bin").stat().st_size).encode())
    return digest.hexdigest()[:8]


def _cannot_load(name: str, error: Exception) -> IngestError:
    code = Code.ENV_CUDA if "CUDA" in str(error) else Code.ENV_MODEL
    return IngestError(
        code, f"Whisper model {name}: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    )
