"""`ingest doctor`: checks everything that a run needs, and advises on each problem."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.config import unknown_variables
from ingest.cli.local.nats_server import nats_binary
from ingest.cli.local.state_folder import open_connections
from ingest.downloader import javascript, pot_provider, ytdlp_age
from ingest.downloader.cookies import cookies
from ingest.downloader.exits import exits
from ingest.shared import outgoing
from ingest.shared.broker.bus import BusError
from ingest.shared.errors import ConfigurationError, IngestError
from ingest.shared.homes.chosen import home_of, is_folder
from ingest.shared.homes.trial import trouble
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingest.cli.settings import AllSettings

MIN_FREE_BYTES = 5 << 30
SANDBOX_DEADLINE_S = 60.0
SMALLER = "too slow? INGEST_ASR_MODEL=base computes about a third as much, and has more wrong words"


@dataclass(frozen=True)
class Finding:
    """The result of a check. `level` is ok, note (a run works without this part) or problem."""

    what: str
    level: str
    found: str
    advice: str = ""


def examine(read_settings: Callable[[], AllSettings], *, as_json: bool) -> bool:
    """Print all findings; return whether none is a problem."""
    findings = list(_findings(read_settings))
    if as_json:
        console.print_json([asdict(finding) for finding in findings])
    else:
        cells = ((item.what, item.level, item.found, item.advice) for item in findings)
        console.out.print(console.table("Doctor", ("part", "verdict", "found", "advice"), cells))
    return all(finding.level != "problem" for finding in findings)


def _findings(read_settings: Callable[[], AllSettings]) -> Iterator[Finding]:
    """Yield the finding of each check; without readable settings, only that they are not."""
    try:
        settings = read_settings()
    except ConfigurationError as error:
        yield Finding(
            "settings", "problem", str(error), "correct it first: without settings nothing else can be checked"
        )
        return
    for part, check in CHECKS.items():
        yield checked(part, check, settings)


def checked(part: str, check: Callable[[AllSettings], Finding], settings: AllSettings) -> Finding:
    """Return the finding of a check, or a problem when the check itself fails."""
    try:
        return check(settings)
    except ConfigurationError as error:
        return Finding(part, "problem", outgoing.redact(str(error)), "correct the setting")
    except Exception as error:  # noqa: BLE001 (a broken part can fail in any way, and the other parts are checked, too)
        found = f"{type(error).__name__}: {shorten(outgoing.redact(str(error)), 300)}"
        return Finding(part, "problem", found, "this check failed; the part is broken or not installed completely")


def _settings(settings: AllSettings) -> Finding:
    unknown = unknown_variables(type(settings))
    if unknown:
        return Finding("settings", "note", f"unknown: {', '.join(unknown)}", "see `ingest config`")
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
        with open_connections(settings) as connections:
            server, place = connections.database.look()
    except ConfigurationError as error:
        return Finding("servers", "problem", str(error))
    except (IngestError, BusError) as error:
        return Finding(
            "servers", "problem", str(error), "check that the servers run, and the settings of their addresses"
        )
    found = f"NATS, Postgres {server.version} with pgvector {server.vector or server.offered}"
    if not place.is_made:
        return Finding("servers", "problem", f"{found}, without archive", "`ingest migrate` makes it")
    return Finding("servers", "ok", f"{found}, archive in the schema {place.schema}")


def _volume(settings: AllSettings) -> Finding:
    return _folder(settings) if is_folder(settings) else _store(settings)


def _store(settings: AllSettings) -> Finding:
    """Try a volume that is no folder."""
    place = outgoing.line(settings.volume_url)
    try:
        found = trouble(home_of(settings))
    except ConfigurationError as error:
        return Finding("volume", "problem", str(error))
    if found is not None:
        return Finding("volume", "problem", f"{place}: {found}", "check INGEST_VOLUME_URL, the login and its rights")
    return Finding("volume", "ok", f"{place}: put, conditional put, get, list and delete work")


def _folder(settings: AllSettings) -> Finding:
    try:
        settings.volume.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.volume) as probe:  # a name that no other user can foresee
            probe.write(b"x")
    except OSError as error:
        return Finding("volume", "problem", f"{settings.volume}: {error.strerror}", "make the folder writable")
    free = shutil.disk_usage(settings.volume).free
    level = "ok" if free >= MIN_FREE_BYTES else "note"
    return Finding(
        "volume",
        level,
        f"{settings.volume}, {free / 1e9:.0f} GB free",
        "" if level == "ok" else f"free at least {MIN_FREE_BYTES >> 30} GiB",
    )


def _javascript(_settings: AllSettings) -> Finding:
    try:
        return Finding("JavaScript runtime", "ok", f"deno {javascript.version()}")
    except IngestError as error:
        return Finding("JavaScript runtime", "problem", error.message, "required by the downloader")


def _ytdlp(_settings: AllSettings) -> Finding:
    return ytdlp_finding(ytdlp_age.version(), datetime.now(UTC))


def ytdlp_finding(version: str, now: datetime) -> Finding:
    """Return the finding about the age of a version of yt-dlp."""
    days = ytdlp_age.age_days(version, now)
    is_old = days > ytdlp_age.OLD_DAYS
    found = f"{version}, released {days} days ago"
    return Finding("yt-dlp", "note" if is_old else "ok", found, ytdlp_age.RENEW if is_old else "")


def _youtube(settings: AllSettings) -> Finding:
    """Return the finding about the exits, accounts and arguments for YouTube, and the provider of PO tokens."""
    ways = exits(settings)
    found = f"{len(ways)} exits, {sum(way.cookies_file is not None for way in ways)} accounts"
    for way in ways:
        if way.cookies_file is not None:
            cookies(way.cookies_file)
    if settings.youtube_extractor_args:
        from ingest.downloader.sources import session

        found += f", arguments for {', '.join(session.arguments(settings.youtube_extractor_args))}"
    if settings.youtube_pot_provider is None:
        return Finding("YouTube", "ok", found)
    plugin, server = pot_provider.plugin_version(), pot_provider.server_version(settings.youtube_pot_provider)
    found += f", provider of PO tokens {server}, its plugin {plugin}"
    level = "ok" if pot_provider.fits(plugin, server) else "problem"
    return Finding("YouTube", level, found, "" if level == "ok" else "use the same version of both")


def _sandbox(_settings: AllSettings) -> Finding:
    from ingest.shared.sandbox import child, confine

    try:
        missing = child.run(confine.missing_walls, (), child.ChildLimits(SANDBOX_DEADLINE_S))
    except IngestError as error:
        return Finding("sandbox", "problem", error.message, "no recording can be decoded")
    if missing:
        advice = "a newer kernel, or a container runtime that allows it, confines the decoder better"
        return Finding("sandbox", "note", ", ".join(missing), advice)
    return Finding("sandbox", "ok", "landlock, seccomp, a network namespace")


def _gpu(_settings: AllSettings) -> Finding:
    import ctranslate2

    from ingest.asr.recognition import cuda_library

    count = ctranslate2.get_cuda_device_count()
    if not count:
        return Finding("GPU", "note", "none: recognition runs on the CPU", "a CUDA GPU is 10 to 50 times faster")
    found = f"{count} CUDA devices"
    try:
        return Finding("GPU", "ok", f"{found}, cuBLAS of CUDA 12 in {cuda_library.load()}")
    except IngestError as error:
        return Finding("GPU", "problem", f"{found}, but {error.message}", cuda_library.INSTALL)


def _models(settings: AllSettings) -> Finding:
    from ingest.cli.models import files as models

    named = models.named(settings, ())
    missing = [f"{model.role} {model.name}" for model in named if not models.is_there(model)]
    if missing:
        return Finding("models", "note", f"missing: {', '.join(missing)}", "`ingest models fetch` downloads them")
    return Finding("models", "ok", ", ".join(f"{model.role} {model.name}" for model in named))


def _asr_model(settings: AllSettings) -> Finding:
    from ingest.asr.device import device_of
    from ingest.asr.recognition import canary, model_files
    from ingest.asr.recognition.build import recognizer_options
    from ingest.asr.recognition.whisper import Recognizer

    try:
        recognizer = Recognizer(recognizer_options(settings, device_of(settings.asr_device)))
        started = time.monotonic()
        if settings.asr_canary:
            canary.verify(recognizer)
        took_s = time.monotonic() - started
    except IngestError as error:
        return Finding("ASR model", "problem", error.message, _model_advice("INGEST_ASR_MODEL"))
    took = f", {canary.SECONDS:.0f} s of speech took {took_s:.1f} s" if settings.asr_canary else ""
    is_slow = recognizer.device == "cpu" and settings.asr_model == model_files.AUTO
    return Finding("ASR model", "ok", f"{recognizer.key} on {recognizer.device}{took}", SMALLER if is_slow else "")


def _diarization(settings: AllSettings) -> Finding:
    if settings.diarization_model is None:
        return Finding("diarization", "note", "off: transcripts have no speakers", "set INGEST_DIARIZATION_MODEL")
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
    return Finding("diarization", "ok", f"{diarizer.key}, names accepted from a cosine of {thresholds.accept:.2f}")


def _embedding_model(settings: AllSettings) -> Finding:
    from ingest.embedder.text_model.encoder import load

    try:
        encoder = load(settings)
        encoder.run(["a test"])
    except IngestError as error:
        return Finding("embedding model", "problem", error.message, _model_advice("INGEST_EMBEDDING_MODEL"))
    return Finding("embedding model", "ok", f"{encoder.key}, {encoder.dimensions} dimensions")


def _model_advice(variable: str) -> str:
    offline = os.environ.get("HF_HUB_OFFLINE") == "1"
    reach = "unset HF_HUB_OFFLINE" if offline else "check the connection to the hub"
    return f"{reach}; or set {variable} to a folder"


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout.strip()  # noqa: S603 (a command of this program)


CHECKS: dict[str, Callable[[AllSettings], Finding]] = {
    "settings": _settings,
    "nats-server": _nats_server,
    "servers": _servers,
    "volume": _volume,
    "JavaScript runtime": _javascript,
    "yt-dlp": _ytdlp,
    "YouTube": _youtube,
    "sandbox": _sandbox,
    "GPU": _gpu,
    "models": _models,
    "ASR model": _asr_model,
    "diarization": _diarization,
    "embedding model": _embedding_model,
}
