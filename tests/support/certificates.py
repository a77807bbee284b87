"""Authorities and the certificates that they sign, as files: NAME.crt and NAME.key in a folder."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make_authority(openssl: str, folder: Path, name: str = "ca") -> None:
    """Write an authority that says what its key is for, as Python 3.13 and later want it."""
    _make(openssl, folder, name, "-addext", "keyUsage=critical,keyCertSign,cRLSign")


def sign(openssl: str, folder: Path, name: str, alternatives: str) -> None:
    """Write a certificate for `alternatives` (`IP:127.0.0.1`, `DNS:a,DNS:b`) that the authority `ca` has signed."""
    signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-addext", f"subjectAltName={alternatives}"]
    _make(openssl, folder, name, *signed, "-addext", "basicConstraints=critical,CA:FALSE")


def _make(openssl: str, folder: Path, name: str, *more: str) -> None:
    new = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    words = [*new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt", *more]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
