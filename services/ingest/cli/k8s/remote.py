"""`--k8s`: runs `ingest submit` and `ingest status` in a release of the chart."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ingest.cli import console
from ingest.shared import outgoing
from ingest.shared.errors import ConfigurationError
from ingest.shared.pipeline import Service, stages_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.cli.k8s.cluster import JobResult, Release, WorkerPods
    from ingest.cli.selection import Selection

START_S = 300.0
STATUS_S = 90.0
WAIT_S = 7 * 86_400.0


def submit(release: Release, sources: Sequence[str], selection: Selection, *, wait: bool, as_json: bool) -> bool:
    """Request recordings by a Job in the cluster, print its output, and return whether it succeeded."""
    flags = [flag for flag, wanted in (("--wait", wait), ("--json", as_json)) if wanted]
    command = ["ingest", "submit", *options(selection), *flags, "--", *sources]
    result = release.run(command, WAIT_S if wait else START_S)
    console.out.print(result.log.rstrip(), markup=False, highlight=False)
    return result.succeeded


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
    }
    flags = {"--newest-first": selection.newest_first, "--force": selection.force}
    return [
        *(part for name, value in values.items() if value is not None for part in (name, str(value))),
        *(name for name, wanted in flags.items() if wanted),
    ]


def show(release: Release, *, as_json: bool) -> bool:
    """Print the pods, queues and totals of a release; return whether queues and totals could be read."""
    workers = release.workers()
    inside: dict[str, Any] = {"queues": {}, "videos": [], "problem": None}
    try:
        inside |= _parsed(release.run(["ingest", "status", "--json"], STATUS_S))
    except ConfigurationError as error:
        inside["problem"] = str(error)
    if as_json:
        console.print_json({"workers": [asdict(item) for item in workers], **inside})
    else:
        _print(release, workers, inside)
    return inside["problem"] is None


def _print(release: Release, workers: Sequence[WorkerPods], inside: dict[str, Any]) -> None:
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
    totals = ((item["state"], item["error_code"], item["videos"], item["passages"]) for item in inside["videos"])
    console.out.print(console.table("\nVideos", ("state", "reason", "videos", "passages"), totals))
    if inside.get("events_set_aside"):
        console.out.print(f"\n{inside['events_set_aside']} events are set aside: docs/runbooks.md#ingesteventssetaside")
    if inside["problem"]:
        console.err.print(f"error: {outgoing.indented(inside['problem'])}", style="red", markup=False)


def _parsed(result: JobResult) -> dict[str, Any]:
    """Return the output of `ingest status --json` in the cluster."""
    start = result.log.find("{")
    if not result.succeeded or start < 0:
        raise ConfigurationError(f"the cluster's own `ingest status` failed: {result.log.strip()[-500:]}")
    found: dict[str, Any] = json.loads(result.log[start:])
    return found
