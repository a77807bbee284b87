"""The verdict on a citation, from what was heard again and what the archive has. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ingest.asr.spans import Span
from ingest.cli.quotes import words
from ingest.shared import scripts

if TYPE_CHECKING:
    from ingest.archive.citation import Citation
    from ingest.archive.citing import Origin
    from ingest.cli.quotes.voice import VoiceMatch
    from ingest.cli.quotes.words import Edit, WordMatch

Result = Literal["same", "words differ", "another time", "another voice", "another file", "gone", "no citation"]
UNKNOWN_PLACE = "no transcript of the recording is kept"


@dataclass(frozen=True)
class Verdict:
    """What hearing a citation again has found. `notes` are what could not be compared, and what has changed since."""

    result: Result
    reason: str = ""
    recording: str = ""
    from_s: float = 0.0
    to_s: float = 0.0
    text: str = ""
    edits: tuple[Edit, ...] = ()
    said_from_s: float | None = None
    said_to_s: float | None = None
    voice: VoiceMatch | None = None
    notes: tuple[str, ...] = ()


def judge_words(citation: Citation, match: WordMatch) -> Verdict:
    """Return the verdict on the words of a citation, by where they are heard."""
    if match.edits:
        lost = "".join(f" {edit.kind}{edit.text}" for edit in match.edits[:20])
        found = Verdict("words differ", f"heard with these differences:{lost}", edits=match.edits)
        return replace(about(citation, found), said_from_s=match.start_s, said_to_s=match.end_s)
    if not match.is_at(citation.from_s, citation.to_s):
        return elsewhere(citation, match)
    return replace(about(citation, Verdict("same")), said_from_s=match.start_s, said_to_s=match.end_s)


def judge_voice(verdict: Verdict, speaker: str, found: VoiceMatch) -> Verdict:
    """Return a verdict with that on the voice."""
    verdict = replace(verdict, voice=found)
    if found.is_same:
        return verdict
    if found.score is None:
        return replace(verdict, result="another voice", reason=f"no voice of {speaker} is known")
    is_other = found.nearest is not None and found.nearest != speaker.casefold()
    other = f"; it is nearest to {found.nearest} ({found.nearest_score})" if is_other else ""
    return replace(verdict, result="another voice", reason=f"similarity {found.score} to {speaker}{other}")


def changes_since(citation: Citation, origin: Origin | None, model: str) -> tuple[str, ...]:
    """Return what is different now, and is no difference of what was said."""
    notes = []
    if model != citation.model:
        notes.append(f"heard with {model}, recognised with {citation.model}")
    if origin is None:
        notes.append(UNKNOWN_PLACE)
    elif origin.transcript_sha256 != citation.transcript_sha256:
        notes.append(f"the archive has another transcript now (generation {origin.generation})")
    return tuple(notes)


def place_of(citation: Citation, origin: Origin) -> Span | None:
    """Return where the transcript of the archive has the words of a citation; None where it does not have them."""
    spoken = [
        words.HeardWord(word.text, word.start_s, word.end_s)
        for segment in origin.transcript.segments
        for word in segment.words
    ]
    wanted = scripts.folded(citation.recognised)
    said = [(token, word) for word in spoken for token in scripts.folded(word.text)]
    found = [
        Span(said[at][1].start_s, said[at + len(wanted) - 1][1].end_s)
        for at in range(len(said) - len(wanted) + 1)
        if all(said[at + number][0] == token for number, token in enumerate(wanted))
    ]
    return min(found, key=lambda span: abs(span.start_s - citation.from_s), default=None) if wanted else None


def elsewhere(citation: Citation, match: WordMatch) -> Verdict:
    """Return the verdict on a citation whose words are said at another time."""
    text = f"the words are said from {match.start_s:.1f} to {match.end_s:.1f} s"
    return replace(about(citation, Verdict("another time", text)), said_from_s=match.start_s, said_to_s=match.end_s)


def about(citation: Citation, verdict: Verdict) -> Verdict:
    """Return a verdict with what it is about."""
    return replace(
        verdict, recording=citation.recording, from_s=citation.from_s, to_s=citation.to_s, text=citation.text
    )
