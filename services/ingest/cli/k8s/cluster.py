"""A release of the chart on a Kubernetes cluster: run a command in it, see its pods. Only this file imports kubernetes.

A command runs as a Job made from the release's CronJob `...-command`, which never runs by itself: it has the image, the
users and the addresses. What is needed for all this is in the Role `...-operator` of the chart.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from ingest.shared.errors import ConfigurationError
from ingest.shared.pipeline import Service

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COMPONENT = "app.kubernetes.io/component"
INSTANCE = "app.kubernetes.io/instance"
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
POLL_S = 0.5

Object = dict[str, Any]  # as the API writes it


@dataclass(frozen=True)
class Finished:
    """How a command in the cluster ended, and what it printed."""

    succeeded: bool
    log: str


@dataclass(frozen=True)
class Workers:
    """The pods of one service: how many are wanted and ready, what they get of a card, and why some are not ready."""

    component: str
    wanted: int
    ready: int
    resources: str
    troubles: tuple[str, ...]


class Release:
    """A release in a namespace (without one, that of the kubeconfig's context or of the pod that we are in)."""

    def __init__(self, name: str, namespace: str | None) -> None:
        found = _configure()
        self.name = name
        self.namespace = namespace or found
        self._batch = client.BatchV1Api()
        self._apps = client.AppsV1Api()
        self._core = client.CoreV1Api()

    def run(self, command: Sequence[str], limit_s: float) -> Finished:
        """Run a command in a Job and wait for its end."""
        with _translated(f"namespace {self.namespace}"):
            job = self._job(command)
            self._batch.create_namespaced_job(self.namespace, job)  # type: ignore[arg-type] # it takes plain ones, too
            return self._end(job["metadata"]["name"], limit_s)

    def _job(self, command: Sequence[str]) -> Object:
        selector = f"{INSTANCE}={self.name},{COMPONENT}=command"
        found = _plain(self._batch.list_namespaced_cron_job(self.namespace, label_selector=selector))
        if not found:
            raise ConfigurationError(
                f"there is no release {self.name} in namespace {self.namespace}: see --release and --namespace"
            )
        metadata, spec = found[0]["metadata"], found[0]["spec"]["jobTemplate"]["spec"]
        spec["template"]["spec"]["containers"][0]["command"] = ["tini", "--", *command]
        name = f"{metadata['name']}-{uuid.uuid4().hex[:8]}"
        owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": metadata["name"], "uid": metadata["uid"]}
        return {"metadata": {"name": name, "labels": metadata["labels"], "ownerReferences": [owner]}, "spec": spec}

    def _end(self, name: str, limit_s: float) -> Finished:
        deadline = time.monotonic() + limit_s
        reasons: list[str] = []
        while time.monotonic() < deadline:
            for pod in _plain(self._core.list_namespaced_pod(self.namespace, label_selector=f"job-name={name}")):
                reasons = trouble(pod)
                if pod["status"]["phase"] in {"Succeeded", "Failed"}:
                    log = self._core.read_namespaced_pod_log(pod["metadata"]["name"], self.namespace)
                    return Finished(pod["status"]["phase"] == "Succeeded", str(log))
            time.sleep(POLL_S)
        reason = "; ".join(reasons) or "it still runs"
        raise ConfigurationError(f"the Job {name} has not ended within {limit_s:.0f} s: {reason}")

    def workers(self) -> list[Workers]:
        """Return how the services are."""
        selector = f"{INSTANCE}={self.name},{COMPONENT} in ({','.join(Service)})"
        with _translated(f"namespace {self.namespace}"):
            deployments = _plain(self._apps.list_namespaced_deployment(self.namespace, label_selector=selector))
            pods = _plain(self._core.list_namespaced_pod(self.namespace, label_selector=selector))
        found = [_workers(deployment, pods) for deployment in deployments]
        return sorted(found, key=lambda item: list(Service).index(Service(item.component)))


def _plain(found: object) -> list[Object]:
    """Return the objects of an answer as the API writes them."""
    items: list[Object] = client.ApiClient().sanitize_for_serialization(found)["items"]  # type: ignore[no-untyped-call] # the same
    return items


def _workers(deployment: Object, pods: Sequence[Object]) -> Workers:
    component = deployment["metadata"]["labels"][COMPONENT]
    limits = deployment["spec"]["template"]["spec"]["containers"][0]["resources"].get("limits", {})
    cards = [f"{count} {name}" for name, count in limits.items() if name not in {"cpu", "memory", "ephemeral-storage"}]
    texts = [text for pod in pods if pod["metadata"]["labels"][COMPONENT] == component for text in trouble(pod)]
    return Workers(
        component=component,
        wanted=deployment["spec"].get("replicas", 0),
        ready=deployment["status"].get("readyReplicas", 0),
        resources=", ".join(cards),
        troubles=tuple(f"{texts.count(text)} x {text}" for text in dict.fromkeys(texts)),
    )


def trouble(pod: Object) -> list[str]:
    """Return why a pod does not run: what the scheduler misses, or how its containers have ended."""
    status = pod["status"]
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            message = condition.get("message", "no reason given")
            missing = ", ".join(sorted(set(re.findall(r"Insufficient ([\w./-]*\w)", message))))
            return [f"waits for {missing}: {message}" if missing else f"not scheduled: {message}"]
    containers = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    return [text for container in containers if (text := _why(container))]


def _why(container: Object) -> str | None:
    """Return what a container waits for, or why it was started again, with the last thing that it said."""
    waiting = container["state"].get("waiting", {})
    ended = container.get("lastState", {}).get("terminated", {})
    reason = waiting.get("reason")
    if reason in {None, "PodInitializing", "ContainerCreating"}:
        if container["ready"] or not ended.get("exitCode"):
            return None
        reason = f"ended with {ended['exitCode']} and was started again"
    lines = str(ended.get("message") or waiting.get("message") or "").strip().splitlines()
    return f"{container['name']}: {reason}" + (f": {_said(lines[-1])}" if lines else "")


def _said(line: str) -> str:
    """Return the error of a line in the log of a service, or the line."""
    try:
        return str(json.loads(line)["error"])
    except (ValueError, KeyError, TypeError):
        return line


def _configure() -> str:
    """Find the cluster: the kubeconfig's, or the one that we are in. Return the namespace that it suggests."""
    try:
        config.load_kube_config()  # type: ignore[no-untyped-call] # the client's own code has no types
        _, context = config.list_kube_config_contexts()  # type: ignore[no-untyped-call] # the same
        return str(context["context"].get("namespace") or "default")
    except ConfigException as outside:
        try:
            config.load_incluster_config()  # type: ignore[no-untyped-call] # the same
        except ConfigException:
            raise ConfigurationError(f"no cluster: {outside} (KUBECONFIG names the file)") from outside
        return NAMESPACE_FILE.read_text().strip()


@contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except ApiException as error:
        if error.status == HTTPStatus.FORBIDDEN:
            advice = "the Role ...-operator of the chart allows it: rbac.subjects says who gets it"
            raise ConfigurationError(f"the cluster forbids it in {where}: {error.reason}; {advice}") from error
        raise ConfigurationError(f"the cluster refuses in {where}: {error.status} {error.reason}") from error
    except HTTPError as error:
        raise ConfigurationError(f"the cluster does not answer: {error}") from error
