"""The permissions of each NATS user: exactly the subjects that its service needs. Pure data, and text for a server.

    user        who logs in                               may
    downloader  the downloader service                    work on check and download; keep the rate limiter's state
    asr         the asr service                           work on asr
    embedder    the embedder service                      work on embedder; keep the ledger; carry out changes;
                                                          record the end of a run
    archive     the page                                  ask for changes, which the embedder carries out; read files
    submit      a Job or CronJob with `ingest submit`     ask for recordings, and follow them
    admin       `ingest migrate` and operators            everything about our streams, and nothing about others

The chart's server has an account for each user, so that a service cannot aim replies at the subjects of another. In one
account it can: the server does not check the subject that a request names for its reply.

Only `admin` creates streams and consumers (`ingest migrate`), purges and deletes. A service subscribes only to its own
inbox, named after its user, so that no service reads the replies to another. Every service may read single messages of
the work queue, for one metric: the age of the oldest message of every stage. Of a volume on NATS, all of them read the
files, and each service writes its folders.

    python -m ingest.shared.broker.permissions               prints the accounts; passwords are variables of the
                                                             server's environment
    python -m ingest.shared.broker.permissions one-account   the same users in one account, for a server of your own;
                                                             a prefix (INGEST_NATS_PREFIX) may follow
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ingest.shared.broker.names import OURS, Names
from ingest.shared.broker.topology import (
    ACCESSIBLE,
    CHANGE_REQUESTED,
    CHANGE_STREAM,
    CHANGES,
    DEAD_STREAM,
    EVENT_STREAM,
    FILES_BUCKET,
    GOVERNOR_BUCKET,
    LATER_STREAM,
    LEDGER,
    REQUESTED,
    RUN_STREAM,
    SUBJECT_OF,
    WORK_STREAM,
    dead_subject,
    event_subject,
    file_subjects,
    files_stream,
    later_consumer,
    later_subject,
    run_settled_subject,
    run_subject,
)
from ingest.shared.messages import Stage
from ingest.shared.pipeline import Service, StageSpec, stages_of

if TYPE_CHECKING:
    from collections.abc import Mapping

FILES = files_stream(FILES_BUCKET)
STREAMS = (
    *(WORK_STREAM, LATER_STREAM, EVENT_STREAM, DEAD_STREAM, CHANGE_STREAM, RUN_STREAM),
    *(f"KV_{GOVERNOR_BUCKET}", FILES),
)
ACCOUNT = "INGEST"  # holds the streams
SYSTEM_ACCOUNT = "SYS"
JETSTREAM = "$JS.API.INFO"
PASSWORD_VARIABLE = "INGEST_NATS_PASSWORD_{user}"  # noqa: S105 (the name of a variable)


class Client(StrEnum):
    """The users of the broker that are no service."""

    ARCHIVE = "archive"
    SUBMIT = "submit"
    ADMIN = "admin"


User = Service | Client
USERS: tuple[User, ...] = (*Service, *Client)


@dataclass(frozen=True)
class Permissions:
    """Subjects that a user may publish to and subscribe to; everything else is denied."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def inbox_prefix(user: str) -> str:
    """Return where the answers to a user go."""
    return "_INBOX_" + re.sub(r"[^A-Za-z0-9_-]", "_", user)


def permissions(user: User) -> Permissions:
    """Return what a user may do."""
    return Permissions(publish=_PUBLISH[user], subscribe=(f"{inbox_prefix(user)}.>",))


def authorization(passwords: Mapping[User, str], names: Names = OURS) -> str:
    """Return the `authorization` block of a nats-server for these users, in one account.

    A password stands in it as it is given: a text in quotes (`json.dumps`), or `$NAME` for a variable of the server.
    """
    users = "\n".join(_user(user, password, names) for user, password in passwords.items())
    return f"authorization {{\n  users = [\n{users}\n  ]\n}}\n"


def accounts(passwords: Mapping[User, str]) -> str:
    """Return the `accounts` block of a nats-server: one account with the streams, and one for each other user.

    Within one account, the server does not check the subject that a request names for its reply: a service could aim
    the answers of the API at the subjects of others. Between accounts, a reply goes to the account of the request only.
    """
    others = [user for user in passwords if user is not Client.ADMIN]
    exported = sorted({subject for user in others for subject in permissions(user).publish})
    own = [_owner(passwords[Client.ADMIN], exported)]
    own += [_importer(user, passwords[user]) for user in others]
    return f"system_account: {SYSTEM_ACCOUNT}\naccounts {{\n{''.join(own)}  {SYSTEM_ACCOUNT} {{}}\n}}\n"


def _owner(password: str, exported: list[str]) -> str:
    lines = "".join(f"      {_export(subject)}\n" for subject in exported)
    return (
        f"  {ACCOUNT} {{\n    jetstream: enabled\n    users: [\n{_user(Client.ADMIN, password)}\n    ]\n"
        f"    exports: [\n{lines}    ]\n  }}\n"
    )


def _export(subject: str) -> str:
    """Return the export of a subject; a pull or a batch may be answered with more than one message."""
    several = ", response_type: stream" if ".MSG.NEXT." in subject or ".DIRECT.GET." in subject else ""
    return f"{{ service: {json.dumps(subject)}{several} }}"


def _importer(user: User, password: str) -> str:
    """Return the account of a user. Without an import of JETSTREAM, its own JetStream would answer, which is off."""
    imports = "".join(
        f"      {{ service: {{ account: {ACCOUNT}, subject: {json.dumps(subject)} }} }}\n"
        for subject in sorted({*permissions(user).publish, JETSTREAM})
    )
    return (
        f"  {ACCOUNT}_{user.upper()} {{\n    users: [\n{_user(user, password)}\n    ]\n"
        f"    imports: [\n{imports}    ]\n  }}\n"
    )


def _user(user: User, password: str, names: Names = OURS) -> str:
    may = permissions(user)
    return (
        f'    {{ user: "{user}", password: {password}, permissions: {{\n'
        f"      publish: {{ allow: {json.dumps([*map(names.right, may.publish)])} }}\n"
        f"      subscribe: {{ allow: {json.dumps(may.subscribe)} }} }} }}"
    )


def _take(consumer: str, stream: str) -> tuple[str, ...]:
    """Return what taking and answering the messages of a consumer needs; servers differ in the form of the answer."""
    return (
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}",
        f"$JS.ACK.{stream}.{consumer}.>",
        f"$JS.ACK.*.*.{stream}.{consumer}.>",
    )


def _work(spec: StageSpec[Any]) -> tuple[str, ...]:
    """Return what working on a stage needs: its input, its results, and what becomes of failures."""
    results = (SUBJECT_OF[model] for model in (spec.publishes, spec.may_publish) if model is not None)
    return (
        *_take(spec.stage, WORK_STREAM),
        *_take(later_consumer(spec.stage), LATER_STREAM),
        spec.subject,  # a message that has waited goes back to its queue
        *results,
        *((ACCESSIBLE,) if spec.asks_again else ()),
        later_subject(spec.stage),
        event_subject(spec.stage),
        dead_subject(spec.stage),
    )


# What every service asks when it starts (is everything there, and as it should be?) and for its metrics.
_LOOK = (
    JETSTREAM,
    *(f"$JS.API.STREAM.INFO.{stream}" for stream in STREAMS),
    *(f"$JS.API.CONSUMER.INFO.{WORK_STREAM}.{stage}" for stage in Stage),
    *(f"$JS.API.CONSUMER.INFO.{LATER_STREAM}.{later_consumer(stage)}" for stage in Stage),
    f"$JS.API.CONSUMER.INFO.{EVENT_STREAM}.{LEDGER}",
    f"$JS.API.CONSUMER.INFO.{CHANGE_STREAM}.{CHANGES}",
    f"$JS.API.STREAM.MSG.GET.{WORK_STREAM}",
    f"$JS.API.STREAM.MSG.GET.{RUN_STREAM}",  # whether the run is settled for which a service works
)
_READ_GOVERNOR = (f"$JS.API.STREAM.MSG.GET.KV_{GOVERNOR_BUCKET}",)

# A volume on NATS: each service writes the folders that it has something in.
_READ_FILES = (f"$JS.API.STREAM.MSG.GET.{FILES}", f"$JS.API.DIRECT.GET.{FILES}")
_FOLDERS: dict[User, tuple[str, ...]] = {
    Service.DOWNLOADER: ("videos", "workers", "trials"),
    Service.ASR: ("videos", "voices", "workers", "trials"),
    Service.EMBEDDER: ("videos", "voices", "workers", "trials"),
    Client.SUBMIT: ("videos", "trials"),  # `ingest purge`
}


def _files(user: User) -> tuple[str, ...]:
    """Return what reading all files and writing some folders needs."""
    written = (file_subjects(FILES_BUCKET, f"{folder}.>") for folder in _FOLDERS.get(user, ()))
    return (*_READ_FILES, *(subject for subjects in written for subject in subjects))


_MORE = {
    Service.DOWNLOADER: (*_READ_GOVERNOR, f"$KV.{GOVERNOR_BUCKET}.>"),
    Service.EMBEDDER: (
        *_take(LEDGER, EVENT_STREAM),
        f"$JS.API.STREAM.MSG.GET.{EVENT_STREAM}",
        f"$JS.API.STREAM.MSG.GET.{LATER_STREAM}",  # the ledger and the queues say whether a run is settled
        run_settled_subject("*"),
        *_take(CHANGES, CHANGE_STREAM),
        REQUESTED,  # a change may be a wish to request recordings again
        event_subject(Stage.CHECK),
    ),
}


def _service(service: Service) -> tuple[str, ...]:
    """Return what the stages of a service need, and what only this service does."""
    return (
        *_LOOK,
        *(subject for spec in stages_of(service) for subject in _work(spec)),
        *_MORE.get(service, ()),
        *_files(service),
    )


def _operate(stream: str) -> tuple[str, ...]:
    """Return what creating, changing, reading and deleting a stream, its messages and its consumers needs."""
    return (
        f"$JS.API.STREAM.*.{stream}",
        f"$JS.API.STREAM.MSG.*.{stream}",
        f"$JS.API.CONSUMER.*.{stream}",
        f"$JS.API.CONSUMER.*.{stream}.>",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.>",
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.>",
        f"$JS.ACK.{stream}.>",
        f"$JS.ACK.*.*.{stream}.>",
    )


# The streams of others on a shared server stay out of reach.
_OPERATE = (
    "ingest.>",
    JETSTREAM,
    *(subject for stream in STREAMS for subject in _operate(stream)),
    f"$KV.{GOVERNOR_BUCKET}.>",
    f"$JS.API.DIRECT.GET.{FILES}",
    f"$O.{FILES_BUCKET}.>",
)

_PUBLISH: dict[User, tuple[str, ...]] = {
    **{service: _service(service) for service in Service},
    Client.ARCHIVE: (CHANGE_REQUESTED, f"$JS.API.STREAM.INFO.{FILES}", *_READ_FILES),
    Client.SUBMIT: (
        *_LOOK,
        *_READ_GOVERNOR,
        f"$JS.API.STREAM.MSG.GET.{LATER_STREAM}",
        f"$JS.API.STREAM.MSG.GET.{EVENT_STREAM}",
        run_subject("*"),
        REQUESTED,
        event_subject(Stage.CHECK),
        *_files(Client.SUBMIT),
    ),
    Client.ADMIN: _OPERATE,
}


if __name__ == "__main__":
    variables = {user: f"${PASSWORD_VARIABLE.format(user=user.upper())}" for user in USERS}
    if sys.argv[1:2] == ["one-account"]:
        sys.stdout.write(authorization(variables, Names(*sys.argv[2:3])))
    else:
        sys.stdout.write(accounts(variables))
