"""Asks the `ingest serve` that runs on a state folder: its text model is loaded already.

Beside its port, that server listens on a socket in the state folder, which the user of the folder alone can open: no
other process can take its place, as on a port that became free. The name of the socket follows from the settings on
which the answers depend, so that a server with others is not asked.

<state>/locks/answers-DIGEST.socket
<state>/locks/answers-DIGEST.lock    held by the server: without it, the socket is of a server that was killed
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from ingest.cli.local.locks import Lock
from ingest.cli.local.private_folder import make_private
from ingest.embedder.search.question import Answers, Hit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ingest.cli.settings import AllSettings
    from ingest.embedder.search.question import Question

ANSWER_S = 3.0  # then the command computes the answer itself
DECISIVE: Final = (
    "embedding_model",
    "embedding_revision",
    "embedding_dimensions",
    "database_schema",
)  # other values give other answers


@contextmanager
def offered(settings: AllSettings) -> Iterator[socket.socket | None]:
    """Give the socket on which commands ask a server of the state folder; None while another server has it."""
    place = _place(settings)
    lock = Lock(place.with_suffix(".lock"))
    try:
        if not lock.acquire():
            yield None
            return
        place.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as offered_socket, _address(place) as address:
            offered_socket.bind(address)
            place.chmod(0o600)
            yield offered_socket
        place.unlink(missing_ok=True)
    finally:
        lock.close()


def ask(settings: AllSettings, question: Question, *, cited: bool = False) -> Answers | None:
    """Return the answers of the running server, with `cited` also their citations.

    None when no server runs on this archive, or when it gives no answer in time.
    """
    place = _place(settings)
    token = settings.archive_token.get_secret_value() if settings.archive_token else None
    try:
        if settings.database_url is not None or not place.exists() or not _is_expressible(question):
            return None
        make_private(settings.state_path)  # that of another user is refused, not asked
        said = _said(place, _query(question, cited=cited), token)
        hits = said["results"]
        citations = [found.get("citation") for found in hits] if cited else []
        return Answers([_hit(found) for found in hits], int(said.get("undated", 0)), citations)
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return None


def _place(settings: AllSettings) -> Path:
    decisive = json.dumps([getattr(settings, name) for name in DECISIVE])
    return settings.state_path / "locks" / f"answers-{hashlib.sha256(decisive.encode()).hexdigest()[:12]}.socket"


@contextmanager
def _address(place: Path) -> Iterator[str]:
    """Give the address of a socket by the handle of its folder: the path of a deep folder would be too long."""
    folder = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{place.name}"
    finally:
        os.close(folder)


def _is_expressible(question: Question) -> bool:
    """Return whether the API can be asked this: it takes an empty filter for none."""
    texts = (question.speaker, question.channel, question.language)
    return all(text is None or text.strip() for text in texts)


def _query(question: Question, *, cited: bool) -> str:
    wanted = {
        "q": question.text,
        "speaker": question.speaker,
        "channel": question.channel,
        "from": question.since and question.since.date(),
        "until": question.until and (question.until - timedelta(days=1)).date(),
        "language": question.language,
        "limit": question.limit,
        "citations": "true" if cited else None,
    }
    return urlencode({name: value for name, value in wanted.items() if value is not None})


def _said(place: Path, query: str, token: str | None) -> dict[str, Any]:
    """Return the answer of the API; raise ValueError for another one."""
    with closing(_Connection(place)) as connection:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request("GET", f"/api/v1/search?{query}", headers=headers)
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise ValueError(f"status {answer.status}")
        said: dict[str, Any] = json.loads(answer.read())
        return said


class _Connection(http.client.HTTPConnection):
    """A connection to a socket in a folder."""

    def __init__(self, place: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_S)
        self._place = place

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ANSWER_S)
        with _address(self._place) as address:
            self.sock.connect(address)


def _hit(found: dict[str, Any]) -> Hit:
    day = found["published_at"]
    own = {name: found[name] for name in Hit.__dataclass_fields__ if name in found}
    own["published_at"] = None if day is None else datetime.fromisoformat(day)
    own["also_speaking"] = tuple(found.get("also_speaking", ()))  # that of an earlier version does not name them
    return Hit(**own, video_id=found["recording"], url=found["link"])
