"""Diarization and voice embeddings: the only file of the service that imports pyannote.audio.

The pipeline is loaded once, from a folder whose content may be pinned (loading a model can execute code in its files),
and reads the waveform from memory. Two steps of pyannote.audio are replaced. One embeds the speakers of each chunk: a
network of WeSpeaker's runs once over the recording (`frames.py` says what differs). Any other network runs once for
each chunk, with the same result as before: masks without speech are skipped, the masks of a chunk share a pass. The
other step joins the chunks: ties between speakers are decided (`votes.py`). One caller at a time uses the device.
"""

from __future__ import annotations

import hashlib
import sys
import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ingest.asr.spans import Span
from ingest.asr.speakers.excerpts import batches
from ingest.asr.speakers.frames import RecordingFrames
from ingest.asr.speakers.vectors import l2_normalize
from ingest.asr.speakers.votes import weights
from ingest.asr.speakers.windows import Bounds, Diarization, SpeakerTurn, link, windows
from ingest.shared.artifacts import hub
from ingest.shared.artifacts.fingerprint import DOWNLOAD_FOLDER, fingerprint
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox.decode import SAMPLE_RATE
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.text import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyannote.audio.pipelines import SpeakerDiarization

    from ingest.asr.audio import Waveform
    from ingest.asr.device import Device
    from ingest.asr.speakers.excerpts import Excerpt
    from ingest.asr.speakers.vectors import FloatArray

KEY_LENGTH = 12
EMBEDDING_FOLDER = "embedding"
# the fingerprint that version 0.1.0 computed for any model in a folder below `.cache`: that of no files
OLD_FINGERPRINT_IN_CACHE = hashlib.sha256().hexdigest()
# checkpoints hold the module of their class; these modules have moved since the checkpoints were made
MOVED_MODULES = {"services.demo.voice_model": "ingest.demo.voice_model"}
NO_BOUNDS = Bounds()

log = get_logger(__name__)


@dataclass(frozen=True)
class DiarizerOptions:
    """The pipeline (a folder, or a name on the hub), its device, and its batch and window sizes.

    `revision` is a branch, tag or commit of a pipeline on the hub. `pad` fills the last batch to full size: on CUDA, a
    batch of another size makes cuDNN choose an algorithm that takes gigabytes.
    """

    model: str
    device: Device
    batch: int
    window_s: float
    link: float
    token: str | None = None
    revision: str | None = None
    sha256: str | None = None
    bounds: Bounds = NO_BOUNDS
    pad: bool | None = None


class Diarizer:
    """A loaded pipeline. Raise ENV_MODEL when it cannot be loaded, or when its files differ from the pinned ones.

    `frames` is None where the network runs once for each chunk.
    """

    def __init__(self, options: DiarizerOptions) -> None:
        from pyannote.audio.models.embedding.wespeaker import BaseWeSpeakerResNet  # seconds of imports
        from pyannote.audio.telemetry import set_telemetry_metrics

        self.options = options
        self._pad = options.device == "cuda" if options.pad is None else options.pad
        self._lock = threading.Lock()
        set_telemetry_metrics(enabled=False)
        folder = _folder(options)
        self.sha256 = fingerprint(folder)
        self.old_sha256 = _old_fingerprint(folder)
        if options.sha256 is None:
            log.warning("diarization_model_not_pinned", folder=str(folder), sha256=self.sha256)
        elif options.sha256 != self.sha256:
            text = f"diarization model {options.model} has sha256 {self.sha256}, not the pinned {options.sha256}"
            raise IngestError(Code.ENV_MODEL, text)
        self.pipeline: Any = _load(folder, options)  # Any: two of its methods are replaced
        self.network = self.pipeline._embedding.model_  # noqa: SLF001 (no public name)
        embedding = folder / EMBEDDING_FOLDER
        space = embedding if embedding.is_dir() else folder
        self.name = Path(options.model).name
        self.key = f"{self.name}@{fingerprint(space)[:KEY_LENGTH]}"
        self.old_key = f"{self.name}@{_old_fingerprint(space)[:KEY_LENGTH]}"
        runs_once = isinstance(self.network, BaseWeSpeakerResNet)
        self.frames = RecordingFrames(self.network, whole_blocks=self._pad) if runs_once else None
        self._replace_steps()

    @property
    def dimension(self) -> int:
        """Return the length of a voice embedding."""
        return int(self.pipeline._embedding.dimension)  # noqa: SLF001 (no public name)

    def diarize(self, waveform: Waveform, speech: Sequence[Span], bounds: Bounds = NO_BOUNDS) -> list[SpeakerTurn]:
        """Return the turns in order, labelled `S1` to `Sn`; windows are cut at the pauses between spans of `speech`.

        In the windows of a long recording only the maximum of `bounds` applies.
        """
        if not len(waveform):
            return []
        duration_s = len(waveform) / SAMPLE_RATE
        cut = windows(duration_s, self.options.window_s, speech)
        bounds = bounds.over(self.options.bounds)
        if len(cut) > 1:
            bounds = Bounds(None, bounds.maximum)
        parts = [self._window(waveform, window, bounds) for window in cut]
        return link(parts, self.options.link)

    def embed(self, waveform: Waveform, selected: Sequence[Excerpt]) -> FloatArray:
        """Return one voice embedding of length 1, (count, dimension), for each excerpt, in batches of equal length."""
        vectors = np.zeros((len(selected), self.dimension), dtype=np.float32)
        rows = {excerpt: row for row, excerpt in enumerate(selected)}
        for batch in batches(rows, self.options.batch):
            samples = np.stack([waveform[excerpt.start : excerpt.start + excerpt.count] for excerpt in batch])
            with self._device():
                found = self._forward(torch.from_numpy(samples)[:, None], None)
            vectors[[rows[excerpt] for excerpt in batch]] = found.numpy()
        return l2_normalize(vectors)

    def _window(self, waveform: Waveform, window: Span, bounds: Bounds) -> Diarization:
        """Return the diarization of a window, with times in the recording."""
        first, last = int(window.start_s * SAMPLE_RATE), int(window.end_s * SAMPLE_RATE)
        given = {"min_speakers": bounds.minimum, "max_speakers": bounds.maximum}
        with self._device():
            samples = torch.from_numpy(waveform[first:last])[None]  # a read-only mapping: no copy
            file = {"waveform": samples, "sample_rate": SAMPLE_RATE, "uri": "recording"}
            output = self.pipeline(file, **{name: value for name, value in given.items() if value is not None})
        return _checked(output, Span(first / SAMPLE_RATE, last / SAMPLE_RATE))

    @contextmanager
    def _device(self) -> Iterator[None]:
        """Let one caller at a time use the device."""
        with self._lock, torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # few speakers, short files, read-only arrays
            warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
            warnings.filterwarnings("ignore", "invalid value encountered", RuntimeWarning)
            try:
                yield
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
                raise

    # -- the two replaced steps ---------------------------------------------------------------------------------------

    def _replace_steps(self) -> None:
        reconstruct, found = self.pipeline.reconstruct, np.zeros((0, 0, 0), dtype=np.float32)

        def embeddings(*given: Any, **named: Any) -> FloatArray:  # noqa: ANN401 (the parameters of pyannote.audio)
            nonlocal found
            found = self._embeddings(*given, **named)
            return found

        def weighed(segmentations: Any, clusters: Any, count: Any) -> Any:  # noqa: ANN401 (classes of pyannote.core)
            data = segmentations.data * weights(found, clusters)[:, None]
            return reconstruct(type(segmentations)(data, segmentations.sliding_window), clusters, count)

        self.pipeline.get_embeddings, self.pipeline.reconstruct = embeddings, weighed
        if self._pad:
            inference = self.pipeline._segmentation  # noqa: SLF001 (no public name)
            infer = inference.infer
            inference.infer = lambda chunks: infer(_padded(chunks, self.options.batch))[: len(chunks)]

    def _embeddings(
        self,
        file: dict[str, Any],
        segmentations: Any,  # noqa: ANN401 (a class of pyannote.core)
        exclude_overlap: bool = False,  # noqa: FBT001, FBT002 (the signature of pyannote.audio)
        hook: Any = None,  # noqa: ANN401, ARG002 (the same)
    ) -> FloatArray:
        """Return embeddings (chunks, speakers, dimension); those of masks without speech are alike."""
        masks = used_masks(segmentations.data, self._least_frames(segmentations) if exclude_overlap else None)
        empty = self._empty_mask_embedding(file, masks.shape[-1])
        found = np.broadcast_to(empty, (*masks.shape[:2], self.dimension)).copy()
        spans = [segmentations.sliding_window[chunk] for chunk in range(len(masks))]
        for chunks, vectors in self._of_chunks(file, spans, masks):
            active = np.asarray(masks[chunks].any(axis=2))
            found[chunks] = np.where(active[..., None], vectors, found[chunks])
        return found

    def _of_chunks(
        self,
        file: dict[str, Any],
        spans: Sequence[Any],  # of pyannote.core
        masks: FloatArray,
    ) -> Iterator[tuple[Sequence[int], FloatArray]]:
        """Yield the numbers of chunks with speech, and their embeddings (chunks, speakers, dimension)."""
        if self.frames is not None:
            chunks = [range(round(span.start * SAMPLE_RATE), round(span.end * SAMPLE_RATE)) for span in spans]
            for number, vectors in self.frames.embeddings(file["waveform"][0], chunks, torch.from_numpy(masks)):
                yield [number], vectors[None]
            return
        speaking = np.flatnonzero(masks.any(axis=(1, 2))).tolist()
        for at in range(0, len(speaking), self.options.batch):
            numbers = speaking[at : at + self.options.batch]
            crops = [self.pipeline._audio.crop(file, spans[number], mode="pad")[0] for number in numbers]  # noqa: SLF001 (no public name)
            yield numbers, self._forward(torch.stack(crops), torch.from_numpy(masks[numbers])).numpy()

    def _least_frames(self, segmentations: Any) -> int:  # noqa: ANN401 (a class of pyannote.core)
        samples = segmentations.sliding_window.duration * SAMPLE_RATE
        return int(np.ceil(segmentations.data.shape[1] * self.pipeline._embedding.min_num_samples / samples))  # noqa: SLF001 (no public name)

    def _empty_mask_embedding(self, file: dict[str, Any], frames: int) -> FloatArray:
        """Return the embedding (dimension,) of an empty mask, which is the same for any audio."""
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


def used_masks(segmentations: Any, least_frames: int | None) -> FloatArray:  # noqa: ANN401 (an array of any dtype)
    """Return the masks (chunks, speakers, frames) of segmentations (chunks, frames, speakers).

    With `least_frames`, a mask excludes overlapped speech if more than that many frames remain.
    """
    whole = np.nan_to_num(np.asarray(segmentations, dtype=np.float32), nan=0.0)
    if least_frames is None:
        return np.ascontiguousarray(whole.transpose(0, 2, 1))
    clean = whole * (np.nan_to_num(np.asarray(segmentations)).sum(axis=2, keepdims=True) < 2)  # noqa: PLR2004 (two speakers)
    enough = clean.sum(axis=1, keepdims=True) > least_frames
    return np.ascontiguousarray(np.where(enough, clean, whole).transpose(0, 2, 1), dtype=np.float32)


def _padded(batch: torch.Tensor, size: int) -> torch.Tensor:
    """Return a batch filled with zeros to `size` items."""
    missing = max(0, size - len(batch))
    return torch.cat([batch, batch.new_zeros((missing, *batch.shape[1:]))]) if missing else batch


def _checked(output: Any, window: Span) -> Diarization:  # noqa: ANN401 (a class of pyannote.audio)
    """Return the output of the pipeline with times in the recording, clipped to the window."""
    turns = []
    for segment, _, label in output.speaker_diarization.itertracks(yield_label=True):
        start_s = max(window.start_s, window.start_s + segment.start)
        end_s = min(window.end_s, window.start_s + segment.end)
        if end_s > start_s:
            turns.append(SpeakerTurn(Span(round(start_s, 3), round(end_s, 3)), str(label)))
    centroids = {}
    if output.speaker_embeddings is not None:
        for label, vector in zip(output.speaker_diarization.labels(), output.speaker_embeddings, strict=False):
            if np.isfinite(vector).all() and np.any(vector):
                centroids[str(label)] = np.asarray(vector, dtype=np.float32)
    return Diarization(tuple(turns), centroids)


def _folder(options: DiarizerOptions) -> Path:
    """Return the folder of a pipeline; one on the hub is downloaded unless the cache has it."""
    return hub.snapshot(options.model, revision=options.revision, token=options.token)


def _load(folder: Path, options: DiarizerOptions) -> SpeakerDiarization:
    from pyannote.audio import Pipeline  # seconds of imports
    from pyannote.audio.pipelines import SpeakerDiarization

    for old_name, new_name in MOVED_MODULES.items():
        sys.modules.setdefault(old_name, import_module(new_name))
    try:
        pipeline = Pipeline.from_pretrained(folder, token=options.token)
    except Exception as error:
        raise _cannot_load(options.model, error) from error
    if not isinstance(pipeline, SpeakerDiarization):
        raise IngestError(Code.ENV_MODEL, f"diarization model {options.model} is not a SpeakerDiarization pipeline")
    pipeline.to(torch.device(options.device))
    pipeline.segmentation_batch_size = options.batch
    pipeline.embedding_batch_size = options.batch
    return pipeline


def _cannot_load(model: str, error: Exception) -> IngestError:
    reason = first_line(error)
    return IngestError(Code.ENV_MODEL, f"diarization model {model}: {reason}")


def _old_fingerprint(folder: Path) -> str:
    """Return the fingerprint that version 0.1.0 computed for a folder."""
    return OLD_FINGERPRINT_IN_CACHE if DOWNLOAD_FOLDER in folder.parts else fingerprint(folder)
