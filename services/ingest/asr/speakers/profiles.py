"""The profiles of enrolled voices on the shared volume: each version is a file of its own that is never changed.

    <volume>/voices/<16 hex of the name>/<version>.json.zst

The greatest version is the present one. A worker reads a new version at its next recording. A profile belongs to the
model that made its vectors: vectors of different models cannot be compared.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ingest.asr.speakers.vectors import l2_normalize
from ingest.shared.artifacts import zstd_json
from ingest.shared.artifacts.folder_home import FolderHome
from ingest.shared.artifacts.home import ConflictError
from ingest.shared.artifacts.zstd_json import Vectors
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Part, Seconds, Text
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ingest.asr.speakers.vectors import FloatArray
    from ingest.shared.artifacts.home import Home

MIN_VECTORS = 3
MIN_SPEECH_S = 30.0
LONGEST_NAME = 100
RESERVED = "unknown"
EXTENSION = "json.zst"
MOST_CONFLICTS = 20
FOLDER = "voices"

log = get_logger(__name__)


class ProfileFile(Part):
    """The content of a profile's file. `purity` is the stored name of `Profile.half_similarity`."""

    name: Text
    version: Annotated[int, Field(ge=1)]
    model_key: str
    vectors: Vectors
    speech_s: Seconds
    sources: tuple[Text, ...]
    purity: float


@dataclass(frozen=True, eq=False)
class Profile:
    """An enrolled voice: its vectors (count, dimension) and their sources.

    `half_similarity` is the cosine of the two halves into which the vectors can be divided: low for two voices.
    """

    name: str
    version: int
    model_key: str
    vectors: FloatArray
    speech_s: float = MIN_SPEECH_S
    sources: tuple[str, ...] = ()
    half_similarity: float = 1.0

    @cached_property
    def units(self) -> FloatArray:
        """Return the vectors at length 1."""
        return l2_normalize(self.vectors)


def checked_name(name: str) -> str:
    """Return a name as it is stored; raise BAD_PROFILE for an invalid one, and for the names of unknown speakers."""
    shown = " ".join(clean(name).split())
    if not shown or len(shown) > LONGEST_NAME:
        raise IngestError(Code.BAD_PROFILE, f"a name has 1 to {LONGEST_NAME} characters")
    if shown.casefold().split()[0] == RESERVED:
        raise IngestError(Code.BAD_PROFILE, f"{shown!r} is reserved for unknown speakers")
    return shown


class Profiles:
    """The profiles of a volume (a path is a folder), cached until a file is added or removed."""

    def __init__(self, home: Home | Path) -> None:
        self._home: Home = FolderHome(home) if isinstance(home, Path) else home
        self._seen: tuple[str, ...] = ()
        self._read: list[Profile] = []

    def all(self) -> list[Profile]:
        """Return the present version of every profile, ordered by name; an unreadable file is skipped and logged."""
        present = tuple(sorted(names[-1] for names in self._versions(f"{FOLDER}/").values()))
        if present != self._seen:
            self._read = sorted(self._readable(present), key=lambda profile: profile.name.casefold())
            self._seen = present
        return list(self._read)

    def of(self, model_key: str, old_key: str | None = None) -> list[Profile]:
        """Return the profiles that a model made; `old_key` is the one that version 0.1.0 gave the same model.

        Profiles of other models are skipped and logged.
        """
        return made_by(self.all(), model_key, old_key)

    def get(self, name: str) -> Profile | None:
        """Return the profile of a name, ignoring case."""
        wanted = checked_name(name).casefold()
        return next((profile for profile in self.all() if profile.name.casefold() == wanted), None)

    def keep(self, profile: Profile) -> Profile:
        """Write a profile as the next version of its name and return it."""
        folder = _folder(profile.name)
        for _ in range(MOST_CONFLICTS):
            version = max(map(_version, self._versions(f"{folder}/").get(folder, ())), default=0) + 1
            content = ProfileFile(
                name=profile.name,
                version=version,
                model_key=profile.model_key,
                vectors=zstd_json.vectors(profile.vectors),
                speech_s=round(profile.speech_s, 2),
                sources=profile.sources,
                purity=round(profile.half_similarity, 4),
            )
            try:
                name = f"{folder}/{version:06}.{EXTENSION}"
                self._home.put(name, zstd_json.pack(content, Code.BAD_PROFILE), before=None)
            except ConflictError:  # another command has written this version
                continue
            return _profile(content)
        raise IngestError(Code.ENV_VOLUME, f"the profile of {profile.name!r} is written by others all the time")

    def versions(self, name: str) -> int:
        """Return how many versions of a profile are stored, also of one that cannot be read."""
        folder = _folder(name)
        return len(self._versions(f"{folder}/").get(folder, ()))

    def remove(self, name: str) -> None:
        """Delete all versions of a profile; raise BAD_PROFILE when there is none of this name."""
        if not self.versions(name):
            raise IngestError(Code.BAD_PROFILE, f"no voice is enrolled as {name!r}")
        self._home.remove(_folder(name))

    def _versions(self, prefix: str) -> dict[str, list[str]]:
        """Return the names of all versions of each profile, the present one last."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for entry in self._home.list(prefix):
            folder, _, _ = entry.name.rpartition("/")
            if folder.count("/") == 1 and _version(entry.name):
                found[folder].append(entry.name)
        return {folder: sorted(names) for folder, names in found.items()}

    def _readable(self, names: Iterable[str]) -> Iterator[Profile]:
        for name in names:
            try:
                content = self._home.get(name, zstd_json.LARGEST_BYTES)
                if content is not None:
                    yield _profile(zstd_json.parse(ProfileFile, content, name, Code.BAD_PROFILE))
            except (IngestError, ValueError) as error:
                log.warning("profile_unreadable", file=name, error=str(error))


def made_by(known: Iterable[Profile], *keys: str | None) -> list[Profile]:
    """Return the profiles that a model made, which had these keys; those of other models are skipped and logged."""
    own, refused = list[Profile](), list[Profile]()
    for profile in known:
        (own if profile.model_key in keys else refused).append(profile)
    if refused:
        names = [profile.name for profile in refused]
        log.warning("profiles_refused", names=names, model_key=keys[0], reason="made by another model")
    return own


def _folder(name: str) -> str:
    return f"{FOLDER}/{hashlib.sha256(checked_name(name).casefold().encode()).hexdigest()[:16]}"


def _version(name: str) -> int:
    number = name.rpartition("/")[2].removesuffix(f".{EXTENSION}")
    return int(number) if number.isdecimal() and name.endswith(f".{EXTENSION}") else 0


def _profile(content: ProfileFile) -> Profile:
    return Profile(
        name=content.name,
        version=content.version,
        model_key=content.model_key,
        vectors=content.vectors.array(),
        speech_s=content.speech_s,
        sources=content.sources,
        half_similarity=content.purity,
    )
