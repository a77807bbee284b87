"""`ingest purge`: files that are not needed any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from services.cli import console
from services.cli.local import connected
from services.embedder.catalog import Catalog
from services.shared import state
from services.shared.volume import Volume

if TYPE_CHECKING:
    from services.cli.settings import AllSettings


def purge(settings: AllSettings, *, older_than_days: float, delete: bool, as_json: bool) -> None:
    """Show, or delete, the audio of videos that were indexed long enough ago."""
    before = datetime.now(UTC) - timedelta(days=older_than_days)
    with connected(settings) as to:
        rows = Catalog(to.archive).chosen(states=[state.INDEXED], limit=1_000_000)
    volume = Volume(settings.volume)
    found = []
    for row in rows:
        manifest = volume.manifest(row.video_id, "audio") if row.updated_at <= before else None
        if manifest is not None:
            found.append({"video_id": row.video_id, "title": row.title, "bytes": manifest.artifact.size_bytes})
            if delete:
                volume.discard(row.video_id, "audio")
    total = sum(int(str(item["bytes"])) for item in found)
    if as_json:
        console.print_json({"deleted": delete, "files": found, "bytes": total})
        return
    cells = ((item["video_id"], item["bytes"], item["title"]) for item in found)
    console.out.print(console.table("Audio of indexed videos", ("video", "bytes", "title"), cells))
    done = "deleted" if delete else "would go (delete them with --yes)"
    console.out.print(f"{len(found)} files, {total / 1e6:.1f} MB {done}")
