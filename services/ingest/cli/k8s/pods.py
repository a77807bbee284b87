"""What a release's objects say about its pods: how many are wanted and ready, and why some are not. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.shared.pipeline import Service

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COMPONENT = "app.kubernetes.io/component"
RUN = "ingest/run"
FAILED_RECORDINGS = "PodFailurePolicy"  # the reason of a Job whose pod has ended with EXIT_SOME_FAILED
COMPLETE, SOME_FAILED = "complete", "recordings failed"

Object = dict[str, Any]  # an object of the Kubernetes API as JSON


@dataclass(frozen=True)
class WorkerPods:
    """The pods of one service: how many are wanted and ready, their device resources, and problems of unready pods."""

    component: str
    wanted: int
    ready: int
    resources: str
    troubles: tuple[str, ...]


@dataclass(frozen=True)
class RunPods:
    """The pods of one service that work for a run: as `WorkerPods`, and how far their Job is."""

    run: str
    component: str
    state: str
    wanted: int
    ready: int
    done: int
    troubles: tuple[str, ...]


def sorted_by_service(found: Sequence[WorkerPods]) -> list[WorkerPods]:
    """Return pods in the order of the pipeline."""
    return sorted(found, key=lambda item: list(Service).index(Service(item.component)))


def worker_pods(deployment: Object, pods: Sequence[Object]) -> WorkerPods:
    """Return the pods of a Deployment."""
    component = deployment["metadata"]["labels"][COMPONENT]
    limits = deployment["spec"]["template"]["spec"]["containers"][0]["resources"].get("limits", {})
    cards = [f"{count} {name}" for name, count in limits.items() if name not in {"cpu", "memory", "ephemeral-storage"}]
    texts = _problems(pod for pod in pods if _is_of(pod, component, None))
    return WorkerPods(
        component=component,
        wanted=deployment["spec"].get("replicas", 0),
        ready=deployment["status"].get("readyReplicas", 0),
        resources=", ".join(cards),
        troubles=texts,
    )


def run_pods(job: Object, pods: Sequence[Object]) -> RunPods:
    """Return the pods of a Job of a run."""
    labels, status = job["metadata"]["labels"], job.get("status", {})
    state = job_state(job)
    return RunPods(
        run=labels[RUN],
        component=labels[COMPONENT],
        state=state,
        wanted=job["spec"].get("parallelism", 1) if state == "running" else 0,
        ready=status.get("ready") or 0,
        done=status.get("succeeded") or 0,
        troubles=_problems(pod for pod in pods if _is_of(pod, labels[COMPONENT], labels[RUN])),
    )


def job_state(job: Object) -> str:
    """Return the state of a Job: running, suspended, complete, some failed (recordings), or failed and why."""
    conditions = {one["type"]: one for one in job.get("status", {}).get("conditions") or () if one["status"] == "True"}
    if "Complete" in conditions:
        return COMPLETE
    if "Failed" in conditions:
        reason = conditions["Failed"].get("reason", "")
        if reason == FAILED_RECORDINGS and job["metadata"]["labels"][COMPONENT] == Service.EMBEDDER:
            return SOME_FAILED
        return f"failed: {reason}"
    return "suspended" if job["spec"].get("suspend") else "running"


def _is_of(pod: Object, component: str, run: str | None) -> bool:
    labels = pod["metadata"]["labels"]
    return bool(labels[COMPONENT] == component and labels.get(RUN) == run)


def _problems(pods: Iterable[Object]) -> tuple[str, ...]:
    texts = [text for pod in pods for text in pod_problems(pod)]
    return tuple(f"{texts.count(text)} x {text}" for text in dict.fromkeys(texts))


def pod_problems(pod: Object) -> list[str]:
    """Return why a pod does not run: missing resources, or how its containers ended."""
    status = pod["status"]
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            message = condition.get("message", "no reason given")
            missing = ", ".join(sorted(set(re.findall(r"Insufficient ([\w./-]*\w)", message))))
            return [f"waits for {missing}: {message}" if missing else f"not scheduled: {message}"]
    containers = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    return [text for container in containers if (text := _container_problem(container))]


def _container_problem(container: Object) -> str | None:
    """Return why a container waits or was restarted, with the last line of its output."""
    waiting = container["state"].get("waiting", {})
    ended = container.get("lastState", {}).get("terminated", {})
    reason = waiting.get("reason")
    if reason in {None, "PodInitializing", "ContainerCreating"}:
        if container["ready"] or not ended.get("exitCode"):
            return None
        reason = f"ended with status {ended['exitCode']} and was restarted"
    lines = str(ended.get("message") or waiting.get("message") or "").strip().splitlines()
    return f"{container['name']}: {reason}" + (f": {_error_in(lines[-1])}" if lines else "")


def _error_in(line: str) -> str:
    """Return the error in a JSON line of a service's log, or the line itself."""
    try:
        return str(json.loads(line)["error"])
    except (ValueError, KeyError, TypeError):
        return line
