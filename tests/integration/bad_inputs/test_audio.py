"""Rows 32 to 49 of the bad inputs: what is wrong with a file, as decoding it for real shows (in a child process)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ingest.asr import audio
from ingest.shared.errors import Code, IngestError, Outcome
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import SAMPLE_RATE, AudioInfo, DecodeLimits
from tests.integration.bad_inputs.recordings import (
    RATE,
    damaged,
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
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.bad_inputs.recordings import Samples

    Make = Callable[[Path], Path]

P, T = Outcome.PERMANENT, Outcome.TRANSIENT
LIMITS = DecodeLimits(max_duration_s=900.0)
NOISE = np.random.default_rng(0).bytes(100_000)
LONG_S = 40.0
HOUR_S = 3600.0
HLS = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
FFCONCAT = b"ffconcat version 1.0\nfile /etc/passwd\n"
DASH = b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>'
SDP = b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 96\n"


def load(path: Path, folder: Path, limits: DecodeLimits = LIMITS) -> tuple[audio.Waveform, AudioInfo]:
    return audio.load(path, folder / "scratch", limits, ChildLimits(60.0))


def with_odd_bits(path: Path) -> Path:
    """Write a wav whose head says 65,407 bits for each sample: FFmpeg has no decoder for such a track."""
    data = bytearray(pcm(path, bytes(4800)).read_bytes())
    data[34:36] = b"\x7f\xff"
    return written(path, bytes(data))


def of_unknown_codec(path: Path, *tracks: Samples) -> Path:
    """Write tracks of which the first is in a codec that FFmpeg has no decoder for."""
    data = encoded(path, "libopus", *tracks).read_bytes()
    return written(path, data.replace(b"A_OPUS", b"A_ZZZZ", 1))


def spoiled(at: int, value: float) -> Samples:
    """Return a tone with one sample that is no number."""
    samples = tone(3.0)
    samples[0, at] = value
    return samples


def holding(data: bytes, name: str = "a.m4a") -> Make:
    """Return what writes a file of these bytes."""
    return lambda folder: written(folder / name, data)


def long(name: str, codec: str, spoil: Callable[[Path], Path]) -> Make:
    """Return what writes a recording of 40 s and spoils it."""
    return lambda folder: spoil(encoded(folder / name, codec, tone(LONG_S)))


def quiet_first() -> Samples:
    """Return a recording whose beginning takes few bits: a length estimated from it is far too high."""
    hiss = 0.3 * np.random.default_rng(0).standard_normal((1, int(20 * RATE)), dtype=np.float32)
    return np.hstack([silence(20.0), hiss])


def lengthless_mp3(path: Path) -> Path:
    """Write an mp3 of varying bit rate without the header that would say its length."""
    data = encoded(path, "libmp3lame", quiet_first(), global_quality="236", flags="+qscale").read_bytes()
    return written(path, data[data.index(b"\xff\xfb", data.index(b"Xing")) :])


BAD_FILES = [
    pytest.param(holding(b""), Code.AUDIO_EMPTY_FILE, T, "empty", id="32 zero bytes"),
    pytest.param(holding(b"<!DOCTYPE html><html>no</html>"), Code.NOT_AUDIO, T, "text/html", id="33 html"),
    pytest.param(holding(b"\xef\xbb\xbf \n<html>no</html>"), Code.NOT_AUDIO, T, "text/html", id="33 html after a mark"),
    pytest.param(holding(b'{"error": "gone"}'), Code.NOT_AUDIO, T, "application/json", id="33 json"),
    pytest.param(holding(b"<?xml version='1.0'?><Error/>"), Code.NOT_AUDIO, T, "text/xml", id="33 xml"),
    pytest.param(holding(NOISE), Code.NOT_AUDIO, T, "not a supported audio format", id="34 random bytes"),
    pytest.param(holding(bytes(100_000)), Code.NOT_AUDIO, T, "not a supported audio format", id="34 zeros"),
    pytest.param(holding(b"x"), Code.NOT_AUDIO, T, "not a supported audio format", id="34 one byte"),
    pytest.param(long("a.m4a", "aac", truncated), Code.AUDIO_CORRUPT, T, "moov missing", id="35 half an m4a"),
    pytest.param(long("a.webm", "libopus", truncated), Code.AUDIO_TRUNCATED, T, "decoded 20", id="36 half a webm"),
    pytest.param(long("a.mp3", "libmp3lame", truncated), Code.AUDIO_TRUNCATED, T, "decoded 20", id="36 half an mp3"),
    pytest.param(long("a.flac", "flac", truncated), Code.AUDIO_CORRUPT, T, "s missing", id="36 half a flac"),
    pytest.param(long("a.webm", "libopus", damaged), Code.AUDIO_CORRUPT, T, "s missing", id="37 damaged webm"),
    pytest.param(long("a.mp3", "libmp3lame", damaged), Code.AUDIO_CORRUPT, T, "s missing", id="37 damaged mp3"),
    pytest.param(long("a.m4a", "aac", damaged), Code.AUDIO_CORRUPT, T, "s missing", id="37 damaged m4a"),
    pytest.param(long("a.ogg", "libopus", damaged), Code.AUDIO_CORRUPT, T, "s missing", id="37 damaged ogg"),
    pytest.param(long("a.flac", "flac", damaged), Code.AUDIO_CORRUPT, T, "s missing", id="37 damaged flac"),
    pytest.param(long("a.webm", "libopus", holed), Code.AUDIO_CORRUPT, T, "s missing", id="37 hole in a webm"),
    pytest.param(long("a.mp3", "libmp3lame", holed), Code.AUDIO_CORRUPT, T, "4.0 s missing", id="37 hole in an mp3"),
    pytest.param(long("a.ogg", "libopus", holed), Code.AUDIO_CORRUPT, T, "s missing", id="37 hole in an ogg"),
    pytest.param(holding(b"\x1aE\xdf\xa3" + NOISE), Code.AUDIO_CORRUPT, T, "damaged", id="37 only the start of a webm"),
    pytest.param(
        lambda to: with_odd_bits(to / "a.wav"), Code.NOT_AUDIO, T, "no decoder", id="37 damaged head of a wav"
    ),
    pytest.param(
        lambda to: of_unknown_codec(to / "a.mka", tone()), Code.NOT_AUDIO, T, "no decoder", id="34 unknown codec"
    ),
    pytest.param(lambda to: pictures_only(to / "a.mp4"), Code.NO_AUDIO_STREAM, P, "no audio", id="38 silent film"),
    pytest.param(
        lambda to: encoded(to / "a.wav", "pcm_s16le", silence(LIMITS.max_duration_s + 5, 8000), rate=8000),
        Code.DECODED_LIMIT,
        P,
        "more than 0.2 h",
        id="43 longer than allowed",
    ),
    pytest.param(
        lambda to: pcm(to / "a.wav", bytes(600), rate=1, width=1),
        Code.AUDIO_SUSPICIOUS,
        P,
        "sample rate 1 Hz",
        id="44 bomb of 644 bytes",
    ),
    pytest.param(
        lambda to: pcm(to / "a.wav", bytes(600), rate=4_000_000),
        Code.AUDIO_SUSPICIOUS,
        P,
        "sample rate 4000000 Hz",
        id="44 sample rate of a radio",
    ),
    pytest.param(holding(HLS), Code.NOT_AUDIO, P, "playlist not allowed", id="45 hls"),
    pytest.param(holding(FFCONCAT), Code.NOT_AUDIO, P, "playlist not allowed", id="45 ffconcat"),
    pytest.param(holding(DASH), Code.NOT_AUDIO, P, "playlist not allowed", id="45 dash"),
    pytest.param(holding(SDP), Code.NOT_AUDIO, P, "playlist not allowed", id="45 session description"),
    pytest.param(lambda to: to / "a.m4a", Code.ARTIFACT_MISSING, T, "No such file", id="46 missing file"),
    pytest.param(lambda to: to, Code.ARTIFACT_MISSING, T, "Is a directory", id="46 directory"),
    pytest.param(
        lambda to: encoded(to / "a.wav", "pcm_f32le", spoiled(RATE, np.nan)),
        Code.AUDIO_NONFINITE,
        P,
        "NaN",
        id="48 nan",
    ),
    pytest.param(
        lambda to: encoded(to / "a.wav", "pcm_f32le", spoiled(-1, np.inf)),
        Code.AUDIO_NONFINITE,
        P,
        "infinite",
        id="48 infinite, at the end",
    ),
]


@pytest.mark.parametrize(("make", "code", "outcome", "words"), BAD_FILES)
def test_what_is_wrong_with_a_file_is_told_by_its_code(
    tmp_path: Path, make: Make, code: Code, outcome: Outcome, words: str
) -> None:
    with pytest.raises(IngestError) as caught:
        load(make(tmp_path), tmp_path)
    assert (caught.value.code, P if caught.value.is_final else caught.value.rule.outcome) == (code, outcome)
    assert words in caught.value.message
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.long
@pytest.mark.parametrize("longest_s", [pytest.param(900.0, id="44 an hour of silence in 0.7 MB")])
def test_a_small_file_that_unpacks_to_hours_is_stopped_at_the_longest_length(tmp_path: Path, longest_s: float) -> None:
    bomb = encoded(tmp_path / "bomb.flac", "flac", silence(HOUR_S, 8000), rate=8000)
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(IngestError, match="INGEST_MAX_AUDIO_S") as caught:
        load(bomb, tmp_path, DecodeLimits(max_duration_s=longest_s))
    assert (caught.value.code, caught.value.rule.outcome) == (Code.DECODED_LIMIT, P)
    assert load(bomb, tmp_path, DecodeLimits())[1].duration_s == pytest.approx(HOUR_S)


@pytest.mark.parametrize(
    ("make", "duration_s"),
    [
        pytest.param(lambda to: pcm(to / "a.wav", b""), 0.0, id="39 header only"),
        pytest.param(lambda to: pcm(to / "a.wav", bytes(2)), 0.0, id="39 one sample"),
        pytest.param(lambda to: pcm(to / "a.wav", bytes(4800)), 0.05, id="39 50 ms"),
        pytest.param(lambda to: encoded(to / "a.wav", "pcm_s16le", tone(3.0, channels=6)), 3.0, id="41 6 channels"),
        pytest.param(lambda to: encoded(to / "a.m4a", "aac", tone(3.0, channels=6)), 3.0, id="41 6 channels, aac"),
        pytest.param(lambda to: encoded(to / "a.wav", "pcm_s16le", tone(3.0, 8000), rate=8000), 3.0, id="41 8 kHz"),
        pytest.param(lambda to: encoded(to / "a.flac", "flac", tone(3.0, 96_000), rate=96_000), 3.0, id="41 96 kHz"),
        pytest.param(lambda to: encoded(to / "a.mka", "libopus", tone(5.0), tone(9.0)), 5.0, id="42 two tracks"),
        pytest.param(lambda to: encoded(to / "a.m4a", "aac", tone(9.0), tone(5.0)), 9.0, id="42 two tracks, mp4"),
        pytest.param(
            lambda to: of_unknown_codec(to / "a.mka", tone(5.0), tone(9.0)), 9.0, id="42 first track has no decoder"
        ),
        pytest.param(lambda to: encoded(to / "a.aac", "aac", quiet_first()), 40.0, id="36 aac that says no length"),
        pytest.param(lambda to: lengthless_mp3(to / "a.mp3"), 40.0, id="36 mp3 that says no length"),
    ],
)
def test_an_unusual_recording_is_decoded_whole(tmp_path: Path, make: Make, duration_s: float) -> None:
    waveform, decoded = load(make(tmp_path), tmp_path)
    assert decoded.duration_s == pytest.approx(duration_s, abs=0.1)
    assert len(waveform) == round(decoded.duration_s * SAMPLE_RATE)
    assert np.isfinite(waveform).all()
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("encoding", ["cp1251", "shift_jis", "utf-16-le"])
@pytest.mark.parametrize(
    ("name", "codec"), [("a.wav", "pcm_s16le"), ("a.mka", "libopus"), ("a.mp3", "libmp3lame"), ("a.flac", "flac")]
)
def test_tags_that_are_not_utf_8_are_no_reason_to_refuse_a_recording(
    tmp_path: Path, name: str, codec: str, encoding: str
) -> None:
    path = encoded(tmp_path / name, codec, tone(3.0), title="TITLE!", languages=["eng"])
    foreign = "\u0428\u0429\u042f".encode(encoding).ljust(6)
    data = path.read_bytes()
    assert data.count(b"TITLE!") == 1
    path.write_bytes(data.replace(b"TITLE!", foreign).replace(b"eng", b"\xf8\xf8\xf8"))
    _, decoded = load(path, tmp_path)
    assert decoded.duration_s == pytest.approx(3.0, abs=0.1)
    assert (decoded.language or "").isprintable()


@pytest.mark.parametrize("name", [pytest.param("a.mka", id="42 mka"), pytest.param("a.m4a", id="42 m4a")])
def test_of_two_tracks_the_first_is_used_and_both_are_counted(tmp_path: Path, name: str) -> None:
    codec = "aac" if name.endswith("m4a") else "libopus"
    waveform, decoded = load(encoded(tmp_path / name, codec, 0.1 * tone(5.0), tone(9.0)), tmp_path)
    assert (decoded.tracks, decoded.track) == (2, 0)
    assert 0 < np.abs(waveform).max() < 0.1


@pytest.mark.parametrize(
    "channel", [pytest.param(0, id="41 front left"), pytest.param(2, id="41 centre"), pytest.param(4, id="41 back")]
)
def test_what_is_said_in_one_of_six_channels_is_heard(tmp_path: Path, channel: int) -> None:
    samples = np.zeros((6, 3 * RATE), dtype=np.float32)
    samples[channel] = tone(3.0)[0]
    waveform, decoded = load(encoded(tmp_path / "a.flac", "flac", samples), tmp_path)
    assert decoded.channels == 6
    assert np.abs(waveform).max() > 0.03


@pytest.mark.long
@pytest.mark.parametrize("duration_s", [pytest.param(HOUR_S, id="43 an hour is mapped, not held")])
def test_a_long_recording_takes_page_cache_and_no_memory(tmp_path: Path, duration_s: float) -> None:
    path = encoded(tmp_path / "a.wav", "pcm_u8", silence(duration_s, 8000), rate=8000)
    limits = ChildLimits(60.0, memory_bytes=1 << 30)  # the decoded hour alone is 230 MB
    waveform, decoded = audio.load(path, tmp_path / "scratch", DecodeLimits(), limits)
    assert isinstance(waveform, np.memmap)
    assert decoded.duration_s == pytest.approx(duration_s, abs=0.1)


def test_a_link_in_the_place_of_the_scratch_folder_is_not_followed(tmp_path: Path) -> None:
    path = encoded(tmp_path / "a.webm", "libopus")
    (tmp_path / "outside").mkdir()
    (tmp_path / "scratch").symlink_to(tmp_path / "outside")
    with pytest.raises(IngestError) as caught:
        load(path, tmp_path)
    assert (caught.value.code, caught.value.rule.outcome) == (Code.ENV_VOLUME, Outcome.POSTPONED)
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("row", [pytest.param("full", id="31 no room for the decoded audio")])
def test_a_full_scratch_disk_is_not_the_recording_s_fault(tmp_path: Path, small_disk: Path, row: str) -> None:
    path = encoded(tmp_path / f"{row}.webm", "libopus")
    with pytest.raises(IngestError) as caught:
        load(path, small_disk)
    assert (caught.value.code, caught.value.rule.outcome) == (Code.ENV_DISK_FULL, Outcome.POSTPONED)
    assert list((small_disk / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    "data", [pytest.param(HLS, id="45 hls"), pytest.param(FFCONCAT, id="45 ffconcat"), pytest.param(DASH, id="45 dash")]
)
@pytest.mark.parametrize("room", [0, 64])
def test_a_playlist_in_disguise_opens_no_other_file(tmp_path: Path, data: bytes, room: int) -> None:
    """It is refused wherever it stands; and even one that is not recognised as text opens nothing."""
    secret = encoded(tmp_path / "secret.wav", "pcm_s16le")
    named = data.replace(b"file:///etc/passwd", str(secret).encode()).replace(b"/etc/passwd", str(secret).encode())
    with pytest.raises(IngestError) as caught:
        load(written(tmp_path / "a.m4a", b"\x00" * room + named), tmp_path)
    assert caught.value.code is Code.NOT_AUDIO
