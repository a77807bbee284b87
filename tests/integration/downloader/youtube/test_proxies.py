"""What a proxy may answer in place of a connection: the exit is at fault, neither the recording nor the site."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest

from ingest.downloader.sources import ytdlp
from ingest.shared.errors import Code, IngestError
from tests.integration.downloader.youtube.conftest import LOGINS, OPTIONS
from tests.integration.downloader.youtube.test_extractor import SOURCE
from tests.support import proxies

SOCKS_REPLIES = {
    1: "general failure",
    2: "not allowed by ruleset",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
    9: "a number that is not assigned",
}
STATUSES = (301, 400, 403, 404, 407, 429, 500, 502, 503, 504)  # each has another meaning when it is the site's


def socks(reply: int) -> bytes:
    return bytes((5, reply, 0, 1)) + bytes(6)


def http(status: int) -> bytes:
    return f"HTTP/1.1 {status} Words of the proxy\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # yt-dlp closes no refused socket
@pytest.mark.parametrize(
    ("scheme", "answer"),
    [
        *(
            pytest.param("socks5h", socks(number), id=f"SOCKS5 {number}, {name}")
            for number, name in SOCKS_REPLIES.items()
        ),
        pytest.param("socks5h", b"", id="SOCKS5, a closed connection"),
        pytest.param("socks5h", b"\x05", id="SOCKS5, half a reply"),
        pytest.param("socks5h", http(400), id="SOCKS5, the reply of an HTTP proxy"),
        *(pytest.param("http", http(status), id=f"CONNECT {status}") for status in STATUSES),
        pytest.param("http", b"", id="CONNECT, a closed connection"),
        pytest.param("http", b"SSH-2.0-OpenSSH_9.2\r\n", id="CONNECT, the reply of another server"),
    ],
)
def test_whatever_a_proxy_answers_in_place_of_a_connection_the_exit_is_at_fault(scheme: str, answer: bytes) -> None:
    with proxies.running(scheme, login=LOGINS[0]) as proxy:
        proxy.refusal = answer
        options = replace(OPTIONS, proxy=proxy.address())
        with pytest.raises(IngestError) as caught:
            ytdlp.inspect(lambda _: None, SOURCE.url, options)
        assert caught.value.code is Code.PROXY_REFUSED
        assert not [secret for secret in LOGINS[0] if secret in str(caught.value)]
        assert {host for host, _ in proxy.asked} == {"www.youtube.com"}
    gc.collect()  # the warnings are of this test
