"""What the commands of the command line share: their common options, and reading the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ingest.shared.telemetry import logs

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
State = Annotated[Path | None, typer.Option("--state", help="State folder of the local mode.")]


def settings(state: Path | None = None, **overrides: Any) -> Any:  # noqa: ANN401 (a foreign or generic shape)
    """Read the settings. Modules of the rooms are imported only by the commands that need them: `--help` is quick."""
    from ingest.cli.settings import AllSettings
    from ingest.shared.settings import load

    logs.configure(json_lines=False, level="WARNING")
    if state is not None:
        overrides["state_path"] = state.expanduser().resolve()
    return load(AllSettings, **overrides)
