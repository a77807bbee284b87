"""Every stage of the pipeline runs the conformance suite, with its own handler."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ingest.asr.audio import load as load_audio
from ingest.asr.handler import Transcribe
from ingest.asr.handler import input_file as audio_file
from ingest.asr.recognition.build import make_transcriber
from ingest.asr.settings import AsrSettings
from ingest.demo import ASR_MODEL, samples
from ingest.downloader.check import Check
from ingest.downloader.fetch import Fetch, Pace
from ingest.downloader.sources import file, registry
from ingest.downloader.sources.connector import Access, SiteOptions
from ingest.embedder.handler import Embed
from ingest.embedder.handler import input_file as transcript_file
from ingest.embedder.passages import PassageLimits
from ingest.embedder.tables.store import Store
from ingest.embedder.text_model.model_files import BUNDLED
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.device.batcher import Batcher, BatchLimits
from ingest.shared.messages import AudioReady, Source, SourceKind, Stage, VideoAccessible, VideoRequested
from ingest.shared.pipeline import PIPELINE
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits
from ingest.shared.settings import load
from tests.integration.bad_inputs.indexer import Indexer, segment
from tests.integration.bad_inputs.recordings import encoded, tone
from tests.support.on_disk import on_disk
from tests.support.stage_conformance import StageCase, StageConformance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.asr.recognition.transcriber import Transcriber
    from ingest.embedder.postgres.database import Database
    from ingest.embedder.text_model.encoder import Encoder
    from ingest.shared.pipeline import StageSpec

SPOKEN_S = 4.0
LIMITS = ChildLimits(60.0)
OPTIONS = SiteOptions(("youtube.*",), socket_timeout_s=1.0, max_bytes=10_000_000, site_pause_s=3600.0)


@pytest.mark.parametrize("spec", PIPELINE, ids=lambda spec: str(spec.stage))
class TestStage(StageConformance):
    """The suite, once for each row of the pipeline."""

    @pytest.fixture
    def case(self, spec: StageSpec[Any], request: pytest.FixtureRequest) -> StageCase:
        made: StageCase = request.getfixturevalue(f"{spec.stage}_case")
        return made


def test_no_stage_is_left_out() -> None:
    assert {spec.stage for spec in PIPELINE} == set(Stage)
    assert {f"{stage}_case" for stage in Stage} <= set(globals())


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


@pytest.fixture
def files_of(volume: Volume) -> Callable[[str], dict[str, int]]:
    """A function that returns the files of a video on the volume, and when each was written."""

    def files(video_id: str) -> dict[str, int]:
        return {file.name: file.stat().st_mtime_ns for file in on_disk(volume).folder(video_id).glob("*")}

    return files


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """A recording of 3 s in a folder that the downloader may read."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    encoded(folder / "tone.webm", "libopus", tone(3.0))
    return Source(kind=SourceKind.FILE, url=str(folder / "tone.webm"))


@pytest.fixture
def check_case(volume: Volume, tmp_path: Path, source: Source, files_of: Callable[[str], dict[str, int]]) -> StageCase:
    check = Check(volume, Access(OPTIONS, LIMITS, (tmp_path / "recordings",)), max_duration_s=3600.0)
    return StageCase(check, lambda video_id: VideoRequested(video_id=video_id, source=source), files_of)


@pytest.fixture
def download_case(
    volume: Volume,
    tmp_path: Path,
    source: Source,
    files_of: Callable[[str], dict[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> StageCase:
    several = replace(file.CONNECTOR, content_id=None)  # one file is the recording of all ids
    monkeypatch.setattr(registry, "CONNECTORS", (several,))
    fetch = Fetch(
        volume=volume,
        scratch=tmp_path / "scratch",
        access=Access(OPTIONS, LIMITS, (tmp_path / "recordings",)),
        probe_limits=LIMITS,
        decode_limits=DecodeLimits(max_duration_s=120.0),
        pace=Pace(min_bytes_s=1000.0, window_s=1.0),
    )
    return StageCase(fetch, lambda video_id: VideoAccessible(video_id=video_id, source=source), files_of)


@pytest.fixture(scope="module")
def transcriber() -> Iterator[Transcriber]:
    made = make_transcriber(load(AsrSettings, asr_model=str(ASR_MODEL), asr_device="cpu"))
    yield made
    made.batcher.close()


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first seconds of a bundled recording."""
    folder = tmp_path_factory.mktemp("spoken")
    waveform, _ = load_audio(samples()[0].path, folder, DecodeLimits(), LIMITS)
    return encoded(folder / "spoken.webm", "libopus", waveform[None, : int(SPOKEN_S * SAMPLE_RATE)], rate=SAMPLE_RATE)


@pytest.fixture
def asr_case(
    volume: Volume,
    tmp_path: Path,
    source: Source,
    transcriber: Transcriber,
    spoken: Path,
    files_of: Callable[[str], dict[str, int]],
) -> StageCase:

    def message(video_id: str) -> AudioReady:
        audio = volume.keep(video_id, NewArtifact(spoken, "audio", "webm", SPOKEN_S, "test", 1))
        return AudioReady(video_id=video_id, source=source, audio=audio)

    handler = Transcribe(volume, tmp_path / "scratch", transcriber, DecodeLimits(max_duration_s=120.0), LIMITS)
    return StageCase(handler, message, files_of, audio_file(volume))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    from ingest.embedder.text_model.encoder import Encoder  # seconds of imports, in every process that collects tests

    return Encoder(BUNDLED, "cpu", 16)


@pytest.fixture
def embedder_case(volume: Volume, database: Database, encoder: Encoder) -> Iterator[StageCase]:
    batcher = Batcher(encoder.run, BatchLimits(16))
    limits = PassageLimits(min_chars=400, max_chars=1200, max_gap_s=3.0, max_s=60.0, max_tokens=254)
    handler = Embed(volume, Store(database, encoder.key, encoder.dimensions), encoder, batcher, limits)
    archive = Indexer(handler, database)
    yield StageCase(
        handler, lambda video_id: archive.put(video_id, segment(0.0, 3.0)), archive.texts, transcript_file(volume)
    )
    batcher.close()
