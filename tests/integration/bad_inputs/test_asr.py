"""Rows 32 to 49 of the bad inputs in the asr stage: what its handler makes of a file on the volume.

A file that another download may mend is sent back once; the second time its code is final. What is wrong for good is
told at once; what is merely unusual becomes a transcript. The recognizer is a stand-in with set answers: volume,
decoding, speech detection and the handler are real.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from ingest.asr import audio
from ingest.asr.handler import Transcribe, input_file
from ingest.asr.recognition.transcriber import Transcriber
from ingest.demo import samples
from ingest.shared.artifacts import transcript
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.broker.topology import ACCESSIBLE, INPUT_OF
from ingest.shared.device.batcher import Batcher, BatchLimits
from ingest.shared.errors import Code, IngestError, Outcome
from ingest.shared.messages import (
    AudioReady,
    EventKind,
    Metadata,
    Source,
    SourceKind,
    Stage,
    TranscriptReady,
    VideoAccessible,
    decode,
)
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits
from ingest.shared.telemetry import logs
from ingest.shared.text import clean
from tests.integration.bad_inputs.conftest import GOOD_ID, VIDEO_ID
from tests.integration.bad_inputs.recognizer import LOOP, StandIn
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
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.asr.recognition.whisper import ChunkTranscript, Recognizer, Request
    from tests.support.stage_line import Line

    Make = Callable[[Path], Path]

SOURCE = Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3")
SPOKEN, CHUNKS = samples()[0], 2


@pytest.fixture
def transcribers() -> Iterator[Callable[[StandIn], Transcriber]]:
    """A function that puts a recognizer to work; its device thread ends with the test."""
    batchers: list[Batcher[Request, ChunkTranscript]] = []

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
    artifact = volume.keep(video_id, NewArtifact(path, "audio", "webm", 12.0, "audio-1", 1))
    return AudioReady(video_id=video_id, source=SOURCE, audio=artifact)


def unfit(volume: Volume, message: AudioReady) -> None:
    """Change a bit of a file that is on the volume."""
    path = on_disk(volume).resolve(message.audio.path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def vanish(volume: Volume, message: AudioReady) -> None:
    on_disk(volume).resolve(message.audio.path).unlink()


def become_a_folder(volume: Volume, message: AudioReady) -> None:
    path = on_disk(volume).resolve(message.audio.path)
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
def test_a_broken_file_asks_for_another_download(
    handler: Transcribe, tmp_path: Path, make: Make, spoil: Callable[[Volume, AudioReady], None], code: Code
) -> None:
    message = ready(handler.volume, make(tmp_path / "a.webm"))
    spoil(handler.volume, message)
    with pytest.raises(IngestError) as caught:
        handler(message, lambda _: None)
    asks = input_file(handler.volume)
    assert (caught.value.code, caught.value.is_final, caught.value.code in asks.codes) == (code, False, True)
    asks.discard(VIDEO_ID)
    assert handler.volume.manifest(VIDEO_ID, "audio") is None
    assert not on_disk(handler.volume).resolve(message.audio.path).exists()


@pytest.mark.long
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(vanish, id="46 missing file"),
        pytest.param(become_a_folder, id="46 directory"),
    ],
)
def test_a_file_that_is_not_there_is_waited_for_and_then_asks_for_another_download(
    handler: Transcribe, tmp_path: Path, spoil: Callable[[Volume, AudioReady], None]
) -> None:
    message = ready(handler.volume, encoded(tmp_path / "a.webm", "libopus"))
    spoil(handler.volume, message)
    with pytest.raises(IngestError) as caught:
        handler(message, lambda _: None)
    assert caught.value.code is Code.ARTIFACT_MISSING
    assert caught.value.code in input_file(handler.volume).codes


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


TRACKS = [
    pytest.param(1, [], id="41 one track"),
    pytest.param(2, [{"tracks": 2, "used": 0, "language": "deu"}], id="42 two tracks, and which is used"),
]


@pytest.mark.parametrize(("tracks", "told"), TRACKS)
def test_the_log_says_which_of_several_tracks_is_used(
    handler: Transcribe, tmp_path: Path, capsys: pytest.CaptureFixture[str], tracks: int, told: list[dict[str, object]]
) -> None:
    logs.configure(json_lines=True)
    file = encoded(tmp_path / "a.mka", "libopus", *[silence(5.0)] * tracks, languages=("deu", "eng"))
    handler(ready(handler.volume, file), lambda _: None)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    found = [line for line in lines if line["event"] == "several_tracks"]
    assert [{name: line[name] for name in ("tracks", "used", "language")} for line in found] == told


UNSURE = StandIn(languages=(("pl", 0.5), ("de", 0.3), ("en", 0.2)))


@pytest.mark.parametrize(
    ("known", "of_track", "language"),
    [
        pytest.param(Metadata(), "und", "pl", id="nothing is known"),
        pytest.param(Metadata(), "deu", "de", id="the tag of the container"),
        pytest.param(Metadata(likely_language="en"), "deu", "en", id="the source"),
        pytest.param(Metadata(given_language="sv", likely_language="en"), "deu", "sv", id="the submitter"),
        pytest.param(
            Metadata(given_language="yue"), "und", "pl", id="the submitter, but the model has no such language"
        ),
    ],
)
def test_a_recording_is_read_in_the_language_that_is_known_of_it(
    handler: Transcribe,
    transcribers: Callable[[StandIn], Transcriber],
    tmp_path: Path,
    known: Metadata,
    of_track: str,
    language: str,
) -> None:
    waveform, _ = audio.load(SPOKEN.path, tmp_path, DecodeLimits(), ChildLimits(60.0))
    samples = np.array(waveform)[None]
    file = encoded(tmp_path / "a.mka", "libopus", samples, rate=SAMPLE_RATE, languages=(of_track,))
    message = ready(handler.volume, file).model_copy(update={"metadata": known})
    done = replace(handler, transcriber=transcribers(UNSURE))(message, lambda _: None)
    assert isinstance(done.message, TranscriptReady)
    assert transcript.read(handler.volume.verified(done.message.transcript)).language == language


ODD = [
    pytest.param(StandIn(says=(LOOP, LOOP)), {"hallucination_flagged": 4.0}, id="40 a loop over music"),
    pytest.param(StandIn(says=(LOOP,)), {}, id="40 said twice"),
    pytest.param(
        StandIn(languages=(("haw", 0.21), ("la", 0.2))), {"language_unsure": 1.0}, id="49 an unknown language"
    ),
    pytest.param(StandIn(languages=(("la", 0.91),)), {}, id="49 a known language"),
    pytest.param(StandIn(says=("A NUL \x00.", "No.")), {"text_sanitized": 2.0}, id="54 a NUL is recognised"),
    pytest.param(StandIn(says=("Half \ud83d a", "\x1bNo.")), {"text_sanitized": 4.0}, id="54 what no text has"),
]


@pytest.mark.parametrize(("recognizer", "notes"), ODD)
def test_what_is_odd_in_a_transcript_is_kept_and_noted(
    handler: Transcribe,
    transcribers: Callable[[StandIn], Transcriber],
    recognizer: StandIn,
    notes: dict[str, float],
) -> None:
    done = replace(handler, transcriber=transcribers(recognizer))(ready(handler.volume, SPOKEN.path), lambda _: None)
    assert isinstance(done.message, TranscriptReady)
    made = transcript.read(handler.volume.verified(done.message.transcript))
    assert made.text == clean(" ".join(recognizer.says * CHUNKS))
    assert sum("loop" in segment.flags for segment in made.segments) == notes.get("hallucination_flagged", 0)
    assert (made.language, made.language_probability) == (*recognizer.languages, ("en", 1.0))[0]
    assert made.notes == {**notes, "unread_s": pytest.approx(sum(one.end_s - one.start_s for one in made.unread))}
    told = ("hallucination_flagged", "language_unsure", "text_sanitized", "timestamp_fixed", "no_speech")
    assert {name: done.numbers[name] for name in told} == {**dict.fromkeys(told, 0.0), **notes}


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
    line.start(Stage.ASR, handler, input_file(handler.volume))
    for message in messages.values():
        line.send(b"{}", message)
    wait_until(lambda: len(line.ended()) == 4, 60.0)
    wait_until(lambda: line.queued(INPUT_OF[Stage.ASR]) == [])
    assert line.ended() == {
        "goodfirst01": (EventKind.FINISHED, None),
        "nosound0038": (EventKind.FAILED, Code.NO_AUDIO_STREAM),
        "bomb0000044": (EventKind.FAILED, Code.AUDIO_SUSPICIOUS),
        "goodlast099": (EventKind.FINISHED, None),
    }
    assert [decode(TranscriptReady, data).video_id for data in line.queued(INPUT_OF[Stage.EMBEDDER])] == [
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
    line.start(Stage.ASR, handler, input_file(handler.volume))
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
            marks=pytest.mark.long,
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
    line.start(Stage.ASR, handler, input_file(handler.volume))
    line.send(poison, ready(handler.volume, encoded(tmp_path / "good.webm", "libopus", silence(5.0)), GOOD_ID))
    wait_until(lambda: GOOD_ID in line.answers())
    assert line.answers() == {VIDEO_ID: answer, GOOD_ID: (EventKind.FINISHED, None)}
