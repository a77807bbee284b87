"""A recognizer has to return the words of the bundled sentence, at start and every hour."""

from __future__ import annotations

from concurrent.futures import Future
from threading import Event

import pytest

from ingest.asr.recognition.canary import SENTENCES, Canary, check
from ingest.asr.recognition.whisper import ChunkTranscript
from ingest.shared.errors import Code, IngestError

GOOD = ChunkTranscript(text=SENTENCES)
EMPTY = ChunkTranscript()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(SENTENCES, id="exact"),
        pytest.param(SENTENCES.upper().replace(".", " !"), id="other case and marks"),
        pytest.param("the joyful finger practices the symphony every mourning orchestra practices piano", id="nearly"),
    ],
)
def test_most_of_the_words_are_enough(text: str) -> None:
    check(ChunkTranscript(text=text))


@pytest.mark.parametrize("text", ["", "!!!!!!!!", "the the the the", "Thank you for watching."])
def test_silence_and_other_words_are_refused(text: str) -> None:
    with pytest.raises(IngestError, match="INGEST_ASR_CANARY=false") as caught:
        check(ChunkTranscript(text=text))
    assert caught.value.code is Code.ENV_MODEL


def test_the_check_is_repeated_until_it_fails_and_then_reported_once() -> None:
    results = iter([GOOD, GOOD, EMPTY])
    succeeded: list[float] = []
    failures: list[str] = []
    failed = Event()

    def submit() -> Future[ChunkTranscript]:
        future: Future[ChunkTranscript] = Future()
        future.set_result(next(results))
        return future

    def fail(reason: str) -> None:
        failures.append(reason)
        failed.set()

    Canary(submit, fail, succeeded.append, every_s=0.01).start()
    assert failed.wait(10)
    assert len(succeeded) == 3  # at start, and twice
    assert len(failures) == 1
    assert "instead of" in failures[0]


def test_a_stopped_check_reports_nothing() -> None:
    failures: list[str] = []
    canary = Canary(Future, failures.append, lambda _: None, every_s=0.01)
    canary.start()
    canary.stop()
    assert failures == []
