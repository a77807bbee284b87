"""Takes the captions inside of a media file: a track of text. Tracks of pictures and of single lines are left out.

A child process reads the file, whose tracks FFmpeg decodes to lines of ASS, whatever they were in the file.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import av.error
from av.stream import Disposition
from av.subtitles.subtitle import AssSubtitle

from ingest.downloader.captions.cues import LARGEST_BYTES, MOST_CUES, TOO_MANY, replace_breaks
from ingest.downloader.captions.found import CaptionFile, Offer, best
from ingest.shared import languages
from ingest.shared.artifacts.files import translate_os_errors
from ingest.shared.bounds import LONGEST_LANGUAGE
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox import child, decode
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from av.container import InputContainer
    from av.packet import Packet
    from av.subtitles.stream import SubtitleStream

    from ingest.shared.sandbox.child import Reporter

READING = ChildLimits(deadline_s=600.0, cpu_s=300.0, file_bytes=0)  # of a film on a slow disk, too
TEXT = frozenset({"ass", "mov_text", "srt", "ssa", "subrip", "text", "webvtt"})
BESIDES = Disposition.comment | Disposition.forced | Disposition.descriptions  # of forced ones, few lines are shown
NO_CONTAINER = frozenset({Code.NOT_AUDIO, Code.AUDIO_CORRUPT, Code.AUDIO_EMPTY_FILE})
MOST_NAMED = 10
ASS_FIELDS = 8  # before the text of a line
DRAWING = re.compile(r"\\p[1-9]")


@dataclass(frozen=True)
class TextTrack:
    """The lines of a track as JSON (`segments`, as podcasts have them), and its language."""

    content: str
    language: str


@dataclass(frozen=True)
class FoundTracks:
    """The track that was taken, if any, and the names of those that cannot be."""

    taken: TextTrack | None
    left_out: list[str]


def inside(media: Path, folder: Path, wanted: Sequence[str]) -> CaptionFile | None:
    """Return the captions inside of a media file, in a new file of the folder; None where it has none.

    Raise NO_CAPTIONS where it has some that cannot be read, and BAD_CAPTIONS for a damaged file.
    """
    limits = replace(READING, reads=(str(media), str(media.resolve())))
    try:
        found = child.run(read_tracks, (str(media), list(wanted)), limits)
    except IngestError as error:
        if error.code not in NO_CONTAINER:
            raise
        return None
    if found.taken is None:
        if found.left_out:
            raise IngestError(Code.NO_CAPTIONS, f"tracks of the file that are left out: {', '.join(found.left_out)}")
        return None
    path = folder / "track.json"
    with translate_os_errors("scratch folder"):
        path.write_text(found.taken.content)
    return CaptionFile(str(path), "manual", "file", languages.code(found.taken.language))


def read_tracks(_report: Reporter, path: str, wanted: list[str]) -> FoundTracks:
    """Return the track of a file to take (runs in a child process): in a wanted language, else in that of the sound."""
    try:
        with decode.opened(Path(path)) as container:
            return _read(container, wanted)
    except av.error.FFmpegError as error:
        raise IngestError(Code.BAD_CAPTIONS, f"the track cannot be read ({type(error).__name__})") from error


def _read(container: InputContainer, wanted: Sequence[str]) -> FoundTracks:
    tracks = {str(track.index): track for track in container.streams.subtitles}
    fitting = {name: track for name, track in tracks.items() if _is_text(track) and not track.disposition & BESIDES}
    left_out = [_name(track) for name, track in tracks.items() if name not in fitting][:MOST_NAMED]
    offers = [Offer(name, "json", track.language or "") for name, track in fitting.items()]
    chosen = best(offers, wanted or _spoken(container))
    if chosen is None:
        return FoundTracks(None, left_out)
    lines = list(_lines(container, fitting[chosen.address]))
    if not lines:
        return FoundTracks(None, [*left_out, f"{_name(fitting[chosen.address])}: empty"])
    content = json.dumps({"segments": lines}, ensure_ascii=False)
    return FoundTracks(TextTrack(content, shorten(chosen.language, LONGEST_LANGUAGE)), left_out)


def _spoken(container: InputContainer) -> list[str]:
    """Return the language of the first sound track that names one."""
    found = (languages.code(track.language or "") for track in container.streams.audio)
    return [code for code in found if code is not None][:1]


def _is_text(track: SubtitleStream) -> bool:
    return track.codec_context is not None and track.codec_context.name in TEXT


def _name(track: SubtitleStream) -> str:
    """Return the format of a track, its language, and why it is left out."""
    form = track.codec_context.name if track.codec_context is not None else "unknown"
    why = "not of all that is said" if _is_text(track) else "pictures"
    return " ".join(filter(None, (form, shorten(track.language or "", LONGEST_LANGUAGE), f"({why})")))


def _lines(container: InputContainer, track: SubtitleStream) -> Iterator[dict[str, object]]:
    """Yield the lines of a track with their seconds from the start of the recording."""
    start_s = (container.start_time or 0) / av.time_base
    count = letters = 0
    for packet in container.demux(track):
        at_s = float(packet.pts * packet.time_base) - start_s if packet.pts is not None else -1.0
        until_s = at_s + float((packet.duration or 0) * packet.time_base)
        for text in _texts(packet):
            count, letters = count + 1, letters + len(text)
            if count > MOST_CUES or letters > LARGEST_BYTES:
                raise IngestError(Code.BAD_CAPTIONS, TOO_MANY)
            yield {"startTime": at_s, "endTime": until_s, "body": text}


def _texts(packet: Packet[SubtitleStream]) -> Iterator[str]:
    """Yield the texts of a packet; one that is damaged has none, and neither has a drawing."""
    with suppress(av.error.InvalidDataError, UnicodeDecodeError):
        for one in packet.decode():
            text = one.ass.decode().split(",", ASS_FIELDS)[-1] if isinstance(one, AssSubtitle) else ""
            if text and not DRAWING.search(text):
                yield replace_breaks(text)
