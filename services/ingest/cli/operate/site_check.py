"""`ingest doctor --site`: asks for one video through every exit, and shows what each is given."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from ingest.cli import console
from ingest.downloader.exits import exits
from ingest.downloader.settings import listed
from ingest.downloader.sources import youtube
from ingest.downloader.sources.connector import Access, site_options
from ingest.shared import outgoing
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.sandbox.child import ChildLimits

if TYPE_CHECKING:
    from ingest.cli.settings import AllSettings
    from ingest.downloader.exits import Exit

VIDEO = "jNQXAC9IVRw"  # the first one of YouTube: public for twenty years
UNREACHED = frozenset({Code.PROXY_REFUSED, Code.NETWORK_ERROR, Code.NETWORK_TIMEOUT, Code.DEADLINE_EXCEEDED})


@dataclass(frozen=True)
class Row:
    """What one exit was given, or the words of its refusal and what to do.

    `is_reachable` is None where its cookies are at fault.
    """

    exit: int
    way: str
    account: str | None
    is_reachable: bool | None
    verdict: str
    words: str = ""
    advice: str = ""
    formats: int = 0
    bytes_per_s: float = 0.0


def examine(settings: AllSettings, video: str | None, *, as_json: bool) -> bool:
    """Ask for a video through every exit and print a row for each; return whether all are given it."""
    video_id = video_id_of(video or VIDEO)
    limits = ChildLimits(settings.check_deadline_s, network=True, hosts=listed(settings.allowed_hosts))
    access = Access(site_options(settings), limits)
    rows = [asked(video_id, way, access.through(way)) for way in exits(settings)]
    if as_json:
        console.print_json([asdict(row) for row in rows])
    else:
        show(video_id, rows)
    return all(row.verdict == "ok" for row in rows)


def video_id_of(text: str) -> str:
    """Return the id of a video from its address or id; raise ConfigurationError for any other text."""
    found = text if youtube.is_video_id(text) else youtube.video_id_of(text) if youtube.recognises(text) else None
    if found is None:
        raise ConfigurationError(f"{text!r} is neither the id nor the address of a video of YouTube")
    return found


def asked(video_id: str, way: Exit, access: Access) -> Row:
    """Return what an exit is given; a mistake in its file of cookies is one more verdict."""
    place = "direct" if way.endpoint is None else "proxy"
    try:
        found = youtube.sample(youtube.video(video_id).source, access)
    except IngestError as error:
        reached = None if error.code is Code.ENV_COOKIES else error.code not in UNREACHED
        return Row(way.number, place, way.account, reached, str(error.code), error.message, error.rule.advice)
    rate = round(found.bytes_per_s)
    return Row(way.number, place, way.account, True, "ok", formats=found.formats, bytes_per_s=rate)


def show(video_id: str, rows: list[Row]) -> None:
    """Print a table, and below it the words of each refusal: a terminal is too narrow for them beside the rest."""
    columns = ("exit", "through", "account", "reachable", "verdict", "formats", "bytes/s")
    console.out.print(console.table(f"YouTube, video {video_id}", columns, map(_cells, rows)))
    for row in rows:
        if row.words:
            text = Text(outgoing.line(f"exit {row.exit}: {row.advice}. Its words: {row.words}"))
            console.out.print(text, soft_wrap=not console.out.is_terminal)


def _cells(row: Row) -> tuple[object, ...]:
    given = (row.formats, f"{row.bytes_per_s:,.0f}") if row.verdict == "ok" else (None, None)
    reached = {True: "yes", False: "no", None: None}[row.is_reachable]
    return (row.exit, row.way, row.account, reached, row.verdict, *given)
