"""The worker loop in trouble, on a real broker: suspected of crashes, or without its broker or volume."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from ingest.shared.broker.bus import BusUnavailableError
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import EventKind, VideoRequested
from ingest.shared.worker.crash_journal import CrashJournal
from ingest.shared.worker.loop import PROGRESS_EVERY_S
from ingest.shared.worker.notes import COUNTS, FolderNotes
from ingest.shared.worker.stage import Report, StageResult
from tests.support.brokers import ACK_WAIT_S
from tests.support.stopping import stop

if TYPE_CHECKING:
    from ingest.cli.local.nats_server import EmbeddedNats

from tests.support.workbench import Bench, Wait, accessible, requested


def test_a_job_that_loses_the_device_again_and_again_is_buried_and_no_other_with_it(
    bench: Bench, wait_until: Wait
) -> None:
    guilty = requested("guilty00000")
    tries: list[str] = []

    def work(message: VideoRequested, _report: Report) -> StageResult:
        if message.video_id != guilty.video_id:
            return StageResult(accessible(message))
        tries.append(message.video_id)
        raise IngestError(Code.ENV_CUDA, "CUDA error: device-side assert triggered")

    bench.start(work)
    bench.submit(guilty, requested("innocent000"))
    wait_until(lambda: EventKind.FAILED in bench.kinds())
    assert len(tries) == 4  # once with others, and three times alone
    assert [(letter.video_id, letter.code) for letter in bench.letters()] == [(guilty.video_id, Code.CRASH_LOOP)]
    assert bench.kinds().count(EventKind.FINISHED) == 1


def test_a_suspect_runs_alone(bench: Bench, wait_until: Wait) -> None:
    suspect = requested("suspect0000")
    CrashJournal(bench.folder, "check-test").begin(f"check.{suspect.job}")
    together: list[int] = []
    now_running: set[str] = set()

    def watch(message: VideoRequested, _report: Report) -> StageResult:
        now_running.add(message.video_id)
        time.sleep(0.2)
        if message.video_id == suspect.video_id:
            together.append(len(now_running))
        now_running.discard(message.video_id)
        return StageResult(accessible(message))

    bench.start(watch, slots=4)
    bench.submit(*(requested(f"ordinary{number:03}") for number in range(4)), suspect)
    wait_until(lambda: bench.kinds().count(EventKind.FINISHED) == 5)
    assert together == [1]
    attempts = {event.video_id: event.attempt for event in bench.events() if event.kind is EventKind.FINISHED}
    assert attempts[suspect.video_id] == 2


@pytest.mark.long
def test_a_suspect_that_waits_for_its_neighbour_stays_in_hand_and_runs_once(bench: Bench, wait_until: Wait) -> None:
    suspect, neighbour = requested("suspect0000"), requested("ordinary000")
    CrashJournal(bench.folder, "check-test").begin(f"check.{suspect.job}")
    deadlines = {suspect.video_id: 1.0, neighbour.video_id: 30.0}

    def work(message: VideoRequested, _report: Report) -> StageResult:
        if message.video_id == neighbour.video_id:
            time.sleep(1.0 + 3 * ACK_WAIT_S)
        return StageResult(accessible(message))

    bench.start(work, slots=3, grace_s=0.5, deadline_s=lambda message: deadlines[message.video_id])
    bench.submit(neighbour)
    wait_until(lambda: len(bench.calls) == 1)
    bench.submit(suspect)
    wait_until(lambda: bench.kinds().count(EventKind.FINISHED) == 2)
    wait_until(lambda: bench.queued() == [])
    time.sleep(0.5)
    assert [message.video_id for message in bench.calls] == [neighbour.video_id, suspect.video_id]


def test_work_does_not_wait_for_a_broker_that_is_away_to_tell_how_far_it_is(
    bench: Bench, nats_server: EmbeddedNats, wait_until: Wait
) -> None:
    took_s: list[float] = []

    def work(message: VideoRequested, report: Report) -> StageResult:
        time.sleep(PROGRESS_EVERY_S)
        stop(nats_server.process.pid)
        try:
            began = time.monotonic()
            report({"done": 0.5})
            took_s.append(time.monotonic() - began)
        finally:
            nats_server.process.send_signal(signal.SIGCONT)
        return StageResult(accessible(message))

    bench.start(work)
    bench.submit(requested())
    wait_until(lambda: EventKind.FINISHED in bench.kinds())
    assert took_s[0] < 0.5
    assert bench.kinds() == [EventKind.STARTED, EventKind.PROGRESS, EventKind.FINISHED]


def test_work_that_needs_a_broker_that_is_away_costs_no_attempt(bench: Bench, wait_until: Wait) -> None:
    def work(message: VideoRequested, _report: Report) -> StageResult:
        if len(bench.calls) == 1:
            raise BusUnavailableError("no answer")
        return StageResult(accessible(message))

    bench.start(work)
    bench.submit(requested())
    wait_until(lambda: EventKind.FINISHED in bench.kinds())
    assert bench.kinds() == [EventKind.STARTED, EventKind.STARTED, EventKind.FINISHED]
    assert {event.attempt for event in bench.events()} == {1}


def test_a_volume_that_does_not_tell_the_crashes_of_a_job_costs_no_attempt(bench: Bench, wait_until: Wait) -> None:
    count = bench.folder / "crashes" / f"check.{requested().job}"
    count.mkdir(parents=True)
    bench.start(lambda message, _: StageResult(accessible(message)))
    bench.submit(requested())
    wait_until(lambda: EventKind.POSTPONED in bench.kinds())
    count.rmdir()
    wait_until(lambda: EventKind.FINISHED in bench.kinds())
    postponed = {event.code for event in bench.events() if event.kind is EventKind.POSTPONED}
    assert postponed == {Code.ENV_VOLUME}
    assert {event.attempt for event in bench.events()} == {1}


class SlowNotes(FolderNotes):
    """Notes on a volume that takes longer to tell the crashes of a job than the broker waits for an answer."""

    asked = 0

    def read(self, name: str, limit_bytes: int) -> bytes | None:
        """Return a note, late."""
        if name.startswith(COUNTS):
            self.asked += 1
            time.sleep(2 * ACK_WAIT_S)
        return super().read(name, limit_bytes)


def test_a_volume_that_is_slow_to_tell_the_crashes_of_a_job_gives_it_to_no_other_worker(
    bench: Bench, wait_until: Wait
) -> None:
    notes = bench.notes = SlowNotes(bench.folder)
    bench.start(lambda message, _: StageResult(accessible(message)))
    bench.submit(requested())
    wait_until(lambda: EventKind.FINISHED in bench.kinds())
    assert (notes.asked, len(bench.calls)) == (1, 1)
