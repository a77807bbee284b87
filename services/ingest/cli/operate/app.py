"""The commands for setting up and checking an installation. Each reads its options here."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ingest.cli import console, options
from ingest.cli.options import OPERATE, WEEK_S, Json, State

operate_app = typer.Typer()


@operate_app.command(rich_help_panel=OPERATE)
def demo(state: State = None) -> None:
    """Show all functions in a minute, offline: a small podcast becomes a searchable archive on this machine.

    [bold]Example[/]

      ingest demo
    """
    from ingest.cli.operate.demo import run as run_demo

    settings = options.settings(state)
    folder = settings.state_path if state else settings.state_path / "demo"
    raise typer.Exit(run_demo(folder, is_own=not state))


@operate_app.command(rich_help_panel=OPERATE)
def doctor(
    video: Annotated[str | None, typer.Argument(help="With --site: a video of yours, by its id or address.")] = None,
    site: Annotated[Literal["youtube"] | None, typer.Option(help="Ask this site through every exit.")] = None,
    state: State = None,
    json: Json = False,
) -> None:
    """Check settings, servers, volume, models, GPU, JavaScript runtime and yt-dlp, and advise on each problem.

    With --site, ask for one video through every exit, with its account, and print what each is given.
    Exit status: 0 no problem, 1 at least one problem.

    [bold]Example[/]

      ingest doctor
      ingest doctor --site youtube
    """
    if site is not None:
        from ingest.cli.operate.site_check import examine as examine_site

        is_given = examine_site(options.settings(state), video, as_json=json)
        raise typer.Exit(console.OK if is_given else console.FAILED)
    if video is not None:
        raise typer.BadParameter("a video needs --site youtube")
    from ingest.cli.operate.doctor import examine

    is_healthy = examine(lambda: options.settings(state), as_json=json)
    raise typer.Exit(console.OK if is_healthy else console.FAILED)


@operate_app.command(rich_help_panel=OPERATE)
def config(json: Json = False) -> None:
    """Print every setting with its value and its origin. Secrets are masked.

    [bold]Example[/]

      INGEST_ASR_MODEL=small ingest config
    """
    from ingest.cli.config import show

    show(options.settings(shown_only=True), as_json=json)


@operate_app.command(rich_help_panel=OPERATE)
def migrate(
    index: Annotated[bool, typer.Option("--index", help="Also build the vector index, as after a bulk load.")] = False,
    large: Annotated[
        bool, typer.Option("--large", help="With --index: only where the archive is large enough to need it.")
    ] = False,
    wait: Annotated[
        float, typer.Option(min=0, max=WEEK_S, metavar="SECONDS", help="Wait up to this long for servers to start.")
    ] = 0,
    state: State = None,
) -> None:
    """Update the database schema, the streams and the consumers. Safe to repeat, and on several machines at once.

    [bold]Example[/]

      ingest migrate --wait 60
    """
    from ingest.cli.operate.migrate import run as run_migrations
    from ingest.embedder.postgres.index_state import LARGE

    run_migrations(options.settings(state), index=index, wait_s=wait, least=LARGE if large else 0)


@operate_app.command(rich_help_panel=OPERATE)
def selftest(state: State = None) -> None:
    """Send a bundled recording through services that run elsewhere, and find it by search.

    The downloader must be able to read the folder INGEST_FILE_ROOTS, as with the chart: `helm test` runs this command.
    Without a shared folder it is /opt/samples, which each image has.

    [bold]Example[/]

      ingest selftest      (with INGEST_NATS_URL, INGEST_DATABASE_URL and INGEST_FILE_ROOTS set)
    """
    from ingest.cli.operate.selftest import run as run_selftest

    raise typer.Exit(run_selftest(options.settings(state)))
