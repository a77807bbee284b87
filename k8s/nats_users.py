"""Values for the official NATS chart: `python -m k8s.nats_users > k8s/operators/nats.yaml`."""

from __future__ import annotations

import json
import sys

from ingest.shared.broker.permissions import PASSWORD_VARIABLE, USERS, User, permissions

HEAD = """\
# Values for the official NATS chart (nats/nats): three servers instead of the chart's one. The users are those of
# services/ingest/shared/broker/permissions.py: `python -m k8s.nats_users` prints this file. Their passwords come from a
# Secret `ingest-passwords`, which the namespace of the servers must have as well.
#   helm install nats nats/nats --namespace messaging --values k8s/operators/nats.yaml
#   helm install ingest charts/ --set nats.enabled=false --set nats.url=nats://nats.messaging:4222 \\
#     --set nats.monitoringEndpoint=nats-headless.messaging.svc:8222 --set auth.existingSecret=ingest-passwords
config:
  cluster: {enabled: true, replicas: 3}
  jetstream:
    enabled: true
    fileStore: {pvc: {size: 10Gi}}
    merge: {sync_interval: always} # a stream is on one server, which confirms a message when it is on its disk
  merge:
    max_payload: << 2MB >>
    authorization:
      users:
"""
TAIL = """\
podTemplate:
  topologySpreadConstraints:
    kubernetes.io/hostname: {maxSkew: 1, whenUnsatisfiable: DoNotSchedule}
"""


def text() -> str:
    """Return the values."""
    users = "".join(_user(user) for user in USERS)
    variables = "".join(_variable(user) for user in USERS)
    return f"{HEAD}{users}container:\n  env:\n{variables}{TAIL}"


def _user(user: User) -> str:
    may = permissions(user)
    return (
        f"        - user: {user}\n          password: << ${_name(user)} >>\n          permissions:\n"
        f"            publish:\n              allow:\n{_subjects(may.publish)}"
        f"            subscribe:\n              allow:\n{_subjects(may.subscribe)}"
    )


def _subjects(subjects: tuple[str, ...]) -> str:
    return "".join(f"                - {json.dumps(subject)}\n" for subject in subjects)


def _variable(user: User) -> str:
    secret = f"{{secretKeyRef: {{name: ingest-passwords, key: nats-{user}}}}}"
    return f"    {_name(user)}:\n      valueFrom: {secret}\n"


def _name(user: User) -> str:
    return PASSWORD_VARIABLE.format(user=user.upper())


if __name__ == "__main__":
    sys.stdout.write(text())
