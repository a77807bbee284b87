"""YouTube on the loopback: its pages, the interface of its player, and its media, behind TLS.

The real extractor of yt-dlp is led here by the proxies of `proxies`: they take every name under youtube.com and
googlevideo.com to this server, which shows a certificate of an authority of the tests. What the site refuses is in its
fields, which a test sets. An address of a proxy is that of a client; an account is the value of the cookie `SID`.
On a day `SCRAMBLED`, a media address has the two challenges of YouTube (a signature, and `n`), which yt-dlp solves with
deno and the script of the player. The script here has the shape that its solver expects, and simpler riddles.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import ssl
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.support.certificates import make_authority, sign
from tests.support.http_servers import serving
from tests.support.youtube_listings import Listings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOUR_S = 3600.0
MEDIA_HOST = "rr1---sn-a.googlevideo.com"
NAMES = ("*.youtube.com", "*.googlevideo.com")
BOT = "Sign in to confirm you\N{RIGHT SINGLE QUOTATION MARK}re not a bot"
TOO_MANY = "This content isn't available, try again later."
USUAL, CHANGED, SABR, IMAGES, SCRAMBLED, UNSOLVED = "usual", "changed", "sabr", "images", "scrambled", "unsolved"
VISITOR = "CgtWSVNJVE9SREFUQQ%3D%3D"
CHALLENGE = {"program": "a challenge of the page"}
STORYBOARD = "https://i.ytimg.com/sb/a/storyboard3_L$L/$N.jpg?sqp=a|48#27#100#10#10#0#default#rs$b"
NO_MORE = "LOGIN_INFO=gone; Domain=.youtube.com; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
RIDDLE, SIGNATURE = "riddle-of-the-day", "0123456789abcdef"
PLAYER = """(function () {
  class Address {
    constructor() { this.held = new Map(); }
    get(name) { return this.held.get(name); }
    set(name, value) { this.held.set(name, value); }
    solve() { const n = this.get("n"); if (n) this.set("n", [...n].reverse().join("")); }
  }
  const changed = (text) => [...text].slice(2).reverse().join("");
  var address = function (url, name, signature) {
    const made = new Address();
    made.set("alr", "yes");
    if (signature) made.set(name, encodeURIComponent(changed(decodeURIComponent(signature))));
    return made;
  };
}).call(this);"""
Place = tuple[str, int]


@dataclass(frozen=True)
class Inquiry:
    """One request for a video: what for (`page`, `player` or `media`), by which address and account."""

    what: str
    video_id: str
    address: str
    account: str
    at: float


@dataclass
class Rules:
    """What the site gives and refuses at present."""

    kind: str = USUAL
    refused: set[str] = field(default_factory=set)  # addresses: a bot check
    ended: set[str] = field(default_factory=set)  # accounts: their cookies
    per_hour: dict[str, int] = field(default_factory=dict)  # videos for an address or an account
    forbidden: Callable[[str, int], bool] = lambda _video, _before: False  # whether media, refused so often, give a 403
    captions: dict[str, bytes] = field(default_factory=dict)  # by language; a program has made those of `a.LANGUAGE`
    tokens: set[str] | None = None  # PO tokens, one of which media needs; None: none is needed
    clock: Callable[[], float] = time.time


class YouTube(ThreadingHTTPServer):
    """The site; `asked` has every request for a video, and `given` those whose media were sent."""

    daemon_threads = True

    def __init__(self, certificates: Path, media: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "tls.crt", certificates / "tls.key")
        self.context = context
        self.media = media
        self.rules = Rules()
        self.listings = Listings()
        self.asked: list[Inquiry] = []
        self.given: list[Inquiry] = []
        self.captioned: list[str] = []  # the names of captions that were sent
        self.before: Callable[[Inquiry], None] = lambda _asked: None  # a test may change the rules here
        self._numbers = itertools.count(1)
        self._forbidden: defaultdict[str, set[int]] = defaultdict(set)
        self._seen: defaultdict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (the base class's types)
        """Print no traceback when a client closes the connection."""

    def leads(self, place: Place) -> Place:
        """Return where a proxy has to go for a host of the site; raise for any other."""
        host, port = place
        if port != 443 or not host.endswith((".youtube.com", ".googlevideo.com")):
            raise OSError(f"{place} is not of this site")
        return str(self.server_address[0]), int(self.server_address[1])

    def refusal(self, asked: Inquiry) -> dict[str, Any] | None:
        """Note a request; return the status of a video that is refused."""
        with self._lock:
            self.asked.append(asked)
            self.before(asked)
            if asked.address in self.rules.refused:
                return {"status": "LOGIN_REQUIRED", "reason": BOT}
            for limited in (asked.address, asked.account):
                if self._is_over(limited, asked):
                    return {"status": "LOGIN_REQUIRED", "reason": BOT if limited == asked.address else TOO_MANY}
        return None

    def _is_over(self, limited: str, asked: Inquiry) -> bool:
        """Count the pages of the last hour."""
        seen = self._seen[limited]
        while seen and seen[0] <= asked.at - HOUR_S:
            seen.popleft()
        if asked.what == "page":
            seen.append(asked.at)
        return len(seen) > self.rules.per_hour.get(limited, len(seen))

    def is_forbidden(self, video_id: str, number: int) -> bool:
        """Return whether a media address gives a 403: one that gave it once does so for ever."""
        refused = self._forbidden[video_id]
        if number not in refused and self.rules.forbidden(video_id, len(refused)):
            refused.add(number)
        return number in refused

    def answer(self, video_id: str, refusal: dict[str, Any] | None) -> dict[str, Any]:
        """Return a response of the player."""
        found = {
            "playabilityStatus": refusal or {"status": "OK"},
            "videoDetails": {"videoId": video_id, "title": f"Talk {video_id}", "lengthSeconds": "2"},
            "microformat": {"playerMicroformatRenderer": {"publishDate": "2026-01-02T00:00:00-08:00"}},
        }
        if refusal:
            return found
        images = {"playerStoryboardSpecRenderer": {"spec": STORYBOARD}} if self.rules.kind == IMAGES else {}
        formats = {"streamingData": {"adaptiveFormats": [self._format(video_id)]}}
        tracks = {"playerCaptionsTracklistRenderer": {"captionTracks": list(self._tracks())}}
        return {**found, "storyboards": images, **formats, "captions": tracks}

    def _tracks(self) -> Iterator[dict[str, Any]]:
        for name in self.rules.captions:
            language = name.removeprefix("a.")
            track = {
                "baseUrl": f"https://www.youtube.com/api/timedtext?{urlencode({'name': name, 'lang': language})}",
                "vssId": name if name.startswith("a.") else f".{name}",
                "languageCode": language,
                "name": {"simpleText": language},
            }
            yield {**track, "kind": "asr", "isTranslatable": True} if name.startswith("a.") else track

    def _format(self, video_id: str) -> dict[str, Any]:
        address: dict[str, str] = {
            "url": f"https://{MEDIA_HOST}/videoplayback?id={video_id}&number={next(self._numbers)}"
        }
        if self.rules.kind in (SCRAMBLED, UNSOLVED):
            address = {
                "signatureCipher": urlencode({"s": SIGNATURE, "sp": "sig", "url": f"{address['url']}&n={RIDDLE}"})
            }
        return {
            "itag": 251,
            "mimeType": 'audio/webm; codecs="opus"',
            "bitrate": 64_000,
            "contentLength": str(len(self.media)),
            "approxDurationMs": "2000",
            "audioQuality": "AUDIO_QUALITY_MEDIUM",
            **({} if self.rules.kind in (SABR, IMAGES) else address),
        }


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: YouTube

    def setup(self) -> None:
        self.request.settimeout(20.0)
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        match urlsplit(self.path).path:
            case "/watch":
                self._page(query["v"][0])
            case path if path.startswith("/embed/") and self.server.rules.kind != CHANGED:
                self._send(_script(f"ytcfg.set({json.dumps(self._settings('WEB_EMBEDDED_PLAYER'))});"))
            case path if path.startswith("/s/player/"):
                self._send(PLAYER if self.server.rules.kind == SCRAMBLED else "var renewed = true;")
            case "/api/timedtext":
                self.server.captioned.append(query["name"][0])
                self._send(self.server.rules.captions.get(query["name"][0], b""))
            case "/videoplayback":
                self._media({name: values[0] for name, values in query.items()})
            case path:
                data = self.server.listings.page(path, {name: values[0] for name, values in query.items()})
                self._send(b"", code=404) if data is None else self._listing(data)

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.startswith("/youtubei/v1/browse"):
            self._send(json.dumps(self.server.listings.browse(content)))
            return
        if self.path.startswith("/youtubei/v1/navigation/"):  # asked for pages that are not there
            self._send(b"{}", code=404)
            return
        if self.server.rules.kind == CHANGED or not self.path.startswith("/youtubei/v1/player"):
            self._send(b'{"error": {"code": 400, "message": "Precondition check failed."}}', code=400)
            return
        video_id = content["videoId"]
        self._send(json.dumps(self.server.answer(video_id, self.server.refusal(self._asked("player", video_id)))))

    def _page(self, video_id: str) -> None:
        refusal = self.server.refusal(self._asked("page", video_id))
        if self.server.rules.kind == CHANGED:
            self._send("<html><body><script>window.renewed = {};</script></body></html>")
            return
        scripts = (
            f"ytcfg.set({json.dumps(self._settings('WEB'))});",
            f"var ytInitialPlayerResponse = {json.dumps(self.server.answer(video_id, refusal))};",
            f"window.ytAtR = {json.dumps(json.dumps({'bgChallenge': CHALLENGE}))};",
            f"var ytInitialData = {json.dumps({'contents': {'page': 1}})};",
        )
        self._send("".join(map(_script, scripts)))

    def _listing(self, data: dict[str, Any]) -> None:
        scripts = (f"ytcfg.set({json.dumps(self._settings('WEB'))});", f"var ytInitialData = {json.dumps(data)};")
        self._send("".join(map(_script, scripts)))

    def _settings(self, client: str) -> dict[str, Any]:
        account = self._account()
        return {
            "PLAYER_JS_URL": "/s/player/12345678/player_es6.vflset/en_US/base.js",
            "STS": 20_000,
            "VISITOR_DATA": VISITOR,
            "INNERTUBE_CONTEXT": {
                "client": {"clientName": client, "clientVersion": "2.20260708.00.00", "visitorData": VISITOR}
            },
            "LOGGED_IN": bool(account),
            "DATASYNC_ID": f"{account}||" if account else "",
        }

    def _media(self, asked: dict[str, str]) -> None:
        inquiry, rules = self._asked("media", asked["id"]), self.server.rules
        self.server.refusal(inquiry)
        lacks_token = rules.tokens is not None and asked.get("pot") not in rules.tokens
        is_unsolved = rules.kind == SCRAMBLED and (asked.get("n"), asked.get("sig")) != (RIDDLE[::-1], SIGNATURE[:1:-1])
        if self.server.is_forbidden(asked["id"], int(asked["number"])) or lacks_token or is_unsolved:
            self._send(b"", code=403)
            return
        self.server.given.append(inquiry)
        self._send(self.server.media, kind="audio/webm")

    def _asked(self, what: str, video_id: str) -> Inquiry:
        return Inquiry(what, video_id, str(self.client_address[0]), self._account(), self.server.rules.clock())

    def _account(self) -> str:
        found = SimpleCookie(self.headers.get("Cookie", "")).get("SID")
        return found.value if found else ""

    def _send(self, content: str | bytes, code: int = 200, kind: str = "text/html") -> None:
        """Send head and content in one piece: two would wait for each other's acknowledgement."""
        body = content.encode() if isinstance(content, str) else content
        lines = [f"HTTP/1.1 {code} .", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        if self._account() in self.server.rules.ended:
            lines.append(f"Set-Cookie: {NO_MORE}")
        self.wfile.write("\r\n".join((*lines, "", "")).encode() + body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (named by the base class)
        """Print nothing."""


def _script(text: str) -> str:
    return f"<script>{text}</script>"


def cookies(account: str) -> str:
    """Return the file with the cookies of an account: `account` is the value of one of them."""
    values = {"SID": account, "SAPISID": f"sapisid-of-{account}", "LOGIN_INFO": f"login-of-{account}"}
    rows = [f".youtube.com\tTRUE\t/\tTRUE\t0\t{name}\t{value}" for name, value in values.items()]
    return "\n".join(["# Netscape HTTP Cookie File", *rows, ""])


def make_certificates(openssl: str, folder: Path) -> None:
    """Write an authority (ca.crt) and a certificate of the site (tls.crt, tls.key)."""
    make_authority(openssl, folder)
    sign(openssl, folder, "tls", ",".join(f"DNS:{name}" for name in NAMES))


@contextlib.contextmanager
def running(certificates: Path, media: bytes) -> Iterator[YouTube]:
    site = YouTube(certificates, media)
    with serving(site):
        yield site
