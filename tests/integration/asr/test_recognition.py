"""Recognition with a real model: words, times, shared batches, models, and the handler."""

from __future__ import annotations

import shutil
import threading
import wave
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from faster_whisper import WhisperModel
from structlog.testing import capture_logs

from ingest.asr import audio
from ingest.asr.handler import Transcribe, input_file
from ingest.asr.recognition import canary
from ingest.asr.recognition.build import make_transcriber, recognizer_options
from ingest.asr.recognition.whisper import FRAMES_A_SECOND, WINDOW_S, Memory
from ingest.asr.settings import AsrSettings
from ingest.asr.sound import WholeSound
from ingest.demo import ASR_MODEL, samples
from ingest.demo.accuracy import word_error_rate
from ingest.shared.artifacts import captions, transcript, vocabulary
from ingest.shared.artifacts.captions import Captions, Cue
from ingest.shared.artifacts.transcript import join
from ingest.shared.artifacts.vocabulary import Entry
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.captions import CaptionUse, CaptionWish
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import AudioReady, Source, SourceKind, TranscriptReady
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits
from ingest.shared.settings import load
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ingest.asr.recognition.transcriber import Transcriber, Transcription
    from ingest.shared.worker.stage import StageResult

VIDEO = "abcdefghijk"
LIMITS = ChildLimits(60)
SHORT_S = 6


def settings(**fields: object) -> AsrSettings:
    return load(AsrSettings, asr_model=str(ASR_MODEL), asr_device="cpu", **fields)


@pytest.fixture(scope="module")
def transcriber() -> Iterator[Transcriber]:
    made = make_transcriber(settings(asr_batch=8, asr_cpu_threads=1))  # this small model is slower on two
    yield made
    made.batcher.close()


def transcribe(transcriber: Transcriber, waveform: audio.Waveform) -> Transcription:
    return transcriber.transcribe(WholeSound(waveform, audio.find_speech(waveform)), lambda _seconds: None)


def text_of(transcription: Transcription) -> str:
    return join(transcription.segments)


def test_a_working_model_returns_the_words_of_the_bundled_sentence(transcriber: Transcriber) -> None:
    canary.verify(transcriber.recognizer)


@pytest.fixture(scope="module")
def waveforms(tmp_path_factory: pytest.TempPathFactory) -> list[audio.Waveform]:
    scratch = tmp_path_factory.mktemp("scratch")
    return [audio.load(sample.path, scratch, DecodeLimits(), LIMITS)[0] for sample in samples()]


def test_the_samples_have_a_low_word_error_rate(transcriber: Transcriber, waveforms: list[audio.Waveform]) -> None:
    for sample, waveform in zip(samples(), waveforms, strict=True):
        assert word_error_rate(sample.text, text_of(transcribe(transcriber, waveform))) <= 0.10, sample.file


def test_sentences_begin_at_the_right_times(transcriber: Transcriber, waveforms: list[audio.Waveform]) -> None:
    sample = samples()[0]
    segments = transcribe(transcriber, waveforms[0]).segments
    starts = [segment.start_s for segment in segments]
    near = [min(abs(sentence.start_s - start) for start in starts) for sentence in sample.sentences]
    assert sorted(near)[len(near) // 2] < 0.3
    assert starts == sorted(starts)
    assert all(0 <= word.start_s <= word.end_s <= sample.duration_s for item in segments for word in item.words)


@pytest.mark.long
def test_files_in_flight_together_share_batches_and_come_out_the_same(
    transcriber: Transcriber, waveforms: list[audio.Waveform]
) -> None:
    figures = transcriber.batcher.figures
    first = figures.batches
    alone = [text_of(transcribe(transcriber, waveform)) for waveform in waveforms]
    before = figures.batches
    files = waveforms * 2  # chunks share a batch where their windows have the same length
    together = [""] * len(files)

    def work(index: int) -> None:
        together[index] = text_of(transcribe(transcriber, files[index]))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(files))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone * 2
    assert figures.batches - before < 2 * (before - first)


def test_words_are_aligned_within_the_window_of_the_model(
    transcriber: Transcriber, waveforms: list[audio.Waveform], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames beyond it damage the memory of the process, where another chunk of the batch is shorter."""
    align, asked = WhisperModel.find_alignment, list[int]()

    def find_alignment(
        model: WhisperModel, tokenizer: object, text: object, encoded: object, frames: list[int]
    ) -> object:
        asked.extend(frames)
        return align(model, tokenizer, text, encoded, frames)

    monkeypatch.setattr(WhisperModel, "find_alignment", find_alignment)
    recognizer = transcriber.recognizer
    lengths = (WINDOW_S * SAMPLE_RATE + 1, 27 * SAMPLE_RATE)
    recognizer.run([recognizer.request(waveforms[0][:length], "en") for length in lengths])
    assert asked == [WINDOW_S * FRAMES_A_SECOND, 27 * FRAMES_A_SECOND]


def test_a_chunk_that_is_asked_for_again_is_encoded_once(
    transcriber: Transcriber, waveforms: list[audio.Waveform], monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, sizes = WhisperModel.encode, list[int]()

    def counted(model: WhisperModel, features: np.ndarray) -> object:
        sizes.append(len(features))
        return encode(model, features)

    monkeypatch.setattr(WhisperModel, "encode", counted)
    recognizer = transcriber.recognizer
    plain = [recognizer.request(waveform[: 8 * SAMPLE_RATE], "en") for waveform in waveforms[:3]]
    expected = recognizer.run(plain)
    kept = [plain[0], *(replace(one, memory=Memory()) for one in plain[1:])]
    found = [*recognizer.run(kept[1:2]), *recognizer.run(kept)]
    strong = recognizer.run([replace(one, strong=True) for one in kept[1:]])
    assert sizes == [3, 1, 2]
    assert [one.text for one in found] == [one.text for one in (expected[1], *expected)]
    assert [one.avg_logprob for one in found[1:]] == pytest.approx([one.avg_logprob for one in expected], abs=1e-3)
    assert [one.words for one in found[1:]] == [one.words for one in expected]
    assert all(one.text for one in strong)


def test_a_short_chunk_has_a_short_window_and_the_same_words(
    transcriber: Transcriber, waveforms: list[audio.Waveform]
) -> None:
    spoken = transcriber.recognizer.request(waveforms[0][: 8 * SAMPLE_RATE], "en")
    (short,) = transcriber.recognizer.run([spoken])
    (whole,) = transcriber.recognizer.run([spoken.in_whole_window()])
    assert (spoken.frames, spoken.in_whole_window().frames) == (1500, 3000)
    assert short.text == whole.text
    assert short.text


@pytest.mark.parametrize(
    "seconds", [pytest.param(0, id="nothing"), pytest.param(0.05, id="50 ms"), pytest.param(20, id="silence")]
)
def test_no_speech_is_a_result_of_no_segments(transcriber: Transcriber, seconds: float) -> None:
    silent = np.zeros(int(seconds * SAMPLE_RATE), dtype=np.float32)
    assert transcribe(transcriber, silent).segments == ()


def test_doubtful_chunks_are_decoded_again_and_marked(waveforms: list[audio.Waveform]) -> None:
    every = make_transcriber(settings(asr_refine_model="same", asr_refine_logprob=1.0, asr_beam=1))
    plain = make_transcriber(settings(asr_beam=1))
    try:
        noisy = waveforms[2] + np.random.default_rng(1).standard_normal(len(waveforms[2])).astype(np.float32) * 0.02
        again, once = transcribe(every, noisy), transcribe(plain, noisy)
    finally:
        every.batcher.close()
        plain.batcher.close()
    better = [segment.avg_logprob for segment in again.segments if segment.refined]
    assert (again.refined > 0) == bool(better)
    assert min(better) > min(segment.avg_logprob for segment in once.segments)
    assert once.refined == 0


def test_a_model_that_is_not_there_is_named() -> None:
    with pytest.raises(IngestError, match="no-such-model") as missing:
        make_transcriber(load(AsrSettings, asr_model="no-such-model", asr_device="cpu"))
    assert missing.value.code is Code.ENV_MODEL


def retrained(folder: Path) -> Path:
    """Return a copy of the miniature model that differs in one byte of a weight."""
    shutil.copytree(ASR_MODEL, folder / ASR_MODEL.name)
    weights = folder / ASR_MODEL.name / "model.bin"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    return weights.parent


def test_two_models_whose_files_have_equal_sizes_have_different_keys(transcriber: Transcriber, tmp_path: Path) -> None:
    from ingest.asr.recognition.whisper import Recognizer

    options = recognizer_options(settings(asr_cpu_threads=2), "cpu")
    other = Recognizer(replace(options, model=str(retrained(tmp_path))))
    known = transcriber.recognizer
    assert (known.key.partition("@")[0], known.old_key) == (other.key.partition("@")[0], other.old_key)
    assert known.key != other.key


# -- the handler ------------------------------------------------------------------------------------------------------


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


@pytest.fixture
def handler(transcriber: Transcriber, volume: Volume, tmp_path: Path) -> Transcribe:
    return Transcribe(volume, tmp_path / "scratch", transcriber, DecodeLimits(), LIMITS)


@pytest.fixture
def message(volume: Volume) -> AudioReady:
    sample = samples()[0]
    made = NewArtifact(sample.path, "audio", "ogg", sample.duration_s, "test", 1)
    source = Source(kind=SourceKind.MEDIA, url="http://example.org/a.ogg")
    return AudioReady(video_id=VIDEO, source=source, audio=volume.keep(VIDEO, made))


@pytest.fixture
def short_message(waveforms: list[audio.Waveform], message: AudioReady, volume: Volume, tmp_path: Path) -> AudioReady:
    """The first seconds of the same recording: for tests that recognise it several times."""
    path = tmp_path / "short.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((waveforms[0][: SHORT_S * SAMPLE_RATE] * 32767).astype("<i2").tobytes())
    made = NewArtifact(path, "audio", "wav", SHORT_S, "test", 1)
    return message.model_copy(update={"audio": volume.keep(VIDEO, made)})


def handle(handler: Transcribe, message: AudioReady) -> StageResult:
    return handler(message, lambda _numbers: None)


def test_a_transcript_is_written_once_and_found_again(
    handler: Transcribe, message: AudioReady, volume: Volume, transcriber: Transcriber
) -> None:
    first = handle(handler, message)
    assert isinstance(first.message, TranscriptReady)
    written = transcript.read(volume.verified(first.message.transcript))
    assert written.segments
    assert written.real_time_factor > 0
    assert written.audio_sha256 == message.audio.sha256
    batches = transcriber.batcher.figures.batches
    second = handle(handler, message)
    assert (second.message, second.numbers["fresh"]) == (first.message, 0.0)
    assert transcriber.batcher.figures.batches == batches
    forced = handle(handler, message.model_copy(update={"fresh_from": 2, "generation": 2}))
    assert forced.numbers["fresh"] == 1.0


def test_a_transcript_of_version_0_1_0_is_found_by_its_old_key(
    handler: Transcribe, message: AudioReady, volume: Volume, transcriber: Transcriber, tmp_path: Path
) -> None:
    (tmp_path / "old").write_bytes(b"a transcript")
    old_origin = f"{message.audio.sha256}:{transcriber.recognizer.old_key}"
    old = volume.keep(VIDEO, NewArtifact(tmp_path / "old", "transcript", transcript.EXTENSION, 1.0, old_origin, 1))
    with capture_logs() as logs:
        done = handle(handler, message)
    assert isinstance(done.message, TranscriptReady)
    assert (done.message.transcript, done.numbers["fresh"]) == (old, 0.0)
    assert [line["event"] for line in logs] == ["transcript_with_old_key"]


def test_a_transcript_of_another_model_is_not_found(
    handler: Transcribe, short_message: AudioReady, volume: Volume, tmp_path: Path
) -> None:
    (tmp_path / "old").write_bytes(b"a transcript")
    origin = f"{short_message.audio.sha256}:mini-whisper@00000000/int8/beam5"
    volume.keep(VIDEO, NewArtifact(tmp_path / "old", "transcript", transcript.EXTENSION, 1.0, origin, 1))
    assert handle(handler, short_message).numbers["fresh"] == 1.0


def captioned(volume: Volume, folder: Path, text: str, *, is_automatic: bool = False) -> None:
    """Keep captions of the recording on the volume: each word takes half a second."""
    cues = tuple(Cue(start_s=n / 2, end_s=n / 2 + 0.5, text=word) for n, word in enumerate(text.split()))
    kind: Literal["manual", "automatic"] = "automatic" if is_automatic else "manual"
    found = Captions(video_id=VIDEO, kind=kind, origin="feed", language="en", sha256="0" * 64, cues=cues)
    captions.write(found, folder / "captions")
    volume.keep(VIDEO, NewArtifact(folder / "captions", "captions", captions.EXTENSION, 1.0, found.key, 1))


def wishing(message: AudioReady, use: CaptionUse) -> AudioReady:
    return message.model_copy(update={"captions": CaptionWish(use=use)})


def test_captions_are_compared_with_a_new_transcript_and_with_one_that_is_there(
    handler: Transcribe, message: AudioReady, volume: Volume, tmp_path: Path
) -> None:
    assert handle(handler, message).numbers["captions_compared"] == 0
    captioned(volume, tmp_path, f"hello {samples()[0].text}")
    found = handle(handler, wishing(message, CaptionUse.COMPARE))
    again = handle(handler, wishing(message.model_copy(update={"fresh_from": 2, "generation": 2}), CaptionUse.COMPARE))
    assert (found.numbers["fresh"], again.numbers["fresh"]) == (0, 1)
    for numbers in (found.numbers, again.numbers):
        assert (numbers["captions_compared"], numbers["captions_taken"]) == (1, 0)
        assert 0 < numbers["captions_disagreement"] < 0.2


@pytest.mark.parametrize(
    ("use", "kind", "words"),
    [
        pytest.param(CaptionUse.PREFER, "manual", "captions", id="a person has written them"),
        pytest.param(CaptionUse.PREFER, "automatic", "recognised", id="a program has made them"),
        pytest.param(CaptionUse.COMPARE, "manual", "recognised", id="they are to be compared"),
    ],
)
def test_words_of_captions_are_preferred_where_a_person_has_written_them(
    handler: Transcribe, message: AudioReady, tmp_path: Path, use: CaptionUse, kind: str, words: str
) -> None:
    captioned(handler.volume, tmp_path, "The words of a person.", is_automatic=kind == "automatic")
    batches = handler.transcriber.batcher.figures.batches
    done = handle(handler, wishing(message, use))
    assert isinstance(done.message, TranscriptReady)
    is_taken = words == "captions"
    assert (handler.transcriber.batcher.figures.batches == batches) is is_taken
    assert done.numbers["captions_taken"] == float(is_taken)
    written = transcript.read(handler.volume.verified(done.message.transcript))
    assert (written.text == "The words of a person.") is is_taken
    assert written.model_key.startswith("captions:feed:manual:") is is_taken
    assert written.audio_sha256 == message.audio.sha256
    assert handle(handler, wishing(message, use)).numbers["fresh"] == 0


def test_a_damaged_file_asks_for_another_download(handler: Transcribe, message: AudioReady, volume: Volume) -> None:
    path = on_disk(volume).resolve(message.audio.path)
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(IngestError) as damaged:
        handle(handler, message)
    assert damaged.value.code is Code.CHECKSUM_MISMATCH
    input_file(volume).discard(VIDEO)
    assert volume.manifest(VIDEO, "audio") is None
    with pytest.raises(IngestError) as missing:
        handle(handler, message)
    assert missing.value.code is Code.ARTIFACT_MISSING


def test_nothing_is_left_in_the_scratch_folder(handler: Transcribe, short_message: AudioReady, tmp_path: Path) -> None:
    handle(handler, short_message)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_vocabulary_of_a_recording_is_part_of_what_its_transcript_is_made_from(
    handler: Transcribe, short_message: AudioReady, volume: Volume
) -> None:
    handle(handler, short_message)
    alone = volume.manifest(VIDEO, "transcript")
    assert alone is not None
    for entries, fresh in (
        ((Entry(text="Sailors", source="http://other.example/"),), 0.0),
        ((Entry(text="Sailors", channel="Harbor Talks"),), 0.0),
        ((Entry(text="Zanzibar", source="http://example.org/"),), 1.0),
        ((Entry(text="Zanzibar"),), 0.0),
        ((Entry(text="Zanzibar"), Entry(text="Sailors")), 1.0),
        ((), 1.0),
    ):
        vocabulary.write(volume.home, lambda entries=entries: entries)  # type: ignore[misc] # mypy infers no default
        assert handle(handler, short_message).numbers["fresh"] == fresh, entries
    written = volume.manifest(VIDEO, "transcript")
    assert written is not None
    assert written.origin == alone.origin
    assert "words@" not in transcript.read(volume.verified(written.artifact)).model_key


def test_a_damaged_vocabulary_costs_no_recording(
    handler: Transcribe, short_message: AudioReady, volume: Volume
) -> None:
    volume.home.put(vocabulary.FILE, b'{"entries": 7}', None)
    with capture_logs() as logs:
        done = handle(handler, short_message)
    assert isinstance(done.message, TranscriptReady)
    assert [line["event"] for line in logs] == ["vocabulary_unreadable"]
