"""Speech is known while a file is still being decoded, is the same as afterwards, and never outlives a broken file."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ingest.asr import audio
from ingest.asr.decoding import DecodedSound, Waiting, decoding
from ingest.asr.handler import Transcribe
from ingest.asr.recognition.transcriber import Transcriber
from ingest.asr.sample_file import sample_file
from ingest.demo import samples as demo_samples
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.device.batcher import Batcher, BatchLimits
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import AudioReady, Source, SourceKind
from ingest.shared.progress import PREFIX, Step
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import SAMPLE_RATE, AudioInfo, DecodeLimits
from tests.integration.bad_inputs.recognizer import StandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.asr.sample_file import SampleFile
    from ingest.asr.spans import Span
    from ingest.shared.sandbox.child import Watcher

LIMITS = ChildLimits(60.0)
WINDOW_S = 20.0
PATIENCE_S = 60.0
HALF = IngestError(Code.AUDIO_TRUNCATED, "decoded 30.0 s, container 60.0 s")
FACTS = AudioInfo(60.0, None, 0.0, 0.0, 0.0, 0, 0, SAMPLE_RATE, 1, "opus", 1, 0, "deu", None)


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> audio.Waveform:
    """Return a waveform of several windows, the last of which is not full."""
    folder = tmp_path_factory.mktemp("talk")
    pause = np.zeros(7 * SAMPLE_RATE, dtype=np.float32)
    spoken = [audio.load(sample.path, folder, DecodeLimits(), LIMITS)[0] for sample in demo_samples()[:2]]
    return np.concatenate([spoken[0], pause, spoken[1]])


@pytest.fixture(scope="module")
def speech(talk: audio.Waveform) -> list[Span]:
    found = audio.find_speech(talk, WINDOW_S)
    assert len(talk) > 3 * WINDOW_S * SAMPLE_RATE
    assert len(found) > 10
    return found


@pytest.fixture
def samples(tmp_path: Path) -> Iterator[SampleFile]:
    with sample_file(tmp_path / "scratch") as file:
        yield file


def written(
    samples: SampleFile, blocks: list[audio.Waveform], then: Callable[[Watcher], None]
) -> Callable[[Watcher], AudioInfo]:
    """Return a decoder that writes some blocks, and does something before it ends."""

    def run(watch: Watcher) -> AudioInfo:
        for block in blocks:
            samples.file.write(block.tobytes())
            watch({})
        then(watch)
        return FACTS

    return run


def in_blocks(waveform: audio.Waveform, seconds: float) -> list[audio.Waveform]:
    length = int(seconds * SAMPLE_RATE)
    return [waveform[start : start + length] for start in range(0, len(waveform), length)]


def nothing(_watch: Watcher) -> None:
    """Do nothing more."""


@pytest.mark.parametrize(
    "block_s",
    [
        pytest.param(0.9, id="shorter than a window"),
        pytest.param(WINDOW_S, id="as long"),
        pytest.param(47.3, id="longer"),
        pytest.param(1000.0, id="all at once"),
    ],
)
def test_speech_of_a_growing_file_is_that_of_the_whole_file(
    samples: SampleFile, talk: audio.Waveform, speech: list[Span], block_s: float
) -> None:
    with DecodedSound(samples, Waiting(), WINDOW_S).growing(
        written(samples, in_blocks(talk, block_s), nothing)
    ) as sound:
        assert list(sound.speech()) == speech
        assert list(sound.speech()) == speech  # a second time, too
        waveform, facts = sound.whole()
        assert (sound.is_searched, sound.language, facts) == (True, "deu", FACTS)
        assert np.array_equal(waveform, talk)
        assert np.array_equal(sound[100:200], talk[100:200])


def test_the_first_speech_is_known_before_the_file_is_decoded(
    samples: SampleFile, talk: audio.Waveform, speech: list[Span]
) -> None:
    may_end = threading.Event()
    run = written(samples, [talk[: int(WINDOW_S * SAMPLE_RATE) + 1]], lambda _watch: assert_set(may_end))
    early = [span for span in speech if span.start_s < WINDOW_S]
    with DecodedSound(samples, Waiting(), WINDOW_S).growing(run) as sound:
        coming = sound.speech()
        assert [next(coming) for _ in early] == early
        assert not sound.is_searched
        with pytest.raises(RuntimeError, match="not decoded yet"):
            sound.whole()
        may_end.set()
        assert list(coming) == []


def assert_set(event: threading.Event) -> None:
    assert event.wait(PATIENCE_S)


def test_an_error_of_the_decoder_ends_the_speech_at_once(
    samples: SampleFile, talk: audio.Waveform, speech: list[Span]
) -> None:
    is_read, is_over = threading.Event(), threading.Event()

    def fail(_watch: Watcher) -> None:
        assert_set(is_read)
        is_over.set()
        raise HALF

    early = [span for span in speech if span.start_s < WINDOW_S]
    run = written(samples, [talk[: int(WINDOW_S * SAMPLE_RATE)]], fail)
    with DecodedSound(samples, Waiting(), WINDOW_S).growing(run) as sound:
        coming = sound.speech()
        found = [next(coming) for _ in early[:2]]
        is_read.set()
        assert_set(is_over)
        with pytest.raises(IngestError) as caught:
            found += list(coming)
    assert caught.value is HALF
    assert found == early[: len(found)]


def test_an_error_of_the_decoder_does_not_wait_for_the_search_of_a_window(
    samples: SampleFile, talk: audio.Waveform, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def in_window(_window: audio.Waveform, _start_s: float, check: Callable[[], None]) -> list[Span]:
        begun.set()
        assert_set(may_go_on)
        try:
            check()
        finally:
            ended.set()
        raise AssertionError("it goes on")

    def fail(_watch: Watcher) -> None:
        assert_set(begun)
        raise HALF

    monkeypatch.setattr(audio, "in_window", in_window)
    run = written(samples, [talk[: int(WINDOW_S * SAMPLE_RATE)]], fail)
    with pytest.raises(IngestError) as caught, DecodedSound(samples, Waiting(), WINDOW_S).growing(run) as sound:
        list(sound.speech())
    assert caught.value is HALF
    assert not ended.is_set()
    may_go_on.set()
    assert_set(ended)


def test_a_search_that_nobody_needs_ends_before_the_next_pause(talk: audio.Waveform) -> None:
    def check() -> None:
        raise HALF

    with pytest.raises(IngestError) as caught:
        audio.in_window(talk, 0.0, check)
    assert caught.value is HALF


@pytest.mark.parametrize("at", [pytest.param(0, id="before the first sample"), pytest.param(1, id="behind a window")])
def test_the_end_of_the_caller_ends_the_decoder(samples: SampleFile, talk: audio.Waveform, at: int) -> None:
    ended: list[str] = []
    blocks = [talk[: int(WINDOW_S * SAMPLE_RATE)]] * at

    def go_on(watch: Watcher) -> None:
        while True:
            watch(None)

    def run(watch: Watcher) -> AudioInfo:
        try:
            return written(samples, blocks, go_on)(watch)
        except Exception as error:
            ended.append(type(error).__name__)
            raise

    with DecodedSound(samples, Waiting(), WINDOW_S).growing(run):
        pass
    assert ended == ["_AbandonedError"]


def test_a_real_file_is_decoded_and_searched_as_afterwards(tmp_path: Path) -> None:
    path = demo_samples()[0].path
    waveform, info = audio.load(path, tmp_path / "scratch", DecodeLimits(), LIMITS)
    with decoding(path, tmp_path / "scratch", DecodeLimits(), LIMITS, Waiting()) as sound:
        assert list(sound.speech()) == audio.find_speech(waveform)
        found, facts = sound.whole()
        assert list((tmp_path / "scratch").iterdir()) == []  # nothing is left, however this process ends
    assert np.array_equal(found, waveform)
    assert facts == info


# -- the handler ------------------------------------------------------------------------------------------------------


@pytest.fixture
def transcriber() -> Iterator[Transcriber]:
    recognizer = StandIn()
    batcher = Batcher(recognizer.run, BatchLimits(4), group=lambda request: request.group)
    yield Transcriber(recognizer, batcher, language=None, refinement=None)  # type: ignore[arg-type]
    batcher.close()


def handled(folder: Path, path: Path, transcriber: Transcriber) -> list[tuple[Step, float]]:
    """Let the handler work on a file; return the progress that it reports."""
    reports: list[tuple[Step, float]] = []

    def report(numbers: dict[str, float]) -> None:
        reports.append((Step(int(numbers[f"{PREFIX}step"])), numbers[f"{PREFIX}done"]))

    volume = Volume(folder / "volume")
    handler = Transcribe(volume, folder / "scratch", transcriber, DecodeLimits(), LIMITS)
    artifact = volume.keep("abcdefghijk", NewArtifact(path, "audio", path.suffix[1:], 60.0, "audio-1", 1))
    source = Source(kind=SourceKind.MEDIA, url="http://example.org/a.ogg")
    handler(AudioReady(video_id="abcdefghijk", source=source, audio=artifact), report)
    return reports


def test_progress_never_goes_back(tmp_path: Path, transcriber: Transcriber) -> None:
    reports = handled(tmp_path, demo_samples()[0].path, transcriber)
    assert reports == sorted(reports)
    assert {Step.RECOGNISING, Step.FINDING_SPEAKERS} <= {step for step, _ in reports}
