"""The commands that ask for recordings: `ingest run` and `ingest submit`. Each reads its options here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from ingest.cli import options
from ingest.cli.dashed import is_id, with_dashes
from ingest.cli.options import ASK, MANY, MOST_SPEAKERS, YEAR_S, Json, Release, Since, State, with_release
from ingest.cli.selection import Selection
from ingest.shared.about import DateSource
from ingest.shared.captions import CaptionUse, CaptionWish
from ingest.shared.messages import Metadata, Policy

ask_app = typer.Typer()

Sources = Annotated[
    list[str] | None,
    typer.Argument(
        help="YouTube channel, playlist, video or id; podcast feed or page; list of feeds (OPML); media URL; local "
        "file or folder."
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, max=MANY, help="At most this many recordings.")]
LimitNew = Annotated[
    int | None,
    typer.Option(min=1, max=MANY, help="Keep listing until this many recordings are found that are not indexed."),
]
NewestFirst = Annotated[bool, typer.Option("--newest-first", help="Latest recordings first, where dates are known.")]
SkipShorts = Annotated[
    float | None, typer.Option(min=0, max=YEAR_S, metavar="SECONDS", help="Skip shorter recordings.")
]
MaxDuration = Annotated[
    float | None, typer.Option(min=0, max=YEAR_S, metavar="SECONDS", help="Skip longer recordings.")
]
Published = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"],
        help="Day of the recordings; without it, the one of their site or feed, else the time inside the file, else "
        "the day in its name.",
    ),
]
MinSpeakers = Annotated[int | None, typer.Option(min=1, max=MOST_SPEAKERS, help="Fewest speakers in each recording.")]
MaxSpeakers = Annotated[int | None, typer.Option(min=1, max=MOST_SPEAKERS, help="Most speakers in each recording.")]
Language = Annotated[
    str | None,
    typer.Option(
        metavar="CODE",
        help="Language of the recordings, as de; without it, it is detected.",
        callback=options.language_code,
    ),
]
RunName = Annotated[
    str | None,
    typer.Option(
        "--run",
        metavar="NAME",
        help="Name of this backfill: services that were started with `--until-settled NAME` end after it.",
        callback=options.run_name,
    ),
]
Jobs = Annotated[bool, typer.Option("--jobs", help="With --k8s: start Jobs that end after these recordings.")]
Captions = Annotated[
    CaptionUse | None,
    typer.Option(
        help="What to do with captions that the source has already (of YouTube, `podcast:transcript` of a feed, .vtt "
        "or .srt beside a file, a track inside of it): ignore (default); compare: how many words differ; prefer: take "
        "the words that a person has written, else compare; only: take the words of captions, fetch no audio, "
        "recognise nothing.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Repeat all stages, also for indexed recordings.")]


def _selection(
    *,
    limit: Limit = None,
    limit_new: LimitNew = None,
    newest_first: NewestFirst = False,
    since: Since = None,
    skip_shorts: SkipShorts = None,
    max_duration: MaxDuration = None,
    published: Published = None,
    min_speakers: MinSpeakers = None,
    max_speakers: MaxSpeakers = None,
    language: Language = None,
    captions: Captions = None,
    force: Force = False,
) -> Selection:
    if min_speakers is not None and max_speakers is not None and min_speakers > max_speakers:
        raise typer.BadParameter(f"--min-speakers {min_speakers} is more than --max-speakers {max_speakers}")
    policy = Policy(
        min_duration_s=skip_shorts,
        max_duration_s=max_duration,
        published_after=since.replace(tzinfo=UTC) if since else None,
        captions=CaptionWish(use=captions) if captions not in (None, CaptionUse.IGNORE) else None,
    )
    day = published.replace(tzinfo=UTC) if published else None
    known = Metadata(
        published_at=day,
        date_source=DateSource.GIVEN if day else None,
        min_speakers=min_speakers,
        max_speakers=max_speakers,
        given_language=language,
    )
    return Selection(policy, limit, limit_new, newest_first=newest_first, force=force, known=known)


with_selection = options.replaced("selection", _selection)


@ask_app.command(rich_help_panel=ASK, cls=with_dashes(is_id))
@with_selection
def run(selection: Selection, sources: Sources = None, state: State = None, json: Json = False) -> None:
    """Bring recordings into the archive on this machine. Without sources, continue unfinished recordings.

    Starts the three services and, unless servers are configured, a NATS server and a Postgres in the state folder.
    Shows the progress, and ends when no recording is unfinished. To continue after an interruption, repeat the command.
    The summary counts what the sources list and what is left out, with the reasons.
    A recording that failed is requested again at a new address, or when the reason may have passed.
    Exit status: 0 success, 3 some recordings failed or a source could not be read, 130 interrupted.

    [bold]Examples[/]

      ingest run https://www.youtube.com/@SomeChannel --limit-new 20 --skip-shorts 120

      ingest run https://example.org/podcast.xml --since 2026-01-01

      ingest run talk.m4a recordings/

      ingest run https://www.youtube.com/@SomeChannel --captions only      (a first version, in seconds for each)
    """
    from ingest.cli.config import warn_of_typing_errors
    from ingest.cli.runs.run import run as run_sources
    from ingest.cli.runs.summary import print_result

    if not sources and selection != Selection():
        raise typer.BadParameter("these options select recordings of sources: name a source, or omit them")
    settings = options.settings(state)
    warn_of_typing_errors(settings)
    result = run_sources(settings, sources or [], selection, quiet=json)
    print_result(result, as_json=json)
    raise typer.Exit(result.status)


@ask_app.command(rich_help_panel=ASK, cls=with_dashes(is_id))
@with_selection
@with_release
def submit(
    selection: Selection,
    sources: Sources = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all recordings are finished.")] = False,
    run: RunName = None,
    jobs: Jobs = False,
    release: Release | None = None,
    state: State = None,
    json: Json = False,
) -> None:
    """Ask for recordings; services that run elsewhere process them.

    With --k8s --jobs, three Jobs of the cluster process them, and end when all of them are finished.
    Exit status: 0 success, 3 a source could not be read, or with --wait some recordings failed.

    [bold]Examples[/]

      ingest submit https://youtu.be/dQw4w9WgXcQ --wait      (with INGEST_NATS_URL and INGEST_DATABASE_URL set)

      ingest submit --k8s --namespace ingest --jobs https://example.org/podcast.xml
    """
    if not sources:
        raise typer.BadParameter("name at least one source: ingest submit SOURCE...")
    if jobs and release is None:
        raise typer.BadParameter("--jobs needs --k8s: Jobs are those of a cluster")
    if release is not None:
        from ingest.cli.k8s import cluster, remote

        asked = remote.Submission(sources, selection, run, wait=wait, as_json=json)
        submit_there = remote.backfill if jobs else remote.submit
        raise typer.Exit(submit_there(cluster.Release(release.name, release.namespace), asked))
    from ingest.cli.runs.run import submit as submit_sources
    from ingest.cli.runs.summary import print_requested, print_result

    result = submit_sources(options.settings(state), sources, selection, wait=wait, quiet=json, run_name=run)
    if wait:
        print_result(result, as_json=json)
    else:
        print_requested(result, as_json=json)
    raise typer.Exit(result.status)
