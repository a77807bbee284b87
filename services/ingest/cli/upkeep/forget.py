"""`ingest forget`: erases recordings everywhere, and keeps them from coming back.

The archive notes it first, so that no message on its way stores a row again. Then messages, files and rows are removed.
Everything may be repeated: what an interrupted command has left is removed by the next one.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.upkeep import local_logs
from ingest.cli.vocabulary import command
from ingest.embedder.tables import forgotten, vocabulary
from ingest.shared.broker.topology import CHANGE_STREAM, DEAD_STREAM, EVENT_STREAM, LATER_STREAM, WORK_STREAM
from ingest.shared.errors import ConfigurationError
from ingest.shared.homes.chosen import volume_of
from ingest.shared.messages import Stage
from ingest.shared.runs.record import leave_out
from ingest.shared.video_state import ENDED
from ingest.shared.worker.crash_journal import LONGEST_NUMBER, counts_of
from ingest.shared.worker.notes import notes_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from ingest.cli.local.state_folder import Connections
    from ingest.cli.settings import AllSettings
    from ingest.embedder.tables.catalog import VideoRow
    from ingest.shared.broker.nats_bus import NatsBus

ALL = 10_000_000
STREAMS = (WORK_STREAM, LATER_STREAM, DEAD_STREAM, EVENT_STREAM, CHANGE_STREAM)
IN_WORK = "a worker may have it in work: repeat the command when `ingest status` shows its end, or stop the services"
OUT_OF_REACH = (
    "not reached: standard output and logs that others collect, backups, copies and exports",
    "deleted rows leave the files of Postgres with its next vacuum (at once: VACUUM FULL) and its old WAL files",
    "messages that were handled before leave the files of NATS when its queue has run empty",
)


@dataclass(frozen=True)
class Receipt:
    """What was erased of a video, or with a dry run would be; `trouble` is why it was left, else empty."""

    video_id: str
    title: str = ""
    passages: int = 0
    messages: int = 0
    files: int = 0
    size_bytes: int = 0
    log_lines: int = 0
    trouble: str = ""


def chosen(connections: Connections, videos: Sequence[str], channel: str | None) -> dict[str, VideoRow | None]:
    """Return the rows of the named videos and of a channel; an erased video has none, and is erased again.

    Raise ConfigurationError for a video or a channel that the archive does not have.
    """
    found: dict[str, VideoRow | None] = dict(connections.catalog.videos(videos))
    found |= dict.fromkeys(forgotten.marked(connections.database, set(videos) - found.keys()))
    missing = [video for video in videos if video not in found]
    if missing:
        raise ConfigurationError(f"the archive has no video {', '.join(missing)}")
    if channel is not None:
        rows = connections.catalog.chosen(limit=ALL)
        of_channel = {row.video_id: row for row in rows if (row.channel or "").casefold() == channel.casefold()}
        if not of_channel:
            raise ConfigurationError(f"the archive has no video of a channel {channel!r}")
        found |= of_channel
    return found


def forget(connections: Connections, rows: dict[str, VideoRow | None], *, erase: bool) -> list[Receipt]:
    """Return what there is of these videos; with `erase`, erase it."""
    database, bus, settings = connections.database, connections.bus, connections.settings
    left = _in_work(bus, rows)
    ids = [video_id for video_id in rows if video_id not in left]
    if erase:
        forgotten.mark(database, ids)
    passages = forgotten.passages(database, ids)
    messages = _messages(bus, ids, erase=erase)
    lines = local_logs.count(
        connections, {video_id: _pattern(video_id, rows[video_id]) for video_id in ids}, erase=erase
    )
    receipts = []
    for video_id, row in rows.items():
        title = (row.title if row is not None else None) or ""
        if video_id in left:
            receipts.append(Receipt(video_id, title, trouble=IN_WORK))
            continue
        sizes = _files(settings, video_id, erase=erase)
        counts = (passages.get(video_id, 0), messages[video_id], len(sizes), sum(sizes), lines[video_id])
        receipts.append(Receipt(video_id, title, *counts))
    if erase:
        forgotten.erase_rows(database, ids)
    return receipts


def forget_vocabulary(connections: Connections, channel: str) -> None:
    """Erase what the vocabulary has for the recordings of a channel."""
    if vocabulary.forget_channel(connections.database, channel):
        command.publish(connections.settings, connections.database)


def _in_work(bus: NatsBus, rows: dict[str, VideoRow | None]) -> set[str]:
    """Return the videos that have not ended, while any worker has a message."""
    unfinished = {video_id for video_id, row in rows.items() if row is not None and row.state not in ENDED}
    if unfinished and any(bus.lag(stage, WORK_STREAM).in_flight for stage in Stage):
        return unfinished
    return set()


def _messages(bus: NatsBus, ids: Sequence[str], *, erase: bool) -> Counter[str]:
    """Count the messages of each video on all streams; with `erase`, delete them. The broker overwrites their bytes."""
    wanted = set(ids)
    found: Counter[str] = Counter()
    for stream in STREAMS:
        for sequence, data in bus.read(stream, ">"):
            video_id = _video_of(data, wanted)
            if video_id in wanted:
                found[video_id] += 1
                if erase:
                    bus.delete(stream, sequence)
    return found + leave_out(bus, wanted, erase=erase)


def _video_of(data: bytes, wanted: Collection[str]) -> str:
    """Return the id of the video of any message, also of one that no stage can read; empty if it names none.

    A dead letter whose message could not be read is about the wanted video that is named anywhere in it.
    """
    try:
        content = json.loads(data)
    except ValueError:
        return ""
    if not isinstance(content, dict):
        return ""
    change = content.get("change")
    named = content.get("video_id") or (change.get("video") if isinstance(change, dict) else None)
    payload = content.get("payload")
    if named is None and isinstance(payload, str):
        return next((video_id for video_id in wanted if video_id in payload), "")
    return str(named or "")


def _files(settings: AllSettings, video_id: str, *, erase: bool) -> list[int]:
    """Return the sizes of the files of a video on the volume, with its crash counts; with `erase`, delete them."""
    volume, notes = volume_of(settings), notes_of(settings)
    folder = volume.folder(video_id)
    sizes = [entry.size_bytes for entry in volume.home.list(f"{folder}/") if not entry.name.endswith("/")]
    counts = counts_of(notes, video_id)
    sizes += [len(notes.read(name, LONGEST_NUMBER) or b"") for name in counts]
    if erase:
        volume.home.remove(folder)
        for name in counts:
            notes.remove(name)
    return sizes


def _pattern(video_id: str, row: VideoRow | None) -> re.Pattern[bytes]:
    """Return what a line about a video contains: its id or its address."""
    texts = [video_id] if row is None or not row.source_url else [video_id, row.source_url]
    return re.compile(b"|".join(re.escape(text.encode()) for text in texts))


def allow_again(connections: Connections, videos: Iterable[str]) -> int:
    """Let erased videos be requested again; return how many there were."""
    return forgotten.unmark(connections.database, videos)


def print_allowed(count: int, *, as_json: bool) -> None:
    """Print how many erased videos may be requested again."""
    if as_json:
        console.print_json({"allowed": count})
    else:
        console.out.print(f"{count} may be requested again")


def print_receipts(receipts: Sequence[Receipt], *, erased: bool, as_json: bool) -> None:
    """Print what was erased, and what no command can erase."""
    if as_json:
        console.print_json({"erased": erased, "videos": receipts, "not_reached": OUT_OF_REACH})
        return
    columns = ("video", "passages", "messages", "files", "bytes", "log lines", "title")
    cells = (
        (one.video_id, one.passages, one.messages, one.files, one.size_bytes, one.log_lines, one.title)
        for one in receipts
        if not one.trouble
    )
    console.out.print(console.table("Erased" if erased else "Would be erased (with --yes)", columns, cells))
    for one in receipts:
        if one.trouble:
            console.err.print(f"{one.video_id} was left: {one.trouble}", markup=False)
    for line in OUT_OF_REACH if erased else ():
        console.out.print(line, markup=False)
