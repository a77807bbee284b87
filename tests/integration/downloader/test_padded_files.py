"""Files that recorders, cutters and servers have filled up, or whose head counts more than there is, are read whole.

What the head of a file announces is only compared: the packets of the sound track decide, unless the file breaks off.
"""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
from av.stream import Disposition

from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox.file_parts import before_fill, end_of_content
from tests.integration.bad_inputs.recordings import encoded, silence, tone, truncated, written
from tests.integration.downloader.test_sound_tracks import CODER_S, read, without_head

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.bad_inputs.recordings import Samples

SOUND_S = 5.0
FILL_BYTES = 60_000
FORMATS = [  # whose frames or packets have heads of their own; in the others, fill cannot be told from samples
    ("mp3", "libmp3lame", 44_100),
    ("aac", "aac", 44_100),
    ("ac3", "ac3", 48_000),
    ("eac3", "eac3", 48_000),
    ("amr", "libopencore_amrnb", 8_000),
    ("flac", "flac", 44_100),
    ("oga", "flac", 44_100),
    ("opus", "libopus", 48_000),
    ("ts", "aac", 44_100),
    ("mpg", "mp2", 44_100),
    ("m4a", "aac", 44_100),
    ("mka", "libopus", 48_000),
    ("wav", "pcm_s16le", 16_000),
    ("tta", "tta", 44_100),
    ("wv", "wavpack", 44_100),
]


@pytest.mark.parametrize(
    ("suffix", "codec", "rate", "fill"),
    [(*one, b"\0") for one in FORMATS] + [(*one, b"\xff") for one in FORMATS if one[0] in ("mp3", "aac", "amr")],
)
def test_a_file_with_fill_at_its_end_is_as_long_as_its_sound(
    tmp_path: Path, suffix: str, codec: str, rate: int, fill: bytes
) -> None:
    data = encoded(tmp_path / f"a.{suffix}", codec, tone(SOUND_S, rate), rate=rate).read_bytes()
    _, found = read(written(tmp_path / f"b.{suffix}", data + FILL_BYTES * fill))
    assert found.duration_s == pytest.approx(SOUND_S, abs=CODER_S)
    assert found.missing_s < CODER_S


@pytest.mark.parametrize("between", [b"", b"LIST\4\0\0\0INFO"], ids=["next to each other", "apart"])
def test_sound_in_two_chunks_of_a_wav_is_not_read_by_half(tmp_path: Path, between: bytes) -> None:
    data = encoded(tmp_path / "a.wav", "pcm_s16le", tone(SOUND_S, 16_000), rate=16_000).read_bytes()
    sound = data[data.index(b"data") :]
    with pytest.raises(IngestError, match="another data chunk") as caught:
        read(written(tmp_path / "b.wav", data + between + sound))
    assert caught.value.code is Code.AUDIO_CORRUPT
    assert read(written(tmp_path / "c.wav", data + between))[1].duration_s == pytest.approx(SOUND_S)


@pytest.mark.parametrize("has_heads", [True, False])
def test_fill_between_joined_parts_of_an_mp3_is_no_sound_and_is_counted(tmp_path: Path, *, has_heads: bool) -> None:
    whole = encoded(tmp_path / "a.mp3", "libmp3lame", tone(SOUND_S, 44_100), rate=44_100).read_bytes()
    part = whole if has_heads else without_head(whole)
    _, found = read(written(tmp_path / "b.mp3", part + bytes(FILL_BYTES) + part + bytes(FILL_BYTES)))
    assert found.duration_s == pytest.approx(2 * SOUND_S, abs=CODER_S)
    assert found.padding_bytes >= FILL_BYTES


def test_fill_in_the_place_of_frames_is_missing_sound(tmp_path: Path) -> None:
    data = without_head(encoded(tmp_path / "a.mp3", "libmp3lame", tone(SOUND_S, 44_100), rate=44_100).read_bytes())
    hole = len(data) // 2
    with pytest.raises(IngestError, match="s missing"):
        read(written(tmp_path / "b.mp3", data[: len(data) // 4] + bytes(hole) + data[len(data) // 4 + hole :]))


def announcing(data: bytes, factor: float) -> bytes:
    """Return an mp3 or a FLAC file whose head counts another number of frames or samples."""
    place = 18 + 4 if data.startswith(b"fLaC") else max(data.find(b"Xing"), data.find(b"Info")) + 8
    count = int.from_bytes(data[place : place + 4], "big")
    return data[:place] + round(count * factor).to_bytes(4, "big") + data[place + 4 :]


COUNTED = [pytest.param("mp3", "libmp3lame", id="mp3"), pytest.param("flac", "flac", id="flac")]


@pytest.mark.parametrize("factor", [0.5, 100.0])
@pytest.mark.parametrize(("suffix", "codec"), COUNTED)
def test_a_head_that_counts_another_number_of_frames_is_only_compared(
    tmp_path: Path, suffix: str, codec: str, factor: float
) -> None:
    data = encoded(tmp_path / f"a.{suffix}", codec, tone(SOUND_S, 44_100), rate=44_100).read_bytes()
    _, found = read(written(tmp_path / f"b.{suffix}", announcing(data, factor)))
    assert found.duration_s == pytest.approx(SOUND_S, abs=CODER_S)
    assert found.announced_off_s == pytest.approx((factor - 1) * SOUND_S, rel=0.05)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100])
@pytest.mark.parametrize("behind", [b"", bytes(FILL_BYTES)], ids=["cut", "place kept free"])
def test_an_mp3_that_breaks_off_within_a_frame_is_not_complete(tmp_path: Path, rate: int, behind: bytes) -> None:
    data = encoded(tmp_path / "a.mp3", "libmp3lame", tone(SOUND_S, rate), rate=rate).read_bytes()
    with pytest.raises(IngestError) as caught:
        read(written(tmp_path / "b.mp3", data[: len(data) // 2 - 7] + behind))
    assert caught.value.code in (Code.AUDIO_CORRUPT, Code.AUDIO_TRUNCATED)


@pytest.mark.parametrize("size", [0, 1, 31, 32, 1 << 20, (1 << 20) + 1])
def test_the_end_of_the_content_is_where_the_fill_begins(tmp_path: Path, size: int) -> None:
    for fill in (b"\0", b"\xff"):
        path = written(tmp_path / "a", b"x" + b"sound" + size * fill)
        with path.open("rb") as file:
            assert end_of_content(file, 1, path.stat().st_size) == 6
            assert file.tell() == 0
    assert before_fill(b"sound" + bytes(size)) == (5 if size >= 32 else 5 + size)


# -- several sound tracks ---------------------------------------------------------------------------------------------

VOICE, NOTHING = tone(SOUND_S), silence(SOUND_S)
BESIDES, DEFAULT, PLAIN = Disposition.comment, Disposition.default, Disposition(0)
CONTAINERS = [("mp4", "aac"), ("ts", "aac"), ("mov", "pcm_s16le")]


@pytest.mark.parametrize(("suffix", "codec"), CONTAINERS)
@pytest.mark.parametrize(
    ("tracks", "used"),
    [
        pytest.param((VOICE, VOICE), 0, id="the first"),
        pytest.param((NOTHING, VOICE), 1, id="the first is silent"),
        pytest.param((VOICE, NOTHING), 0, id="the second is silent"),
        pytest.param((NOTHING, NOTHING, VOICE), 2, id="two are silent"),
        pytest.param((NOTHING, NOTHING), 0, id="all are silent"),
    ],
)
def test_a_silent_track_is_not_taken_before_one_with_sound(
    tmp_path: Path, suffix: str, codec: str, tracks: tuple[Samples, ...], used: int
) -> None:
    waveform, found = read(encoded(tmp_path / f"a.{suffix}", codec, *tracks))
    assert (found.tracks, found.track) == (len(tracks), used)
    assert found.duration_s == pytest.approx(SOUND_S, abs=CODER_S)
    assert bool(abs(waveform).max() > 0.05) == any(track is VOICE for track in tracks)


@pytest.mark.parametrize(
    ("roles", "used"),
    [
        pytest.param((PLAIN, DEFAULT), 1, id="the second is the default"),
        pytest.param((BESIDES, PLAIN), 1, id="the first is a commentary"),
        pytest.param((BESIDES | DEFAULT, PLAIN), 1, id="a commentary is the default"),
        pytest.param((PLAIN, PLAIN), 0, id="no roles"),
    ],
)
def test_the_default_track_is_taken_and_a_commentary_last(
    tmp_path: Path, roles: tuple[Disposition, Disposition], used: int
) -> None:
    path = with_roles(encoded(tmp_path / "a.mkv", "libopus", VOICE, VOICE), tmp_path / "b.mkv", roles)
    assert read(path)[1].track == used


@pytest.mark.parametrize("tag", [b"drms", b"enca", b"aavd"])
@pytest.mark.parametrize(
    ("tracks", "used"), [pytest.param(1, None, id="alone"), pytest.param(2, 1, id="and an open one")]
)
def test_encrypted_sound_is_called_so_unless_another_track_is_open(
    tmp_path: Path, tag: bytes, tracks: int, used: int | None
) -> None:
    path = encoded(tmp_path / "book.m4a", "aac", *[VOICE] * tracks)
    path.write_bytes(path.read_bytes().replace(b"mp4a", tag, 1))
    if used is None:
        with pytest.raises(IngestError, match="encrypted") as caught:
            read(path)
        assert caught.value.code is Code.DRM_PROTECTED
    else:
        assert read(path)[1].track == used


def with_roles(path: Path, to: Path, roles: tuple[Disposition, Disposition]) -> Path:
    with av.open(str(path)) as file, av.open(str(to), "w") as out:
        copies = [out.add_stream_from_template(stream) for stream in file.streams.audio]
        for copy, role in zip(copies, roles, strict=True):
            copy.disposition = role
        for packet in file.demux(file.streams.audio):
            if packet.size:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    return to


@pytest.mark.parametrize(
    ("suffix", "codec", "rate"),
    [("wav", "g722", 16_000), ("wav", "ac3", 48_000), ("avi", "aac", 44_100), ("avi", "eac3", 48_000)],
)
def test_a_codec_whose_tag_is_a_number_and_no_letters_is_decoded(
    tmp_path: Path, suffix: str, codec: str, rate: int
) -> None:
    found = read(encoded(tmp_path / f"a.{suffix}", codec, tone(SOUND_S, rate), rate=rate))[1]
    assert found.duration_s == pytest.approx(SOUND_S, abs=CODER_S)


# -- recorders with many tracks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [3, 4, 5, 6, 7, 8, 9, 16, 32])
def test_each_microphone_of_a_recorder_is_heard(tmp_path: Path, number: int) -> None:
    voice = (tone(0.5, 16_000)[0] * 32767).astype("<i2")
    for microphone in range(number):
        samples = np.zeros((len(voice), number), "<i2")
        samples[:, microphone] = voice
        with wave.open(str(tmp_path / "a.wav"), "wb") as out:
            out.setparams((number, 2, 16_000, 0, "NONE", ""))
            out.writeframes(samples.tobytes())
        waveform, found = read(tmp_path / "a.wav")
        assert found.channels == number
        assert found.duration_s == pytest.approx(0.5, abs=0.01)
        assert np.abs(waveform).max() > 0.02


@pytest.mark.parametrize(("suffix", "codec"), [("wav", "pcm_s16le"), ("wav", "adpcm_ms"), ("avi", "pcm_s16le")])
def test_a_file_that_was_copied_half_is_read_and_shorter_than_it_announces(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    """Its bytes may be cut anywhere: nothing but its head knows of the rest."""
    whole = encoded(tmp_path / f"a.{suffix}", codec, tone(4 * SOUND_S, 16_000), rate=16_000)
    assert read(whole)[1].announced_off_s == 0
    found = read(truncated(whole, 0.25))[1]
    assert found.duration_s == pytest.approx(SOUND_S, abs=2 * CODER_S)
    assert found.announced_off_s == pytest.approx(3 * SOUND_S, abs=2.0)


SIZES = [0, 0x7FFFF000, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]  # as recorders write them that never came back to it


@pytest.mark.parametrize("size", SIZES)
def test_a_wav_whose_recorder_left_its_size_open_is_read_to_its_end(tmp_path: Path, size: int) -> None:
    path = encoded(tmp_path / "a.wav", "pcm_s16le", tone(SOUND_S, 16_000), rate=16_000)
    data = path.read_bytes()
    at = data.index(b"data") + 4
    path.write_bytes(data[:4] + size.to_bytes(4, "little") + data[8:at] + size.to_bytes(4, "little") + data[at + 4 :])
    assert read(path)[1].duration_s == pytest.approx(SOUND_S, abs=CODER_S)
