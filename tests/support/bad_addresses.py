"""Addresses that the read side refuses: each with its status and the type of its problem."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from ingest.archive.web.library import API
from tests.support.archive_server import FAILED, TALK

BAD_ADDRESSES = [
    pytest.param("/nothing", 404, "not-found", id="unknown page"),
    pytest.param("/static/../app.css", 404, "not-found", id="dots in a static path"),
    pytest.param("/static/..%2f..%2fsettings.py", 404, "not-found", id="encoded dots"),
    pytest.param("/static/app.py", 404, "not-found", id="unknown file"),
    pytest.param(f"{API}/", 404, "not-found", id="no operation"),
    pytest.param(f"{API}/recordings/", 404, "not-found", id="no id"),
    pytest.param(f"{API}/recordings/short", 404, "not-found", id="an id that cannot be"),
    pytest.param(f"{API}/recordings/..%2f..%2fetc", 404, "not-found", id="dots in an id"),
    pytest.param(f"{API}/recordings/{'a' * 11}", 404, "not-found", id="an id that is not there"),
    pytest.param(f"{API}/recordings/{quote('a' * 10 + 'é')}", 404, "not-found", id="an id with other letters"),
    pytest.param(f"{API}/recordings/{TALK}%0a", 400, "bad-address", id="a line end after an id"),
    pytest.param(f"{API}/recordings/{FAILED}/audio", 404, "no-audio", id="no audio"),
    pytest.param(f"{API}/recordings/{'b' * 11}/transcript", 404, "not-found", id="no transcript"),
    pytest.param(f"{API}/search", 400, "bad-parameter", id="no question"),
    pytest.param(f"{API}/search?q=+", 400, "bad-parameter", id="an empty question"),
    pytest.param(f"{API}/search?q=-ship", 400, "bad-parameter", id="only words that are left out"),
    pytest.param(f"{API}/search?q={'a' * 501}", 400, "bad-parameter", id="a long question"),
    pytest.param(f"{API}/search?q={'a' * 5000}", 414, "too-long", id="a huge question"),
    pytest.param(f"{API}/search?q=a&q=b", 400, "bad-parameter", id="a parameter twice"),
    pytest.param(f"{API}/search?q=a&{'&'.join(f'p{n}=1' for n in range(30))}", 400, "bad-parameter", id="many"),
    pytest.param(f"{API}/search?q=a&limit=0", 400, "bad-parameter", id="limit 0"),
    pytest.param(f"{API}/search?q=a&limit=51", 400, "bad-parameter", id="a large limit"),
    pytest.param(f"{API}/search?q=a&limit=ten", 400, "bad-parameter", id="no number"),
    pytest.param(f"{API}/search?q=a&limit={'9' * 400}", 400, "bad-parameter", id="a huge number"),
    pytest.param(f"{API}/search?q=a&from=2026-13-01", 400, "bad-parameter", id="no date"),
    pytest.param(f"{API}/search?q=a&until=9999-12-31", 400, "bad-parameter", id="a date without a next day"),
    pytest.param(f"{API}/search?q=a&language=english", 400, "bad-parameter", id="no language code"),
    pytest.param(f"{API}/search?q=a&recording=..", 400, "bad-parameter", id="no recording"),
    pytest.param(f"{API}/search?q=a&unknown=1", 400, "bad-parameter", id="an unknown parameter"),
    pytest.param(f"{API}/status?x=1", 400, "bad-parameter", id="a parameter where there is none"),
    pytest.param(f"{API}/search?q=%00", 400, "bad-address", id="NUL"),
    pytest.param(f"{API}/search?q=a%0d%0aX-Injected:1", 400, "bad-address", id="a header in a parameter"),
    pytest.param(f"{API}/search?q=%ff%fe", 400, "bad-address", id="not UTF-8"),
    pytest.param(f"{API}/recordings/%c3%28", 400, "bad-address", id="not UTF-8 in the path"),
    pytest.param(f"{API}/recordings?state=lost", 400, "bad-parameter", id="an unknown state"),
    pytest.param(f"{API}/recordings?cursor=bm90aGluZw", 400, "bad-parameter", id="a cursor of another program"),
    pytest.param(f"{API}/recordings?cursor=%2e%2e", 400, "bad-parameter", id="no cursor"),
]
