"""Modules that a command does not import: each costs tenths of a second, at every start."""

from __future__ import annotations

import subprocess
import sys

import pytest

MODELS = (
    "torch",
    "av",
    "ctranslate2",
    "faster_whisper",
    "huggingface_hub",
    "numpy",
    "pyannote",
    "sentence_transformers",
)
SERVERS = ("psycopg", "pgvector", "nats", "uvicorn", "starlette", "jinja2")
LOGS = ("structlog", "prometheus_client")  # of lines and figures that most commands do not write
SITES = ("yt_dlp", "aiohttp")
FEEDS = ("feedparser", "requests")
LOCAL = "ingest.cli.local.state_folder"
CONNECTED = (
    "ingest.shared.broker.websockets as w; w.import_nats(); import ingest.shared.broker.nats_bus"  # as `connect` does
)


@pytest.mark.parametrize(
    ("imported", "forbidden"),
    [
        pytest.param(("ingest.cli.app",), (*MODELS, *SITES, *FEEDS, *SERVERS, *LOGS, "kubernetes"), id="--help"),
        pytest.param(
            ("ingest.cli.app", LOCAL, "ingest.cli.find.status", CONNECTED),
            (*MODELS, *SITES, *FEEDS, *LOGS, "Cryptodome", "uvicorn", "kubernetes"),
            id="status",
        ),
        pytest.param(
            ("ingest.cli.app", "ingest.cli.settings", "ingest.cli.find.search", "ingest.cli.find.running_server"),
            (*MODELS, *SITES, *FEEDS, *SERVERS, *LOGS, "kubernetes"),
            id="search, answered by a server",
        ),
        pytest.param(
            ("ingest.cli.app", LOCAL, "ingest.cli.find.search", CONNECTED),
            (*MODELS, *SITES, *FEEDS, "kubernetes"),
            id="search without a server",
        ),
        pytest.param(("ingest.cli.app", "ingest.cli.runs.run", CONNECTED), (*MODELS, *SITES, "kubernetes"), id="run"),
        pytest.param(
            ("ingest.cli.local.keeper",),
            (*MODELS, *SITES, *FEEDS, *SERVERS, *LOGS, "kubernetes", "typer", "pydantic"),
            id="the keeper, before it starts the servers",
        ),
        pytest.param(
            ("ingest.cli.app", "ingest.cli.settings", LOCAL),
            (*MODELS, *SITES, *FEEDS, *SERVERS, *LOGS, "kubernetes"),
            id="a command, before it starts the keeper",
        ),
    ],
)
def test_a_command_starts_without_the_libraries_of_the_services(
    imported: tuple[str, ...], forbidden: tuple[str, ...]
) -> None:
    program = f"import sys, {', '.join(imported)}\nprint(*(set({forbidden!r}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
