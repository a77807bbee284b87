"""Runs commands in a release of the chart, and reads the state of its pods. Only this file imports kubernetes.

A command runs as a Job that is made from the release's suspended CronJob `...-command`, which contains the image, the
credentials and the addresses. The chart's Role `...-operator` contains the necessary permissions.
"""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from ingest.cli.k8s.pods import COMPONENT, RUN, Object, RunPods, WorkerPods, pod_problems, run_pods, sorted_by_service
from ingest.cli.k8s.pods import worker_pods as of_deployment
from ingest.shared.errors import ConfigurationError
from ingest.shared.pipeline import Service

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

INSTANCE = "app.kubernetes.io/instance"
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
POLL_S = 0.5


@dataclass(frozen=True)
class JobResult:
    """The exit status of a command in the cluster, and its output."""

    status: int
    log: str


class Release:
    """A release in a namespace (by default that of the kubeconfig's context, or of the pod that runs this command)."""

    def __init__(self, name: str, namespace: str | None) -> None:
        found = _configure()
        self.name = name
        self.namespace = namespace or found
        self._batch = client.BatchV1Api()
        self._apps = client.AppsV1Api()
        self._core = client.CoreV1Api()
        self._custom = client.CustomObjectsApi()

    def run(self, command: Sequence[str], limit_s: float) -> JobResult:
        """Run a command in a Job and wait for its end."""
        with _translated(f"namespace {self.namespace}"):
            job = self._job(command)
            self._batch.create_namespaced_job(self.namespace, job)  # type: ignore[arg-type] # the API takes plain objects, too
            return self._end(job["metadata"]["name"], limit_s)

    def _command(self) -> Object:
        """Return the CronJob of commands."""
        selector = f"{INSTANCE}={self.name},{COMPONENT}=command"
        found = _plain(self._batch.list_namespaced_cron_job(self.namespace, label_selector=selector))
        if not found:
            raise ConfigurationError(
                f"namespace {self.namespace} has no release {self.name}: check --release and --namespace"
            )
        return found[0]

    def _job(self, command: Sequence[str]) -> Object:
        found = self._command()
        metadata, spec = found["metadata"], found["spec"]["jobTemplate"]["spec"]
        spec["template"]["spec"]["containers"][0]["command"] = ["tini", "--", *command]
        name = f"{metadata['name']}-{uuid.uuid4().hex[:8]}"
        owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": metadata["name"], "uid": metadata["uid"]}
        return {"metadata": {"name": name, "labels": metadata["labels"], "ownerReferences": [owner]}, "spec": spec}

    def _end(self, name: str, limit_s: float) -> JobResult:
        deadline = time.monotonic() + limit_s
        reasons: list[str] = []
        while time.monotonic() < deadline:
            for pod in _plain(self._core.list_namespaced_pod(self.namespace, label_selector=f"job-name={name}")):
                reasons = pod_problems(pod)
                if pod["status"]["phase"] in {"Succeeded", "Failed"}:
                    log = self._core.read_namespaced_pod_log(pod["metadata"]["name"], self.namespace)
                    return JobResult(_exit_status(pod), str(log))
            time.sleep(POLL_S)
        reason = "; ".join(reasons) or "it is still running"
        raise ConfigurationError(f"the Job {name} did not finish within {limit_s:.0f} s: {reason}")

    def workers(self) -> list[WorkerPods]:
        """Return the pods of each service that has a Deployment."""
        with _translated(f"namespace {self.namespace}"):
            deployments = _plain(self._apps.list_namespaced_deployment(self.namespace, label_selector=self._services))
            pods = _plain(self._core.list_namespaced_pod(self.namespace, label_selector=self._services))
        return sorted_by_service([of_deployment(deployment, pods) for deployment in deployments])

    def runs(self, run: str | None = None) -> list[RunPods]:
        """Return the Jobs of all runs, or of one."""
        chosen = f"{self._services},{RUN}" if run is None else f"{self._services},{RUN}={run}"
        with _translated(f"namespace {self.namespace}"):
            jobs = _plain(self._batch.list_namespaced_job(self.namespace, label_selector=chosen))
            pods = _plain(self._core.list_namespaced_pod(self.namespace, label_selector=chosen))
        return [run_pods(job, pods) for job in jobs]

    @property
    def _services(self) -> str:
        return f"{INSTANCE}={self.name},{COMPONENT} in ({','.join(Service)})"

    def backfill_template(self) -> Object:
        """Return the ConfigMap with the objects of a run."""
        with _translated(f"namespace {self.namespace}"):
            command = self._command()["metadata"]["name"]
            name = f"{command.removesuffix('-command')}-backfill"
            return _as_json(self._core.read_namespaced_config_map(name, self.namespace))

    def create(self, manifest: Object) -> None:
        """Create a Job or a JobSet."""
        with _translated(f"namespace {self.namespace}"):
            if manifest["kind"] == "Job":
                self._batch.create_namespaced_job(self.namespace, manifest)  # type: ignore[arg-type] # the API takes plain objects, too
                return
            try:
                self._custom.create_namespaced_custom_object(*_place(manifest, self.namespace), manifest)
            except ApiException as error:
                if error.status == HTTPStatus.NOT_FOUND:
                    advice = "install its controller, or set backfill.jobSet.enabled=false"
                    raise ConfigurationError(f"the cluster knows no {manifest['kind']}: {advice}") from error
                raise

    def conditions(self, manifest: Object) -> set[str]:
        """Return the conditions that a JobSet has reached, as Completed."""
        with _translated(f"namespace {self.namespace}"):
            name = manifest["metadata"]["name"]
            found = _as_json(self._custom.get_namespaced_custom_object(*_place(manifest, self.namespace), name))
        return {one["type"] for one in found.get("status", {}).get("conditions", ()) if one["status"] == "True"}


def _place(manifest: Object, namespace: str) -> tuple[str, str, str, str]:
    """Return group, version, namespace and plural of a custom object."""
    group, _, version = manifest["apiVersion"].partition("/")
    return group, version, namespace, f"{manifest['kind'].lower()}s"


def _as_json(found: object) -> Object:
    plain: Object = client.ApiClient().sanitize_for_serialization(found)  # type: ignore[no-untyped-call] # the client has no types
    return plain


def _plain(found: object) -> list[Object]:
    """Return the objects of a list of the API as JSON."""
    items: list[Object] = _as_json(found)["items"]
    return items


def _exit_status(pod: Object) -> int:
    """Return the exit status of a pod's only container; 1 where the pod failed without one."""
    if pod["status"]["phase"] == "Succeeded":
        return 0
    ended = [
        one["state"].get("terminated", {}).get("exitCode", 0) for one in pod["status"].get("containerStatuses", ())
    ]
    return next((int(code) for code in ended if code), 1)


def _configure() -> str:
    """Configure the client by the kubeconfig, or inside a pod by its service account. Return the default namespace."""
    try:
        config.load_kube_config()  # type: ignore[no-untyped-call] # the client has no types
        _, context = config.list_kube_config_contexts()  # type: ignore[no-untyped-call] # the client has no types
        return str(context["context"].get("namespace") or "default")
    except ConfigException as outside:
        try:
            config.load_incluster_config()  # type: ignore[no-untyped-call] # the client has no types
        except ConfigException:
            raise ConfigurationError(f"no cluster is configured: {outside} (set KUBECONFIG)") from outside
        return NAMESPACE_FILE.read_text().strip()


@contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except ApiException as error:
        if error.status == HTTPStatus.FORBIDDEN:
            advice = "the Role ...-operator of the chart permits it: add the user to rbac.subjects"
            raise ConfigurationError(f"access denied in {where}: {error.reason}; {advice}") from error
        raise ConfigurationError(f"the cluster refused a request in {where}: {error.status} {error.reason}") from error
    except HTTPError as error:
        raise ConfigurationError(f"the cluster does not answer: {error}") from error
