"""Captions beside recordings: found, kept, taken alone; what cannot be read of them costs no recording."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.captions import keep
from ingest.downloader.captions.found import CaptionFile
from ingest.shared.artifacts import captions as captions_file
from ingest.shared.artifacts import transcript as transcript_file
from ingest.shared.captions import CaptionUse, CaptionWish, PublishedTranscript
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import AudioReady, Metadata, SourceKind, TranscriptReady, VideoAccessible
from tests.integration.bad_inputs import site as sites
from tests.integration.bad_inputs.conftest import VIDEO_ID, accessible

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.shared.artifacts.captions import Captions
    from ingest.shared.artifacts.transcript import Transcript
    from ingest.shared.worker.stage import StageResult
    from tests.integration.bad_inputs.conftest import Downloader
    from tests.integration.bad_inputs.site import Page, Site

VTT = "WEBVTT\n\n00:01.000 --> 00:04.000\nThe sea is calm today.\n\n00:05.000 --> 00:07.000\nSo is the garden.\n"
TEXT = "The sea is calm today. So is the garden."


def wanting(use: CaptionUse, url: str, *published: str, kind: SourceKind = SourceKind.MEDIA) -> VideoAccessible:
    wish = CaptionWish(use=use, published=tuple(PublishedTranscript(address=address) for address in published))
    metadata = Metadata(duration_s=12.0, likely_language="en")
    return accessible(url, kind=kind).model_copy(update={"captions": wish, "metadata": metadata})


def fetched(downloader: Downloader, message: VideoAccessible) -> StageResult:
    done = downloader.fetch(message, lambda _: None)
    assert list(downloader.scratch.iterdir()) == []
    return done


def kept(downloader: Downloader) -> Captions | None:
    return captions_file.kept(downloader.volume, VIDEO_ID)


def transcript_of(downloader: Downloader, done: StageResult) -> Transcript:
    assert isinstance(done.message, TranscriptReady)
    return transcript_file.read(downloader.volume.verified(done.message.transcript))


def test_a_transcript_that_a_feed_names_is_kept_beside_the_audio(
    downloader: Downloader, site: Site, webm: bytes
) -> None:
    message = wanting(
        CaptionUse.COMPARE, site.add(sites.file(webm)), site.add(sites.file(VTT.encode(), "text/vtt"), "talk.vtt")
    )
    done = fetched(downloader, message)
    assert isinstance(done.message, AudioReady)
    assert done.message.captions == message.captions
    assert done.numbers["captions_found"] == 1
    found = kept(downloader)
    assert found is not None
    assert (found.origin, found.kind, found.language, found.has_times) == ("feed", "manual", "en", True)
    assert [(cue.start_s, cue.text) for cue in found.cues] == [
        (1.0, "The sea is calm today."),
        (5.0, "So is the garden."),
    ]


@pytest.mark.parametrize(
    ("page", "name"),
    [
        pytest.param(sites.status(404), "talk.vtt", id="it is gone"),
        pytest.param(sites.file(b"<p></p>", "text/html"), "talk.html", id="an empty page"),
        pytest.param(sites.file(b"\x00" * 3000, "text/vtt"), "talk.srt", id="no text"),
        pytest.param(sites.file(b"[" * 500_000, "application/json"), "talk.json", id="deep JSON"),
    ],
)
def test_captions_that_cannot_be_had_cost_no_recording(
    downloader: Downloader, site: Site, webm: bytes, page: Page, name: str
) -> None:
    done = fetched(downloader, wanting(CaptionUse.PREFER, site.add(sites.file(webm)), site.add(page, name)))
    assert isinstance(done.message, AudioReady)
    assert done.numbers["captions_found"] == 0
    assert kept(downloader) is None


def test_captions_at_a_private_address_are_not_asked_for(
    downloader: Downloader, site: Site, forbidden_site: Site, webm: bytes
) -> None:
    secret = forbidden_site.add(sites.file(VTT.encode()), "talk.vtt")
    done = fetched(downloader, wanting(CaptionUse.COMPARE, site.add(sites.file(webm)), secret))
    assert isinstance(done.message, AudioReady)
    assert forbidden_site.asked == []


def test_captions_alone_become_the_transcript_without_the_audio(
    downloader: Downloader, site: Site, webm: bytes
) -> None:
    audio, vtt = site.add(sites.file(webm)), site.add(sites.file(VTT.encode()), "talk.vtt")
    done = fetched(downloader, wanting(CaptionUse.ONLY, audio, vtt))
    found = transcript_of(downloader, done)
    assert found.text == TEXT
    assert found.model_key.startswith("captions:feed:manual:")
    assert (found.language, found.duration_s, found.audio_sha256) == ("en", 12.0, "")
    assert {flag for segment in found.segments for flag in segment.flags} == {"captions"}
    assert [word.text for word in found.segments[1].words] == ["So", "is", "the", "garden."]
    assert [path for path in site.asked if path.endswith(".webm")] == []
    assert downloader.volume.manifest(VIDEO_ID, "audio") is None


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param((), id="none is named"),
        pytest.param((("talk.html", b"<p>The sea is calm.</p>"),), id="without times"),
        pytest.param((("talk.vtt", b"WEBVTT"),), id="empty"),
        pytest.param((("talk.pdf", VTT.encode()),), id="in another form"),
    ],
)
def test_a_recording_of_which_only_captions_are_wanted_is_skipped_without_them(
    downloader: Downloader, site: Site, pages: tuple[tuple[str, bytes], ...]
) -> None:
    named = [site.add(sites.file(data), name) for name, data in pages]
    with pytest.raises(IngestError) as caught:
        downloader.fetch(wanting(CaptionUse.ONLY, site.add(sites.status(500)), *named), lambda _: None)
    assert caught.value.code is Code.NO_CAPTIONS


def test_captions_beside_a_file_are_taken_unless_they_lead_out_of_what_may_be_read(
    downloader: Downloader, webm: bytes, tmp_path: Path
) -> None:
    talk = downloader.files / "talk.webm"
    talk.write_bytes(webm)
    outside = tmp_path / "outside.vtt"
    outside.write_text(VTT.replace("sea", "secret"))
    (downloader.files / "talk.vtt").symlink_to(outside)
    message = wanting(CaptionUse.ONLY, str(talk), kind=SourceKind.FILE)
    with pytest.raises(IngestError) as caught:
        downloader.fetch(message, lambda _: None)
    assert caught.value.code is Code.NO_CAPTIONS
    (downloader.files / "talk.vtt").unlink()
    (downloader.files / "talk.en.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nThe sea is calm.\n")
    done = fetched(downloader, message)
    assert transcript_of(downloader, done).text == "The sea is calm."


def test_captions_of_a_person_are_not_replaced_by_those_of_the_source(
    downloader: Downloader, site: Site, webm: bytes, tmp_path: Path
) -> None:
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"segments": [{"startTime": 0, "endTime": 2, "body": "By hand."}]}))
    keep.write(downloader.volume, keep.read(VIDEO_ID, CaptionFile(str(own), "manual", "import")), tmp_path, 1)
    audio, vtt = site.add(sites.file(webm)), site.add(sites.file(VTT.encode()), "talk.vtt")
    fetched(downloader, wanting(CaptionUse.COMPARE, audio, vtt))
    alone = fetched(downloader, wanting(CaptionUse.ONLY, audio, vtt))
    assert transcript_of(downloader, alone).text == "By hand."


def test_captions_are_found_for_a_recording_whose_audio_is_there_already(
    downloader: Downloader, site: Site, webm: bytes
) -> None:
    audio, vtt = site.add(sites.file(webm)), site.add(sites.file(VTT.encode()), "talk.vtt")
    fetched(downloader, accessible(audio).model_copy(update={"metadata": Metadata(duration_s=12.0)}))
    assert kept(downloader) is None
    site.asked.clear()
    done = fetched(downloader, wanting(CaptionUse.COMPARE, audio, vtt))
    assert (done.numbers["fresh"], done.numbers["captions_found"]) == (0, 1)
    assert kept(downloader) is not None
    assert [path.rpartition("/")[2] for path in site.asked] == ["talk.vtt"]
