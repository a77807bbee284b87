"""`ingest voices list`, `show` and `remove`: the profiles on the shared volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.asr.speakers.profiles import Profile, Profiles
from ingest.cli import console
from ingest.shared import outgoing
from ingest.shared.errors import ConfigurationError
from ingest.shared.homes.chosen import home_of

if TYPE_CHECKING:
    from ingest.cli.settings import AllSettings


NO_DIARIZATION = "it has no diarization: run it again with INGEST_DIARIZATION_MODEL set"


def facts(profile: Profile) -> dict[str, object]:
    """Return the fields of a profile without its vectors."""
    return {
        "name": profile.name,
        "version": profile.version,
        "vectors": len(profile.vectors),
        "speech_s": round(profile.speech_s, 1),
        "purity": round(profile.half_similarity, 3),
        "model": profile.model_key,
        "sources": list(profile.sources),
    }


def print_list(settings: AllSettings, *, as_json: bool) -> None:
    """Print all profiles."""
    known = [facts(profile) for profile in Profiles(home_of(settings)).all()]
    if as_json:
        console.print_json(known)
        return
    columns = ("name", "version", "vectors", "speech_s", "purity", "model")
    console.out.print(console.table("Voices", columns, ([one[column] for column in columns] for one in known)))


def print_one(settings: AllSettings, name: str, *, as_json: bool) -> None:
    """Print one profile; raise ConfigurationError when no profile has this name."""
    profile = Profiles(home_of(settings)).get(name)
    if profile is None:
        raise ConfigurationError(f"no voice is enrolled as {name!r}")
    known = facts(profile)
    if as_json:
        console.print_json(known)
        return
    cells = [(key, value) for key, value in known.items() if key != "sources"]
    cells += [("source", source) for source in profile.sources]
    console.out.print(console.table(outgoing.line(profile.name), ("", ""), cells))


def remove(settings: AllSettings, name: str) -> None:
    """Delete a profile."""
    Profiles(home_of(settings)).remove(name)
