"""Refuses connections of a process to private addresses, or all its connections.

The guard is an audit hook. The interpreter calls it at every `connect`, after name resolution, in any library. So
redirects, playlists and names that point to a private address are refused in one place. A request to an HTTP proxy has
its destination in it: that is resolved and refused, too. A SOCKS client raises the event `PROXIED` with it.
(A name that only the proxy can resolve is left to the proxy.)
Other programs connect without the hook, so their start is refused, except for named programs. An audit hook cannot be
removed: use it in child processes only.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import socket
import sys
from typing import Any
from urllib.parse import urlsplit

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # all public IPv6 addresses
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
LONGEST_REQUEST_LINE = 1 << 16
PROXIED = "ingest.proxied"  # an audit event: the host that a SOCKS proxy is asked for
STARTS_A_PROGRAM = frozenset({"subprocess.Popen", "os.posix_spawn", "os.exec", "os.system"})


class AddressRefusedError(PermissionError):
    """A connection to an address that is not public and not allowed."""


class ProgramRefusedError(PermissionError):
    """The start of a program that is not allowed: the guard does not see its connections."""


_refused: list[str] = []


def refused() -> list[str]:
    """Return the addresses to which a connection was refused."""
    return list(_refused)


def is_public(address: str) -> bool:
    """Whether an IP address is public."""
    try:
        found = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        found = _destination(found)
    if isinstance(found, ipaddress.IPv6Address) and found not in GLOBAL_UNICAST:
        return False
    return found.is_global and not found.is_multicast


def _destination(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address that an IPv6 address leads to (mapped, 6to4, NAT64), else itself."""
    if address in NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address


def addresses_of(hosts: tuple[str, ...]) -> frozenset[str]:
    """Return the IP addresses of host names; a name that cannot be resolved has none."""
    found: set[str] = set()
    for host in filter(None, hosts):
        with contextlib.suppress(OSError):
            found.update(str(info[4][0]) for info in socket.getaddrinfo(host, None))
    return frozenset(found)


def proxied_host(sent: bytes) -> str:
    """Return the host that a request asks a proxy for; an empty text for a request to a server, or for other data."""
    words = sent[:LONGEST_REQUEST_LINE].partition(b"\r\n")[0].decode("latin-1").split(" ")
    if len(words) != len(("method", "target", "version")) or not words[2].startswith("HTTP/"):
        return ""
    target = f"//{words[1]}" if words[0] == "CONNECT" else words[1]
    try:
        return urlsplit(target).hostname or "" if "//" in target[: len("https://")] else ""
    except ValueError:
        return ""


def guard(hosts: tuple[str, ...], programs: tuple[str, ...] = (), endpoints: tuple[str, ...] = ()) -> None:
    """Refuse from now on every connection that is neither to a public address nor to one of `hosts` or `endpoints`.

    Refuse also the start of every program that is not one of `programs`, and a request to a proxy for a private address
    that is not one of `hosts`.
    """
    allowed = addresses_of(hosts)
    places = frozenset(place for endpoint in endpoints for place in _places(endpoint))

    def refuse(address: str) -> None:
        _refused.append(address)
        raise AddressRefusedError(f"{address} is not a public address")

    def check(event: str, args: tuple[Any, ...]) -> None:
        destination = _destination_of(event, args)
        for found in addresses_of((destination,)) - allowed if destination else ():
            if not is_public(found):
                refuse(found)
        if event in STARTS_A_PROGRAM and os.fsdecode(args[0]) not in programs:
            raise ProgramRefusedError(f"{os.fsdecode(args[0])} may not be started")
        if event != "socket.connect" or not isinstance(args[1], tuple):
            return
        address = str(args[1][0])
        if address not in allowed and not is_public(address) and (address, args[1][1]) not in places:
            refuse(address)

    sys.addaudithook(check)


def _destination_of(event: str, args: tuple[Any, ...]) -> str:
    """Return the host that a proxy is asked for; an empty text for any other event."""
    if event == "http.client.send" and isinstance(args[1], bytes):
        return proxied_host(args[1])
    return str(args[0]) if event == PROXIED else ""


def _places(endpoint: str) -> frozenset[tuple[str, int]]:
    """Return the addresses and the port of an endpoint (HOST:PORT)."""
    host, _, port = endpoint.rpartition(":")
    return frozenset((address, int(port)) for address in addresses_of((host.strip("[]"),)))


def cut_off() -> bool:
    """Cut this process off the network: by a namespace where the kernel allows it, and always by an audit hook.

    Return whether the kernel has allowed it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    is_alone = any(libc.unshare(flags) == 0 for flags in (CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWNET))

    def check(event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            _refused.append(str(args[1]))
            raise AddressRefusedError("this process has no network")

    sys.addaudithook(check)
    return is_alone
