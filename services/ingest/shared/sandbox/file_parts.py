"""Looks at the bytes of a media file where FFmpeg says nothing: a missing end, tags, joined recordings, fill.

Fill are bytes of one value with which recorders, cutters and servers take the rest of a place: erased memory is full of
0xFF, anything else of zeros. No coder of SELF_FRAMED writes a frame of such bytes.
"""

from __future__ import annotations

import os
import re
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from ingest.shared.errors import Code, IngestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST_PAGE = b"OggS\x00\x02"  # of a stream in Ogg
FIRST_BLOCK = b"fLaC\x00\x00\x00\x22"  # of a FLAC file
PAGE_HEAD_BYTES = 27
ASF_HEAD = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
W64_HEAD = bytes.fromhex("726966662e91cf11a5d628db04c10000")
HEADS = {  # of files whose demuxer stops where the first of several joined recordings ends
    "aiff": re.compile(rb"FORM.{4}AIF[FC]", re.DOTALL),
    "asf": re.compile(re.escape(ASF_HEAD)),
    "caf": re.compile(rb"caff\x00\x01\x00\x00desc"),
    "dsf": re.compile(rb"DSD \x1c\x00{7}"),
    "flv": re.compile(rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09"),
    "mov": re.compile(rb"\x00\x00[\x00-\x10].ftyp[ -~]{4}", re.DOTALL),
    "qcp": re.compile(rb"RIFF.{4}QLCMfmt ", re.DOTALL),
    "rm": re.compile(rb"\.RMF\x00\x00\x00"),
    "tta": re.compile(rb"TTA1[\x01-\x03]\x00"),
    "voc": re.compile(rb"Creative Voice File\x1a"),
    "w64": re.compile(re.escape(W64_HEAD)),
    "wav": re.compile(rb"(?:RIFF|RIFX|RF64|BW64).{4}WAVE", re.DOTALL),
}
LONGEST_HEAD = 64
RIFF_HEAD_BYTES = 12
CHUNK_HEAD_BYTES = 8
CHUNK_NAME = re.compile(rb"[ -~]{4}")
MOST_PARTS = 10_000
LEAST_REST_BYTES = 1 << 16
REST_SHARE = 0.02
BLOCK_BYTES = 1 << 20
SEGMENT = b"\x18\x53\x80\x67"  # Matroska's element that holds everything else
HEAD_BYTES = 4096
ENTERED = frozenset({0x18538067, 0x1F43B675, 0xA0})  # the segment, its clusters, groups of blocks
ELEMENTS = ENTERED | {
    *(0x1A45DFA3, 0x114D9B74, 0xEC, 0xBF, 0x1549A966, 0x1654AE6B),  # heads, space, checksums, tracks
    *(0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367),  # cues, attachments, chapters, tags
    *(0xE7, 0xA7, 0xAB, 0x5854, 0xA3, 0xAF),  # in a cluster: its time and place, blocks
    *(0xA1, 0x9B, 0xFB, 0xFD, 0xFA, 0x75A1, 0x75A2, 0xA4, 0x8E),  # in a group: the block, its length, what it refers to
}
LONGEST_ELEMENT_HEAD = 12
OPEN_LENGTH = 0x7FFF0000  # from here on the length in a head is none: its recorder never came back to it
SYNCSAFE = (21, 14, 7, 0)
MP3_HEADS = (b"Xing", b"Info", b"VBRI")  # in the first frame of a recording
MP3_HEAD_BYTES = 4
LAYER_3 = 1
MPEG_1 = 3
MP3_KBITS = {  # by the index in the head of a frame
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
}
MP3_RATES = (44_100, 48_000, 32_000, 0)  # of MPEG-1; half of it in MPEG-2, a quarter in MPEG-2.5
SELF_FRAMED = frozenset({"aac", "ac3", "amr", "dts", "eac3", "loas", "mp3"})  # each frame begins with a head of its own
FILL = (b"\0", b"\xff")
LEAST_FILL_BYTES = 32


class Part:
    """A part of a file, as a file of its own."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file = file
        self._start = start
        self._end = end
        self.seek(0)

    def read(self, size: int = -1) -> bytes:
        """Read bytes."""
        left = max(0, self._end - self._file.tell())
        return self._file.read(left if size < 0 else min(size, left))

    def seek(self, to: int, whence: int = os.SEEK_SET) -> int:
        """Change the position, at most to the end; return it, or -1 before the beginning, where nothing is."""
        base = {os.SEEK_SET: self._start, os.SEEK_CUR: self._file.tell(), os.SEEK_END: self._end}[whence]
        return -1 if base + to < self._start else self._file.seek(min(base + to, self._end)) - self._start

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell() - self._start


def starts_of_parts(file: BinaryIO) -> list[int]:
    """Return where the recordings begin that are joined in a file; 0 is the first.

    Radio recorders and advertisement servers join them. Each part has a head of its own, which FFmpeg does not read.
    Raise AUDIO_SUSPICIOUS for more parts than a recording has.
    """
    file.seek(0)
    head = file.read(len(FIRST_BLOCK))
    if head == FIRST_BLOCK:
        return _places(file, FIRST_BLOCK)
    if not head.startswith(FIRST_PAGE):
        return [0]
    starts: list[int] = []
    follows = 0  # a part has a first page for each of its streams, one after the other
    for place in _places(file, FIRST_PAGE):
        if place != follows or not starts:
            starts.append(place)
        follows = place + _page_bytes(file, place)
    return starts


def _page_bytes(file: BinaryIO, place: int) -> int:
    file.seek(place)
    head = file.read(PAGE_HEAD_BYTES)
    lengths = file.read(head[-1]) if len(head) == PAGE_HEAD_BYTES else b""
    return len(head) + len(lengths) + sum(lengths)


def _places(file: BinaryIO, words: bytes) -> list[int]:
    found = list(islice(_each_place(file, words), MOST_PARTS + 1))
    if len(found) > MOST_PARTS:
        raise IngestError(Code.AUDIO_SUSPICIOUS, f"more than {MOST_PARTS} recordings joined in one file")
    return found


def _each_place(file: BinaryIO, words: bytes) -> Iterator[int]:
    """Yield the places of some bytes in a file."""
    file.seek(0)
    kept, at = b"", 0
    while block := file.read(BLOCK_BYTES):
        data = kept + block
        found = data.find(words)
        while found >= 0:
            yield at - len(kept) + found
            found = data.find(words, found + 1)
        at += len(block)
        kept = data[1 - len(words) :]


def rest_of_stream(container: str, read_to: int, size: int) -> int | None:
    """Return where the packets of a transport stream end that FFmpeg has read, if much follows: another track."""
    follows = container == "mpegts" and read_to > 0 and size - read_to > max(LEAST_REST_BYTES, REST_SHARE * size)
    return read_to if follows else None


def next_head(container: str, file: BinaryIO, start: int, read_to: int, end: int) -> int | None:
    """Return where a recording begins behind the packets that FFmpeg has read of the one that begins at `start`.

    Return None where none is joined. `read_to` counts from `start`.
    """
    head = HEADS.get(container)
    if head is None:
        return None
    into = LEAST_REST_BYTES if container == "rm" else 0  # FFmpeg reads on, and stops within the next one
    at = start + max(1, read_to - into)
    file.seek(at)
    kept = b""
    while at < end and (block := file.read(min(BLOCK_BYTES, end - at))):
        data = kept + block
        if found := head.search(data):
            return at - len(kept) + found.start()
        at += len(block)
        kept = data[-LONGEST_HEAD:]
    return None


def unread_data_bytes(file: BinaryIO, start: int, end: int) -> int:
    """Return the length of all chunks of sound in a wav file but the last, which is the one that FFmpeg reads."""
    at, lengths = start + RIFF_HEAD_BYTES, [0]
    while at + CHUNK_HEAD_BYTES <= end:
        file.seek(at)
        head = file.read(CHUNK_HEAD_BYTES)
        length = int.from_bytes(head[4:], "little")
        if not CHUNK_NAME.match(head):
            break
        if head.startswith(b"data"):
            lengths.append(length)
        at += CHUNK_HEAD_BYTES + length + length % 2
    return sum(lengths[:-1])


def missing_bytes(file: BinaryIO, size: int) -> int:
    """Return by how many bytes a Matroska file ends before the end of its segment; 0 for any other file."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    at = head.find(SEGMENT)
    if not head.startswith(b"\x1aE\xdf\xa3") or at < 0 or at + len(SEGMENT) >= len(head):
        return 0
    start = at + len(SEGMENT)
    width = 9 - head[start].bit_length()
    number = int.from_bytes(head[start : start + width], "big")
    length = number - (1 << (7 * width))
    is_known = width <= 8 and number != (1 << (7 * width + 1)) - 1  # noqa: PLR2004 (bytes of the longest number)
    return max(0, start + width + length - size) if is_known else 0


def riff_share(file: BinaryIO, start: int, size: int) -> float:
    """Return by how much the head of a RIFF file (wav, avi) says that it is longer than it is: 2.0 for half a file.

    Return 1 where it says less, or leaves its length open. The position in the file stays.
    """
    before = file.tell()
    file.seek(start)
    head = file.read(8)
    file.seek(before)
    said = int.from_bytes(head[4:], "little") + 8
    return said / size if head.startswith(b"RIFF") and size < said < OPEN_LENGTH else 1.0


def is_whole_matroska(file: BinaryIO, size: int) -> bool:
    """Return whether each element of a Matroska file ends where the next one begins, up to the end of the file.

    Elements of unknown length, as in a stream, are entered. The position in the file stays.
    """
    before, at = file.tell(), 0
    while at < size:
        file.seek(at)
        data = file.read(LONGEST_ELEMENT_HEAD)
        name, width = _number(data)
        length, more = _number(data[width:])
        if name not in ELEMENTS or not more:
            break
        is_entered = name in ENTERED
        at += width + more + (0 if is_entered else length - (1 << (7 * more)))
    file.seek(before)
    return at == size


def _number(data: bytes) -> tuple[int, int]:
    """Return a number of Matroska with the mark of its width, and its width; 0 and 0 for none."""
    width = 9 - data[0].bit_length() if data else 0
    return (int.from_bytes(data[:width], "big"), width) if 0 < width <= len(data) and data[0] else (0, 0)


def mp3_frames(file: BinaryIO) -> int | None:
    """Return the number of frames that the head of an mp3 file names, or None if it names none.

    The position in the file stays.
    """
    before = file.tell()
    file.seek(0)
    head = file.read(10)
    file.seek(_syncsafe(head[6:]) + 10 if head.startswith(b"ID3") else 0)
    frame = file.read(512)
    file.seek(before)
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    has_frames = at >= 0 and len(frame) >= at + 12 and bool(frame[at + 7] & 1)
    return int.from_bytes(frame[at + 8 : at + 12], "big") if has_frames else None


def mp3_frame_bytes(frame: bytes) -> int:
    """Return how long a frame of layer III is by its head; 0 for anything else."""
    if len(frame) < MP3_HEAD_BYTES or (frame[1] >> 1) & 3 != LAYER_3:
        return 0
    version = (frame[1] >> 3) & 3
    kbits, rate = MP3_KBITS[version == MPEG_1][frame[2] >> 4], MP3_RATES[(frame[2] >> 2) & 3]
    if not kbits or not rate:
        return 0
    half = 1 if version == MPEG_1 else 2
    rate //= half if version else 2 * half
    return 144_000 // half * kbits // rate + ((frame[2] >> 1) & 1)


def end_of_tag(data: bytes) -> int | None:
    """Return where a tag ends that begins in `data` (it may be longer than that), or None without one."""
    ends: tuple[tuple[bytes, Callable[[bytes], int]], ...] = (
        (b"ID3", lambda tag: 10 + _syncsafe(tag[6:10])),
        (b"APETAGEX", lambda tag: 32 + int.from_bytes(tag[12:16], "little")),
        (b"TAG", lambda _tag: 128),
    )
    found = ((data.find(name), end) for name, end in ends)
    return max((at + end(data[at:]) for at, end in found if at >= 0), default=None)


def _syncsafe(data: bytes) -> int:
    return sum(byte << shift for byte, shift in zip(data, SYNCSAFE, strict=False))


def before_fill(data: bytes) -> int:
    """Return the number of bytes before the fill at the end of `data`."""
    return min(_unless_short(len(data.rstrip(fill)), len(data)) for fill in FILL)


def behind_fill(data: bytes) -> int:
    """Return the number of bytes behind the fill at the start of `data`."""
    return min(_unless_short(len(data.lstrip(fill)), len(data)) for fill in FILL)


def is_fill(data: bytes) -> bool:
    """Return whether all bytes of `data` are fill."""
    return any(not data.strip(fill) for fill in FILL)


def _unless_short(left: int, whole: int) -> int:
    """Return `left`, or the whole length where so few bytes were stripped that they may belong to a frame."""
    return left if whole - left >= LEAST_FILL_BYTES else whole


def end_of_content(file: BinaryIO, start: int, end: int) -> int:
    """Return where the fill begins that reaches to the end of a part of a file. The position in the file stays."""
    before, at = file.tell(), end
    fill = b""
    while at > start:
        size = min(BLOCK_BYTES, at - start)
        file.seek(at - size)
        block = file.read(size)
        fill = fill or (block[-1:] if block[-1:] in FILL else b"")
        left = len(block.rstrip(fill)) if fill else len(block)
        at -= size - left
        if left:
            break
    file.seek(before, os.SEEK_SET)
    return at
