"""Streams, consumers and the bucket on a NATS server: created when missing, compared field by field when there.

A server may silently keep an older configuration (or ignore an unknown field); what it reports is compared
with what was requested, and a difference is an error that names the field.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from nats.js import api
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from ingest.shared.broker.bus import BusRefusedError
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from nats.js import JetStreamContext

    from ingest.shared.broker.topology import ConsumerSpec, StreamSpec, Topology

STREAM_FIELDS = ("subjects", "retention", "discard", "max_bytes", "max_age", "duplicate_window", "storage")
FILE_FIELDS = ("allow_rollup_hdrs", "allow_direct", "allow_msg_ttl")
CONSUMER_FIELDS = ("filter_subject", "ack_policy", "ack_wait", "max_ack_pending", "max_deliver")

NOT_FOR_ACCOUNT = 10039
# resources of the account, of the server, storage of the server, number of consumers, number of streams, maximum bytes
LIMITS = {10002, 10023, 10047, 10026, 10027, 10122}
CONSUMER_NOT_STORED = 10012  # the server's number for an error of its files
AGAIN_AFTER_S = (0.1, 0.2, 0.4, 0.8, 1.6)


def stream_config(spec: StreamSpec) -> api.StreamConfig:
    """Return the configuration of a stream."""
    return api.StreamConfig(
        name=spec.name,
        subjects=list(spec.subjects),
        retention=api.RetentionPolicy.WORK_QUEUE if spec.work_queue else api.RetentionPolicy.LIMITS,
        discard=api.DiscardPolicy.OLD if spec.forgets_oldest else api.DiscardPolicy.NEW,
        max_bytes=spec.max_bytes,
        max_age=spec.max_age_s,
        duplicate_window=spec.duplicate_window_s,
        storage=api.StorageType.FILE,
        allow_rollup_hdrs=spec.holds_files,
        allow_direct=spec.holds_files or None,
        allow_msg_ttl=spec.holds_files or None,
    )


def consumer_config(spec: ConsumerSpec) -> api.ConsumerConfig:
    """Return the configuration of a durable pull consumer; attempts are counted by us, so it delivers without limit."""
    return api.ConsumerConfig(
        durable_name=spec.name,
        filter_subject=spec.subject,
        ack_policy=api.AckPolicy.EXPLICIT,
        ack_wait=spec.ack_wait_s,
        max_ack_pending=spec.max_ack_pending,
        max_deliver=-1,
        deliver_policy=api.DeliverPolicy.ALL,
    )


async def provision(stream: JetStreamContext, topology: Topology, *, update: bool) -> None:
    """Create what is missing; verify the rest, or with `update` put it right.

    Raise BusRefusedError where JetStream is off, and ConfigurationError where its limits are too low.
    """
    try:
        await _provision(stream, topology, update=update)
    except ServiceUnavailableError as error:
        raise BusRefusedError(_without_jetstream(error)) from error
    except APIError as error:
        if error.err_code not in LIMITS:
            raise
        raise ConfigurationError(_beyond_limits(error, topology)) from error


def _without_jetstream(error: ServiceUnavailableError) -> str:
    """Return why no JetStream answers, and what to do."""
    if error.err_code == NOT_FOR_ACCOUNT:
        return (
            "JetStream is off for the account of this NATS user: its operator has to give the account JetStream limits"
        )
    if error.err_code is None:  # no server answers the subjects of JetStream
        return (
            "JetStream does not answer: start nats-server with -js, or with `jetstream {}` in its configuration; "
            "if it is on in another domain, set INGEST_NATS_DOMAIN"
        )
    return f"JetStream: {error.description}"


def _beyond_limits(error: APIError, topology: Topology) -> str:
    """Return what the streams need of the server and of the account."""
    streams, total = len(topology.streams), sum(spec.max_bytes for spec in topology.streams)
    return (
        f"JetStream: {error.description}. {streams} streams with INGEST_QUEUE_BYTES={topology.streams[0].max_bytes} "
        f"need {total} bytes of file storage: lower INGEST_QUEUE_BYTES, or raise max_file_store of the server, "
        f"or the limits of the account (storage; {streams + 1} streams, {len(topology.consumers)} consumers)"
    )


async def _provision(stream: JetStreamContext, topology: Topology, *, update: bool) -> None:
    for spec in topology.streams:
        await _stream(stream, spec, update=update)
    # The last stage first: a new stage in the middle takes over the subject of its successor, which has to give it up.
    for consumer in reversed(topology.consumers):
        await _consumer(stream, consumer, update=update)
    if update:
        await _discard_acknowledged(stream, topology)
    try:
        await stream.key_value(topology.bucket)
    except NotFoundError:
        await stream.create_key_value(api.KeyValueConfig(bucket=topology.bucket, storage=api.StorageType.FILE))


async def reset_consumers(stream: JetStreamContext, topology: Topology) -> None:
    """Make consumers anew that have unacknowledged messages, of workers that are gone: they are deliverable at once.

    A work queue holds only what is not done; elsewhere the new consumer begins after what was acknowledged.
    """
    queues = {spec.name for spec in topology.streams if spec.work_queue}
    for spec in topology.consumers:
        found = await stream.consumer_info(spec.stream, spec.name)
        if not found.num_ack_pending:
            continue
        floor = found.ack_floor
        await stream.delete_consumer(spec.stream, spec.name)
        wanted = consumer_config(spec)
        if spec.stream not in queues and floor is not None and floor.stream_seq:
            wanted = wanted.evolve(
                deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=floor.stream_seq + 1
            )
        await _add_again(stream, spec.stream, wanted)


async def _add_again(stream: JetStreamContext, name: str, wanted: api.ConsumerConfig) -> None:
    """Create a consumer that was just deleted; the server may still be removing the files of the one before."""
    for pause_s in AGAIN_AFTER_S:
        try:
            await stream.add_consumer(name, wanted)
        except APIError as error:
            if error.err_code != CONSUMER_NOT_STORED:
                raise
            await asyncio.sleep(pause_s)
        else:
            return
    await stream.add_consumer(name, wanted)


async def wipe(stream: JetStreamContext, topology: Topology) -> None:
    """Delete the streams, with everything in them."""
    for spec in topology.streams:
        with contextlib.suppress(NotFoundError):
            await stream.delete_stream(spec.name)


async def _stream(stream: JetStreamContext, spec: StreamSpec, *, update: bool) -> None:
    wanted = stream_config(spec)
    try:
        found = (await stream.stream_info(spec.name)).config
    except NotFoundError:
        found = (await stream.add_stream(wanted)).config
    fields = (*STREAM_FIELDS, *FILE_FIELDS) if spec.holds_files else STREAM_FIELDS
    if update and _differences(wanted, found, fields):
        found = (await stream.update_stream(wanted)).config
    _require_equal(f"stream {spec.name}", wanted, found, fields)


async def _consumer(stream: JetStreamContext, spec: ConsumerSpec, *, update: bool) -> None:
    wanted = consumer_config(spec)
    try:
        found = (await stream.consumer_info(spec.stream, spec.name)).config
    except NotFoundError:
        found = (await stream.add_consumer(spec.stream, wanted)).config
    if update and _differences(wanted, found, CONSUMER_FIELDS):
        found = (await stream.add_consumer(spec.stream, wanted)).config
    _require_equal(f"consumer {spec.name}", wanted, found, CONSUMER_FIELDS)


async def _discard_acknowledged(stream: JetStreamContext, topology: Topology) -> None:
    """Remove what work queues still hold although it is acknowledged, as a broker may leave it whose disk was full."""
    queues = {spec.name for spec in topology.streams if spec.work_queue}
    for spec in (spec for spec in topology.consumers if spec.stream in queues):
        floor = (await stream.consumer_info(spec.stream, spec.name)).ack_floor
        if floor is not None and floor.stream_seq:
            await stream.purge_stream(spec.stream, seq=floor.stream_seq + 1, subject=spec.subject)


def _differences(wanted: Any, found: Any, fields: tuple[str, ...]) -> list[str]:  # noqa: ANN401 (a foreign or generic shape)
    return [
        f"{name} is {getattr(found, name)!r}, wanted {getattr(wanted, name)!r}"
        for name in fields
        if getattr(found, name) != getattr(wanted, name)
    ]


def _require_equal(what: str, wanted: Any, found: Any, fields: tuple[str, ...]) -> None:  # noqa: ANN401 (a foreign or generic shape)
    differences = _differences(wanted, found, fields)
    if differences:
        raise ConfigurationError(f"{what} on the broker differs: {'; '.join(differences)}. `ingest migrate` updates it")
