"""The recordings of `bench.real_speech`: the lines of a manifest, and the choice among them."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ingest.asr.spans import Span
from ingest.shared.languages import code

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).parents[2] / "shared" / "speech"
HALVES = ("tune", "report")
ALL = "all"


@dataclass(frozen=True)
class Recording:
    """A line of the manifest. A recording without speech has neither language nor text."""

    file: str
    seconds: float
    language: str | None
    text: str | None
    rttm: str | None
    speaker: str | None
    is_silent: bool
    is_inside: bool  # the text is spoken inside of other words

    @property
    def group(self) -> str:
        """Return the folder of the recording below the first one (`audio`), which is its kind."""
        folders = PurePosixPath(self.file).parent.parts
        return "".join(folders[1:2] or folders)

    @property
    def half(self) -> str:
        """Return the half that the recording belongs to; all recordings of a speaker are in the same one."""
        path = PurePosixPath(self.file)
        key = f"{path.parent.name}/{self.speaker or path.name}"
        return HALVES[hashlib.sha256(key.encode()).digest()[0] % len(HALVES)]


def read(folder: Path) -> list[Recording]:
    """Return the recordings of a folder."""
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [_recording(json.loads(line)) for line in lines if line.strip()]


def _recording(line: dict[str, Any]) -> Recording:
    return Recording(
        file=line["file"],
        seconds=float(line.get("seconds", 0.0)),
        language=code(line.get("language") or ""),
        text=line.get("text"),
        rttm=line.get("rttm"),
        speaker=line.get("speaker"),
        is_silent=str(line.get("kind", "")).startswith("no speech"),
        is_inside=line.get("score") == "span",
    )


def chosen(found: Sequence[Recording], half: str, subset: int | None) -> list[Recording]:
    """Return the recordings of a half, or of `all`; with `subset`, the shortest of each folder and language."""
    some = [one for one in found if half in (ALL, one.half)]
    if subset is None:
        return some
    groups: defaultdict[tuple[str, str | None], list[Recording]] = defaultdict(list)
    for one in sorted(some, key=lambda one: one.seconds):
        groups[one.group, one.language].append(one)
    kept = {one for group in groups.values() for one in group[:subset]}
    return [one for one in some if one in kept]


def turns(path: Path) -> list[tuple[Span, str]]:
    """Return the turns of an RTTM file with their speakers."""
    fields = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return [
        (Span(float(one[3]), float(one[3]) + float(one[4])), one[7]) for one in fields if one and one[0] == "SPEAKER"
    ]
