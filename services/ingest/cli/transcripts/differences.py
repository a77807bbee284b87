"""`ingest show --disagreement`: where the recognised words of a recording differ from its captions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ingest.archive.reading import Reading
from ingest.asr import disagreement
from ingest.cli import console
from ingest.shared import outgoing
from ingest.shared.artifacts import captions as captions_file
from ingest.shared.artifacts import transcript
from ingest.shared.errors import ConfigurationError
from ingest.shared.homes.chosen import volume_of

if TYPE_CHECKING:
    from ingest.asr.disagreement import Disagreement
    from ingest.cli.local.state_folder import Archive
    from ingest.shared.artifacts.captions import Captions

MOST_PLACES = 20
MOST_LETTERS = 160


@dataclass(frozen=True)
class Differences:
    """The captions of a recording, and how its recognised words differ from them."""

    video: str
    captions: Captions
    compared: Disagreement


def of(archive: Archive, video: str) -> Differences:
    """Return how the words of a recording differ from its captions; raise ConfigurationError where they cannot."""
    if Reading(archive.database).recording(video) is None:
        raise ConfigurationError(f"the archive has no video {video}")
    volume = volume_of(archive.settings)
    captions, manifest = captions_file.kept(volume, video), volume.manifest(video, "transcript")
    if captions is None:
        raise ConfigurationError(f"no captions of {video} are kept: `ingest run SOURCE --captions compare --force`")
    if manifest is None:
        raise ConfigurationError(f"{video} has no transcript: see `ingest status {video}`")
    content = transcript.read(volume.verified(manifest.artifact, patience_s=0))
    if content.model_key.startswith(captions_file.KEY_PREFIX):
        raise ConfigurationError(f"the words of {video} are those of captions: there is nothing to compare them with")
    compared = disagreement.compare(captions_file.words(captions), disagreement.recognised(content))
    return Differences(video, captions, compared)


def print_differences(found: Differences, *, as_json: bool) -> None:
    """Print the share of words that differ, and the places with the most of them."""
    captions, compared = found.captions, found.compared
    places = compared.places[:MOST_PLACES]
    if as_json:
        about = {"captions": captions.key, "language": captions.language, "words": compared.words}
        console.print_json({**about, "disagreement": compared.error, "places": [asdict(place) for place in places]})
        return
    head = (
        f"{compared.error:.1%} of {compared.words} words differ from the captions ({captions.kind}, {captions.origin})"
    )
    console.out.print(head, markup=False)
    for place in places:
        console.out.print(f"\n{console.clock(place.start_s):>8}  captions    {_shown(place.expected)}", markup=False)
        console.out.print(f"          recognised  {_shown(place.found)}", markup=False)


def _shown(text: str) -> str:
    line = outgoing.line(text) or "(nothing)"
    return line if len(line) <= MOST_LETTERS else line[:MOST_LETTERS] + "…"
