"""`ingest config`: every setting with its value and its origin."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.shared.outgoing import redact
from ingest.shared.settings import PREFIX, SECRETS_DIR, explanations, is_secret, origin, variable

if TYPE_CHECKING:
    from ingest.cli.settings import AllSettings

GUESS = 0.6  # similarity of names from which one may have been meant
TYPING_ERROR = 0.9  # and from which it was: Kubernetes sets variables with our prefix, too


def show(settings: AllSettings, *, as_json: bool) -> None:
    """Print all settings; warn about variables that look like settings and are not."""
    rows, explained = [], explanations(type(settings))
    for name in sorted(type(settings).model_fields):
        value = getattr(settings, name)
        shown = "***" if value is not None and is_secret(type(settings), name) else _without_secrets(value)
        rows.append((variable(name), shown, origin(name), explained.get(name, "")))
    if as_json:
        keys = ("variable", "value", "origin", "description")
        console.print_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        cells = ((name, "(none)" if value is None else value, where, text) for name, value, where, text in rows)
        console.out.print(console.table("Settings", ("variable", "value", "from", "meaning"), cells))
    for name in unknown_variables(type(settings)):
        near = _near(name, type(settings), GUESS)
        guess = f"; did you mean {near}?" if near else ""
        console.err.print(f"warning: {name} is not a setting{guess}", style="yellow")


def _without_secrets(value: object) -> object:
    """Return a value without the logins of the addresses in it; paths are shown as text."""
    return redact(str(value)) if isinstance(value, str | Path) else value


def unknown_variables(kind: type[AllSettings]) -> list[str]:
    """Return the variables of the environment that look like settings and are not."""
    known = {variable(name) for name in kind.model_fields} | {SECRETS_DIR}
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)


def warn_of_typing_errors(settings: AllSettings) -> None:
    """Warn about variables whose names are nearly those of settings."""
    for name in unknown_variables(type(settings)):
        near = _near(name, type(settings), TYPING_ERROR)
        if near:
            console.err.print(f"warning: {name} is not a setting; did you mean {near}?", style="yellow")


def _near(name: str, kind: type[AllSettings], least_similarity: float) -> str | None:
    known = [variable(field) for field in kind.model_fields]
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=least_similarity)), None)
