"""The commands that read the archive: `ingest search`, `serve`, `mcp` and `status`. Each reads its options here."""

from __future__ import annotations

from datetime import UTC, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from ingest.cli import console, options
from ingest.cli.dashed import is_id, is_left_out, with_dashes
from ingest.cli.options import FIND, MANY, Codes, Json, Release, Since, State, Until, with_release
from ingest.shared.video_state import VideoState

find_app = typer.Typer()


class Order(StrEnum):
    """By what videos are ordered in a list."""

    DISAGREEMENT = "disagreement"


Sort = Annotated[
    Order | None,
    typer.Option(help="List the videos whose words were compared with captions, the most different ones first."),
]


@find_app.command(rich_help_panel=FIND, cls=with_dashes(is_left_out))
def search(
    words: Annotated[
        list[str], typer.Argument(help="What to search for. -word leaves a word out, '\"a phrase\"' must be contained.")
    ],
    speaker: Annotated[str | None, typer.Option(help="Only passages of this speaker.")] = None,
    channel: Annotated[str | None, typer.Option(help="Only recordings of this channel.")] = None,
    since: Since = None,
    until: Until = None,
    language: Annotated[str | None, typer.Option(help="Only recordings in this language, as en or de.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most this many results.")] = 5,
    state: State = None,
    json: Json = False,
) -> None:
    """Search the archive by meaning and by words. Each result has a link to its second in the recording.

    While `ingest serve` runs on the state folder, it answers: its text model is loaded already.

    [bold]Examples[/]

      ingest search "ships in the harbor" --since 2026-01-01

      ingest search ships -sailor '"a calm sea"'      (passages with this phrase, without sailors)
    """
    from ingest.cli.find.search import answers, print_answers
    from ingest.cli.transcripts.undated import print_undated
    from ingest.embedder.search.question import Question

    question = Question(
        text=_question(words),
        speaker=speaker,
        channel=channel,
        since=since.replace(tzinfo=UTC) if since else None,
        until=until.replace(tzinfo=UTC) + timedelta(days=1) if until else None,
        language=language,
        limit=limit,
    )
    found = answers(options.settings(state), question, cited=json)
    print_answers(found, as_json=json)
    print_undated(found.undated)


def _question(words: list[str]) -> str:
    """Return the text of a question, in which a phrase to leave out is quoted again."""
    from ingest.embedder.search import wording

    text = " ".join(f'-"{word[1:]}"' if word.startswith("-") and " " in word else word for word in words)
    if not wording.read(text).meaning:
        raise typer.BadParameter("name words to search for, too, not only words to leave out")
    return text


@find_app.command(rich_help_panel=FIND)
def serve(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of the page, in place of INGEST_ARCHIVE_PORT; 0: any.")
    ] = None,
    state: State = None,
) -> None:
    """Serve the archive as a page and an HTTP API, on this machine: http://127.0.0.1:8080.

    It works beside a running `ingest run`, and without one.

    [bold]Example[/]

      ingest serve --port 9000
    """
    from ingest.cli.find.serve import serve as serve_archive

    settings = options.settings(state)
    serve_archive(settings if port is None else settings.model_copy(update={"archive_port": port}))


@find_app.command(rich_help_panel=FIND)
def mcp(state: State = None) -> None:
    """Answer an agent by the Model Context Protocol, on standard input and output. An agent's program starts this.

    `ingest serve` answers agents, too: at http://127.0.0.1:8080/mcp.

    [bold]Example[/]

      claude mcp add archive -- ingest mcp
    """
    from ingest.cli.find.serve import serve_agent

    serve_agent(options.settings(state))


@find_app.command(rich_help_panel=FIND, cls=with_dashes(is_id))
@with_release
def status(
    video: Annotated[str | None, typer.Argument(help="A video id: show everything about this video.")] = None,
    state_is: Annotated[
        list[VideoState] | None, typer.Option("--state-is", help="List the videos in this state.")
    ] = None,
    code: Codes = None,
    sort: Sort = None,
    limit: Annotated[int, typer.Option(min=1, max=MANY, help="List at most this many videos.")] = 50,
    release: Release | None = None,
    state: State = None,
    json: Json = False,
) -> None:
    """Show the number of videos by state and reason, the queues, or one video.

    [bold]Examples[/]

      ingest status

      ingest status --state-is failed

      ingest status --sort disagreement      (then: ingest show VIDEO --disagreement)

      ingest status --k8s --namespace ingest      (the pods, queues and videos of a cluster)
    """
    if release is not None:
        from ingest.cli.k8s import cluster, remote

        is_complete = remote.show(cluster.Release(release.name, release.namespace), as_json=json)
        raise typer.Exit(console.OK if is_complete else console.FAILED)
    with options.connections(state) as connections:
        from ingest.cli.find import status as command  # after the servers have started: it imports much

        if video is not None:
            command.show_video(connections.catalog, video, as_json=json)
        elif sort or state_is or code:
            chosen = connections.catalog.disagreeing if sort else connections.catalog.chosen
            command.show_list(chosen(states=state_is, codes=code, limit=limit), as_json=json)
        else:
            command.show_totals(connections, as_json=json)
