"""Requests to one stream over a connection of its own, repeated while NATS does not answer.

It opens the connection at the first request. What it raises are the errors of `bus`: full, refused, nothing, or no
answer for `RETRY_S`.
"""

from __future__ import annotations

import atexit
import json
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from nats.errors import Error as ClientError
from nats.errors import MaxPayloadError, NoRespondersError
from nats.js import errors as nats_errors

from ingest.shared.broker.bus import (
    BusConflictError,
    BusError,
    BusFullError,
    BusNothingError,
    BusRefusedError,
    BusUnavailableError,
)
from ingest.shared.broker.nats_connection import REQUEST_TIMEOUT_S, WRITTEN_SINCE, BusOptions, NatsConnection
from ingest.shared.broker.nats_provision import NOT_FOR_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from nats.aio.msg import Msg
    from nats.js.api import RawStreamMsg

RETRY_S = 30.0
NEXT_TIMEOUT_S = 15.0  # for one message of a batch, over a slow network
RETRY_PAUSE_S = 0.5
NOT_STORED = 10077  # for a limit of the stream, and for an error of the server's disk
NO_MESSAGE = 10037
FULL = {10002, 10023, 10047}  # resources of the account, of the server, storage of the server
NO_ANSWER = (NoRespondersError, nats_errors.NoStreamResponseError)
ROOM = ("maximum bytes exceeded", "no space left")

T = TypeVar("T")


class NatsRequests:
    """A connection, and the requests of a stream."""

    def __init__(self, options: BusOptions, stream: str) -> None:
        self._options = options
        self._stream = stream
        self._lock = threading.Lock()
        self._opened: NatsConnection | None = None

    def close(self) -> None:
        """Close the connection, if there is one."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def connection(self) -> NatsConnection:
        """Return the connection, which is opened where there is none."""
        with self._lock:
            if self._opened is None:
                connection = NatsConnection(self._options)
                try:
                    connection.connect()
                except BaseException:
                    connection.close()
                    raise
                self._opened = connection
                atexit.register(self.close)
            return self._opened

    def once(self, subject: str, work: Callable[[NatsConnection], Coroutine[Any, Any, T]]) -> T:
        """Return the result of `work`; raise BusRefusedError at once where the server denies its subject."""
        connection = self.connection()
        return connection.run(connection.unless_denied(subject, self._translated(connection, work(connection))))

    def again(self, subject: str, work: Callable[[NatsConnection], Coroutine[Any, Any, T]]) -> T:
        """Return the result of `work`, which is repeated while NATS does not answer."""
        deadline = time.monotonic() + RETRY_S
        while True:
            try:
                return self.once(subject, work)
            except BusUnavailableError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_PAUSE_S)

    def publish(self, subject: str, data: bytes, headers: Mapping[str, str]) -> None:
        """Store a message."""

        async def work(nats: NatsConnection) -> None:
            await nats.stream.publish(subject, data, timeout=REQUEST_TIMEOUT_S, headers=dict(headers))

        self.again(subject, work)

    def last(self, subject: str) -> RawStreamMsg | None:
        """Return the last message of a subject, as the leader of the stream knows it."""

        async def work(nats: NatsConnection) -> RawStreamMsg | None:
            try:
                return await nats.stream.get_last_msg(self._stream, subject)
            except nats_errors.NotFoundError as error:
                if error.err_code != NO_MESSAGE:
                    raise
                return None

        return self.again(self._api("STREAM.MSG.GET"), work)

    def state(self, **asked: object) -> dict[str, Any]:
        """Return the state of the stream."""

        async def work(nats: NatsConnection) -> dict[str, Any]:
            return await self._state(nats, asked)

        return self.again(self._api("STREAM.INFO"), work)

    def messages(self, **wanted: object) -> list[Msg]:
        """Return the messages of a batch, in order."""

        async def work(nats: NatsConnection) -> list[Msg]:
            return await self._batch(nats, wanted)

        return self.again(self._api("DIRECT.GET"), work)

    async def _batch(self, nats: NatsConnection, wanted: Mapping[str, object]) -> list[Msg]:
        inbox, found = nats.client.new_inbox(), list[Any]()
        answers = await nats.client.subscribe(inbox)
        try:
            await nats.client.publish(self._api("DIRECT.GET"), json.dumps(wanted).encode(), reply=inbox)
            while (message := await answers.next_msg(NEXT_TIMEOUT_S)).headers is not None:
                status = message.headers.get("Status")
                if status in {"204", "404"}:  # the end of the batch; no such message
                    return found
                if status is not None:
                    raise nats_errors.APIError(int(status), message.headers.get("Description"))
                found.append(message)
            return found
        finally:
            await answers.unsubscribe()

    async def _state(self, nats: NatsConnection, asked: Mapping[str, object]) -> dict[str, Any]:
        answer = await nats.client.request(
            self._api("STREAM.INFO"), json.dumps(asked).encode(), timeout=REQUEST_TIMEOUT_S
        )
        found: dict[str, Any] = json.loads(answer.data)
        if "error" in found:
            nats_errors.APIError.from_error(found["error"])
        return found

    def _api(self, what: str) -> str:
        return f"{self._options.api}.{what}.{self._stream}"

    async def _translated(self, nats: NatsConnection, work: Coroutine[Any, Any, T]) -> T:
        try:
            return await work
        except NO_ANSWER as error:
            raise await self._silence(nats) from error
        except nats_errors.APIError as error:
            raise self._meaning(error) from error
        except MaxPayloadError as error:
            raise BusRefusedError("max_payload of NATS is smaller than what is to be stored") from error
        except (TimeoutError, ClientError) as error:
            raise BusUnavailableError(f"NATS does not answer: {type(error).__name__}") from error

    async def _silence(self, nats: NatsConnection) -> BusError:
        """Return why no server answers a subject: the stream does not exist, or JetStream is not ready."""
        try:
            await self._state(nats, {})
        except nats_errors.NotFoundError as error:
            return self._meaning(error)
        except (TimeoutError, ClientError):
            pass
        return BusUnavailableError("JetStream does not answer")

    def _meaning(self, error: nats_errors.APIError) -> BusError:
        if isinstance(error, nats_errors.NotFoundError):
            return BusNothingError(f"{self._stream} does not exist: `ingest migrate` makes it")
        if error.err_code in WRITTEN_SINCE:
            return BusConflictError(str(error.description))
        text = str(error.description)
        if error.err_code in FULL or (error.err_code == NOT_STORED and any(reason in text for reason in ROOM)):
            return BusFullError(f"NATS: {text}")
        if isinstance(error, nats_errors.ServiceUnavailableError) and error.err_code != NOT_FOR_ACCOUNT:
            return BusUnavailableError(f"JetStream: {text}")
        return BusRefusedError(f"NATS: {text}")
