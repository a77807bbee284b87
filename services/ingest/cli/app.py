"""The command line. Each command reads its options here and is carried out by a module of its own."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from ingest.cli import console
from ingest.cli.options import Json, State
from ingest.cli.options import settings as _settings
from ingest.cli.upkeep.dead_app import dead_app
from ingest.cli.voices.app import voices_app
from ingest.shared.broker.bus import BusError
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.telemetry import logs

app = typer.Typer(
    name="ingest",
    help="From channels, feeds and files to a searchable archive: what was said, when, and by whom.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(dead_app, name="dead")
app.add_typer(voices_app, name="voices")

Sources = Annotated[
    list[str] | None,
    typer.Argument(help="YouTube channel, playlist, video or id; podcast feed; media URL; local file or folder."),
]
Limit = Annotated[int | None, typer.Option(min=1, help="At most this many recordings.")]
LimitNew = Annotated[int | None, typer.Option(min=1, help="Look on until this many are found that are not indexed.")]
NewestFirst = Annotated[bool, typer.Option("--newest-first", help="Begin with the latest (where the date is known).")]
Since = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only what was published since this day.")]
SkipShorts = Annotated[float | None, typer.Option(metavar="SECONDS", help="Skip what is shorter than this.")]
MaxDuration = Annotated[float | None, typer.Option(metavar="SECONDS", help="Skip what is longer than this.")]
MinSpeakers = Annotated[int | None, typer.Option(min=1, help="At least this many people speak in each.")]
MaxSpeakers = Annotated[int | None, typer.Option(min=1, help="At most this many.")]
Force = Annotated[bool, typer.Option("--force", help="Do everything again, also what is indexed.")]
Kubernetes = Annotated[bool, typer.Option("--k8s", help="Of a release of the chart, on the kubeconfig's cluster.")]
Namespace = Annotated[str | None, typer.Option(help="With --k8s: the release's namespace.")]
ReleaseName = Annotated[str, typer.Option("--release", help="With --k8s: the release's name.")]


def main() -> None:
    """Run the command line; a user's mistake is one clear line, never a traceback."""
    try:
        status = app(standalone_mode=False)
    except (ConfigurationError, IngestError, BusError) as error:
        console.err.print(f"error: {logs.redact(str(error))}", style="red", markup=False)
        sys.exit(console.FAILED)
    except KeyboardInterrupt:
        sys.exit(console.INTERRUPTED)
    except Exception as error:
        _end_on_usage(error)
        raise
    sys.exit(status or console.OK)


def _end_on_usage(error: Exception) -> None:
    """Let the option parser's own errors end the program in its way."""
    show = getattr(error, "show", None)
    if show is not None:
        show()
        sys.exit(getattr(error, "exit_code", console.USAGE))
    if type(error).__name__ == "Abort":
        sys.exit(console.INTERRUPTED)


def _choice(
    *,
    limit: int | None,
    limit_new: int | None,
    newest_first: bool,
    since: datetime | None,
    skip_shorts: float | None,
    max_duration: float | None,
    speakers: tuple[int | None, int | None],
    force: bool,
) -> Any:  # noqa: ANN401 (a foreign or generic shape)
    from ingest.cli.runs.submissions import Choice
    from ingest.shared.messages import Metadata, Policy

    least, most = speakers
    if least is not None and most is not None and least > most:
        raise typer.BadParameter(f"--min-speakers {least} is more than --max-speakers {most}")
    policy = Policy(
        min_duration_s=skip_shorts,
        max_duration_s=max_duration,
        published_after=since.replace(tzinfo=UTC) if since else None,
    )
    return Choice(
        policy=policy,
        limit=limit,
        limit_new=limit_new,
        newest_first=newest_first,
        force=force,
        speakers=Metadata(min_speakers=least, max_speakers=most),
    )


@app.command()
def run(
    sources: Sources = None,
    limit: Limit = None,
    limit_new: LimitNew = None,
    newest_first: NewestFirst = False,
    since: Since = None,
    skip_shorts: SkipShorts = None,
    max_duration: MaxDuration = None,
    min_speakers: MinSpeakers = None,
    max_speakers: MaxSpeakers = None,
    force: Force = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Bring recordings into the archive, here and now. Without sources, go on with what is unfinished.

    Starts the three services (and, where none are configured, a NATS server and a Postgres in the state folder), shows
    the progress, and ends when every recording has come to an end. Interrupt it at any time: the same command goes on.
    Exit status: 0 all is well, 3 some recordings failed (each with its reason), 130 interrupted.

    [bold]Examples[/]

      ingest run https://www.youtube.com/@SomeChannel --limit-new 20 --skip-shorts 120

      ingest run https://example.org/podcast.xml --since 2026-01-01

      ingest run talk.m4a recordings/
    """
    from ingest.cli.runs.run import print_outcome
    from ingest.cli.runs.run import run as run_sources
    from ingest.cli.runs.submissions import Choice

    choice = _choice(
        limit=limit,
        limit_new=limit_new,
        newest_first=newest_first,
        since=since,
        skip_shorts=skip_shorts,
        max_duration=max_duration,
        speakers=(min_speakers, max_speakers),
        force=force,
    )
    if not sources and choice != Choice():
        raise typer.BadParameter("these options are for the recordings of sources: name one, or leave them out")
    outcome = run_sources(_settings(state), sources or [], choice, quiet=json)
    print_outcome(outcome, as_json=json)
    raise typer.Exit(outcome.status)


@app.command()
def submit(
    sources: Sources = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the recordings to their end.")] = False,
    limit: Limit = None,
    limit_new: LimitNew = None,
    newest_first: NewestFirst = False,
    since: Since = None,
    skip_shorts: SkipShorts = None,
    max_duration: MaxDuration = None,
    min_speakers: MinSpeakers = None,
    max_speakers: MaxSpeakers = None,
    force: Force = False,
    k8s: Kubernetes = False,
    namespace: Namespace = None,
    release: ReleaseName = "ingest",
    state: State = None,
    json: Json = False,
) -> None:
    """Ask for recordings; services that run elsewhere do the work.

    [bold]Examples[/]

      ingest submit https://youtu.be/dQw4w9WgXcQ --wait      (with INGEST_NATS_URL and INGEST_DATABASE_URL set)

      ingest submit --k8s --namespace ingest https://example.org/podcast.xml
    """
    from ingest.cli.runs.run import print_outcome
    from ingest.cli.runs.run import submit as submit_sources

    if not sources:
        raise typer.BadParameter("name at least one source: ingest submit SOURCE...")
    choice = _choice(
        limit=limit,
        limit_new=limit_new,
        newest_first=newest_first,
        since=since,
        skip_shorts=skip_shorts,
        max_duration=max_duration,
        speakers=(min_speakers, max_speakers),
        force=force,
    )
    if k8s:
        from ingest.cli.k8s import cluster, remote

        done = remote.submit(cluster.Release(release, namespace), sources, choice, wait=wait, as_json=json)
        raise typer.Exit(console.OK if done else console.FAILED)
    outcome = submit_sources(_settings(state), sources, choice, wait=wait, quiet=json)
    if wait:
        print_outcome(outcome, as_json=json)
        raise typer.Exit(outcome.status)
    if json:
        console.print_json({"requested": outcome.asked_for, "known": outcome.tally.total - outcome.asked_for})
    else:
        console.out.print(f"{outcome.asked_for} requested, {outcome.tally.total - outcome.asked_for} known already")


@app.command()
def status(
    video: Annotated[str | None, typer.Argument(help="A video id: show everything about it.")] = None,
    state_is: Annotated[list[str] | None, typer.Option("--state-is", help="List the videos in this state.")] = None,
    code: Annotated[list[str] | None, typer.Option(help="List the videos with this error code.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="List at most this many.")] = 50,
    k8s: Kubernetes = False,
    namespace: Namespace = None,
    release: ReleaseName = "ingest",
    state: State = None,
    json: Json = False,
) -> None:
    """Show where the videos are: totals by state and reason, the queues, or one video.

    [bold]Examples[/]

      ingest status

      ingest status --state-is failed

      ingest status dQw4w9WgXcQ --json

      ingest status --k8s --namespace ingest      (pods, what they wait for, queues and totals of a cluster)
    """
    if k8s:
        from ingest.cli.k8s import cluster, remote

        healthy = remote.show(cluster.Release(release, namespace), as_json=json)
        raise typer.Exit(console.OK if healthy else console.FAILED)
    from ingest.cli.status import show

    show(_settings(state), video, states=state_is, codes=code, limit=limit, as_json=json)


@app.command()
def search(
    words: Annotated[list[str], typer.Argument(help='What you look for; "in quotes" for a phrase.')],
    speaker: Annotated[str | None, typer.Option(help="Only what this person says.")] = None,
    channel: Annotated[str | None, typer.Option(help="Only in this channel.")] = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most this many answers.")] = 5,
    state: State = None,
    json: Json = False,
) -> None:
    """Find what was said, by meaning and by words; each answer has a link to its second.

    [bold]Example[/]

      ingest search "ships in the harbor" --since 2026-01-01
    """
    from ingest.cli.search import find, print_hits

    hits = find(_settings(state), " ".join(words), speaker=speaker, channel=channel, since=since, limit=limit)
    print_hits(hits, as_json=json)


@app.command()
def retry(
    code: Annotated[list[str] | None, typer.Option(help="Everything that ended with this error code.")] = None,
    video: Annotated[list[str] | None, typer.Option(help="This video.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Everything that failed.")] = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Ask again for videos that failed or were skipped; what is done already is not done again.

    Limits that they were asked for with (--since, --skip-shorts, --max-duration) hold no more.

    [bold]Examples[/]

      ingest retry --code NETWORK_TIMEOUT --code SOURCE_UNAVAILABLE

      ingest retry --all && ingest run
    """
    from ingest.cli.upkeep.retry import retry as retry_videos

    for name in code or ():
        if name not in Code.__members__:
            raise typer.BadParameter(f"{name} is no error code; `ingest status` shows those that occurred")
    if not (code or video or every):
        raise typer.BadParameter("say what to retry: --code CODE, --video ID or --all")
    count = retry_videos(_settings(state), codes=code, videos=video)
    if json:
        console.print_json({"requested": count})
    else:
        console.out.print(f"{count} requested again" + ("; `ingest run` does the work" if count else ""))


@app.command()
def config(json: Json = False) -> None:
    """Print every setting, its value and where it comes from; secrets are masked."""
    from ingest.cli.config import show

    show(_settings(), as_json=json)


@app.command()
def resume(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be asked for again.")] = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Rebuild the queue after the broker has lost it: from the table, and from the files on the volume.

    Asks again for every video that has not come to an end and has no message in the queue, as it was asked for before.
    What is done already is not done again: stages find its files. Safe to repeat, and while services run.

    [bold]Example[/]

      ingest resume --dry-run
    """
    from ingest.cli.upkeep.resume import resume as resume_videos

    found = resume_videos(_settings(state), dry_run=dry_run)
    if json:
        console.print_json({"requested": [] if dry_run else found, "lost": found})
    else:
        console.out.print(f"{len(found)} {'would be asked for' if dry_run else 'requested'} again")


@app.command()
def migrate(
    index: Annotated[bool, typer.Option("--index", help="Also build the vector index, as after a bulk load.")] = False,
    wait: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Wait so long for servers that start.")] = 0,
    state: State = None,
) -> None:
    """Bring the database schema and the streams up to date; safe to repeat, also by many at once."""
    from ingest.cli.migrate import run as run_migrations

    run_migrations(_settings(state), index=index, wait_s=wait)


@app.command()
def doctor(state: State = None, json: Json = False) -> None:
    """Check servers, versions, volume, models, GPU and JavaScript runtime, and say what to do."""
    from ingest.cli.doctor import examine

    healthy = examine(_settings(state), as_json=json)
    raise typer.Exit(console.OK if healthy else console.FAILED)


@app.command()
def demo(state: State = None) -> None:
    """Show everything in a minute, offline: a small podcast becomes a searchable archive on this machine."""
    from ingest.cli.demo import run as run_demo

    settings = _settings(state)
    raise typer.Exit(run_demo(settings.state_path if state else settings.state_path / "demo"))


@app.command()
def selftest(state: State = None) -> None:
    """Send a bundled recording through the services that run elsewhere, and find it by search.

    The services have to read the folder INGEST_FILE_ROOTS, as those of the chart do: `helm test` runs this.
    """
    from ingest.cli.selftest import run as run_selftest

    raise typer.Exit(run_selftest(_settings(state)))


@app.command()
def purge(
    older_than_days: Annotated[float, typer.Option(min=0, help="Audio of videos indexed at least this long ago.")] = 7,
    yes: Annotated[bool, typer.Option("--yes/--dry-run", help="Delete, or only show what would go.")] = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Delete files that are not needed any more; transcripts and the archive stay.

    That is: audio of videos indexed long ago (and, while the volume uses more than 70 % of its budget, the oldest of
    the others), what interrupted writes have left, and, after a day, files that no video of the table owns.

    [bold]Example[/]

      ingest purge --older-than-days 30 --dry-run      (the default)

      ingest purge --older-than-days 30 --yes
    """
    from ingest.cli.upkeep.purge import purge as purge_files

    purge_files(_settings(state), older_than_days=older_than_days, delete=yes, as_json=json)


if __name__ == "__main__":
    main()
