"""The worker loop on a real broker: the four outcomes, and which messages are redelivered."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from prometheus_client import REGISTRY

from ingest.shared import pipeline
from ingest.shared.broker.topology import ACCESSIBLE, LATER_STREAM, REQUESTED, WORK_STREAM
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import EventKind, VideoAccessible, VideoRequested, decode, encode
from ingest.shared.telemetry.time_split import PUBLISHING, TRANSFERRING, WAITING_FOR_DISK, SlotTimes
from ingest.shared.worker.crash_journal import CrashJournal
from ingest.shared.worker.loop import Worker
from ingest.shared.worker.stage import Report, StageResult, StageWork, WorkerOptions

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.shared.broker.nats_bus import NatsBus

from tests.support.workbench import PAUSES, Bench, Wait, accessible, requested


def test_a_result_is_published_told_and_the_message_is_gone(bench: Bench, wait_until: Wait) -> None:
    bench.start(lambda message, _: StageResult(accessible(message), numbers={"seconds": 2.0}))
    bench.submit(requested())
    wait_until(lambda: EventKind.FINISHED in bench.kinds())
    wait_until(lambda: bench.queued() == [])
    (published,) = [data for _, data in bench.bus.read(WORK_STREAM, ACCESSIBLE)]
    assert decode(VideoAccessible, published) == accessible(requested())
    finished = bench.events()[-1]
    assert finished.numbers["seconds"] == 2.0
    assert finished.worker == "test"


def test_a_permanent_error_is_a_dead_letter_after_one_attempt(bench: Bench, wait_until: Wait) -> None:
    def refuse(_message: VideoRequested, _report: Report) -> StageResult:
        raise IngestError(Code.BAD_URL, "no such thing")

    bench.start(refuse)
    bench.submit(requested())
    wait_until(lambda: EventKind.FAILED in bench.kinds())
    (letter,) = bench.letters()
    assert (letter.code, letter.text, letter.video_id) == (Code.BAD_URL, "no such thing", "abcdefghijk")
    assert decode(VideoRequested, letter.payload.encode()) == requested()
    assert len(bench.calls) == 1


@pytest.mark.parametrize("code", [Code.BAD_URL, Code.MEMBERS_ONLY, Code.NOT_AUDIO])
def test_no_event_and_no_dead_letter_has_the_login_that_an_error_names(
    bench: Bench, wait_until: Wait, code: Code
) -> None:
    def refuse(_message: VideoRequested, _report: Report) -> StageResult:
        raise IngestError(code, "http://me:hunter2@host/a?token=hunter2 refuses me:hunter2@host")

    bench.start(refuse)
    bench.submit(requested())
    wait_until(lambda: not {EventKind.FAILED, EventKind.SKIPPED}.isdisjoint(bench.kinds()))
    texts = [event.text for event in bench.events()] + [letter.text for letter in bench.letters()]
    assert "http://***@host/a?*** refuses ***@host" in texts
    assert "hunter2" not in "".join(texts)


def test_a_skipped_video_leaves_its_reason_and_no_dead_letter(bench: Bench, wait_until: Wait) -> None:
    def skip(_message: VideoRequested, _report: Report) -> StageResult:
        raise IngestError(Code.MEMBERS_ONLY, "join us")

    bench.start(skip)
    bench.submit(requested())
    wait_until(lambda: EventKind.SKIPPED in bench.kinds())
    assert bench.letters() == []
    assert bench.events()[-1].code is Code.MEMBERS_ONLY


def test_a_transient_error_is_tried_again_with_the_count_kept_until_it_is_used_up(
    bench: Bench, wait_until: Wait
) -> None:
    def fail(_message: VideoRequested, _report: Report) -> StageResult:
        raise IngestError(Code.NOT_AUDIO, "html")

    bench.start(fail)
    bench.submit(requested())
    wait_until(lambda: EventKind.FAILED in bench.kinds())
    assert len(bench.calls) == 2
    assert [event.attempt for event in bench.events() if event.kind is EventKind.STARTED] == [1, 2]
    assert bench.letters()[0].attempts == {"transient": 1, "postponed": 0, "crash": 0, "device": 0}


def test_an_unexpected_error_is_tried_three_times_and_buried_with_its_text(bench: Bench, wait_until: Wait) -> None:
    def bug(_message: VideoRequested, _report: Report) -> StageResult:
        raise KeyError("a bug of ours")

    bench.start(bug)
    bench.submit(requested())
    wait_until(lambda: EventKind.FAILED in bench.kinds())
    assert len(bench.calls) == 3
    assert bench.letters()[0].code is Code.UNEXPECTED
    assert "a bug of ours" in bench.letters()[0].text


def test_a_postponed_message_comes_back_uncounted_and_holds_no_place_meanwhile(bench: Bench, wait_until: Wait) -> None:
    seen = threading.Event()

    def wait_first(message: VideoRequested, _report: Report) -> StageResult:
        if len(bench.calls) < 3:
            raise IngestError(Code.SOURCE_RATE_LIMITED, "slow down", retry_at=datetime.now(UTC))
        if not seen.is_set():
            raise IngestError(Code.ENV_DISK_FULL, "full", retry_at=datetime.now(UTC) + timedelta(seconds=1))
        return StageResult(accessible(message))

    def is_put_by() -> bool:
        later = list(bench.bus.read(LATER_STREAM, "ingest.later.*"))
        return len(later) == 1 and bench.bus.lag("check", WORK_STREAM).in_flight == 0

    bench.start(wait_first)
    bench.submit(requested())
    wait_until(lambda: EventKind.POSTPONED in bench.kinds())
    wait_until(is_put_by)
    seen.set()
    wait_until(lambda: EventKind.FINISHED in bench.kinds())
    assert {event.attempt for event in bench.events()} == {1}
    assert list(bench.bus.read(LATER_STREAM, "ingest.later.*")) == []


def test_a_deferred_video_is_told_with_its_time(bench: Bench, wait_until: Wait) -> None:
    premiere = datetime.now(UTC) + timedelta(days=3)

    def not_yet(_message: VideoRequested, _report: Report) -> StageResult:
        raise IngestError(Code.NOT_YET_AVAILABLE, "premieres", retry_at=premiere)

    bench.start(not_yet)
    bench.submit(requested())
    wait_until(lambda: EventKind.DEFERRED in bench.kinds())
    assert bench.events()[-1].retry_at == premiere


def test_a_message_bad_in_itself_does_not_stop_its_neighbours(bench: Bench, wait_until: Wait) -> None:
    def picky(message: VideoRequested, _report: Report) -> StageResult:
        if message.video_id.startswith("bad"):
            raise IngestError(Code.NO_MEDIA_FOUND, "nothing")
        return StageResult(accessible(message))

    bench.start(picky)
    bench.submit(*(requested(f"bad{number:08}") for number in range(5)))
    bench.submit(*(requested(f"fine{number:07}") for number in range(5)))
    wait_until(lambda: bench.kinds().count(EventKind.FINISHED) + bench.kinds().count(EventKind.FAILED) == 10)
    assert bench.kinds().count(EventKind.FAILED) == 5


def test_nothing_is_fetched_while_the_stage_is_held(bus: NatsBus, tmp_path: Path, wait_until: Wait) -> None:
    reason: list[str | None] = ["disk"]
    seen: list[str] = []

    def handle(message: VideoRequested, _report: Report) -> StageResult:
        seen.append(message.video_id)
        return StageResult(accessible(message))

    work = StageWork(pipeline.CHECK, handle, lambda _: 30.0, 1, lambda: reason[0])
    journal = CrashJournal(tmp_path, "check-test")
    options = WorkerOptions("test", 5.0)
    worker = Worker(work, bus, journal, options)
    worker.start()
    bus.publish(REQUESTED, encode(requested()), "x")
    time.sleep(1.5)
    assert seen == []
    reason[0] = None
    wait_until(lambda: len(seen) == 1)
    worker.stop()
    worker.drain(time.monotonic() + 5)


def test_the_clock_of_a_slot_sees_that_it_is_held_and_that_it_talks_to_the_broker(
    bus: NatsBus, tmp_path: Path, wait_until: Wait
) -> None:
    reason: list[str | None] = ["no room"]
    slots = SlotTimes(1)

    def handle(message: VideoRequested, _report: Report) -> StageResult:
        with slots.doing(TRANSFERRING):
            time.sleep(0.2)
        return StageResult(accessible(message))

    work = StageWork(
        *(pipeline.CHECK, handle, lambda _: 30.0, 1, lambda: reason[0]),
        talking=partial(slots.doing, PUBLISHING),
        pausing=partial(slots.doing, WAITING_FOR_DISK),
    )
    options = WorkerOptions("test", 5.0, PAUSES)
    journal = CrashJournal(tmp_path, "check-test")
    worker = Worker(work, bus, journal, options)
    message = requested()
    bus.publish(REQUESTED, encode(message), message.job)
    worker.start()
    try:
        wait_until(lambda: slots.seconds()[WAITING_FOR_DISK] > 0.3)
        assert slots.seconds()[TRANSFERRING] == 0
        reason[0] = None
        wait_until(lambda: [data for _, data in bus.read(WORK_STREAM, ACCESSIBLE)] != [])
    finally:
        worker.stop()
        worker.drain(time.monotonic() + 5)
    found = slots.seconds()
    assert found[TRANSFERRING] == pytest.approx(0.2, abs=0.15)
    assert found[PUBLISHING] > 0


def test_a_message_that_comes_again_is_counted_as_a_redelivery(bench: Bench, wait_until: Wait) -> None:
    bench.submit(requested())
    lost = bench.bus.fetch("check", WORK_STREAM, 5.0)
    assert lost is not None
    bench.bus.nak(lost)
    before = REGISTRY.get_sample_value("ingest_redeliveries_total", {"stage": "check"}) or 0
    bench.start(lambda message, _: StageResult(accessible(message)))
    wait_until(lambda: EventKind.FINISHED in bench.kinds())
    assert REGISTRY.get_sample_value("ingest_redeliveries_total", {"stage": "check"}) == before + 1
