"""Puts the embedder together: the stage, and the ledger beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.embedder import database
from services.embedder.encode import Encoder
from services.embedder.handler import Embed
from services.embedder.ledger import Ledger
from services.embedder.migrate import migrate
from services.embedder.passages import PassageLimits
from services.embedder.store import Store
from services.shared.batcher import Batcher, BatchLimits
from services.shared.messages import Stage, TranscriptReady
from services.shared.service import Room
from services.shared.volume import Volume
from services.shared.worker import StageWork

if TYPE_CHECKING:
    from services.embedder.settings import EmbedderSettings
    from services.shared.nats_bus import NatsBus

SPARE_CONNECTIONS = 2


def build(settings: EmbedderSettings, bus: NatsBus) -> Room:
    """Bring the schema up to date, load the model, start the ledger and return the embedder stage."""
    with database.connect(settings, size=1, name=settings.worker_name) as before:
        migrate(before)  # on a connection of its own: the pool's learn about vectors when they are made
    store_in = database.connect(settings, size=settings.db_workers + SPARE_CONNECTIONS, name=settings.worker_name)
    ledger = Ledger(bus, store_in)
    ledger.start()
    encoder = Encoder(settings.embedding_model, settings.embedding_device, settings.embedding_batch_size)
    batcher = Batcher(
        encoder.run,
        BatchLimits(settings.embedding_batch_size, settings.embedding_batch_wait_s),
        length=lambda text: float(len(text)),
        name="embedding-device",
    )
    handler = Embed(
        volume=Volume(settings.volume),
        store=Store(store_in, encoder.key, encoder.dimensions),
        encoder=encoder,
        batcher=batcher,
        limits=PassageLimits(
            min_chars=settings.passage_min_chars,
            max_chars=settings.passage_max_chars,
            max_gap_s=settings.passage_max_gap_s,
            max_s=settings.passage_max_s,
            max_tokens=encoder.max_tokens,
        ),
    )

    def stop() -> None:
        ledger.stop()
        batcher.close()
        store_in.close()

    work = StageWork(Stage.EMBEDDER, TranscriptReady, handler, lambda _: settings.embed_deadline_s, settings.db_workers)
    return Room(stages=(work,), stop=stop)
