"""The command line in the process of a test, built as `main` builds it: only the command that the words name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from ingest.cli.needed import needed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typer import Typer
    from typer.testing import Result


class CommandLine(CliRunner):
    """Runs commands of an application."""

    def invoke(self, app: Typer, args: Sequence[str], **options: Any) -> Result:  # type: ignore[override]  # noqa: ANN401
        """Run one command; building all others would take longer than most commands."""
        return super().invoke(needed(app, args), args, **options)
