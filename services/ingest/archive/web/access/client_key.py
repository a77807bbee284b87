"""What the addresses of one client have in common, and how many clients are remembered. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

MOST_CLIENTS: Final = 10_000
NETWORK_BITS: Final = 64  # of an IPv6 address; a client chooses the others


def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address; that of IPv4 also where it is written as IPv6. None: it is none, as of a local socket."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def client_key(text: str) -> str:
    """Return the key of the client that has an address."""
    found = address_of(text)
    if isinstance(found, IPv6Address):
        return str(int(found) >> (128 - NETWORK_BITS))
    return text if found is None else str(found)
