"""The pages of a service, as a probe and a scrape read them."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request

import pytest

from ingest.shared.telemetry import health

ROUNDS = 50  # a page in several pieces is seen as such in nearly every round


def test_a_response_is_sent_as_a_whole() -> None:
    """A process that ends while it answers has sent all or nothing; half of it would read as an empty page."""
    port = health.serve(0, list, list)
    for _ in range(ROUNDS):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            first = connection.recv(1 << 20)
            assert first.partition(b"\r\n\r\n")[2].startswith(b"# HELP ")
            assert connection.recv(1 << 20) == b""


def test_the_probes_return_the_reasons() -> None:
    port = health.serve(0, list, lambda: ["starting", "no NATS"])
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
        assert answer.read() == b"ok\n"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5)
    assert (refused.value.code, refused.value.read()) == (503, b"starting\nno NATS\n")
    refused.value.close()
