"""Sound tracks as radio recorders, advertisement servers, cameras and telephones make them are decoded to their end.

Times are those of the recording as it is played, and no second is left out: it is decoded, silence stands in its place,
or the file has an error code.
"""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av
import av.error
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from hypothesis import given
from hypothesis import strategies as st

from ingest.shared.errors import Code, IngestError
from ingest.shared.formats import SUFFIXES_OF
from ingest.shared.sandbox.decode import SAMPLE_RATE, AudioInfo, DecodeLimits, decode
from ingest.shared.sandbox.phase import energies, opposite_channel
from tests.integration.bad_inputs.recordings import encoded, silence, tone, truncated, written

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from av.audio.stream import AudioStream

    from tests.integration.bad_inputs.recordings import Samples

FIRST_S, SECOND_S = 4.0, 6.0
WHOLE_S = FIRST_S + SECOND_S
CODER_S = 0.3  # a coder adds up to this much silence at the ends
LOUD = 0.05
HIGH, LOW = (44_100, 2), (22_050, 1)
CODECS = (
    ("pcm_s16le", 16_000),
    ("pcm_s16be", 16_000),
    ("libmp3lame", 44_100),
    ("aac", 44_100),
    ("ac3", 48_000),
    ("eac3", 48_000),
    ("flac", 44_100),
    ("libopus", 48_000),
    ("libopencore_amrnb", 8_000),
    ("tta", 44_100),
    ("wavpack", 44_100),
)
COMPRESSED = ("flv", "mpegts")  # FFmpeg writes raw samples into them, but not so that they can be read
NOT_WRITTEN = {"ape", "dsf", "dss", "dts", "dv", "mpc", "mpc8", "mxf", "oma", "qcp", "tak"}  # by FFmpeg, or from a tone
REFUSED_TWICE = {"wv"}
MUXERS = {"aac": "adts", "loas": "latm"}  # where a muxer has another name than its demuxer
NO_FILES = (
    "alsa",
    "dash",
    "fbdev",
    "fifo",
    "hds",
    "hls",
    "image2",
    "null",
    "oss",
    "rtp",
    "rtsp",
    "sap",
    "segment",
    "tee",
    "whip",
)


def read(path: Path, limits: DecodeLimits | None = None) -> tuple[Samples, AudioInfo]:
    """Decode a file in this process."""
    blocks: list[Samples] = []
    found = decode(path, limits or DecodeLimits(), blocks.append)
    return np.concatenate([np.zeros(0, np.float32), *blocks]), found


def loudness(waveform: Samples, start_s: float, end_s: float) -> float:
    return float(np.abs(waveform[int(start_s * SAMPLE_RATE) : int(end_s * SAMPLE_RATE)]).mean())


# -- the format changes on the way ------------------------------------------------------------------------------------


def plain(data: bytes) -> bytes:
    return data


def without_head(data: bytes) -> bytes:
    """Return the frames of an mp3 without its tag and the frame with its length."""
    start = max(data.find(b"Xing"), data.find(b"Info"))
    return data[min(at for sync in (b"\xff\xfb", b"\xff\xf3") if (at := data.find(sync, start)) > 0) :]


def with_cover(data: bytes) -> bytes:
    """Return the frames of an mp3 behind a tag with a picture."""
    picture = b"APIC\x00\x00\x7d\x00\x00\x00" + np.random.default_rng(0).bytes(0x7D00)
    size = len(picture)
    return b"ID3\x03\x00\x00" + bytes([0, size >> 14, (size >> 7) & 127, size & 127]) + picture + without_head(data)


JOINED = [
    pytest.param("a.mp3", "libmp3lame", HIGH, LOW, plain, id="mp3 with heads"),
    pytest.param("a.mp3", "libmp3lame", LOW, HIGH, plain, id="mp3 with heads, low first"),
    pytest.param("a.mp3", "libmp3lame", HIGH, LOW, without_head, id="mp3 without heads"),
    pytest.param("a.mp3", "libmp3lame", (8_000, 1), (48_000, 2), without_head, id="mp3 without heads, telephone first"),
    pytest.param("a.mp3", "libmp3lame", HIGH, (44_100, 1), with_cover, id="mp3 with covers"),
    pytest.param("a.aac", "aac", HIGH, LOW, plain, id="aac"),
    pytest.param("a.aac", "aac", (8_000, 1), (48_000, 2), plain, id="aac, telephone first"),
    pytest.param("a.ac3", "ac3", (48_000, 2), (32_000, 1), plain, id="ac3"),
    pytest.param("a.flac", "flac", HIGH, LOW, plain, id="flac"),
    pytest.param("a.flac", "flac", (8_000, 1), (48_000, 2), plain, id="flac, telephone first"),
    pytest.param("a.oga", "flac", HIGH, LOW, plain, id="ogg"),
    pytest.param("a.oga", "flac", (8_000, 1), (48_000, 2), plain, id="ogg, telephone first"),
    pytest.param("a.opus", "libopus", (48_000, 1), (48_000, 2), plain, id="opus"),
    pytest.param("a.ts", "aac", HIGH, LOW, plain, id="transport stream"),
]


@pytest.mark.parametrize(("name", "codec", "first", "second", "change"), JOINED)
def test_a_recording_whose_format_changes_is_decoded_to_its_end(
    tmp_path: Path,
    name: str,
    codec: str,
    first: tuple[int, int],
    second: tuple[int, int],
    change: Callable[[bytes], bytes],
) -> None:
    parts = [
        change(encoded(tmp_path / f"{part}-{name}", codec, tone(seconds, *form), rate=form[0]).read_bytes())
        for part, (seconds, form) in enumerate([(FIRST_S, first), (SECOND_S, second)])
    ]
    waveform, found = read(written(tmp_path / name, b"".join(parts)))
    assert found.duration_s == pytest.approx(WHOLE_S, abs=CODER_S)
    assert found.missing_s < CODER_S
    assert all(loudness(waveform, at, at + 0.5) > LOUD for at in np.arange(0.5, WHOLE_S - 1.0, 0.5))


@pytest.mark.parametrize("second", ["flac", "libopus"])
def test_a_chained_stream_of_another_codec_is_decoded_to_its_end(tmp_path: Path, second: str) -> None:
    codecs = [("libopus" if second == "flac" else "flac", FIRST_S), (second, SECOND_S)]
    parts = [encoded(tmp_path / f"{codec}.ogg", codec, tone(seconds)).read_bytes() for codec, seconds in codecs]
    waveform, found = read(written(tmp_path / "a.ogg", b"".join(parts)))
    assert found.duration_s == pytest.approx(WHOLE_S, abs=CODER_S)
    assert loudness(waveform, WHOLE_S - 2, WHOLE_S - 1) > LOUD


def test_a_file_of_countless_beginnings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="more than 10000 recordings") as caught:
        read(written(tmp_path / "a.ogg", b"OggS\x00\x02" * 10_001))
    assert caught.value.code is Code.AUDIO_SUSPICIOUS


def test_sound_that_cannot_be_decoded_is_an_error_and_not_a_shorter_recording(tmp_path: Path) -> None:
    parts = [encoded(tmp_path / f"{codec}.ts", codec, tone(5.0)).read_bytes() for codec in ("aac", "mp2")]
    with pytest.raises(IngestError, match="s missing") as caught:
        read(written(tmp_path / "a.ts", b"".join(parts)))
    assert caught.value.code is Code.AUDIO_CORRUPT


def test_noise_between_two_parts_of_an_mp3_is_an_error(tmp_path: Path) -> None:
    part = without_head(encoded(tmp_path / "a.mp3", "libmp3lame", tone(WHOLE_S)).read_bytes())
    noise = np.random.default_rng(0).bytes(len(part))
    with pytest.raises(IngestError, match="s missing"):
        read(written(tmp_path / "b.mp3", part + noise + part))


# -- lengths that others announce -------------------------------------------------------------------------------------


def test_a_film_whose_sound_ends_before_its_pictures_is_complete(tmp_path: Path) -> None:
    _, found = read(film(tmp_path / "a.mkv", sound_at_s=0.0, pictures_s=WHOLE_S + 20))
    assert found.duration_s == pytest.approx(WHOLE_S, abs=CODER_S)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.ts"])
@pytest.mark.parametrize("sound_at_s", [0.0, 1.5, 10.0])
def test_a_sound_that_begins_after_the_pictures_has_the_times_of_the_film(
    tmp_path: Path, name: str, sound_at_s: float
) -> None:
    waveform, found = read(film(tmp_path / name, sound_at_s, sound_at_s + WHOLE_S))
    assert found.duration_s == pytest.approx(sound_at_s + WHOLE_S, abs=CODER_S)
    begins_s = float(np.argmax(np.abs(waveform) > LOUD)) / SAMPLE_RATE
    assert begins_s == pytest.approx(sound_at_s, abs=0.1)
    assert found.starts_at_s == pytest.approx(sound_at_s, abs=0.1)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "options"),
    [
        ("a.m4a", "aac", 44_100, {}),
        ("a.mp4", "flac", 44_100, {}),
        ("a.webm", "libopus", 48_000, {}),
        ("a.webm", "libopus", 48_000, {"live": "1"}),
        ("a.mka", "aac", 44_100, {}),
    ],
)
@pytest.mark.parametrize("pause_s", [1.0, 3.0, 60.0])
def test_a_pause_of_the_recorder_is_silence_and_the_times_behind_it_stay(
    tmp_path: Path, name: str, codec: str, rate: int, options: dict[str, str], pause_s: float
) -> None:
    waveform, found = read(paused(tmp_path / name, codec, rate, pause_s, options))
    assert found.duration_s == pytest.approx(WHOLE_S + pause_s, abs=CODER_S)
    assert found.missing_s == pytest.approx(pause_s, abs=CODER_S)
    assert loudness(waveform, FIRST_S + 0.3, FIRST_S + pause_s - 0.3) < 0.01
    assert loudness(waveform, FIRST_S + pause_s + 0.3, WHOLE_S + pause_s - 0.5) > LOUD


def paused(path: Path, codec: str, rate: int, pause_s: float, options: dict[str, str]) -> Path:
    """Write a recording in which nothing was sent for some seconds."""
    with av.open(str(path), "w", options=options) as out:
        sound = cast("AudioStream", out.add_stream(codec, rate=rate, layout="mono"))
        size = sound.codec_context.frame_size or 1024
        samples = tone(WHOLE_S, rate)
        for start in range(0, samples.shape[1] - size, size):
            frame = AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[:, start : start + size]), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = start + (int(pause_s * rate) if start > FIRST_S * rate else 0)
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    return path


def film(path: Path, sound_at_s: float, pictures_s: float) -> Path:
    """Write a film; its packets are in the order of their times."""
    rate, packets = 44_100, []
    with av.open(str(path), "w") as out:
        pictures = out.add_stream("mpeg2video" if path.suffix == ".ts" else "mpeg4", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 64, "yuv420p"
        sound = out.add_stream("aac", rate=rate, layout="mono")
        for number in range(int(25 * pictures_s)):
            picture = VideoFrame(64, 64, "yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            packets += pictures.encode(picture)
        packets += pictures.encode(None)
        samples = tone(WHOLE_S, rate)
        for start in range(0, samples.shape[1] - 1024, 1024):
            block = np.ascontiguousarray(samples[:, start : start + 1024])
            frame = AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = start + int(sound_at_s * rate)
            packets += sound.encode(frame)
        packets += sound.encode(None)
        for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * (packet.time_base or 0)):
            out.mux(packet)
    return path


def test_silence_that_takes_few_bytes_is_no_bomb(tmp_path: Path) -> None:
    samples = np.hstack([tone(2.0, 16_000), silence(900.0, 16_000)])
    path = encoded(tmp_path / "a.flac", "flac", samples, rate=16_000)
    assert path.stat().st_size / 902 < 500  # bytes a second
    assert read(path)[1].duration_s == pytest.approx(902.0, abs=CODER_S)


@pytest.mark.parametrize(("longest_s", "said"), [(2.0, "more than 2 s"), (359.0, None)])
def test_a_recording_that_is_too_long_is_refused_with_the_limit_and_its_setting(
    tmp_path: Path, longest_s: float, said: str | None
) -> None:
    path = encoded(tmp_path / "a.wav", "pcm_s16le", tone(FIRST_S, 16_000), rate=16_000)
    if said is None:
        assert read(path, DecodeLimits(max_duration_s=longest_s))[1].duration_s == pytest.approx(FIRST_S)
        return
    with pytest.raises(IngestError, match=f"{said} of audio, which is the limit INGEST_MAX_AUDIO_S") as caught:
        read(path, DecodeLimits(max_duration_s=longest_s))
    assert caught.value.code is Code.DECODED_LIMIT


@pytest.mark.parametrize(
    ("name", "codec"), [("a.m4a", "aac"), ("a.webm", "libopus"), ("a.mp3", "libmp3lame"), ("a.flac", "flac")]
)
def test_half_a_file_is_not_complete(tmp_path: Path, name: str, codec: str) -> None:
    with pytest.raises(IngestError) as caught:
        read(truncated(encoded(tmp_path / name, codec, tone(WHOLE_S))))
    assert caught.value.code in (Code.AUDIO_CORRUPT, Code.AUDIO_TRUNCATED)


# -- channels of opposite sign ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "codec"), [("a.flac", "flac"), ("a.mp3", "libmp3lame"), ("a.wav", "pcm_s16le"), ("a.wav", "pcm_u8")]
)
@pytest.mark.parametrize("sign", [pytest.param(-1.0, id="opposite"), pytest.param(-0.97, id="almost opposite")])
def test_of_channels_of_opposite_sign_one_is_heard(tmp_path: Path, name: str, codec: str, sign: float) -> None:
    voice = tone(SECOND_S)
    path = encoded(tmp_path / name, codec, np.vstack([voice, sign * voice]))
    waveform, found = read(path)
    assert loudness(waveform, 0.5, SECOND_S - 0.5) > LOUD
    assert found.one_channel_s == pytest.approx(SECOND_S, abs=CODER_S)
    assert found.duration_s == pytest.approx(SECOND_S, abs=CODER_S)
    assert np.array_equal(waveform, read(path)[0])


def test_channels_that_become_opposite_on_the_way_are_heard_throughout(tmp_path: Path) -> None:
    voice = tone(FIRST_S)
    samples = np.hstack([np.vstack([voice, voice]), np.vstack([voice, -voice]), np.vstack([voice, voice])])
    waveform, found = read(encoded(tmp_path / "a.flac", "flac", samples))
    assert all(loudness(waveform, at, at + 0.5) > LOUD for at in np.arange(0.5, 3 * FIRST_S - 1.0, 0.5))
    assert found.one_channel_s == pytest.approx(FIRST_S, abs=1.5)


@given(st.floats(-1.0, 1.0), st.floats(0.0, 1.0), st.integers(0, 9))
def test_what_is_used_of_two_channels_is_never_far_below_both(right: float, own: float, seed: int) -> None:
    noise = np.random.default_rng(seed).standard_normal((2, 4_000), dtype=np.float32)
    samples = np.vstack([noise[0], right * noise[0] + own * noise[1]]).astype(np.float32)
    channel = opposite_channel(energies(list(samples)), samples.shape[1], None)
    used = samples.mean(axis=0) if channel is None else samples[channel]
    assert np.square(used).mean() >= 0.099 * np.square(samples).mean(axis=1).min()


# -- every format that the decoder has --------------------------------------------------------------------------------


def muxed(folder: Path, muxer: str) -> Path | None:
    """Write a tone of 3 s with the first codec that fits into a container; None where none does."""
    for codec, rate in CODECS[2 if muxer in COMPRESSED else 0 :]:
        with suppress(av.error.FFmpegError, ValueError):
            return encoded(folder / f"{codec}.bin", codec, tone(3.0, rate), rate=rate, container=muxer)
    return None


@pytest.mark.parametrize("demuxer", sorted(set(SUFFIXES_OF) - NOT_WRITTEN))
def test_every_format_of_the_list_is_decoded(tmp_path: Path, demuxer: str) -> None:
    path = muxed(tmp_path, MUXERS.get(demuxer, demuxer))
    assert path is not None
    waveform, found = read(path)
    assert found.duration_s == pytest.approx(3.0, abs=0.15)
    assert loudness(waveform, 0.5, 2.5) > LOUD


@pytest.mark.parametrize("demuxer", sorted(set(SUFFIXES_OF) - NOT_WRITTEN))
def test_a_file_of_two_recordings_of_any_format_is_decoded_to_its_end_or_refused(tmp_path: Path, demuxer: str) -> None:
    path = muxed(tmp_path, MUXERS.get(demuxer, demuxer))
    assert path is not None
    both = written(tmp_path / "both", 2 * path.read_bytes())
    if demuxer in REFUSED_TWICE:
        with pytest.raises(IngestError, match="cannot be read behind 3"):
            read(both)
    else:
        assert read(both)[1].duration_s == pytest.approx(6.0, abs=0.2)


@pytest.mark.parametrize("part", [HIGH, LOW], ids=["high", "low"])
@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.m4a", "aac"), ("a.aiff", "pcm_s16be")])
def test_many_recordings_of_several_formats_follow_each_other(
    tmp_path: Path, name: str, codec: str, part: tuple[int, int]
) -> None:
    forms = [part, HIGH, LOW] * 4
    parts = {
        form: encoded(tmp_path / f"{form[0]}-{name}", codec, tone(1.0, *form), rate=form[0]).read_bytes()
        for form in (HIGH, LOW)
    }
    waveform, found = read(written(tmp_path / name, b"".join(parts[form] for form in forms)))
    assert found.duration_s == pytest.approx(len(forms), abs=len(forms) * 0.05)
    assert all(loudness(waveform, at, at + 0.5) > LOUD for at in np.arange(0.0, len(forms) - 1.0, 0.5))


@pytest.mark.long
def test_any_file_that_a_muxer_writes_is_decoded_whole_or_refused(tmp_path: Path) -> None:
    """A format that is not in the list is refused with the list, or (raw samples) taken for noise."""
    answers = {}
    for muxer in sorted(writers() - {"asf_stream"}):
        if path := muxed(tmp_path, muxer):
            try:
                answers[muxer] = abs(read(path)[1].duration_s - 3.0) < CODER_S
            except IngestError as error:
                refused = "supported: aac, ac3" in error.message
                answers[muxer] = refused if error.code is Code.NOT_AUDIO else error.code is Code.AUDIO_CORRUPT
    assert len(answers) > len(SUFFIXES_OF) - len(NOT_WRITTEN)
    assert [muxer for muxer, is_right in answers.items() if not is_right] == []


def writers() -> set[str]:
    """Return FFmpeg's muxers that write one file."""
    found = set()
    for name in av.formats_available:
        with suppress(ValueError):
            if not av.ContainerFormat(name, "w").name.startswith(NO_FILES):
                found.add(name)
    return found
