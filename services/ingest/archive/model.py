"""The text model of the read side: loaded once, in the background, while recordings can be read already."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ingest.shared.errors import Code, IngestError
from ingest.shared.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.embedder.text_model.model_keys import TextModel

log = logs.get_logger(__name__)


class NotReadyError(Exception):
    """The model is still being loaded."""


class Model:
    """A model that `load` reads; `start` begins."""

    def __init__(self, load: Callable[[], TextModel]) -> None:
        self._load = load
        self._done = threading.Event()
        self._encoder: TextModel | None = None
        self._error: IngestError | None = None

    def start(self) -> None:
        """Begin to load."""
        threading.Thread(target=self._run, name="text-model", daemon=True).start()

    def get(self, wait_s: float = 0.0) -> TextModel:
        """Return the model; raise the error of its loading, or NotReadyError when it takes longer than `wait_s`."""
        self._done.wait(wait_s)
        if self._error is not None:
            raise self._error
        if self._encoder is None:
            raise NotReadyError
        return self._encoder

    @property
    def reason(self) -> str | None:
        """Return the reason why the model cannot be used; None when it can."""
        try:
            self.get()
        except NotReadyError:
            return "the text model is being loaded"
        except IngestError as error:
            return error.message
        return None

    def _run(self) -> None:
        try:
            self._encoder = self._load()
        except IngestError as error:
            self._error = error
            log.exception("model_failed", code=error.code, error=error.message)
        except Exception as error:  # the thread hands the error over
            self._error = IngestError(Code.ENV_MODEL, f"{type(error).__name__}: {error}")
            log.exception("model_failed")
        finally:
            self._done.set()
