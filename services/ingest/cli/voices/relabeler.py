"""Names the speakers of a group of recordings again: files first, then the rows, with what they were made from."""

from __future__ import annotations

import hashlib
import inspect
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ingest.asr.speakers import matching, vectors
from ingest.asr.speakers.matching import EnrolledVoices
from ingest.asr.speakers.profiles import made_by
from ingest.cli.voices.profiles import NO_DIARIZATION
from ingest.embedder import overlap
from ingest.embedder.corrections import names as by_hand
from ingest.embedder.tables import labels, speaker_names
from ingest.embedder.tables.labels import NewNames
from ingest.shared.artifacts import voiceprints
from ingest.shared.artifacts.volume import NewArtifact
from ingest.shared.errors import Code, IngestError
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Executor

    from ingest.asr.speakers.matching import Thresholds
    from ingest.asr.speakers.profiles import Profile
    from ingest.embedder.postgres.database import Database
    from ingest.shared.artifacts.voiceprints import Voiceprints
    from ingest.shared.artifacts.volume import Manifest, Volume
    from ingest.shared.messages import Artifact

CODE = (matching, vectors, by_hand, overlap, speaker_names, labels)  # what decides who speaks
MOST_TURNS = 20_000  # of one transaction: about 50 hours of conversation

log = get_logger(__name__)


@dataclass(frozen=True)
class RelabelReport:
    """The changes of a video: the number of passages per change of name, or the reason why it was left as it was.

    `is_failed`: something is wrong. A video without a diarization, or one that is being indexed, is only left.
    """

    video_id: str
    changes: dict[str, int]
    trouble: str = ""
    is_failed: bool = False


@dataclass(frozen=True)
class Voices:
    """The enrolled voices, and the thresholds by which they are recognised."""

    profiles: Sequence[Profile]
    thresholds: Thresholds

    def renamed(self, before: Voiceprints) -> Voiceprints:
        """Return voiceprints with the names by the profiles of their voice model."""
        known = self._by_model.get(before.model_key)
        if known is None:
            known = EnrolledVoices(made_by(self.profiles, before.model_key))
            self._by_model[before.model_key] = known
        turns = matching.name_by(known, before.turns, before.vectors.array(), self.thresholds)
        return before.model_copy(update={"turns": tuple(turns)})

    @cached_property
    def checksum(self) -> str:
        """Return a checksum of the voices, the thresholds and the code that compares them."""
        digest = hashlib.sha256(self.thresholds.model_dump_json().encode())
        for one in self.profiles:
            digest.update(repr((one.name, one.version, one.model_key, one.vectors.shape)).encode())
            digest.update(one.vectors.tobytes())
        for module in CODE:
            digest.update(inspect.getsource(module).encode())
        return digest.hexdigest()

    @cached_property
    def _by_model(self) -> dict[str, EnrolledVoices]:
        return {}


@dataclass(frozen=True)
class Relabeler:
    """Names the speakers of recordings; what people have said beats the voice models. Several threads may use it.

    `files` has the threads that read and write the files of a group.
    """

    volume: Volume
    database: Database
    voices: Voices
    files: Executor

    def relabel(self, video_ids: Sequence[str]) -> list[RelabelReport]:
        """Name the speakers of recordings, and return what changed in each."""
        found = self.files.map(lambda video_id: self.volume.manifest(video_id, "voices"), video_ids)
        manifests = {video_id: one for video_id, one in zip(video_ids, found, strict=True) if one is not None}
        reports = {video_id: RelabelReport(video_id, {}, NO_DIARIZATION) for video_id in video_ids}
        sources = {video_id: self._source(one.artifact) for video_id, one in manifests.items()}
        stored = labels.compare(self.database, sources)
        wanted = {}
        for video_id, manifest in manifests.items():
            if video_id not in stored or stored[video_id].generation < manifest.generation:
                reports[video_id] = _left(video_id, speaker_names.superseded(video_id))
            elif stored[video_id].is_as_before:
                reports[video_id] = RelabelReport(video_id, {})
            else:
                wanted[video_id] = manifest
        for part in _parts(self.files.map(self._named, wanted.items())):
            reports |= self._stored([one for one in part if isinstance(one, NewNames)])
            reports |= {one.video_id: one for one in part if isinstance(one, RelabelReport)}
        return list(reports.values())

    def _named(self, wanted: tuple[str, Manifest]) -> NewNames | RelabelReport:
        """Name the turns of a recording in its voiceprints; return them, or why that is not possible."""
        video_id, manifest = wanted
        try:
            before = voiceprints.read(self.volume.verified(manifest.artifact, patience_s=0))
            after = self.voices.renamed(before)
            artifact = manifest.artifact if after == before else self._keep(after, manifest)
        except IngestError as error:
            if error.code.startswith("ENV_"):
                raise
            return _left(video_id, error)
        return NewNames(video_id, manifest.generation, after.turns, self._source(artifact))

    def _stored(self, named: Sequence[NewNames]) -> dict[str, RelabelReport]:
        """Store the names of passages; return what changed. A recording that the database refuses stops no other."""
        try:
            changes = labels.store(self.database, named)
        except IngestError as error:
            if error.code.startswith("ENV_"):
                raise
            if len(named) == 1:
                return {named[0].video_id: _left(named[0].video_id, error)}
            return {video_id: report for one in named for video_id, report in self._stored([one]).items()}
        reports = {}
        for one in named:
            if one.video_id not in changes:
                reports[one.video_id] = _left(one.video_id, speaker_names.superseded(one.video_id))
                continue
            counted = Counter(f"{old or 'no name'} -> {new or 'no name'}" for old, new in changes[one.video_id])
            reports[one.video_id] = RelabelReport(one.video_id, dict(counted))
        return reports

    def _keep(self, changed: Voiceprints, manifest: Manifest) -> Artifact:
        content, extension = voiceprints.pack(changed), voiceprints.EXTENSION
        duration_s, origin = manifest.artifact.duration_s, manifest.origin
        made = NewArtifact(content, "voices", extension, duration_s, origin, manifest.generation)
        return self.volume.keep(changed.video_id, made)

    def _source(self, artifact: Artifact) -> str:
        return f"{self.voices.checksum} {artifact.sha256}"


def _parts(found: Iterable[NewNames | RelabelReport]) -> Iterator[list[NewNames | RelabelReport]]:
    """Yield what is stored in one transaction: rows are locked meanwhile, and all turns are in memory."""
    part, turns = list[NewNames | RelabelReport](), 0
    for one in found:
        part.append(one)
        turns += len(one.turns) if isinstance(one, NewNames) else 0
        if turns >= MOST_TURNS:
            yield part
            part, turns = [], 0
    yield part


def _left(video_id: str, error: IngestError) -> RelabelReport:
    log.warning("not_relabelled", video_id=video_id, code=error.code, error=error.message)
    return RelabelReport(video_id, {}, str(error), error.code is not Code.SUPERSEDED)
