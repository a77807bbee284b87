"""Keeping a process away from private addresses: which those are, and that nothing gets through to them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
import requests

from ingest.shared.sandbox import child, network
from ingest.shared.sandbox.child import ChildLimits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.shared.sandbox.child import Reporter


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "142.250.74.206",
        "2a00:1450:4001:80b::200e",
        "2a00:1450::1%eth0",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
        "2002:101:101::",
    ],
)
def test_addresses_of_the_open_internet_are_public(address: str) -> None:
    assert network.is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("127.0.0.1", id="loopback"),
        pytest.param("127.8.9.10", id="anywhere in loopback"),
        pytest.param("::1", id="IPv6 loopback"),
        pytest.param("0.0.0.0", id="this host"),  # noqa: S104 (nothing is bound)
        pytest.param("::", id="this host in IPv6"),
        pytest.param("10.1.2.3", id="private 10"),
        pytest.param("172.16.0.1", id="private 172.16"),
        pytest.param("192.168.1.1", id="private 192.168"),
        pytest.param("169.254.169.254", id="link-local, cloud metadata"),
        pytest.param("fe80::1", id="IPv6 link-local"),
        pytest.param("fe80::1%eth0", id="IPv6 link-local with its interface"),
        pytest.param("fd00::1", id="IPv6 unique local"),
        pytest.param("fec0::1", id="IPv6 site-local"),
        pytest.param("100.64.0.1", id="CGNAT"),
        pytest.param("198.18.0.1", id="benchmarks"),
        pytest.param("192.0.2.1", id="documentation"),
        pytest.param("224.0.0.1", id="multicast"),
        pytest.param("ff02::1", id="IPv6 multicast"),
        pytest.param("255.255.255.255", id="broadcast"),
        pytest.param("::ffff:127.0.0.1", id="IPv4-mapped loopback"),
        pytest.param("::ffff:10.0.0.1", id="IPv4-mapped private"),
        pytest.param("::ffff:a9fe:a9fe", id="IPv4-mapped metadata"),
        pytest.param("64:ff9b::a9fe:a9fe", id="metadata through NAT64"),
        pytest.param("64:ff9b:1::a00:1", id="NAT64 of a private network"),
        pytest.param("2002:7f00:1::", id="loopback through 6to4"),
        pytest.param("::127.0.0.1", id="loopback in the old form"),
        pytest.param("localhost", id="a name"),
        pytest.param("127.1", id="a short form"),
        pytest.param("", id="nothing"),
    ],
)
def test_other_addresses_are_not(address: str) -> None:
    assert not network.is_public(address)


def test_names_become_addresses_and_unknown_names_none() -> None:
    assert "127.0.0.1" in network.addresses_of(("localhost", "no-such-host.invalid"))
    assert network.addresses_of(()) == frozenset()


@pytest.fixture
def server() -> Iterator[tuple[str, int]]:
    """A server on the loopback address, as (host, port)."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield "127.0.0.1", listening.getsockname()[1]


@pytest.fixture
def server_of_ipv6() -> Iterator[tuple[str, int]]:
    try:
        listening = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listening:
        yield "::1", listening.getsockname()[1]


def attempt(_report: Reporter, host: str, port: int, kind: int = socket.SOCK_STREAM) -> tuple[str, list[str]]:
    """Return what comes of a connection, and what was refused (runs in a child process)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, kind) as client:
            client.connect((host, port))
    except network.AddressRefusedError:
        return "refused", network.refused()
    except PermissionError:
        return "no socket", network.refused()
    except OSError:
        return "unreachable", network.refused()
    return "connected", network.refused()


def test_a_guarded_child_does_not_reach_a_private_address(server: tuple[str, int]) -> None:
    limits = ChildLimits(30.0, network=True, hosts=("192.0.2.7",))
    assert child.run(attempt, server, limits) == ("refused", ["127.0.0.1"])


def test_nor_does_it_reach_one_of_ipv6(server_of_ipv6: tuple[str, int]) -> None:
    limits = ChildLimits(30.0, network=True, hosts=("127.0.0.1",))
    assert child.run(attempt, server_of_ipv6, limits) == ("refused", ["::1"])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_guarded_child_reaches_the_hosts_it_was_allowed(server: tuple[str, int], host: str) -> None:
    limits = ChildLimits(30.0, network=True, hosts=("no-such-host.invalid", host))
    assert child.run(attempt, server, limits) == ("connected", [])


def test_a_mapped_address_is_no_way_around(server: tuple[str, int]) -> None:
    outcome, refused = child.run(attempt, ("::ffff:127.0.0.1", server[1]), ChildLimits(30.0, network=True))
    assert (outcome, len(refused)) == ("refused", 1)


def test_a_guarded_child_may_go_to_a_public_address() -> None:
    limits = ChildLimits(30.0, network=True)
    outcome, refused = child.run(attempt, ("1.1.1.1", 9, socket.SOCK_DGRAM), limits)  # a datagram socket sends nothing
    assert (outcome in {"connected", "unreachable"}, refused) == (True, [])


def popen(program: str) -> None:
    subprocess.run([program, "-c", "exit 0"], check=True)


def spawn(program: str) -> None:
    os.waitpid(os.posix_spawn(program, [program, "-c", "exit 0"], {}), 0)


def shell(_program: str) -> None:
    os.system("exit 0")  # noqa: S605, S607 (must be refused)


def execute(program: str) -> None:
    os.execv(program, [program, "-c", "exit 0"])  # noqa: S606 (must be refused)


WAYS = {"popen": popen, "spawn": spawn, "shell": shell, "execute": execute}


def start(_report: Reporter, how: str, program: str) -> str:
    """Return what comes of starting a program (runs in a child process)."""
    try:
        WAYS[how](program)
    except network.ProgramRefusedError:
        return "refused"
    return "started"


@pytest.mark.parametrize("how", WAYS)
def test_a_guarded_child_starts_no_program_that_would_go_where_it_must_not(how: str) -> None:
    limits = ChildLimits(30.0, network=True, programs=("/bin/true",))
    assert child.run(start, (how, "/bin/sh"), limits) == "refused"


@pytest.mark.parametrize("how", ["popen", "spawn"])
def test_a_guarded_child_starts_the_programs_it_was_allowed(how: str) -> None:
    limits = ChildLimits(30.0, network=True, programs=("/bin/sh",))
    assert child.run(start, (how, "/bin/sh"), limits) == "started"


def test_a_child_without_network_reaches_nothing_at_all(server: tuple[str, int]) -> None:
    limits = ChildLimits(30.0, network=False, hosts=(server[0],))
    assert child.run(attempt, server, limits) in [("no socket", []), ("refused", [f"('{server[0]}', {server[1]})"])]


@pytest.mark.parametrize(
    ("sent", "host"),
    [
        pytest.param(b"GET http://169.254.169.254/latest HTTP/1.1\r\nHost: x\r\n\r\n", "169.254.169.254", id="plain"),
        pytest.param(b"CONNECT [::1]:443 HTTP/1.1\r\n\r\n", "::1", id="tunnel"),
        pytest.param(b"POST http://u:p@Host:8080/?u=http://other/ HTTP/1.0\r\n\r\n", "host", id="login and port"),
        pytest.param(b"GET /?u=http://10.0.0.1/ HTTP/1.1\r\n\r\n", "", id="no proxy, an address in the query"),
        pytest.param(b"GET //10.0.0.1/a HTTP/1.1\r\n\r\n", "10.0.0.1", id="no scheme"),
        pytest.param(b"some audio http://10.0.0.1 and", "", id="other data"),
        pytest.param(b"GET http://[::1/ HTTP/1.1\r\n", "", id="no address"),
        pytest.param(b"", "", id="nothing"),
    ],
)
def test_the_host_of_a_request_to_a_proxy_is_found(sent: bytes, host: str) -> None:
    assert network.proxied_host(sent) == host


def ask(_report: Reporter, proxy: str, url: str) -> list[str]:
    """Ask a proxy for an address, and return what was refused (runs in a child process)."""
    with contextlib.suppress(OSError):
        requests.get(url, proxies={"http": proxy, "https": proxy}, timeout=1)
    return network.refused()


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        pytest.param("http://169.254.169.254/latest", ["169.254.169.254"], id="metadata of a cloud"),
        pytest.param("https://10.0.0.1/", ["10.0.0.1"], id="through a tunnel"),
        pytest.param("http://167772161/", ["10.0.0.1"], id="in another notation"),
        pytest.param("http://1.1.1.1/", [], id="a public address"),
        pytest.param("http://no-such-host.invalid/", [], id="a name that the proxy may know"),
    ],
)
def test_a_guarded_child_asks_no_proxy_for_a_private_address(
    server: tuple[str, int], url: str, refused: list[str]
) -> None:
    limits = ChildLimits(30.0, network=True, hosts=("127.0.0.1",))
    assert child.run(ask, (f"http://127.0.0.1:{server[1]}", url), limits) == refused
