"""The stand-ins for the work of the services, and the flaws of recordings.

Their results follow from the video's id and generation, so that a reader can detect a mix of runs.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np

from ingest.shared.artifacts import transcript, voiceprints
from ingest.shared.artifacts.files import translate_os_errors
from ingest.shared.artifacts.transcript import Segment, Timings, Transcript
from ingest.shared.artifacts.volume import Kind, NewArtifact, Volume
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import (
    AudioReady,
    Stage,
    TranscriptReady,
    VideoAccessible,
    VideoMessage,
    VideoRequested,
)
from ingest.shared.worker.stage import StageResult
from tests.faults import points
from tests.faults.homes import replace_content
from tests.faults.recordings import CRASHING, REFUSAL, Flaw
from tests.faults.spoken import passage, passages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingest.embedder.text_model.encoder import Vector
    from ingest.shared.messages import Artifact
    from ingest.shared.worker.stage import Report

AUDIO_BYTES = 20_000
EXTENSIONS: dict[Kind, str] = {
    "audio": "bin",
    "transcript": transcript.EXTENSION,
    "voices": voiceprints.EXTENSION,
}
DIMENSIONS = 8
STEP_S = 0.1
WORK_S = "INGEST_FAULT_WORK_S"


class Encodes:
    """Stand-in for the text model: a vector made of the text's checksum."""

    key = "stand-in"
    dimensions = DIMENSIONS

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def question(self, text: str) -> Vector:
        return self.run([text])[0]

    def run(self, texts: Sequence[str]) -> list[Vector]:
        made = [np.frombuffer(hashlib.sha256(text.encode()).digest()[:DIMENSIONS], np.uint8) for text in texts]
        return [(one.astype(np.float32) + 1) / np.linalg.norm(one.astype(np.float32) + 1) for one in made]


class Work:
    """The stand-ins for the work of check, download and asr."""

    def __init__(self, volume: Volume, scratch: Path) -> None:
        self._volume = volume
        self._scratch = scratch
        self._scratch.mkdir(parents=True, exist_ok=True)

    def check(self, message: VideoRequested, _report: Report) -> StageResult:
        return StageResult(message.next(VideoAccessible))

    def download(self, message: VideoAccessible, report: Report) -> StageResult:
        _work(report)
        found = self._volume.find(message.video_id, "audio", "audio-1", message.fresh_from)
        data = hashlib.sha256(message.video_id.encode()).digest() * (AUDIO_BYTES // 32)
        audio = found or self._keep(message, "audio", "audio-1", lambda path: path.write_bytes(data))
        return StageResult(message.next(AudioReady, audio=audio))

    def asr(self, message: AudioReady, report: Report) -> StageResult:
        origin = f"{message.audio.sha256}:stand-in"
        found = self._volume.find(message.video_id, "transcript", origin, message.fresh_from)
        artifact = found or self._transcribe(message, origin, report)
        return StageResult(message.next(TranscriptReady, transcript=artifact))

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
                made = NewArtifact(path, kind, EXTENSIONS[kind], 150.0, origin, message.generation)
                return self._volume.keep(message.video_id, made)
            finally:
                path.unlink(missing_ok=True)


def suffer(message: VideoMessage, stage: Stage, volume: Volume) -> None:
    """Apply the flaw of a recording in a stage."""
    video_id = message.video_id
    for action in CRASHING:
        if stage is Stage.CHECK and video_id.startswith(action):
            points.act(action)
    if video_id.startswith(Flaw.BAD.at(stage)):
        raise IngestError(REFUSAL, "a bad recording")
    if video_id.startswith(Flaw.LATE.at(stage)) and _is_first(video_id):
        raise IngestError(Code.NETWORK_ERROR, "the first attempt fails")
    if video_id.startswith(Flaw.TORN.at(stage)) and _is_first(video_id):
        # by a thread of its own: it is nothing that a stage does, and reaches no point of one
        harm = Thread(target=replace_content, args=(volume.home, _input(message).path, b"torn"), name="harm")
        harm.start()
        harm.join()


def _is_first(video_id: str) -> bool:
    """Return whether this is the first call for a recording, by any worker."""
    try:
        (Path(os.environ[points.FOLDER]) / f"{video_id}.suffered").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _input(message: VideoMessage) -> Artifact:
    assert isinstance(message, AudioReady | TranscriptReady), "no other stage reads a file"
    return message.audio if isinstance(message, AudioReady) else message.transcript


def _work(report: Report) -> None:
    """Take the set time, and report progress as the real work does."""
    end = time.monotonic() + float(os.environ.get(WORK_S, "0"))
    while (left_s := end - time.monotonic()) > 0:
        time.sleep(min(left_s, STEP_S))
        report({"left_s": left_s})
