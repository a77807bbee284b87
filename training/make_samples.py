"""Make the recordings of the demonstration: `python -m training.make_samples` writes services/ingest/demo/samples.

Six episodes of about a minute, each on one subject, read by voices that the models were never trained with, in
sentences that were not in their training material; and a conversation of two of these voices.
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from typing import TYPE_CHECKING

import av
import numpy as np

from ingest.demo import ENROLLED, SAMPLES, Sample, SpokenSentence
from training.conversations import Speaker, converse, speaking
from training.grammar import SUBJECTS, held_out, sentence
from training.voices import SAMPLE_RATE, Utterance, Voice, speak

if TYPE_CHECKING:
    from pathlib import Path

    from training.asr_data import FloatArray

SENTENCES = 14
BIT_RATE = 24_000
OPUS_RATE = 48_000
EPISODES = (
    ("sea", "Morning at the harbor", "2026-03-02", Voice("espeak-ng", "f3", "en-us", 155, 50)),
    ("garden", "The greenhouse in winter", "2026-03-09", Voice("espeak-ng", "m5", "en", 160, 45)),
    ("kitchen", "A restaurant on sunday", "2026-03-16", Voice("espeak-ng", "Andrea", "en-us", 150, 55)),
    ("space", "Telescopes and comets", "2026-03-23", Voice("espeak-ng", "david", "en-gb-x-rp", 155, 45)),
    ("music", "Notes from the concert", "2026-03-30", Voice("espeak-ng", "steph3", "en-us", 165, 55)),
    ("medicine", "A night in the hospital", "2026-04-06", Voice("espeak-ng", "miguel", "en-us", 155, 40)),
)


CONVERSATION = ("7-conversation.ogg", "Two friends at the harbor", "2026-04-13", 75.0)
TALKERS = {ENROLLED: EPISODES[0][3], "": EPISODES[3][3]}  # the stranger has no name


def unseen_sentences(rng: random.Random, subject: str, count: int) -> list[str]:
    """Return different sentences that are kept out of training."""
    found: list[str] = []
    while len(found) < count:
        text = sentence(rng, subject)
        if held_out(text) and text not in found:
            found.append(text)
    return found


def join(utterances: list[Utterance], rng: random.Random) -> tuple[FloatArray, list[SpokenSentence]]:
    """Return utterances one after the other with pauses of 0.3-1.2 s, and when each begins."""
    parts, sentences, at = [], [], 0.0
    for utterance in utterances:
        pause = np.zeros(int(rng.uniform(0.3, 1.2) * SAMPLE_RATE), dtype=np.float32)
        at += len(pause) / SAMPLE_RATE
        sentences.append(SpokenSentence(round(at, 2), utterance.text))
        parts += [pause, utterance.samples * np.float32(0.7)]
        at += utterance.duration_s
    noise = np.random.default_rng(1).standard_normal(sum(map(len, parts)), dtype=np.float32) * np.float32(0.0005)
    return np.concatenate(parts) + noise, sentences


def write_opus(samples: FloatArray, path: Path) -> None:
    """Write mono samples at 16 kHz as Ogg Opus."""
    with av.open(str(path), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=OPUS_RATE, layout="mono", bit_rate=BIT_RATE)
        resampler = av.AudioResampler(format="s16", layout="mono", rate=OPUS_RATE)
        pcm = (samples.clip(-1, 1) * 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


def main() -> None:
    """Write the recordings and their description."""
    SAMPLES.mkdir(parents=True, exist_ok=True)
    made = []
    for number, (subject, title, published, voice) in enumerate(EPISODES, 1):
        rng = random.Random(number)
        texts = unseen_sentences(rng, subject, SENTENCES)
        samples, sentences = join([speak(text, voice) for text in texts], rng)
        file = f"{number}-{subject}.ogg"
        write_opus(samples, SAMPLES / file)
        name = f"{voice.engine} {voice.accent}+{voice.name}"
        made.append(Sample(file, title, published, round(len(samples) / SAMPLE_RATE, 2), name, tuple(sentences)))
        print(file, f"{made[-1].duration_s:.1f} s", len(texts), "sentences,", len(SUBJECTS[subject].things), "things")
    (SAMPLES / "samples.json").write_text(json.dumps([asdict(sample) for sample in made], indent=1) + "\n")
    make_conversation()


def make_conversation() -> None:
    """Write the conversation."""
    file, title, published, length_s = CONVERSATION
    rng = random.Random(7)
    say = speaking([Speaker(voice) for voice in TALKERS.values()], rng)
    talk = converse(say, range(len(TALKERS)), rng, length_s, overlaps=0.0)
    write_opus(talk.samples, SAMPLES / file)
    names = list(TALKERS)
    sentences = tuple(
        SpokenSentence(turn.start_s, turn.text, turn.end_s, names[turn.speaker]) for turn in talk.utterances
    )
    voices = " and ".join(f"{voice.accent}+{voice.name}" for voice in TALKERS.values())
    made = Sample(file, title, published, round(len(talk.samples) / SAMPLE_RATE, 2), f"espeak-ng {voices}", sentences)
    (SAMPLES / "conversation.json").write_text(json.dumps([asdict(made)], indent=1) + "\n")
    print(file, f"{made.duration_s:.1f} s", len(sentences), "sentences")


if __name__ == "__main__":
    main()
