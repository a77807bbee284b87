"""A recording as it is exported: its passages, their words and its turns, from the database and the volume."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise, repeat
from typing import TYPE_CHECKING

from ingest.archive import spoken
from ingest.archive.citing import Citing
from ingest.embedder.corrections import names
from ingest.shared import outgoing, scripts
from ingest.shared.artifacts.transcript import Turn, Word
from ingest.shared.errors import IngestError
from ingest.shared.links import link

if TYPE_CHECKING:
    from ingest.archive.reading import PassageRow, Reading, RecordingRow
    from ingest.shared.artifacts.transcript import Transcript
    from ingest.shared.artifacts.volume import Volume

CITED = "json"  # the format with citations
NO_WORDS = "its words have no stored times: the times of its subtitles are estimated"


@dataclass(frozen=True)
class Document:
    """A recording. `words` has the words of each passage; none where their times are not stored.

    `languages` has the language of each passage, None for that of the recording; it is empty where none is stored.
    `vectors` has the vector of each passage by `model`, and `citations` their citations, where they are asked for.
    """

    recording: RecordingRow
    passages: tuple[PassageRow, ...]
    words: tuple[tuple[Word, ...], ...] = ()
    turns: tuple[Turn, ...] = ()
    languages: tuple[str | None, ...] = ()
    model: str | None = None
    vectors: tuple[list[float] | None, ...] | None = None
    citations: tuple[str | None, ...] = ()

    @property
    def title(self) -> str:
        """Return the title of the recording, or its id."""
        return self.recording.title or self.recording.video_id

    @property
    def lacks_words(self) -> bool:
        """Return whether a passage has no words with times."""
        return any(passage.text.strip() and not words for passage, words in zip(self.passages, self.words, strict=True))

    def link(self, start_s: float) -> str | None:
        """Return the address of the recording at a second, without its login and tokens."""
        return link(self.recording.source_kind, self.recording.source_url, start_s)

    def spoken(self) -> list[tuple[PassageRow, tuple[Word, ...], str]]:
        """Return each passage with its words and language; words without stored times get equal shares of its time."""
        languages = (language or self.recording.language or "" for language in self.languages or repeat(None))
        return [
            (passage, words or estimated(passage), language)
            for passage, words, language in zip(self.passages, self.words, languages, strict=False)
        ]

    def without_speakers(self) -> Document:
        """Return the document without the names of its speakers, and without turns."""
        passages = tuple(
            replace(passage, speaker=None, score=None, named_by=None, also_speaking=()) for passage in self.passages
        )
        return replace(self, passages=passages, turns=(), citations=())

    def printable(self) -> Document:
        """Return the document without what a terminal would obey, before a format escapes what has a meaning in it.

        An invisible letter before `=` would hide a formula from the format, and leave it when it is taken out later.
        """
        recording = replace(
            self.recording, title=_printable(self.recording.title), channel=_printable(self.recording.channel)
        )
        passages = tuple(
            replace(
                one,
                text=outgoing.printable(one.text),
                speaker=_printable(one.speaker),
                named_by=_printable(one.named_by),
                also_speaking=tuple(map(outgoing.printable, one.also_speaking)),
            )
            for one in self.passages
        )
        words = tuple(
            tuple(one.model_copy(update={"text": outgoing.printable(one.text)}) for one in group)
            for group in self.words
        )
        turns = tuple(one.model_copy(update={"speaker": outgoing.printable(one.speaker)}) for one in self.turns)
        return replace(self, recording=recording, passages=passages, words=words, turns=turns)


def _printable(text: str | None) -> str | None:
    return text and outgoing.printable(text)


def load(reading: Reading, volume: Volume, recording: RecordingRow, *, cited: bool = False) -> Document:
    """Return a recording with all that is stored of it; with `cited`, also a citation of each passage.

    Damaged or deleted files on the volume count as none.
    """
    video_id = recording.video_id
    passages, said = tuple(reading.passages(video_id)), reading.overlay(video_id)
    recognised = _transcript(volume, video_id)
    turns = spoken.turns_of(volume, video_id, recognised)
    transcript = spoken.corrected(recognised, turns, said)
    words = tuple(spoken.words_of(passages, transcript))
    languages = tuple(spoken.languages_of(passages, transcript))
    found = Document(recording, passages, words, names.apply(turns, said.speakers).turns, languages)
    citing = Citing(reading, volume)
    return replace(found, citations=tuple(citing.token(video_id, one) for one in passages)) if cited else found


def with_vectors(document: Document, reading: Reading) -> Document:
    """Return a recording with the vectors of its passages; one whose text was replaced meanwhile has none."""
    model = reading.model()
    found = reading.vectors(document.recording.video_id, model) if model is not None else {}
    return replace(document, model=model, vectors=tuple(found.get((row.index, row.text)) for row in document.passages))


def estimated(passage: PassageRow) -> tuple[Word, ...]:
    """Return the words of a passage, each with an equal share of its time."""
    texts = scripts.tokens(f" {passage.text}")
    share_s = (passage.end_s - passage.start_s) / max(1, len(texts))
    times_s = [*(passage.start_s + share_s * number for number in range(len(texts))), passage.end_s]
    return tuple(
        Word(start_s=start_s, end_s=max(start_s, end_s), before=before[:1] and " ", text=text, probability=1.0)
        for (before, text), (start_s, end_s) in zip(texts, pairwise(times_s), strict=True)
    )


def _transcript(volume: Volume, video_id: str) -> Transcript | None:
    try:
        return spoken.stored(volume, video_id)
    except IngestError as error:
        if error.code not in spoken.DAMAGED:
            raise
        return None
