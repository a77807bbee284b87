"""Says when each word of a text begins in a recording, by forced alignment with pocketsphinx and its English model.

Not for the project's environment: `bench.word_starts` runs this file with the Python of another one. Reads a line of
JSON (`audio`: a file of 16-bit samples, 16,000 a second, and `words`), and prints one: starts in seconds, or the
unknown words.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

FRAMES_A_SECOND = 100


def aligned(pocketsphinx: Any, audio: Path, words: list[str]) -> dict[str, Any]:  # noqa: ANN401 (not installed here)
    """Return the start of each word, or the words that the dictionary of the model does not have."""
    decoder = pocketsphinx.Decoder(samprate=16_000, lm=None, loglevel="FATAL")
    unknown = [word for word in words if decoder.lookup_word(word) is None]
    if unknown:
        return {"unknown": unknown}
    decoder.set_align_text(" ".join(words))
    decoder.start_utt()
    decoder.process_raw(audio.read_bytes(), no_search=False, full_utt=True)
    decoder.end_utt()
    found = [(part.word.partition("(")[0], part.start_frame) for part in decoder.seg() or ()]
    spoken = [(word, frame / FRAMES_A_SECOND) for word, frame in found if word[0] not in "<[+"]
    return (
        {"starts_s": [start_s for _, start_s in spoken]} if [word for word, _ in spoken] == words else {"unknown": []}
    )


if __name__ == "__main__":
    wanted = json.loads(sys.stdin.readline())
    print(json.dumps(aligned(import_module("pocketsphinx"), Path(wanted["audio"]), wanted["words"])))
