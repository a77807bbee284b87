"""Turns a recording into voice embeddings, for `ingest voices enroll` and `calibrate`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.asr import audio
from ingest.asr.device import device_of
from ingest.asr.speakers import build as speaker_models
from ingest.asr.speakers import excerpts
from ingest.cli import console
from ingest.downloader.exits import exits
from ingest.downloader.settings import listed
from ingest.downloader.sources.connector import Access, site_options
from ingest.downloader.sources.registry import connector_of, recordings
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.asr.audio import Waveform
    from ingest.asr.speakers.diarizer import Diarizer
    from ingest.asr.speakers.vectors import FloatArray
    from ingest.cli.settings import AllSettings
    from ingest.downloader.sources.connector import Recording

EXCERPT_EVERY_S = 3.0  # of speech
MIN_EXCERPTS = 3


@dataclass(frozen=True, eq=False)
class VoiceSample:
    """The voice of a recording: vectors (count, dimension) of excerpts spread over it, and the length of speech."""

    source: str
    model_key: str
    vectors: FloatArray
    speech_s: float


class VoiceSampler:
    """Reads voice samples from recordings with the diarization pipeline of the settings; `show` gets what is done."""

    def __init__(self, settings: AllSettings, show: Callable[[str], None]) -> None:
        self._settings = settings
        self._show = show
        show("loading the voice model")
        self._diarizer: Diarizer = speaker_models.load(settings, device_of(settings.asr_device))

    @property
    def key(self) -> str:
        """Return the key of the model, which names the space of the vectors."""
        return self._diarizer.key

    def sample(self, source: str) -> VoiceSample:
        """Return the voice sample of a recording; raise TOO_LITTLE_SPEECH without speech."""
        self._show(f"looking for {source}")
        waveform = self._waveform(source)
        self._show(f"finding speech in {console.clock(len(waveform) / SAMPLE_RATE)} of {source}")
        speech = audio.find_speech(waveform)
        spans = excerpts.spread(speech, EXCERPT_EVERY_S, MIN_EXCERPTS)
        cut = excerpts.audible(excerpts.cut(spans, SAMPLE_RATE), waveform)
        if not cut:
            raise IngestError(Code.TOO_LITTLE_SPEECH, f"{source} contains no speech")
        self._show(f"making {len(cut)} voice embeddings of {source}")
        vectors = self._diarizer.embed(waveform, cut)
        return VoiceSample(source, self.key, vectors, sum(span.duration_s for span in speech))

    def _waveform(self, source: str) -> Waveform:
        found = list(islice(recordings(source, self._settings), 2))  # of a folder, each file is read to the end
        if len(found) != 1:
            text = "several recordings; name one of them" if found else "no recording"
            raise IngestError(Code.NO_MEDIA_FOUND, f"{source} contains {text}")
        limits = DecodeLimits(max_duration_s=self._settings.max_audio_s)
        with tempfile.TemporaryDirectory(prefix="ingest-voices-") as folder:
            self._show(f"fetching {source}")
            path = self._file(found[0], folder)

            def decoded(done_s: float) -> None:
                self._show(f"decoding {source}: {console.clock(done_s)}")

            return audio.load(path, Path(folder), limits, ChildLimits(self._settings.asr_deadline_s), decoded)[0]

    def _file(self, recording: Recording, folder: str) -> Path:
        """Return the file of a recording, downloaded into a folder unless it is a local file."""
        settings = self._settings
        limits = ChildLimits(settings.download_deadline_s, network=True, hosts=listed(settings.allowed_hosts))
        access = Access(site_options(settings), limits, file_roots=(Path("/"),))  # the user's own command: any file
        access = access.through(exits(settings)[0])
        connector = connector_of(recording.source.kind)
        return Path(connector.fetch(recording.source, Path(folder), access, None).path)
