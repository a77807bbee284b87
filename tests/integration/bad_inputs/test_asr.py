"""Rows 32 to 49 of the bad inputs in the asr stage: what its handler makes of a file on the volume.

A file that another download may mend is sent back once; the second time its code is final. What is wrong for good is
told at once; what is merely unusual becomes a transcript. The recognizer is a stand-in with set answers: volume,
decoding, speech detection and the handler are real.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from services.asr.handler import Transcribe
from services.asr.recognize import Heard, Recognised, Recognizer, Request
from services.asr.spans import Span
from services.asr.transcribe import Transcriber
from services.demo import samples
from services.shared import transcript
from services.shared.batcher import Batcher, BatchLimits
from services.shared.bus import ACCESSIBLE, AUDIO, TRANSCRIPT
from services.shared.child import ChildLimits
from services.shared.errors import Code, IngestError, Outcome
from services.shared.media import SAMPLE_RATE, DecodeLimits
from services.shared.messages import (
    AudioReady,
    EventKind,
    Source,
    SourceKind,
    Stage,
    TranscriptReady,
    VideoAccessible,
    decode,
)
from services.shared.volume import Made, Volume
from tests.integration.bad_inputs.conftest import GOOD_ID, VIDEO_ID
from tests.integration.bad_inputs.recordings import (
    encoded,
    holed,
    pcm,
    pictures_only,
    silence,
    tone,
    truncated,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from services.asr.audio import Waveform
    from tests.integration.bad_inputs.line import Line

    Make = Callable[[Path], Path]

SOURCE = Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3")
LOOP = "Thanks for watching!"


@dataclass(frozen=True)
class StandIn:
    """A recognizer that says the same of every chunk, and is not sure of the language."""

    languages: tuple[tuple[str, float], ...] = ()
    key: str = "stand-in"
    device: str = "cpu"

    @property
    def is_multilingual(self) -> bool:
        return bool(self.languages)

    def request(self, samples: Waveform, language: str | None, *, strong: bool = False) -> Request:
        return Request(np.zeros((80, 3000), dtype=np.float32), len(samples) / SAMPLE_RATE, language, strong)

    def run(self, requests: Sequence[Request]) -> list[Recognised]:
        return [
            Recognised(languages=dict(self.languages))
            if request.language is None
            else Recognised(text=LOOP, words=(Heard(0.0, request.duration_s, LOOP, 0.9),), avg_logprob=-0.1)
            for request in requests
        ]


@pytest.fixture
def transcribers() -> Iterator[Callable[[StandIn], Transcriber]]:
    """A function that puts a recognizer to work; its device thread ends with the test."""
    batchers: list[Batcher[Request, Recognised]] = []

    def make(recognizer: StandIn) -> Transcriber:
        batchers.append(Batcher(recognizer.run, BatchLimits(4), group=lambda request: request.group))
        return Transcriber(cast("Recognizer", recognizer), batchers[-1], language=None, refinement=None)

    yield make
    for batcher in batchers:
        batcher.close()


@pytest.fixture
def handler(tmp_path: Path, transcribers: Callable[[StandIn], Transcriber]) -> Transcribe:
    return Transcribe(
        volume=Volume(tmp_path / "volume"),
        scratch=tmp_path / "scratch",
        transcriber=transcribers(StandIn()),
        decode_limits=DecodeLimits(max_duration_s=120.0),
        child_limits=ChildLimits(60.0),
    )


def ready(volume: Volume, path: Path, video_id: str = VIDEO_ID) -> AudioReady:
    """Put a file on the volume, whatever it is, and return the message that says so."""
    artifact = volume.keep(video_id, Made(path, "audio", "webm", 12.0, "audio-1", 1))
    return AudioReady(video_id=video_id, source=SOURCE, audio=artifact)


def unfit(volume: Volume, message: AudioReady) -> None:
    """Change a bit of a file that is on the volume."""
    path = volume.resolve(message.audio.path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def vanish(volume: Volume, message: AudioReady) -> None:
    volume.resolve(message.audio.path).unlink()


def become_a_folder(volume: Volume, message: AudioReady) -> None:
    path = volume.resolve(message.audio.path)
    path.unlink()
    path.mkdir()


def leave(_volume: Volume, _message: AudioReady) -> None:
    """Change nothing."""


# -- another download may help ----------------------------------------------------------------------------------------


BROKEN = [
    pytest.param(lambda path: written(path, b""), leave, Code.AUDIO_EMPTY_FILE, id="32 zero bytes"),
    pytest.param(lambda path: written(path, b"<html>no</html>"), leave, Code.NOT_AUDIO, id="33 html"),
    pytest.param(lambda path: written(path, b"\x01\x02" * 999), leave, Code.NOT_AUDIO, id="34 no format"),
    pytest.param(
        lambda path: truncated(encoded(path.with_suffix(".m4a"), "aac")), leave, Code.AUDIO_CORRUPT, id="35 no moov"
    ),
    pytest.param(lambda path: truncated(encoded(path, "libopus")), leave, Code.AUDIO_TRUNCATED, id="36 half"),
    pytest.param(lambda path: holed(encoded(path, "libopus")), leave, Code.AUDIO_CORRUPT, id="37 hole"),
    pytest.param(lambda path: encoded(path, "libopus"), unfit, Code.CHECKSUM_MISMATCH, id="47 another checksum"),
]


@pytest.mark.parametrize(("make", "spoil", "code"), BROKEN)
def test_a_broken_file_is_downloaded_once_more_and_then_given_up(
    handler: Transcribe, tmp_path: Path, make: Make, spoil: Callable[[Volume, AudioReady], None], code: Code
) -> None:
    message = ready(handler.volume, make(tmp_path / "a.webm"))
    spoil(handler.volume, message)
    done = handler(message, lambda _: None)
    assert done.message == VideoAccessible(video_id=VIDEO_ID, source=SOURCE, redo=1)
    assert (done.kind, done.code) == (EventKind.RETRYING, code)
    assert handler.volume.manifest(VIDEO_ID, "audio") is None
    assert not handler.volume.resolve(message.audio.path).exists()

    again = ready(handler.volume, make(tmp_path / "a.webm")).model_copy(update={"redo": 1})
    spoil(handler.volume, again)
    with pytest.raises(IngestError, match="downloaded twice") as caught:
        handler(again, lambda _: None)
    assert (caught.value.code, caught.value.is_final) == (code, True)
    assert caught.value.rule.outcome is Outcome.TRANSIENT


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(vanish, id="46 missing file"),
        pytest.param(become_a_folder, id="46 directory"),
    ],
)
def test_a_file_that_is_not_there_is_waited_for_and_then_downloaded_once_more(
    handler: Transcribe, tmp_path: Path, spoil: Callable[[Volume, AudioReady], None]
) -> None:
    message = ready(handler.volume, encoded(tmp_path / "a.webm", "libopus"))
    spoil(handler.volume, message)
    done = handler(message, lambda _: None)
    assert done.message == VideoAccessible(video_id=VIDEO_ID, source=SOURCE, redo=1)
    assert (done.kind, done.code) == (EventKind.RETRYING, Code.ARTIFACT_MISSING)


# -- wrong for good ---------------------------------------------------------------------------------------------------


WRONG = [
    pytest.param(lambda path: pictures_only(path.with_suffix(".mp4")), Code.NO_AUDIO_STREAM, id="38 silent film"),
    pytest.param(lambda path: encoded(path, "libopus", tone(125.0)), Code.DECODED_LIMIT, id="43 too long"),
    pytest.param(lambda path: pcm(path, bytes(600), rate=1, width=1), Code.AUDIO_SUSPICIOUS, id="44 bomb"),
    pytest.param(lambda path: written(path, b"ffconcat version 1.0\n"), Code.NOT_AUDIO, id="45 playlist"),
    pytest.param(
        lambda path: encoded(path.with_suffix(".wav"), "pcm_f32le", tone() * np.float32("nan")),
        Code.AUDIO_NONFINITE,
        id="48 nan",
    ),
]


@pytest.mark.parametrize(("make", "code"), WRONG)
def test_a_file_that_is_wrong_for_good_is_not_downloaded_again(
    handler: Transcribe, tmp_path: Path, make: Make, code: Code
) -> None:
    message = ready(handler.volume, make(tmp_path / "a.webm"))
    with pytest.raises(IngestError) as caught:
        handler(message, lambda _: None)
    outcome = Outcome.PERMANENT if caught.value.is_final else caught.value.rule.outcome
    assert (caught.value.code, outcome) == (code, Outcome.PERMANENT)
    assert handler.volume.verified(message.audio).exists()


# -- unusual, but right -----------------------------------------------------------------------------------------------


SPEECHLESS = [
    pytest.param(lambda path: pcm(path, b""), {"no_speech": 1.0}, id="39 header only"),
    pytest.param(lambda path: pcm(path, bytes(2)), {"no_speech": 1.0}, id="39 one sample"),
    pytest.param(lambda path: pcm(path, bytes(4800)), {"no_speech": 1.0}, id="39 50 ms"),
    pytest.param(lambda path: encoded(path, "libopus", silence(20.0)), {"no_speech": 1.0}, id="40 silence"),
    pytest.param(lambda path: encoded(path, "libopus", tone(20.0)), {"no_speech": 1.0}, id="40 a tone"),
    pytest.param(
        lambda path: encoded(path.with_suffix(".wav"), "pcm_s16le", tone(3.0, channels=6)),
        {"no_speech": 1.0},
        id="41 six channels",
    ),
    pytest.param(
        lambda path: encoded(path.with_suffix(".wav"), "pcm_s16le", tone(3.0, 8000), rate=8000),
        {"no_speech": 1.0},
        id="41 8 kHz",
    ),
    pytest.param(
        lambda path: encoded(path, "libopus", silence(5.0), silence(9.0)),
        {"no_speech": 1.0, "other_tracks": 1.0},
        id="42 two tracks",
    ),
]


@pytest.mark.parametrize(("make", "notes"), SPEECHLESS)
def test_a_recording_in_which_nobody_speaks_is_a_transcript_that_says_so(
    handler: Transcribe, tmp_path: Path, make: Make, notes: dict[str, float]
) -> None:
    done = handler(ready(handler.volume, make(tmp_path / "a.webm")), lambda _: None)
    assert isinstance(done.message, TranscriptReady)
    made = transcript.read(handler.volume.verified(done.message.transcript))
    assert made.segments == ()
    assert made.notes == notes


@pytest.mark.parametrize("chunks", [pytest.param(4, id="40 a loop over music")])
def test_a_recognizer_s_loop_is_flagged_not_believed(
    transcribers: Callable[[StandIn], Transcriber], chunks: int
) -> None:
    speech = [Span(10.0 * number, 10.0 * number + 5.0) for number in range(chunks)]
    waveform = tone(10.0 * chunks, SAMPLE_RATE)[0]
    spoken = transcribers(StandIn()).transcribe(waveform, speech, 10.0 * chunks, lambda _: None)
    assert [segment.flags for segment in spoken.built.segments] == [("loop",)] * chunks


@pytest.mark.parametrize("share", [pytest.param(0.21, id="49 a language that the model does not know")])
def test_a_language_nobody_is_sure_of_is_told_with_its_probability(
    transcribers: Callable[[StandIn], Transcriber], share: float
) -> None:
    transcriber = transcribers(StandIn(languages=(("haw", share), ("la", share - 0.1))))
    spoken = transcriber.transcribe(tone(9.0, SAMPLE_RATE)[0], [Span(0.0, 5.0)], 9.0, lambda _: None)
    assert (spoken.language, spoken.language_probability) == ("haw", share)
    assert len(spoken.built.segments) == 1


@pytest.mark.parametrize("share", [pytest.param(0.21, id="49 a language that nobody knows, from file to transcript")])
def test_a_transcript_says_how_sure_its_language_is(
    handler: Transcribe, transcribers: Callable[[StandIn], Transcriber], share: float
) -> None:
    unsure = replace(handler, transcriber=transcribers(StandIn(languages=(("haw", share),))))
    done = unsure(ready(handler.volume, samples()[0].path), lambda _: None)
    assert isinstance(done.message, TranscriptReady)
    made = transcript.read(handler.volume.verified(done.message.transcript))
    assert (made.language, made.language_probability) == ("haw", share)
    assert made.segments


# -- the queue goes on ------------------------------------------------------------------------------------------------


def test_poison_among_good_recordings_does_not_stop_the_queue(
    handler: Transcribe, line: Line, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    files = {
        "goodfirst01": encoded(tmp_path / "1.webm", "libopus", silence(5.0)),
        "random00034": written(tmp_path / "2.webm", b"\x01\x02" * 999),
        "nosound0038": pictures_only(tmp_path / "3.mp4"),
        "bomb0000044": pcm(tmp_path / "4.wav", bytes(600), rate=1, width=1),
        "checksum047": encoded(tmp_path / "5.webm", "libopus"),
        "goodlast099": encoded(tmp_path / "6.webm", "libopus", silence(6.0)),
    }
    messages = {video_id: ready(handler.volume, path, video_id) for video_id, path in files.items()}
    unfit(handler.volume, messages["checksum047"])
    line.start(Stage.ASR, AudioReady, handler)
    for message in messages.values():
        line.send(b"{}", message)
    wait_until(lambda: len(line.ended()) == 4, 60.0)
    wait_until(lambda: line.queued(AUDIO) == [])
    assert line.ended() == {
        "goodfirst01": (EventKind.FINISHED, None),
        "nosound0038": (EventKind.FAILED, Code.NO_AUDIO_STREAM),
        "bomb0000044": (EventKind.FAILED, Code.AUDIO_SUSPICIOUS),
        "goodlast099": (EventKind.FINISHED, None),
    }
    assert [decode(TranscriptReady, data).video_id for data in line.queued(TRANSCRIPT)] == [
        "goodfirst01",
        "goodlast099",
    ]
    sent_back = [decode(VideoAccessible, data) for data in line.queued(ACCESSIBLE)]
    assert [(message.video_id, message.redo) for message in sent_back] == [("random00034", 1), ("checksum047", 1)]


@pytest.mark.parametrize("redo", [pytest.param(1, id="34 downloaded twice, in the queue")])
def test_a_file_that_is_broken_twice_is_a_dead_letter_after_one_more_attempt(
    handler: Transcribe, line: Line, tmp_path: Path, wait_until: Callable[..., None], redo: int
) -> None:
    message = ready(handler.volume, written(tmp_path / "a.webm", b"\x01\x02" * 999))
    line.start(Stage.ASR, AudioReady, handler)
    line.send(message.model_copy(update={"redo": redo}))
    wait_until(lambda: line.ended() == {VIDEO_ID: (EventKind.FAILED, Code.NOT_AUDIO)})
    assert [letter.code for letter in line.letters()] == [Code.NOT_AUDIO]


@pytest.mark.parametrize(
    ("make", "spoil", "answer"),
    [
        *(pytest.param(*row.values[:2], (EventKind.RETRYING, row.values[2]), id=str(row.id)) for row in BROKEN),
        *(pytest.param(row.values[0], leave, (EventKind.FAILED, row.values[1]), id=str(row.id)) for row in WRONG),
        *(pytest.param(row.values[0], leave, (EventKind.FINISHED, None), id=str(row.id)) for row in SPEECHLESS),
        pytest.param(
            lambda path: encoded(path, "libopus"),
            vanish,
            (EventKind.RETRYING, Code.ARTIFACT_MISSING),
            id="46 missing file",
        ),
    ],
)
def test_the_next_recording_has_its_turn(
    handler: Transcribe,
    line: Line,
    tmp_path: Path,
    wait_until: Callable[..., None],
    make: Make,
    spoil: Callable[[Volume, AudioReady], None],
    answer: tuple[EventKind, Code | None],
) -> None:
    poison = ready(handler.volume, make(tmp_path / "a.webm"))
    spoil(handler.volume, poison)
    line.start(Stage.ASR, AudioReady, handler)
    line.send(poison, ready(handler.volume, encoded(tmp_path / "good.webm", "libopus", silence(5.0)), GOOD_ID))
    wait_until(lambda: GOOD_ID in line.answers())
    assert line.answers() == {VIDEO_ID: answer, GOOD_ID: (EventKind.FINISHED, None)}
