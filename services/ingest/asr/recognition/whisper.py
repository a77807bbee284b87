"""Speech to words with faster-whisper: the only file that runs the recognition model.

`Recognizer.run` recognises chunks of several videos in one batch. The batcher (`ingest.shared.device.batcher`) calls
it. Callers compute the features on the CPU before they queue a request. A chunk that is asked for several times (its
language, then its words in several languages) is encoded once: the encoder takes most of the time.

On a CPU, several threads recognise a batch each, with one core each: decoding has many small steps, which two cores do
not do in half of the time. They share the weights of the model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import ctranslate2
import numpy as np
import numpy.typing as npt
from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_compression_ratio, get_suppressed_tokens, merge_punctuations

from ingest.asr.recognition import cuda_library, model_files
from ingest.shared.device.batcher import OutOfDeviceMemoryError
from ingest.shared.device.cuda_errors import is_device_lost, is_out_of_memory
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox.decode import SAMPLE_RATE
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.text import first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ingest.asr.audio import Waveform
    from ingest.asr.device import Device

FRAMES_A_SECOND = 100
WINDOW_S = 30  # what the model was trained on
MARGIN_S = 5.0  # of a shorter window, which a CPU reads faster: with less, words go missing
STEP_S = 5  # of its length: chunks in windows of one length share batches
SURE_LANGUAGE = 0.6  # probability; below it, and for words below the next one, a shorter window is not enough
SURE_WORDS = -0.25  # mean log probability
LARGEST_RATIO = 2.4  # of compression: more is repeated text
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
    cpu_threads: int = 1
    revision: str | None = None


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


Question = tuple[str | None, bool, str]
DETECTION: Question = (None, False, "")


@dataclass(eq=False)
class Memory:
    """What is known about a chunk that is asked for several times: the encoder's output, and the answers.

    `whole` is what is known of it in a whole window, if its own was too short. What two threads need at the same time
    is computed twice.
    """

    encoded: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    answers: dict[Question, ChunkTranscript] = field(default_factory=dict)
    whole: Memory | None = None


@dataclass(frozen=True, eq=False)
class Request:
    """A chunk for the device: log-mel features (mels, 3000) and its length.

    A request without a language detects the language only. `strong` decodes with a wider beam. `hotwords` are words
    that may be said: the prompt of the model. Requests for the same chunk may share a `memory`, which belongs to the
    device threads.
    """

    features: npt.NDArray[np.float32] = field(repr=False)
    duration_s: float
    language: str | None
    strong: bool = False
    hotwords: str = ""
    memory: Memory | None = None

    @property
    def frames(self) -> int:
        """The length of the window."""
        return int(self.features.shape[-1])

    @property
    def question(self) -> Question:
        """What is asked about the chunk."""
        return (self.language, self.strong, self.hotwords)

    @property
    def group(self) -> tuple[Question, int]:
        """Return the key that all requests of one batch have in common."""
        return (self.question, self.frames)

    @property
    def known(self) -> ChunkTranscript | None:
        """The answer to an earlier request for the same."""
        return self.memory.answers.get(self.question) if self.memory else None

    def remember(self, answer: ChunkTranscript) -> ChunkTranscript:
        """Keep the answer for further requests, if they are expected; return it."""
        if self.memory is not None:
            self.memory.answers[self.question] = answer
        return answer

    def in_whole_window(self) -> Request:
        """Return the request for the same chunk in a window of 30 s."""
        if self.frames == WINDOW_S * FRAMES_A_SECOND:
            return self
        memory = self.memory
        if memory is not None:
            memory.whole = memory.whole or Memory()
        return replace(self, features=pad_or_trim(self.features), memory=memory and memory.whole)


class Recognizer:
    """A loaded model. Raise ENV_MODEL when it cannot be loaded, ENV_CUDA when its device does not work.

    `key` identifies everything that a transcript depends on; `old_key` is the one that version 0.1.0 gave the same
    model. `broken` is the reason why the device is lost. `threads` batches run at the same time.
    """

    def __init__(self, options: RecognizerOptions) -> None:
        self._options = options
        self.device = options.device
        self.compute_type = _compute_type(options.compute_type, self.device)
        self.name = model_files.model_name(options.model, self.device)
        self.threads = options.cpu_threads if self.device == "cpu" else 1
        self.broken: str | None = None
        if self.device == "cuda":
            cuda_library.load()
        folder = model_files.locate(self.name, revision=options.revision)
        try:
            self._model = WhisperModel(
                str(folder),
                device=self.device,
                compute_type=self.compute_type,
                cpu_threads=1,
                num_workers=self.threads,
            )
        except Exception as error:
            raise _cannot_load(self.name, error) from error
        self.key = _key(self.name, folder, options)
        self.old_key = f"{model_files.old_model_id(self.name)}/{self.compute_type}/beam{options.beam}"

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
        """Return the request for a chunk of up to 30 s (CPU work: log-mel features, padded with zeros).

        On a CPU, the window of a short chunk is shorter: the encoder's time grows with it. It depends on the chunk
        alone, so that a chunk has the same words whatever else is recognised.
        """
        features = self._model.feature_extractor(samples)[..., :-1]
        duration_s = len(samples) / SAMPLE_RATE
        window_s = window(duration_s) if self.device == "cpu" else WINDOW_S
        return Request(pad_or_trim(features, window_s * FRAMES_A_SECOND), duration_s, language, strong)

    def run(self, requests: Sequence[Request]) -> list[ChunkTranscript]:
        """Return the transcripts of requests of one group, recognised in one batch."""
        try:
            return remembered(requests, lambda new: answered(new, self._read))
        except RuntimeError as error:
            raise self._device_error(error) from error

    def _read(self, requests: Sequence[Request]) -> list[ChunkTranscript]:
        encoded = self._encode(requests)
        languages = self._languages(requests, encoded)
        if requests[0].language is None:
            return [ChunkTranscript(languages=shares) for shares in languages]
        return [
            replace(said, languages=shares)
            for said, shares in zip(self._recognise(requests, encoded), languages, strict=True)
        ]

    def _encode(self, requests: Sequence[Request]) -> Any:  # noqa: ANN401 (CTranslate2 has no types)
        """Return the output of the encoder; for requests with a memory, that of an earlier one."""
        known = [request.memory.encoded if request.memory else None for request in requests]
        new = [request for request, output in zip(requests, known, strict=True) if output is None]
        made = self._model.encode(np.stack([request.features for request in new])) if new else None
        if all(request.memory is None for request in requests):
            return made
        rows = iter([] if made is None else _array(made))
        outputs = [
            _kept(request, next(rows)) if output is None else output
            for request, output in zip(requests, known, strict=True)
        ]
        return ctranslate2.StorageView.from_array(np.stack(outputs))

    def _languages(self, requests: Sequence[Request], encoded: Any) -> list[dict[str, float]]:  # noqa: ANN401 (the same)
        """Return the probabilities of the languages of encoded chunks."""
        known = [request.memory.answers.get(DETECTION) if request.memory else None for request in requests]
        if all(known):
            return [one.languages for one in known if one]
        if not self.is_multilingual:
            return [{}] * len(requests)
        found = self._model.model.detect_language(encoded)
        return [{token[2:-2]: share for token, share in shares} for shares in found]

    def _recognise(self, requests: Sequence[Request], encoded: Any) -> Iterator[ChunkTranscript]:  # noqa: ANN401 (the same)
        first = requests[0]
        tokenizer = Tokenizer(
            self._model.hf_tokenizer, self.is_multilingual, task="transcribe", language=first.language or "en"
        )
        beam = max(STRONG_BEAM, self._options.beam) if first.strong else self._options.beam
        results = self._generate(encoded, len(requests), tokenizer, beam, first.hotwords)
        tokens = [[token for token in result.sequences_ids[0] if token < tokenizer.eot] for result in results]
        # a chunk may be longer than the window by a rounded sample: CTranslate2 then writes behind its buffer
        frames = [min(math.ceil(request.duration_s) * FRAMES_A_SECOND, request.frames) for request in requests]
        aligned = self._model.find_alignment(tokenizer, tokens, encoded, frames)
        for result, text, words in zip(results, tokens, aligned, strict=True):
            yield _chunk_transcript(_figures(result), tokenizer.decode(text), words)

    def _generate(self, encoded: Any, count: int, tokenizer: Tokenizer, beam: int, hotwords: str) -> Any:  # noqa: ANN401 (the same)
        """Return the tokens of encoded chunks, as faster-whisper's batched pipeline decodes them."""
        prompt = self._model.get_prompt(tokenizer, [], without_timestamps=True, hotwords=hotwords or None)
        return self._model.model.generate(
            encoded,
            [prompt] * count,
            beam_size=beam,
            max_length=self._model.max_length,
            suppress_blank=True,
            suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
            return_scores=True,
            return_no_speech_prob=True,
            sampling_temperature=0.0,
        )

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


def window(duration_s: float) -> int:
    """Return the seconds of the window for a chunk: with a margin, in steps, 30 at most."""
    return min(WINDOW_S, STEP_S * math.ceil((duration_s + MARGIN_S) / STEP_S))


def is_odd(request: Request, said: ChunkTranscript) -> bool:
    """Whether an answer from a short window is doubtful: the model was trained on windows of 30 s."""
    if request.frames == WINDOW_S * FRAMES_A_SECOND:
        return False
    if request.language is None:
        return max(said.languages.values(), default=1.0) < SURE_LANGUAGE
    return not said.words or said.avg_logprob < SURE_WORDS or said.compression_ratio >= LARGEST_RATIO


def answered(
    requests: Sequence[Request], read: Callable[[Sequence[Request]], list[ChunkTranscript]]
) -> list[ChunkTranscript]:
    """Return the answers of a batch; those from a short window that are doubtful come from a whole one."""
    answers = read(requests)
    odd = [number for number, said in enumerate(answers) if is_odd(requests[number], said)]
    again = [requests[number].in_whole_window() for number in odd]
    for number, said in zip(odd, remembered(again, read), strict=True):
        answers[number] = said
    return answers


def remembered(
    requests: Sequence[Request], read: Callable[[Sequence[Request]], list[ChunkTranscript]]
) -> list[ChunkTranscript]:
    """Return the answers to requests; what is known from earlier ones is not read again.

    What is known is looked up once: another thread may come to know more meanwhile.
    """
    known = [request.known for request in requests]
    new = [request for request, answer in zip(requests, known, strict=True) if answer is None]
    made = iter(read(new) if new else [])
    return [answer or request.remember(next(made)) for request, answer in zip(requests, known, strict=True)]


def _array(view: Any) -> npt.NDArray[np.float32]:  # noqa: ANN401 (CTranslate2 has no types)
    """Return what the device has computed, as an array of the main memory."""
    on_cpu = view if view.device == "cpu" else view.to_device(ctranslate2.Device.cpu)
    return np.array(on_cpu.to(ctranslate2.DataType.float32))


def _kept(request: Request, output: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Keep the encoder's output for further requests, if they are expected; return it."""
    if request.memory is not None:
        request.memory.encoded = output
    return output


def _figures(result: Any) -> dict[str, float]:  # noqa: ANN401 (CTranslate2 has no types)
    """Return the figures of a decoded chunk; the end counts as a token, as faster-whisper counts it."""
    count = len(result.sequences_ids[0])
    return {"avg_logprob": result.scores[0] * count / (count + 1), "no_speech_prob": result.no_speech_prob}


def _chunk_transcript(figures: dict[str, float], text: str, words: list[dict[str, Any]]) -> ChunkTranscript:
    if not all(map(math.isfinite, figures.values())):
        raise IngestError(Code.ENV_MODEL, "the model returns NaN; another INGEST_ASR_COMPUTE_TYPE may help")
    merge_punctuations(words, PREPEND, APPEND)
    return ChunkTranscript(
        text=text.strip(),
        words=tuple(_chunk_words(words)),
        avg_logprob=float(figures["avg_logprob"]),
        compression_ratio=float(get_compression_ratio(text)),
        no_speech_prob=float(figures["no_speech_prob"]),
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


def _compute_type(wanted: str, device: str) -> str:
    if wanted != "auto":
        return wanted
    return "float16" if device == "cuda" else "int8"


def key_of(options: RecognizerOptions) -> str:
    """Return the key of a recognizer, without loading its model."""
    name = model_files.model_name(options.model, options.device)
    return _key(name, model_files.locate(name, revision=options.revision), options)


def _key(name: str, folder: Path, options: RecognizerOptions) -> str:
    return (
        f"{model_files.model_id(name, folder)}/{_compute_type(options.compute_type, options.device)}/beam{options.beam}"
    )


def _cannot_load(name: str, error: Exception) -> IngestError:
    code = Code.ENV_CUDA if "CUDA" in str(error) else Code.ENV_MODEL
    return IngestError(code, f"Whisper model {name}: {first_line(error)}")
