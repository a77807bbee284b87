"""Text that leaves this program, for a screen or a log: the one place through which it passes.

Titles, names, addresses and error messages come from sites, feeds and other users of the servers. Here they lose what a
terminal would obey (escape sequences, control characters, controls of the writing direction), and addresses lose their
logins and the tokens in their queries. What is stored stays whole: a recording is fetched again with it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Callable

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"
_UNSAFE = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufff9-\ufffb\ud800-\udfff{_BIDI}]")
_NOT_IN_AN_ADDRESS = re.compile(r"[^!-~]")
_LOGIN = re.compile(r"(?P<scheme>(?<![a-z0-9+.-])[a-z0-9+.-]+://)[^/?#\s\"\\]+@", re.IGNORECASE)
LONGEST_VALUE = 20_000  # texts of other systems can have any length, and the search takes time
_SERVER_LOGIN = re.compile(  # to the last @: a password may have a slash that is not percent-encoded
    r"(?P<scheme>(?<![a-z0-9+.-])(?:postgres(?:ql)?|nats|tls|wss?)://)[^\s\"]{0,500}@", re.IGNORECASE
)
_BARE_LOGIN = re.compile(r"(?<![^\s'\"=/,(])[^\s:/@'\"]{1,200}:[^\s/@'\"]{1,200}@(?=[\w\[])")
_QUERY = re.compile(r"(?P<url>https?://[^\s?'\"]+)\?[^\s'\"]+", re.IGNORECASE)
_MEDIA = re.compile(r"(?P<host>https?://[^/\s'\"]+\.googlevideo\.com(?::\d+)?)/[^\s'\"]+", re.IGNORECASE)
_SIGNATURE = re.compile(r"(?P<name>/(?:sig|lsig|signature|sparams)/)[^/?\s'\"]+", re.IGNORECASE)
_PARAMETER = re.compile(r"(?<=[?&;#])(?P<name>[\w.%\[\]~-]{1,100})=(?P<value>[^\s&;#'\"<>\\]+)")
_NAME_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SECRET_PART = re.compile(
    "access|auth|authorization|bearer|code|credentials?|email|hash|hmac|jwt|keys?|login|member|nonce|oauth|otp|pass|policy"
    "|private|pwd|session|sid|sig|sign|subscriber|ticket|user|username",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile("token|secret|passw|signature|apikey|authkey|userid|sessionid|passphrase", re.IGNORECASE)
_ID_NAMES = frozenset({"v", "list"})  # of YouTube: public
_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)
_RUN = re.compile(r"[A-Za-z0-9_]{16,}")
_TURN = re.compile(r"(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])")
RANDOM_TURNS = 3  # changes between letters and digits: a word with a year has two
_NAMED = re.compile(  # of a DSN, a query, a setting
    r"(?P<name>(?:password|passwd|pwd|secret|token|api[-_]?key)\s{0,3}=\s{0,3})(?:'(?:[^'\\]|\\.)*'|[^\s&]+)",
    re.IGNORECASE,
)
_KEYED = re.compile(  # of JSON or a dict
    r"(?P<name>['\"][\w-]{0,40}(?:password|passwd|secret|token|api[-_]?key)['\"]\s{0,3}:\s{0,3})"
    r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"(?P<name>\b(?:(?:proxy-)?authorization|(?:set-)?cookie|x-api-key)['\"]?\s{0,3}[:=]\s{0,3}['\"]?)[^\r\n'\"]+",
    re.IGNORECASE,
)
_HUB_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{16,}")


def printable(text: str) -> str:
    """Return `text` without characters that a terminal obeys; tabs and line ends stay."""
    return _UNSAFE.sub("", text)


def line(text: object) -> str:
    """Return a value as one printable line, without the logins and tokens of addresses."""
    return " ".join(without_secrets(printable(" ".join(str(text).split()))).split())


def indented(text: str) -> str:
    """Return a printable text whose further lines are indented: they cannot pass for lines of this program."""
    lines = [printable(part) for part in text.splitlines()]  # first: what is left out can part an address
    return "\n    ".join(without_secrets("\n".join(lines)).split("\n"))


def without_login(text: str) -> str:
    """Return `text` with user and password of each address replaced by `***`."""
    return _LOGIN.sub(r"\g<scheme>***@", text)


def without_secrets(text: str) -> str:
    """Return `text` with the login of each address, and each query value that looks like a token, replaced by `***`."""
    return _PARAMETER.sub(_shown_parameter, without_login(text))


def _shown_parameter(found: re.Match[str]) -> str:
    name, value = found["name"], found["value"]
    return f"{name}=***" if _is_secret_name(unquote(name)) or _is_random(name, unquote(value)) else found[0]


def _is_secret_name(name: str) -> bool:
    return any(map(_SECRET_PART.fullmatch, _NAME_PARTS.findall(name))) or _SECRET_NAME.search(name) is not None


def _is_random(name: str, value: str) -> bool:
    """Return whether a value has no meaning but to be guessed by no other: a UUID, or letters and digits in turn."""
    if name.lower() in _ID_NAMES:
        return False
    runs = _RUN.findall(value)
    return _UUID.search(value) is not None or any(len(_TURN.findall(run)) >= RANDOM_TURNS for run in runs)


def address(url: str) -> str:
    """Return a web address that can be printed: without its login and tokens, and percent-encoded.

    It can be opened unless a token was left out.
    """
    bare = without_secrets(_LOGIN.sub(r"\g<scheme>", url))
    return _NOT_IN_AN_ADDRESS.sub(lambda found: quote(found[0], errors="replace"), bare)


def as_json(content: object, default: Callable[[object], object]) -> str:
    """Return content as indented JSON. What a terminal would obey is escaped, so a program reads it unchanged."""
    text = json.dumps(content, default=default, ensure_ascii=False, indent=2)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", without_secrets(text))


def redact(text: str) -> str:
    """Return `text` with the passwords, signatures and query strings of URLs replaced by `***`.

    Of the URL of a YouTube media file only the host stays, since its path contains the authorization. YouTube's `?v=`
    and `?list=` stay: they are ids, not signatures. A very long text is shortened to its beginning.
    """
    if len(text) > LONGEST_VALUE:
        kept = text[:LONGEST_VALUE].rpartition(" ")[0] or text[:LONGEST_VALUE]  # half an address would hide its login
        text = f"{kept} ({len(text) - len(kept)} more characters)"
    text = _SERVER_LOGIN.sub(r"\g<scheme>***@", text)
    text = without_login(text)
    text = _BARE_LOGIN.sub("***@", text)
    text = _MEDIA.sub(r"\g<host>/***", text)
    text = _SIGNATURE.sub(r"\g<name>***", text)
    for named in (_NAMED, _KEYED, _HEADER):
        text = named.sub(r"\g<name>***", text)
    text = _HUB_TOKEN.sub("hf_***", text)
    return _QUERY.sub(lambda match: match[0] if _is_public_query(match[0]) else f"{match['url']}?***", text)


def _is_public_query(url: str) -> bool:
    return re.fullmatch(r"https://www\.youtube\.com/(watch\?v=[\w-]{11}|playlist\?list=[\w-]+)[.,;)]?", url) is not None
