"""Computes the vectors of a few texts with numpy: a question needs none of the seconds that torch takes to load.

Only BERT with mean pooling (all-MiniLM-L6-v2) is computed here; `load` gives other models to `encoder`. The vectors are
those of `encoder`, up to rounding.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file
from threadpoolctl import ThreadpoolController
from tokenizers import Tokenizer

from ingest.embedder.text_model import model_files
from ingest.embedder.text_model.prompts import prompts_of
from ingest.shared.artifacts import fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ingest.embedder.settings import EmbedderSettings
    from ingest.embedder.text_model.model_keys import PassageModel

PARTS: Final = ("models.Transformer", "models.Pooling", "models.Normalize")
TOKENS_IN_A_GROUP = 256  # their matrices fit into the cache of a core
ERF: Final = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
ARCHITECTURE: Final = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}

Vector = npt.NDArray[np.float32]


class UnknownModelError(Exception):
    """A model that is not computed here."""


class LightEncoder:
    """A loaded model: what a question needs of it. It raises UnknownModelError for another kind of model."""

    def __init__(self, name: str, folder: Path, config: dict[str, Any], tokens: int) -> None:
        self._weights: dict[str, Vector] = load_file(folder / "model.safetensors")
        if any(weight.dtype in (np.float16, np.float64) for weight in self._weights.values()):
            raise UnknownModelError("its weights have another precision")
        self._heads = int(config["num_attention_heads"])
        self._layers = int(config["num_hidden_layers"])
        self._epsilon = float(config["layer_norm_eps"])
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(tokens)
        self._tokenizer.no_padding()
        self._counter = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._counter.no_truncation()
        self._counter.no_padding()
        self._libraries = ThreadpoolController()
        self._pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="text-model")
        self.dimensions = int(config["hidden_size"])
        self._prompts = prompts_of(model_files.family(name, folder), folder)
        self.max_tokens = tokens - self._counter.num_special_tokens_to_add(is_pair=False)
        self.max_tokens -= self.count_tokens(self._prompts.passage)
        mark = self._prompts.mark
        self.content_id = (fingerprint.hub_commit(folder) or fingerprint.fingerprint(folder)) + mark
        self.key = f"{model_files.plain_name(name, folder)}@{fingerprint.short_id(folder)}{mark}"

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of a text, without special tokens."""
        return len(self._counter.encode(text, add_special_tokens=False).ids)

    def run(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of passages, each of length 1, with the prompt of the model."""
        return self._computed([self._prompts.passage + text for text in texts])

    def question(self, text: str) -> Vector:
        """Return the vector of a question, with the prompt of the model."""
        (vector,) = self._computed([self._prompts.question + text])
        return vector

    def _computed(self, texts: Sequence[str]) -> list[Vector]:
        groups = _grouped([self._tokenizer.encode(text.strip()).ids for text in texts])
        with self._libraries.limit(limits=1):  # threads that wait for such small matrices take more time than they save
            computed = self._pool.map(self._vectors, groups) if len(groups) > 1 else map(self._vectors, groups)
            return [vector for vectors in computed for vector in vectors]

    def _vectors(self, group: list[list[int]]) -> list[Vector]:
        """Return the vectors of the texts with these tokens: all tokens of a group are rows of the same matrices."""
        ends = list(accumulate(map(len, group)))
        texts = [slice(end - len(ids), end) for ids, end in zip(group, ends, strict=True)]
        places = [place for ids in group for place in range(len(ids))]
        name = "embeddings"
        states = self._weights[f"{name}.word_embeddings.weight"][[token for ids in group for token in ids]]
        states = states + self._weights[f"{name}.position_embeddings.weight"][places]
        states = self._norm(states + self._weights[f"{name}.token_type_embeddings.weight"][0], f"{name}.LayerNorm")
        for number in range(self._layers):
            states = self._layer(states, f"encoder.layer.{number}", texts)
        means = [states[text].mean(axis=0) for text in texts]
        return [np.asarray(mean / np.linalg.norm(mean), dtype=np.float32) for mean in means]

    def _layer(self, states: Vector, name: str, texts: Sequence[slice]) -> Vector:
        query, key, value = (self._split(states, f"{name}.attention.self.{part}") for part in ("query", "key", "value"))
        query *= query.shape[-1] ** -0.5
        seen = np.concatenate([_attended(query[:, text], key[:, text], value[:, text]) for text in texts])
        attention = self._linear(seen, f"{name}.attention.output.dense")
        states = self._norm(attention + states, f"{name}.attention.output.LayerNorm")
        inner = gelu(self._linear(states, f"{name}.intermediate.dense"))
        return self._norm(self._linear(inner, f"{name}.output.dense") + states, f"{name}.output.LayerNorm")

    def _split(self, states: Vector, name: str) -> Vector:
        """Return states (heads, tokens, dimensions of a head)."""
        return self._linear(states, name).reshape(len(states), self._heads, -1).transpose(1, 0, 2)

    def _linear(self, states: Vector, name: str) -> Vector:
        product: Vector = states @ self._weights[f"{name}.weight"].T
        product += self._weights[f"{name}.bias"]
        return product

    def _norm(self, states: Vector, name: str) -> Vector:
        centred = states - states.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(self._epsilon))
        return np.asarray(centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"])


def _grouped(texts: Sequence[list[int]]) -> list[list[list[int]]]:
    """Return the tokens of texts in groups that are computed together."""
    groups: list[list[list[int]]] = []
    held = TOKENS_IN_A_GROUP
    for ids in texts:
        if held + len(ids) > TOKENS_IN_A_GROUP:
            groups.append([])
            held = 0
        groups[-1].append(ids)
        held += len(ids)
    return groups


def _attended(query: Vector, key: Vector, value: Vector) -> Vector:
    """Return the attention (tokens, dimensions) of one text, from (heads, tokens, dimensions of a head)."""
    scores = query @ key.transpose(0, 2, 1)
    scores -= scores.max(axis=-1, keepdims=True)
    shares = np.exp(scores, out=scores)
    shares /= shares.sum(axis=-1, keepdims=True)
    seen: Vector = (shares @ value).transpose(1, 0, 2).reshape(query.shape[1], -1)
    return seen


def gelu(values: Vector) -> Vector:
    """Return the Gaussian error linear unit; its error function is that of Abramowitz and Stegun, 7.1.26 (1.5e-7)."""
    size = np.abs(values)
    part = 1 / (1 + (0.3275911 * 0.5**0.5) * size)
    rest = np.full_like(part, ERF[0])  # 1 - erf(size / sqrt(2))
    for factor in ERF[1:]:
        rest *= part
        rest += factor
    rest *= part
    rest *= np.exp(size * size * -0.5)
    rest *= size
    rest *= 0.5
    return np.asarray(np.maximum(values, 0) - rest)


def load(settings: EmbedderSettings) -> PassageModel:
    """Load the model that the settings name, for a few texts: here where that is possible, else with torch."""
    folder = model_files.locate(settings.embedding_model, revision=settings.embedding_revision)
    if settings.embedding_dimensions is None:  # shortened vectors are not computed here
        with suppress(UnknownModelError):
            return read(settings.embedding_model, folder)
    from ingest.embedder.text_model import encoder  # seconds of imports

    return encoder.load(settings)


def read(name: str, folder: Path) -> LightEncoder:
    """Return the model in a folder; raise UnknownModelError when it is not computed here."""
    try:
        config = _content(folder, "config.json")
        if not _is_known(folder, config):
            raise UnknownModelError("it is of another kind")
        tokens = int(_content(folder, "sentence_bert_config.json")["max_seq_length"])
        encoder = LightEncoder(name, folder, config, tokens)
        encoder.run([name])  # weights may have other names
    except (OSError, ValueError, LookupError, TypeError, SafetensorError) as error:
        raise UnknownModelError(str(error)) from error  # the other encoder reads more forms of models
    return encoder


def _is_known(folder: Path, config: dict[str, Any]) -> bool:
    parts = _content(folder, "modules.json")
    pooling = _content(folder, f"{parts[1]['path']}/config.json")
    modes = {name for name, is_on in pooling.items() if name.startswith("pooling_mode") and is_on}
    whole = folder / "config_sentence_transformers.json"
    prompts = _content(folder, whole.name) if whole.is_file() else {}
    return (
        len(parts) == len(PARTS)
        and all(part["type"].endswith(expected) for part, expected in zip(parts, PARTS, strict=True))
        and modes == {"pooling_mode_mean_tokens"}
        and pooling.get("include_prompt", True)
        and {name: config.get(name, default) for name, default in ARCHITECTURE.items()} == ARCHITECTURE
        and not prompts.get("default_prompt_name")
        and not _content(folder, "sentence_bert_config.json").get("do_lower_case")
    )


def _content(folder: Path, name: str) -> Any:  # noqa: ANN401 (JSON of a model)
    return json.loads((folder / name).read_text())
