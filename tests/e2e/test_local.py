"""The local mode: thirty recordings, killed processes, interruptions, second runs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingest.demo import ASR_MODEL
from ingest.shared.messages import Stage
from tests.e2e.conftest import HOME, NOWHERE, SECRETS, SIGNATURE, SOON
from tests.faults.homes import HomeName
from tests.support import s3_server

if TYPE_CHECKING:
    from tests.e2e.conftest import FirstRun, Ingest, Podcast

RECORDINGS = 30
VICTIMS = {  # processes, and the service that has work in progress when they are killed
    "ingest.downloader": "downloader",
    "ingest.asr": "asr",
    "ingest.embedder": "embedder",
    "nats-server": "asr",
    "bin/postgres": "embedder",
}
if HOME is HomeName.JETSTREAM:
    del VICTIMS["nats-server"]  # it is not one of the local mode there, and nothing restarts it
pytestmark = pytest.mark.long


def same_texts(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the columns that must be equal in every run: video, passage number and text."""
    return [(video, number, text) for video, number, _, _, text in rows]


def test_a_feed_is_indexed_and_a_second_run_repeats_nothing(undisturbed: FirstRun) -> None:
    tally = undisturbed.outcome["tally"]
    assert [tally[name] for name in ("indexed", "fresh_downloads", "fresh_transcripts")] == [RECORDINGS] * 3
    assert len({row[0] for row in undisturbed.rows}) == RECORDINGS
    undisturbed.podcast.asked.clear()
    began = time.monotonic()
    second = undisturbed.ingest.json("run", undisturbed.podcast.url)
    assert time.monotonic() - began < undisturbed.outcome["elapsed_s"] / 3  # of both on a machine that is as busy
    assert (second["requested"], second["tally"]["indexed"]) == (0, RECORDINGS)
    assert undisturbed.podcast.asked == []
    assert undisturbed.ingest.rows() == undisturbed.rows
    assert undisturbed.ingest.processes() == {}


def test_a_recording_is_recognised_again_by_another_model_and_goes_back(undisturbed: FirstRun, tmp_path: Path) -> None:
    ingest, video = undisturbed.ingest, undisturbed.rows[0][0]
    other = tmp_path / "another-model"
    shutil.copytree(ASR_MODEL, other)
    weights = bytearray((other / "model.bin").read_bytes())
    weights[-1] ^= 1
    (other / "model.bin").write_bytes(weights)
    result = ingest.json("rerun", video, "--model", str(other))
    assert [one["state"] for one in result["videos"]] == ["indexed"]
    assert [result["tally"][name] for name in ("fresh_downloads", "fresh_transcripts")] == [0, 1]
    (compared,) = ingest.json("compare", video)["recordings"]
    assert compared["present"]["key"].startswith(other.name)
    assert compared["other"]["key"].startswith(ASR_MODEL.name)
    (back,) = ingest.json("rerun", "--back", video)
    assert back["model"] == compared["other"]["key"]
    assert same_texts(ingest.rows()) == same_texts(undisturbed.rows)


def test_no_log_contains_a_password_a_signature_a_cookie_or_a_token(undisturbed: FirstRun) -> None:
    state = undisturbed.ingest.state
    undisturbed.ingest("run", NOWHERE, status=3)
    configs = [path.read_text() for path in state.parent.rglob("nats.conf")]
    passwords = [json.loads(config.rpartition("password: ")[2].split(" }")[0]) for config in configs]
    assert passwords
    secrets = {*SECRETS, *passwords, s3_server.SECRET_KEY}
    logs = {path: path.read_text(errors="replace") for path in state.parent.rglob("*.log")}  # of a store: bytes
    assert {path.name for path in logs} >= {"downloader.log", "asr.log", "embedder.log", "nats.log", "postgres.log"}
    assert "Failed to parse: http://127.0.0.1:99999/a.ogg?***" in logs[state / "logs" / "downloader.log"]
    assert undisturbed.asked
    assert all(SIGNATURE in address for address in undisturbed.asked)
    told = {(path.name, secret) for path, text in logs.items() for secret in secrets if secret in text}
    assert told == set()


def test_nothing_in_the_state_folder_is_open_to_other_users(undisturbed: FirstRun) -> None:
    state = undisturbed.ingest.state
    found = {state} | {path for path in state.rglob("*") if state / "postgres" / "data" not in path.parents}
    assert len(found) > RECORDINGS
    assert {path for path in found if path.lstat().st_mode & 0o077} == set()


@pytest.mark.parametrize(("victim", "when"), [pytest.param(*one, id=one[0]) for one in VICTIMS.items()])
def test_a_killed_process_is_restarted_and_nothing_is_lost_or_doubled(
    ingest: Ingest, podcast: Podcast, victim: str, when: str, undisturbed: FirstRun
) -> None:
    ingest.environment |= SOON
    process = ingest.start("run", podcast.url, "--json")
    ingest.wait_for_event(when, "started")
    assert ingest.kill(victim) > 0
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, out + err + ingest.logs()
    assert same_texts(ingest.rows()) == same_texts(undisturbed.rows)


def test_a_second_run_continues_after_all_processes_were_killed_at_once(
    ingest: Ingest, podcast: Podcast, undisturbed: FirstRun
) -> None:
    process = ingest.start("run", podcast.url)
    ingest.wait_for_event("asr", "finished")
    ingest.kill("")
    process.communicate()
    second = ingest.json("run", podcast.url)
    assert second["tally"]["indexed"] == RECORDINGS
    assert same_texts(ingest.rows()) == same_texts(undisturbed.rows)
    assert second["tally"]["failed"] == 0


def test_no_process_outlives_a_killed_command(ingest: Ingest, podcast: Podcast) -> None:
    process = ingest.start("run", podcast.url)
    ingest.wait_for_event("downloader", "started")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 15
    while ingest.processes():
        assert time.monotonic() < deadline, ingest.processes()
        time.sleep(0.1)


def test_an_interrupted_run_is_continued_by_the_next_one(ingest: Ingest, podcast: Podcast) -> None:
    process = ingest.start("run", podcast.url)
    ingest.wait_for_event("downloader", "finished")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "repeat the command to continue" in out
    assert ingest.processes() == {}
    assert ingest.json("run")["tally"]["failed"] == 0
    assert ingest.json("status")["videos"][0]["state"] == "indexed"


def test_a_command_imports_nothing_from_the_current_folder(ingest: Ingest, tmp_path: Path) -> None:
    project = tmp_path / "project"
    for name in ("services/__init__.py", "ingest/__init__.py", "numpy.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(f"raise SystemExit('imported {name}')")
    program = Path(sys.executable).with_name("ingest")
    done = subprocess.run(
        [program, "status", "--state", ingest.state, "--json"],
        cwd=project,
        env=ingest.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["videos"] == []


def test_a_folder_that_is_in_use_is_not_shared(ingest: Ingest, podcast: Podcast) -> None:
    process = ingest.start("run", podcast.url)
    ingest.wait_for_event("downloader", "ready")
    process.send_signal(signal.SIGSTOP)  # it must not end before the others have looked
    status = ingest.json("status")
    assert set(status["queues"]) == set(Stage)
    refused = ingest.start("run", podcast.url)
    _, err = refused.communicate(timeout=60)
    process.send_signal(signal.SIGCONT)
    assert (refused.returncode, "is in use by another" in err) == (1, True)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
