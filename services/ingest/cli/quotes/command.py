"""Reads citations, gives them to the verifier with the models of the settings, and prints its verdicts."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.archive import citation
from ingest.archive.citation import LONGEST_JSON, PREFIX, Citation
from ingest.archive.citing import Citing
from ingest.archive.reading import Reading
from ingest.asr.device import device_of
from ingest.asr.recognition.build import make_transcriber
from ingest.asr.speakers import build as speaker_models
from ingest.asr.speakers.profiles import Profiles
from ingest.cli import console
from ingest.cli.local.state_folder import open_archive
from ingest.cli.quotes.models import Models
from ingest.cli.quotes.remembered import RememberedAnswers
from ingest.cli.quotes.verdicts import Verdict
from ingest.cli.quotes.verify import Verifier
from ingest.cli.voices.progress import shown
from ingest.embedder.tables.catalog import Catalog
from ingest.shared import outgoing
from ingest.shared.errors import ConfigurationError, IngestError
from ingest.shared.homes.chosen import home_of, volume_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.cli.settings import AllSettings

MOST_CITATIONS = 10_000
LARGEST_FILE = 256 << 20
MOST_LETTERS = 80  # of a text that is shown


def run(settings: AllSettings, named: Sequence[str]) -> list[Verdict]:
    """Return a verdict on each citation, in their order; the models are loaded once."""
    texts = [text for one in named for text in _texts(one)]
    if not texts:
        raise ConfigurationError("there is no citation")
    if len(texts) > MOST_CITATIONS:
        raise ConfigurationError(f"{len(texts)} citations: verify at most {MOST_CITATIONS} at once")
    parsed = [_parsed(text) for text in texts]
    known = [one for one in parsed if isinstance(one, Citation)]
    with open_archive(settings) as archive, shown() as show:
        verifier = Verifier(
            archive.settings,
            Catalog(archive.database),
            volume_of(archive.settings),
            Citing(Reading(archive.database), volume_of(archive.settings)),
            cache(lambda: _models(archive.settings)),
            show,
        )
        found = iter(verifier.verify(known))
        return [next(found) if isinstance(one, Citation) else one for one in parsed]


def print_verdicts(verdicts: Iterable[Verdict], *, as_json: bool) -> None:
    """Print what was found of each citation."""
    verdicts = list(verdicts)
    if as_json:
        console.print_json(verdicts)
        return
    for one in verdicts:
        place = f"{one.recording} {console.clock(one.from_s)}" if one.recording else ""
        text = one.text if len(one.text) <= MOST_LETTERS else one.text[:MOST_LETTERS] + "…"
        console.out.print(outgoing.line(f"{one.result:<13} {place}  {text}"), markup=False)
        for line in filter(None, (one.reason, *one.notes)):
            console.out.print(outgoing.line(f"              {line}"), markup=False)
    same = sum(one.result == "same" for one in verdicts)
    console.out.print(f"{same} of {len(verdicts)} citations are the same when heard again")


def _models(settings: AllSettings) -> Models:
    """Load the models of the settings."""
    voice = None
    if settings.diarization_model is not None:
        voice = speaker_models.load(settings, device_of(settings.asr_device))
    transcriber = make_transcriber(settings, around=lambda read: RememberedAnswers(read).run)
    return Models(transcriber, voice, Profiles(home_of(settings)), speaker_models.thresholds(settings))


def _texts(named: str) -> list[str]:
    """Return the citations that an argument of the command names."""
    if named == "-":
        return citation.in_text(sys.stdin.read(LARGEST_FILE))
    if named.startswith((PREFIX, "{")):
        return [named]
    try:
        with Path(named).expanduser().open(encoding="utf-8") as file:
            return citation.in_text(file.read(LARGEST_FILE))
    except (OSError, UnicodeDecodeError, RuntimeError) as error:  # the last: the home folder of an unknown user
        raise ConfigurationError(f"{named[:LONGEST_JSON]!r} is neither a citation nor a readable file") from error


def _parsed(text: str) -> Citation | Verdict:
    try:
        return citation.parse(text)
    except IngestError as error:
        lines = text.splitlines() or [text]
        first = lines[0] if len(lines) == 1 else f"the first of {len(lines)} lines: {lines[0]}"
        return Verdict("no citation", error.message, text=first[:MOST_LETTERS])
