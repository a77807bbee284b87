"""Reads untrusted captions, in a child process: WebVTT, SRT, the JSON of podcasts and of YouTube, HTML.

    subtitles (pysubs2)   lines with times
    json                  `segments` of Podcasting 2.0, `events` of YouTube (json3)
    html                  paragraphs with the <time> before them, or without times

The content decides what a file is, not its name. What a file names as speakers is left out, and so are descriptions of
sounds in square brackets. A line that an earlier cue has shown already (captions that roll) is taken once.
"""

from __future__ import annotations

import html
import json
import math
import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pysubs2

from ingest.shared.bounds import LONGEST_RECORDING_S
from ingest.shared.errors import Code, IngestError
from ingest.shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ingest.shared.sandbox.child import Reporter

LARGEST_BYTES = 16 << 20  # a day of captions with a time for each word
MOST_CUES = 50_000  # twelve hours with a line each second
TOO_MANY = f"more than {MOST_CUES} lines"
LONGEST_CUE = 4_000  # characters; a transcript without times may have whole paragraphs
ROLLS_WITHIN_S = 0.2
LETTER_S = 0.07  # about fourteen letters a second
SOUND = re.compile(r"\[[^\[\]]{0,80}\]|[\u2669-\u266f]")
CHANGE_OF_SPEAKER = re.compile(r"^\s*>{2,3}\s*")
TIME = re.compile(r"^(?:(\d{1,3}):)?(\d{1,3}):(\d{2}(?:[.,]\d{1,6})?)$")
VOICE = re.compile(r"<v[ .][^<>]{0,200}>|<[0-9:.]{1,20}>", re.IGNORECASE)  # and the time of a word


@dataclass(frozen=True)
class ReadCue:
    """A line with its time, as it stands in the file."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class ReadCaptions:
    """The cues of a file in order, and whether it has times."""

    cues: list[ReadCue]
    has_times: bool


def read_file(_report: Reporter, path: str) -> ReadCaptions:
    """Return the captions in a file; raise BAD_CAPTIONS for what is none."""
    with Path(path).open("rb") as file:
        data = file.read(LARGEST_BYTES + 1)
    return read(data)


def read(data: bytes) -> ReadCaptions:
    """Return the captions in the content of a file; raise BAD_CAPTIONS for what is none, or too large."""
    if len(data) > LARGEST_BYTES:
        raise IngestError(Code.BAD_CAPTIONS, f"larger than {LARGEST_BYTES >> 20} MiB")
    text = _decoded(data)
    head = text.lstrip()[:1]
    try:
        found = _of_json(text) if head in "{[" and head else _of_html(text) if head == "<" else _of_subtitles(text)
        cues = list(_tidy(found))
    except (ValueError, RecursionError, ArithmeticError, LookupError, TypeError) as error:
        raise IngestError(Code.BAD_CAPTIONS, f"cannot be read ({type(error).__name__})") from error
    if not cues:
        raise IngestError(Code.BAD_CAPTIONS, "no captions in it")
    if len(cues) > MOST_CUES:
        raise IngestError(Code.BAD_CAPTIONS, TOO_MANY)
    has_times = any(cue.end_s > 0 for cue in cues)
    return ReadCaptions(_with_ends(sorted(cues, key=lambda cue: cue.start_s)) if has_times else cues, has_times)


def _decoded(data: bytes) -> str:
    """Return text; what is not UTF-8 and has no mark of another encoding is Western European."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


# -- formats -----------------------------------------------------------------------------------------------------------


def _of_subtitles(text: str) -> Iterator[ReadCue]:
    """Yield the cues of WebVTT or SRT; what follows a cue after an empty line (an id, a note) is no part of it."""
    if text.count("-->") > MOST_CUES:  # before they are parsed
        raise IngestError(Code.BAD_CAPTIONS, TOO_MANY)
    try:
        events = pysubs2.SSAFile.from_string(VOICE.sub("", text), format_="vtt" if _is_vtt(text) else "srt")
    except pysubs2.Pysubs2Error as error:
        raise ValueError("no subtitles") from error
    for event in events:
        said = event.text.partition(r"\N\N")[0]
        yield ReadCue(event.start / 1000, event.end / 1000, html.unescape(replace_breaks(said)))


def replace_breaks(text: str) -> str:
    """Return the text of a cue without the markup of pysubs2, in its own lines."""
    return re.sub(r"\{\\[^{}]*\}", "", text).replace(r"\N", "\n").replace(r"\h", " ")


def _is_vtt(text: str) -> bool:
    return text.lstrip().startswith("WEBVTT")


def _of_json(text: str) -> Iterator[ReadCue]:
    """Yield the cues of the JSON of podcasts (`segments`) or of YouTube (`events`)."""
    content = json.loads(text)
    fields = content if isinstance(content, dict) else {}
    for one in _dicts(fields.get("segments")):
        yield ReadCue(_number(one.get("startTime")), _number(one.get("endTime")), _text(one.get("body")))
    for one in _dicts(fields.get("events")):
        start_s = _number(one.get("tStartMs")) / 1000
        said = "".join(_text(part.get("utf8")) for part in _dicts(one.get("segs")))
        yield ReadCue(start_s, start_s + _number(one.get("dDurationMs")) / 1000, said)


def _of_html(text: str) -> Iterator[ReadCue]:
    """Yield the paragraphs of a page; each has the time that stands before it, up to the next time."""
    page = _Paragraphs()
    page.feed(text)
    page.close()
    for start_s, said in page.paragraphs:
        yield ReadCue(start_s, start_s, said)


class _Paragraphs(HTMLParser):
    """Collects the text of a page in paragraphs, without scripts, names of speakers (<cite>) and times."""

    SKIPPED = frozenset({"script", "style", "cite", "head", "title"})
    BREAKS = frozenset({"p", "div", "br", "li", "h1", "h2", "h3", "tr"})

    def __init__(self) -> None:
        super().__init__()
        self.paragraphs: list[tuple[float, str]] = []
        self._open: list[str] = []
        self._parts: list[str] = []
        self._at_s = 0.0

    def handle_starttag(self, tag: str, _attributes: list[tuple[str, str | None]]) -> None:
        if tag in self.SKIPPED or tag == "time":
            self._open.append(tag)
        if tag in self.BREAKS or tag == "time":
            self._flush()

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass
        if tag in self.BREAKS:
            self._flush()

    def handle_data(self, data: str) -> None:
        if not self._open:
            self._parts.append(data)
        elif self._open[-1] == "time" and (found := TIME.match(data.strip())):
            hours, minutes, seconds = found.groups()
            self._at_s = int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))

    def close(self) -> None:
        super().close()
        self._flush()

    def _flush(self) -> None:
        text = one_line("".join(self._parts))
        self._parts.clear()
        if text:
            self.paragraphs.append((self._at_s, text))


# -- cues --------------------------------------------------------------------------------------------------------------


def _tidy(found: Iterable[ReadCue]) -> Iterator[ReadCue]:
    """Yield cues with possible times and clean text; leave out empty ones, and lines that roll."""
    shown, shown_until_s = "", -math.inf
    for cue in found:
        if not (math.isfinite(cue.start_s) and math.isfinite(cue.end_s) and 0 <= cue.start_s < LONGEST_RECORDING_S):
            continue
        end_s = min(max(cue.end_s, cue.start_s), LONGEST_RECORDING_S)
        lines = [line for part in cue.text[:LONGEST_CUE].splitlines() if (line := _line(part))]
        rolls = end_s > cue.start_s and cue.start_s - shown_until_s <= ROLLS_WITHIN_S
        if rolls and lines and lines[0] == shown:
            shown_until_s, lines = max(shown_until_s, end_s), lines[1:]
        if lines:
            shown, shown_until_s = lines[-1], end_s
            yield replace(cue, end_s=end_s, text=" ".join(lines))


def _with_ends(cues: list[ReadCue]) -> list[ReadCue]:
    """Return cues in order; one without an end lasts until the next one begins, or as long as its text takes."""
    ended: list[ReadCue] = []
    later_s = math.inf
    for cue in reversed(cues):
        is_ended = cue.end_s > cue.start_s
        end_s = cue.end_s if is_ended else min(later_s, cue.start_s + len(cue.text) * LETTER_S)
        if not ended or cue.start_s < ended[-1].start_s:
            later_s = cue.start_s
        ended.append(replace(cue, end_s=end_s))
    return ended[::-1]


def _line(text: str) -> str:
    return one_line(SOUND.sub(" ", CHANGE_OF_SPEAKER.sub("", text)))


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
