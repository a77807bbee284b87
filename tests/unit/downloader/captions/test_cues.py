from __future__ import annotations

import json

import pytest

from ingest.downloader.captions.cues import LARGEST_BYTES, LONGEST_CUE, MOST_CUES, ReadCaptions, read
from ingest.shared.errors import Code, IngestError

VTT = """\ufeffWEBVTT - by hand

STYLE
::cue { color: red }

NOTE made in 2026

intro
00:01.000 --> 00:03.500 align:start
<v Ada Lovelace>The sea is &quot;calm&quot;,</v>
<i>today</i> [waves]

NOTE no part of the cue

00:00:04.000 --> 00:00:05.000
>> And the garden?
"""
SRT = """1
00:00:01,000 --> 00:00:03,500
The sea is "calm",
today

2
00:00:04,000 --> 00:00:05,000
And the garden?
""".replace("\n", "\r\n")
PODCAST = {
    "version": "1.0.0",
    "segments": [
        {"speaker": "Ada", "startTime": 1.0, "endTime": 3.5, "body": 'The sea is "calm", today'},
        {"speaker": "Bob", "startTime": 4, "endTime": 5, "body": "And the garden?"},
    ],
}
JSON3 = {
    "wireMagic": "pb3",
    "events": [
        {"tStartMs": 0, "dDurationMs": 9000, "id": 1},
        {
            "tStartMs": 1000,
            "dDurationMs": 2500,
            "segs": [{"utf8": "The sea is"}, {"utf8": ' "calm", today', "tOffsetMs": 400}],
        },
        {"tStartMs": 3500, "dDurationMs": 500, "segs": [{"utf8": "\n"}]},
        {"tStartMs": 4000, "dDurationMs": 1000, "segs": [{"utf8": "And the garden?"}]},
    ],
}
HTML = """<!doctype html><html><head><title>no words</title><script>alert(1)</script></head><body>
<cite>Ada:</cite><time>0:01</time><p>The sea is "calm", today</p>
<cite>Bob:</cite><time>0:04</time><p>And the garden?</p></body></html>"""
ROLLING = """WEBVTT
Kind: captions

00:00:01.000 --> 00:00:02.000 align:start position:0%

the<00:00:01.200><c> sea</c><00:00:01.500><c> is</c>

00:00:02.000 --> 00:00:02.010 align:start position:0%
the sea is


00:00:02.010 --> 00:00:03.500 align:start position:0%
the sea is
calm<00:00:02.500><c> today</c>

00:00:03.500 --> 00:00:03.510 align:start position:0%
calm today

00:00:09.000 --> 00:00:10.000
calm today
"""


def spans(found: ReadCaptions) -> list[tuple[float, float, str]]:
    return [(cue.start_s, cue.end_s, cue.text) for cue in found.cues]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(VTT.encode(), id="WebVTT with notes, styles, ids, voices and entities"),
        pytest.param(SRT.encode(), id="SRT with the line ends of Windows"),
        pytest.param(SRT.encode("utf-16"), id="SRT in UTF-16"),
        pytest.param(json.dumps(PODCAST).encode(), id="the JSON of a podcast"),
        pytest.param(json.dumps(JSON3).encode(), id="the JSON of YouTube"),
    ],
)
def test_each_form_gives_the_same_lines_with_their_times(content: bytes) -> None:
    found = read(content)
    assert found.has_times
    assert spans(found) == [(1.0, 3.5, 'The sea is "calm", today'), (4.0, 5.0, "And the garden?")]


def test_a_page_has_the_lines_after_each_time_without_the_names_of_speakers() -> None:
    found = read(HTML.encode())
    assert [(cue.start_s, cue.text) for cue in found.cues] == [
        (1.0, 'The sea is "calm", today'),
        (4.0, "And the garden?"),
    ]
    assert 1.0 < found.cues[0].end_s <= 4.0 < found.cues[1].end_s


def test_a_page_without_times_has_none() -> None:
    found = read(b"<p>The sea is calm.</p><p>And the garden?</p>")
    assert not found.has_times
    assert [cue.text for cue in found.cues] == ["The sea is calm.", "And the garden?"]


def test_captions_that_roll_say_each_line_once() -> None:
    said = [(cue.start_s, cue.text) for cue in read(ROLLING.encode()).cues]
    assert said == [(1.0, "the sea is"), (2.01, "calm today"), (9.0, "calm today")]


def test_western_european_text_keeps_its_letters() -> None:
    assert read(SRT.replace("sea", "Café").encode("cp1252")).cues[0].text == 'The Café is "calm", today'


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\x1b[31mred\x07 \u202eright", id="controls of a terminal and of the writing direction"),
        pytest.param(
            "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace") + "red right", id="half letters"
        ),
    ],
)
def test_a_line_has_no_controls(text: str) -> None:
    (cue,) = read(f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n".encode()).cues
    assert cue.text.isprintable()
    assert cue.text.endswith("right")


def test_times_beyond_any_recording_are_left_out_and_a_line_has_a_largest_length() -> None:
    segments = [
        {"startTime": 1e300, "body": "never"},
        {"startTime": float("nan"), "body": "never"},
        {"startTime": -1, "body": "never"},
        {"startTime": True, "body": 3},
        {"startTime": 1, "endTime": 0, "body": "x" * (LONGEST_CUE + 5)},
    ]
    (cue,) = read(json.dumps({"segments": segments}).encode()).cues
    assert len(cue.text) == LONGEST_CUE
    assert cue.end_s > cue.start_s == 1.0


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"WEBVTT\n\n", id="no line"),
        pytest.param(b"just text", id="text without times"),
        pytest.param(b"\x00\xff" * 500, id="no text"),
        pytest.param(b"[" * 100_000, id="deep JSON"),
        pytest.param(b'{"segments": {"a": 1}, "events": [3, null]}', id="JSON of another shape"),
        pytest.param(b"<p>" * 1000, id="a page without text"),
        pytest.param(b" " * (LARGEST_BYTES + 1), id="too many bytes"),
        pytest.param(b"1\n00:00:01,000 --> 00:00:02,000\nx\n\n" * (MOST_CUES + 1), id="too many lines"),
    ],
)
def test_what_is_no_captions_is_refused(content: bytes) -> None:
    with pytest.raises(IngestError) as caught:
        read(content)
    assert caught.value.code is Code.BAD_CAPTIONS
