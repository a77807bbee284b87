"""The sessions of yt-dlp: its options, its plugins, its proxies.

All options that prevent partial downloads reported as success, or content-controlled behaviour, are set here: retries
are finite, missing fragments are errors, entries of playlists are not followed, file names are ours, nothing is
post-processed (the container is kept as delivered), no other program is started, no configuration file is read, and
only the extractors of the given options are allowed.
No plugin of the environment is loaded but that of the provider of PO tokens, where one is set.
"""

from __future__ import annotations

import importlib
import sys
from optparse import OptParseError
from typing import TYPE_CHECKING, Any

import yt_dlp
import yt_dlp.extractor.youtube._base
import yt_dlp.globals
import yt_dlp.plugins
import yt_dlp.socks

from ingest.downloader import javascript
from ingest.downloader.cookies import cookies
from ingest.downloader.sources.connector import ANY_SITE
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.sandbox import network
from ingest.shared.sandbox.confine import has_own_certificates

if TYPE_CHECKING:
    from ingest.downloader.sources.connector import SiteOptions

RETRIES = 3
AUDIO_ONLY = "bestaudio/best"
NO_PROGRAM = "/dev/null/none"  # a path that cannot exist
POT_KEY = "youtubepot-bgutilhttp"
POT_PLUGIN = "yt_dlp_plugins.extractor.getpot_bgutil_http"
NO_PLUGIN = "INGEST_YOUTUBE_POT_PROVIDER needs a plugin of yt-dlp: pip install 'ingest[youtube]'"
CLIENTS = frozenset(yt_dlp.extractor.youtube._base.INNERTUBE_CLIENTS) | {"default", "all"}  # noqa: SLF001 (no public name)


class _MessageLog:
    """Collects the messages of yt-dlp: they contain the reason when it finds nothing."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def debug(self, text: str) -> None:
        """Keep the message about a file that is too large, which yt-dlp does not raise as an error; drop all others."""
        if "max-filesize" in text:
            self.messages.append(text)

    def warning(self, text: str) -> None:
        """Keep a warning."""
        self.messages.append(text)

    def error(self, text: str) -> None:
        """Keep an error."""
        self.messages.append(text)


def session(options: SiteOptions, **extra: object) -> yt_dlp.YoutubeDL:
    """Return a yt-dlp with our options. Each job needs its own, because it keeps state."""
    deno = javascript.path()
    params: dict[str, Any] = {
        "logger": _MessageLog(),
        "allowed_extractors": list(options.extractors),
        "js_runtimes": {"deno": {"path": deno} if deno else {}},
        "format": AUDIO_ONLY,
        "ignoreerrors": False,
        "retries": RETRIES,
        "fragment_retries": RETRIES,
        "extractor_retries": RETRIES,
        "file_access_retries": RETRIES,
        "skip_unavailable_fragments": False,
        "socket_timeout": options.socket_timeout_s,
        "max_filesize": options.max_bytes,
        "noplaylist": True,
        "playlist_items": "0",
        "nopart": False,
        "overwrites": False,
        "fixup": "never",
        "hls_prefer_native": True,
        "ffmpeg_location": NO_PROGRAM,
        "cachedir": False,
        "usenetrc": False,
        "noprogress": True,
        "quiet": True,
        "no_color": True,
        "cookiefile": cookies(options.cookies_file) if options.cookies_file else None,
        "proxy": options.proxy,
        "compat_opts": {"no-certifi"} if has_own_certificates() else set(),
        **_of_the_site(options),
        **extra,
    }
    _load_plugins(pot=bool(options.pot_provider))
    return yt_dlp.YoutubeDL(params)


def _of_the_site(options: SiteOptions) -> dict[str, Any]:
    """Return the options that differ between YouTube and any other site."""
    if options.extractors == ANY_SITE:
        return {"http_headers": {"User-Agent": options.user_agent}} if options.user_agent else {}
    args = arguments(options.extractor_args)
    if options.pot_provider:
        args[POT_KEY] = {"base_url": [options.pot_provider]}
    return {"sleep_interval_requests": options.between_requests_s, "extractor_args": args}


def arguments(text: str) -> dict[str, dict[str, list[str]]]:
    """Return the extractor arguments in a text (KEY:NAME=VALUE;..., separated by spaces), as yt-dlp's own parser does.

    Raise ConfigurationError for what it refuses, for keys of other sites, and for clients that it does not have.
    """
    if not text:
        return {}
    options = [part for one in text.split() for part in ("--extractor-args", one)]
    try:
        found: dict[str, dict[str, list[str]]] = yt_dlp.parse_options(["--ignore-config", *options]).ydl_opts[
            "extractor_args"
        ]
    except OptParseError as error:
        raise ConfigurationError(f"INGEST_YOUTUBE_EXTRACTOR_ARGS: {str(error).strip().splitlines()[-1]}") from error
    foreign = [key for key in found if not key.startswith("youtube")]
    if foreign:
        raise ConfigurationError(f"INGEST_YOUTUBE_EXTRACTOR_ARGS: {foreign[0]!r} is no extractor of YouTube")
    clients = {name.removeprefix("-") for name in found.get("youtube", {}).get("player_client", [])}
    if unknown := sorted(clients - CLIENTS):
        known = ", ".join(sorted(CLIENTS))
        raise ConfigurationError(f"INGEST_YOUTUBE_EXTRACTOR_ARGS: yt-dlp has no client {unknown[0]!r}; it has {known}")
    return found


def _load_plugins(*, pot: bool) -> None:
    """Load the plugin of the provider of PO tokens, or none."""
    yt_dlp.globals.plugin_dirs.value = []  # where yt-dlp looks for plugins
    if not pot:
        return
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, yt_dlp.plugins.PluginFinder)]
    try:
        importlib.import_module(POT_PLUGIN)
    except ImportError as error:
        raise IngestError(Code.UNEXPECTED, f"{NO_PLUGIN} ({error})") from error


def _announce_destinations() -> None:
    """Let the SOCKS client of yt-dlp raise an audit event with its destination, for the guard of this process."""
    connect = yt_dlp.socks.sockssocket.connect

    def announced(sock: Any, address: tuple[str, int]) -> None:  # noqa: ANN401 (yt-dlp has no types)
        if sock._proxy is not None:  # noqa: SLF001 (it has no public name)
            sys.audit(network.PROXIED, address[0])
        connect(sock, address)

    yt_dlp.socks.sockssocket.connect = announced


_announce_destinations()
