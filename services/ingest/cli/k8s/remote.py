"""`--k8s`: runs `ingest submit` and `ingest status` in a release of the chart, and starts the Jobs of a backfill."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ingest.cli import console
from ingest.cli.k8s import backfill as template
from ingest.shared import outgoing
from ingest.shared.errors import ConfigurationError
from ingest.shared.pipeline import Service, stages_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.cli.k8s.cluster import JobResult, Release
    from ingest.cli.k8s.pods import Object, RunPods, WorkerPods
    from ingest.cli.selection import Selection

START_S = 300.0
LISTING_S = 6 * 3600.0  # of the sources of a backfill
STATUS_S = 90.0
WAIT_S = 7 * 86_400.0
ASK_EVERY_S = 5.0
DONE = frozenset({console.OK, console.SOME_FAILED})  # of a submission: 3 where one of several sources could not be read


@dataclass(frozen=True)
class Submission:
    """What `ingest submit --k8s` was asked for: `run` is the name under which services wait for the recordings."""

    sources: Sequence[str]
    selection: Selection
    run: str | None = None
    wait: bool = False
    as_json: bool = False


def submit(release: Release, asked: Submission) -> int:
    """Request recordings by a Job in the cluster, print its output, and return its exit status."""
    result = _submitted(release, asked)
    console.out.print(result.log.rstrip(), markup=False, highlight=False)
    return result.status


def _submitted(release: Release, asked: Submission) -> JobResult:
    flags = [flag for flag, wanted in (("--wait", asked.wait), ("--json", asked.as_json)) if wanted]
    named = ["--run", asked.run] if asked.run is not None else []
    command = ["ingest", "submit", *options(asked.selection), *named, *flags, "--", *asked.sources]
    return release.run(command, WAIT_S if asked.wait else START_S if asked.run is None else LISTING_S)


def backfill(release: Release, asked: Submission, pause_s: float = ASK_EVERY_S) -> int:
    """Request recordings, start the Jobs that work until these are settled, and with `wait` wait for their end.

    Without a request there are no Jobs. Return the exit status.
    """
    run = asked.run or template.new_name(datetime.now(UTC), uuid.uuid4().hex)
    if release.runs(run):
        raise ConfigurationError(f"the run {run} has Jobs already: name another one with --run, or delete them")
    objects = template.objects(release.backfill_template(), run)
    result = _submitted(release, replace(asked, run=run, wait=False))
    if not asked.as_json or result.status not in DONE:
        console.out.print(result.log.rstrip(), markup=False, highlight=False)
    if result.status not in DONE:
        return result.status
    for one in objects:
        release.create(one)
    names = [f"{one['kind'].lower()}/{one['metadata']['name']}" for one in objects]
    if asked.as_json:
        console.print_json({**_parsed(result.log), "run": run, "created": names})
    else:
        console.out.print(f"run {run}: created {', '.join(names)}", markup=False)
    if not asked.wait:
        return result.status
    shown: dict[str, str] | None = None if asked.as_json else {}
    while (status := _look(release, run, objects, shown)) is None:
        time.sleep(pause_s)
    return status or result.status


def _look(release: Release, run: str, objects: Sequence[Object], shown: dict[str, str] | None) -> int | None:
    """Return the exit status of a run, None while it is open; print the states of its Jobs that are not `shown` yet."""
    jobs = release.runs(run)
    if shown is not None:
        for job in jobs:
            if shown.get(job.component) != job.state:
                console.out.print(f"{job.component}: {job.state}", markup=False)
        shown.update({job.component: job.state for job in jobs})
    if objects[0]["kind"] == "Job":
        return template.status_of_jobs(jobs, len(objects))
    return template.status_of_set(release.conditions(objects[0]), jobs)


def options(selection: Selection) -> list[str]:
    """Return the options of the command line that make a selection."""
    since, published = selection.policy.published_after, selection.known.published_at
    values = {
        "--limit": selection.limit,
        "--limit-new": selection.limit_new,
        "--since": since and since.date().isoformat(),
        "--skip-shorts": selection.policy.min_duration_s,
        "--max-duration": selection.policy.max_duration_s,
        "--published": published and published.date().isoformat(),
        "--min-speakers": selection.known.min_speakers,
        "--max-speakers": selection.known.max_speakers,
        "--language": selection.known.given_language,
        "--captions": selection.policy.captions and selection.policy.captions.use,
    }
    flags = {"--newest-first": selection.newest_first, "--force": selection.force}
    return [
        *(part for name, value in values.items() if value is not None for part in (name, str(value))),
        *(name for name, wanted in flags.items() if wanted),
    ]


def show(release: Release, *, as_json: bool) -> bool:
    """Print the pods, queues and totals of a release; return whether queues and totals could be read."""
    workers, runs = release.workers(), release.runs()
    inside: dict[str, Any] = {"queues": {}, "videos": [], "problem": None}
    try:
        inside |= _status(release.run(["ingest", "status", "--json"], STATUS_S))
    except ConfigurationError as error:
        inside["problem"] = str(error)
    if as_json:
        shown = {"workers": [asdict(item) for item in workers], "runs": [asdict(item) for item in runs]}
        console.print_json({**shown, **inside})
    else:
        _print(release, workers, runs, inside)
    return inside["problem"] is None


def _print(release: Release, workers: Sequence[WorkerPods], runs: Sequence[RunPods], inside: dict[str, Any]) -> None:
    queues = {str(service): [spec.stage for spec in stages_of(service)] for service in Service}
    lags = inside["queues"]
    cells = (
        (
            item.component,
            f"{item.ready} of {item.wanted}",
            item.resources,
            ", ".join(f"{stage}: {lags[stage]['waiting']}" for stage in queues[item.component] if lags),
            ", ".join(f"{stage}: {lags[stage]['in_flight']}" for stage in queues[item.component] if lags),
            "; ".join(item.troubles),
        )
        for item in workers
    )
    header = ("service", "ready", "resources", "waiting", "in progress", "problems")
    console.out.print(console.table(f"{release.name} in {release.namespace}", header, cells))
    if runs:
        lines = (
            (one.run, one.component, one.state, f"{one.ready} of {one.wanted}", str(one.done), "; ".join(one.troubles))
            for one in runs
        )
        console.out.print(console.table("\nBackfills", ("run", "job", "state", "ready", "done", "problems"), lines))
    totals = ((item["state"], item["error_code"], item["videos"], item["passages"]) for item in inside["videos"])
    console.out.print(console.table("\nVideos", ("state", "reason", "videos", "passages"), totals))
    if inside.get("events_set_aside"):
        console.out.print(f"\n{inside['events_set_aside']} events are set aside: docs/runbooks.md#ingesteventssetaside")
    if inside["problem"]:
        console.err.print(f"error: {outgoing.indented(inside['problem'])}", style="red", markup=False)


def _status(result: JobResult) -> dict[str, Any]:
    """Return the output of `ingest status --json` in the cluster."""
    if result.status or "{" not in result.log:
        raise ConfigurationError(f"the cluster's own `ingest status` failed: {result.log.strip()[-500:]}")
    return _parsed(result.log)


def _parsed(log: str) -> dict[str, Any]:
    """Return the JSON at the end of an output."""
    found: dict[str, Any] = json.loads(log[log.find("{") :])
    return found
