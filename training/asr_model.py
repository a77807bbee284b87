"""The miniature recognizer: its tokenizer, its network, and what one training step minimises.

A Whisper of 1.9 million parameters. Two auxiliary losses make it learn from the audio within hours instead of days. The
encoder has to name the word that is spoken at each position. The decoder has to attend to the positions of a word while
it writes the word, which also makes its word times right.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.nn import functional
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

from training.grammar import WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from training.asr_data import Window

FRAMES_A_SECOND = 100
POSITIONS_A_SECOND = 50
TIMESTAMP_STEP_S = 0.02
TEXT_TOKENS = 420
SPECIALS = ("endoftext", "startoftranscript", "translate", "transcribe", "startoflm", "startofprev", "nospeech")
ALIGNMENT_HEADS = (0, 1)  # of the last decoder layer
GUIDE_MARGIN_S = 0.06
GUIDE_WEIGHT = 0.1
NAMING_WEIGHT = 1.0
IGNORE = -100


def make_tokenizer(sentences: Sequence[str]) -> Tokenizer:
    """Return a byte-level BPE of 420 tokens trained on `sentences`, with Whisper's special and timestamp tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=TEXT_TOKENS, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([" " + text for text in sentences], trainer)
    tokenizer = _keep_the_blank(tokenizer)
    times = [f"<|{step * TIMESTAMP_STEP_S:.2f}|>" for step in range(1501)]
    names = [f"<|{name}|>" for name in (*SPECIALS, "notimestamps")]
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in (*names, *times)])
    return tokenizer


def _keep_the_blank(tokenizer: Tokenizer) -> Tokenizer:
    """Return the tokenizer with tokens for a blank and a mark, in the places of bytes that UTF-8 never uses.

    Recognizers forbid the first token of " -", " '" and the notes; without these that would be the blank alone, with
    which a third of the words begin.
    """
    content = json.loads(tokenizer.to_str())
    for unused, mark in (("À", "-"), ("Á", "'"), ("õ", "â")):
        content["model"]["vocab"]["Ġ" + mark] = content["model"]["vocab"].pop(unused)
        content["model"]["merges"].append(["Ġ", mark])
    return Tokenizer.from_str(json.dumps(content))


@dataclass(frozen=True)
class Ids:
    """The numbers of the special tokens."""

    end: int
    start: int
    no_speech: int
    no_times: int

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Ids:
        """Read them from a tokenizer."""
        names = ("endoftext", "startoftranscript", "nospeech", "notimestamps")
        numbers = [tokenizer.token_to_id(f"<|{name}|>") for name in names]
        return cls(*(number for number in numbers if number is not None))

    def time(self, second: float) -> int:
        """Return the timestamp token nearest to `second` (0-30)."""
        return self.no_times + 1 + round(min(second, 30.0) / TIMESTAMP_STEP_S)


def make_model(tokenizer: Tokenizer) -> WhisperForConditionalGeneration:
    """Return the untrained network."""
    ids = Ids.of(tokenizer)
    config = WhisperConfig(
        vocab_size=tokenizer.get_vocab_size(),
        num_mel_bins=80,
        d_model=128,
        encoder_layers=4,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=512,
        decoder_ffn_dim=512,
        dropout=0.0,
        pad_token_id=ids.end,
        bos_token_id=ids.end,
        eos_token_id=ids.end,
        decoder_start_token_id=ids.start,
        begin_suppress_tokens=None,
        suppress_tokens=None,
    )
    model = WhisperForConditionalGeneration(config)
    looking = copy.deepcopy(model.config)
    looking._attn_implementation = "eager"  # noqa: SLF001 (the only switch that makes a layer return its attention)
    model.model.decoder.layers[-1].encoder_attn.config = looking
    return model


class Learner(nn.Module):
    """The network with a head that names words, and the loss of a batch of windows."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.ids = Ids.of(tokenizer)
        self.whisper = make_model(tokenizer)
        self.naming = nn.Linear(self.whisper.config.d_model, len(WORDS) + 1)
        extractor = WhisperFeatureExtractor(feature_size=80)  # type: ignore[no-untyped-call]
        self.filters: Tensor
        self.register_buffer("filters", torch.from_numpy(extractor.mel_filters).float(), persistent=False)

    def features(self, windows: Sequence[Window], length_s: float, louder: Sequence[float]) -> Tensor:
        """Return log-mel features (batch, 80, frames): true audio, then zeros, as faster-whisper fills them.

        `louder` raises the level to which each window is scaled, as a louder part of the same file would.
        """
        out = torch.zeros(len(windows), 80, int(length_s * FRAMES_A_SECOND))
        hann = torch.hann_window(400)
        for row, (window, extra) in enumerate(zip(windows, louder, strict=True)):
            padded = functional.pad(torch.from_numpy(window.samples), (0, 160))
            power = torch.stft(padded, 400, 160, window=hann, return_complex=True)[..., :-1].abs() ** 2
            logs = torch.clamp(self.filters.T @ power, min=1e-10).log10()
            logs = (torch.maximum(logs, logs.max() + extra - 8.0) + 4.0) / 4.0
            count = min(out.shape[-1], len(window.samples) // 160)
            out[row, :, :count] = logs[:, :count]
        return out

    def encode(self, features: Tensor) -> Tensor:
        """Return encoder states for features of any length (the library's own encoder takes 30 s only)."""
        encoder = self.whisper.model.encoder
        hidden = functional.gelu(encoder.conv2(functional.gelu(encoder.conv1(features)))).transpose(1, 2)
        hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
        for layer in encoder.layers:
            result = layer(hidden, attention_mask=None)
            hidden = result[0] if isinstance(result, tuple) else result
        states: Tensor = encoder.layer_norm(hidden)
        return states

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Return the loss to minimise, and its parts for the log."""
        states = self.encode(batch.features)
        decoder = self.whisper.model.decoder(
            input_ids=batch.inputs, encoder_hidden_states=states, use_cache=False, output_attentions=True
        )
        logits = self.whisper.proj_out(decoder.last_hidden_state).float()
        text = functional.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), ignore_index=IGNORE)
        guide = guided_attention(decoder.cross_attentions[-1][:, list(ALIGNMENT_HEADS)].float(), batch.spans)
        named = self.naming(states).float()
        naming = functional.cross_entropy(named.flatten(0, 1), batch.naming.flatten(), ignore_index=IGNORE)
        total = text + GUIDE_WEIGHT * guide + NAMING_WEIGHT * naming
        right = (logits.argmax(-1) == batch.labels)[batch.labels != IGNORE].float().mean()
        parts = {"text": text, "guide": guide, "naming": naming, "right": right}
        return total, {name: float(value.detach()) for name, value in parts.items()}


def guided_attention(attention: Tensor, spans: Tensor) -> Tensor:
    """Return how little the heads look at a token's own frames: mean of -log(attention inside its span).

    attention: (batch, heads, tokens, positions); spans: (batch, tokens, 2) first and last position, -1 where unknown.
    """
    inside = attention.cumsum(-1)
    known = spans[..., 1] >= 0
    last = spans[..., 1].clamp(min=0)[:, None, :, None].expand(-1, attention.shape[1], -1, 1)
    before = (spans[..., 0] - 1).clamp(min=0)[:, None, :, None].expand(-1, attention.shape[1], -1, 1)
    first = torch.where(spans[:, None, :, :1] > 0, inside.gather(-1, before), torch.zeros(()))
    mass = (inside.gather(-1, last) - first).squeeze(-1).clamp(min=1e-4)
    weights = known[:, None, :].expand_as(mass).float()
    return -(mass.log() * weights).sum() / weights.sum().clamp(min=1.0)


@dataclass(frozen=True)
class Batch:
    """Tensors of one step; see `Learner.loss` and `guided_attention` for the shapes."""

    features: Tensor
    inputs: Tensor
    labels: Tensor
    spans: Tensor
    naming: Tensor


def names(window: Window, positions: int) -> Tensor:
    """Return the number of the word spoken at each encoder position: 0 nothing, -100 unknown."""
    numbers = torch.zeros(positions, dtype=torch.long)
    for sentence in window.sentences:
        first, last = int(sentence.start_s * POSITIONS_A_SECOND), int(sentence.end_s * POSITIONS_A_SECOND)
        numbers[first:last] = IGNORE
        bounds = [*sentence.word_starts_s, sentence.end_s]
        for word, start_s, end_s in zip(sentence.text.split(), bounds, bounds[1:], strict=False):
            span = slice(int(start_s * POSITIONS_A_SECOND), int(end_s * POSITIONS_A_SECOND))
            numbers[span] = WORDS.index(word.lower().strip(".")) + 1
    if window.cut_at_s is not None:
        numbers[int(window.cut_at_s * POSITIONS_A_SECOND) :] = IGNORE
    return numbers


def target(window: Window, tokenizer: Tokenizer, ids: Ids, *, times: bool) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the tokens of a window after start-of-transcript, and the encoder span of each (-1, -1 where none)."""
    if not window.sentences and window.cut_at_s is None:
        return [ids.no_speech, ids.end], [(-1, -1)] * 2
    tokens: list[int] = [] if times else [ids.no_times]
    spans: list[tuple[int, int]] = [] if times else [(-1, -1)]
    for sentence in window.sentences:
        if times:
            tokens.append(ids.time(sentence.start_s))
            spans.append((-1, -1))
        bounds = [*sentence.word_starts_s, sentence.end_s]
        for index, word in enumerate(sentence.text.split()):
            pieces = tokenizer.encode(" " + word, add_special_tokens=False).ids
            span = (-1, -1)
            if sentence.word_starts_s:
                low = max(0.0, bounds[index] - GUIDE_MARGIN_S) * POSITIONS_A_SECOND
                span = (int(low), int((bounds[index + 1] + GUIDE_MARGIN_S) * POSITIONS_A_SECOND))
            tokens += pieces
            spans += [span] * len(pieces)
        if times:
            tokens.append(ids.time(sentence.end_s))
            spans.append((-1, -1))
    if times and window.cut_at_s is not None:
        tokens.append(ids.time(window.cut_at_s))
        spans.append((-1, -1))
    return [*tokens, ids.end], [*spans, (-1, -1)]


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write `tokenizer.json` where the recognizer looks for it."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
