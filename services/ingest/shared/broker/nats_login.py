"""The logins at a NATS server: user and password, credentials, nkey, client certificate.

Files are read again at each connection, since credentials are renewed. A seed signs the nonce of the server, and never
leaves this process.
"""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

SEED = 18 << 3  # prefixes of nkeys, in five bits each
USER = 20 << 3
KEY_BYTES = 32
CREDENTIALS = re.compile(r"-----BEGIN ([A-Z ]+)-----\s+(\S+)\s+-+END [A-Z ]+-+")


@dataclass(frozen=True)
class KeyFiles:
    """Files that log in: credentials or the seed of an nkey, a certificate with its key."""

    creds: Path | None = None
    nkey: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class Login:
    """What the settings name. `ca_file` has the certificates to trust."""

    user: str | None
    password: str | None
    ca_file: Path | None
    keys: KeyFiles

    def check(self) -> None:
        """Raise ConfigurationError when a file cannot be used, before the first connection."""
        if self.keys.creds and self.keys.nkey:
            raise ConfigurationError(
                "INGEST_NATS_CREDS_FILE and INGEST_NATS_NKEY_FILE are both set: only one can log in"
            )
        if bool(self.keys.cert) != bool(self.keys.key):
            raise ConfigurationError("INGEST_NATS_CERT_FILE and INGEST_NATS_KEY_FILE belong together: set both")
        if self.has_key:
            self.sign("")
        if self.keys.creds:
            self.jwt()
        self.tls()

    @property
    def has_key(self) -> bool:
        """Return whether a seed logs in, instead of user and password."""
        return bool(self.keys.creds or self.keys.nkey)

    @property
    def name(self) -> str:
        """Return what an error calls this login."""
        return str(self.keys.creds or self.keys.nkey or self.user or self.keys.cert or "")

    def jwt(self) -> bytes:
        """Return the JWT of the credentials file."""
        return _part(self.keys.creds, "NATS USER JWT").encode()

    def sign(self, nonce: str) -> bytes:
        """Return the signature of a server's nonce, in base64."""
        from Cryptodome.Signature import eddsa  # tenths of a second, which other logins do not need

        key = eddsa.import_private_key(self._seed())
        return base64.b64encode(eddsa.new(key, "rfc8032").sign(nonce.encode()))

    def public_key(self) -> str:
        """Return the public key of the seed, as the server's configuration names it."""
        from Cryptodome.Signature import eddsa

        raw = eddsa.import_private_key(self._seed()).public_key().export_key(format="raw")
        return _encode(bytes([USER]) + bytes(raw))

    def _seed(self) -> bytes:
        text = _part(self.keys.creds, "USER NKEY SEED") if self.keys.creds else _read(self.keys.nkey).strip()
        return _decode_seed(text, self.keys.creds or self.keys.nkey)

    def tls(self) -> ssl.SSLContext | None:
        """Return the certificates to trust and to show; without their files, the client trusts the system's.

        Python 3.13 and newer also require the certificate extensions of RFC 5280, which many private authorities lack.
        The user has named the authority: a valid signature is enough, as on older Pythons.
        """
        if self.ca_file is None and self.keys.cert is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise ConfigurationError(f"cannot read the certificates in {self.ca_file}: {error}") from error
        if self.ca_file is not None:
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self.keys.cert is not None:
            try:
                context.load_cert_chain(self.keys.cert, self.keys.key, password=_no_password)
            except (OSError, ValueError) as error:
                raise ConfigurationError(
                    f"cannot use the certificate {self.keys.cert} with the key {self.keys.key}: {error}"
                ) from error
        return context


def _no_password() -> str:
    raise ValueError("the key must not be encrypted")  # otherwise OpenSSL would ask on the terminal


def _read(file: Path | None) -> str:
    try:
        return file.read_text() if file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the NATS login in {file}: {error}") from error


def _part(file: Path | None, name: str) -> str:
    """Return a part of a credentials file."""
    parts = dict(CREDENTIALS.findall(_read(file)))
    if name not in parts:
        raise ConfigurationError(f"{file} has no {name}: it is not a credentials file of NATS")
    return str(parts[name])


def _decode_seed(text: str, file: Path | None) -> bytes:
    """Return the 32 bytes of a user's seed: base32 of prefixes, seed and checksum."""
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        raw = b""
    content, checksum = raw[:-2], raw[-2:]
    is_user = content[:2] == bytes([SEED | USER >> 5, (USER & 31) << 3])
    if not is_user or len(content) != 2 + KEY_BYTES or _checksum(content) != checksum:
        raise ConfigurationError(f"{file} has no seed of a NATS user: it begins with SU")
    return content[2:]


def _encode(content: bytes) -> str:
    return base64.b32encode(content + _checksum(content)).decode().rstrip("=")


def _checksum(content: bytes) -> bytes:
    return binascii.crc_hqx(content, 0).to_bytes(2, "little")
