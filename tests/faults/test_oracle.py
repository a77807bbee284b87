"""The oracle detects each violation: a test breaks each invariant by hand, and the oracle must report it."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ingest.shared.artifacts.home import TEMPORARY_PREFIX
from ingest.shared.broker.topology import event_subject
from ingest.shared.messages import Event, EventKind, Stage, encode
from tests.faults.fleet import Fleet, Worker, running
from tests.faults.needs import Needs
from tests.faults.oracle import Oracle
from tests.faults.reader import Reader
from tests.faults.spoken import passage, passages, run_of
from tests.faults.stored import StoredVideo
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingest.shared.artifacts.volume import Kind

VIDEO = "abcdefghijk"
GREEDY = "files = [open('/dev/null') for _ in range(80)]; data = b'x' * 300_000_000; print(flush=True); input()"
ELSE = (
    "I3: mixed was seen as a mix of runs",
    "I3: no read",
    "I5: check has",
    "I5: ledger has",
    "I5: INGEST is not empty",
    "I7: greedy has",
    "I7: greedy takes",
)


def run(generation: int, *numbers: int) -> list[str]:
    return [passage(VIDEO, generation, number) for number in numbers]


def whole(generation: int) -> list[str]:
    return run(generation, *range(passages(generation)))


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        pytest.param(whole(1), 1, id="one run"),
        pytest.param(whole(2), 2, id="another run"),
        pytest.param([*whole(1)[:-1], whole(2)[passages(1) - 1]], None, id="two runs"),
        pytest.param([*whole(1)[:-1], passage("b" * 11, 1, passages(1) - 1)], None, id="two videos"),
        pytest.param(run(1, 0, *range(2, passages(1) + 1)), None, id="a gap"),
        pytest.param(whole(1)[:-1], None, id="only the beginning"),
        pytest.param(["something else"], None, id="something else"),
    ],
)
def test_the_reader_tells_a_mix(texts: list[str], found: int | None) -> None:
    assert run_of(VIDEO, texts) == found


def stored(
    of: int, *, state: str = "indexed", generation: int = 2, indexed: int = 2, fresh_from: int = 2
) -> StoredVideo:
    count = passages(of)
    return StoredVideo(VIDEO, state, generation, indexed, fresh_from, count, count, list(range(count)), whole(of))


@pytest.mark.parametrize(
    ("found", "is_wrong"),
    [
        pytest.param(stored(2), False, id="of this run"),
        pytest.param(stored(1, fresh_from=0), False, id="made by an older run, which may be used again"),
        pytest.param(stored(1, state="failed", indexed=1), False, id="of an older run, as the newer one has failed"),
        pytest.param(StoredVideo(VIDEO, "failed", 1, 0, 0, 0, 0, [], []), False, id="nothing of what has failed"),
        pytest.param(stored(1), True, id="a whole older run over a newer one"),
        pytest.param(stored(1, indexed=1), True, id="an older run where the newer is said to be indexed"),
        pytest.param(stored(3, indexed=2), True, id="of a run that is not stored yet"),
        pytest.param(stored(3, state="failed", indexed=2), True, id="of a run that has failed"),
        pytest.param(StoredVideo(VIDEO, "indexed", 1, 1, 0, 0, 0, [], []), True, id="nothing of what is indexed"),
    ],
)
def test_passages_are_of_the_run_that_their_row_says(found: StoredVideo, is_wrong: bool) -> None:  # noqa: FBT001 (a table)
    assert bool(found.wrong) is is_wrong


Harm = tuple[str, "Callable[[Fleet, str], object]"]


def change(query: str) -> Callable[[Fleet, str], None]:
    def harm(fleet: Fleet, video: str) -> None:
        with fleet.servers.connection() as connection:
            connection.execute(query, {"video": video})

    return harm


def file_of(fleet: Fleet, video: str, kind: Kind) -> Path:
    manifest = fleet.volume.manifest(video, kind)
    assert manifest is not None
    return on_disk(fleet.volume).resolve(manifest.artifact.path)


def begin_again(fleet: Fleet, video: str) -> None:
    event = Event(video_id=video, generation=1, stage=Stage.ASR, kind=EventKind.STARTED, at=datetime.now(UTC))
    fleet.bus.publish(event_subject(Stage.ASR), encode(event), "begun again")


HARMS: list[Harm] = [
    ("I1: {video} is indexed  in run 1", lambda fleet, video: fleet.ask(video, 2)),
    ("I2: {video} has", change("DELETE FROM segments WHERE video_id = %(video)s AND idx = 1")),
    ("I2: {video} has passages", change("DELETE FROM embeddings WHERE video_id = %(video)s AND idx = 1")),
    ("I2: {video} has passages made by run", change("UPDATE videos SET fresh_from = 2 WHERE video_id = %(video)s")),
    ("I2: {video} has", change("UPDATE videos SET indexed_generation = 0 WHERE video_id = %(video)s")),
    ("I4: {video}: CHECKSUM_MISMATCH", lambda fleet, video: file_of(fleet, video, "audio").write_bytes(b"x")),
    ("I4: {video}: ARTIFACT_MISSING", lambda fleet, video: file_of(fleet, video, "voices").unlink()),
    (
        "I4: {video} has no readable transcript.json",
        lambda fleet, video: (on_disk(fleet.volume).folder(video) / "transcript.json").write_text("{"),
    ),
    (
        f"I4: {TEMPORARY_PREFIX}left is unfinished",
        lambda fleet, video: (on_disk(fleet.volume).folder(video) / f"{TEMPORARY_PREFIX}left").touch(),
    ),
    ("I6: asr has started {video}.1", begin_again),
    ("I8: x.log: {{", lambda fleet, _: (fleet.logs / "x.log").write_text('{"event": "failed"}\n')),
    (
        "I8: a secret in y.log",
        lambda fleet, _: (fleet.logs / "y.log").write_text(f"password {fleet.servers.nats.password}\n"),
    ),
]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_oracle_sees_each_kind_of_harm(tmp_path: Path) -> None:
    command = [sys.executable, "-c", GREEDY]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as greedy,
        running(tmp_path / "fleet", Needs()) as fleet,
    ):
        with Reader(fleet) as reader:
            videos = fleet.submit(len(HARMS))
            fleet.wait(videos)
            oracle = Oracle(fleet, reader)
            fleet.until(lambda: oracle.judge({}, {}) == [], 20.0)
        fleet.send(signal.SIGSTOP)
        oracle.begin()
        reader.mixed.add("mixed")
        assert greedy.stdout is not None
        greedy.stdout.readline()
        fleet.workers.append(Worker("greedy", "asr", greedy))
        for video, (_, harm) in zip(videos, HARMS, strict=True):
            harm(fleet, video)
        wrong = oracle.judge({}, {})
        expected = [words.format(video=video) for video, (words, _) in zip(videos, HARMS, strict=True)]
    expected += ELSE
    assert [words for words in expected if not any(one.startswith(words) for one in wrong)] == []
    assert [one for one in wrong if not one.startswith(tuple(expected))] == []
