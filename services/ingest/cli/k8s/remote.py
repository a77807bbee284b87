"""`--k8s`: `ingest submit` and `ingest status` for a release of the chart, from outside of its network."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ingest.cli import console
from ingest.shared.errors import ConfigurationError
from ingest.shared.pipeline import Service, stages_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.cli.k8s.cluster import Finished, Release, Workers
    from ingest.cli.runs.submissions import Choice

START_S = 300.0
STATUS_S = 90.0
WAIT_S = 7 * 86_400.0


def submit(release: Release, sources: Sequence[str], choice: Choice, *, wait: bool, as_json: bool) -> bool:
    """Ask for recordings by a Job in the cluster, print what it says, and return whether all is well."""
    flags = [flag for flag, wanted in (("--wait", wait), ("--json", as_json)) if wanted]
    command = ["ingest", "submit", *options(choice), *flags, "--", *sources]
    finished = release.run(command, WAIT_S if wait else START_S)
    console.out.print(finished.log.rstrip(), markup=False, highlight=False)
    return finished.succeeded


def options(choice: Choice) -> list[str]:
    """Return the options of the command line that make this choice."""
    since = choice.policy.published_after
    values = {
        "--limit": choice.limit,
        "--limit-new": choice.limit_new,
        "--since": since and f"{since:%Y-%m-%d}",
        "--skip-shorts": choice.policy.min_duration_s,
        "--max-duration": choice.policy.max_duration_s,
        "--min-speakers": choice.speakers.min_speakers,
        "--max-speakers": choice.speakers.max_speakers,
    }
    flags = {"--newest-first": choice.newest_first, "--force": choice.force}
    return [
        *(part for name, value in values.items() if value is not None for part in (name, str(value))),
        *(name for name, wanted in flags.items() if wanted),
    ]


def show(release: Release, *, as_json: bool) -> bool:
    """Print pods, queues and totals of a release; without the latter two, and False, where these cannot be had."""
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


def _print(release: Release, workers: Sequence[Workers], inside: dict[str, Any]) -> None:
    queues = {str(service): [spec.stage for spec in stages_of(service)] for service in Service}
    lags = inside["queues"]
    cells = (
        (
            item.component,
            f"{item.ready} of {item.wanted}",
            item.resources,
            ", ".join(f"{stage}: {lags[stage]['waiting']}" for stage in queues[item.component] if lags),
            ", ".join(f"{stage}: {lags[stage]['in_hand']}" for stage in queues[item.component] if lags),
            "\n".join(item.troubles),
        )
        for item in workers
    )
    header = ("service", "ready", "each has", "waiting", "in hand", "what is wrong")
    console.out.print(console.table(f"{release.name} in {release.namespace}", header, cells))
    totals = ((item["state"], item["error_code"], item["videos"], item["passages"]) for item in inside["videos"])
    console.out.print(console.table("\nVideos", ("state", "reason", "videos", "passages"), totals))
    if inside["problem"]:
        console.err.print(f"error: {inside['problem']}", style="red", markup=False)


def _parsed(finished: Finished) -> dict[str, Any]:
    """Return what `ingest status --json` has printed in the cluster."""
    start = finished.log.find("{")
    if not finished.succeeded or start < 0:
        raise ConfigurationError(f"the cluster's own `ingest status` failed: {finished.log.strip()[-500:]}")
    found: dict[str, Any] = json.loads(finished.log[start:])
    return found
