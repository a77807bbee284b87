"""`ingest models` with the hub's real client: against a hub on this machine, folders, and the bundled models."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from ingest.demo import ASR_MODEL, VOICE_MODEL, voice_model_sha256
from ingest.embedder.text_model.model_files import BUNDLED, bundled
from ingest.shared.artifacts.fingerprint import fingerprint
from tests.support.model_hub import Hub, files_of, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.long  # each test starts the command several times, with what loads models
NAME = "acme/mini-whisper"
LARGE = "model.bin"
SMALL = {"config.json", "preprocessor_config.json", "tokenizer.json", "vocabulary.json"}
SEVERAL_CHUNKS = 48 << 12  # times 256 bytes: the client writes 10 MiB at a time

Reports = list[dict[str, Any]]


class Models(NamedTuple):
    """Calls `ingest models` in a process of its own, with a cache of its own and a hub on this machine."""

    environment: dict[str, str]
    cache: Path

    def start(self, *arguments: str, settings: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        environment = {**self.environment, **{f"INGEST_{name}": value for name, value in (settings or {}).items()}}
        command = [sys.executable, "-m", "ingest.cli.app", "models", *arguments, "--json"]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.cache
        )

    def __call__(
        self, *arguments: str, offline: bool = False, settings: Mapping[str, str] | None = None
    ) -> tuple[int, Reports]:
        if offline:
            without = self._replace(environment={**self.environment, "HF_HUB_OFFLINE": "1"})
            return without(*arguments, settings=settings)
        process = self.start(*arguments, settings=settings)
        output, errors = process.communicate(timeout=120)
        assert output, errors
        return process.returncode, json.loads(output)


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def models(hub: Hub, tmp_path: Path) -> Iterator[Models]:
    server = serve(hub)
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "0",
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HOME": str(tmp_path / "hub"),
        "INGEST_ASR_MODEL": NAME,
    }
    yield Models(environment, tmp_path)
    hub.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def whisper(hub: Hub) -> str:
    """The commit of a Whisper model on the hub."""
    return hub.add(NAME, files_of(ASR_MODEL))


def test_a_model_of_the_hub_is_fetched_once_and_then_found_without_the_hub(
    hub: Hub, models: Models, whisper: str
) -> None:
    assert models("verify", "--only", "recognizer", offline=True)[0] == 3
    status, (report,) = models("fetch", "--only", "recognizer")
    assert status == 0
    assert (report["state"], report["revision"]) == ("complete", whisper)
    assert files_of_snapshot(report) == {
        name: data for name, data in files_of(ASR_MODEL).items() if name != ".gitattributes"
    }
    assert report["fingerprint"] == fingerprint(ASR_MODEL)
    downloads = len(hub.downloads(LARGE))
    assert models("fetch", "--only", "recognizer") == (0, [report])
    assert len(hub.downloads(LARGE)) == downloads == 1
    assert models("verify", "--only", "recognizer", offline=True) == (0, [report])
    assert models("list", "--only", "recognizer", offline=True) == (0, [report])


def test_a_download_whose_connection_breaks_is_resumed(hub: Hub, models: Models) -> None:
    files = {**files_of(ASR_MODEL), LARGE: bytes(range(256)) * SEVERAL_CHUNKS}
    commit = hub.add(NAME, files)
    hub.breaks = LARGE
    status, (report,) = models("fetch", "--only", "recognizer")
    assert (status, report["revision"]) == (0, commit)
    assert files_of_snapshot(report)[LARGE] == files[LARGE]
    whole, rest = hub.downloads(LARGE)
    assert whole == ""
    assert 0 < int(rest.removeprefix("bytes=").removesuffix("-")) <= len(files[LARGE]) // 2


@pytest.mark.long
def test_after_a_killed_fetch_the_files_that_are_complete_are_kept(hub: Hub, models: Models, whisper: str) -> None:
    hub.stalls = LARGE
    process = models.start("fetch", "--only", "recognizer")
    assert hub.stalled.wait(60)
    wait_for(lambda: {path.name for path in models.cache.rglob("snapshots/*/*")} >= SMALL)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert models("verify", "--only", "recognizer", offline=True)[0] == 3
    (leftover,) = models.cache.rglob("*.incomplete")
    os.utime(leftover, (0, 0))
    hub.stalls = None
    status, (report,) = models("fetch", "--only", "recognizer")
    assert (status, report["revision"]) == (0, whisper)
    assert (len(hub.downloads("vocabulary.json")), len(hub.downloads(LARGE))) == (1, 2)
    assert not leftover.exists()


@pytest.mark.long
def test_a_pinned_revision_is_fetched_even_after_the_branch_has_moved(hub: Hub, models: Models, whisper: str) -> None:
    newer = hub.add(NAME, {**files_of(ASR_MODEL), "config.json": b"{}"})
    status, (report,) = models("fetch", "--only", "recognizer", settings={"ASR_REVISION": whisper})
    assert (status, report["revision"], report["fingerprint"]) == (0, whisper, fingerprint(ASR_MODEL))
    assert models("verify", "--only", "recognizer", offline=True, settings={"ASR_REVISION": whisper})[0] == 0
    assert models("verify", "--only", "recognizer", offline=True, settings={"ASR_REVISION": newer})[0] == 3
    assert models("fetch", "--only", "recognizer")[1][0]["revision"] == newer


def test_a_file_that_was_changed_in_the_cache_is_found_and_fetched_again(
    hub: Hub, models: Models, whisper: str
) -> None:
    _, (report,) = models("fetch", "--only", "recognizer")
    blob = next(path for path in models.cache.rglob(LARGE)).resolve()
    blob.chmod(0o600)
    blob.write_bytes(blob.read_bytes()[::-1])
    status, (changed,) = models("verify", "--only", "recognizer", offline=True)
    assert (status, changed["state"], changed["problem"]) == (1, "changed", f"not as the hub announced: {LARGE}")
    assert models("fetch", "--only", "recognizer") == (0, [report])
    assert len(hub.downloads(LARGE)) == 2
    assert report["revision"] == whisper


def test_a_model_that_the_hub_does_not_have_is_named(models: Models) -> None:
    status, (report,) = models("fetch", "--only", "recognizer")
    assert (status, report["state"]) == (3, "missing")
    assert report["problem"].startswith(f"model {NAME}: ")


def test_without_the_hub_nothing_is_fetched_and_all_models_are_reported(models: Models) -> None:
    status, reports = models("fetch", offline=True)
    assert status == 3
    assert [(report["role"], report["state"]) for report in reports] == [
        ("recognizer", "missing"),
        ("text", "complete"),
    ]


def test_verify_waits_for_a_download(hub: Hub, models: Models, whisper: str) -> None:
    waiting = models.start("verify", "--only", "recognizer", "--wait", "60")
    time.sleep(2)
    assert waiting.poll() is None
    assert models("fetch", "--only", "recognizer")[0] == 0
    output, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 0
    assert json.loads(output)[0]["revision"] == whisper
    assert len(hub.downloads(LARGE)) == 1


def test_verify_ends_when_the_wait_is_over(models: Models) -> None:
    began = time.monotonic()
    assert models("verify", "--only", "recognizer", "--wait", "1", offline=True)[0] == 3
    assert time.monotonic() - began < 60


def test_folders_are_models_that_need_no_hub(hub: Hub, models: Models) -> None:
    settings = {
        "ASR_MODEL": str(ASR_MODEL),
        "ASR_REFINE_MODEL": "same",
        "DIARIZATION_MODEL": str(VOICE_MODEL),
        "DIARIZATION_SHA256": voice_model_sha256(),
    }
    for command in ("fetch", "verify"):
        status, reports = models(command, settings=settings)
        assert status == 0
        assert [(report["role"], report["folder"]) for report in reports] == [
            ("recognizer", str(ASR_MODEL)),
            ("diarization", str(VOICE_MODEL)),
            ("text", str(bundled())),
        ]
    assert hub.requests == []


def test_a_folder_that_is_not_there_is_named(hub: Hub, models: Models, tmp_path: Path) -> None:
    folder = tmp_path / "nothing"
    status, (report,) = models("fetch", "--only", "recognizer", settings={"ASR_MODEL": str(folder)})
    assert (status, report["problem"]) == (3, f"model {folder}: no such folder")
    folder.mkdir()
    status, (report,) = models("verify", "--only", "recognizer", settings={"ASR_MODEL": str(folder)})
    assert (status, report["problem"]) == (3, "the folder has no files")
    assert hub.requests == []


def test_a_pipeline_with_other_content_than_the_pinned_one_is_refused(models: Models, tmp_path: Path) -> None:
    folder = shutil.copytree(VOICE_MODEL, tmp_path / "voices")
    settings = {"DIARIZATION_MODEL": str(folder), "DIARIZATION_SHA256": voice_model_sha256()}
    assert models("verify", "--only", "diarization", settings=settings)[0] == 0
    (folder / "naming.json").write_text((folder / "naming.json").read_text() + "\n")
    status, (report,) = models("verify", "--only", "diarization", settings=settings)
    assert (status, report["state"]) == (1, "changed")
    assert report["problem"] == f"its fingerprint is not the pinned {voice_model_sha256()}"


def test_the_models_that_a_pipeline_names_are_fetched_with_it(hub: Hub, models: Models) -> None:
    files = files_of(VOICE_MODEL)
    config = files["config.yaml"].decode().replace("$model/segmentation", "acme/segmentation")
    pipeline = hub.add("acme/pipeline", {**files, "config.yaml": config.encode()})
    part = hub.add("acme/segmentation", files_of(VOICE_MODEL / "segmentation"))
    settings = {"DIARIZATION_MODEL": "acme/pipeline"}
    status, reports = models("fetch", "--only", "diarization", settings=settings)
    assert status == 0
    assert [(report["name"], report["revision"]) for report in reports] == [
        ("acme/pipeline", pipeline),
        ("acme/segmentation", part),
    ]
    assert models("verify", "--only", "diarization", offline=True, settings=settings)[0] == 0
    shutil.rmtree(next(models.cache.rglob("models--acme--segmentation")))
    status, reports = models("verify", "--only", "diarization", offline=True, settings=settings)
    assert (status, [report["state"] for report in reports]) == (3, ["complete", "missing"])


@pytest.mark.long
def test_a_text_model_of_the_hub_is_fetched_without_the_weights_that_are_not_loaded_and_then_loaded(
    hub: Hub, models: Models
) -> None:
    original = bundled()
    assert original is not None
    others = {"pytorch_model.bin": b"pickle", "onnx/model.onnx": b"onnx", "README.md": b"text"}
    commit = hub.add(f"acme/{BUNDLED}", {**files_of(original), **others})
    settings = {"EMBEDDING_MODEL": f"acme/{BUNDLED}", "EMBEDDING_REVISION": commit}
    status, (report,) = models("fetch", "--only", "text", settings=settings)
    assert (status, report["revision"]) == (0, commit)
    assert not others.keys() & files_of_snapshot(report).keys()
    program = (
        "from ingest.cli.settings import AllSettings\n"
        "from ingest.embedder.text_model.encoder import load\n"
        "print(load(AllSettings()).key)"
    )
    environment = {**models.environment, "HF_HUB_OFFLINE": "1", "INGEST_EMBEDDING_DEVICE": "cpu"}
    environment |= {f"INGEST_{name}": value for name, value in settings.items()}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"acme/{BUNDLED}@{commit[:12]}"


def files_of_snapshot(report: dict[str, Any]) -> dict[str, bytes]:
    from pathlib import Path

    return files_of(Path(report["folder"]))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
