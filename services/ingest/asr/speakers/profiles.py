"""The enrolled voices: profiles on the shared volume, each version a file of its own that is never changed.

    <volume>/voices/<16 hex of the name>/<version>.json.zst

The greatest version counts. A worker sees a new one at its next recording. Profiles belong to the model that made their
vectors: those of another model are in another space and mean nothing there.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ingest.shared.artifacts import zstd_json
from ingest.shared.artifacts.volume import translate_os_errors, write_atomically
from ingest.shared.artifacts.zstd_json import Vectors
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Part, Seconds, Text
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ingest.asr.speakers.vectors import FloatArray

LEAST_VECTORS = 3
LEAST_SPEECH_S = 30.0
LONGEST_NAME = 100
RESERVED = "unknown"
EXTENSION = "json.zst"

log = get_logger(__name__)


class ProfileFile(Part):
    """What is known about a voice. `purity` is the cosine between the two halves that its vectors fall into."""

    name: Text
    version: Annotated[int, Field(ge=1)]
    model_key: str
    vectors: Vectors
    speech_s: Seconds
    sources: tuple[Text, ...]
    purity: float


@dataclass(frozen=True, eq=False)
class Profile:
    """An enrolled voice: its vectors (count, dimension) and where they come from."""

    name: str
    version: int
    model_key: str
    vectors: FloatArray
    speech_s: float = LEAST_SPEECH_S
    sources: tuple[str, ...] = ()
    purity: float = 1.0


def checked_name(name: str) -> str:
    """Return a name as it is stored; raise BAD_PROFILE for one that is none, or that strangers are given."""
    shown = " ".join(clean(name).split())
    if not shown or len(shown) > LONGEST_NAME:
        raise IngestError(Code.BAD_PROFILE, f"a name has 1 to {LONGEST_NAME} characters")
    if shown.casefold().split()[0] == RESERVED:
        raise IngestError(Code.BAD_PROFILE, f"{shown!r} is what strangers are called")
    return shown


class Profiles:
    """The profiles of a volume. What has been read is kept until a file comes or goes."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "voices"
        self._seen: tuple[Path, ...] = ()
        self._read: list[Profile] = []

    def all(self) -> list[Profile]:
        """Return the present version of every profile, by name; a file that cannot be read is left out and logged."""
        with translate_os_errors("voices"):
            present = tuple(self._present())
        if present != self._seen:
            self._read = sorted(self._readable(present), key=lambda profile: profile.name.casefold())
            self._seen = present
        return list(self._read)

    def of(self, model_key: str) -> list[Profile]:
        """Return the profiles in the space of a model; those of another are refused, which is logged."""
        known = self.all()
        refused = [profile.name for profile in known if profile.model_key != model_key]
        if refused:
            log.warning("profiles_refused", names=refused, model_key=model_key, reason="made by another model")
        return [profile for profile in known if profile.model_key == model_key]

    def get(self, name: str) -> Profile | None:
        """Return the profile of a name, whatever its upper and lower case."""
        wanted = checked_name(name).casefold()
        return next((profile for profile in self.all() if profile.name.casefold() == wanted), None)

    def keep(self, profile: Profile) -> Profile:
        """Write a profile as the next version of its name and return it."""
        with translate_os_errors("voices"):
            folder = self._folder(profile.name)
            folder.mkdir(parents=True, exist_ok=True)
            version = max((_version(path) for path in folder.glob(f"*.{EXTENSION}")), default=0) + 1
            content = ProfileFile(
                name=profile.name,
                version=version,
                model_key=profile.model_key,
                vectors=zstd_json.vectors(profile.vectors),
                speech_s=round(profile.speech_s, 2),
                sources=profile.sources,
                purity=round(profile.purity, 4),
            )
            write_atomically(folder / f"{version:06}.{EXTENSION}", zstd_json.pack(content))
        return _profile(content)

    def remove(self, name: str) -> None:
        """Forget a voice with all its versions; raise BAD_PROFILE when there is none of this name."""
        profile = self.get(name)
        if profile is None:
            raise IngestError(Code.BAD_PROFILE, f"no voice is enrolled as {name!r}")
        with translate_os_errors("voices"):
            shutil.rmtree(self._folder(profile.name))

    def _folder(self, name: str) -> Path:
        return self.folder / hashlib.sha256(checked_name(name).casefold().encode()).hexdigest()[:16]

    def _present(self) -> Iterator[Path]:
        for folder in sorted(self.folder.glob("*")):
            versions = sorted(folder.glob(f"[0-9]*.{EXTENSION}"))
            if versions:
                yield versions[-1]

    def _readable(self, paths: tuple[Path, ...]) -> Iterator[Profile]:
        for path in paths:
            try:
                yield _profile(zstd_json.read(ProfileFile, path, Code.BAD_PROFILE))
            except (IngestError, OSError, ValueError) as error:
                log.warning("profile_unreadable", file=path.name, folder=path.parent.name, error=str(error))


def _version(path: Path) -> int:
    number = path.name.removesuffix(f".{EXTENSION}")
    return int(number) if number.isdecimal() else 0


def _profile(content: ProfileFile) -> Profile:
    return Profile(
        name=content.name,
        version=content.version,
        model_key=content.model_key,
        vectors=content.vectors.array(),
        speech_s=content.speech_s,
        sources=content.sources,
        purity=content.purity,
    )
