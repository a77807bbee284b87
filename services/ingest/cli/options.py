"""The common options of the commands, the panels of `--help`, the settings and the open connections.

Modules that import a service are imported only by the commands that need them, so that `--help` is quick.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ingest.downloader.sources.file_address import path_of
from ingest.shared import languages
from ingest.shared.errors import Code, ConfigurationError
from ingest.shared.runs.messages import RUN_NAME_PATTERN
from ingest.shared.telemetry import logs
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ingest.cli.local.state_folder import Archive, Connections
    from ingest.cli.settings import AllSettings

T = TypeVar("T")
ASK, FIND, VOICES, UPKEEP, OPERATE = "Ask for recordings", "Find", "Voices", "Upkeep", "Operate"

YEAR_S = 366 * 86_400.0
WEEK_S = 7 * 86_400.0
CENTURY_DAYS = 36_525.0
MANY = 1_000_000  # recordings or videos of one request
MOST_SPEAKERS = 1000
LARGEST = (1 << 63) - 1  # the broker's numbers of messages


def _codes(names: list[str] | None) -> list[str] | None:
    for name in names or ():
        if name not in Code.__members__:
            raise typer.BadParameter(f"{name} is not an error code; `ingest status` shows the codes that occurred")
    return names


def _dns_label(name: str | None) -> str | None:
    if name is not None and not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
        raise typer.BadParameter(f"{name!r} is not a name that Kubernetes takes: a-z, 0-9 and -, at most 63 characters")
    return name


def run_name(name: str | None) -> str | None:
    """Return the name of a run; refuse one that the names of its Jobs cannot contain."""
    if name is not None and not re.fullmatch(RUN_NAME_PATTERN, name):
        raise typer.BadParameter(f"{name!r} is no name of a run: at most 20 characters, a-z, 0-9 and - inside")
    return name


def language_code(tag: str | None) -> str | None:
    """Return the code of a language, as `de` for `de-AT`; refuse what is none."""
    if tag is not None and languages.code(tag) is None:
        raise typer.BadParameter(f"{tag!r} is no language that Whisper knows; name it by its code, as de, en or zh")
    return tag and languages.code(tag)


def with_paths(sources: list[str] | None) -> list[str] | None:
    """Return sources with paths in the place of the addresses of local files."""
    return [path_of(source) for source in sources] if sources else sources


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
State = Annotated[Path | None, typer.Option("--state", help="State folder of the local mode.")]
Since = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only recordings published on this day or later.")
]
Until = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only recordings published on this day or earlier.")
]
Kubernetes = Annotated[bool, typer.Option("--k8s", help="Use a release of the chart, on the kubeconfig's cluster.")]
Namespace = Annotated[str | None, typer.Option(help="With --k8s: namespace of the release.", callback=_dns_label)]
ReleaseName = Annotated[str, typer.Option("--release", help="With --k8s: name of the release.", callback=_dns_label)]
Codes = Annotated[
    list[str] | None,
    typer.Option(
        "--code",
        metavar="CODE",
        help="Only videos with this error code.",
        autocompletion=lambda: sorted(Code),
        callback=_codes,
    ),
]


@dataclass(frozen=True)
class Release:
    """A release of the chart that a command is about, on the cluster of the kubeconfig."""

    name: str
    namespace: str | None


def _release(
    *, k8s: Kubernetes = False, namespace: Namespace = None, release: ReleaseName = "ingest"
) -> Release | None:
    return Release(release, namespace) if k8s else None


def replaced(name: str, make: Callable[..., object]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator of commands: their parameter `name` is made from the options of `make`."""
    made_of = inspect.signature(make, eval_str=True).parameters

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(command, eval_str=True).parameters.values():
            parameters += made_of.values() if parameter.name == name else [parameter]

        @wraps(command)
        def run_command(**values: object) -> None:
            options = {option: values.pop(option) for option in made_of}
            command(**values, **{name: make(**options)})

        keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
        run_command.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined] # what typer reads
        run_command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run_command

    return decorate


with_release = replaced("release", _release)


def settings(state: Path | None = None, *, shown_only: bool = False) -> AllSettings:
    """Read the settings of the command line from the environment; `state` takes the place of INGEST_STATE_PATH.

    Raise ConfigurationError when there can be no such state folder, unless the settings are only shown.
    """
    from ingest.cli.settings import AllSettings
    from ingest.shared.settings import load

    logs.configure(json_lines=False, level="WARNING")
    found = load(AllSettings)
    needs_folder = found.is_local or found.volume_path is None
    if state is None and (shown_only or not needs_folder):
        return found
    return found.model_copy(update={"state_path": state_folder(state or found.state_path)})


def state_folder(named: Path) -> Path:
    """Return the absolute path of a state folder; raise ConfigurationError where there can be none."""
    advice = "name a state folder by --state FOLDER or INGEST_STATE_PATH"
    try:
        path = named.expanduser().resolve()
        str(path).encode()
    except (OSError, RuntimeError, ValueError) as error:  # no current folder; no home folder, a loop; not UTF-8
        reason = (isinstance(error, OSError) and error.strerror) or str(error).rstrip(".")
        raise ConfigurationError(f"{shorten(str(named), 300)}: {reason}; {advice}") from error
    return path


def named_or_all(named: list[T] | None, every: bool, what: str) -> list[T] | None:  # noqa: FBT001 (an option's value)
    """Return the arguments that a command names, None for all; refuse a command that names neither or both."""
    if bool(named) == every:
        raise typer.BadParameter(f"name {what}, or --all")
    return named or None


def connections(state: Path | None) -> AbstractContextManager[Connections]:
    """Open connections to the configured servers, or to those of the local mode."""
    from ingest.cli.local.state_folder import open_connections

    return open_connections(settings(state))


def archive(state: Path | None) -> AbstractContextManager[Archive]:
    """Open the configured database, or that of the local mode, without a connection to the broker."""
    from ingest.cli.local.state_folder import open_archive

    return open_archive(settings(state))
