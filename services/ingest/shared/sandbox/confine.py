"""Confines a child process: its limits, and the walls around it.

    limits        memory, processor time, size and number of files, for every child
    landlock      files: reads its programs, libraries and `reads`; writes below `writes` only
    seccomp       system calls: no sockets without `network`, no programs and processes without `programs`
    network       no connection to private addresses, or none at all
    capabilities  none but those that root needs to read the files of other users

A kernel or a container runtime may lack landlock, seccomp or namespaces. The child starts without that wall, and
`missing_walls` names it (`ingest doctor` shows it).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ingest.shared.sandbox import landlock, network, seccomp

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")
OPEN_FILES = 256
MEMORY_BYTES = 1 << 30
SMALLEST_SHARE = 2  # a child gets at most half of the memory of its pod
PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
CAPABILITY_VERSION = 0x20080522
KEPT_CAPABILITIES = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: files of other users, for root only
CGROUPS = Path("/sys/fs/cgroup")
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
SYSTEM_PATHS = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/nix/store", "/sys/devices/system/cpu")
NAME_SERVICE = ("/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager")  # where /etc/resolv.conf may lead
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")

_missing: list[str] = []


def die_with_parent(parent: int, signal_number: int = signal.SIGKILL) -> None:
    """Let the kernel kill this process when `parent` ends (Linux only); exit if it has already ended."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:
        os._exit(1)


@dataclass(frozen=True)
class Confinement:
    """The limits of a child.

    `memory_bytes` is what it may take in addition to what it starts with (0: no limit). Without `cpu_s`, its deadline
    limits its processor time. It reads the files of `reads` and writes those of `writes`: files, or folders with all
    that is in them. With `network`, `hosts` are the names or addresses that it may connect to although they are not
    public, `endpoints` (HOST:PORT) the proxies, which it may ask for a public address or for one of `hosts`.
    `programs` are the only programs that it may start.
    """

    deadline_s: float
    memory_bytes: int = MEMORY_BYTES
    file_bytes: int = 16 << 30
    cpu_s: float | None = None
    network: bool = False
    hosts: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    def within(self, pod_bytes: int | None) -> Confinement:
        """Return the same limits with at most half of the memory of the pod."""
        if pod_bytes is None:
            return self
        share = pod_bytes // SMALLEST_SHARE
        return replace(self, memory_bytes=min(self.memory_bytes or share, share))


def missing_walls(_report: object) -> list[str]:
    """Return the walls that this child process lacks, with the reason."""
    return list(_missing)


def confine(limits: Confinement) -> None:
    """Confine this process and all that it starts, for good."""
    _set_limits(limits)
    if limits.network:
        network.guard(limits.hosts, limits.programs, limits.endpoints)
    elif not network.cut_off():
        _missing.append("no network namespace")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    rules = landlock.Rules(
        read=_readable(limits), write=(*limits.writes, *DEVICES[:1]), run=bool(limits.programs), connect=limits.network
    )
    _note(landlock.restrict, rules)
    _drop_capabilities(libc)
    _note(seccomp.restrict, seccomp.Filter(network=limits.network, programs=bool(limits.programs)))


def _note(restrict: Callable[[R], None], rules: R) -> None:
    """Restrict this process, or note why it cannot be."""
    try:
        restrict(rules)
    except OSError as error:
        _missing.append(str(error))


def _set_limits(limits: Confinement) -> None:
    seconds = int(limits.deadline_s) + 10 if limits.cpu_s is None else int(limits.cpu_s)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, limits.file_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # the first that the kernel ends when memory is short
    if limits.memory_bytes:
        total_pages, _, _, _, _, data_pages, _ = map(int, Path("/proc/self/statm").read_text().split())
        # A program such as a JavaScript engine reserves gigabytes of addresses that it never uses.
        kind, pages = (resource.RLIMIT_DATA, data_pages) if limits.programs else (resource.RLIMIT_AS, total_pages)
        allowed = pages * resource.getpagesize() + limits.memory_bytes
        resource.setrlimit(kind, (allowed, allowed))


def has_own_certificates() -> bool:
    """Return whether the environment names authorities to trust: then yt-dlp does not trust the ones of its package."""
    return any(Path(os.environ[name]).exists() for name in CERTIFICATE_VARIABLES[:2] if os.environ.get(name))


def _readable(limits: Confinement) -> tuple[str, ...]:
    """Return the files and folders that a child reads: the interpreter, libraries, certificates, and its input."""
    named = [os.environ[name] for name in (*CERTIFICATE_VARIABLES, "LD_LIBRARY_PATH") if name in os.environ]
    found = [
        *SYSTEM_PATHS,
        *DEVICES,
        "/proc" if limits.programs else "/proc/self",
        *(NAME_SERVICE if limits.network else ()),
        *(sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path),
        *(path for text in named for path in text.split(os.pathsep) if path),
        *(str(Path(program).parent) for program in limits.programs),
        *limits.reads,
        *limits.writes,
    ]
    return tuple(found)


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    held = (ctypes.c_uint32 * 6)()
    if libc.capget(header, held) == 0:
        kept = [mask & KEPT_CAPABILITIES if index < 2 else 0 for index, mask in enumerate(held)]  # noqa: PLR2004 (effective and permitted)
        libc.capset(header, (ctypes.c_uint32 * 6)(*kept))


def pod_memory_bytes() -> int | None:
    """Return the limit of memory of this process's container, or None without one."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        own = next(line.removeprefix("0::/") for line in lines if line.startswith("0::"))
        folder = (CGROUPS / own).resolve()
        levels = [level for level in (folder, *folder.parents) if level.is_relative_to(CGROUPS)]
        texts = [file.read_text().strip() for level in levels if (file := level / "memory.max").is_file()]
        limits = [int(text) for text in texts if text != "max"]
        if limits:
            return min(limits)
    with contextlib.suppress(OSError, ValueError):
        limit = int((CGROUPS / "memory/memory.limit_in_bytes").read_text())
        return limit if limit < 1 << 60 else None  # version 1 of cgroups writes a huge number for none
    return None
