"""The objects of a run, made from the release's ConfigMap `...-backfill`, and how the run has ended. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from ingest.cli import console
from ingest.cli.k8s.pods import COMPLETE, SOME_FAILED

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from ingest.cli.k8s.pods import Object, RunPods

PLACE = "__RUN__"  # of the name of the run
TEXT = "backfill.yaml"


def new_name(now: datetime, unique: str) -> str:
    """Return a name for a run: its day, and four characters of a unique text."""
    return f"{now:%y%m%d}-{unique[:4]}"


def objects(template: Object, run: str) -> list[Object]:
    """Return the Jobs of a run, or its JobSet; they are removed with the release."""
    metadata = template["metadata"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": metadata["name"], "uid": metadata["uid"]}
    made: list[Object] = [one for one in yaml.safe_load_all(template["data"][TEXT].replace(PLACE, run)) if one]
    for one in made:
        one["metadata"]["ownerReferences"] = [owner]
    return made


def status_of_jobs(jobs: Sequence[RunPods], expected: int) -> int | None:
    """Return the exit status of a run of Jobs, None while it is open; one that has failed or is gone ends it."""
    states = [job.state for job in jobs]
    if len(states) < expected or any(state.startswith("failed") for state in states):
        return console.FAILED
    if not {COMPLETE, SOME_FAILED}.issuperset(states):
        return None
    return console.SOME_FAILED if SOME_FAILED in states else console.OK


def status_of_set(conditions: Collection[str], jobs: Sequence[RunPods]) -> int | None:
    """Return the exit status of a run of a JobSet, None while it is open: it starts Jobs again that have failed."""
    if "Failed" in conditions:
        return console.SOME_FAILED if any(job.state == SOME_FAILED for job in jobs) else console.FAILED
    return console.OK if "Completed" in conditions else None
