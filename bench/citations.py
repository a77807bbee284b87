"""Citations of real people, true and altered, and what `ingest verify` says about each.

Recordings with several speakers of a folder with a `manifest.jsonl` (default: `../shared/speech`) are brought into an
archive by `ingest run`, with the models of INGEST_ASR_MODEL and INGEST_DIARIZATION_MODEL. Each passage of a speaker is
a true citation. It is altered in four ways, each time with the right checksums, models and transcript of what it
claims, so that only hearing it again can find the change:

    word      one of its words is another one, or is left out
    second    it is said to be elsewhere in the recording
    speaker   another speaker of the recording is said to speak
    file      it is said to be in another recording, at the same time

The least similarity of a voice (`LEAST` in `ingest.cli.quotes.voice`) is chosen on the half `tune`, and shown on the
half `report`.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import report
from bench.real_speech_set import FOLDER, HALVES, Recording, chosen, read
from ingest.archive.citing import Citing
from ingest.archive.reading import Reading
from ingest.cli.local.state_folder import open_archive
from ingest.cli.quotes import command
from ingest.cli.settings import AllSettings
from ingest.embedder.tables.catalog import Catalog
from ingest.shared import scripts
from ingest.shared.homes.chosen import volume_of
from ingest.shared.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.archive.citation import Citation
    from ingest.cli.quotes.verdicts import Verdict

RIGHT = {  # the verdicts that name what was altered
    "true": ("same",),
    "word": ("words differ",),
    "second": ("another time",),
    "speaker": ("another voice",),
    "file": ("words differ", "another time"),
}
SHORTEST_S, FEWEST_WORDS = 2.0, 5  # of a citation
NEAREST_S, FURTHEST_S = 4.0, 20.0  # by which a citation is moved


@dataclass(frozen=True)
class Quote:
    """A citation, what was altered in it, and the length of its recording."""

    kind: str
    citation: Citation
    length_s: float


@dataclass(frozen=True)
class Judgement:
    """What was altered in a citation, the verdict on it, and the similarities of the voice."""

    kind: str
    result: str
    reason: str
    recording: str
    from_s: float
    text: str
    score: float | None
    nearest_score: float | None

    @property
    def is_right(self) -> bool:
        """Return whether the verdict names what was altered."""
        return self.result in RIGHT[self.kind]


def of_several(recordings: Sequence[Recording]) -> list[Recording]:
    """Return the recordings of which is known who speaks when."""
    return [one for one in recordings if one.rttm is not None and not one.is_silent]


def archive(folder: Path, recordings: Sequence[Recording], state: Path) -> None:
    """Bring recordings into an archive, as a user does."""
    files = [str(folder / one.file) for one in recordings]
    words = [sys.executable, "-m", "ingest.cli.app", "run", *files, "--state", str(state), "--json"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 (our own command)


def true_citations(settings: AllSettings) -> list[Quote]:
    """Return the citations of all passages with a speaker that are long enough to be altered."""
    with open_archive(settings) as opened:
        reading, volume = Reading(opened.database), volume_of(settings)
        citing, found = Citing(reading, volume), []
        for row in Catalog(opened.database).chosen(states=["indexed"]):
            origin = citing.origin(row.video_id)
            for passage in reading.passages(row.video_id) if origin is not None else ():
                cited = origin.cite(passage) if origin is not None else None
                if cited is not None and _is_long(cited):
                    found.append(Quote("true", cited, row.duration_s or 0.0))
    return sorted(found, key=lambda one: (one.citation.recording, one.citation.from_s))


def _is_long(one: Citation) -> bool:
    words = scripts.folded(one.text)
    return one.speaker is not None and one.to_s - one.from_s >= SHORTEST_S and len(words) >= FEWEST_WORDS


def altered(true: Sequence[Quote], draw: random.Random, times: int = 1) -> Iterator[Quote]:
    """Yield true citations, and each altered some times in the four ways, if it has room and another speaker."""
    speakers: defaultdict[str, set[str]] = defaultdict(set)
    for one in true:
        speakers[one.citation.recording].add(one.citation.speaker or "")
    yield from true
    for number, one in [found for found in enumerate(true) for _ in range(times)]:
        cited, length_s = one.citation, one.citation.to_s - one.citation.from_s
        yield Quote("word", cited.model_copy(update={"text": _other_word(number, true, draw)}), one.length_s)
        places_s = [
            start_s
            for sign in (-1, 1)
            if 0 <= (start_s := cited.from_s + sign * draw.uniform(NEAREST_S, FURTHEST_S)) <= one.length_s - length_s
        ]
        if places_s:
            start_s = draw.choice(places_s)
            moved = {"from_s": round(start_s, 3), "to_s": round(start_s + length_s, 3)}
            yield Quote("second", cited.model_copy(update=moved), one.length_s)
        others = sorted(speakers[cited.recording] - {cited.speaker or ""})
        if others:
            yield Quote("speaker", cited.model_copy(update={"speaker": draw.choice(others)}), one.length_s)
        files = [two for two in true if two.citation.recording != cited.recording and two.length_s >= cited.to_s]
        if files:
            yield _in_file(one, draw.choice(files))


def _other_word(number: int, true: Sequence[Quote], draw: random.Random) -> str:
    """Return a text with another word of the set in the place of one, or without one."""
    words = true[number].citation.text.split()
    at = draw.randrange(len(words))
    known = [word for one in true for word in one.citation.text.split()]
    others = [word for word in known if scripts.folded(word) not in ([], scripts.folded(words[at]))]
    replacement = [] if number % 4 == 0 and scripts.folded(words[at]) else [draw.choice(others)]
    return " ".join([*words[:at], *replacement, *words[at + 1 :]])


def _in_file(one: Quote, there: Quote) -> Quote:
    """Return a citation as one of another recording: with its file, transcript, model, language and speaker."""
    fields = ("recording", "generation", "audio_sha256", "transcript_sha256", "model", "language", "speaker")
    claimed = {name: getattr(there.citation, name) for name in fields}
    return Quote("file", one.citation.model_copy(update=claimed), there.length_s)


def measure(settings: AllSettings, quotes: Sequence[Quote]) -> list[Judgement]:
    """Return what `ingest verify` finds about each citation."""
    verdicts = command.run(settings, [one.citation.token() for one in quotes])
    return [_found(one.kind, verdict) for one, verdict in zip(quotes, verdicts, strict=True)]


def _found(kind: str, verdict: Verdict) -> Judgement:
    voice = verdict.voice
    return Judgement(
        kind,
        verdict.result,
        verdict.reason,
        verdict.recording,
        verdict.from_s,
        verdict.text,
        voice.score if voice is not None else None,
        voice.nearest_score if voice is not None else None,
    )


def print_tables(found: Sequence[Judgement]) -> None:
    """Print the verdicts on each kind of citation, the similarities of voices, and what was judged wrong."""
    rows = []
    for kind, right in RIGHT.items():
        of_kind = [one for one in found if one.kind == kind]
        results = ", ".join(f"{name} {count}" for name, count in Counter(one.result for one in of_kind).most_common())
        rows.append((kind, " or ".join(right), f"{sum(one.is_right for one in of_kind)} of {len(of_kind)}", results))
    report.print_table(("altered", "right verdict", "right", "all verdicts"), rows)
    scores = [
        (kind, *_spread([one.score for one in found if one.kind == kind and one.score is not None]))
        for kind in ("true", "speaker")
    ]
    report.print_table(("similarity to the cited speaker", "least", "5 %", "median", "95 %", "most"), scores)
    for one in found:
        if not one.is_right:
            print(f"  {one.kind}: {one.result} ({one.reason}), {one.recording} {one.from_s:.1f} s: {one.text[:80]}")


def _spread(scores: Sequence[float]) -> tuple[str, ...]:
    """Return the least score, three in between, and the highest."""
    ordered = sorted(scores)
    if not ordered:
        return ("",) * 5
    return tuple(f"{ordered[round(share * (len(ordered) - 1))]:.3f}" for share in (0, 0.05, 0.5, 0.95, 1))


def main() -> None:
    """Run the benchmark."""
    parser = report.parser("bench.citations", __doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder with manifest.jsonl (default %(default)s)")
    parser.add_argument("--half", choices=HALVES, default="report", help="default %(default)s")
    parser.add_argument("--true", type=report.positive, default=40, help="most true citations (default %(default)s)")
    parser.add_argument(
        "--times", type=report.positive, default=1, help="how often each is altered in each way (default %(default)s)"
    )
    parser.add_argument(
        "--state", type=Path, help="state folder to keep; one that has the recordings is not filled again"
    )
    chosen_by = parser.parse_args()
    report.quiet()
    recordings = of_several(chosen(read(chosen_by.folder), chosen_by.half, None))
    draw = random.Random(chosen_by.seed)
    with tempfile.TemporaryDirectory() as made:
        state = (chosen_by.state or Path(made) / "state").absolute()
        os.environ["INGEST_STATE_PATH"] = str(state)
        archive(chosen_by.folder, recordings, state)
        settings = load(AllSettings, state_path=state)
        known = true_citations(settings)
        taken = sorted(draw.sample(range(len(known)), min(len(known), chosen_by.true)))
        quotes = altered([known[number] for number in taken], draw, chosen_by.times)
        found = measure(settings, list({one.citation.token(): one for one in quotes}.values()))  # each once
    if chosen_by.json:
        report.print_json([asdict(one) for one in found])
        return
    seconds = sum(one.seconds for one in recordings)
    print(f"half {chosen_by.half}: {len(recordings)} recordings, {seconds / 60:.0f} minutes, {len(found)} citations")
    print_tables(found)


if __name__ == "__main__":
    main()
