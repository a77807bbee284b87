"""The summary of a run says why nothing was done, what was taken of several things, and what was left out."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from ingest.cli.runs.request import Request
from ingest.cli.runs.run import RunResult
from ingest.cli.runs.summary import print_result
from ingest.cli.runs.tally import count
from ingest.cli.selection import Selection
from ingest.downloader.sources.listing import Listing
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Metadata, Policy
from ingest.shared.video_state import VideoRecord, VideoState

SINCE = Selection(policy=Policy(published_after=datetime(2026, 1, 1, tzinfo=UTC)))
FAILED, NOTED = Listing(), Listing(notes=["https://a.org/ names the feed https://a.org/feed, which was taken"])
FAILED.fail("b.xml", IngestError(Code.SOURCE_UNAVAILABLE, "HTTP 404"))
NOTED.leave_out("published before 2026-01-01", "Old", 5000)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        pytest.param(Request((), Selection()), ["name a source: ingest run SOURCE"], id="no source"),
        pytest.param(Request((), Selection(force=True)), ["the archive has no such recording"], id="none to repeat"),
        pytest.param(Request(("a.xml",), Selection()), ["everything that the sources list is indexed"], id="all known"),
        pytest.param(Request(("a.xml",), SINCE), ["nothing newer than 2026-01-01"], id="nothing newer"),
        pytest.param(
            Request(("b.xml",), Selection(), FAILED),
            ["nothing was requested", "not read: b.xml"],
            id="not read",
        ),
        pytest.param(
            Request(("https://a.org/",), SINCE, NOTED),
            ["names the feed https://a.org/feed", "left out: 5000", "5000 published before 2026-01-01: Old, ..."],
            id="a page, and a reason",
        ),
    ],
)
def test_a_run_that_did_nothing_says_why(
    capsys: pytest.CaptureFixture[str], request_: Request, said: list[str]
) -> None:
    print_result(RunResult([], count([]), 0.0, interrupted=False, request=request_, holds=[]), as_json=False)
    printed = capsys.readouterr().out
    assert all(words in printed for words in said)


@pytest.mark.parametrize(
    ("day", "said"), [(None, ["--since does not know their day: 1: A talk"]), (datetime(2026, 2, 1, tzinfo=UTC), [])]
)
def test_what_since_has_let_in_without_a_day_is_counted_and_named(
    capsys: pytest.CaptureFixture[str], day: datetime | None, said: list[str]
) -> None:
    metadata = Metadata(title="A talk", published_at=day)
    video = VideoRecord(
        "abcdefghijk",
        state=VideoState.INDEXED,
        metadata=metadata,
        figures={"check.undated": 1.0, "embedder.audio_s": 1},
    )
    result = RunResult([video], count([video]), 1.0, interrupted=False, request=Request(("a",), SINCE))
    print_result(result, as_json=False)
    printed = capsys.readouterr().out
    assert [words for words in printed.splitlines() if "--since" in words] == [f"taken, as {words}" for words in said]
    print_result(result, as_json=True)
    assert json.loads(capsys.readouterr().out)["undated"] == (["abcdefghijk"] if said else [])
