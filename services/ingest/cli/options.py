"""What the commands share: their common options, the panels of `--help`, the settings and the open connections.

Modules that import a service are imported only by the commands that need them, so that `--help` is quick.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ingest.shared.errors import Code
from ingest.shared.telemetry import logs

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ingest.cli.local.state_folder import Connections
    from ingest.cli.settings import AllSettings

ASK, FIND, VOICES, UPKEEP, OPERATE = "Ask for recordings", "Find", "Voices", "Upkeep", "Operate"

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
State = Annotated[Path | None, typer.Option("--state", help="State folder of the local mode.")]
Since = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only recordings published on this day or later.")
]
Kubernetes = Annotated[bool, typer.Option("--k8s", help="Use a release of the chart, on the kubeconfig's cluster.")]
Namespace = Annotated[str | None, typer.Option(help="With --k8s: namespace of the release.")]
ReleaseName = Annotated[str, typer.Option("--release", help="With --k8s: name of the release.")]
Codes = Annotated[
    list[str] | None,
    typer.Option(
        "--code", metavar="CODE", help="Only videos with this error code.", autocompletion=lambda: sorted(Code)
    ),
]


def settings(state: Path | None = None) -> AllSettings:
    """Read the settings of the command line from the environment; `state` takes the place of INGEST_STATE_PATH."""
    from ingest.cli.settings import AllSettings
    from ingest.shared.settings import load

    logs.configure(json_lines=False, level="WARNING")
    if state is None:
        return load(AllSettings)
    return load(AllSettings, state_path=state.expanduser().resolve())


def connections(state: Path | None) -> AbstractContextManager[Connections]:
    """Open connections to the configured servers, or to those of the local mode."""
    from ingest.cli.local.state_folder import open_connections

    return open_connections(settings(state))
