"""Test builds of the services: real loop, broker, crash journal, volume, database and ledger; the work is a stand-in.

python -m tests.faults.services downloader | asr | embedder
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TypeVar, cast

from ingest.asr.handler import input_file as audio_file
from ingest.embedder.handler import Embed
from ingest.embedder.handler import input_file as transcript_file
from ingest.embedder.passages import PassageLimits
from ingest.embedder.postgres import database
from ingest.embedder.postgres.migrate import migrate
from ingest.embedder.settings import EmbedderSettings
from ingest.embedder.tables.ledger import Ledger
from ingest.embedder.tables.store import Store
from ingest.shared import pipeline
from ingest.shared.device.batcher import Batcher, BatchLimits
from ingest.shared.homes.chosen import volume_of
from ingest.shared.messages import VideoMessage
from ingest.shared.worker.service import ServiceSpec, main
from ingest.shared.worker.stage import InputFile, StageWork
from tests.faults import home_points, points
from tests.faults.work import Encodes, Work, suffer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.embedder.text_model.encoder import Encoder
    from ingest.shared.artifacts.volume import Volume
    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.pipeline import StageSpec
    from ingest.shared.worker.stage import Report, StageResult

COMMIT_DEADLINE_S = 60.0  # longer than the deadline of a database call, as in the real settings
SLOTS = 4

In = TypeVar("In", bound=VideoMessage)


def _stage(
    spec: StageSpec[In],
    handle: Callable[[In, Report], StageResult],
    volume: Volume,
    input_file: InputFile | None = None,
) -> StageWork[In]:
    def handled(message: In, report: Report) -> StageResult:
        points.reach("begun")
        suffer(message, spec.stage, volume)
        done = handle(message, report)
        points.reach("made")
        return done

    deadline_s = float(os.environ[points.DEADLINE])
    if spec is pipeline.EMBEDDER:
        deadline_s = max(deadline_s, COMMIT_DEADLINE_S)
    return StageWork(spec, handled, lambda _: deadline_s, SLOTS, input_file=input_file)


def downloader(settings: EmbedderSettings, _bus: NatsBus) -> ServiceSpec:
    volume = volume_of(settings)
    work = Work(volume, settings.volume / "scratch")
    check = _stage(pipeline.CHECK, work.check, volume)
    return ServiceSpec((check, _stage(pipeline.DOWNLOAD, work.download, volume)))


def asr(settings: EmbedderSettings, _bus: NatsBus) -> ServiceSpec:
    volume = volume_of(settings)
    work = Work(volume, settings.volume / "scratch")
    return ServiceSpec((_stage(pipeline.ASR, work.asr, volume, audio_file(volume)),))


def embedder(settings: EmbedderSettings, bus: NatsBus) -> ServiceSpec:
    with database.connect(settings, size=1, name=settings.worker_name) as before:
        migrate(before)
    archive = database.connect(settings, size=SLOTS + 2, name=settings.worker_name)
    ledger = Ledger(bus, archive)
    ledger.start()
    encoder = Encodes()
    volume = volume_of(settings)
    handler = Embed(
        volume=volume,
        store=Store(archive, encoder.key, encoder.dimensions),
        encoder=cast("Encoder", encoder),
        batcher=Batcher(encoder.run, BatchLimits(16, 0.001)),
        limits=PassageLimits(min_chars=1, max_chars=1000, max_gap_s=3.0, max_s=60.0, max_tokens=1000),
    )

    def stop() -> None:
        ledger.stop()
        archive.close()

    return ServiceSpec(
        (_stage(pipeline.EMBEDDER, handler, volume, transcript_file(volume)),),
        stop=stop,
        keeps_ledger=True,
    )


SERVICES = {"downloader": downloader, "asr": asr, "embedder": embedder}

if __name__ == "__main__":
    points.install()
    home_points.install()
    main(sys.argv[1], EmbedderSettings, SERVICES[sys.argv[1]])
