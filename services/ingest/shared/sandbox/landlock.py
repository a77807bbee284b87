"""Restricts the files that a process opens, with landlock (Linux 5.13 and newer). It cannot be undone.

Three system calls without a wrapper in libc, with the same numbers on all processors. Newer kernels have more rights
(`ABI`); this file asks for all that the kernel has. From version 6, the process also sends no signals to others.
"""

from __future__ import annotations

import ctypes
import os
import stat
from dataclasses import dataclass

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION_FLAG = 1
PATH_BENEATH = 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_DIR, MAKE_REG = 1 << 7, 1 << 8
REFER, TRUNCATE = 1 << 13, 1 << 14
BITS_OF_ABI = (13, 14, 15, 15, 16)  # how many rights the versions 1 to 5 have
ABI_WITH_PORTS, ABI_WITH_SCOPES = 4, 6
ALL_PORTS = 0b11  # bind and connect of TCP
ALL_SCOPES = 0b11  # abstract sockets and signals of other processes
FOR_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
READ = READ_FILE | READ_DIR
WRITE = WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER | TRUNCATE  # no links, sockets, devices


@dataclass(frozen=True)
class Rules:
    """Paths below which a process reads and writes; with `run`, it may start the programs that it reads."""

    read: tuple[str, ...]
    write: tuple[str, ...]
    run: bool = False
    connect: bool = False


class _Attributes(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("ports", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


_libc = ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        raise OSError(f"no landlock ({os.strerror(ctypes.get_errno())})")
    return result


def version() -> int:
    """Return the version of landlock in this kernel; raise OSError without landlock."""
    return _call(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(VERSION_FLAG))


def restrict(rules: Rules) -> None:
    """Allow this process nothing but what the rules allow; raise OSError without landlock."""
    abi = version()
    known = (1 << BITS_OF_ABI[min(abi, len(BITS_OF_ABI)) - 1]) - 1
    attributes = _Attributes(
        files=known,
        ports=ALL_PORTS if abi >= ABI_WITH_PORTS and not rules.connect else 0,
        scopes=ALL_SCOPES if abi >= ABI_WITH_SCOPES else 0,
    )
    size = 8 if abi < ABI_WITH_PORTS else 16 if abi < ABI_WITH_SCOPES else 24
    ruleset = _call(CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0))
    try:
        for path in dict.fromkeys(rules.read):
            _allow(ruleset, path, known & (READ | (EXECUTE if rules.run else 0)))
        for path in rules.write:
            _allow(ruleset, path, known & (READ | WRITE), os.O_NOFOLLOW)
        _call(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int, flags: int = 0) -> None:
    """Add a rule; a path that does not exist needs none, and a link with O_NOFOLLOW gets none."""
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC | flags)
    except OSError:
        return
    try:
        if stat.S_ISLNK(os.fstat(parent).st_mode):
            return
        if not stat.S_ISDIR(os.fstat(parent).st_mode):
            rights &= FOR_FILES
        rule = _PathBeneath(rights, parent)
        _call(ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(PATH_BENEATH), ctypes.byref(rule), ctypes.c_uint32(0))
    finally:
        os.close(parent)
