"""`ingest voices calibrate`: measures the error rates of thresholds on labelled recordings, and proposes settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.asr.speakers.calibration import Calibration
from ingest.asr.speakers.calibration import calibrate as measure
from ingest.cli import console
from ingest.cli.voices.progress import shown
from ingest.cli.voices.samples import VoiceSampler
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.asr.speakers.vectors import FloatArray
    from ingest.cli.settings import AllSettings


def calibrate(settings: AllSettings, recordings: Sequence[str], *, as_json: bool) -> None:
    """Print the error rates on recordings named `NAME=FILE|URL`; raise ConfigurationError for too few recordings."""
    labelled = [labelled_source(text) for text in recordings]
    vectors: dict[str, list[FloatArray]] = {}
    with shown() as show:
        sampler = VoiceSampler(settings, show)
        for name, source in labelled:
            vectors.setdefault(name, []).append(sampler.sample(source).vectors)
    try:
        found = measure(vectors)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    _print(found, sampler.key, as_json=as_json)


def labelled_source(text: str) -> tuple[str, str]:
    """Return name and source of `NAME=FILE|URL`."""
    name, equals, source = text.partition("=")
    if not (name and equals and source):
        raise ConfigurationError(f"{text!r} is not NAME=FILE or NAME=URL")
    return name, source


def _print(found: Calibration, key: str, *, as_json: bool) -> None:
    proposed = {
        "INGEST_VOICE_ACCEPT": found.accept,
        "INGEST_VOICE_MARGIN": found.margin,
        "INGEST_VOICE_SAME": found.same_voice,
        "INGEST_VOICE_LINK": found.same_voice,
    }
    if as_json:
        scores = {"targets": len(found.targets), "impostors": len(found.impostors)}
        console.print_json({"model": key, **scores, "points": found.points, "proposed": proposed})
        return
    cells = (
        (f"{point.accept:.3f}", f"{point.false_accepts:.2%}", f"{point.false_rejects:.2%}")
        for point in (*found.points, found.proposed)
    )
    title = f"{len(found.targets)} target and {len(found.impostors)} impostor scores, {key}"
    console.out.print(console.table(title, ("threshold", "false accepts", "false rejects"), cells))
    console.out.print("proposed: " + " ".join(f"{name}={value}" for name, value in proposed.items()))
