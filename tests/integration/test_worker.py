"""The worker loop on a real broker: the four outcomes, the drain, what comes back and what does not."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from prometheus_client import REGISTRY

from services.shared.answers import Done, WorkerOptions
from services.shared.bus import (
    ACCESSIBLE,
    DEAD_STREAM,
    EVENT_STREAM,
    LATER_STREAM,
    REQUESTED,
    WORK_STREAM,
    BusUnavailableError,
)
from services.shared.errors import Code, IngestError
from services.shared.journal import Journal
from services.shared.messages import (
    DeadLetter,
    Event,
    EventKind,
    Source,
    SourceKind,
    Stage,
    VideoAccessible,
    VideoRequested,
    decode,
    encode,
)
from services.shared.quarantine import Quarantine
from services.shared.retry import Pauses
from services.shared.timesplit import PUBLISHING, TRANSFERRING, WAITING_FOR_DISK, SlotTimes
from services.shared.waker import Waker
from services.shared.watchdog import Watchdog
from services.shared.worker import PROGRESS_EVERY_S, Report, StageWork, Worker
from tests.conftest import ACK_WAIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from services.cli.embedded import EmbeddedNats
    from services.shared.nats_bus import NatsBus

Wait = Callable[[Callable[[], bool]], None]
PAUSES = Pauses(first_s=0.2, longest_s=1.0, postponed_s=0.2, deferred_s=0.5)


def requested(video_id: str = "abcdefghijk", **fields: object) -> VideoRequested:
    source = Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3")
    return VideoRequested(video_id=video_id, source=source, **fields)


def accessible(message: VideoRequested) -> VideoAccessible:
    return VideoAccessible(video_id=message.video_id, generation=message.generation, source=message.source)


class Bench:
    """A worker of the check stage with a handler of the test's choice."""

    def __init__(self, bus: NatsBus, folder: Path) -> None:
        self.bus = bus
        self.folder = folder
        self.calls: list[VideoRequested] = []
        self.running: list[tuple[Worker[VideoRequested], Waker]] = []

    def start(
        self,
        handle: Callable[[VideoRequested, Report], Done],
        *,
        slots: int = 2,
        grace_s: float = 5.0,
        deadline_s: Callable[[VideoRequested], float] = lambda _: 30.0,
    ) -> None:
        def counted(message: VideoRequested, report: Report) -> Done:
            self.calls.append(message)
            return handle(message, report)

        work = StageWork(Stage.CHECK, VideoRequested, counted, deadline_s, slots)
        worker = Worker(
            work,
            self.bus,
            Journal(self.folder, "check-test"),
            WorkerOptions("test", grace_s, PAUSES),
            watchdog=Watchdog(),
            quarantine=Quarantine(),
        )
        waker = Waker(Stage.CHECK, self.bus)
        self.running.append((worker, waker))
        worker.start()
        waker.start()

    def stop(self, grace_s: float = 5.0) -> None:
        for worker, waker in self.running:
            worker.stop()
            waker.stop()
        for worker, waker in self.running:
            worker.drain(time.monotonic() + grace_s)
            waker.drain(time.monotonic() + grace_s)
        self.running.clear()

    def submit(self, *messages: VideoRequested) -> None:
        for message in messages:
            self.bus.publish(REQUESTED, encode(message), f"{REQUESTED}:{message.job}")

    def events(self) -> list[Event]:
        return [decode(Event, data) for _, data in self.bus.read(EVENT_STREAM, "ingest.event.*")]

    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.events()]

    def letters(self) -> list[DeadLetter]:
        return [decode(DeadLetter, data) for _, data in self.bus.read(DEAD_STREAM, "ingest.dead.*")]

    def queued(self) -> list[bytes]:
        return [data for _, data in self.bus.read(WORK_STREAM, "ingest.video.requested")]


@pytest.fixture
def bench(bus: NatsBus, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(bus, tmp_path)
    yield made
    made.stop()


def test_a_result_is_published_told_and_the_message_is_gone(bench: Bench, wait_until: Wait) -> None:
    bench.start(lambda message, _: Done(accessible(message), numbers={"seconds": 2.0}))
    bench.submit(requested())
    wait_until(lambda: EventKind.FINISHED in bench.kinds())
    wait_until(lambda: bench.queued() == [])
    (published,) = [data for _, data in bench.bus.read(WORK_STREAM, ACCESSIBLE)]
    assert decode(VideoAccessible, published) == accessible(requested())
    finished = bench.events()[-1]
    assert finished.numbers["seconds"] == 2.0
    assert finished.worker == "test"


def test_a_permanent_error_is_a_dead_letter_after_one_attempt(bench: Bench, wait_until: Wait) -> None:
    def refuse(_message: VideoRequested, _report: Report) -> Done:
        raise IngestError(Code.BAD_URL, "no such thing")

    bench.start(refuse)
    bench.submit(requested())
    wait_until(lambda: EventKind.FAILED in bench.kinds())
    (letter,) = bench.letters()
    assert (letter.code, letter.text, letter.video_id) == (Code.BAD_URL, "no such thing", "abcdefghijk")
    assert decode(VideoRequested, letter.payload.encode()) == requested()
    assert len(bench.calls) == 1


def test_a_skipped_video_leaves_its_reason_and_no_dead_letter(bench: Bench, wait_until: Wait) -> None:
    def skip(_message: VideoRequested, _report: Report) -> Done:
        raise IngestError(Code.MEMBERS_ONLY, "join us")

    bench.start(skip)
    bench.submit(requested())
    wait_until(lambda: EventKind.SKIPPED in bench.kinds())
    assert bench.letters() == []
    assert bench.events()[-1].code is Code.MEMBERS_ONLY


def test_a_transient_error_is_tried_again_with_the_count_kept_until_it_is_used_up(
    bench: Bench, wait_until: Wait
) -> None:
    def fail(_message: VideoRequested, _report: Report) -> Done:
        raise IngestError(Code.NOT_AUDIO, "html")

    bench.start(fail)
    bench.submit(requested())
    wait_until(lambda: EventKind.FAILED in bench.kinds())
    assert len(bench.calls) == 2
    assert [event.attempt for event in bench.events() if event.kind is EventKind.STARTED] == [1, 2]
    assert bench.letters()[0].attempts == {"transient": 1, "postponed": 0, "crash": 0}


def test_an_unexpected_error_is_tried_three_times_and_buried_with_its_text(bench: Bench, wait_until: Wait) -> None:
    def bug(_message: VideoRequested, _report: Report) -> Done:
        raise KeyError("a bug of ours")

    bench.start(bug)
    bench.submit(requested())
    wait_until(lambda: EventKind.FAILED in bench.kinds())
    assert len(bench.calls) == 3
    assert bench.letters()[0].code is Code.UNEXPECTED
    assert "a bug of ours" in bench.letters()[0].text


def test_a_postponed_message_comes_back_uncounted_and_holds_no_place_meanwhile(bench: Bench, wait_until: Wait) -> None:
    later = datetime.now(UTC) + timedelta(seconds=1.5)

    def wait_first(message: VideoRequested, _report: Report) -> Done:
        if len(bench.calls) < 3:
            raise IngestError(Code.SOURCE_RATE_LIMITED, "slow down", retry_at=min(later, datetime.now(UTC)))
        if datetime.now(UTC) < later:
            raise IngestError(Code.ENV_DISK_FULL, "full", retry_at=later)
        return Done(accessible(message))

    bench.start(wait_first)
    bench.submit(requested())
    wait_until(lambda: EventKind.POSTPONED in bench.kinds())
    wait_until(lambda: len(list(bench.bus.read(LATER_STREAM, "ingest.later.*"))) == 1)
    assert bench.bus.lag("check", WORK_STREAM).in_hand == 0
    wait_until(lambda: EventKind.FINISHED in bench.kinds())
    assert {event.attempt for event in bench.events()} == {1}
    assert list(bench.bus.read(LATER_STREAM, "ingest.later.*")) == []


def test_a_deferred_video_is_told_with_its_time(bench: Bench, wait_until: Wait) -> None:
    premiere = datetime.now(UTC) + timedelta(days=3)

    def not_yet(_message: VideoRequested, _report: Report) -> Done:
        raise IngestError(Code.NOT_YET_AVAILABLE, "premieres", retry_at=premiere)

    bench.start(not_yet)
    bench.submit(requested())
    wait_until(lambda: EventKind.DEFERRED in bench.kinds())
    assert bench.events()[-1].retry_at == premiere


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        pytest.param(b"\xff\xfe not json", Code.BAD_MESSAGE, id="not json"),
        pytest.param(b"[1, 2]", Code.BAD_MESSAGE, id="not an object"),
        pytest.param(b'{"schema_version": 3}', Code.BAD_VERSION, id="unknown version"),
        pytest.param(b'{"source": {"kind": "media", "url": "u"}}', Code.BAD_FIELD, id="missing field"),
        pytest.param(
            b'{"video_id": "../../etc/x", "source": {"kind": "media", "url": "u"}}', Code.BAD_VIDEO_ID, id="traversal"
        ),
    ],
)
def test_an_unreadable_message_is_buried_in_one_attempt_and_the_queue_goes_on(
    bench: Bench, wait_until: Wait, payload: bytes, code: Code
) -> None:
    bench.start(lambda message, _: Done(accessible(message)))
    bench.bus.publish(REQUESTED, payload, "poison")
    bench.submit(requested())
    wait_until(lambda: EventKind.FINISHED in bench.kinds())
    wait_until(lambda: len(bench.letters()) == 1)
    assert bench.letters()[0].code is code
    assert bench.queued() == []


def test_a_message_bad_in_itself_does_not_stop_its_neighbours(bench: Bench, wait_until: Wait) -> None:
    def picky(message: VideoRequested, _report: Report) -> Done:
        if message.video_id.startswith("bad"):
            raise IngestError(Code.NO_MEDIA_FOUND, "nothing")
        return Done(accessible(message))

    bench.start(picky)
    bench.submit(*(requested(f"bad{number:08}") for number in range(5)))
    bench.submit(*(requested(f"fine{number:07}") for number in range(5)))
    wait_until(lambda: bench.kinds().count(EventKind.FINISHED) + bench.kinds().count(EventKind.FAILED) == 10)
    assert bench.kinds().count(EventKind.FAILED) == 5


def test_a_drain_lets_work_finish_and_gives_the_rest_back_uncounted(bench: Bench, wait_until: Wait) -> None:
    release = threading.Event()

    def slow(message: VideoRequested, _report: Report) -> Done:
        release.wait(20)
        return Done(accessible(message))

    bench.start(slow)
    bench.submit(requested())
    wait_until(lambda: len(bench.calls) == 1)
    began = time.monotonic()
    bench.stop(grace_s=0.5)
    assert time.monotonic() - began < 3
    release.set()
    bench.start(lambda message, _: Done(accessible(message)))
    wait_until(lambda: EventKind.FINISHED in bench.kinds())
    finished = [event for event in bench.events() if event.kind is EventKind.FINISHED]
    assert [event.attempt for event in finished] == [1]


def test_a_job_that_ended_its_worker_three_times_is_buried(bench: Bench, wait_until: Wait) -> None:
    job = f"check.{requested().job}"
    for _ in range(3):
        Journal(bench.folder, "check-test").begin(job)
    bench.start(lambda message, _: Done(accessible(message)))
    bench.submit(requested())
    wait_until(lambda: EventKind.FAILED in bench.kinds())
    assert bench.letters()[0].code is Code.CRASH_LOOP
    assert bench.letters()[0].attempts["crash"] == 3
    assert bench.calls == []


def test_a_suspect_runs_alone(bench: Bench, wait_until: Wait) -> None:
    suspect = requested("suspect0000")
    Journal(bench.folder, "check-test").begin(f"check.{suspect.job}")
    together: list[int] = []
    now_running: set[str] = set()

    def watch(message: VideoRequested, _report: Report) -> Done:
        now_running.add(message.video_id)
        time.sleep(0.2)
        if message.video_id == suspect.video_id:
            together.append(len(now_running))
        now_running.discard(message.video_id)
        return Done(accessible(message))

    bench.start(watch, slots=4)
    bench.submit(*(requested(f"ordinary{number:03}") for number in range(4)), suspect)
    wait_until(lambda: bench.kinds().count(EventKind.FINISHED) == 5)
    assert together == [1]
    attempts = {event.video_id: event.attempt for event in bench.events() if event.kind is EventKind.FINISHED}
    assert attempts[suspect.video_id] == 2


def test_a_suspect_that_waits_for_its_neighbour_stays_in_hand_and_runs_once(bench: Bench, wait_until: Wait) -> None:
    suspect, neighbour = requested("suspect0000"), requested("ordinary000")
    Journal(bench.folder, "check-test").begin(f"check.{suspect.job}")
    deadlines = {suspect.video_id: 1.0, neighbour.video_id: 30.0}

    def work(message: VideoRequested, _report: Report) -> Done:
        if message.video_id == neighbour.video_id:
            time.sleep(1.0 + 3 * ACK_WAIT_S)
        return Done(accessible(message))

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

    def work(message: VideoRequested, report: Report) -> Done:
        time.sleep(PROGRESS_EVERY_S)
        nats_server.process.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            report({"done": 0.5})
            took_s.append(time.monotonic() - began)
        finally:
            nats_server.process.send_signal(signal.SIGCONT)
        return Done(accessible(message))

    bench.start(work)
    bench.submit(requested())
    wait_until(lambda: EventKind.FINISHED in bench.kinds())
    assert took_s[0] < 0.5
    assert bench.kinds() == [EventKind.STARTED, EventKind.PROGRESS, EventKind.FINISHED]


def test_work_that_needs_a_broker_that_is_away_costs_no_attempt(bench: Bench, wait_until: Wait) -> None:
    def work(message: VideoRequested, _report: Report) -> Done:
        if len(bench.calls) == 1:
            raise BusUnavailableError("no answer")
        return Done(accessible(message))

    bench.start(work)
    bench.submit(requested())
    wait_until(lambda: EventKind.FINISHED in bench.kinds())
    assert bench.kinds() == [EventKind.STARTED, EventKind.STARTED, EventKind.FINISHED]
    assert {event.attempt for event in bench.events()} == {1}


def test_a_volume_that_does_not_tell_the_crashes_of_a_job_costs_no_attempt(bench: Bench, wait_until: Wait) -> None:
    count = bench.folder / "crashes" / f"check.{requested().job}"
    count.mkdir(parents=True)
    bench.start(lambda message, _: Done(accessible(message)))
    bench.submit(requested())
    wait_until(lambda: EventKind.POSTPONED in bench.kinds())
    count.rmdir()
    wait_until(lambda: EventKind.FINISHED in bench.kinds())
    postponed = {event.code for event in bench.events() if event.kind is EventKind.POSTPONED}
    assert postponed == {Code.ENV_VOLUME}
    assert {event.attempt for event in bench.events()} == {1}


def test_nothing_is_fetched_while_the_stage_is_held(bus: NatsBus, tmp_path: Path, wait_until: Wait) -> None:
    reason: list[str | None] = ["disk"]
    seen: list[str] = []

    def handle(message: VideoRequested, _report: Report) -> Done:
        seen.append(message.video_id)
        return Done(accessible(message))

    work = StageWork(Stage.CHECK, VideoRequested, handle, lambda _: 30.0, 1, lambda: reason[0])
    journal = Journal(tmp_path, "check-test")
    options = WorkerOptions("test", 5.0)
    worker = Worker(work, bus, journal, options, watchdog=Watchdog(), quarantine=Quarantine())
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

    def handle(message: VideoRequested, _report: Report) -> Done:
        with slots.doing(TRANSFERRING):
            time.sleep(0.2)
        return Done(accessible(message))

    work = StageWork(
        *(Stage.CHECK, VideoRequested, handle, lambda _: 30.0, 1, lambda: reason[0]),
        talking=partial(slots.doing, PUBLISHING),
        pausing=partial(slots.doing, WAITING_FOR_DISK),
    )
    options = WorkerOptions("test", 5.0, PAUSES)
    journal = Journal(tmp_path, "check-test")
    worker = Worker(work, bus, journal, options, watchdog=Watchdog(), quarantine=Quarantine())
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
    bench.start(lambda message, _: Done(accessible(message)))
    wait_until(lambda: EventKind.FINISHED in bench.kinds())
    assert REGISTRY.get_sample_value("ingest_redeliveries_total", {"stage": "check"}) == before + 1
