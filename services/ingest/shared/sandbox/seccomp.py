"""Refuses system calls that a process does not need, with a seccomp filter (Linux). It cannot be undone.

The filter is a list of refused calls, not of allowed ones: a new libc or interpreter keeps working. A refused call
fails with EPERM, as without a right.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass

PR_SET_SECCOMP, MODE_FILTER = 22, 2
ALLOW = 0x7FFF0000
REFUSE = 0x00050000
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # operations of the filter's machine
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data (lower half of the argument)
CLONE_THREAD = 0x10000
X32 = 0x40000000  # the second numbering of x86_64
FAMILIES = (2, 10, 16)  # AF_INET, AF_INET6, AF_NETLINK (asked for the addresses of this machine)

# name: (x86_64, aarch64); None: the processor lacks the call
CALLS: dict[str, tuple[int, int | None]] = {
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "bind": (49, 200),
    "listen": (50, 201),
    "socketpair": (53, 199),
    "accept4": (288, 242),
    "sendmmsg": (307, 269),
    "clone": (56, 220),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "clone3": (435, 435),
    "kill": (62, 129),
    "tgkill": (234, 131),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "open_by_handle_at": (304, 265),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "personality": (135, 92),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semctl": (66, 191),
    "msgget": (68, 186),
    "msgctl": (71, 187),
    "setpgid": (109, 154),
    "setsid": (112, 157),
    "prlimit64": (302, 261),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
}
SOCKETS = (
    "connect",
    "accept",
    "accept4",
    "bind",
    "listen",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "socket",
    "socketpair",
)
SERVING = ("listen", "accept", "accept4")
PROCESSES = (
    "fork",
    "vfork",
    "execve",
    "execveat",
    "tkill",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "pidfd_send_signal",
)
GROUPS = ("setpgid", "setsid")  # the service ends the group of a child
ATTRIBUTES = tuple(list(CALLS)[list(CALLS).index("chmod") :])  # of files, which Landlock leaves open
ALWAYS = tuple(list(CALLS)[list(CALLS).index("ptrace") : list(CALLS).index("setpgid")])
ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}


@dataclass(frozen=True)
class Filter:
    """What a process may do: open connections, start programs."""

    network: bool
    programs: bool


def restrict(allowed: Filter) -> None:
    """Refuse system calls from now on; raise OSError where the kernel or the processor has no filter."""
    found = ARCHITECTURES.get(platform.machine())
    if found is None:
        raise OSError(f"no seccomp filter for {platform.machine()}")
    instructions = _instructions(allowed, *found)
    code = ctypes.create_string_buffer(b"".join(instructions))
    program = struct.pack("HP", len(instructions), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(MODE_FILTER), program, 0, 0) != 0:
        raise OSError(f"no seccomp ({os.strerror(ctypes.get_errno())})")


def _instructions(allowed: Filter, architecture: int, column: int) -> list[bytes]:
    numbers = {name: found for name, pair in CALLS.items() if (found := pair[column]) is not None}
    refused = (
        *ALWAYS,
        *(SERVING if allowed.network else SOCKETS),
        *(() if allowed.programs else (*PROCESSES, *GROUPS, *ATTRIBUTES)),
    )
    lines = [
        _load(ARCHITECTURE),
        *_when(EQUAL, architecture, [], [_refuse()]),
        _load(NUMBER),
        *_when(AT_LEAST, X32, [_refuse()], []),
    ]
    for call in (numbers[name] for name in refused if name in numbers):
        lines += _when(EQUAL, call, [_refuse()], [])
    own_limits = [_load(FIRST_ARGUMENT), *_when(EQUAL, 0, [_allow()], []), _refuse()]
    lines += _when(EQUAL, numbers["prlimit64"], own_limits, [])
    if allowed.network:
        families = [line for family in FAMILIES for line in _when(EQUAL, family, [_allow()], [])]
        lines += _when(EQUAL, numbers["socket"], [_load(FIRST_ARGUMENT), *families, _refuse()], [])
    if not allowed.programs:
        own = [_load(FIRST_ARGUMENT), *_when(EQUAL, os.getpid(), [_allow()], []), _refuse()]
        threads = [_load(FIRST_ARGUMENT), *_when(ANY_BIT, CLONE_THREAD, [_allow()], []), _refuse()]
        lines += _when(EQUAL, numbers["kill"], own, [])
        lines += _when(EQUAL, numbers["tgkill"], own, [])
        lines += _when(EQUAL, numbers["clone"], threads, [])
        # Its flags are in memory, where a filter cannot look: libc takes `clone` instead.
        lines += _when(EQUAL, numbers["clone3"], [_refuse(errno.ENOSYS)], [])
    return [*lines, _allow()]


def _line(code: int, value: int, true: int = 0, false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, true, false, value)


def _load(offset: int) -> bytes:
    return _line(LOAD, offset)


def _allow() -> bytes:
    return _line(RETURN, ALLOW)


def _refuse(error: int = errno.EPERM) -> bytes:
    return _line(RETURN, REFUSE | error)


def _when(test: int, value: int, then: list[bytes], otherwise: list[bytes]) -> list[bytes]:
    """Return the lines that compare what is loaded. One of the two lists is empty; the other returns."""
    if then:
        return [_line(test, value, 0, len(then)), *then]
    return [_line(test, value, len(otherwise), 0), *otherwise]
