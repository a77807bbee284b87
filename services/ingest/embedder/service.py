"""Builds the embedder from its settings: the stage and the ledger."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ingest.embedder.handler import Embed, StoredTranscript, input_file
from ingest.embedder.postgres import database
from ingest.embedder.postgres.index_care import IndexCare
from ingest.embedder.postgres.migrate import migrate
from ingest.embedder.rebuild import Rebuilder, passage_limits
from ingest.embedder.requested_changes import Changes, Tools
from ingest.embedder.tables.ledger import Ledger
from ingest.embedder.tables.standings import standings
from ingest.embedder.tables.store import Store
from ingest.embedder.text_model import model_keys
from ingest.embedder.text_model.encoder import load
from ingest.shared import pipeline
from ingest.shared.device.batcher import Batcher, BatchLimits
from ingest.shared.homes.chosen import volume_of
from ingest.shared.messages import Stage
from ingest.shared.telemetry import metrics
from ingest.shared.telemetry.time_split import COMMITTING, EMBEDDER_CAUSES, DeviceTime
from ingest.shared.worker.service import ServiceSpec
from ingest.shared.worker.stage import StageWork

if TYPE_CHECKING:
    from ingest.embedder.settings import EmbedderSettings
    from ingest.embedder.text_model.encoder import Encoder, Vector
    from ingest.shared.broker.nats_bus import NatsBus

SPARE_CONNECTIONS = 4  # the ledger, changes, the look at the indexes, and the build of one
ENCODER_SECONDS = "Time of the encoder's device by its state: busy, or the reason to be idle"


def build(settings: EmbedderSettings, bus: NatsBus) -> ServiceSpec:
    """Migrate the schema, start the ledger, load the model and return the service."""
    time = DeviceTime(EMBEDDER_CAUSES)
    metrics.show(metrics.StateSeconds("ingest_encoder_seconds", ENCODER_SECONDS, time.seconds))
    metrics.show(metrics.PASSAGES, metrics.ROWS, metrics.COMMIT, metrics.EVENTS_SET_ASIDE)
    with database.connect(settings, size=1, name=settings.worker_name) as first:
        migrate(first)  # a connection registers the vector types when it is opened, so before the pool
    archive = database.connect(settings, size=settings.db_workers + SPARE_CONNECTIONS, name=settings.worker_name)
    rebuilder: Future[Rebuilder] = Future()  # changes of texts wait until the model is loaded
    keepers = (Ledger(bus, archive), Changes(Tools(bus, archive, rebuilder.result)), IndexCare(archive))
    for keeper in keepers:
        keeper.start()
    with metrics.loading("embedder"):
        encoder = load(settings)
    batcher = _batcher(settings, encoder, time)
    key = model_keys.register(archive, encoder)
    handler = Embed(
        volume=volume_of(settings),
        store=Store(archive, key, encoder.dimensions),
        encoder=encoder,
        batcher=batcher,
        limits=passage_limits(settings, encoder.max_tokens),
        time=time,
        observe=_count,
    )
    rebuilder.set_result(Rebuilder(handler.volume, archive, handler.store, encoder, key, handler.limits))
    time.ready()

    def stop() -> None:
        for keeper in reversed(keepers):
            keeper.stop()
        batcher.close()
        archive.close()

    return replace(_service(settings, handler, time), stop=stop, standings=partial(standings, archive))


def _service(settings: EmbedderSettings, handler: Embed, time: DeviceTime) -> ServiceSpec:
    """Return the stage with its handler; it takes no messages while its device is lost."""
    work = StageWork(
        spec=pipeline.EMBEDDER,
        handle=handler,
        deadline_s=lambda _: settings.embed_deadline_s,
        slots=settings.db_workers,
        input_file=input_file(handler.volume),
        held=lambda: handler.encoder.broken,
        talking=partial(time.doing, COMMITTING),
    )
    return ServiceSpec(stages=(work,), broken=work.held, keeps_ledger=True)


def _count(stored: StoredTranscript) -> None:
    """Add a stored transcript to the metrics of the stage."""
    metrics.PASSAGES.inc(stored.passages)
    metrics.ROWS.inc(stored.rows)
    metrics.AUDIO_SECONDS.labels(Stage.EMBEDDER).inc(stored.audio_s)
    metrics.COMMIT.observe(stored.commit_s)


def _batcher(settings: EmbedderSettings, encoder: Encoder, time: DeviceTime) -> Batcher[str, Vector]:
    batcher = Batcher(
        encoder.run,
        BatchLimits(settings.embedding_batch_size, settings.embedding_batch_wait_s),
        length=lambda text: float(len(text)),
        name="embedding-device",
        around=time.running,
    )
    metrics.show(metrics.Batches("embedder", [batcher.figures]))
    return batcher
