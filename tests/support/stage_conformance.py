"""The conformance suite of stages: what every stage of `ingest.shared.pipeline.PIPELINE` must do on a real broker.

    poison        a message that cannot be read is a dead letter after one attempt, and the queue goes on
    redelivery    a message whose ack is missing is delivered again: the work is repeated, its result is there once
    drain         on SIGTERM nothing new is fetched; work in flight ends or is handed back, and no attempt is counted
    crash         a message that has ended its worker three times is a dead letter; other messages are not
    idempotence   the same message twice has the same result as once; a new run publishes a message of its own

`tests/integration/worker/test_stage_conformance.py` runs it. A new stage adds one fixture there, `<stage>_case`, which
returns a `StageCase`.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from ingest.cli.local.nats_server import NATS_USER
from ingest.shared.broker.nats_bus import NatsBus
from ingest.shared.broker.nats_connection import BusOptions
from ingest.shared.broker.topology import SUBJECT_OF
from ingest.shared.errors import Code
from ingest.shared.messages import EventKind, VideoMessage, decode, encode
from tests.support.brokers import ACK_WAIT_S
from tests.support.stage_line import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.cli.local.nats_server import EmbeddedNats
    from ingest.shared.broker.bus import Delivery
    from ingest.shared.pipeline import StageSpec
    from ingest.shared.worker.stage import InputFile, Report, StageResult

    Handle = Callable[..., StageResult]
    Wait = Callable[[Callable[[], bool]], None]

DONE = (EventKind.FINISHED, EventKind.INDEXED)
FIRST, SECOND, THIRD = "first000000", "second00000", "third000000"


@dataclass(frozen=True)
class StageCase:
    """The entry of a stage: its handler, its input, and its output.

    `message` puts the input of a video in place and returns the message about it. `kept` returns a value that changes
    whenever the handler makes or changes an artifact or a row of a video.
    """

    handle: Handle
    message: Callable[[str], VideoMessage]
    kept: Callable[[str], object]
    input_file: InputFile | None = None


class BusWithoutAck(NatsBus):
    """The bus of a worker that dies before its first ack."""

    def __init__(self, options: BusOptions, at_ack: Callable[[], None]) -> None:
        super().__init__(options)
        self._at_ack = at_ack

    def ack(self, _delivery: Delivery) -> None:
        """Send no ack."""
        self._at_ack()


class StageBench:
    """A stage at work with the handler of its case, and a record of the handler's calls."""

    def __init__(self, spec: StageSpec[Any], case: StageCase, line: Line) -> None:
        self.case = case
        self.calls: list[str] = []
        self.results: list[dict[str, Any] | None] = []
        self._spec = spec
        self._line = line

    def start(self, before: Callable[[VideoMessage], None] = lambda _: None, bus: NatsBus | None = None) -> None:
        """Start a worker with two slots; `before` runs before the handler."""

        def handle(message: VideoMessage, report: Report) -> StageResult:
            self.calls.append(message.video_id)
            before(message)
            result = self.case.handle(message, report)
            self.results.append(result.message.model_dump(exclude={"metadata"}) if result.message else None)
            return result

        self._line.start(self._spec.stage, handle, self.case.input_file, slots=2, bus=bus)

    def attempts(self, video_id: str) -> list[int]:
        """Return the attempts at which the handler had a result for a video, one for each result."""
        return [event.attempt for event in self._line.events() if event.video_id == video_id and event.kind in DONE]

    def queue_is_empty(self) -> bool:
        """Return whether each message of the stage is acknowledged."""
        return self._line.queued(self._spec.subject) == []

    def published(self) -> list[VideoMessage]:
        """Return the messages for the next stage, in order; the last stage publishes none."""
        model = self._spec.publishes
        return [decode(model, data) for data in self._line.queued(SUBJECT_OF[model])] if model else []

    def results_per_run(self, runs: int) -> int:
        """Return how many messages for the next stage there must be after a number of runs."""
        return runs if self._spec.publishes else 0

    def crash(self, message: VideoMessage, times: int) -> str:
        """Leave the crash evidence of another worker that has died with a message; return the name of the job."""
        job = f"{self._spec.stage}.{message.job}"
        for _ in range(times):
            self._line.journal("dead").begin(job)
        self._line.journal("dead")
        return job


class StageConformance:
    """The suite. A subclass has the fixtures `spec` and `case`."""

    @pytest.fixture
    def line(self, bus: NatsBus, tmp_path: Path) -> Iterator[Line]:
        made = Line(bus, tmp_path / "journal")
        yield made
        made.stop()

    @pytest.fixture
    def bench(self, spec: StageSpec[Any], case: StageCase, line: Line) -> StageBench:
        return StageBench(spec, case, line)

    @pytest.fixture
    def bus_without_ack(self, nats_server: EmbeddedNats, line: Line) -> Iterator[NatsBus]:
        options = BusOptions(
            nats_server.url, "dying", ack_wait_s=ACK_WAIT_S, user=NATS_USER, password=nats_server.password
        )
        bus = BusWithoutAck(options, line.stop_fetching).connect()
        yield bus
        bus.close()

    def test_poison_is_a_dead_letter_after_one_attempt_and_the_queue_goes_on(
        self, bench: StageBench, line: Line, wait_until: Wait
    ) -> None:
        good = bench.case.message(FIRST)
        fields = json.loads(encode(good))
        poison = {
            b"not json": Code.BAD_MESSAGE,
            json.dumps({**fields, "schema_version": 999}).encode(): Code.BAD_VERSION,
            json.dumps({**fields, "colour": "red"}).encode(): Code.BAD_FIELD,
            json.dumps({**fields, "video_id": "../../etc/x"}).encode(): Code.BAD_VIDEO_ID,
        }
        bench.start()
        line.send(*poison, good)
        wait_until(lambda: bench.attempts(FIRST) == [1])
        wait_until(bench.queue_is_empty)
        assert {letter.payload.encode(): letter.code for letter in line.letters()} == poison
        assert len(line.letters()) == len(poison)
        assert all(set(letter.attempts.values()) == {0} for letter in line.letters())
        assert bench.calls == [FIRST]

    def test_a_message_without_an_ack_is_delivered_again_and_has_one_result(
        self, bench: StageBench, line: Line, bus_without_ack: NatsBus, wait_until: Wait
    ) -> None:
        bench.start(bus=bus_without_ack)
        line.send(bench.case.message(FIRST))
        wait_until(lambda: bench.attempts(FIRST) == [1])
        line.stop()
        kept = bench.case.kept(FIRST)
        assert not bench.queue_is_empty()
        bench.start()
        wait_until(bench.queue_is_empty)
        assert bench.calls == [FIRST, FIRST]
        assert bench.case.kept(FIRST) == kept
        assert len(bench.published()) == bench.results_per_run(1)

    def test_a_drain_fetches_nothing_and_ends_work_or_hands_it_back_uncounted(
        self, bench: StageBench, line: Line, wait_until: Wait
    ) -> None:
        in_time, process_end = threading.Event(), threading.Event()

        def before(message: VideoMessage) -> None:
            if message.video_id == FIRST:
                in_time.wait(30)
            else:
                process_end.wait(60)
                raise RuntimeError("the process has ended")

        bench.start(before)
        line.send(bench.case.message(FIRST), bench.case.message(SECOND))
        wait_until(lambda: sorted(bench.calls) == [FIRST, SECOND])
        line.stop_fetching()
        line.send(bench.case.message(THIRD))
        in_time.set()
        wait_until(lambda: bench.attempts(FIRST) == [1])
        line.stop(grace_s=0.2)
        assert sorted(bench.calls) == [FIRST, SECOND]
        bench.start()
        wait_until(lambda: bench.attempts(SECOND) == bench.attempts(THIRD) == [1])
        process_end.set()
        wait_until(bench.queue_is_empty)
        assert line.letters() == []

    def test_the_third_crash_is_a_dead_letter_and_costs_no_other_message(
        self, bench: StageBench, line: Line, wait_until: Wait
    ) -> None:
        deadly, suspect = bench.case.message(FIRST), bench.case.message(SECOND)
        bench.start()
        bench.crash(deadly, times=3)
        job = bench.crash(suspect, times=2)
        line.send(deadly, suspect)
        wait_until(lambda: bench.attempts(SECOND) == [3])
        wait_until(bench.queue_is_empty)
        (letter,) = line.letters()
        assert (letter.video_id, letter.code, letter.attempts["crash"]) == (FIRST, Code.CRASH_LOOP, 3)
        assert bench.calls == [SECOND]
        wait_until(lambda: line.journal("dead").crashes(job) == 0)  # forgotten after the ack

    def test_the_same_message_twice_has_one_result(self, bench: StageBench, line: Line, wait_until: Wait) -> None:
        message = bench.case.message(FIRST)
        bench.start()
        line.send(message)
        wait_until(lambda: bench.attempts(FIRST) == [1])
        kept = bench.case.kept(FIRST)
        line.send(message)
        wait_until(lambda: bench.attempts(FIRST) == [1, 1])
        assert bench.case.kept(FIRST) == kept
        assert bench.results[0] == bench.results[1]  # but for the metadata: a site is not asked again
        assert len(bench.published()) == bench.results_per_run(1)

    def test_a_new_run_publishes_a_message_of_its_own_and_makes_nothing_twice(
        self, bench: StageBench, line: Line, wait_until: Wait
    ) -> None:
        message = bench.case.message(FIRST)
        again = message.model_copy(update={"generation": 2})
        bench.start()
        line.send(message)
        wait_until(lambda: bench.attempts(FIRST) == [1])
        kept = bench.case.kept(FIRST)
        line.send(again)
        wait_until(lambda: bench.attempts(FIRST) == [1, 1])
        assert bench.case.kept(FIRST) == kept
        following = bench.published()
        assert [(item.job, item.source) for item in following] == [
            (run.job, run.source) for run in (message, again)[: len(following)]
        ]
        assert len(following) == bench.results_per_run(2)
