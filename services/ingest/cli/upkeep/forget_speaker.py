"""`ingest forget --speaker`: erases the profile, the voice embeddings and the name of a person. The words stay.

The name also goes from what sources say of who takes part in a recording, in the archive and in the events about it.

The profile goes first, so that no worker gives the name again. Everything may be repeated: what an interrupted command
has left is removed by the next one.
"""

from __future__ import annotations

import json
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.asr.speakers import erasure
from ingest.asr.speakers.profiles import Profiles, checked_name
from ingest.cli import console
from ingest.cli.upkeep import local_logs
from ingest.cli.upkeep.forget import ALL, IN_WORK, OUT_OF_REACH
from ingest.cli.vocabulary import command
from ingest.embedder.corrections import names as by_hand
from ingest.embedder.tables import changes, persons, speaker_statements, vocabulary
from ingest.embedder.tables.speaker_names import SpeakerNames
from ingest.shared import outgoing
from ingest.shared.artifacts import transcript as transcript_file
from ingest.shared.artifacts import voiceprints
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.broker.topology import (
    CHANGE_STREAM,
    DEAD_STREAM,
    EVENT_STREAM,
    LATER_STREAM,
    LEDGER,
    WORK_STREAM,
)
from ingest.shared.errors import ConfigurationError, IngestError
from ingest.shared.homes.chosen import home_of, volume_of
from ingest.shared.messages import ChangeRequested, DeadLetter, Event, Stage, VideoRequested, decode
from ingest.shared.video_state import ENDED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ingest.cli.local.state_folder import Connections
    from ingest.embedder.corrections.names import SpeakerStatement
    from ingest.embedder.tables.catalog import VideoRow
    from ingest.embedder.tables.speaker_names import SpokenPassage
    from ingest.shared.artifacts.transcript import Turn
    from ingest.shared.artifacts.volume import Kind, Manifest
    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.messages import Metadata

WAITS = "its request waits and names the person: repeat the command when `ingest status` shows its end"
IS_DEAD = "a dead letter names the person: after `ingest dead replay`, or `ingest forget` of the recording, repeat"
WORDS_STAY = (
    "the words of the person stay, and texts that name the person: what was said, titles, descriptions",
    "turns in which the voice was not recognised keep their voice embeddings, as those of an unknown speaker",
    "a source that still names the person does so again when it is requested again",
)


@dataclass(frozen=True)
class VideoReceipt:
    """What was erased of a person in a video, or with a dry run would be; `trouble` is why it was left, else empty.

    `persons` are entries of the source's list of those who take part.
    """

    video_id: str
    title: str = ""
    passages: int = 0
    turns: int = 0
    voice_embeddings: int = 0
    persons: int = 0
    trouble: str = ""

    @property
    def is_empty(self) -> bool:
        """Return whether the video has nothing of the person."""
        return not (self.passages or self.turns or self.voice_embeddings or self.persons or self.trouble)


@dataclass(frozen=True)
class SpeakerReceipt:
    """What was erased of a person: versions of the profile, log lines of the local mode, and what each video had.

    `statements` are what was said by hand: that a speaker is this person, or is not, and what waits to be said.
    `vocabulary` are its entries with the name, `events` those in which a source names the person.
    """

    name: str
    profile_versions: int
    log_lines: int
    statements: int
    vocabulary: int
    events: int
    videos: tuple[VideoReceipt, ...]

    @property
    def is_complete(self) -> bool:
        """Return whether no video was left."""
        return not any(video.trouble for video in self.videos)


def forget(connections: Connections, name: str, *, erase: bool) -> SpeakerReceipt:
    """Return what there is of a person; with `erase`, erase it.

    Raise BAD_PROFILE for a name that no person can have, ConfigurationError for one that is nowhere in the archive.
    """
    name = checked_name(name)
    settings = connections.settings
    lines = local_logs.count(connections, {name: _in_lines(name)}, erase=erase)[name]
    profiles = Profiles(home_of(settings))
    versions = profiles.versions(name)
    if erase and versions:
        profiles.remove(name)
    said = speaker_statements.of_all(connections.database)
    statements = speaker_statements.about_person(connections.database, name, erase=erase)
    entries = vocabulary.about_person(connections.database, name, erase=erase)
    if erase and entries:
        command.publish(settings, connections.database)
    said_by_sources = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
    named = persons.naming(connections.database, said_by_sources, erase=erase)
    events = _events(connections.bus, said_by_sources, erase=erase)
    statements += _wishes(connections.bus, said_by_sources, erase=erase)
    if erase:
        changes.forget_person(connections.database, name)
    requested = _requested(connections.bus, said_by_sources)
    person = _Person(name, volume_of(settings), SpeakerNames(connections.database), said, named, requested)
    running = any(connections.bus.lag(stage, WORK_STREAM).in_flight for stage in (Stage.ASR, Stage.EMBEDDER))
    spoken = person.names.spoken_by(name)
    found = [
        person.in_video(row, spoken.get(row.video_id, 0), running=running, erase=erase)
        for row in connections.catalog.chosen(limit=ALL)
    ]
    videos = tuple(receipt for receipt in found if not receipt.is_empty)
    if not (versions or videos or lines or statements or entries or events or requested):
        raise ConfigurationError(f"no voice is enrolled as {name!r}, and no passage is spoken by that person")
    return SpeakerReceipt(name, versions, lines, statements, entries, events, videos)


def _in_lines(name: str) -> re.Pattern[bytes]:
    """Return what a line of a log contains: the name, as it is or in JSON."""
    texts = b"|".join(re.escape(text.encode()) for text in (name, json.dumps(name)[1:-1]))
    return re.compile(rb"(?<!\w)(?:" + texts + rb")(?!\w)", re.IGNORECASE)


def _events(bus: NatsBus, pattern: re.Pattern[str], *, erase: bool) -> int:
    """Count the events in which a source names a person; with `erase`, delete those that the ledger has written."""
    written, count = bus.acknowledged(LEDGER, EVENT_STREAM), 0
    for sequence, data in bus.read(EVENT_STREAM, "ingest.event.*"):
        if sequence <= written and pattern.search(json.dumps(_persons(data), ensure_ascii=False)):
            count += 1
            if erase:
                bus.delete(EVENT_STREAM, sequence)
    return count


def _wishes(bus: NatsBus, pattern: re.Pattern[str], *, erase: bool) -> int:
    """Count the wishes of readers that name a person and wait for the embedder; with `erase`, delete them."""
    count = 0
    for sequence, data in bus.read(CHANGE_STREAM, ">"):
        with suppress(IngestError):
            if pattern.search(json.dumps(decode(ChangeRequested, data).change.model_dump(), ensure_ascii=False)):
                count += 1
                if erase:
                    bus.delete(CHANGE_STREAM, sequence)
    return count


def _requested(bus: NatsBus, pattern: re.Pattern[str]) -> dict[str, str]:
    """Return the recordings whose request names a person as the source does, and where the request is.

    It is not deleted: the recording would be lost.
    """
    found = {}
    for stream, why in ((WORK_STREAM, WAITS), (LATER_STREAM, WAITS), (DEAD_STREAM, IS_DEAD)):
        for _, data in bus.read(stream, ">"):
            with suppress(IngestError):
                request = decode(DeadLetter, data).payload.encode() if stream == DEAD_STREAM else data
                message = decode(VideoRequested, request)
                if pattern.search(json.dumps(_named(message.metadata), ensure_ascii=False)):
                    found[message.video_id] = why
    return found


def _persons(data: bytes) -> Sequence[str]:
    """Return the persons that an event names; none of one that cannot be read."""
    try:
        return _named(decode(Event, data).metadata)
    except IngestError:
        return ()


def _named(metadata: Metadata) -> Sequence[str]:
    return metadata.about.persons if metadata.about is not None else ()


@dataclass(frozen=True)
class _Person:
    name: str
    volume: Volume
    names: SpeakerNames
    said: Mapping[str, Sequence[SpeakerStatement]]
    named: Mapping[str, int]
    requested: Mapping[str, str]

    def in_video(self, row: VideoRow, passages: int, *, running: bool, erase: bool) -> VideoReceipt:
        """Return what a video has of the person; with `erase`, erase it."""
        title, named = row.title or "", self.named.get(row.video_id, 0)
        if running and row.state not in ENDED:
            return VideoReceipt(row.video_id, title, persons=named, trouble=IN_WORK)
        try:
            turns, embeddings, new_turns = self._in_voiceprints(row.video_id, erase=erase)
            turns = max(turns, self._in_transcript(row.video_id, erase=erase))
            if erase and passages:
                self.names.change(row.video_id, 0, lambda before: self._unnamed(before, new_turns))
        except IngestError as error:
            if error.code.startswith("ENV_"):
                raise
            return VideoReceipt(row.video_id, title, passages, persons=named, trouble=str(error))
        still = self.requested.get(row.video_id, "")
        return VideoReceipt(row.video_id, title, passages, turns, embeddings, named, still)

    def _in_voiceprints(self, video_id: str, *, erase: bool) -> tuple[int, int, Sequence[Turn]]:
        """Return the numbers of turns and voice embeddings of the person, and the turns without the person."""
        manifest = self.volume.manifest(video_id, "voices")
        if manifest is None:
            return 0, 0, ()
        stored = voiceprints.read(self.volume.verified(manifest.artifact, patience_s=0))
        before = stored.model_copy(update={"turns": self._by_hand(video_id, stored.turns)})
        after = erasure.voiceprints_without(before, self.name)
        if erase:
            if after != stored:
                self._keep(video_id, "voices", manifest, lambda file: voiceprints.write(after, file))
            self.volume.discard_older(video_id, "voices")
        embeddings = len(before.vectors.array()) - len(after.vectors.array())
        return erasure.mentions(before.turns, self.name), embeddings, after.turns

    def _by_hand(self, video_id: str, turns: Sequence[Turn]) -> tuple[Turn, ...]:
        """Return turns with the name of the person where it was given by hand: to a whole turn, or to a part of it."""
        parts = [
            part
            for part in by_hand.apply(turns, self.said.get(video_id, ())).turns
            if erasure.is_named(part.speaker, self.name) and by_hand.author_of(part) is not None
        ]
        is_own = [
            any(part.cluster == turn.cluster and turn.start_s <= part.start_s < turn.end_s for part in parts)
            for turn in turns
        ]
        return tuple(
            turn.model_copy(update={"speaker": self.name}) if own else turn
            for turn, own in zip(turns, is_own, strict=True)
        )

    def _in_transcript(self, video_id: str, *, erase: bool) -> int:
        """Return the number of turns and segments of the person in the transcript."""
        manifest = self.volume.manifest(video_id, "transcript")
        if manifest is None:
            return 0
        before = transcript_file.read(self.volume.verified(manifest.artifact, patience_s=0))
        after = erasure.transcript_without(before, self.name)
        if erase:
            if after != before:
                self._keep(video_id, "transcript", manifest, lambda file: transcript_file.write(after, file))
            self.volume.forget_before(video_id)
            self.volume.discard_older(video_id, "transcript")
        spoken = sum(erasure.is_named(segment.speaker, self.name) for segment in before.segments)
        return max(spoken, erasure.mentions(before.turns or (), self.name))

    def _unnamed(self, passages: list[SpokenPassage], turns: Sequence[Turn]) -> list[SpokenPassage]:
        """Return the passages with an unknown speaker where the person speaks."""
        erased = [turn for turn in turns if turn.rule == erasure.ERASED]
        other = next(
            erasure.free_names([*(passage.speaker for passage in passages), *(turn.speaker for turn in turns)])
        )
        return [
            replace(
                passage,
                speaker=erasure.speaker_at(erased, passage.start_s, passage.end_s) or other,
                score=None,
                named_by=None,
            )
            if erasure.is_named(passage.speaker, self.name)
            else replace(
                passage, also_speaking=[one for one in passage.also_speaking if not erasure.is_named(one, self.name)]
            )
            for passage in passages
        ]

    def _keep(self, video_id: str, kind: Kind, manifest: Manifest, write: Callable[[Path], None]) -> None:
        extension = manifest.artifact.path.partition(".")[2]
        with tempfile.TemporaryDirectory(prefix="ingest-forget-") as folder:
            file = Path(folder) / "file"
            write(file)
            duration_s = manifest.artifact.duration_s
            made = NewArtifact(file, kind, extension, duration_s, manifest.origin, manifest.generation)
            self.volume.keep(video_id, made)


def print_receipt(receipt: SpeakerReceipt, *, erased: bool, as_json: bool) -> None:
    """Print what was erased of a person, and what no command can erase."""
    if as_json:
        console.print_json({"erased": erased, **vars(receipt), "not_reached": (*WORDS_STAY, *OUT_OF_REACH)})
        return
    columns = ("video", "passages", "turns", "voice embeddings", "named by its source", "title")
    cells = (
        (one.video_id, one.passages, one.turns, one.voice_embeddings, one.persons or None, one.title)
        for one in receipt.videos
        if not one.trouble
    )
    console.out.print(console.table("Erased" if erased else "Would be erased (with --yes)", columns, cells))
    console.out.print(
        f"{receipt.profile_versions} versions of the profile, {receipt.statements} statements by hand, "
        f"{receipt.vocabulary} entries of the vocabulary, {receipt.events} events, {receipt.log_lines} log lines",
        markup=False,
    )
    for one in receipt.videos:
        if one.trouble:
            console.err.print(f"{one.video_id} was left: {outgoing.line(one.trouble)}", markup=False)
    for line in (*WORDS_STAY, *OUT_OF_REACH) if erased else ():
        console.out.print(line, markup=False)
