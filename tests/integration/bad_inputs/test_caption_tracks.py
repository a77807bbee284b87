"""Captions inside of media files: tracks of text become captions, tracks of pictures are left out by name."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from ingest.downloader.captions.tracks import read_tracks
from ingest.downloader.sources.file import content_id
from ingest.shared.artifacts import captions as captions_file
from ingest.shared.captions import CaptionUse, CaptionWish
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import AudioReady, Metadata, SourceKind, VideoAccessible
from tests.integration.bad_inputs import site as sites
from tests.integration.bad_inputs.conftest import accessible
from tests.integration.bad_inputs.test_captions import fetched, kept, transcript_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.integration.bad_inputs.conftest import Downloader
    from tests.integration.bad_inputs.site import Site

RATE, FRAME = 48_000, 960
LINES = ((500, 1000, "The sea is calm today."), (1600, 1400, "So is\nthe garden."))
TEXT = "The sea is calm today. So is the garden."
Packets = list[tuple[int, int, bytes]]
PICTURE: Packets = [(100, 500, b"\x16\x00\x00")]


def plain(lines: Sequence[tuple[int, int, str]] = LINES) -> Packets:
    """Return lines as SRT and WebVTT have them in Matroska."""
    return [(at, length, text.encode()) for at, length, text in lines]


def ass(lines: Sequence[tuple[int, int, str]] = LINES) -> Packets:
    """Return lines as ASS has them in Matroska, in italics; a drawing comes first."""
    texts = [(0, 100, r"{\p1}m 0 0 l 100 0{\p0}"), *((at, length, rf"{{\i1}}{text}") for at, length, text in lines)]
    fields = ((at, length, text.replace("\n", r"\N")) for at, length, text in texts)
    return [(at, length, f"{at},0,Default,,0,0,0,,{text}".encode()) for at, length, text in fields]


def mov_text(lines: Sequence[tuple[int, int, str]] = LINES) -> Packets:
    """Return lines as MP4 has them."""
    return [(at, length, len(data).to_bytes(2, "big") + data) for at, length, data in plain(lines)]


def media(
    path: Path, *tracks: tuple[str, str, Packets], seconds: float = 4.0, spoken: str = "", disposition: int = 0
) -> Path:
    """Write a file with a sound and these tracks: format, language and packets of each."""
    with av.open(path, "w") as out:
        sound: Any = out.add_stream("libopus", rate=RATE, layout="mono")
        sound.metadata.update({"language": spoken} if spoken else {})
        made: list[Any] = []
        for form, language, _ in tracks:
            made.append(out.add_mux_stream(form, time_base=Fraction(1, 1000)))
            made[-1].metadata["language"] = language
            made[-1].disposition = Disposition(disposition)
        for number in range(int(seconds * RATE / FRAME)):
            tone = np.sin(np.arange(FRAME, dtype=np.float32) / 20)[None] / 4
            frame = av.AudioFrame.from_ndarray(tone, format="flt", layout="mono")
            frame.sample_rate, frame.pts = RATE, number * FRAME
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
        for stream, (_, _, packets) in zip(made, tracks, strict=True):
            for at, length, data in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base, packet.duration = stream, Fraction(1, 1000), length
                packet.pts = packet.dts = at
                out.mux(packet)
    return path


def wanting(use: CaptionUse, url: str, kind: SourceKind, language: str | None = None) -> VideoAccessible:
    known = {"captions": CaptionWish(use=use), "metadata": Metadata(duration_s=4.0, likely_language=language)}
    found = accessible(url, kind=kind).model_copy(update=known)
    if kind is SourceKind.MEDIA:
        return found
    return found.model_copy(update={"video_id": content_id(hashlib.sha256(Path(url).read_bytes()).hexdigest())})


@pytest.mark.parametrize(
    ("name", "form", "packets"),
    [
        pytest.param("talk.mkv", "subrip", plain(), id="SRT in Matroska"),
        pytest.param("talk.mkv", "ass", ass(), id="ASS in Matroska"),
        pytest.param("talk.webm", "webvtt", plain(), id="WebVTT in WebM"),
        pytest.param("talk.mp4", "mov_text", mov_text(), id="timed text in MP4"),
    ],
)
def test_a_track_of_text_becomes_the_captions_of_a_file(
    downloader: Downloader, name: str, form: str, packets: Packets
) -> None:
    talk = media(downloader.files / name, (form, "eng", packets))
    message = wanting(CaptionUse.COMPARE, str(talk), SourceKind.FILE)
    compared = fetched(downloader, message)
    assert isinstance(compared.message, AudioReady)
    assert compared.numbers["captions_found"] == 1
    found = captions_file.kept(downloader.volume, message.video_id)
    assert found is not None
    assert (found.origin, found.kind, found.language, found.has_times) == ("file", "manual", "en", True)
    assert [(cue.start_s, cue.end_s) for cue in found.cues] == [(0.5, 1.5), (1.6, 3.0)]
    alone = fetched(downloader, wanting(CaptionUse.ONLY, str(talk), SourceKind.FILE))
    assert transcript_of(downloader, alone).text == TEXT


def test_a_track_of_a_downloaded_file_is_taken_also_later(downloader: Downloader, site: Site, tmp_path: Path) -> None:
    talk = media(tmp_path / "talk.mkv", ("subrip", "eng", plain()))
    url = site.add(sites.file(talk.read_bytes()), "talk.mkv")
    fetched(downloader, accessible(url).model_copy(update={"metadata": Metadata(duration_s=4.0)}))
    assert kept(downloader) is None
    done = fetched(downloader, wanting(CaptionUse.PREFER, url, SourceKind.MEDIA, "en"))
    assert (done.numbers["fresh"], done.numbers["captions_found"]) == (0, 1)
    found = kept(downloader)
    assert found is not None
    assert " ".join(cue.text for cue in found.cues) == TEXT


def test_captions_beside_a_file_come_before_those_inside(downloader: Downloader) -> None:
    talk = media(downloader.files / "talk.mkv", ("subrip", "eng", plain()))
    (downloader.files / "talk.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nBy hand.\n")
    alone = fetched(downloader, wanting(CaptionUse.ONLY, str(talk), SourceKind.FILE))
    assert transcript_of(downloader, alone).text == "By hand."


def test_tracks_that_cannot_be_read_are_named_and_cost_no_recording(downloader: Downloader) -> None:
    talk = media(downloader.files / "talk.mkv", ("hdmv_pgs_subtitle", "ita", PICTURE), ("dvd_subtitle", "ger", PICTURE))
    done = fetched(downloader, wanting(CaptionUse.PREFER, str(talk), SourceKind.FILE))
    assert isinstance(done.message, AudioReady)
    assert (done.numbers["captions_found"], done.numbers["captions_left_out"]) == (0, 1)
    with pytest.raises(IngestError) as caught:
        downloader.fetch(wanting(CaptionUse.ONLY, str(talk), SourceKind.FILE), lambda _: None)
    assert caught.value.code is Code.NO_CAPTIONS
    assert "pgssub ita (pictures), dvdsub ger (pictures)" in caught.value.message


TWO = (("subrip", "eng", plain()), ("ass", "ger", ass([(0, 900, "Das Meer ist ruhig.")])))


@pytest.mark.parametrize(
    ("spoken", "wanted", "taken"),
    [
        pytest.param("ger", [], "ger", id="that of the sound"),
        pytest.param("ger", ["en"], "eng", id="the wanted one"),
        pytest.param("", [], "eng", id="the first where none is known"),
        pytest.param("fra", [], None, id="no translation"),
    ],
)
def test_the_track_in_the_language_of_the_recording_is_taken(
    tmp_path: Path, spoken: str, wanted: list[str], taken: str | None
) -> None:
    talk = media(tmp_path / "talk.mkv", *TWO, spoken=spoken)
    found = read_tracks(lambda _: None, str(talk), wanted).taken
    assert (found and found.language) == taken


def test_a_track_of_single_lines_is_none_of_all_that_is_said(tmp_path: Path) -> None:
    talk = media(tmp_path / "talk.mkv", ("subrip", "eng", plain()), disposition=Disposition.forced)
    found = read_tracks(lambda _: None, str(talk), [])
    assert (found.taken, found.left_out) == (None, ["srt eng (not of all that is said)"])


def test_a_damaged_file_has_what_can_be_read_of_its_track(tmp_path: Path) -> None:
    talk = media(tmp_path / "talk.mkv", ("subrip", "eng", [*plain(), (3000, 500, b"\xff\xfe\x00broken")]))
    whole = talk.read_bytes()
    talk.write_bytes(whole[: len(whole) // 2])
    cut = read_tracks(lambda _: None, str(talk), [])
    assert cut.taken is None or "calm" in cut.taken.content
    talk.write_bytes(whole)
    found = read_tracks(lambda _: None, str(talk), []).taken
    assert found is not None
    assert "broken" not in found.content
