"""`ingest demo`: the whole way, offline: a podcast feed on loopback becomes a searchable archive.

When all is indexed, the voice of one episode is enrolled: another episode turns out to be her talking to a stranger.
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.local.state_folder import connected
from ingest.cli.runs.run import print_outcome
from ingest.cli.runs.run import run as run_sources
from ingest.cli.runs.submissions import Choice
from ingest.cli.search import print_hits
from ingest.cli.settings import AllSettings
from ingest.cli.voices.enroll import described, enroll
from ingest.cli.voices.relabel import relabel_all
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
from ingest.embedder.catalog import Catalog
from ingest.shared.artifacts.transcript import read
from ingest.shared.artifacts.volume import Volume
from ingest.shared.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.cli.local.state_folder import Connected

QUESTIONS = (
    "boats on the water",
    "who looks after sick people",
    "someone plays a tune",
)
SAID_BY_HER = "space travel"
SHOWN_PASSAGES = 6


def run(state: Path) -> int:
    """Do the demonstration in a folder that is made anew; return the exit status."""
    began = time.monotonic()
    shutil.rmtree(state, ignore_errors=True)
    settings = load(
        AllSettings,
        state_path=state,
        volume_path=None,
        asr_model=str(ASR_MODEL),
        asr_language="en",
        diarization_model=str(VOICE_MODEL),
        diarization_sha256=voice_model_sha256(),
        embedding_model=EMBEDDING_MODEL,
        allowed_hosts=HOST,
        nats_url=None,
        database_url=None,
    )
    with served() as feed:
        console.out.print(f"[bold]1. A podcast of {len(episodes())} episodes[/] is served at {feed}")
        console.out.print("[bold]2. ingest run[/] downloads, transcribes and indexes it, with services on this machine")
        outcome = run_sources(settings, [feed], Choice(), quiet=False)
    print_outcome(outcome, as_json=False)
    if outcome.status:
        console.err.print(f"the logs of the services are in {state / 'logs'}")
        return outcome.status
    with connected(settings) as to:
        _print_transcripts(to)
        _print_speakers(to)
        _print_answers(to)
    console.out.print(f"\n[bold]Everything is in[/] {state}: volume/ (audio, transcripts), postgres/, nats/, logs/")
    console.out.print(f"Look around: ingest status --state {state}; ingest search --state {state} WORDS")
    console.out.print(f"Done in {time.monotonic() - began:.0f} s.")
    return console.OK


def _print_transcripts(to: Connected) -> None:
    console.out.print("\n[bold]3. What was said, and when[/] (the first sentences of each episode)")
    volume = Volume(to.settings.volume)
    known = {sample.title: sample for sample in episodes()}
    for row in sorted(Catalog(to.archive).chosen(), key=lambda row: row.published_at or row.updated_at):
        manifest = volume.manifest(row.video_id, "transcript")
        if manifest is None or row.title not in known:
            continue
        said = read(volume.resolve(manifest.artifact.path))
        heard = " ".join(segment.text for segment in said.segments)
        errors = word_error_rate(known[row.title].text, heard)
        factor = f"{said.real_time_factor:.3f}"
        console.out.print(f"  [bold]{row.title}[/] (word error rate {errors:.1%}, real-time factor {factor})")
        for segment in said.segments[:2]:
            console.out.print(f"    {console.clock(segment.start_s)}  {segment.text}", markup=False)


def _print_speakers(to: Connected) -> None:
    """Enroll the voice of the first episode, rename the archive, and show the conversation."""
    catalog = Catalog(to.archive)
    by_title = {row.title: row.video_id for row in catalog.chosen()}
    alone = f"{by_title[samples()[0].title]}:{catalog.speakers(by_title[samples()[0].title])[0].speaker}"
    console.out.print("\n[bold]4. Who said it[/]: a name for the voice of the first episode is one for all episodes")
    console.out.print(f"\n  ingest voices enroll {ENROLLED} --from-turns {alone!r}", style="italic", markup=False)
    profile = enroll(to.settings, ENROLLED, [], [alone], replace=False)
    console.out.print(f"    {described(profile)}", markup=False)
    console.out.print("\n  ingest voices relabel --all", style="italic")
    for item in relabel_all(to):
        for change, passages in item.changes.items():
            console.out.print(f"    {item.video_id}  {change}: {passages} passages", markup=False)
    console.out.print(f"\n  [bold]{conversation().title}[/]")
    for passage in catalog.passages(by_title[conversation().title])[:SHOWN_PASSAGES]:
        console.out.print(f"    {console.clock(passage.start_s)}  {passage.speaker}: {passage.text}", markup=False)


def _print_answers(to: Connected) -> None:
    from ingest.embedder.encoder import load  # heavy: not before it is needed
    from ingest.embedder.search import Question, Search

    console.out.print("\n[bold]5. Three questions[/], in other words than those that were said")
    search = Search(to.archive, load(to.settings))
    for question in QUESTIONS:
        console.out.print(f"\n  ingest search {question!r}", style="italic")
        print_hits(search.ask(Question(question, channel=TITLE, limit=1)), as_json=False)
    console.out.print(f"\n  ingest search {SAID_BY_HER!r} --speaker {ENROLLED}", style="italic")
    print_hits(search.ask(Question(SAID_BY_HER, speaker=ENROLLED, limit=1)), as_json=False)
