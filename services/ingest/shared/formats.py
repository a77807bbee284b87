"""The one list of media formats: what the decoder opens, what a folder scan lists, how files on the volume are named.

A row is a demuxer of FFmpeg and the suffixes of its files. Each demuxer recognises its files by their content, and
opens no other file. Formats without a signature (raw samples) are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES_OF: Final[dict[str, tuple[str, ...]]] = {
    "aac": (".aac", ".adts"),
    "ac3": (".ac3",),
    "aiff": (".aif", ".aifc", ".aiff"),
    "amr": (".amr", ".awb"),
    "ape": (".ape",),
    "asf": (".asf", ".wma", ".wmv"),
    "au": (".au", ".snd"),
    "avi": (".avi", ".divx"),
    "caf": (".caf",),
    "dsf": (".dsf",),
    "dss": (".dss",),
    "dts": (".dts",),
    "dv": (".dv",),
    "eac3": (".ec3", ".eac3"),
    "flac": (".flac",),
    "flv": (".flv",),
    "loas": (".latm", ".loas"),
    "matroska": (".mka", ".mkv"),
    "mov": (
        ".3g2",
        ".3ga",
        ".3gp",
        ".3gpp",
        ".f4a",
        ".f4b",
        ".f4v",
        ".m4a",
        ".m4b",
        ".m4r",
        ".m4v",
        ".mov",
        ".mp4",
        ".qt",
        ".qta",
    ),
    "mp3": (".m2a", ".mp1", ".mp2", ".mp3", ".mpa", ".mpga"),
    "mpc": (".mpc",),
    "mpc8": (".mpc",),
    "mpeg": (".mpeg", ".mpg", ".vob"),
    "mpegts": (".m2t", ".m2ts", ".mts", ".ts"),
    "mxf": (".mxf",),
    "ogg": (".oga", ".ogg", ".ogm", ".ogv", ".ogx", ".opus", ".spx"),
    "oma": (".aa3", ".oma"),
    "qcp": (".qcp",),
    "rm": (".ra", ".rm", ".rmvb"),
    "tak": (".tak",),
    "tta": (".tta",),
    "voc": (".voc",),
    "w64": (".w64",),
    "wav": (".bwf", ".rf64", ".wav", ".wave"),
    "webm": (".weba", ".webm"),
    "wv": (".wv",),
}
MEDIA_SUFFIXES: Final = frozenset(suffix for suffixes in SUFFIXES_OF.values() for suffix in suffixes)
TYPESCRIPT: Final = frozenset({".mts", ".ts"})  # suffixes that source code in TypeScript has, too
TRANSPORT_STREAM: Final = 0x47  # the first byte of each packet; in an .mts it follows a clock of 4 bytes
HEAD_BYTES: Final = 5


def is_media_file(path: Path) -> bool:
    """Return whether a file has the suffix of a media format; source code with such a suffix is none.

    A file that cannot be read counts as media by its suffix: the error is raised where the recording is read.
    """
    suffix = path.suffix.lower()
    if suffix not in TYPESCRIPT:
        return suffix in MEDIA_SUFFIXES
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return True
    return TRANSPORT_STREAM in head[:1] + head[4:]
