"""A NATS server in operator mode: an operator signs accounts, an account signs users, each with a key of its own."""

from __future__ import annotations

import base64
import binascii
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from Cryptodome.PublicKey import ECC
from Cryptodome.Signature import eddsa

if TYPE_CHECKING:
    from pathlib import Path

SEED, OPERATOR, ACCOUNT, USER = 18 << 3, 14 << 3, 0, 20 << 3
NO_LIMITS = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1) | {"wildcards": True}
JETSTREAM = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
TINY_JETSTREAM = JETSTREAM | {"disk_storage": 1 << 20}


@dataclass(frozen=True)
class Key:
    """A key of a kind, with its texts as NATS writes them."""

    kind: int
    private: ECC.EccKey

    @staticmethod
    def make(kind: int) -> Key:
        return Key(kind, ECC.generate(curve="ed25519"))

    @property
    def public(self) -> str:
        return _text(bytes([self.kind]) + bytes(self.private.public_key().export_key(format="raw")))

    @property
    def seed(self) -> str:
        prefixes = bytes([SEED | self.kind >> 5, (self.kind & 31) << 3])
        return _text(prefixes + bytes(self.private.seed))

    def token(self, subject: str, name: str, claims: dict[str, object]) -> str:
        """Return a JWT about a subject, signed with this key."""
        content = {"jti": name, "iat": int(time.time()), "iss": self.public, "name": name, "sub": subject}
        head = _part({"typ": "JWT", "alg": "ed25519-nkey"})
        body = _part({**content, "nats": {**claims, "version": 2}})
        signature = eddsa.new(self.private, "rfc8032").sign(f"{head}.{body}".encode())
        return f"{head}.{body}.{_base64(signature)}"


class Operator:
    """An operator with a system account and others; `configuration` is for a server, `credentials` for a client."""

    def __init__(self, accounts: dict[str, dict[str, int] | None]) -> None:
        self._key = Key.make(OPERATOR)
        self._accounts = {name: Key.make(ACCOUNT) for name in ("system", *accounts)}
        self._limits = accounts

    def configuration(self) -> str:
        """Return the text that makes a server trust this operator."""
        system = self._accounts["system"].public
        operator = self._key.token(self._key.public, "operator", {"type": "operator", "system_account": system})
        tokens = json.dumps({key.public: self._account(name) for name, key in self._accounts.items()})
        return f"operator: {operator}\nsystem_account: {system}\nresolver: MEMORY\nresolver_preload: {tokens}\n"

    def _account(self, name: str) -> str:
        limits = {**NO_LIMITS, **(self._limits.get(name) or {})}
        return self._key.token(self._accounts[name].public, name, {"type": "account", "limits": limits})

    def credentials(self, account: str, file: Path) -> Path:
        """Write the credentials of a new user of an account."""
        user = Key.make(USER)
        claims = {"type": "user", "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1}
        token = self._accounts[account].token(user.public, "user", claims)
        file.write_text(
            f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
            "************************* IMPORTANT *************************\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
        )
        return file


def _text(content: bytes) -> str:
    checksum = binascii.crc_hqx(content, 0).to_bytes(2, "little")
    return base64.b32encode(content + checksum).decode().rstrip("=")


def _part(content: dict[str, object]) -> str:
    return _base64(json.dumps(content, separators=(",", ":")).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
