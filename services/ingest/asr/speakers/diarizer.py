"""Who speaks when, and how it sounds: the only file of the service that imports pyannote.audio.

The pipeline is loaded once, from a folder whose content may be pinned (loading a model executes what its file says),
and fed with the waveform in memory. Two things are done differently than it does them, with the same result: masks in
which nobody speaks are not looked at, and the masks of a chunk share one pass through the network. Callers take turns:
there is one device.
"""

from __future__ import annotations

import hashlib
import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from huggingface_hub import snapshot_download
from pyannote.audio import Pipeline
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.audio.telemetry import set_telemetry_metrics

from ingest.asr.spans import Span
from ingest.asr.speakers.excerpts import batches
from ingest.asr.speakers.vectors import unit
from ingest.asr.speakers.windows import Bounds, Diarized, Spoken, link, windows
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox.decode import SAMPLE_RATE
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.asr.audio import Waveform
    from ingest.asr.speakers.excerpts import Piece
    from ingest.asr.speakers.vectors import FloatArray

FINGERPRINT_LENGTH = 12
BLOCK_BYTES = 1 << 20
EMBEDDING_FOLDER = "embedding"
NOBODY_KNOWS = Bounds()

log = get_logger(__name__)


@dataclass(frozen=True)
class DiarizerOptions:
    """Which pipeline (a folder, or a name on the hub), where it runs, and how much of a recording at a time.

    `pad` fills the last batch to full size: on CUDA another size makes cuDNN choose an algorithm that takes gigabytes.
    """

    model: str
    device: Literal["cpu", "cuda"]
    batch: int
    window_s: float
    link: float
    token: str | None = None
    sha256: str | None = None
    bounds: Bounds = NOBODY_KNOWS
    pad: bool | None = None


class Diarizer:
    """A loaded pipeline. Raise ENV_MODEL when it cannot be loaded, or is not what was pinned."""

    def __init__(self, options: DiarizerOptions) -> None:
        self.options = options
        self._pad = options.device == "cuda" if options.pad is None else options.pad
        self._lock = threading.Lock()
        set_telemetry_metrics(enabled=False)
        folder = _folder(options)
        self.sha256 = fingerprint(folder)
        if options.sha256 is None:
            log.warning("diarization_model_not_pinned", folder=str(folder), sha256=self.sha256)
        elif options.sha256 != self.sha256:
            text = f"diarization model {options.model} has sha256 {self.sha256}, not the one that is pinned"
            raise IngestError(Code.ENV_MODEL, text)
        self.pipeline: Any = _load(folder, options)  # steps of it are replaced
        self.network = self.pipeline._embedding.model_  # noqa: SLF001 (the model inside of the pipeline)
        embedding = folder / EMBEDDING_FOLDER
        self.name = Path(options.model).name
        self.key = f"{self.name}@{fingerprint(embedding if embedding.is_dir() else folder)[:FINGERPRINT_LENGTH]}"
        self._replace_steps()

    @property
    def dimension(self) -> int:
        """Return the length of a voice embedding."""
        return int(self.pipeline._embedding.dimension)  # noqa: SLF001 (as above)

    def diarize(self, waveform: Waveform, speech: Sequence[Span], bounds: Bounds = NOBODY_KNOWS) -> list[Spoken]:
        """Return who speaks when, in order, by names `S1` to `Sn`; `speech` says where pauses are.

        In each window of a long recording there are at most so many speakers, but not at least so many.
        """
        if not len(waveform):
            return []
        duration_s = len(waveform) / SAMPLE_RATE
        cut = windows(duration_s, self.options.window_s, speech)
        bounds = bounds.over(self.options.bounds)
        if len(cut) > 1:
            bounds = Bounds(None, bounds.most)
        parts = [self._window(waveform, window, bounds) for window in cut]
        return link(parts, self.options.link)

    def embed(self, waveform: Waveform, pieces: Sequence[Piece]) -> FloatArray:
        """Return one voice embedding of length 1, (count, dimension), for each piece, in batches of equal length."""
        vectors = np.zeros((len(pieces), self.dimension), dtype=np.float32)
        places = {piece: place for place, piece in enumerate(pieces)}
        for batch in batches(places, self.options.batch):
            samples = np.stack([waveform[piece.start : piece.start + piece.count] for piece in batch])
            with self._device():
                found = self._forward(torch.from_numpy(samples)[:, None], None)
            vectors[[places[piece] for piece in batch]] = found.numpy()
        return unit(vectors)

    def _window(self, waveform: Waveform, window: Span, bounds: Bounds) -> Diarized:
        """Return who speaks when in a window, in the time of the recording."""
        first, last = int(window.start_s * SAMPLE_RATE), int(window.end_s * SAMPLE_RATE)
        given = {"min_speakers": bounds.least, "max_speakers": bounds.most}
        with self._device():
            samples = torch.from_numpy(waveform[first:last])[None]  # mapped and read-only: nothing is copied
            file = {"waveform": samples, "sample_rate": SAMPLE_RATE, "uri": "recording"}
            output = self.pipeline(file, **{name: value for name, value in given.items() if value is not None})
        return _checked(output, Span(first / SAMPLE_RATE, last / SAMPLE_RATE))

    @contextmanager
    def _device(self) -> Iterator[None]:
        """Let one caller at a time use the device."""
        with self._lock, torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # few speakers, short files, arrays that cannot be written
            warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
            warnings.filterwarnings("ignore", "invalid value encountered", RuntimeWarning)
            try:
                yield
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
                raise

    # -- the two steps that are done differently ----------------------------------------------------------------------

    def _replace_steps(self) -> None:
        self.pipeline.get_embeddings = self._embeddings
        if self._pad:
            inference = self.pipeline._segmentation  # noqa: SLF001 (the segmentation inside of the pipeline)
            infer = inference.infer
            inference.infer = lambda chunks: infer(_padded(chunks, self.options.batch))[: len(chunks)]

    def _embeddings(
        self,
        file: dict[str, Any],
        segmentations: Any,  # noqa: ANN401 (a class of pyannote.core)
        exclude_overlap: bool = False,  # noqa: FBT001, FBT002 (the interface of pyannote.audio)
        hook: Any = None,  # noqa: ANN401, ARG002 (the same)
    ) -> FloatArray:
        """Return embeddings (chunks, speakers, dimension): one pass for each chunk in which somebody speaks."""
        masks = used_masks(segmentations.data, self._least_frames(segmentations) if exclude_overlap else None)
        nothing = self._of_nothing(file, masks.shape[-1])
        found = np.broadcast_to(nothing, (*masks.shape[:2], self.dimension)).copy()
        speaking = np.flatnonzero(masks.any(axis=(1, 2)))
        for at in range(0, len(speaking), self.options.batch):
            chunks = speaking[at : at + self.options.batch]
            spans = [segmentations.sliding_window[int(chunk)] for chunk in chunks]
            crops = [self.pipeline._audio.crop(file, span, mode="pad")[0] for span in spans]  # noqa: SLF001 (as above)
            vectors = self._forward(torch.stack(crops), torch.from_numpy(masks[chunks])).numpy()
            active = np.asarray(masks[chunks].any(axis=2))
            found[chunks] = np.where(active[..., None], vectors, found[chunks])
        return found

    def _least_frames(self, segmentations: Any) -> int:  # noqa: ANN401 (a class of pyannote.core)
        samples = segmentations.sliding_window.duration * SAMPLE_RATE
        return int(np.ceil(segmentations.data.shape[1] * self.pipeline._embedding.min_num_samples / samples))  # noqa: SLF001 (as above)

    def _of_nothing(self, file: dict[str, Any], frames: int) -> FloatArray:
        """Return the embedding (dimension,) that an empty mask gives, the same for any audio."""
        noise = file["waveform"][:, :SAMPLE_RATE]
        noise = torch.nn.functional.pad(noise, (0, SAMPLE_RATE - noise.shape[1]))
        found: FloatArray = self._forward(noise[None], torch.zeros(1, 1, frames)).numpy()[0, 0]
        return found

    def _forward(self, waveforms: torch.Tensor, masks: torch.Tensor | None) -> torch.Tensor:
        """Return embeddings of waveforms (batch, 1, samples): (batch, dimension), or one for each mask."""
        count = len(waveforms)
        if self._pad:
            waveforms = _padded(waveforms, self.options.batch)
            masks = None if masks is None else _padded(masks, self.options.batch)
        device = self.network.device
        found = self.network(waveforms.to(device), weights=None if masks is None else masks.to(device))
        return torch.as_tensor(found)[:count].float().cpu()


def used_masks(segmentations: Any, least_frames: int | None) -> FloatArray:  # noqa: ANN401 (numbers of any kind)
    """Return the masks (chunks, speakers, frames) of segmentations (chunks, frames, speakers).

    With `least_frames` a mask leaves out overlapped speech where more frames than that remain.
    """
    whole = np.nan_to_num(np.asarray(segmentations, dtype=np.float32), nan=0.0)
    if least_frames is None:
        return np.ascontiguousarray(whole.transpose(0, 2, 1))
    clean = whole * (np.nan_to_num(np.asarray(segmentations)).sum(axis=2, keepdims=True) < 2)  # noqa: PLR2004 (two at once)
    enough = clean.sum(axis=1, keepdims=True) > least_frames
    return np.ascontiguousarray(np.where(enough, clean, whole).transpose(0, 2, 1), dtype=np.float32)


def _padded(batch: torch.Tensor, size: int) -> torch.Tensor:
    """Return a batch filled with zeros to `size` items."""
    missing = max(0, size - len(batch))
    return torch.cat([batch, batch.new_zeros((missing, *batch.shape[1:]))]) if missing else batch


def _checked(output: Any, window: Span) -> Diarized:  # noqa: ANN401 (a class of pyannote.audio)
    """Return what the pipeline has found, moved into the time of the recording and cut to the window."""
    spoken = []
    for segment, _, label in output.speaker_diarization.itertracks(yield_label=True):
        start_s = max(window.start_s, window.start_s + segment.start)
        end_s = min(window.end_s, window.start_s + segment.end)
        if end_s > start_s:
            spoken.append(Spoken(Span(round(start_s, 3), round(end_s, 3)), str(label)))
    centroids = {}
    if output.speaker_embeddings is not None:
        for label, vector in zip(output.speaker_diarization.labels(), output.speaker_embeddings, strict=False):
            if np.isfinite(vector).all() and np.any(vector):
                centroids[str(label)] = np.asarray(vector, dtype=np.float32)
    return Diarized(tuple(spoken), centroids)


def _folder(options: DiarizerOptions) -> Path:
    """Return the folder of a pipeline, fetched from the hub unless it is one."""
    if Path(options.model).is_dir():
        return Path(options.model)
    try:
        return Path(snapshot_download(options.model, token=options.token))
    except Exception as error:
        raise _cannot_load(options.model, error) from error


def _load(folder: Path, options: DiarizerOptions) -> SpeakerDiarization:
    try:
        pipeline = Pipeline.from_pretrained(folder, token=options.token)
    except Exception as error:
        raise _cannot_load(options.model, error) from error
    if not isinstance(pipeline, SpeakerDiarization):
        raise IngestError(Code.ENV_MODEL, f"diarization model {options.model} is no SpeakerDiarization pipeline")
    pipeline.to(torch.device(options.device))
    pipeline.segmentation_batch_size = options.batch
    pipeline.embedding_batch_size = options.batch
    return pipeline


def _cannot_load(model: str, error: Exception) -> IngestError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return IngestError(Code.ENV_MODEL, f"diarization model {model}: {reason}")


def fingerprint(folder: Path) -> str:
    """Return the SHA-256 of a folder: names and content of all its files."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and "." + "cache" not in path.parts):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()
