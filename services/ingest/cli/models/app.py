"""`ingest models`: which models the settings name, whether their files are there, and their download."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ingest.cli import console
from ingest.cli.options import WEEK_S, Json
from ingest.cli.options import settings as _settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.cli.models.files import ModelReport, NamedModel

models_app = typer.Typer(
    help="List, download and verify the models that the settings name.", no_args_is_help=True, add_completion=False
)

Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="ROLE", help="Only this role: recognizer, refinement, diarization or text."),
]


@models_app.command("list")
def list_models(only: Only = None, json: Json = False) -> None:
    """Print the models: role, name, revision, state, size, fingerprint, folder.

    A model is a folder, comes with a package, or is a snapshot in the cache of the hub (HF_HOME).

    [bold]Example[/]

      ingest models list --json
    """
    from ingest.cli.models.files import inspect

    reports = [report for model in _named(only) for report in inspect(model)]
    _print(reports, as_json=json)


@models_app.command()
def fetch(only: Only = None, json: Json = False) -> None:
    """Download the models that are missing into the cache of the hub (HF_HOME). Safe to repeat.

    A broken connection is resumed, and complete files are not downloaded again. Folders are left as they are.
    INGEST_ASR_REVISION, INGEST_DIARIZATION_REVISION and INGEST_EMBEDDING_REVISION pin models of the hub to a commit,
    and INGEST_DIARIZATION_SHA256 pins the content. After it, the services start with HF_HUB_OFFLINE=1.

    Exit status: 0 all models are complete, 1 a model has other content than expected, 3 a model is missing.

    [bold]Examples[/]

      ingest models fetch && export HF_HUB_OFFLINE=1

      HF_ENDPOINT=https://mirror.example.org ingest models fetch --only recognizer
    """
    from ingest.cli.models.files import fetch as fetch_model

    _print_and_exit([report for model in _named(only) for report in fetch_model(model)], as_json=json)


@models_app.command()
def verify(
    only: Only = None,
    wait: Annotated[
        float, typer.Option(min=0, max=WEEK_S, metavar="SECONDS", help="Wait up to this long for a download.")
    ] = 0,
    json: Json = False,
) -> None:
    """Check without network that all models are complete, and that their content is the announced and the pinned one.

    Exit status: 0 all models are complete, 1 a model has other content than expected, 3 a model is missing.

    [bold]Example[/]

      ingest models verify --only text --wait 600      (before a process that loads the model)
    """
    from ingest.cli.models.files import inspect
    from ingest.cli.models.files import wait as wait_for

    models = _named(only)
    wait_for(models, wait)
    _print_and_exit([report for model in models for report in inspect(model)], as_json=json)


def _named(only: list[str] | None) -> list[NamedModel]:
    from ingest.cli.models.files import Role, named

    try:
        roles = [Role(name) for name in only or ()]
    except ValueError as error:
        raise typer.BadParameter(f"--only takes {', '.join(Role)}") from error
    return named(_settings(), roles)


def _print_and_exit(reports: Sequence[ModelReport], *, as_json: bool) -> None:
    from ingest.cli.models.files import ModelState

    _print(reports, as_json=as_json)
    states = {report.state for report in reports}
    if ModelState.CHANGED in states:
        raise typer.Exit(console.FAILED)
    raise typer.Exit(console.SOME_FAILED if ModelState.MISSING in states else console.OK)


def _print(reports: Sequence[ModelReport], *, as_json: bool) -> None:
    if as_json:
        console.print_json(reports)
        return
    rows = (
        (
            report.role,
            report.name,
            (report.revision or "")[:12],
            report.state,
            f"{report.size_bytes / 1e6:.1f} MB" if report.folder else None,
            (report.fingerprint or "")[:12],
            report.problem or report.folder,
        )
        for report in reports
    )
    columns = ("role", "model", "revision", "state", "size", "fingerprint", "folder or problem")
    console.out.print(console.table("Models", columns, rows))
