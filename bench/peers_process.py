"""A way of `bench.peers` in a process of its own, with the Python of the project or of another environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

WORKER = Path(__file__).with_name("peers_worker.py")
OFFLINE = {"HF_HUB_OFFLINE": "1", "PYANNOTE_METRICS_ENABLED": "0"}


class Process:
    """Runs from the beginning of the block to its end. Raise RuntimeError when it ends before."""

    def __init__(self, way: str, options: Mapping[str, object], python: Path | None = None) -> None:
        self._command = [str(python or sys.executable), str(WORKER), way, json.dumps(options)]
        self._threads = str(options.get("threads", 1))
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Start the process, and wait until its models are loaded."""
        self._process = subprocess.Popen(  # noqa: S603 (of the user)
            self._command,
            env=os.environ | OFFLINE | {"OMP_NUM_THREADS": self._threads},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self._answer()
        except RuntimeError:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self._end()

    def ask(self, jobs: Sequence[object]) -> dict[str, Any]:
        """Return what the process finds in recordings, and what it took."""
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("the process is not started")
        self._process.stdin.write(json.dumps(jobs) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _end(self) -> None:
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process and self._process.stdout else ""
        if not line:
            raise RuntimeError(f"{' '.join(self._command[:3])} ended: its output is above")
        answer: dict[str, Any] = json.loads(line)
        return answer
