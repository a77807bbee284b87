"""Computes the vectors of texts: the only file that imports sentence_transformers.

The batcher calls `Encoder.run` with texts of several videos. Vectors are of length 1.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from transformers.utils import logging as transformers_logging

from ingest.embedder.text_model import model_files
from ingest.embedder.text_model.prompts import prompts_of
from ingest.shared.artifacts import fingerprint
from ingest.shared.device.batcher import OutOfDeviceMemoryError
from ingest.shared.device.cuda_errors import is_device_lost, is_out_of_memory
from ingest.shared.errors import Code, IngestError
from ingest.shared.text import first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingest.embedder.settings import EmbedderSettings

NORM_TOLERANCE = 1e-2
FALLBACK_TOKENS = 512

Vector = npt.NDArray[np.float32]


class Encoder:
    """A loaded model: `dimensions` is the length of its vectors, `max_tokens` the number of tokens it reads of a text.

    `content_id` identifies its files, and `key` is the name of its vectors in a new archive. `broken` is the reason
    after the device is lost.
    """

    def __init__(
        self,
        name: str,
        device: Literal["auto", "cpu", "cuda"],
        batch_size: int,
        revision: str | None = None,
        dimensions: int | None = None,
    ) -> None:
        self._batch_size = batch_size
        self._turn = threading.Lock()
        self.broken: str | None = None
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        folder = model_files.locate(name, revision=revision)
        try:
            self._prompts = prompts_of(model_files.family(name, folder), folder)
            self._model = SentenceTransformer(
                str(folder),
                device=None if device == "auto" else device,
                trust_remote_code=False,
                truncate_dim=dimensions,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:
            raise IngestError(Code.ENV_MODEL, f"embedding model {name}: {first_line(error)}") from error
        self._model.eval()
        self.dimensions = int(self._model.get_embedding_dimension() or 0)
        mark = self._prompts.mark + (f":{dimensions}" if dimensions else "")
        self.content_id = (fingerprint.hub_commit(folder) or fingerprint.fingerprint(folder)) + mark
        self.key = f"{model_files.plain_name(name, folder)}@{fingerprint.short_id(folder)}{mark}"
        # A copy: each call of the model reconfigures its own tokenizer, which only the device thread may use.
        self._counter = Tokenizer.from_str(self._model.tokenizer.backend_tokenizer.to_str())
        self._counter.no_truncation()
        self._counter.no_padding()
        specials = self._counter.num_special_tokens_to_add(is_pair=False)
        self.max_tokens = int(self._model.max_seq_length or FALLBACK_TOKENS) - specials
        self.max_tokens -= self.count_tokens(self._prompts.passage)

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of a text, without special tokens. Thread-safe."""
        return len(self._counter.encode(text, add_special_tokens=False).ids)

    def run(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of passages, computed in one batch, with the prompt of the model. Threads take turns.

        Raise BAD_EMBEDDING for invalid vectors, and ENV_CUDA when the device is lost.
        """
        return self._computed(self._model.encode_document, texts, self._prompts.passage)

    def question(self, text: str) -> Vector:
        """Return the vector of a question, with the prompt of the model. It raises what `run` raises."""
        (vector,) = self._computed(self._model.encode_query, [text], self._prompts.question)
        return vector

    def _computed(self, encode: Callable[..., Any], texts: Sequence[str], prompt: str) -> list[Vector]:
        try:
            with self._turn:
                vectors = encode(
                    list(texts),
                    prompt=prompt or None,
                    batch_size=self._batch_size,
                    normalize_embeddings=True,
                    convert_to_numpy=True,
                    show_progress_bar=False,
                )
        except RuntimeError as error:
            if is_out_of_memory(error):
                torch.cuda.empty_cache()
                raise OutOfDeviceMemoryError(str(error)) from error
            if not is_device_lost(error):
                raise
            self.broken = first_line(error)  # the service ends after it has settled its messages
            raise IngestError(Code.ENV_CUDA, self.broken) from error
        check_vectors(vectors, self.dimensions)
        return list(vectors)


def load(settings: EmbedderSettings) -> Encoder:
    """Load the model that the settings name."""
    return Encoder(
        settings.embedding_model,
        settings.embedding_device,
        settings.embedding_batch_size,
        settings.embedding_revision,
        settings.embedding_dimensions,
    )


def check_vectors(vectors: Vector, dimensions: int) -> None:
    """Raise BAD_EMBEDDING unless every vector has the right dimension, finite numbers and length 1."""
    if vectors.shape[1:] != (dimensions,):
        raise IngestError(Code.BAD_EMBEDDING, f"dim {vectors.shape[-1]}≠{dimensions}")
    if not np.isfinite(vectors).all():
        raise IngestError(Code.BAD_EMBEDDING, "not finite")
    if len(vectors) and np.abs(np.linalg.norm(vectors, axis=1) - 1).max() > NORM_TOLERANCE:
        raise IngestError(Code.BAD_EMBEDDING, "length is not 1")
