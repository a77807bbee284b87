"""The pages of a service, as a probe and a scrape read them."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress

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


def answer(port: int) -> bytes:
    """Return what a probe reads."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as response:
        content: bytes = response.read()
        return content


@pytest.mark.parametrize("sent", [pytest.param(b"", id="silent"), pytest.param(b"GET /metr", id="half a request")])
def test_clients_that_send_nothing_keep_no_probe_from_its_answer(sent: bytes) -> None:
    port = health.serve(0, list, list)
    with ExitStack() as clients:
        for _ in range(3 * health.MOST_CONNECTIONS):
            client = clients.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            client.sendall(sent)
        for _ in range(5):
            assert answer(port) == b"ok\n"


def test_a_connection_ends_at_its_limit_although_its_client_sends_on(
    capfd: pytest.CaptureFixture[str],
) -> None:
    port = health.serve(0, list, list, limit_s=0.5)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        began = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - began < 10:
                client.sendall(b"x")
                time.sleep(0.1)
        assert time.monotonic() - began < 10
    assert answer(port) == b"ok\n"
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(("host", "others"), [("127.0.0.1", False), ("", True)])
def test_the_pages_are_served_at_the_given_address(host: str, others: bool) -> None:  # noqa: FBT001 (a table)
    port = health.serve(0, list, list, host=host)
    assert answer(port) == b"ok\n"
    with socket.socket() as client:
        client.settimeout(5)
        assert (client.connect_ex(("127.0.0.2", port)) == 0) is others
