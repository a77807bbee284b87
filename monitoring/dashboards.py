"""Writes the dashboards to charts/dashboards: `python -m monitoring.dashboards`. Do not edit the JSON."""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from monitoring import graphics, pipeline, videos

FOLDER = Path(__file__).parents[1] / "charts" / "dashboards"
BOARDS = {"pipeline.json": pipeline.build, "gpu.json": graphics.build, "videos.json": videos.build}


def text(name: str) -> str:
    """Return the content of a dashboard's file."""
    return JSONEncoder(sort_keys=True, indent=2).encode(BOARDS[name]().build()) + "\n"


def main() -> None:
    """Write all files."""
    for name in BOARDS:
        (FOLDER / name).write_text(text(name))


if __name__ == "__main__":
    main()
