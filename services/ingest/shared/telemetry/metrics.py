"""The metrics of every service, declared once. Labels are few: a stage, a state, an error code; never a video.

A metric with labels has a sample after its first count. A metric without labels belongs to one service, which registers
it with `show`: a service that stores no rows must not export `ingest_rows_total 0`, which a panel would show as
"nothing is stored".
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ingest.shared.device.batcher import BatchFigures
    from ingest.shared.errors import Code
    from ingest.shared.messages import EventKind, Stage

_shown: dict[tuple[str, ...], Collector] = {}


class OptionalGauge(Collector):
    """A gauge whose samples can be cleared: an unknown value has no sample instead of 0."""

    def __init__(self, name: str, documentation: str, *labels: str) -> None:
        self.name = name
        self._documentation = documentation
        self._labels = labels
        self._values: dict[tuple[str, ...], float] = {}
        self._lock = threading.Lock()

    def set(self, value: float, *labels: str) -> None:
        """Set the value, or that of a label."""
        with self._lock:
            self._values[labels] = value

    def clear(self, *labels: str) -> None:
        """Remove the sample, or that of a label."""
        with self._lock:
            self._values.pop(labels, None)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the samples."""
        with self._lock:
            values = dict(self._values)
        family = GaugeMetricFamily(self.name, self._documentation, labels=self._labels)
        for labels, value in values.items():
            family.add_metric(labels, value)
        yield family


class StateSeconds(Collector):
    """A counter of seconds by state, read at every scrape; it includes the time of the current state."""

    def __init__(self, name: str, documentation: str, read: Callable[[], Mapping[str, float]]) -> None:
        self._name = name
        self._documentation = documentation
        self._read = read

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the seconds of every state."""
        family = CounterMetricFamily(self._name, self._documentation, labels=("state",))
        for state, seconds in self._read().items():
            family.add_metric((state,), seconds)
        yield family


class Batches(Collector):
    """Counters of the batches of a device: the exact counts of its batchers, read at every scrape."""

    _FIELDS = (
        ("ingest_batch_items", "Items that a device has processed; over the places, how full its batches are", "items"),
        ("ingest_batch_places", "Places that its batches had, with or without an item", "places"),
        ("ingest_batch_length", "Length of the items (seconds of speech, or characters of text)", "length"),
        ("ingest_batch_padded_length", "Length with padding; 1 - length / this is wasted on padding", "padded_length"),
        ("ingest_out_of_memory", "Batches that ran out of device memory and were halved", "out_of_memory"),
    )

    def __init__(self, device: str, figures: Sequence[BatchFigures]) -> None:
        self._device = device
        self._figures = figures

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the counts."""
        for name, documentation, field in self._FIELDS:
            family = CounterMetricFamily(name, documentation, labels=("device",))
            family.add_metric((self._device,), sum(getattr(one, field) for one in self._figures))
            yield family


# -- every service -----------------------------------------------------------------------------------------------------

MESSAGES = Counter("ingest_messages", "Messages that a stage has settled, by outcome", ("stage", "outcome", "code"))
IN_PROGRESS = Gauge("ingest_messages_in_progress", "Messages that a stage is processing", ("stage",))
HANDLING = Histogram(
    "ingest_handling_seconds",
    "Time that a handler worked on a message",
    ("stage",),
    buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600),
)
REDELIVERIES = Counter("ingest_redeliveries", "Messages that were delivered again", ("stage",))
AUDIO_SECONDS = Counter("ingest_audio_seconds", "Length of the recordings that a stage has finished", ("stage",))
CONSUMER_LAG = OptionalGauge(
    "ingest_consumer_lag", "Messages that have not been delivered to a consumer yet", "consumer"
)
CONSUMER_IN_FLIGHT = OptionalGauge(
    "ingest_consumer_in_flight", "Messages that were delivered to a consumer and are not acknowledged yet", "consumer"
)
CONSUMER_OLDEST_AGE = OptionalGauge(
    "ingest_consumer_oldest_age_seconds",
    "Age of the oldest message that is not acknowledged; 0 without one",
    "consumer",
)
CONSUMER_POSTPONED = OptionalGauge(
    "ingest_consumer_postponed", "Postponed messages of a consumer, which wait outside of its queue", "consumer"
)
CANARY = OptionalGauge(
    "ingest_canary_success_timestamp_seconds", "When the recognizer last returned the words of the bundled sentence"
)
MODEL_LOAD = Gauge("ingest_model_load_seconds", "Time that loading a model took", ("model",))

# -- the downloader ----------------------------------------------------------------------------------------------------

DOWNLOADS = Counter(
    "ingest_downloads",
    "Downloads by verdict: fresh, there_already, captions (alone), playlist (instead of audio), or the error code",
    ("verdict",),
)
FIELDS_CUT = Counter(
    "ingest_fields_cut", "Fields of what sites announce that were cut or dropped: too long, or impossible", ("field",)
)
YTDLP_RELEASED = OptionalGauge(
    "ingest_ytdlp_released_timestamp_seconds", "When the installed yt-dlp was released, in seconds since 1970"
)
DISK_USED = OptionalGauge("ingest_disk_used_bytes", "Space that audio and transcripts take on the shared volume")
DISK_BUDGET = OptionalGauge("ingest_disk_budget_bytes", "Space that audio and transcripts may take")
SITE_OPEN = OptionalGauge(
    "ingest_site_circuit_open",
    "1 while a site's circuit breaker is open: it has rate-limited us and no request has succeeded since; else 0",
    "site",
)
SITE_HELD_UNTIL = OptionalGauge(
    "ingest_site_held_until_seconds",
    "Time until which no request is sent to a site, in seconds since 1970; 0 without a limit",
    "site",
)
SITE_FAILS_SINCE = OptionalGauge(
    "ingest_site_fails_since_seconds",
    "Since when a stage of a site is held because its recordings fail one after the other, in seconds since 1970",
    "site",
    "stage",
    "code",
)
SITE_BUDGET = OptionalGauge(
    "ingest_site_budget_left",
    "Requests that all downloaders together may send to a site now; refilled with the hourly budget",
    "site",
)

# -- asr ---------------------------------------------------------------------------------------------------------------

REAL_TIME_FACTOR = Histogram(
    "ingest_real_time_factor",
    "Processing time of a recording, in seconds for each second of audio (smaller is faster)",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.072, 0.1, 0.15, 0.22, 0.3, 0.5, 1, 2),
    registry=None,
)
SEGMENTS = Counter("ingest_segments", "Segments recognised", registry=None)
REFINED_SEGMENTS = Counter("ingest_refined_segments", "Segments that the second pass has improved", registry=None)
FLAGGED_SEGMENTS = Counter("ingest_flagged_segments", "Segments that are probable hallucinations, by flag", ("flag",))
UNREAD_SPEECH = Counter(
    "ingest_unread_speech_seconds", "Speech for which the recognizer found no words in any reading", registry=None
)
DIARIZATIONS = Counter(
    "ingest_diarizations",
    "Recordings by the outcome of speaker identification: full, fast_path, or failed",
    ("outcome",),
)
SPEAKERS = Counter("ingest_speakers", "Speakers of recordings: named after a profile, or unknown", ("verdict",))

# -- the embedder ------------------------------------------------------------------------------------------------------

PASSAGES = Counter("ingest_passages", "Passages that transcripts were split into and that have vectors", registry=None)
ROWS = Counter("ingest_rows", "Passages stored with their vectors", registry=None)
COMMIT = Histogram(
    "ingest_commit_seconds",
    "Time to replace the rows of a recording, in one transaction",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=None,
)
EVENTS_SET_ASIDE = Counter(
    "ingest_events_set_aside", "Events that the ledger could not write, kept with the reason", registry=None
)
LEFT_OUT = Counter(
    "ingest_left_out",
    "Items of sources that commands have not requested, by reason, with N in place of numbers and dates",
    ("reason",),
)
INDEXES_MISSING = OptionalGauge(
    "ingest_vector_indexes_missing", "Text models of a large archive whose vectors have no valid index"
)
INDEX_BUILD = OptionalGauge(
    "ingest_vector_index_build_ratio", "How far the build of a vector index is, from 0 to 1; no sample without a build"
)
DEAD_LETTERS = OptionalGauge("ingest_dead_letters", "Messages in the stream of dead letters")

# -- archive -----------------------------------------------------------------------------------------------------------

HTTP_REQUESTS = Counter(
    "ingest_http_requests", "Requests to the page and the API, by address and status", ("route", "status")
)
HTTP_IGNORED_USERS = Counter(
    "ingest_http_ignored_users", "Requests whose header names a user, but that come from no known proxy"
)
HTTP_SECONDS = Histogram(
    "ingest_http_seconds",
    "Time until the last byte of an answer was handed over",
    ("route",),
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)


def show(*collectors: Collector) -> None:
    """Register the metrics of one service; a collector replaces an older one of the same names."""
    for collector in collectors:
        names = tuple(family.name for family in collector.collect())
        if names in _shown:
            REGISTRY.unregister(_shown[names])
        REGISTRY.register(collector)
        _shown[names] = collector


@contextmanager
def handling(stage: Stage) -> Iterator[None]:
    """Measure the processing time of one message."""
    began = time.monotonic()
    try:
        with IN_PROGRESS.labels(stage).track_inprogress():
            yield
    finally:
        HANDLING.labels(stage).observe(time.monotonic() - began)


@contextmanager
def loading(model: str) -> Iterator[None]:
    """Measure the loading time of a model."""
    began = time.monotonic()
    yield
    MODEL_LOAD.labels(model).set(time.monotonic() - began)


def begin(stage: Stage) -> None:
    """Export the counters of a stage before its first message, with the value 0."""
    IN_PROGRESS.labels(stage)
    HANDLING.labels(stage)
    REDELIVERIES.labels(stage)


def count(stage: Stage, kind: EventKind, code: Code | None) -> None:
    """Count a settled message."""
    MESSAGES.labels(stage, kind, code or "").inc()
