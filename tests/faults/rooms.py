"""The test build of the workers: real loop, broker, journal, volume, database and ledger; the work is a stand-in.

    python -m tests.faults.rooms downloader | asr | embedder

What the stand-ins make is known beforehand from the video's id and generation, so that a reader can tell a mix. An id
says what is wrong with a recording: `again...` fails once in check; `segv...`, `bomb...`, `hang...` end their worker.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from services.embedder import database
from services.embedder.handler import Embed
from services.embedder.ledger import Ledger
from services.embedder.migrate import migrate
from services.embedder.passages import PassageLimits
from services.embedder.settings import EmbedderSettings
from services.embedder.store import Store
from services.shared import transcript, voiceprints
from services.shared.answers import Done
from services.shared.batcher import Batcher, BatchLimits
from services.shared.errors import Code, IngestError
from services.shared.messages import (
    AudioReady,
    EventKind,
    Stage,
    TranscriptReady,
    VideoAccessible,
    VideoMessage,
    VideoRequested,
)
from services.shared.service import Room, main
from services.shared.transcript import Segment, Timings, Transcript
from services.shared.volume import Kind, Made, Volume, translate_os_errors
from services.shared.worker import StageWork
from tests.faults import points
from tests.faults.spoken import passage, passages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from services.embedder.encode import Encoder, Vector
    from services.shared.messages import Artifact
    from services.shared.nats_bus import NatsBus
    from services.shared.worker import Report

AUDIO_BYTES = 20_000
EXTENSIONS: dict[Kind, str] = {
    "audio": "bin",
    "transcript": transcript.EXTENSION,
    "voices": voiceprints.EXTENSION,
}
DIMENSIONS = 8
DEADLINE_S = 4.0
COMMIT_DEADLINE_S = 60.0  # longer than a call of the database may take, as in the real settings
SLOTS = 4
STEP_S = 0.1
WORK_S = "INGEST_FAULT_WORK_S"

In = TypeVar("In", bound=VideoMessage)


class Encodes:
    """Stands in for the text model: a vector made of the text's checksum."""

    key = "stand-in"
    dimensions = DIMENSIONS

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def run(self, texts: Sequence[str]) -> list[Vector]:
        made = [np.frombuffer(hashlib.sha256(text.encode()).digest()[:DIMENSIONS], np.uint8) for text in texts]
        return [(one.astype(np.float32) + 1) / np.linalg.norm(one.astype(np.float32) + 1) for one in made]


class Work:
    """The stand-ins for the work of check, download and asr."""

    def __init__(self, volume: Volume, scratch: Path) -> None:
        self._volume = volume
        self._scratch = scratch
        self._scratch.mkdir(parents=True, exist_ok=True)

    def check(self, message: VideoRequested, _report: Report) -> Done:
        self._misbehave(message.video_id)
        made = VideoAccessible(**_common(message))
        return Done(made)

    def download(self, message: VideoAccessible, report: Report) -> Done:
        _work(report)
        found = self._volume.find(message.video_id, "audio", "audio-1", message.fresh_from)
        data = hashlib.sha256(message.video_id.encode()).digest() * (AUDIO_BYTES // 32)
        audio = found or self._keep(message, "audio", "audio-1", lambda path: path.write_bytes(data))
        return Done(AudioReady(**_common(message), audio=audio))

    def asr(self, message: AudioReady, report: Report) -> Done:
        origin = f"{message.audio.sha256}:stand-in"
        found = self._volume.find(message.video_id, "transcript", origin, message.fresh_from)
        try:
            artifact = found or self._transcribe(message, origin, report)
        except IngestError as error:
            if error.code not in (Code.ARTIFACT_MISSING, Code.CHECKSUM_MISMATCH) or message.redo:
                raise
            self._volume.discard(message.video_id, "audio")
            again = VideoAccessible(**{**_common(message), "redo": message.redo + 1})
            return Done(again, kind=EventKind.RETRYING, code=error.code, text=error.message)
        return Done(TranscriptReady(**_common(message), transcript=artifact))

    def _transcribe(self, message: AudioReady, origin: str, report: Report) -> Artifact:
        self._volume.verified(message.audio, patience_s=0)
        _work(report)
        spoken = tuple(
            Segment(
                start_s=30.0 * number,
                end_s=30.0 * number + 9,
                text=passage(message.video_id, message.generation, number),
                words=(),
                avg_logprob=-0.1,
                compression_ratio=1.0,
                no_speech_prob=0.0,
            )
            for number in range(passages(message.generation))
        )
        made = Transcript(
            video_id=message.video_id,
            audio_sha256=message.audio.sha256,
            duration_s=150.0,
            speech_s=50.0,
            language="en",
            language_probability=1.0,
            model_key="stand-in",
            segments=spoken,
            timings=Timings(decode_s=0, speech_s=0, recognise_s=0, total_s=0),
        )
        self._keep(message, "voices", origin, lambda path: path.write_text(f"{message.job} speaks"))
        return self._keep(message, "transcript", origin, lambda path: transcript.write(made, path))

    def _keep(self, message: VideoMessage, kind: Kind, origin: str, write: Callable[[Path], object]) -> Artifact:
        path = self._scratch / uuid.uuid4().hex
        with translate_os_errors("scratch"):
            try:
                write(path)
                made = Made(path, kind, EXTENSIONS[kind], 150.0, origin, message.generation)
                return self._volume.keep(message.video_id, made)
            finally:
                path.unlink(missing_ok=True)

    def _misbehave(self, video_id: str) -> None:
        first = Path(os.environ[points.FOLDER]) / f"{video_id}.failed"
        if video_id.startswith("again") and not first.exists():
            first.touch()
            raise IngestError(Code.NETWORK_ERROR, "the first try fails")
        for action in ("segv", "bomb", "hang"):
            if video_id.startswith(action):
                points._act(action)  # noqa: SLF001 (the recording's own fault)


def _common(message: VideoMessage) -> dict[str, object]:
    return {name: getattr(message, name) for name in VideoMessage.model_fields if name != "schema_version"}


def _work(report: Report) -> None:
    """Take as long as wanted, and tell how far it is, as the real work does."""
    end = time.monotonic() + float(os.environ.get(WORK_S, "0"))
    while (left_s := end - time.monotonic()) > 0:
        time.sleep(min(left_s, STEP_S))
        report({"left_s": left_s})


def _stage(stage: Stage, model: type[In], handle: Callable[[In, Report], Done]) -> StageWork[In]:
    def handled(message: In, report: Report) -> Done:
        points.reach("begun")
        done = handle(message, report)
        points.reach("made")
        return done

    deadline_s = COMMIT_DEADLINE_S if stage is Stage.EMBEDDER else DEADLINE_S
    return StageWork(stage, model, handled, lambda _: deadline_s, SLOTS)


def downloader(settings: EmbedderSettings, _bus: NatsBus) -> Room:
    work = Work(Volume(settings.volume), settings.volume / "scratch")
    check = _stage(Stage.CHECK, VideoRequested, work.check)
    return Room((check, _stage(Stage.DOWNLOAD, VideoAccessible, work.download)))


def asr(settings: EmbedderSettings, _bus: NatsBus) -> Room:
    work = Work(Volume(settings.volume), settings.volume / "scratch")
    return Room((_stage(Stage.ASR, AudioReady, work.asr),))


def embedder(settings: EmbedderSettings, bus: NatsBus) -> Room:
    with database.connect(settings, size=1, name=settings.worker_name) as before:
        migrate(before)
    archive = database.connect(settings, size=SLOTS + 2, name=settings.worker_name)
    ledger = Ledger(bus, archive)
    ledger.start()
    encoder = Encodes()
    handler = Embed(
        volume=Volume(settings.volume),
        store=Store(archive, encoder.key, encoder.dimensions),
        encoder=cast("Encoder", encoder),
        batcher=Batcher(encoder.run, BatchLimits(16, 0.001)),
        limits=PassageLimits(min_chars=1, max_chars=1000, max_gap_s=3.0, max_s=60.0, max_tokens=1000),
    )

    def stop() -> None:
        ledger.stop()
        archive.close()

    return Room((_stage(Stage.EMBEDDER, TranscriptReady, handler),), stop=stop, keeps_ledger=True)


ROOMS = {"downloader": downloader, "asr": asr, "embedder": embedder}

if __name__ == "__main__":
    points.install()
    main(sys.argv[1], EmbedderSettings, ROOMS[sys.argv[1]])
