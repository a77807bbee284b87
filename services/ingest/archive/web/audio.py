"""Streams the audio of a recording from the volume: whole, or one range of bytes.

The volume is asked again for each block, so a slow client holds neither a thread nor a file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from ingest.archive.web.answers import KEPT, is_known
from ingest.archive.web.problems import NO_AUDIO, NO_RANGE, ProblemError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from ingest.shared.artifacts.home import Home
    from ingest.shared.artifacts.volume import Volume

BLOCK_BYTES = 1 << 18
RANGE = re.compile(r"bytes\s*=\s*(\d{0,19})\s*-\s*(\d{0,19})", re.ASCII)
TYPES: Final = {
    ".aac": "audio/aac",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".mka": "audio/x-matroska",
    ".mkv": "video/x-matroska",
    ".mov": "video/quicktime",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".wav": "audio/wav",
    ".weba": "audio/webm",
    ".webm": "audio/webm",
}


@dataclass(frozen=True)
class KeptAudio:
    """The audio file of a recording."""

    home: Home
    name: str
    size: int
    tag: str
    media_type: str


def find(volume: Volume, video_id: str) -> KeptAudio:
    """Return the audio file of a recording; raise ProblemError when it is not kept."""
    found = volume.stored(video_id, "audio")
    if found is None:
        raise ProblemError(NO_AUDIO, "it was purged, or never downloaded; the recording's link leads to its source")
    media_type = TYPES.get(PurePosixPath(found.path).suffix.lower(), "application/octet-stream")
    return KeptAudio(volume.home, found.path, found.size_bytes, f'"{found.sha256[:32]}"', media_type)


def response(request: Request, audio: KeptAudio) -> Response:
    """Return the whole file, or the range that a request asks for."""
    headers = {"ETag": audio.tag, "Accept-Ranges": "bytes", "Cache-Control": KEPT}
    if is_known(audio.tag, request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range", "")
    if request.headers.get("if-range", audio.tag) != audio.tag:
        wanted = ""
    start, end = byte_range(wanted, audio.size) or (0, audio.size)
    is_part = (start, end) != (0, audio.size) or byte_range(wanted, audio.size) is not None
    if is_part:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{audio.size}"
    headers["Content-Length"] = str(end - start)
    blocks = _blocks(audio, start, end)
    return StreamingResponse(blocks, 206 if is_part else 200, headers, audio.media_type)


def byte_range(wanted: str, size: int) -> tuple[int, int] | None:
    """Return the first byte of a range and the one after its last; None where the whole file is to be sent.

    Raise ProblemError for a range outside of the file. Several ranges, and what is none, are ignored (RFC 9110, 14.2).
    """
    found = RANGE.fullmatch(wanted.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if found[1]:
        start, end = int(found[1]), min(int(found[2]) + 1 if found[2] else size, size)
        if found[2] and int(found[2]) < int(found[1]):
            return None
    else:
        start, end = max(0, size - int(found[2])), size
    if start >= end:
        raise ProblemError(NO_RANGE, f"the file has {size} bytes", headers={"Content-Range": f"bytes */{size}"})
    return start, end


async def _blocks(audio: KeptAudio, start: int, end: int) -> AsyncIterator[bytes]:
    while start < end:
        block = await run_in_threadpool(audio.home.read, audio.name, start, min(BLOCK_BYTES, end - start))
        if not block:
            raise FileNotFoundError(f"{audio.name} became shorter while it was sent")
        yield block
        start += len(block)
