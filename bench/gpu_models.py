"""The networks of `bench.gpu`, by their architecture: the weights are random, and take as long as trained ones."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

WINDOW_S = 30  # of Whisper
SAMPLE_RATE = 16_000
MELS, FRAMES = 128, 3000
TOKENS_A_SECOND = 4  # of speech; random weights would go on to the limit
START, END, PAD = 50258, 50257, 50256
SEGMENTATION_S = 10
TEXT_TOKENS = 128
FULL_WHISPER = {  # https://huggingface.co/distil-whisper/distil-large-v3, config.json
    "d_model": 1280,
    "encoder_layers": 32,
    "decoder_layers": 2,
    "encoder_attention_heads": 20,
    "decoder_attention_heads": 20,
    "encoder_ffn_dim": 5120,
    "decoder_ffn_dim": 5120,
}
SMALL_WHISPER = {
    "d_model": 64,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 128,
}
FULL_TEXT = {  # https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2, config.json
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
}
SMALL_TEXT = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}


@dataclass(frozen=True)
class Place:
    """Where the networks are, and of which size they are; `is_small` is the form for a CPU."""

    device: str
    is_small: bool

    @property
    def dtype(self) -> torch.dtype:
        """Return the type of the weights: half precision on a card."""
        return torch.float16 if self.device == "cuda" else torch.float32

    def ready(self) -> None:
        """Wait until the device has done all that it was given."""
        if self.device == "cuda":
            torch.cuda.synchronize()


def recognition(place: Place, beam: int, tokens: int) -> Callable[[Tensor], None]:
    """Return what recognises windows: features of a batch, shape (windows, mels, frames)."""
    library = _transformers()
    shape = SMALL_WHISPER if place.is_small else FULL_WHISPER
    config = library.WhisperConfig(vocab_size=51866, num_mel_bins=MELS, **shape)
    network = library.WhisperForConditionalGeneration(config).to(place.device, place.dtype).eval()
    how = library.GenerationConfig(
        max_new_tokens=tokens,
        min_new_tokens=tokens,
        num_beams=beam,
        decoder_start_token_id=START,
        eos_token_id=END,
        pad_token_id=PAD,
        use_cache=True,
        do_sample=False,
    )

    @torch.inference_mode()
    def recognise(features: Tensor) -> None:
        library.GenerationMixin.generate(
            network, features, generation_config=how
        )  # not Whisper's own, which looks at times

    return recognise


def features_of(place: Place) -> Callable[[int], Tensor]:
    """Return what makes the log-mel features of so many windows, as a CPU has to make them for a card."""
    extract = _transformers().WhisperFeatureExtractor(feature_size=MELS)
    noise = np.random.default_rng(7).standard_normal(WINDOW_S * SAMPLE_RATE).astype(np.float32)

    def features(windows: int) -> Tensor:
        found = extract([noise] * windows, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        made: Tensor = found["input_features"].to(place.device, place.dtype)
        return made

    return features


def texts(place: Place) -> Callable[[int], None]:
    """Return what embeds so many texts of the length of a passage."""
    library = _transformers()
    shape = SMALL_TEXT if place.is_small else FULL_TEXT
    network = library.BertModel(library.BertConfig(**shape)).to(place.device, place.dtype).eval()

    @torch.inference_mode()
    def embed(count: int) -> None:
        ids = torch.randint(1000, 20_000, (count, TEXT_TOKENS), device=place.device)
        network(input_ids=ids).last_hidden_state.mean(dim=1).cpu()

    return embed


def segmentation(place: Place) -> Callable[[int], None]:
    """Return what finds the speakers of so many windows of ten seconds; ImportError without pyannote.audio."""
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.segmentation import PyanNet

    network: Any = PyanNet()
    network.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=float(SEGMENTATION_S),
        classes=["a", "b", "c"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    network.build()
    return _of_waveforms(place, network, SEGMENTATION_S)


def voices(place: Place) -> Callable[[int], None]:
    """Return what computes the frames of so many windows of ten seconds, which all embeddings of their voices share."""
    from pyannote.audio.models.embedding import WeSpeakerResNet34

    return _of_waveforms(place, WeSpeakerResNet34(), SEGMENTATION_S)


def _transformers() -> Any:  # noqa: ANN401 (a module whose types are not whole)
    return importlib.import_module("transformers")


def _of_waveforms(place: Place, network: Any, seconds: int) -> Callable[[int], None]:  # noqa: ANN401 (of a library)
    network.to(place.device).eval()

    @torch.inference_mode()
    def run(count: int) -> None:
        network(torch.randn(count, 1, SAMPLE_RATE * (1 if place.is_small else seconds), device=place.device))

    return run
