"""The end of a run is found out while messages move: neither too early, nor never, nor because of another run."""

from __future__ import annotations

from collections import Counter, deque
from datetime import UTC, datetime
from fnmatch import fnmatch
from typing import TYPE_CHECKING, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.shared.broker.topology import EVENT_STREAM, LATER_STREAM, RUN_STREAM, WORK_STREAM, later_subject
from ingest.shared.messages import Source, SourceKind, Stage, VideoRequested, encode
from ingest.shared.pipeline import PIPELINE
from ingest.shared.runs import record
from ingest.shared.runs.messages import RunRecordings
from ingest.shared.runs.verdict import Fate, Standing, has_failures
from ingest.shared.runs.watch import LOST_AFTER_S, UNKNOWN_AFTER_S, Judge, RunWatch
from ingest.shared.video_state import VideoState

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE = Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3")
RUNS = {"a": ("aaaaaaaaaaa", "sharedvideo"), "b": ("bbbbbbbbbbb", "sharedvideo", "ccccccccccc")}
LAST = len(PIPELINE) - 1


class Streams:
    """A broker whose workers, ledger and users act between any two reads, as a list of numbers says."""

    STREAM_OF: ClassVar = {"ingest.run": RUN_STREAM, "ingest.later": LATER_STREAM}

    def __init__(self, steps: Sequence[int] = ()) -> None:
        self.messages: dict[str, dict[int, tuple[str, bytes]]] = {RUN_STREAM: {}, WORK_STREAM: {}, LATER_STREAM: {}}
        self.last: Counter[str] = Counter()
        self.steps = deque(steps)
        self.truth: dict[str, Standing] = {}
        self.ledger: dict[str, Standing] = {}
        self.events: deque[tuple[str, Standing]] = deque()
        self.folded = 0
        self.reads = 0

    # -- what the code under test asks for

    def after(self, stream: str, subject: str, sequence: int) -> tuple[int, bytes] | None:
        self.reads += 1
        self.act()
        pattern = subject.replace(">", "*")
        for number, (place, data) in sorted(self.messages[stream].items()):
            if number > sequence and fnmatch(place, pattern):
                return number, data
        return None

    def publish(self, subject: str, data: bytes, message_id: str) -> None:  # noqa: ARG002 (as the bus)
        stream = next((one for start, one in self.STREAM_OF.items() if subject.startswith(start)), WORK_STREAM)
        self.last[stream] += 1
        self.messages[stream][self.last[stream]] = (subject, data)

    def position(self, stream: str) -> tuple[int, int]:
        return 0, self.folded + len(self.events) if stream == EVENT_STREAM else self.last[stream]

    def acknowledged(self, consumer: str, stream: str) -> int:  # noqa: ARG002 (as the bus)
        return self.folded

    def standings(self, ids: Sequence[str]) -> dict[str, Standing]:
        self.act()
        return {video_id: self.ledger[video_id] for video_id in ids if video_id in self.ledger}

    # -- what happens meanwhile

    def request(self, video_id: str, generation: int) -> None:
        """Publish event and message, as `ingest submit` does."""
        self.event(video_id, Standing(generation, VideoState.QUEUED))
        self.put(0, video_id, generation)

    def put(self, stage: int, video_id: str, generation: int, *, later: bool = False) -> None:
        spec = PIPELINE[stage]
        message = VideoRequested(video_id=video_id, generation=generation, source=SOURCE)
        self.publish(later_subject(spec.stage) if later else spec.subject, encode(message), "")

    def event(self, video_id: str, standing: Standing) -> None:
        if standing.generation >= self.truth.get(video_id, standing).generation:
            self.truth[video_id] = standing
            self.events.append((video_id, standing))

    def act(self) -> None:
        """Do what the next number says: fold an event, or let a worker take a step with a message."""
        if not self.steps:
            return
        number = self.steps.popleft()
        if number % 3 == 0 and self.events:
            video_id, standing = self.events.popleft()
            self.folded += 1
            self.ledger[video_id] = standing
        else:
            self.work(number // 3)

    def work(self, number: int) -> None:
        """Publish what follows a message, then the event, then remove the message."""
        queues = ((stream, key) for stream in (WORK_STREAM, LATER_STREAM) for key in self.messages[stream])
        found = list(queues)
        if not found:
            return
        stream, key = found[number % len(found)]
        subject, data = self.messages[stream][key]
        message = VideoRequested.model_validate_json(data)
        stage = next(
            place for place, spec in enumerate(PIPELINE) if subject in {spec.subject, later_subject(spec.stage)}
        )
        if stream == LATER_STREAM:
            self.put(stage, message.video_id, message.generation)
        else:
            self.handle(stage, message.video_id, message.generation, number // len(found))
        del self.messages[stream][key]

    def handle(self, stage: int, video_id: str, generation: int, choice: int) -> None:
        end = {0: VideoState.FAILED, 1: VideoState.SKIPPED}.get(choice % 7)
        if stage == LAST or end is not None:
            self.event(video_id, Standing(generation, end or VideoState.INDEXED))
        elif choice % 7 == 2:
            self.put(stage, video_id, generation, later=True)
            self.event(video_id, Standing(generation, VideoState.DEFERRED))
        else:
            self.put(stage + 1, video_id, generation)
            self.event(video_id, Standing(generation, VideoState.QUEUED))


def submitted(streams: Streams, *, again: bool) -> None:
    """Submit both runs; with `again`, the second one requests the recording that both have anew."""
    for name, videos in RUNS.items():
        generations = {}
        for video_id in videos:
            known = streams.truth.get(video_id)
            if known is None or again:
                streams.request(video_id, known.generation + 1 if known else 1)
            generations[video_id] = streams.truth[video_id].generation
        record.publish_recordings(streams, name, generations.items())


@settings(max_examples=60)
@given(steps=st.lists(st.integers(0, 400), max_size=120), again=st.booleans())
def test_a_run_is_settled_only_when_nothing_of_it_is_left_and_then_for_all_services(
    steps: list[int],
    again: bool,  # noqa: FBT001 (what is drawn)
) -> None:
    streams = Streams(steps)
    submitted(streams, again=again)
    watches = {name: RunWatch(streams, name, streams.standings, lambda: 0.0) for name in RUNS}
    for round_ in range(1000):
        for name, watch in watches.items():
            watch.ask()
            if watch.settled is not None:
                _is_true(streams, name, watch.settled)
        if all(watch.settled is not None for watch in watches.values()):
            break
        streams.steps.extend((round_ * 3 + 2, 0, 0) if not streams.steps else ())
    else:
        raise AssertionError("a run stays open although nothing of it is left")
    for name, watch in watches.items():
        other = RunWatch(streams, name, None, lambda: 0.0)  # of a service without the ledger
        other.ask()
        assert other.settled == watch.settled


def _is_true(streams: Streams, name: str, settled: Counter[Fate]) -> None:
    """Check that no queue has a message of the run, and that its recordings have ended so."""
    recordings = record.Recordings(streams, name)
    recordings.read()
    queued = [data for stream in (WORK_STREAM, LATER_STREAM) for _, data in streams.messages[stream].values()]
    for message in map(VideoRequested.model_validate_json, queued):
        assert message.generation > recordings.videos.get(message.video_id, 0)
    ends = [(generation, streams.truth[video_id]) for video_id, generation in recordings.videos.items()]
    assert settled.total() == len(ends)
    assert settled[Fate.REPEATED] <= sum(now.generation > generation for generation, now in ends)
    assert settled[Fate.LOST] == 0
    assert settled[Fate.FAILED] >= sum(now == Standing(one, VideoState.FAILED) for one, now in ends)


def test_a_recording_without_message_whose_end_no_event_says_is_lost_after_a_while() -> None:
    streams, now = Streams(), [0.0]
    streams.request("aaaaaaaaaaa", 1)
    record.publish_recordings(streams, "a", {"aaaaaaaaaaa": 1}.items())
    judge = Judge(streams, "a", streams.standings, lambda: now[0])
    assert judge.ask() is None
    streams.messages[WORK_STREAM].clear()
    assert judge.ask() is None
    now[0] += LOST_AFTER_S
    assert judge.ask() is None, "the ledger has not read the last event"
    streams.folded += len(streams.events)
    found = judge.ask()
    assert found == {Fate.LOST: 1}
    assert has_failures(found or ())


@pytest.mark.parametrize(("count", "parts"), [(0, 1), (2, 1), (3, 2), (4, 2)])
def test_recordings_are_named_in_parts_and_the_last_part_says_so(
    monkeypatch: pytest.MonkeyPatch, count: int, parts: int
) -> None:
    monkeypatch.setattr(record, "MOST_OF_A_RUN", 2)
    streams = Streams()
    record.publish_recordings(streams, "a", ((f"aaaaaaaaaa{number}", number + 1) for number in range(count)))
    named = [RunRecordings.model_validate_json(data) for _, data in streams.messages[RUN_STREAM].values()]
    assert [part.is_last for part in named] == [False] * (parts - 1) + [True]
    assert sum(len(part.videos) for part in named) == count


def test_a_later_submission_opens_a_run_again() -> None:
    streams = Streams()
    record.publish_recordings(streams, "a", ())
    watch = RunWatch(streams, "a", streams.standings, lambda: 0.0)
    watch.ask()
    assert watch.settled == {}
    streams.request("aaaaaaaaaaa", 1)
    record.publish_recordings(streams, "a", {"aaaaaaaaaaa": 1}.items())
    watch.ask()
    assert watch.settled is None


def test_a_run_that_no_submission_names_is_reported_after_two_hours() -> None:
    streams, now = Streams(), [0.0]
    watch = RunWatch(streams, "a", None, lambda: now[0])
    now[0] = UNKNOWN_AFTER_S
    watch.ask()
    assert "ingest submit --run a" in (watch.trouble() or "")
    record.publish_recordings(streams, "b", ())
    watch.ask()
    assert watch.trouble() is not None
    record.publish_recordings(streams, "a", ())
    watch.ask()
    assert watch.trouble() is None


def test_each_message_of_the_queue_is_read_once_in_the_life_of_a_run() -> None:
    streams = Streams()
    for number in range(50):
        streams.request(f"other{number:06}", 1)
    streams.request("aaaaaaaaaaa", 1)
    record.publish_recordings(streams, "a", {"aaaaaaaaaaa": 1}.items())
    judge = Judge(streams, "a", streams.standings)
    judge.ask()
    first = streams.reads
    judge.ask()
    assert first > 50
    assert streams.reads - first <= 3


def test_every_stage_has_a_queue_that_is_searched() -> None:
    for stage in range(len(Stage)):
        for later in (False, True):
            streams = Streams()
            streams.put(stage, "aaaaaaaaaaa", 1, later=later)
            record.publish_recordings(streams, "a", {"aaaaaaaaaaa": 1}.items())
            streams.ledger["aaaaaaaaaaa"] = Standing(1, VideoState.INDEXED)
            assert Judge(streams, "a", streams.standings).ask() is None
            streams.messages[LATER_STREAM if later else WORK_STREAM].clear()
            assert Judge(streams, "a", streams.standings).ask() == {Fate.INDEXED: 1}


def test_the_name_of_the_run_is_in_its_record() -> None:
    streams = Streams()
    record.publish_recordings(streams, "a", {"aaaaaaaaaaa": 1}.items())
    record.publish_settled(streams, "a", {Fate.FAILED: 1}, 1)
    ((_, recordings), (_, end)) = streams.messages[RUN_STREAM].values()
    assert b'"run":"a"' in recordings
    assert b'"failed":1' in end
    assert datetime.now(UTC).strftime("%Y-%m-%d").encode() in end
