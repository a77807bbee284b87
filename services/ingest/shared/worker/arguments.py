"""The command line of a service; everything else is a setting."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.shared.runs.messages import RUN_NAME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Arguments:
    """How long a service works: until a signal, or until a run is settled."""

    until_settled: str | None = None


def parse(service: str, words: Sequence[str]) -> Arguments:
    """Return the arguments of a service; exit with the usage where they are wrong."""
    parser = ArgumentParser(f"python -m ingest.{service}", description=f"Run the service {service}.")
    parser.add_argument(
        "--until-settled",
        metavar="RUN",
        type=_run_name,
        help="end when no recording that `ingest submit --run RUN` has named is waiting, in progress or due later; the "
        "status is 0, of the embedder 3 if recordings have failed, after SIGTERM 143",
    )
    return Arguments(**vars(parser.parse_args(words)))


def _run_name(text: str) -> str:
    if not re.fullmatch(RUN_NAME_PATTERN, text):
        raise ArgumentTypeError("a name has at most 20 characters: a-z, 0-9 and - inside")
    return text
