"""Settings of the ASR service."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from ingest.asr.device import DeviceSetting
from ingest.shared.settings import Positive, PositiveSeconds, Settings


class AsrSettings(Settings):
    """The settings of the ASR service."""

    asr_workers: Positive = 2
    """Videos that this process transcribes at the same time; their speech shares the batches of one device."""
    asr_model: str = "auto"
    """Whisper model: a name on the hub, a folder, or auto (distil-large-v3 on CUDA, small on a CPU)."""
    asr_revision: str | None = None
    """Branch, tag or commit of a Whisper model on the hub; without it, the newest one that the hub or the cache has."""
    asr_device: DeviceSetting = "auto"
    """Device of the Whisper model; auto is cuda where a CUDA device is visible."""
    asr_compute_type: str = "auto"
    """Number format: float16, int8_float16, int8 ... or auto (float16 on CUDA, int8 on a CPU)."""
    asr_batch: Positive | None = None
    """Chunks of speech (up to 30 s each) in a batch; without it 16 on CUDA, 1 on a CPU. Halved when memory runs out."""
    asr_batch_wait_s: Annotated[float, Field(ge=0)] = 0.05
    """Seconds that a batch with free places waits for chunks of other videos."""
    asr_beam: Positive = 5
    """Beam size of the first pass."""
    asr_cpu_threads: Annotated[int, Field(ge=0)] = 0
    """Batches that a CPU recognises at the same time, each on one core; 0: as many as there are cores, four at most."""
    asr_language: str | None = None
    """Language of all recordings (as `en`) that were submitted without one; without it, the language of each recording,
    and of long stretches in it, is detected."""
    asr_canary: bool = True
    """Check at start, and every hour, that the model returns the words of a bundled English sentence."""
    asr_refine_model: str | None = None
    """Decode doubtful chunks again with this model (`same`: the same model with a wider beam); off without it."""
    asr_refine_logprob: float = -0.35
    """A chunk with a mean log probability at or below this is doubtful."""
    asr_refine_compression: float = 2.4
    """A chunk whose text has a compression ratio at or above this (repeated text) is doubtful."""
    asr_refine_no_speech: float = 0.8
    """A chunk with at least this probability of no speech is doubtful."""
    diarization_model: str | None = None
    """pyannote.audio pipeline for diarization: a folder, or pyannote/speaker-diarization-community-1 on the hub.
    Diarization is off without it."""
    diarization_revision: str | None = None
    """Branch, tag or commit of a pipeline on the hub; without it, the newest one that the hub or the cache has."""
    diarization_token: SecretStr | None = None
    """Token for the hub, if the pipeline requires one."""
    diarization_sha256: str | None = None
    """SHA-256 that the files of the pipeline must have, since loading them can execute code. The log shows the present
    one."""
    diarization_device: DeviceSetting = "auto"
    """Device of the pipeline; auto is the device of the Whisper model."""
    diarization_batch: Positive = 32
    """Ten-second windows, or excerpts of turns, in a batch."""
    diarization_window_s: PositiveSeconds = 1800.0
    """A longer recording is diarized in windows of about this length, whose speakers are then linked. This bounds
    memory."""
    diarization_fast_path: bool = True
    """Skip diarization when all samples of a recording match one profile."""
    min_speakers: Positive | None = None
    """Least number of speakers in each recording."""
    max_speakers: Positive | None = None
    """Greatest number of speakers in each recording."""
    voice_accept: Annotated[float, Field(ge=-1, le=1)] | None = None
    """Least cosine for a speaker to get the name of a profile. The default of this and the following six settings is
    in the model's naming.json, else known for its network; `ingest voices calibrate` proposes values."""
    voice_margin: Annotated[float, Field(ge=0, le=2)] | None = None
    """Least distance between the scores of the best and the second profile."""
    voice_split_accept: Annotated[float, Field(ge=-1, le=1)] | None = None
    """Least cosine for a single turn of a mixed speaker to get a name."""
    voice_split_range: Annotated[float, Field(ge=0, le=2)] | None = None
    """A speaker whose turns have scores with a greater range than this is mixed, and named turn by turn."""
    voice_split_variance: Annotated[float, Field(ge=0, le=1)] | None = None
    """A speaker whose turns have scores with a greater variance than this is mixed, too."""
    voice_same: Annotated[float, Field(ge=-1, le=1)] | None = None
    """Least cosine between the two halves of a profile's vectors. Also the least cosine between each sample of a
    monologue and their mean."""
    voice_link: Annotated[float, Field(ge=-1, le=1)] | None = None
    """Least cosine for speakers of two windows of a long recording to be linked."""
    max_audio_s: PositiveSeconds = 12 * 3600.0
    """Longest recording that is accepted."""
    asr_deadline_s: PositiveSeconds = 900.0
    """Fixed part of the deadline, in seconds; a worker that exceeds the deadline is killed."""
    asr_deadline_factor: PositiveSeconds = 3.0
    """Part of the deadline in proportion to the length: seconds for each second of the recording."""
    scratch_path: Path | None = None
    """Folder for decoded audio (230 MB per hour). Without it, the folder `scratch` on the shared volume."""
    gpu_metrics: Literal["off", "nvml", "simulated"] = "nvml"
    """Metrics of the GPU: nvml (if there is a GPU), off (if dcgm-exporter exports them), or simulated."""
    node_name: str = socket.gethostname()
    """Name of the machine for the label `hostname` of the GPU metrics; on a cluster, the name of the node."""

    @property
    def scratch(self) -> Path:
        """Return the folder for decoded audio."""
        return self.scratch_path.resolve() if self.scratch_path else self.volume / "scratch"

    @property
    def longest_job_s(self) -> float:
        """Return the longest time that a job may take."""
        return max(self.asr_deadline_s + self.asr_deadline_factor * self.max_audio_s, super().longest_job_s)
