"""Settings of the ASR service."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from ingest.shared.settings import Positive, PositiveSeconds, Settings


class AsrSettings(Settings):
    """What the ASR service needs to know."""

    asr_workers: Positive = 2
    """Videos at a time in this process; their speech shares the batches of one device."""
    asr_model: str = "auto"
    """Whisper model: a name on the hub, a folder, or auto (distil-large-v3 on CUDA, small on a CPU)."""
    asr_revision: str | None = None
    """Branch, tag or commit of a Whisper model on the hub; without it, the newest one that the hub or the cache has."""
    asr_device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the model runs."""
    asr_compute_type: str = "auto"
    """Number format: float16, int8_float16, int8 ... or auto (float16 on CUDA, int8 on a CPU)."""
    asr_batch: Positive | None = None
    """Chunks of speech (up to 30 s each) in a batch, halved when memory runs out; without it 16 on CUDA, 4 on a CPU."""
    asr_batch_wait_s: Annotated[float, Field(ge=0)] = 0.05
    """How long an unfull batch waits for chunks of other videos."""
    asr_beam: Positive = 5
    """Beam size of the first pass."""
    asr_cpu_threads: Annotated[int, Field(ge=0)] = 0
    """Threads of the model on a CPU; 0 lets it choose."""
    asr_language: str | None = None
    """Language of all recordings (as `en`); without it, it is detected for each."""
    asr_refine_model: str | None = None
    """Decode doubtful segments again with this model (`same`: the same one with a wider beam); off without it."""
    asr_refine_logprob: float = -0.35
    """A segment with a mean log probability at or below this is doubtful."""
    asr_refine_compression: float = 2.4
    """A segment that compresses at or above this ratio (it repeats itself) is doubtful."""
    asr_refine_no_speech: float = 0.8
    """A segment in which nobody spoke with at least this probability is doubtful."""
    diarization_model: str | None = None
    """Say who speaks, with this pyannote.audio pipeline: a folder, or pyannote/speaker-diarization-community-1 on the
    hub. Off without it."""
    diarization_revision: str | None = None
    """Branch, tag or commit of a pipeline on the hub; without it, the newest one that the hub or the cache has."""
    diarization_token: SecretStr | None = None
    """Token for the hub, where the pipeline wants one."""
    diarization_sha256: str | None = None
    """Fingerprint that the pipeline's files must have (loading them executes them); the log says the present one."""
    diarization_device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the pipeline runs; auto is where the recognizer does."""
    diarization_batch: Positive = 32
    """Windows of ten seconds, or pieces of turns, in a batch."""
    diarization_window_s: PositiveSeconds = 1800.0
    """A longer recording is diarized in windows, whose speakers are then linked: memory stays flat."""
    diarization_fast_path: bool = True
    """Leave the diarization out where samples of the whole recording are all the voice of one profile."""
    min_speakers: Positive | None = None
    """At least this many speakers are looked for in each recording ..."""
    max_speakers: Positive | None = None
    """... and at most this many."""
    voice_accept: Annotated[float, Field(ge=-1, le=1)] | None = None
    """Cosine from which a speaker is given the name of a profile. Without it (and those below): what the model's
    naming.json says; `ingest voices calibrate` proposes it."""
    voice_margin: Annotated[float, Field(ge=0, le=2)] | None = None
    """How far the best profile must be ahead of the second."""
    voice_split_accept: Annotated[float, Field(ge=-1, le=1)] | None = None
    """Cosine from which a single turn of a mixed speaker is given a name."""
    voice_split_range: Annotated[float, Field(ge=0, le=2)] | None = None
    """A speaker whose turns' scores have a range over this is mixed, and named turn by turn ..."""
    voice_split_variance: Annotated[float, Field(ge=0, le=1)] | None = None
    """... or a variance over this."""
    voice_same: Annotated[float, Field(ge=-1, le=1)] | None = None
    """Least cosine of the halves that one voice's vectors fall into, and of a monologue's samples to their mean."""
    voice_link: Annotated[float, Field(ge=-1, le=1)] | None = None
    """Cosine from which speakers of two windows of a long recording are one."""
    max_audio_s: PositiveSeconds = 12 * 3600.0
    """Longest recording that is accepted."""
    asr_deadline_s: PositiveSeconds = 900.0
    """Time that a recording of no length may take before the worker is ended as hung ..."""
    asr_deadline_factor: PositiveSeconds = 3.0
    """... plus this much for each second of the recording."""
    scratch_path: Path | None = None
    """Folder for decoded audio (230 MB for each hour). Without it, the folder `scratch` on the shared volume."""
    gpu_metrics: Literal["off", "nvml", "simulated"] = "nvml"
    """Metrics of the graphics card: nvml (where there is one), off (where dcgm-exporter shows them), or simulated."""
    node_name: str = socket.gethostname()
    """Name of the machine, for the label `hostname` of the graphics card's metrics; on a cluster, the node's."""

    @property
    def scratch(self) -> Path:
        """Return the folder for decoded audio."""
        return self.scratch_path or self.volume / "scratch"
