"""`ingest demo`: the whole pipeline offline, from a podcast feed on loopback to a searchable archive.

When all episodes are indexed, the speaker of one is enrolled. She is then named in another episode, a conversation.
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.find.search import print_hits
from ingest.cli.local.state_folder import open_connections
from ingest.cli.runs.run import run as run_sources
from ingest.cli.runs.summary import print_result
from ingest.cli.selection import Selection
from ingest.cli.settings import AllSettings
from ingest.cli.voices.enroll import describe, enroll
from ingest.cli.voices.relabel import relabel
from ingest.demo import (
    ASR_MODEL,
    EMBEDDING_MODEL,
    ENROLLED,
    VOICE_MODEL,
    conversation,
    episodes,
    samples,
    voice_model_sha256,
)
from ingest.demo.accuracy import word_error_rate
from ingest.demo.feed import HOST, TITLE, served
from ingest.shared.artifacts.transcript import read
from ingest.shared.errors import ConfigurationError
from ingest.shared.homes.chosen import volume_of
from ingest.shared.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.cli.local.state_folder import Connections

QUESTIONS = (
    "boats on the water",
    "who looks after sick people",
    "someone plays a tune",
)
SAID_BY_ENROLLED = "space travel"
SHOWN_PASSAGES = 6
MARK = "demonstration"  # a file that says that a folder was made by this command


def run(state: Path, *, is_own: bool) -> int:
    """Run the demonstration in a folder that is emptied first; return the exit status.

    `is_own`: only this command uses the folder. Another folder must be empty, or made by an earlier demonstration.
    """
    began = time.monotonic()
    if not is_own:
        refuse_other_files(state)
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    (state / MARK).touch()
    settings = _settings(state)
    with served() as feed:
        console.out.print(f"[bold]1. A podcast of {len(episodes())} episodes[/] is served at {feed}", markup=True)
        console.out.print(
            "[bold]2. ingest run[/] downloads, transcribes and indexes it, with services on this machine", markup=True
        )
        result = run_sources(settings, [feed], Selection(), quiet=False)
    print_result(result, as_json=False)
    if result.status:
        console.err.print(f"the logs of the services are in {state / 'logs'}")
        return result.status
    with open_connections(settings) as connections:
        _print_transcripts(connections)
        _print_speakers(connections)
        _print_answers(connections)
    console.out.print(
        f"\n[bold]Everything is in[/] {state}: volume/ (audio, transcripts), postgres/, nats/, logs/", markup=True
    )
    console.out.print(f"Look around: ingest status --state {state}; ingest search --state {state} WORDS")
    console.out.print(f"Done in {time.monotonic() - began:.0f} s.")
    console.out.print(f"Read and listen: ingest serve --state {state}, then open http://127.0.0.1:8080")
    return console.OK


def _settings(state: Path) -> AllSettings:
    """Return the settings of the demonstration: its own models, and embedded servers."""
    return load(
        AllSettings,
        state_path=state,
        volume_path=None,
        volume_url=None,
        asr_model=str(ASR_MODEL),
        asr_language="en",
        diarization_model=str(VOICE_MODEL),
        diarization_sha256=voice_model_sha256(),
        embedding_model=EMBEDDING_MODEL,
        allowed_hosts=HOST,
        nats_url=None,
        database_url=None,
    )


def refuse_other_files(state: Path) -> None:
    """Raise ConfigurationError for a folder that holds anything but an earlier demonstration."""
    if state.exists() and any(state.iterdir()) and not (state / MARK).exists():
        raise ConfigurationError(f"{state} is not empty, and the demonstration empties its folder: name another one")


def _print_transcripts(connections: Connections) -> None:
    console.out.print("\n[bold]3. Transcripts with times[/] (the first sentences of each episode)", markup=True)
    volume = volume_of(connections.settings)
    known = {sample.title: sample for sample in episodes()}
    for row in sorted(connections.catalog.chosen(), key=lambda row: row.published_at or row.updated_at):
        path = volume.unverified(row.video_id, "transcript")
        if path is None or row.title not in known:
            continue
        transcript = read(path)
        errors = word_error_rate(known[row.title].text, transcript.text)
        factor = f"{transcript.real_time_factor:.3f}"
        console.out.print(
            f"  [bold]{row.title}[/] (word error rate {errors:.1%}, real-time factor {factor})", markup=True
        )
        for segment in transcript.segments[:2]:
            console.out.print(f"    {console.clock(segment.start_s)}  {segment.text}", markup=False)


def _print_speakers(connections: Connections) -> None:
    """Enroll the voice of the first episode, rename the archive, and show the conversation."""
    catalog = connections.catalog
    by_title = {row.title: row.video_id for row in catalog.chosen()}
    alone = f"{by_title[samples()[0].title]}:{catalog.speakers(by_title[samples()[0].title])[0].speaker}"
    console.out.print(
        "\n[bold]4. Speakers[/]: the voice of the first episode gets a name, in all episodes", markup=True
    )
    console.out.print(f"\n  ingest voices enroll {ENROLLED} --from-turns {alone!r}", style="italic", markup=False)
    profile = enroll(connections.settings, ENROLLED, [], [alone], replace=False)
    console.out.print(f"    {describe(profile)}", markup=False)
    console.out.print("\n  ingest voices relabel --all", style="italic")
    for item in relabel(connections):
        for change, passages in item.changes.items():
            console.out.print(f"    {item.video_id}  {change}: {passages} passages", markup=False)
    console.out.print(f"\n  [bold]{conversation().title}[/]", markup=True)
    for passage in catalog.passages(by_title[conversation().title])[:SHOWN_PASSAGES]:
        console.out.print(f"    {console.clock(passage.start_s)}  {passage.speaker}: {passage.text}", markup=False)


def _print_answers(connections: Connections) -> None:
    from ingest.embedder.search.hybrid import Search
    from ingest.embedder.search.question import Question
    from ingest.embedder.text_model.encoder import load  # seconds of imports, not needed before

    console.out.print(
        "\n[bold]5. Search by meaning[/]: three questions in other words than the recordings", markup=True
    )
    search = Search(connections.database, load(connections.settings))
    for question in QUESTIONS:
        console.out.print(f"\n  ingest search {question!r}", style="italic")
        print_hits(search.ask(Question(question, channel=TITLE, limit=1)))
    console.out.print(f"\n  ingest search {SAID_BY_ENROLLED!r} --speaker {ENROLLED}", style="italic")
    print_hits(search.ask(Question(SAID_BY_ENROLLED, speaker=ENROLLED, limit=1)))
