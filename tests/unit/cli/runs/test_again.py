"""When a recording that ended without being indexed is requested again by the next listing of its source."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.cli.runs.again import LONGEST_PAUSE_S, MOST_REQUESTS, Reason, decide, pause_s
from ingest.shared.errors import MAY_PASS, Code
from ingest.shared.messages import Source, SourceKind
from ingest.shared.video_state import VideoRecord, VideoState

NOW = datetime(2026, 11, 28, tzinfo=UTC)
URL = "https://example.org/1.mp3"
OLD = Source(kind=SourceKind.MEDIA, url=URL)


def ended(state: VideoState, code: Code, generation: int = 1, ago_s: float = 0.0, source: Source = OLD) -> VideoRecord:
    at = NOW - timedelta(seconds=ago_s)
    return VideoRecord("abcdefghijk", generation, state, code=code, source=source, updated_at=at)


def media(url: str) -> Source:
    return Source(kind=SourceKind.MEDIA, url=url)


@pytest.mark.parametrize(
    ("known", "listed", "reason"),
    [
        pytest.param(ended(VideoState.SKIPPED, Code.VIDEO_GONE), OLD, Reason.FINAL, id="gone, as before"),
        pytest.param(
            ended(VideoState.SKIPPED, Code.VIDEO_GONE),
            media("https://example.org/fixed/1.mp3"),
            Reason.NEW_ADDRESS,
            id="gone, and corrected",
        ),
        pytest.param(
            ended(VideoState.FAILED, Code.NOT_AUDIO),
            media("https://other.example.org/1.mp3"),
            Reason.NEW_ADDRESS,
            id="another host",
        ),
        pytest.param(
            ended(VideoState.FAILED, Code.AUDIO_CORRUPT, source=Source(kind=SourceKind.FILE, url="/a, b.ogg")),
            Source(kind=SourceKind.FILE, url="/a b.ogg"),
            Reason.NEW_ADDRESS,
            id="a renamed file",
        ),
        pytest.param(
            ended(VideoState.INDEXED, Code.DIARIZATION_FAILED), media("https://a.org/2"), Reason.FINAL, id="indexed"
        ),
        pytest.param(
            ended(VideoState.FAILED, Code.NOT_AUDIO), media(f"{URL}?sig=2"), Reason.TRANSIENT, id="another signature"
        ),
        pytest.param(
            ended(VideoState.FAILED, Code.NOT_AUDIO, 2), media(f"{URL}?sig=2"), Reason.WAITS, id="another one, soon"
        ),
        pytest.param(
            ended(VideoState.FAILED, Code.NOT_AUDIO),
            media("https://me:secret@example.org/1.mp3"),
            Reason.TRANSIENT,
            id="with a login",
        ),
        pytest.param(ended(VideoState.FAILED, Code.NETWORK_ERROR), OLD, Reason.TRANSIENT, id="the host was down"),
        pytest.param(ended(VideoState.FAILED, Code.NETWORK_ERROR, 2, 599), OLD, Reason.WAITS, id="down again"),
        pytest.param(ended(VideoState.FAILED, Code.NETWORK_ERROR, 2, 600), OLD, Reason.TRANSIENT, id="after a pause"),
        pytest.param(
            ended(VideoState.FAILED, Code.NETWORK_ERROR, MOST_REQUESTS, 1e9), OLD, Reason.EXHAUSTED, id="too often"
        ),
        pytest.param(
            ended(VideoState.FAILED, Code.NETWORK_ERROR, MOST_REQUESTS, 1.0),
            media("https://b.org/"),
            Reason.WAITS,
            id="two sources with two addresses, in turn",
        ),
        pytest.param(ended(VideoState.DEFERRED, Code.IS_LIVE), OLD, Reason.FINAL, id="deferred"),
    ],
)
def test_a_new_address_and_a_reason_that_may_pass_reopen_a_recording(
    known: VideoRecord, listed: Source, reason: Reason
) -> None:
    decision = decide(known, listed, NOW)
    assert decision.reason is reason
    assert (decision.at is not None) == (reason is Reason.WAITS)


@pytest.mark.parametrize("code", Code)
def test_only_a_reason_that_may_pass_is_tried_again_at_the_same_address(code: Code) -> None:
    state = VideoState.FAILED
    assert decide(ended(state, code), OLD, NOW).reason.is_request == (code in MAY_PASS)


def test_pauses_grow_up_to_a_limit() -> None:
    pauses = [pause_s(number) for number in range(1, MOST_REQUESTS + 1)]
    assert pauses[:4] == [0.0, 600.0, 1800.0, 5400.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S


@given(generation=st.integers(1, MOST_REQUESTS - 1), ago_s=st.floats(0, 1e8))
def test_a_recording_waits_exactly_until_the_time_that_is_printed(generation: int, ago_s: float) -> None:
    known = ended(VideoState.FAILED, Code.NETWORK_TIMEOUT, generation, ago_s)
    decision = decide(known, OLD, NOW)
    if decision.at is not None:
        assert decision.at > NOW
        assert decide(known, OLD, decision.at).reason is Reason.TRANSIENT
