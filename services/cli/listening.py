"""From a file or an address to the voice embeddings of what is said in it, for `ingest voices enroll`, `calibrate`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from services.asr import audio, hearing, pieces
from services.downloader import ytdlp
from services.downloader.check import limits_for
from services.downloader.settings import listed
from services.downloader.sources import recordings, site_options
from services.shared import child
from services.shared.child import ChildLimits
from services.shared.errors import Code, IngestError
from services.shared.media import SAMPLE_RATE, DecodeLimits
from services.shared.messages import SourceKind

if TYPE_CHECKING:
    from services.asr.audio import Waveform
    from services.asr.diarize import Diarizer
    from services.asr.naming import FloatArray
    from services.cli.settings import AllSettings
    from services.downloader.sources import Recording

LISTEN_EVERY_S = 3.0  # of speech
LEAST_PIECES = 3


@dataclass(frozen=True, eq=False)
class Heard:
    """What is heard in a recording: vectors (count, dimension) of pieces spread over it, and how long is spoken."""

    source: str
    model_key: str
    vectors: FloatArray
    speech_s: float


class Listener:
    """Listens to recordings with the pipeline of the settings."""

    def __init__(self, settings: AllSettings) -> None:
        self._settings = settings
        self._diarizer: Diarizer = hearing.load(settings, settings.asr_device)

    @property
    def key(self) -> str:
        """Return the name of the space of the vectors."""
        return self._diarizer.key

    def listen(self, source: str) -> Heard:
        """Return what is heard in a recording; raise TOO_LITTLE_SPEECH when that is nothing."""
        waveform = self._waveform(source)
        speech = audio.find_speech(waveform)
        spans = pieces.spread(speech, LISTEN_EVERY_S, LEAST_PIECES)
        cut = pieces.audible(pieces.cut(spans, SAMPLE_RATE), waveform)
        if not cut:
            raise IngestError(Code.TOO_LITTLE_SPEECH, f"nobody speaks in {source}")
        vectors = self._diarizer.embed(waveform, cut)
        return Heard(source, self.key, vectors, sum(span.duration_s for span in speech))

    def _waveform(self, source: str) -> Waveform:
        found = list(recordings(source, self._settings))
        if len(found) != 1:
            raise IngestError(Code.NO_MEDIA_FOUND, f"{source} holds {len(found)} recordings; name one")
        limits = DecodeLimits(max_duration_s=self._settings.max_audio_s)
        with tempfile.TemporaryDirectory(prefix="ingest-voices-") as folder:
            path = self._file(found[0], folder)
            return audio.load(path, Path(folder), limits, ChildLimits(self._settings.asr_deadline_s))[0]

    def _file(self, recording: Recording, folder: str) -> Path:
        """Return the file of a recording, fetched into a folder unless it is on this machine."""
        kind = recording.source.kind
        if kind is SourceKind.FILE:
            return Path(recording.source.url)
        settings = self._settings
        limits = ChildLimits(
            settings.download_deadline_s, memory_bytes=0, network=True, hosts=listed(settings.allowed_hosts)
        )
        args = (recording.source, folder, site_options(settings))
        return Path(child.run(ytdlp.fetch, args, limits_for(kind, limits)).path)
